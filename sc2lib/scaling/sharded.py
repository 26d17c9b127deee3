"""A training step at full size on no memory: fake tensors, and a fake process group of as many ranks as wanted.

A fake tensor has a shape, a type and a device and no numbers; a fake process group has ranks that do not exist, and
its collectives return at once. What PyTorch would allocate on rank 0 is thus known, to the byte, on one core.
Both are PyTorch's own test tools (`torch.testing._internal`), so a later version may move them.
"""

import logging
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from unittest import mock

import torch
import torch.distributed as dist
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.tensor import DTensor

from sc2lib.errors import UnsupportedError
from sc2lib.model.attention import AttentionPlan
from sc2lib.model.config import ModelConfig
from sc2lib.model.transformer import Starcoder2
from sc2lib.scaling.memory import Layout
from sc2lib.scaling.tracker import MemoryTracker
from sc2lib.training.config import OptimizerConfig
from sc2lib.training.optimizer import adamw
from sc2lib.training.parallel import (
    DATA,
    TENSOR,
    clip_gradients,
    deferred_gradient_sync,
    kept_after_backward,
    kept_after_forward,
    parallelise,
)
from sc2lib.training.recomputation import recompute_blocks


@contextmanager
def fake_cluster(ranks: int) -> Iterator[None]:
    """A default process group of that many ranks, of which this process is rank 0 and the others do not exist."""
    from torch.testing._internal.distributed.fake_pg import FakeStore

    if dist.is_initialized():
        raise UnsupportedError("this process already belongs to a process group; plan in a fresh process")
    dist.init_process_group("fake", store=FakeStore(), rank=0, world_size=ranks)
    try:
        yield
    finally:
        dist.destroy_process_group()


# docs: start-shard
def sharded(config: ModelConfig, layout: Layout, gather_bf16: bool = False) -> Starcoder2:
    """The model on the meta device, cut by the code that cuts it in chapter 12; needs `fake_cluster` around it."""
    mesh = init_device_mesh("cpu", (layout.data, layout.tensor), mesh_dim_names=(DATA, TENSOR))
    model = Starcoder2(config, device="meta")
    if layout.checkpointing:
        recompute_blocks(model)
    parallelise(model, mesh, gather_bf16)
    return model
    # docs: end-shard


def check_buildable(layout: Layout) -> None:
    """Raise UnsupportedError for a layout that the book's training has no code for."""
    for problem, remedy in (
        (layout.pipeline > 1, "pipeline stages are planned by formula only; take pipeline 1"),
        (layout.data > 1 and layout.sharding != "full", f"sharding {layout.sharding} is not built; take full (FSDP2)"),
        (layout.split_vocabulary, "a split vocabulary (Megatron) is not built; take split_vocabulary=False"),
    ):
        if problem:
            raise UnsupportedError(remedy)


def local_bytes(module: nn.Module) -> int:
    """Bytes of the parameters that this rank holds itself."""
    own = (p.to_local() if isinstance(p, DTensor) else p for p in module.parameters())
    return sum(tensor.numel() * tensor.element_size() for tensor in own)


def state_bytes(config: ModelConfig, layout: Layout) -> int:
    """Bytes of fp32 weights on rank 0 of the layout, read off a model that is really split over that many ranks."""
    check_buildable(layout)
    with fake_cluster(layout.devices):
        return local_bytes(sharded(config, layout))


def pass_both_ways(model: Starcoder2, tokens: torch.Tensor, layout: Layout, last: bool, autocast: bool) -> None:
    """One micro-batch as the strategy of chapter 12 runs it, the `last` of its step or not."""
    with ExitStack() as stack:
        if layout.defer_gradient_sync and not last:
            stack.enter_context(deferred_gradient_sync(model))
        if layout.keep_gathered and not last:
            stack.enter_context(kept_after_backward(model))
        keeping = kept_after_forward(model) if layout.keep_gathered else nullcontext()
        with keeping, torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            loss = model.loss(tokens, tokens)
        loss.backward()


# docs: start-step
def fake_step(
    config: ModelConfig,
    length: int,
    layout: Layout | None = None,
    autocast: bool = False,
    gather_bf16: bool = False,
) -> int:
    """Peak bytes on rank 0 in the last micro-batch of a step: forward, backward, collectives, clip and fused AdamW.

    Sequences have `length` tokens; fp32, or bf16-mixed with `autocast`. Every operation runs and computes nothing.
    The last pass counts: the moments and the gradients of earlier micro-batches are there before it, whole ones with
    `defer_gradient_sync`, and weights with `keep_gathered`, and the shapes that DTensor works out once, by whole
    tensors, are known.
    """
    layout = layout or Layout()
    check_buildable(layout)
    tokens = torch.zeros(layout.micro_batch, length, dtype=torch.long)
    with ExitStack() as stack:
        stack.enter_context(fake_cluster(layout.devices))
        model = sharded(config, layout, gather_bf16)
        stack.enter_context(fused_attention(length))
        stack.enter_context(without_advice())
        stack.enter_context(warnings.catch_warnings())
        warnings.filterwarnings("ignore", ".*returned a view tensor.*")  # which a block adds out of place
        stack.enter_context(FakeTensorMode(allow_non_fake_inputs=True))  # the weights come from the meta device
        tracker = stack.enter_context(MemoryTracker())
        model.to_empty(device="cpu")
        optimizer = adamw(model, OptimizerConfig(steps=10_000))
        for last in (True, False, True) if layout.defer_gradient_sync or layout.keep_gathered else (True, True):
            tracker.peak = tracker.now
            pass_both_ways(model, tokens, layout, last, autocast)
            if last:
                clip_gradients(model.parameters(), 1.0)
                optimizer.step()
                if layout.defer_gradient_sync:
                    optimizer.zero_grad()  # shards have no gradient until the whole ones are scattered
    return tracker.peak
    # docs: end-step


@contextmanager
def fused_attention(length: int) -> Iterator[None]:
    """Attention by the fused kernel, as on a GPU: what a CPU does instead of it in bf16, or with a window, keeps more.

    The kernel keeps the same with a window and without.
    """
    plan = AttentionPlan.build(length, None, backend="sdpa")
    with mock.patch.object(AttentionPlan, "build", lambda *choices, **more: plan):
        yield


@contextmanager
def without_advice() -> Iterator[None]:
    """Without DTensor's advice to merge two collectives of the clipped norm, which takes as long as one number does."""
    log = logging.getLogger("torch.distributed.tensor._redistribute")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        log.setLevel(level)
