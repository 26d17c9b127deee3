"""Samples that a run leaves out, because a batch of them broke it."""

from dataclasses import dataclass
from typing import Self

from sc2lib.errors import ParameterError


@dataclass(frozen=True)
class Skips:
    """Ranges of samples that are never read, (first, last) each, sorted and apart.

    A run reads what is left in the same order: what comes after a gap moves forward into it.
    PaLM went on from a checkpoint before a spike without the 200 to 500 batches around it, and the spike did not come
    back (Chowdhery et al. 2022, section 5.1).
    """

    ranges: tuple[tuple[int, int], ...] = ()

    @classmethod
    def parse(cls, text: str | None) -> Self:
        """From "396-427,512-519"; None is none. Raises ParameterError for what is no such list."""
        ranges = []
        for part in text.split(",") if text else ():
            first, _, last = part.strip().partition("-")
            if not (first.isdecimal() and last.isdecimal()) or int(last) < int(first):
                raise ParameterError(f"skip_samples {text!r}: {part!r} is no range of samples; write FIRST-LAST")
            ranges.append((int(first), int(last)))
        return cls(_apart(ranges))

    def __str__(self) -> str:
        return ",".join(f"{first}-{last}" for first, last in self.ranges)

    def sample(self, position: int) -> int:
        """The sample at a position of the order, counted from 0 over those that are read."""
        for first, last in self.ranges:
            if position < first:
                break
            position += last - first + 1
        return position

    def and_from(self, first: int, last: int) -> Self:
        """These and one range more."""
        return type(self)(_apart([*self.ranges, (first, last)]))

    def agrees(self, other: "Skips", count: int) -> bool:
        """Whether the first `count` samples that are read are those of `other`."""
        if count == 0:
            return True
        end = self.sample(count - 1)
        own, others = ([pair for pair in one.ranges if pair[0] < end] for one in (self, other))
        return end == other.sample(count - 1) and own == others


def _apart(ranges: list[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    """Sorted, and put together where they meet."""
    found: list[tuple[int, int]] = []
    for first, last in sorted(ranges):
        if found and first <= found[-1][1] + 1:
            found[-1] = found[-1][0], max(found[-1][1], last)
        else:
            found.append((first, last))
    return tuple(found)
