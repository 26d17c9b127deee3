"""How many files and bytes each step of the selection leaves: counted from the rows that were kept and dropped."""

from typing import NamedTuple

from matplotlib.figure import Figure

from sc2lib import figures
from sc2lib.queries import Stored, rows

# The order in which the walk and the download apply their rules, and what to call what is left after each.
STEPS = (
    ("files met on the walk", ()),
    (
        "readable, no link, no submodule",
        ("unreadable", "missing_content", "no_main_branch", "too_deep", "too_frequent", "submodule", "symlink"),
    ),
    ("one repository per root directory", ("duplicate_repository",)),
    ("one file per blob", ("exact_duplicate",)),
    ("below the size limit", ("too_large",)),
    ("no NUL byte", ("binary",)),
    ("decodable", ("undecodable",)),
)


class Step(NamedTuple):
    """What is left after a step, and what the step dropped."""

    label: str
    files: int
    bytes: int
    dropped_files: int
    dropped_bytes: int


def funnel(files: Stored, removed: Stored) -> list[Step]:
    """One `Step` per entry of `STEPS`, from a FILES and a REMOVED table; every row is counted once."""
    sql = """
        SELECT reason, count(*), coalesce(sum(length_bytes), 0)
        FROM (SELECT NULL AS reason, length_bytes FROM files UNION ALL SELECT reason, length_bytes FROM removed)
        GROUP BY reason
    """
    counts = {reason: entry for reason, *entry in rows(sql, files=files, removed=removed)}
    left_files, left_bytes = (sum(column) for column in zip((0, 0), *counts.values()))
    counts.pop(None, None)
    steps = []
    for label, reasons in STEPS:
        dropped = [counts.pop(reason, (0, 0)) for reason in reasons]
        number, size = sum(entry[0] for entry in dropped), sum(entry[1] for entry in dropped)
        left_files, left_bytes = left_files - number, left_bytes - size
        steps.append(Step(label, left_files, left_bytes, number, size))
    if counts:
        raise ValueError(f"reasons that belong to no step: {sorted(counts)}")
    return steps


def draw(steps: list[Step]) -> Figure:
    """What each step leaves and drops, in files and in bytes: one bar per step."""
    fig, axes = figures.new(aspect=0.75, columns=2, sharey=True)
    for ax, field, formatted in zip(axes, ("files", "bytes"), (figures.count, figures.size)):
        left = [getattr(step, field) for step in steps]
        dropped = [getattr(step, f"dropped_{field}") for step in steps]
        ax.barh([step.label for step in steps], left, color=figures.BLUE, label="left")
        ax.barh([step.label for step in steps], dropped, left=left, color=figures.ORANGE, label="dropped")
        figures.ticks(ax.xaxis, formatted)
        ax.set_xlabel(field)
        ax.locator_params(axis="x", nbins=3)
    axes[0].legend(loc="upper center", bbox_to_anchor=(0.5, 1.12), ncols=2)
    axes[0].invert_yaxis()
    return fig
