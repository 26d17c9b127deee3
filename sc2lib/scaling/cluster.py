"""The machines of a plan: how many, what they reach, and what they cost."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sc2lib.errors import ParameterError
from sc2lib.scaling.costs import HARDWARE, Hardware, energy_kwh
from sc2lib.scaling.failures import NODE_HOURS

# Of sites: Google's tell of 1.1 (R), the mean of the Uptime Institute's survey of 2023 is 1.58 (V2).
OVERHEAD = (1.1, 1.58)
# kg CO2eq per kWh of grids: nuclear and water power as in France, and mostly coal as in Poland (R).
CARBON = (0.05, 0.7)


@dataclass(frozen=True)
class Footprint:
    """Energy and emissions of a run, from the lowest overhead and carbon intensity to the highest."""

    energy_kwh_low: float
    energy_kwh_high: float
    emissions_kg_low: float
    emissions_kg_high: float


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """Machines, what they reach, and what they cost; `sc2 plan --help` names the source of each default.

    `mfu` is the share of its peak that a GPU reaches while it computes; what the traffic leaves of it is in
    `sc2lib.scaling.step`. Overhead of the site (PUE), carbon intensity (kg/kWh) and dollars per GPU and hour are ranges
    from low to high. A link carries what a GPU receives from its node, the network what it receives from others.
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
    link_gb_per_s: float | None = None

    @classmethod
    def of(cls, knobs: Mapping[str, Any], **given: Any) -> "Cluster":
        """The cluster of `given` with a profile's assumptions: what is given (not None) wins, then the profile's
        `planned_mfu`, `power_usage_effectiveness` and `carbon_intensity`, then the defaults of this class, which are
        ranges where a profile's knob is null."""
        found = {"mfu": knobs["planned_mfu"]}
        for name in ("power_usage_effectiveness", "carbon_intensity"):
            if knobs[name] is not None:
                found[name] = (knobs[name], knobs[name])
        return cls(**found | {name: value for name, value in given.items() if value is not None})

    def __post_init__(self) -> None:
        rates = ("storage_gb_per_s", "network_gb_per_s", "link_gb_per_s")
        for name in ("nodes", "gpus_per_node", "node_hours_between_failures", *rates):
            value = getattr(self, name)
            if value is not None and not 0 < value < math.inf:
                raise ParameterError(f"{name} must be positive and finite, not {value}")
        if self.nodes == 1 and self.network_gb_per_s is not None:
            raise ParameterError("one node sends nothing over the network; give link_gb_per_s instead")
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

    def footprint(self, gpu_hours: float) -> Footprint:
        """Energy of those hours at the power limit, with the site's overhead, and what the grid emits for it."""
        low, high = (energy_kwh(gpu_hours, self.hardware, overhead) for overhead in self.power_usage_effectiveness)
        return Footprint(low, high, low * self.carbon_intensity[0], high * self.carbon_intensity[1])

    @property
    def link(self) -> float:
        """Bytes per second that a GPU receives from the others of its node."""
        return self.hardware.link if self.link_gb_per_s is None else self.link_gb_per_s * 1e9

    @property
    def network(self) -> float:
        """Bytes per second that a GPU's own adapter receives from other nodes; in one node all comes over the links."""
        if self.nodes == 1:
            return self.link
        return self.hardware.network if self.network_gb_per_s is None else self.network_gb_per_s * 1e9

    def bandwidth(self, members: int, in_node: int) -> float:
        """Bytes per second that each of `members` GPUs receives in a ring, when `in_node` of them share a node.

        A ring enters a node once, and NCCL lays a ring through each adapter of the group, so what one GPU receives
        comes in over the adapters of all its neighbours, and on over the links (maintainers in NVIDIA/nccl#687 and
        NVIDIA/nccl-tests#277, V).
        """
        return self.link if members <= in_node else min(self.link, in_node * self.network)
