"""A training run: in this process on one device, or as processes of its own on several.

A notebook's kernel counts as interactive for Lightning, which then refuses more than one device; so does good
sense, because a kernel that owns a process group cannot be restarted. `run` therefore starts ``torchrun`` on
``python -m sc2lib.training`` and follows the metrics. In the script of a Slurm job it starts ``srun`` instead.
"""

import ctypes
import fcntl
import logging
import os
import shutil
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import lightning.pytorch as lightning
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch
from lightning.pytorch.plugins.environments import ClusterEnvironment, LightningEnvironment, SLURMEnvironment

from sc2lib.errors import ParameterError, RunDirectoryError, Sc2Error, StoppedError, UnsupportedError
from sc2lib.files import atomic
from sc2lib.tokenizer.huggingface import export
from sc2lib.training import machine
from sc2lib.training.callbacks import EndOfStep, Record, Report, Speed, Validate, progress_label
from sc2lib.training.checkpoints import Checkpoints, SaveCheckpoint
from sc2lib.training.config import RunConfig, TrainingConfig
from sc2lib.training.data import TrainingData, accumulation
from sc2lib.training.failures import FAILED, reason
from sc2lib.training.lineage import Lineage, set_aside
from sc2lib.training.metrics import MetricsFile, read_metrics, write_metrics
from sc2lib.training.module import Pretraining
from sc2lib.training.parallel import gather
from sc2lib.training.samples import SamplesFile, WriteSamples
from sc2lib.training.state import StateWriter
from sc2lib.training.stopping import MARK, Stop
from sc2lib.training.strategies import strategy
from sc2lib.training.validation import ValidationWindows
from sc2lib.workflow import slurm
from sc2lib.workflow.measure import usable_cores

PATIENCE_SECONDS = 60
SAMPLES_FILE = "samples.jsonl"
FINISHED = "finished"  # the lineage of the model that lies beside it


class TrainingError(Sc2Error):
    """The processes of a training run ended with an error."""


