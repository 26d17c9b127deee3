"""A training run: in this process on one device, or as processes of its own on several (`sc2lib.training.launch`)."""

import fcntl
import logging
import os
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import lightning.pytorch as lightning
import torch
from lightning.pytorch.plugins.environments import ClusterEnvironment, LightningEnvironment, SLURMEnvironment

from sc2lib.errors import ParameterError, RunDirectoryError
from sc2lib.files import atomic
from sc2lib.training import machine
from sc2lib.training.callbacks import EndOfStep, Record, Report, Speed, Validate
from sc2lib.training.checkpoints import Checkpoints, SaveCheckpoint
from sc2lib.training.config import TrainingConfig
from sc2lib.training.data import TrainingData, accumulation_steps
from sc2lib.training.launch import launch
from sc2lib.training.lineage import Lineage, set_aside
from sc2lib.training.metrics import MetricsFile
from sc2lib.training.module import Pretraining
from sc2lib.training.parallel import gather
from sc2lib.training.run_folder import TrainingRun
from sc2lib.training.samples import SamplesFile, WriteSamples
from sc2lib.training.state import StateWriter
from sc2lib.training.stopping import Stop
from sc2lib.training.strategies import strategy
from sc2lib.training.validation import ValidationWindows
from sc2lib.workflow import slurm
from sc2lib.workflow.measure import usable_cores

PATIENCE_SECONDS = 60


def run(config: TrainingConfig, report: Report | None = None) -> TrainingRun:
    """Train, or go on training, until the last step; a run that this very code finished is not repeated.

    What was finished by other code, or without the same samples, is set aside beside the folder, where nothing deletes
    it. Raises TrainingError when a process of a run on several devices fails, with the reason; StoppedError when the
    run was asked to stop, with a checkpoint from which the same call goes on.
    """
    result = TrainingRun(config)
    lineage = Lineage.now(config.decisive(), config.data.skip_samples)
    finished = Lineage.load(result.finished) if result.finished.exists() else None
    if finished and finished.decisive == lineage.decisive:
        if finished.code[-1:] == lineage.code and finished.skip_samples == lineage.skip_samples:
            return result
        set_aside(result.folder)
    result.folder.mkdir(parents=True, exist_ok=True)
    config.save(result.configuration_file)
    if config.run.world == 1:
        train(config, report)
    else:
        launch(config, report)
    return result


def train(config: TrainingConfig, report: Report | None = None) -> None:
    """Train in this process, which is the only one or one rank of several, and write the model at the end."""
    files = TrainingRun(config)
    started = int(os.environ.get("WORLD_SIZE", config.run.world))
    if started != config.run.world:
        raise ParameterError(
            f"{started} processes were started for a run on {config.run.nodes} x {config.run.devices} devices; start "
            "one per device, or set devices and nodes to what there is"
        )
    cuda = _device(config) == "cuda"
    threads = config.run.threads or max(1, usable_cores() // config.run.devices)
    machine.keep_freed_memory()
    with machine.settings(threads, deterministic=not cuda), _quiet(), _alone(files.folder):
        module = Pretraining(config)
        writer = StateWriter(config.run.asynchronous_checkpoints)
        lineage = Lineage.now(config.decisive(), config.data.skip_samples)
        checkpoints = Checkpoints(files.checkpoints, lineage, writer)
        stop = Stop(checkpoints)
        trainer = _trainer(module, checkpoints, stop, report, cuda)
        if trainer.is_global_zero:
            checkpoints.clear()
        last = checkpoints.newest()
        try:
            with stop:
                trainer.fit(module, TrainingData(module.samples, config.data), ckpt_path=last)
        finally:
            writer.abandon()
        whole = gather(module.model)
        if trainer.is_global_zero:
            assert whole is not None
            with atomic(files.model) as temporary:
                whole.save_pretrained(temporary)
            checkpoints.lineage.save(files.finished)
        trainer.strategy.barrier("finished")


def _environment(config: TrainingConfig) -> ClusterEnvironment | None:
    """Who numbers the ranks where Lightning would guess wrongly or answer Slurm's signals itself."""
    if slurm.in_step() and "TORCHELASTIC_RUN_ID" not in os.environ:
        return SLURMEnvironment(auto_requeue=False)
    return LightningEnvironment() if config.run.world == 1 else None


def _trainer(
    module: Pretraining, checkpoints: Checkpoints, stop: Stop, report: Report | None, cuda: bool
) -> lightning.Trainer:
    """Lightning's trainer, whose callbacks act in this order: a checkpoint comes after all rows of its step."""
    config = module.config
    files, data = TrainingRun(config), config.data
    accumulation = accumulation_steps(data.batch_size, data.micro_batch_size, config.run.data_parallel_size)
    metrics = MetricsFile(files.metrics_file)
    windows = ValidationWindows(data.validation, data.sequence_length, data.validation_windows, module.document_end)
    speed, record = Speed(files.speed_file), Record(metrics, checkpoints.settled)
    callbacks = [
        speed,
        record,
        Validate(windows, metrics),
        WriteSamples(SamplesFile(files.samples_file)),
        SaveCheckpoint(checkpoints),
        EndOfStep(speed, record, report),
        stop,
    ]
    return lightning.Trainer(
        accelerator="cuda" if cuda else "cpu",
        devices=config.run.devices,
        num_nodes=config.run.nodes,
        strategy=strategy(config.run, cuda, checkpoints.writer),
        precision=config.run.precision,  # type: ignore[arg-type]
        max_steps=config.optimizer.steps,
        max_epochs=-1,
        accumulate_grad_batches=accumulation,
        gradient_clip_val=config.optimizer.gradient_clip,
        logger=metrics,
        plugins=_environment(config),
        callbacks=callbacks,
        default_root_dir=files.folder,
        deterministic=None,
        use_distributed_sampler=False,
        limit_val_batches=0,
        num_sanity_val_steps=0,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        log_every_n_steps=config.optimizer.steps + 1,
    )


def _device(config: TrainingConfig) -> str:
    kind = config.run.accelerator
    if kind == "auto":
        kind = machine.accelerator()
    if kind == "cuda" and torch.cuda.device_count() < config.run.devices:
        raise ParameterError(
            f"devices {config.run.devices} on a machine where PyTorch sees {torch.cuda.device_count()} GPU(s); take at "
            "most that many, or accelerator cpu"
        )
    return kind


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence Lightning's banner and its advice on worker processes; other warnings and errors stay."""
    logger = logging.getLogger("lightning.pytorch")
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", ".*does not have many workers.*")
            warnings.filterwarnings("ignore", ".*LeafSpec.*")
            warnings.filterwarnings("ignore", ".*torch.distributed is disabled.*")  # by a background thread
            warnings.filterwarnings("ignore", ".*returned a view tensor.*")  # which a block adds out of place
            warnings.filterwarnings("ignore", ".*`srun` command is available.*")
            yield
    finally:
        logger.setLevel(level)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold the folder against a second run; the ranks of a killed run get a minute to go away.

    Only the first rank locks: the others cannot start without it.
    """
    if int(os.environ.get("RANK", os.environ.get("SLURM_PROCID", "0"))):
        yield
        return
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as file:
        for attempt in range(PATIENCE_SECONDS):
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError as error:
                if attempt == PATIENCE_SECONDS - 1:
                    raise RunDirectoryError(f"another process is training in {folder}; stop it first") from error
                time.sleep(1)
        yield
