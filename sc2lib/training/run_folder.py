"""The folder of a training run: where its files lie, and what they say."""

import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from sc2lib.tokenizer.huggingface import export
from sc2lib.training import machine
from sc2lib.training.config import TrainingConfig
from sc2lib.training.data import TokenWindows
from sc2lib.training.lineage import Lineage
from sc2lib.training.metrics import read_metrics, write_metrics
from sc2lib.training.samples import SamplesFile


@dataclass(frozen=True)
class TrainingRun:
    """The folder of a run, begun or finished: its files and what they say."""

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
    def configuration_file(self) -> Path:
        """The configuration as JSON."""
        return self.folder / "training.json"

    @property
    def checkpoints(self) -> Path:
        """Folder of the checkpoints (`sc2lib.training.checkpoints`)."""
        return self.folder / "checkpoints"

    @property
    def metrics_file(self) -> Path:
        """The CSV file behind `metrics`."""
        return self.folder / "metrics.csv"

    @property
    def samples_file(self) -> Path:
        """The JSON lines behind `samples`."""
        return self.folder / "samples.jsonl"

    @property
    def speed_file(self) -> Path:
        """The CSV file behind `speed` and `steps`."""
        return self.folder / "speed.csv"

    @property
    def finished(self) -> Path:
        """The lineage of `model`, written last: the run is finished."""
        return self.folder / "finished"

    @property
    def code(self) -> tuple[str, ...]:
        """The versions of the training code that made the model, in turn (`sc2lib.training.lineage`)."""
        return Lineage.load(self.finished).code

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
        return SamplesFile(self.samples_file).table()

    def speed(self) -> dict[str, float]:
        """Throughput of the run on this machine; nothing here belongs into a hashed output.

        Keys: tokens_per_second, seconds_per_step (median), data_share (wait for batches over all time), seconds.
        """
        rows = self._speed_rows()
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
        memory_bytes of the first process. A step that was repeated after a kill has its last row only.
        """
        data = self.config.data
        rows = self._speed_rows()
        rows = rows[len(rows) - 1 - np.unique(rows["step"][::-1], return_index=True)[1]]
        rate = data.tokens_per_step / (rows["seconds"] + rows["data_seconds"])
        windows = len(TokenWindows(data.train, data.sequence_length))
        one = machine.utilisation(self.config.model, data.sequence_length, 1.0, peak_flops)
        columns = {
            "step": rows["step"].astype(np.int64),
            "tokens": rows["step"].astype(np.int64) * data.tokens_per_step,
            "epoch": rows["step"] * data.batch_size / windows,
            "tokens_per_second": rate,
            **{f"mfu_{name}": rate * share for name, share in one.items()},
            "memory_bytes": rows["memory_bytes"].astype(np.int64),
        }
        return pa.table(columns)

    def _speed_rows(self) -> np.ndarray:
        return np.genfromtxt(self.speed_file, delimiter=",", names=True, ndmin=1)
