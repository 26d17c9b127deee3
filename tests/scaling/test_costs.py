import pytest

from sc2lib.errors import ParameterError
from sc2lib.model.config import ModelConfig
from sc2lib.scaling.costs import HARDWARE, device_hours, energy_kwh, paper_cost, six_nd, training_flops
from sc2lib.scaling.paper import PAPER_RUNS, Marked


def test_the_paper_counts_round_parameters():
    for run, rounded in zip(PAPER_RUNS, (3e9, 7e9, 15e9), strict=True):
        assert six_nd(rounded, run.tokens) == pytest.approx(run.flops.value, rel=5e-3)
        config = ModelConfig.preset(run.size)
        exact = training_flops(run.size, run.base_tokens.value, run.long_tokens.value)
        assert 1.0 < exact / six_nd(config.parameter_count(), run.tokens) < 1.15


def test_hours_and_energy():
    hours = device_hours(989e12 * 3600, HARDWARE["h100"], 0.5)
    assert hours == pytest.approx(2)
    assert energy_kwh(hours, HARDWARE["h100"], overhead=1.5) == pytest.approx(2 * 0.7 * 1.5)
    with pytest.raises(ParameterError, match="utilisation"):
        device_hours(1.0, HARDWARE["a100"], 1.5)


def test_the_cost_of_a_run_takes_its_utilisation_from_the_best_source():
    """A throughput before hours before the knob; hours that are published come out again."""
    three, seven, fifteen = (paper_cost(run, 0.4) for run in PAPER_RUNS)
    assert three.mfu_from == "throughput (V)" and seven.mfu_from == "hours (R)" and fifteen.mfu_from == "assumed"
    assert seven.hours == pytest.approx(PAPER_RUNS[1].gpu_hours.value)
    assert fifteen.mfu == 0.4 and fifteen.hours == device_hours(fifteen.flops, HARDWARE["h100"], 0.4)
    # 10,000 tokens a second and device: hours of the tokens alone, but for the longer context of the second stage
    assert three.hours == pytest.approx(3.3e12 / 10_000 / 3600, rel=0.05)


def test_recalled_emissions_imply_a_factor_for_site_and_grid():
    three, _, fifteen = (paper_cost(run, 0.4) for run in PAPER_RUNS)
    assert three.recalled_emissions() == ("16.1 t (R)", "0.415 kg/kWh")  # 16,107 kg / (97,120 h x 0.4 kW)
    assert fifteen.recalled_emissions() == ("–", "–")


def test_a_marked_figure_shows_its_mark():
    assert Marked(97120, "R").shown() == "97,120 (R)" and Marked(None, "–").shown() == "–"
