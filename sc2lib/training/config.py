"""Everything that decides a training run, as frozen dataclasses that check themselves and round-trip through JSON."""

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Self

from sc2lib.corpus.fim import FimRates
from sc2lib.errors import InputError, ParameterError
from sc2lib.files import write_text
from sc2lib.model.config import ModelConfig
from sc2lib.training.fingerprints import fingerprint, model_fingerprint
from sc2lib.training.schedule import learning_rate
from sc2lib.training.skips import Skips

STRATEGIES = ("auto", "single", "ddp", "fsdp2", "tp", "fsdp2_tp")
PRECISIONS = ("bf16-mixed", "32-true")
ACCELERATORS = ("auto", "cpu", "cuda")
TRAFFIC = ("defer_gradient_sync", "gather_bf16", "keep_gathered")  # what fsdp2 and fsdp2_tp send
CONTENT = ("train", "validation", "tokenizer")  # files that decide the losses
PLACES = (*CONTENT, "token_index", "documents")  # fields of DataConfig that are paths


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    """Which tokens are read, and how many sequences make a step.

    `train` and `validation` are files of uint16 tokens; `batch_size` counts sequences of a whole step over all
    processes, `micro_batch_size` those that one process computes at once. `token_index` and `documents` are the
    folders of these tables (chapters 09 and 08): with them, tokens are traced to documents, languages and sources.
    `document_mask`: attention ends at the border of a document, in training and in validation.
    `skip_samples`: ranges of samples that are left out (`sc2lib.training.skips`), which a run that goes on may change
    for what it has not read yet.
    """

    train: str
    validation: str
    tokenizer: str
    sequence_length: int
    batch_size: int
    micro_batch_size: int
    validation_windows: int
    fim: FimRates = field(default_factory=FimRates)
    seed: int = 1234
    token_index: str | None = None
    documents: str | None = None
    document_mask: bool = False
    loader_workers: int = 0
    skip_samples: str | None = None

    def __post_init__(self) -> None:
        low = {"sequence_length": 1, "batch_size": 1, "micro_batch_size": 1, "validation_windows": 1}
        _at_least(self, low | {"seed": 0, "loader_workers": 0})
        Skips.parse(self.skip_samples)
        if self.batch_size % self.micro_batch_size:
            raise ParameterError(
                f"batch_size {self.batch_size} is not a multiple of micro_batch_size {self.micro_batch_size}; "
                f"take {-(-self.batch_size // self.micro_batch_size) * self.micro_batch_size}"
            )

    @property
    def skips(self) -> Skips:
        """`skip_samples`, read."""
        return Skips.parse(self.skip_samples)

    @property
    def tokens_per_step(self) -> int:
        """Tokens of one optimizer step, over all processes."""
        return self.batch_size * self.sequence_length


