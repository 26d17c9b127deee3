"""A training as a chapter shows it: the loss in a figure that is drawn again in its place, then weights and texts."""

import os
from pathlib import Path
from types import TracebackType
from typing import Any

from sc2lib import figures
from sc2lib.training.callbacks import Report
from sc2lib.training.config import TrainingConfig
from sc2lib.training.metrics import read_metrics
from sc2lib.training.pictures import loss_curve
from sc2lib.training.run import run
from sc2lib.training.run_folder import TrainingRun
from sc2lib.workflow.stage import Stage

DRAWINGS = 20  # of a whole run; one takes a tenth of a second


def train_stage(config: TrainingConfig, stage: Stage) -> TrainingRun:
    """Run a training, or go on with it, and leave its weights in the stage's `model` and its texts in `samples`."""
    with LiveLoss(TrainingRun(config).metrics_file, stage.progress) as report:
        done = run(config, report)
    stage.produce("model", done.export)
    stage.write_table("samples", done.samples())
    return done


class LiveLoss:
    """A report of progress that also draws the metrics so far, for whoever watches the notebook.

    When it is left the figure goes: the chapter shows the whole curve below. A run of ``sc2 run`` has no watcher, and
    nothing is drawn.

    Args:
        metrics: the CSV file that the run appends to.
        report: called as before.
    """

    def __init__(self, metrics: Path, report: Report) -> None:
        self.metrics, self.report = metrics, report
        self._drawn = 0
        self._place: Any = None

    def __enter__(self) -> "LiveLoss":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._place is not None:
            self._place.update({"text/markdown": "", "text/plain": ""}, raw=True)

    def __call__(self, label: str, done: int, total: int) -> None:
        self.report(label, done, total)
        if "SC2_RUNNER" not in os.environ and done * DRAWINGS // total > self._drawn:
            self._drawn = done * DRAWINGS // total
            self._draw(f"{label} {done:,} of {total:,}")

    def _draw(self, label: str) -> None:
        from IPython.display import display

        picture = {
            "image/svg+xml": figures.svg(loss_curve(read_metrics(self.metrics), {}), "live"),
            "text/plain": label,
        }
        if self._place is None:
            self._place = display(picture, raw=True, display_id=True)
        else:
            self._place.update(picture, raw=True)
