"""How far the pairs of channels of rotary embeddings turn within a text."""

import math

import numpy as np
import torch

from sc2lib.model.transformer import rope_frequencies


# docs: start-wavelengths
def wavelengths(head_size: int, theta: float) -> np.ndarray:
    """Tokens after which each pair of channels has turned once: 2π · theta^(2i/D), [D/2]."""
    frequencies: torch.Tensor = rope_frequencies(head_size, theta)
    lengths: np.ndarray = 2 * math.pi / frequencies.double().numpy()
    return lengths
    # docs: end-wavelengths


def largest_angles(head_size: int, theta: float, length: int) -> np.ndarray:
    """The largest angle in turns that each pair reaches between two tokens of a sequence of `length`, [D/2]."""
    return (length - 1) / wavelengths(head_size, theta)


def turned_pairs(head_size: int, theta: float, length: int) -> int:
    """Pairs of channels that turn at least once round within `length` tokens."""
    return int((wavelengths(head_size, theta) <= length).sum())