@dataclass(frozen=True, kw_only=True)
class OptimizerConfig:
    """AdamW and its schedule; the defaults are the paper's where section 6.3 knows them.

    `z_loss` times the mean square of log Z, Z being the sum that the softmax divides by, joins the training loss; it
    keeps logits from drifting (Chowdhery et al. 2022, with 1e-4).
    """

    steps: int
    learning_rate: float = 3e-4
    minimum_learning_rate: float = 3e-5
    warmup_steps: int = 1000
    beta1: float = 0.9
    beta2: float = 0.95
    epsilon: float = 1e-8
    weight_decay: float = 0.1
    gradient_clip: float = 1.0
    schedule: str = "cosine"
    z_loss: float = 0.0

    def __post_init__(self) -> None:
        _at_least(self, {"steps": 1, "weight_decay": 0.0, "z_loss": 0.0})
        for name in ("learning_rate", "epsilon", "gradient_clip"):
            if not getattr(self, name) > 0:
                raise ParameterError(f"{name} must be positive, not {getattr(self, name)!r}")
        for name in ("beta1", "beta2"):
            if not 0 <= getattr(self, name) < 1:
                raise ParameterError(f"{name} must lie in [0, 1), not {getattr(self, name)!r}")
        self.learning_rate_at(0)

    def learning_rate_at(self, step: int) -> float:
        """Learning rate of step `step`, counted from 0."""
        return learning_rate(
            step, self.steps, self.learning_rate, self.minimum_learning_rate, self.warmup_steps, self.schedule
        )


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """Where and on what the run happens. None of it decides which tokens a step sees.

    `folder` takes checkpoints, metrics and the final model. `devices` counts processes per node. `threads` are the
    CPU threads of each process (0: the usable cores shared out). Steps between rows, validations and checkpoints
    are optimizer steps. A logged loss more than `loss_spike_nats` above the median of the `loss_spike_window` before
    it stops the run (0: never). `activation_checkpointing` trades time for memory (`sc2lib.training.recomputation`),
    `asynchronous_checkpoints` memory for time: a copy of the state is written while the training goes on.
    At every validation each prompt of `sc2lib.training.samples` gets at most `sample_tokens` tokens (0: none); with
    `long_sample` a held-out text that fills the context is one of them.

    `strategy`: single; ddp (every device holds the model, auto's choice for several devices); fsdp2 (every device
    stores a slice of it); tp (the devices of one node compute the same sequences, each with its heads); fsdp2_tp
    (groups of `tensor_parallel_size` devices of a node do so, 0: all of a node, and the groups are fsdp2).

    Three choices send less between the processes of fsdp2 and fsdp2_tp. `defer_gradient_sync`: the gradients of a step
    are added up where they arise, whole, and cross the network after the last micro-batch (`ddp` always does that);
    4 bytes more for each parameter that a process computes with. `gather_bf16`: the blocks' matrices come in half the
    bytes (`sc2lib.training.parallel`). `keep_gathered`: what a step gathers in its first forward pass stays until its
    last backward pass; 4 bytes more for each parameter that a process computes with, 2 with `gather_bf16`.
    """

    folder: str
    devices: int = 1
    nodes: int = 1
    strategy: str = "auto"
    tensor_parallel_size: int = 0
    accelerator: str = "auto"
    precision: str = "bf16-mixed"
    threads: int = 0
    log_every_steps: int = 1
    validate_every_steps: int = 50
    checkpoint_every_steps: int = 50
    asynchronous_checkpoints: bool = False
    loss_spike_nats: float = 2.5
    loss_spike_window: int = 50
    activation_checkpointing: bool = False
    defer_gradient_sync: bool = False
    gather_bf16: bool = False
    keep_gathered: bool = False
    sample_tokens: int = 0
    long_sample: bool = False

    def __post_init__(self) -> None:
        _at_least(self, {"devices": 1, "nodes": 1, "threads": 0, "tensor_parallel_size": 0, "log_every_steps": 1})
        _at_least(self, {"validate_every_steps": 1, "checkpoint_every_steps": 1})
        _at_least(self, {"loss_spike_nats": 0.0, "loss_spike_window": 2, "sample_tokens": 0})
        if self.checkpoint_every_steps % self.log_every_steps:
            raise ParameterError(
                f"checkpoint_every_steps {self.checkpoint_every_steps} must be a multiple of log_every_steps "
                f"{self.log_every_steps}, so that no row of the metrics spans a checkpoint"
            )
        for name, choices in (
            ("strategy", STRATEGIES),
            ("precision", PRECISIONS),
            ("accelerator", ACCELERATORS),
        ):
            if getattr(self, name) not in choices:
                raise ParameterError(f"{name} {getattr(self, name)!r} is unknown; choose {', '.join(choices)}")
        if self.strategy == "single" and self.world > 1:
            raise ParameterError(f"strategy single runs on one device, not {self.world}; use ddp")
        self._check_layout()
        self._check_traffic()

    @property
    def world(self) -> int:
        """Processes of the whole run."""
        return self.devices * self.nodes

    @property
    def sharded(self) -> bool:
        """Whether no process holds the whole model."""
        return self.strategy in ("fsdp2", "tp", "fsdp2_tp")

    @property
    def fully_sharded(self) -> bool:
        """Whether processes that read different sequences share the weights out (FSDP2)."""
        return self.strategy in ("fsdp2", "fsdp2_tp")

    @property
    def tensor_parallel_degree(self) -> int:
        """Processes that compute the same sequences together."""
        return (self.tensor_parallel_size or self.devices) if self.strategy in ("tp", "fsdp2_tp") else 1

    @property
    def data_parallel_size(self) -> int:
        """Groups of processes that read different sequences."""
        return self.world // self.tensor_parallel_degree

    def _check_layout(self) -> None:
        degree = self.tensor_parallel_degree
        if self.sharded and self.world == 1:
            raise ParameterError(f"strategy {self.strategy} cuts the model over devices; on one device take single")
        if degree == 1 and self.tensor_parallel_size > 1:
            raise ParameterError(
                f"strategy {self.strategy} has no tensor_parallel_size ({self.tensor_parallel_size}); take fsdp2_tp"
            )
        if self.devices % degree:
            near = math.gcd(self.devices, degree)
            raise ParameterError(
                f"tensor_parallel_size {degree} does not divide the {self.devices} devices of a node, between which "
                f"alone the links are fast enough; take {near if near > 1 else self.devices}"
            )
        if self.strategy == "tp" and self.data_parallel_size > 1:
            raise ParameterError(
                f"strategy tp makes one group of {degree} out of {self.world} devices; take fsdp2_tp for "
                f"{self.data_parallel_size} groups"
            )
        if self.strategy == "fsdp2_tp" and min(degree, self.data_parallel_size) == 1:
            other = "tp" if degree > 1 else "fsdp2"
            raise ParameterError(
                f"strategy fsdp2_tp with tensor_parallel_size {degree} on {self.world} devices is {other}; take that, "
                f"or a tensor_parallel_size between 1 and {self.world}"
            )

    def _check_traffic(self) -> None:
        for name in TRAFFIC:
            if getattr(self, name) and not self.fully_sharded:
                raise ParameterError(
                    f"{name} changes what fsdp2 and fsdp2_tp send, and strategy {self.strategy} sends none of it; "
                    f"set {name} to false"
                )
        if self.gather_bf16 and self.precision != "bf16-mixed":
            raise ParameterError(
                f"gather_bf16 would round the weights that precision {self.precision} computes with; take bf16-mixed, "
                "or set gather_bf16 to false"
            )


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """A whole run: model, data, optimizer, machine, and the folder of weights to start from (None: fresh ones)."""

    model: ModelConfig
    data: DataConfig
    optimizer: OptimizerConfig
    run: RunConfig
    initial_model: str | None = None

    def __post_init__(self) -> None:
        if self.data.sequence_length > self.model.max_position_embeddings:
            raise ParameterError(
                f"sequence_length {self.data.sequence_length} is beyond the model's "
                f"max_position_embeddings {self.model.max_position_embeddings}; make the two equal"
            )
        groups = self.run.data_parallel_size
        share = self.data.micro_batch_size * groups
        if self.data.batch_size % share:
            raise ParameterError(
                f"batch_size {self.data.batch_size} cannot be dealt out to {groups} process(es) in "
                f"micro-batches of {self.data.micro_batch_size}; take a multiple of {share}"
            )
        if self.data.validation_windows < groups:
            raise ParameterError(
                f"validation_windows {self.data.validation_windows} leave some of {groups} processes without one; "
                f"take at least {groups}"
            )
        self._check_heads()

    def _check_heads(self) -> None:
        model, degree = self.model, self.run.tensor_parallel_degree
        for name in ("num_key_value_heads", "num_attention_heads", "intermediate_size"):
            if getattr(model, name) % degree:
                most = math.gcd(model.num_key_value_heads, model.intermediate_size, self.run.devices)
                near = max(size for size in range(1, degree) if most % size == 0)
                raise ParameterError(
                    f"{name} {getattr(model, name)} cannot be shared by {degree} processes; "
                    f"take tensor_parallel_size {near}" + ("" if near > 1 else ", that is strategy fsdp2")
                )

    @property
    def tokens(self) -> int:
        """Tokens of the whole run."""
        return self.data.tokens_per_step * self.optimizer.steps

    @property
    def flops(self) -> float:
        """Floating-point operations of the whole run, counting the keys that a query sees."""
        return self.tokens * self.model.flops_per_token(self.data.sequence_length)

    def on_one_device(self, layers: int) -> Self:
        """The same run on one device and with at most `layers` blocks, to be checked where the whole does not fit."""
        model = self.model.replace(num_hidden_layers=min(layers, self.model.num_hidden_layers))
        layout: dict[str, Any] = {"strategy": "auto", "tensor_parallel_size": 0}
        layout |= dict.fromkeys(TRAFFIC, False)
        run = replace(self.run, devices=1, nodes=1, **layout)
        return replace(self, model=model, run=run)

    def identity(self) -> str:
        """SHA-256 of `decisive`."""
        return hashlib.sha256(json.dumps(self.decisive(), sort_keys=True).encode()).hexdigest()

    def decisive(self) -> dict[str, Any]:
        """What decides the losses, as nested dictionaries: a checkpoint of other values is refused.

        Paths, devices and intervals are left out, so that a run may move or go on with another number of processes, and
        so are samples to skip: `Checkpoints` looks after them. Files count by their content.

        Raises InputError when one of them cannot be read.
        """
        values = self.to_dict()
        for name in (*PLACES, "micro_batch_size", "loader_workers", "skip_samples"):
            del values["data"][name]
        values["data"]["content"] = {name: fingerprint(Path(getattr(self.data, name))) for name in CONTENT}
        values["run"] = {"precision": self.run.precision}
        values["initial_model"] = self.initial_model and model_fingerprint(Path(self.initial_model))
        return values

    def in_own_folder(self) -> Self:
        """The same run in a folder below `run.folder` that its `identity` names: runs with other values cannot meet."""
        folder = Path(self.run.folder) / self.identity()[:16]
        return replace(self, run=replace(self.run, folder=str(folder)))

    def to_dict(self) -> dict[str, Any]:
        """The configuration as nested dictionaries of plain values."""
        return asdict(self)

    def save(self, path: Path) -> None:
        """Write the configuration as JSON."""
        write_text(path, json.dumps(self.to_dict(), indent=2) + "\n")

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a configuration written by `save`. Raises InputError or ParameterError naming what is wrong."""
        try:
            return cls.from_dict(json.loads(Path(path).read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError) as error:
            if isinstance(error, ParameterError):
                raise
            raise InputError(f"{path} is not a training configuration: {error}") from error

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """The inverse of `to_dict`; an unknown key raises ParameterError."""
        parts = dict(values)
        data = dict(parts.pop("data"))
        data["fim"] = _build(FimRates, data.get("fim", {}))
        return cls(
            model=ModelConfig.from_dict(parts.pop("model")),
            data=_build(DataConfig, data),
            optimizer=_build(OptimizerConfig, parts.pop("optimizer")),
            run=_build(RunConfig, parts.pop("run")),
            **parts,
        )


def _build(kind: type, values: dict[str, Any]) -> Any:
    known = [entry.name for entry in fields(kind)]
    unknown = sorted(set(values) - set(known))
    if unknown:
        raise ParameterError(f"{kind.__name__} has no {', '.join(unknown)}; it has {', '.join(known)}")
    return kind(**values)


def _at_least(config: Any, limits: Mapping[str, float]) -> None:
    for name, low in limits.items():
        if getattr(config, name) < low:
            raise ParameterError(f"{name} must be at least {low}, not {getattr(config, name)!r}")
