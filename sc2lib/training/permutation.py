"""A shuffle of any size without a table: a keyed bijection of 0..size-1, computed one element at a time.

A corpus of 900 billion tokens has 220 million windows of 4,096; a stored permutation of them would take 1.8 GB in
every process. A Feistel network (Luby and Rackoff 1988) needs two integers.
"""

import numpy as np

from sc2lib.errors import ParameterError

ROUNDS = 6
WORD = (1 << 64) - 1  # products are taken modulo 2^64


class Permutation:
    """A pseudo-random permutation of ``range(size)``; the same `key` gives the same one.

    A network over 2h bits permutes 0..4^h-1, less than four times `size`; a value that lands outside the range goes
    through the network again until it is inside ("cycle walking"), which keeps the map a bijection. Six rounds,
    about 10 µs an element in plain integers; an array of one element would cost thirteen times as much.
    """

    def __init__(self, size: int, key: tuple[int, ...]) -> None:
        if size < 1:
            raise ParameterError(f"a permutation needs at least one element, not {size}")
        self.size = size
        self._bits = max(1, ((size - 1).bit_length() + 1) // 2)
        self._mask = (1 << self._bits) - 1
        self._keys = [int(word) for word in np.random.SeedSequence(list(key)).generate_state(ROUNDS, np.uint64)]

    def __call__(self, position: int) -> int:
        """The element at `position` (0..size-1). Raises ParameterError outside of that range."""
        if not 0 <= position < self.size:
            raise ParameterError(f"position {position} of a permutation of {self.size} elements")
        value = self._network(position)
        while value >= self.size:
            value = self._network(value)
        return value

    def _network(self, value: int) -> int:
        left, right = value >> self._bits, value & self._mask
        for key in self._keys:
            left, right = right, left ^ (_mix(right ^ key) & self._mask)
        return (left << self._bits) | right


def _mix(value: int) -> int:
    """The finaliser of SplitMix64: every input bit reaches every output bit."""
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & WORD
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & WORD
    return value ^ (value >> 31)
