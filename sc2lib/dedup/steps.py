"""A step: one function over many tasks, each of which leaves a file or a folder that tells that it is done."""

from collections.abc import Callable, Sequence
from typing import Any

Mapper = Callable[[Callable[[Any], Any], Sequence[Any], str], Any]  # function, items, label: results in their order
Step = Callable[[Callable[[Any], Any], Sequence[Any], int, str], None]  # function, tasks, place of the target, label


def steps_of(mapper: Mapper) -> Step:
    """A step runs the tasks whose target is not there yet, wherever the mapper runs them."""

    def step(function: Callable[[Any], Any], tasks: Sequence[Any], target: int, label: str) -> None:
        missing = [task for task in tasks if not task[target].exists()]
        if missing:
            mapper(function, missing, label)

    return step