@dataclass(frozen=True)
class TrainingRun:
    """A finished run: its files and what they say."""

    config: TrainingConfig

    @property
    def folder(self) -> Path:
        """Where the run's files lie."""
        return Path(self.config.run.folder)

    @property
    def model(self) -> Path:
        """Folder of the trained weights in Hugging Face's layout."""
        return self.folder / "model"

    @property
    def metrics_file(self) -> Path:
        """The CSV file behind `metrics`."""
        return self.folder / "metrics.csv"

    @property
    def code(self) -> tuple[str, ...]:
        """The versions of the training code that made the model, in turn (`sc2lib.training.lineage`)."""
        return Lineage.load(self.folder / FINISHED).code

    def export(self, path: Path) -> None:
        """Copy the weights and the tokenizer into a folder that transformers and the later stages read."""
        shutil.copytree(self.model, path)
        export(Path(self.config.data.tokenizer), path, self.config.model.max_position_embeddings)

    def export_metrics(self, path: Path) -> None:
        """Write the METRICS table as Parquet."""
        write_metrics(path, self.metrics_file)

    def metrics(self) -> pa.Table:
        """The METRICS table."""
        return read_metrics(self.metrics_file)

    def samples(self) -> pa.Table:
        """The SAMPLES table: what the model wrote at every validation."""
        return SamplesFile(self.folder / SAMPLES_FILE).table()

    def speed(self) -> dict[str, float]:
        """Throughput of the run on this machine; nothing here belongs into a hashed output.

        Keys: tokens_per_second, seconds_per_step (median), data_share (wait for batches over all time), seconds.
        """
        rows = np.genfromtxt(self.folder / "speed.csv", delimiter=",", names=True, ndmin=1)
        seconds = float(np.median(rows["seconds"] + rows["data_seconds"]))
        total = float((rows["seconds"] + rows["data_seconds"]).sum())
        return {
            "tokens_per_second": self.config.data.tokens_per_step / seconds,
            "seconds_per_step": seconds,
            "data_share": float(rows["data_seconds"].sum() / total),
            "seconds": total,
        }

    def steps(self, peak_flops: float) -> pa.Table:
        """What each step cost on this machine, whose devices together do `peak_flops` FLOP/s; never a hashed output.

        Columns: step, tokens, epoch, tokens_per_second, mfu_causal and mfu_dense (0 to 1, see `machine.utilisation`),
        memory_bytes of the first process (0: unknown). A step that was repeated after a kill has its last row only.
        """
        data = self.config.data
        rows = np.genfromtxt(self.folder / "speed.csv", delimiter=",", names=True, ndmin=1)
        rows = rows[len(rows) - 1 - np.unique(rows["step"][::-1], return_index=True)[1]]
        memory = rows["memory_bytes"] if "memory_bytes" in (rows.dtype.names or ()) else np.zeros(len(rows))
        rate = data.tokens_per_step / (rows["seconds"] + rows["data_seconds"])
        windows = (Path(data.train).stat().st_size // 2 - 1) // data.sequence_length
        one = machine.utilisation(self.config.model, data.sequence_length, 1.0, peak_flops)
        columns = {
            "step": rows["step"].astype(np.int64),
            "tokens": rows["step"].astype(np.int64) * data.tokens_per_step,
            "epoch": rows["step"] * data.batch_size / windows,
            "tokens_per_second": rate,
            **{f"mfu_{name}": rate * share for name, share in one.items()},
            "memory_bytes": memory.astype(np.int64),
        }
        return pa.table(columns)


def run(config: TrainingConfig, report: Report | None = None) -> TrainingRun:
    """Train, or go on training, until the last step; a run that this very code finished is not repeated.

    What was finished by other code, or without the same samples, is set aside beside the folder, where nothing deletes
    it. Raises TrainingError when a process of a run on several devices fails, with the reason; StoppedError when the
    run was asked to stop, with a checkpoint from which the same call goes on.
    """
    result = TrainingRun(config)
    lineage = Lineage.now(config.decisive(), config.data.skip_samples)
    finished = Lineage.load(result.folder / FINISHED) if (result.folder / FINISHED).exists() else None
    if finished and finished.decisive == lineage.decisive:
        if finished.code[-1:] == lineage.code and finished.skip_samples == lineage.skip_samples:
            return result
        set_aside(result.folder)
    result.folder.mkdir(parents=True, exist_ok=True)
    config.save(result.folder / "training.json")
    if config.run.world == 1:
        train(config, report)
    else:
        _launch(config, report)
    return result


# docs: start-train
def train(config: TrainingConfig, report: Report | None = None) -> None:
    """Train in this process, which is the only one or one rank of several, and write the model at the end."""
    folder = Path(config.run.folder)
    started = int(os.environ.get("WORLD_SIZE", config.run.world))
    if started != config.run.world:
        raise ParameterError(
            f"{started} processes were started for a run on {config.run.nodes} x {config.run.devices} devices; start "
            "one per device, or set devices and nodes to what there is"
        )
    cuda = _device(config) == "cuda"
    threads = config.run.threads or max(1, usable_cores() // config.run.devices)
    machine.keep_freed_memory()
    with machine.settings(threads, deterministic=not cuda), _quiet(), _alone(folder):
        module = Pretraining(config)
        writer = StateWriter(config.run.asynchronous_checkpoints)
        lineage = Lineage.now(config.decisive(), config.data.skip_samples)
        checkpoints = Checkpoints(folder / "checkpoints", lineage, writer)
        trainer = _trainer(module, checkpoints, report, cuda)
        stop = Stop(checkpoints)
        trainer.callbacks.append(stop)  # type: ignore[attr-defined]
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
            with atomic(folder / "model") as temporary:
                whole.save_pretrained(temporary)
            checkpoints.lineage.save(folder / FINISHED)
        trainer.strategy.barrier("finished")
        # docs: end-train


def command(config_path: Path, run: RunConfig) -> list[str]:
    """The command line that starts one process per device: of all nodes of a Slurm job, else of this machine."""
    module = ["-m", "sc2lib.training", str(config_path)]
    if slurm.in_job_script():
        return [*slurm.srun(run.nodes, run.devices), sys.executable, *module]
    if run.nodes > 1:
        raise UnsupportedError(
            f"nodes={run.nodes}: only Slurm starts processes on other machines here; submit the run with sc2 submit "
            f"--nodes {run.nodes}, or start torchrun --nnodes={run.nodes} {' '.join(module)} on each of them"
        )
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={run.devices}"]
    return [*launcher, *module]


def _environment(config: TrainingConfig) -> ClusterEnvironment | None:
    """Who numbers the ranks where Lightning would guess wrongly or answer Slurm's signals itself."""
    if slurm.in_step() and "TORCHELASTIC_RUN_ID" not in os.environ:
        return SLURMEnvironment(auto_requeue=False)
    return LightningEnvironment() if config.run.world == 1 else None


def _trainer(module: Pretraining, checkpoints: Checkpoints, report: Report | None, cuda: bool) -> lightning.Trainer:
    config = module.config
    folder, data = Path(config.run.folder), config.data
    metrics = MetricsFile(folder / "metrics.csv")
    windows = ValidationWindows(data.validation, data.sequence_length, data.validation_windows, module.border)
    speed, record = Speed(folder / "speed.csv"), Record(metrics, checkpoints.settled)
    callbacks = [
        speed,
        record,
        Validate(windows, metrics),
        WriteSamples(SamplesFile(folder / SAMPLES_FILE)),
        SaveCheckpoint(checkpoints),
        EndOfStep(speed, record, report),
    ]
    return lightning.Trainer(
        accelerator="cuda" if cuda else "cpu",
        devices=config.run.devices,
        num_nodes=config.run.nodes,
        strategy=strategy(config.run, cuda, checkpoints.writer),
        precision=config.run.precision,  # type: ignore[arg-type]
        max_steps=config.optimizer.steps,
        max_epochs=-1,
        accumulate_grad_batches=accumulation(data.batch_size, data.micro_batch_size, config.run.data_parallel_size),
        gradient_clip_val=config.optimizer.gradient_clip,
        logger=metrics,
        plugins=_environment(config),
        callbacks=callbacks,
        default_root_dir=folder,
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


def _launch(config: TrainingConfig, report: Report | None) -> None:
    """Start the ranks, follow the metrics they write, and stop them when this process stops."""
    folder = Path(config.run.folder)
    log = folder / "processes.log"
    for name in (MARK, FAILED):
        (folder / name).unlink(missing_ok=True)
    environment = os.environ | {"OMP_NUM_THREADS": str(config.run.threads or 1)}
    if slurm.in_job_script() and "MASTER_ADDR" not in environment:
        environment["MASTER_ADDR"] = slurm.first_address()
    with log.open("w", encoding="utf-8") as output:
        process = subprocess.Popen(
            command(folder / "training.json", config.run),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=environment,
            preexec_fn=_die_with_parent,
        )
        try:
            while process.poll() is None:
                time.sleep(0.5)
                rows = read_metrics(folder / "metrics.csv")
                rows = rows.filter(pc.equal(rows["split"], "train"))
                if report and rows.num_rows:
                    step, loss = rows["step"][-1].as_py(), rows["loss"][-1].as_py()
                    report(progress_label(loss), step, config.optimizer.steps)
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait()
    if process.returncode and (folder / MARK).exists():
        raise StoppedError((folder / MARK).read_text(encoding="utf-8"))
    if process.returncode:
        raise TrainingError(f"training on {config.run.world} processes failed: {reason(folder, log)}")


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


def _die_with_parent() -> None:
    """Ask Linux to end this child when its parent dies, even by SIGKILL."""
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(1, signal.SIGTERM)
