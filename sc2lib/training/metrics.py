"""The table of losses, written row by row as a Lightning logger and rewound when a run goes on from a checkpoint."""

import csv
import os
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from lightning.pytorch.loggers.logger import Logger
from lightning.pytorch.utilities import rank_zero_only

from sc2lib.files import write_parquet, write_text

# Loss in nats per token; learning_rate and grad_norm (before clipping) only in the split "train",
# bits_per_byte only on held-out text. The splits "language" and "source" take "validation" apart: a row for each
# `label`, with `targets` tokens. `tokens` counts what the model was trained on up to `step`, `epoch` how often that is
# the training file.
METRICS = pa.schema(
    [
        ("step", pa.int64()),
        ("tokens", pa.int64()),
        ("split", pa.string()),
        ("loss", pa.float64()),
        ("bits_per_byte", pa.float64()),
        ("learning_rate", pa.float64()),
        ("grad_norm", pa.float64()),
        ("epoch", pa.float64()),
        ("label", pa.string()),
        ("targets", pa.int64()),
    ]
)


class MetricsFile(Logger):
    """A CSV file that grows by one row a call and can be followed while the run goes on.

    What a killed run wrote after its last checkpoint is cut off by `rewind` and written again, so an interrupted run
    ends with the same table as an undisturbed one. Only the first process writes.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path

    @property
    def name(self) -> str:
        """Lightning's name of the logger."""
        return "metrics"

    @property
    def version(self) -> int:
        """Lightning's version of the logger; a rerun continues the same file."""
        return 0

    @rank_zero_only
    def log_hyperparams(self, params: Any, *args: Any, **keywords: Any) -> None:
        """The configuration lies beside the file; nothing to do."""

    @rank_zero_only
    def log_metrics(self, metrics: dict[str, Any], step: int | None = None) -> None:
        """Append one row; columns of METRICS that `metrics` lacks stay empty. Floats are written exactly."""
        row = {"step": step, **metrics}
        with self.path.open("a", newline="", encoding="utf-8") as file:
            csv.writer(file, lineterminator="\n").writerow(_cell(row.get(name)) for name in METRICS.names)

    @rank_zero_only
    def save(self) -> None:
        """Force the rows to the disk, before a checkpoint relies on them."""
        if self.path.exists():
            with self.path.open("rb") as file:
                os.fsync(file.fileno())

    @rank_zero_only
    def rewind(self, step: int | None) -> None:
        """Keep the rows of steps up to and including `step`; None starts an empty file."""
        header = ",".join(METRICS.names)
        kept = []
        if step is not None and self.path.exists():
            complete = self.path.read_text(encoding="utf-8").split("\n")[1:-1]
            kept = [line for line in complete if int(line.split(",", 1)[0]) <= step]
        self.path.parent.mkdir(parents=True, exist_ok=True)
        write_text(self.path, "\n".join([header, *kept]) + "\n")


def read_metrics(path: Path) -> pa.Table:
    """The finished rows of a metrics file as a METRICS table; a row that is being written is left out."""
    rows: list[list[str]] = []
    if path.exists():
        rows = list(csv.reader(path.read_text(encoding="utf-8").split("\n")[1:-1]))
    columns = {
        field.name: pa.array([_value(row[k], field.type) for row in rows], field.type)
        for k, field in enumerate(METRICS)
    }
    return pa.table(columns, schema=METRICS)


def rows_of(metrics: pa.Table, split: str) -> pa.Table:
    """The rows of a METRICS table that belong to one split."""
    return metrics.filter(pc.equal(metrics["split"], split))


def write_metrics(path: Path, source: Path) -> None:
    """Turn a metrics file into Parquet."""
    write_parquet(path, read_metrics(source))


def _cell(value: Any) -> str:
    return "" if value is None else repr(float(value)) if isinstance(value, float) else str(value)


def _value(cell: str, kind: pa.DataType) -> Any:
    if cell == "":
        return None
    return cell if pa.types.is_string(kind) else float(cell) if pa.types.is_floating(kind) else int(cell)
