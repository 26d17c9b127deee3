"""The workflow: profiles, manifests, stages, executors and the runner. It knows no stage.

`Stage` is imported when it is asked for: the command line needs the profiles and not what a stage computes with.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sc2lib.workflow.stage import Stage

__all__ = ["Stage"]


def __getattr__(name: str) -> Any:
    if name == "Stage":
        from sc2lib.workflow.stage import Stage

        return Stage
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
