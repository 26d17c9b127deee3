"""FLOPs, hours, energy and emissions of a training run, from the shape of the model alone."""

from dataclasses import dataclass

from sc2lib.errors import ParameterError
from sc2lib.model.config import ModelConfig
from sc2lib.scaling.paper import PaperRun


@dataclass(frozen=True)
class Hardware:
    """An accelerator: dense bf16 FLOP/s, memory in bytes, power limit in watts, dollars an hour (low, high).

    `link` and `network` are the bytes per second that one GPU receives from those of its node, and from other nodes.
    """

    name: str
    peak_flops: float
    memory_bytes: float
    watts: float
    usd_per_hour: tuple[float, float]
    link: float
    network: float


# Peaks without sparsity, memory and power: NVIDIA's data sheets of the SXM boards. Prices: list prices of cloud
# providers in May 2026 as a comparison site collected them (V2); they halve and double within a year or two.
# Links: half of NVLink's 600 and 900 GB/s, which count both directions (V2). Network: one adapter for each GPU, as in
# NVIDIA's DGX A100 (200 Gbit/s, R) and DGX H100 (400 Gbit/s, V2).
HARDWARE = {
    "a100": Hardware("A100 80GB", 312e12, 80e9, 400.0, (0.8, 3.0), 300e9, 25e9),
    "h100": Hardware("H100 80GB", 989e12, 80e9, 700.0, (2.0, 5.0), 450e9, 50e9),
    "h200": Hardware("H200 141GB", 989e12, 141e9, 700.0, (2.5, 7.0), 450e9, 50e9),
}


# docs: start-compute
def training_flops(size: str, base_tokens: float, long_tokens: float, windowed: bool = True) -> float:
    """FLOPs of both stages of one of the paper's sizes, from its two configurations."""
    total = 0.0
    for stage, tokens in (("base", base_tokens), ("long", long_tokens)):
        config = ModelConfig.preset(size, stage)
        total += tokens * config.flops_per_token(config.max_position_embeddings, windowed)
    return total
    # docs: end-compute


def six_nd(parameters: float, tokens: float) -> float:
    """The rule of thumb: 6 FLOPs per parameter and token (Kaplan et al. 2020); it leaves attention out."""
    return 6 * parameters * tokens


def device_hours(flops: float, hardware: Hardware, utilisation: float) -> float:
    """Hours of one device at that fraction of its peak (MFU)."""
    if not 0 < utilisation <= 1:
        raise ParameterError(f"a utilisation lies in (0, 1], not {utilisation}")
    return flops / (hardware.peak_flops * utilisation) / 3600


def energy_kwh(hours: float, hardware: Hardware, overhead: float = 1.0) -> float:
    """Device hours at the power limit, times what the data centre adds (power usage effectiveness).

    An upper estimate for the accelerators; processors, network and storage are not in it.
    """
    return hours * hardware.watts / 1000 * overhead


# docs: start-paper-cost
@dataclass(frozen=True)
class PaperCost:
    """What one of the paper's runs needs: FLOPs, fraction of the peak and its source, hours of one device."""

    run: PaperRun
    hardware: Hardware
    flops: float
    mfu: float
    mfu_from: str
    hours: float

    def recalled_emissions(self) -> tuple[str, str]:
        """What the run is recalled to have emitted, and the PUE times carbon intensity that this means at the power
        limit; dashes where nothing is recalled."""
        emitted, hours = self.run.co2_kg, self.run.gpu_hours
        if emitted.value is None or hours.value is None:
            return "–", "–"
        implied = emitted.value / energy_kwh(hours.value, self.hardware)
        return emitted.shown(lambda kg: f"{kg / 1000:.1f} t"), f"{implied:.3f} kg/kWh"


def paper_cost(run: PaperRun, planned_mfu: float) -> PaperCost:
    """Hours at the utilisation that a published throughput or number of hours implies, else at `planned_mfu`."""
    hardware = HARDWARE[run.hardware]
    flops = training_flops(run.size, *run.stage_tokens)
    rate, published = run.tokens_per_device_second, run.gpu_hours
    if rate.value:
        config = ModelConfig.preset(run.size)
        per_token = config.flops_per_token(config.max_position_embeddings)
        mfu, source = rate.value * per_token / hardware.peak_flops, f"throughput ({rate.mark})"
    elif published.value:
        mfu, source = flops / (published.value * 3600 * hardware.peak_flops), f"hours ({published.mark})"
    else:
        mfu, source = planned_mfu, "assumed"
    return PaperCost(run, hardware, flops, mfu, source, device_hours(flops, hardware, mfu))
    # docs: end-paper-cost
