"""Who leaves, in order of the rows: the groups' verdicts sorted on disk, so that every piece finds its own."""

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from sc2lib.dedup.layout import Layout
from sc2lib.dedup.leaders import REMOVALS
from sc2lib.dedup.sorting import read_between, read_parts, sort_parts
from sc2lib.dedup.steps import Step

NAME = "removals"


def sort_removals(step: Step, work: Path, resolved: Sequence[Path]) -> pa.Table:
    """Sort the REMOVALS of all groups by row; returns them, mapped from disk."""
    sort_parts(step, work, NAME, resolved, REMOVALS, ["row"])
    return pa.concat_tables(read_parts(work, NAME))


def removals_of_piece(work: Path, number: int) -> pa.Table:
    """REMOVALS of one piece of this crawl, `row` counted within it."""
    layout = Layout.load(work)
    first, last = layout.bases[layout.earlier + number : layout.earlier + number + 2].tolist()
    found = read_between(work, NAME, first, last)
    return found.set_column(0, "row", pc.subtract(found["row"], first))
