"""The machines of a plan: how many, what they reach, and what they cost."""

import math
from dataclasses import dataclass

from sc2lib.errors import ParameterError
from sc2lib.scaling.costs import HARDWARE, Hardware
from sc2lib.scaling.failures import NODE_HOURS

# Of sites: Google's tell of 1.1 (R), the mean of the Uptime Institute's survey of 2023 is 1.58 (V2).
OVERHEAD = (1.1, 1.58)
# kg CO2eq per kWh of grids: nuclear and water power as in France, and mostly coal as in Poland (R).
CARBON = (0.05, 0.7)


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """Machines, what they reach, and what they cost; `sc2 plan --help` names the source of each default.

    Overhead of the site (PUE), carbon intensity (kg/kWh) and dollars per GPU and hour are ranges from low to high.
    """

    nodes: int
    gpus_per_node: int = 8
    hardware: Hardware = HARDWARE["h100"]
    mfu: float = 0.4
    power_usage_effectiveness: tuple[float, float] = OVERHEAD
    carbon_intensity: tuple[float, float] = CARBON
    usd_per_gpu_hour: tuple[float, float] | None = None
    node_hours_between_failures: float = NODE_HOURS
    restart_minutes: float = 15.0
    storage_gb_per_s: float = 10.0
    network_gb_per_s: float | None = None

    def __post_init__(self) -> None:
        for name in ("nodes", "gpus_per_node", "node_hours_between_failures", "storage_gb_per_s", "network_gb_per_s"):
            value = getattr(self, name)
            if value is not None and not 0 < value < math.inf:
                raise ParameterError(f"{name} must be positive and finite, not {value}")
        if not 0 <= self.restart_minutes < math.inf:
            raise ParameterError(f"restart_minutes must be at least 0 and finite, not {self.restart_minutes}")
        if not 0 < self.mfu <= 1:
            raise ParameterError(f"mfu is a fraction of the peak in (0, 1], not {self.mfu}")
        for what, (low, high), least in (
            ("power usage effectiveness", self.power_usage_effectiveness, 1),
            ("carbon intensity", self.carbon_intensity, 0),
            ("price", self.prices, 0),
        ):
            if not least <= low <= high < math.inf:
                raise ParameterError(f"the {what} must rise from low to high, from {least} on, not {low} to {high}")

    @property
    def gpus(self) -> int:
        return self.nodes * self.gpus_per_node

    @property
    def prices(self) -> tuple[float, float]:
        """Dollars per GPU and hour, low and high."""
        return self.usd_per_gpu_hour or self.hardware.usd_per_hour

    @property
    def bandwidth(self) -> float:
        """Bytes per second that a GPU receives from the others: over the network, in one node over its links."""
        if self.network_gb_per_s is not None:
            return self.network_gb_per_s * 1e9
        return self.hardware.link if self.nodes == 1 else self.hardware.network
