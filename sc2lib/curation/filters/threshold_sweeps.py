"""What would have gone at another threshold: every rule with a number, over a range of numbers.

Signals are stored, so that a sweep reads no file: one comparison of columns for every value.
"""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from sc2lib.curation.filters.quality import Columns, Thresholds, rule

Values = npt.NDArray[np.float64]
STEPS = 40


@dataclass(frozen=True)
class Sweep:
    """A rule, the threshold that varies, and the range it is looked at in (logarithmic above 1)."""

    rule: str
    field: str
    low: float
    high: float

    @property
    def is_fraction(self) -> bool:
        """Whether the threshold is a share between 0 and 1."""
        return self.high <= 1

    @property
    def values(self) -> Values:
        """The thresholds of the sweep, ascending."""
        space = np.linspace if self.is_fraction else np.geomspace
        return space(self.low, self.high, STEPS)

    def shares(self, column: Columns, limits: Thresholds) -> tuple[Values, Values]:
        """Shares of the files and of the bytes that the rule alone removes at each of `values`, 0 to 1.

        The other thresholds of the rule stay as they are in `limits`.
        """
        refuses = rule(self.rule).removes
        size = column["length_bytes"]
        masks = (refuses(column, replace(limits, **{self.field: value})) for value in self.values)
        sums = np.array([(mask.sum(), size[mask].sum()) for mask in masks])  # one mask of all files at a time
        return sums[:, 0] / max(len(size), 1), sums[:, 1] / max(size.sum(), 1)


SWEEPS = (
    Sweep("too_many_lines", "max_lines", 100, 1_000_000),
    Sweep("long_lines", "max_average_line_length", 20, 1_000),
    Sweep("long_lines", "max_line_length", 80, 100_000),
    Sweep("long_lines", "max_line_length_exempt", 80, 1_000_000),
    Sweep("few_letters", "min_alpha_fraction", 0, 0.7),
    Sweep("encoded_data", "max_encoded_run", 64, 20_000),
    Sweep("encoded_data", "max_encoded_fraction", 0, 1),
    Sweep("data_file", "max_data_lines", 10, 20_000),
    Sweep("little_visible_text", "min_html_visible_characters", 1, 20_000),
    Sweep("little_visible_text", "min_html_visible_fraction", 0, 1),
)
