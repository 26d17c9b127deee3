"""Lightning's strategies, chosen by one word, with one form of checkpoint for all of them."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import lightning.pytorch as lightning
import torch
from lightning.pytorch.core.optimizer import LightningOptimizer
from lightning.pytorch.strategies import DDPStrategy, ModelParallelStrategy, SingleDeviceStrategy, Strategy
from torch.distributed.checkpoint.state_dict import (
    StateDictOptions,
    get_model_state_dict,
    get_optimizer_state_dict,
    set_model_state_dict,
    set_optimizer_state_dict,
)

from sc2lib.training.config import RunConfig
from sc2lib.training.parallel import deferred_gradient_sync, kept_after_backward, kept_after_forward
from sc2lib.training.state import StateWriter, read_state

# One entry per parameter: other strategies put the parameters into other groups.
BY_NAME = StateDictOptions(flatten_optimizer_state_dict=True)


class _Portable(Strategy):
    """Saves weights and optimizer by the names of the parameters, so that any other strategy can load them."""

    writer: StateWriter

    @property
    def restore_checkpoint_after_setup(self) -> bool:
        """Shards exist only after the set-up."""
        return True

    @property
    def lightning_restore_optimizer(self) -> bool:
        """`load_checkpoint` has done it."""
        return False

    def lightning_module_state_dict(self) -> dict[str, Any]:
        """Weights, whole or this process's shards."""
        assert self.lightning_module is not None
        return get_model_state_dict(self.lightning_module)

    def optimizer_state(self, optimizer: torch.optim.Optimizer | LightningOptimizer) -> dict[str, Any]:
        """Moments and constants per parameter, whole or this process's shards."""
        assert self.lightning_module is not None
        plain = optimizer.optimizer if isinstance(optimizer, LightningOptimizer) else optimizer
        return dict(get_optimizer_state_dict(self.lightning_module, plain, options=BY_NAME))

    def save_checkpoint(self, checkpoint: dict[str, Any], filepath: Any, storage_options: Any = None) -> None:
        """Begin to write the folder `filepath`; every process calls this, and then lets `writer` finish."""
        rest = dict(checkpoint)
        (optimizer,) = rest.pop("optimizer_states")
        self.writer.begin(Path(filepath), {"model": rest.pop("state_dict"), "optimizer": optimizer}, rest)

    def load_checkpoint(self, checkpoint_path: Any, weights_only: bool | None = None) -> dict[str, Any]:
        """Load weights and optimizer from a folder into those of this run, and return the rest for Lightning."""
        module, (optimizer,) = self.lightning_module, self.optimizers
        assert module is not None
        state = {"model": get_model_state_dict(module), "optimizer": self.optimizer_state(optimizer)}
        rest = read_state(Path(checkpoint_path), state)
        set_model_state_dict(module, state["model"])
        set_optimizer_state_dict(module, optimizer, state["optimizer"], options=BY_NAME)
        for schedule in rest["lr_schedulers"]:  # one learning rate for all groups, of which there may now be more
            for name in ("base_lrs", "_last_lr", "lr_lambdas"):
                schedule[name] = schedule[name][:1] * len(optimizer.param_groups)
        return dict(rest)

    def load_model_state_dict(self, checkpoint: Any, strict: bool = True) -> None:
        """`load_checkpoint` has done it."""


class SingleDevice(_Portable, SingleDeviceStrategy):
    """Everything on one device."""


class DataParallel(_Portable, DDPStrategy):
    """Every device holds the whole model and computes its share of the sequences; gradients are averaged."""


class Sharded(_Portable, ModelParallelStrategy):
    """The model is cut over the devices by `sc2lib.training.parallel`."""

    defer_gradient_sync = keep_gathered = False

    def training_step(self, *batch: Any, **more: Any) -> Any:
        """The forward pass of one micro-batch. (Validation and samples do not come here: they keep nothing.)"""
        assert self.model is not None
        with kept_after_forward(self.model) if self.keep_gathered else nullcontext():
            return super().training_step(*batch, **more)

    @contextmanager
    def block_backward_sync(self) -> Iterator[None]:
        """Lightning enters this for every micro-batch of a step but the last."""
        assert self.model is not None
        with ExitStack() as stack:
            if self.defer_gradient_sync:
                stack.enter_context(deferred_gradient_sync(self.model))
            if self.keep_gathered:
                stack.enter_context(kept_after_backward(self.model))
            yield


def strategy(run: RunConfig, cuda: bool, writer: StateWriter) -> Strategy:
    """The strategy that `run.strategy` names; CPUs talk over gloo, GPUs over NCCL. Checkpoints go through `writer`."""
    backend = "nccl" if cuda else "gloo"
    chosen: _Portable
    if run.world == 1:
        chosen = SingleDevice("cuda:0" if cuda else "cpu")
    elif not run.sharded:
        chosen = DataParallel(process_group_backend=backend, gradient_as_bucket_view=True)
    else:
        chosen = Sharded(
            data_parallel_size=run.data_parallel_size,
            tensor_parallel_size=run.tensor_parallel_degree,
            process_group_backend=backend,
        )
        chosen.defer_gradient_sync, chosen.keep_gathered = run.defer_gradient_sync, run.keep_gathered
    chosen.writer = writer
    return chosen


def data_parallel_rank(trainer: lightning.Trainer) -> tuple[int, int]:
    """This process's data-parallel rank and how many there are: a tensor-parallel group reads the same sequences and
    has one rank together."""
    if isinstance(trainer.strategy, Sharded):
        mesh = trainer.strategy.device_mesh["data_parallel"]
        return mesh.get_local_rank(), mesh.size()
    return trainer.global_rank, trainer.world_size
