import numpy as np
import pytest
import torch

from sc2lib.model.transformer import rope
from sc2lib.model.wavelengths import largest_angles, turned_pairs, wavelengths


def test_wavelengths() -> None:
    lengths = wavelengths(64, 1e5)
    assert len(lengths) == 32 and lengths[0] == pytest.approx(2 * np.pi)
    assert lengths[-1] == pytest.approx(2 * np.pi * 1e5 ** (62 / 64), rel=1e-5)
    assert largest_angles(64, 1e5, 513) == pytest.approx(512 / lengths)


def test_angles_say_how_a_pair_turns() -> None:
    """A pair's first channel returns after its wavelength: cos(2π · n / wavelength)."""
    cos, _ = rope(torch.arange(200)[None], 8, 1e5)
    expected = np.cos(2 * np.pi * np.arange(200)[:, None] / wavelengths(8, 1e5))
    assert np.allclose(cos.squeeze().numpy(), expected, atol=1e-4)


@pytest.mark.parametrize(("theta", "turned"), [(1.0, 4), (1e12, 1)])
def test_pairs_that_turn_are_counted(theta: float, turned: int) -> None:
    assert turned_pairs(8, theta, length=7) == turned
