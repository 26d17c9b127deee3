"""Imported for its effect, by the workers of ``sc2 dedup`` alone: they start without what they would never use.

PyArrow looks for pandas when it makes its first array, and Numba for SciPy's BLAS when it loads its first function.
Both take "not there" for an answer. Together they are a quarter of a second, for which the whole run waits.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pyarrow as pa


class Absent:
    """A finder that says of one module that it is not there."""

    def __init__(self, module: str) -> None:
        self.module = module

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        """Raise ModuleNotFoundError for the module; leave all others to the next finder."""
        if name == self.module:
            raise ModuleNotFoundError(f"{name} is left out", name=name)


@contextmanager
def absent(module: str) -> Iterator[None]:
    """Let a first import of `module` fail."""
    finder = Absent(module)
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)


with absent("pandas"):
    pa.array([0])

with absent("scipy.linalg"):
    import numba.np.arraymath  # noqa: F401
