"""The model as Lightning trains it: one micro-batch forward, the clip, the optimizer."""

from pathlib import Path
from typing import Any

import lightning.pytorch as lightning
import torch
from torch import Tensor

from sc2lib.errors import ParameterError
from sc2lib.model.attention import documents_of
from sc2lib.model.transformer import Starcoder2
from sc2lib.tokenizer.encoding import Tokenizer
from sc2lib.training.config import TrainingConfig
from sc2lib.training.data import IGNORED, TokenWindows, TrainingSamples
from sc2lib.training.optimizer import adamw
from sc2lib.training.parallel import clip_gradients, parallelise, scatter
from sc2lib.training.recomputation import recompute_blocks


def initial_model(config: TrainingConfig) -> Starcoder2:
    """Fresh weights drawn from the seed, or those of `config.initial_model` in the shape of `config.model`.

    A second stage may change the RoPE base, the window and the context: none of them owns a parameter. The weights are
    in memory once.
    """
    if config.initial_model is None:
        model = Starcoder2(config.model, device="meta").to_empty(device="cpu")
        model.initialize(torch.Generator().manual_seed(config.data.seed))
        return model
    trained = Starcoder2.from_pretrained(config.initial_model, dtype=torch.float32)
    shape = {"max_position_embeddings", "rope_theta", "sliding_window"}
    before, after = ({k: v for k, v in c.to_dict().items() if k not in shape} for c in (trained.config, config.model))
    if before != after:
        different = sorted(name for name in after if before[name] != after[name])
        raise ParameterError(
            f"{config.initial_model} differs from the model to be trained in {', '.join(different)}; only "
            f"{', '.join(sorted(shape))} may change between stages"
        )
    return trained.reshaped(config.model)


class Pretraining(lightning.LightningModule):
    """Next-token prediction on the windows of a token file (see book/fidelity.md)."""

    def __init__(self, config: TrainingConfig) -> None:
        super().__init__()
        self.config = config
        tokenizer = Tokenizer.load(Path(config.data.tokenizer))
        if tokenizer.vocabulary_size != config.model.vocab_size:
            raise ParameterError(
                f"{config.data.tokenizer} has {tokenizer.vocabulary_size} tokens, the model "
                f"{config.model.vocab_size}; set vocabulary_size to the tokenizer's"
            )
        windows = TokenWindows(config.data.train, config.data.sequence_length)
        self.samples = TrainingSamples(windows, tokenizer, config.data.fim, config.data.seed)
        self.tokenizer = tokenizer
        self.document_end = tokenizer.end_of_text if config.data.document_mask else None  # no token sees across it
        self.model = Starcoder2(config.model, device="meta") if config.run.sharded else initial_model(config)
        if config.run.activation_checkpointing:
            recompute_blocks(self.model)
        self.loss_sum = torch.zeros((), dtype=torch.float64)
        self.target_count = torch.zeros((), dtype=torch.float64)
        self.micro_losses: list[Tensor] = []  # of each micro-batch since the last row of the metrics
        self.grad_norm: Tensor | None = None
        self.step_learning_rate = 0.0

    def configure_model(self) -> None:
        """Cut the model over the devices where the strategy says so; the weights are those of a single process."""
        if self.config.run.sharded:
            assert self.device_mesh is not None
            parallelise(self.model, self.device_mesh, self.config.run.gather_bf16)
            whole = initial_model(self.config) if self.trainer.is_global_zero else None
            scatter(whole, self.model, self.trainer.strategy.root_device)

    # docs: start-step
    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        """Loss of one micro-batch, weighted so that a step does not depend on how it is cut into micro-batches."""
        tokens_BT, targets_BT = batch
        documents_BT = None if self.document_end is None else documents_of(tokens_BT, self.document_end)
        loss = self.model.loss(tokens_BT, targets_BT, IGNORED, documents_BT, self.config.optimizer.z_loss)
        count = (targets_BT != IGNORED).sum()
        self.loss_sum += loss.detach().double() * count
        self.target_count += count
        self.micro_losses.append(loss.detach())
        return loss * (count / targets_BT.numel())

    def configure_gradient_clipping(self, optimizer: Any, *limits: Any, **more: Any) -> None:
        """Scale the gradient of all parameters to a norm of at most `gradient_clip`, and remember the norm."""
        self.step_learning_rate = optimizer.param_groups[0]["lr"]
        self.grad_norm = clip_gradients(self.parameters(), self.config.optimizer.gradient_clip)

    def configure_optimizers(self) -> Any:
        config = self.config.optimizer
        optimizer = adamw(self.model, config)
        scheduler = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda step: config.learning_rate_at(step) / config.learning_rate
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}
        # docs: end-step

    def on_fit_start(self) -> None:
        """Bring the sums to the device of the losses (fp32 on Apple's GPUs, which have no fp64)."""
        kind = torch.float32 if self.device.type == "mps" else torch.float64
        self.loss_sum = self.loss_sum.to(self.device, kind)
        self.target_count = self.target_count.to(self.device, kind)
