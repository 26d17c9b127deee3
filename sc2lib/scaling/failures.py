"""What failures cost a long run, and how often to save because of them."""

import math
from dataclasses import dataclass

from sc2lib.errors import ParameterError

# Hours between two unexpected interruptions of one node of eight H100s: Grattafiori et al. 2024 report 419 of them
# in 54 days on 16,384 GPUs, 2,048 nodes (V2): 54 * 24 * 2048 / 419.
NODE_HOURS = 6335.0


# docs: start-failures
@dataclass(frozen=True)
class FailureBudget:
    """Hours between failures of the whole job, the interval to save at, and the share of time that is lost."""

    hours_between: float
    save_hours: float
    interval_hours: float
    lost: float


def failure_budget(nodes: int, save_hours: float, restart_hours: float, node_hours: float) -> FailureBudget:
    """The interval of Daly (2006), which begins with Young's (1974) sqrt(2 · save · M), and what is lost at it.

    One node down stops all, so M = node_hours / nodes. Lost, to first order: the saving itself (save / interval), and
    at each failure the restart and on average half an interval of work. Raises ParameterError when nothing remains.
    """
    between = node_hours / nodes
    ratio = save_hours / (2 * between)
    if ratio < 1:
        interval = math.sqrt(2 * save_hours * between) * (1 + math.sqrt(ratio) / 3 + ratio / 9) - save_hours
    else:
        interval = between
    lost = save_hours / (interval + save_hours) + (restart_hours + interval / 2) / between
    if lost >= 1:
        raise ParameterError(
            f"with a failure every {between:.2f} h, {save_hours * 60:.1f} min to save and {restart_hours * 60:.0f} min "
            "to restart the run never ends; take faster storage (--storage-gb-per-s) or fewer nodes"
        )
    return FailureBudget(between, save_hours, interval, lost)
    # docs: end-failures
