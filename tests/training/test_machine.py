import torch

from sc2lib.training import machine


def test_settings_are_restored() -> None:
    before = torch.get_num_threads()
    with machine.settings(before + 1, deterministic=True):
        assert torch.get_num_threads() == before + 1
        assert torch.are_deterministic_algorithms_enabled()
    assert torch.get_num_threads() == before
    assert not torch.are_deterministic_algorithms_enabled()


def test_peak_is_that_of_a_real_product() -> None:
    """Between one and a hundred thousand GFLOP/s: a unit error of 1000 fails."""
    assert 1e9 < machine.matmul_flops("cpu", torch.float32, seconds=0.05) < 1e14


def test_usable_cores_and_memory() -> None:
    assert machine.usable_cores() >= 1
    assert machine.memory_bytes() > 50e6
