"""What is a near-duplicate: the options that decide the result, and nothing else."""

import math
from dataclasses import dataclass

from sc2lib.dedup.words import VERSION
from sc2lib.errors import ParameterError

MODES = ("verified", "components", "paper")
SCOPES = ("language", "all")
BINS = 50  # of the histogram of similarities, from 0 to 1
DEVIATIONS = 5.0  # a pair at the threshold falls below the agreement floor once in three million times


@dataclass(frozen=True)
class DedupOptions:
    """How files are compared. Raises ParameterError for values that cannot work.

    ``verified``: a file leaves only for a file that stays and is verified to be similar. ``components``: connected
    components of unverified candidates, one file of each stays. ``paper``: the same, with words and hashes as in the
    published code.
    """

    threshold: float = 0.7  # smallest Jaccard similarity
    shingle_size: int = 5  # words
    bands: int = 32
    rows: int = 8
    scope: str = "all"  # language: only files of one language are compared
    mode: str = "verified"
    words_version: int = VERSION  # keys made of other words mean nothing here: an older index is refused

    def __post_init__(self) -> None:
        if not 0.0 < self.threshold <= 1.0:
            raise ParameterError(f"threshold {self.threshold} is not above 0 and at most 1")
        for name in ("shingle_size", "bands", "rows"):
            if getattr(self, name) < 1:
                raise ParameterError(f"{name} {getattr(self, name)} is not at least 1")
        if self.mode not in MODES:
            raise ParameterError(f"mode {self.mode!r} is none of {', '.join(MODES)}")
        if self.scope not in SCOPES:
            raise ParameterError(f"scope {self.scope!r} is none of {', '.join(SCOPES)}")

    @property
    def positions(self) -> int:
        """Positions of a signature."""
        return self.bands * self.rows

    @property
    def verifies(self) -> bool:
        """Whether a removal needs an exact similarity."""
        return self.mode == "verified"

    @property
    def agreement_floor(self) -> int:
        """Positions in which candidates must agree, five standard deviations below the threshold's expectation.

        A cheap first look at 1 byte a position, before the shingle sets are compared; 0 where nothing is verified.
        """
        if not self.verifies:
            return 0
        deviation = math.sqrt(self.threshold * (1.0 - self.threshold) / self.positions)
        return max(0, math.floor(self.positions * (self.threshold - DEVIATIONS * deviation)))
