"""The options of `sc2 plan`, and its answer. What it computes with is imported when it is asked."""

import argparse
from typing import Any

from sc2lib.errors import ParameterError
from sc2lib.workflow import profiles


def plan_options(command: argparse.ArgumentParser) -> None:
    """The options of the verb; every default says where it comes from."""
    add = command.add_argument
    add("--profile", default="paper-15b", help="whose models, batches, steps and layout (default paper-15b)")
    add("--nodes", type=int, required=True, metavar="N", help="machines")
    add("--gpus-per-node", type=int, default=8, metavar="N", help="GPUs of each (default 8)")
    add("--gpu", choices=["a100", "h100", "h200"], default="h100", help="data sheet to use (default h100)")
    tensor = "GPUs that share each matrix (default: the profile's where it fits, else the fewest that fit)"
    add("--tensor-parallel", type=int, metavar="N", help=tensor)
    add("--pipeline-parallel", type=int, metavar="N", help="stages of layers (default 1), planned by formula only")
    add("--micro-batch", type=int, metavar="N", help="sequences a GPU computes at once (default: the profile's)")
    sharding = "what the copies share out (default: by the profile's strategy, full for fsdp2 and fsdp2_tp)"
    add("--sharding", choices=["none", "optimizer", "full"], help=sharding)
    checkpointing = "recompute each block in the backward pass (default: as the profile, or where it must be)"
    add("--checkpointing", action=argparse.BooleanOptionalAction, help=checkpointing)
    megatron = "bf16 weights and a split vocabulary as in Megatron, instead of the book's fp32 weights"
    add("--megatron", action="store_true", help=megatron)
    defer = "gradients cross the network once a step, kept whole until then (default: as the profile)"
    add("--defer-gradient-sync", action=argparse.BooleanOptionalAction, help=defer)
    gather = "gather the blocks' weights in bf16 (default: as the profile)"
    add("--gather-bf16", action=argparse.BooleanOptionalAction, help=gather)
    keep = "gather weights once a step, and keep them until its last backward pass (default: as the profile)"
    add("--keep-gathered", action=argparse.BooleanOptionalAction, help=keep)
    search = "plan the fastest layout that fits, of those that divide, instead of the profile's; what is given stays"
    add("--search", action="store_true", help=search)
    mfu = "fraction of the peak while a GPU computes (default: the profile's planned_mfu, an assumption)"
    add("--mfu", type=float, help=mfu)
    pair: dict[str, Any] = {"type": float, "nargs": "+", "action": _Range}
    pue = (
        "energy of the site over that of its machines (default: the profile's power_usage_effectiveness, and where it "
        "is null 1.1 to 1.58: Google's, R, and the mean of 2023, V2)"
    )
    add("--pue", metavar=("LOW", "HIGH"), help=pue, **pair)
    carbon = (
        "kg CO2eq per kWh (default: the profile's carbon_intensity, and where it is null 0.05 to 0.7: nuclear and "
        "water power, coal, R)"
    )
    add("--carbon", metavar=("LOW", "HIGH"), help=carbon, **pair)
    price = "dollars per GPU and hour (default: list prices of May 2026, V2)"
    add("--usd-per-gpu-hour", metavar=("LOW", "HIGH"), help=price, **pair)
    mtbf = "hours between failures of a node (default 6335: 419 in 54 days on 2,048 nodes, Llama 3, V2)"
    add("--node-mtbf-hours", type=float, metavar="H", help=mtbf)
    add(
        "--restart-minutes", type=float, metavar="M", help="from a failure to the next step (default 15, an assumption)"
    )
    add("--storage-gb-per-s", type=float, metavar="GB", help="writing of checkpoints (default 10, an assumption)")
    network = (
        "what a GPU's adapter receives from other nodes (default 25 for a100, R, 50 for h100 and h200, V2: an adapter "
        "a GPU)"
    )
    add("--network-gb-per-s", type=float, metavar="GB", help=network)
    link = "what a GPU receives from its node (default 300 for a100, 450 for h100 and h200: half of NVLink's, V2)"
    add("--link-gb-per-s", type=float, metavar="GB", help=link)
    add("--verify", action="store_true", help="also run a sharded step of both stages on a fake process group")
    add("--json", action="store_true", help="numbers in base units, as JSON")


class _Range(argparse.Action):
    """One number for both ends of a range, or two."""

    def __call__(self, parser: argparse.ArgumentParser, namespace: Any, values: Any, option: str | None = None) -> None:
        if len(values) > 2:
            parser.error(f"argument {option}: give one number, or a low and a high one, not {len(values)}")
        setattr(namespace, self.dest, (values[0], values[-1]))


def answer(options: argparse.Namespace) -> tuple[str, bool]:
    """The plan as text or JSON, and whether both stages fit. Raises ParameterError for a layout that does not divide,
    UnsupportedError for one that --verify cannot build."""
    from sc2lib.scaling.cluster import Cluster
    from sc2lib.scaling.costs import HARDWARE
    from sc2lib.scaling.placement import Choices, place
    from sc2lib.scaling.plan import plan, verify
    from sc2lib.scaling.plan_report import as_json, report
    from sc2lib.scaling.search import fastest, suggestion

    knobs = profiles.load(options.profile)
    given = {
        "mfu": options.mfu,
        "power_usage_effectiveness": options.pue,
        "carbon_intensity": options.carbon,
        "usd_per_gpu_hour": options.usd_per_gpu_hour,
        "node_hours_between_failures": options.node_mtbf_hours,
        "restart_minutes": options.restart_minutes,
        "storage_gb_per_s": options.storage_gb_per_s,
        "network_gb_per_s": options.network_gb_per_s,
        "link_gb_per_s": options.link_gb_per_s,
    }
    machines = {"nodes": options.nodes, "gpus_per_node": options.gpus_per_node, "hardware": HARDWARE[options.gpu]}
    cluster = Cluster.of(knobs, **machines, **given)
    choices = Choices(
        tensor=options.tensor_parallel,
        pipeline=options.pipeline_parallel,
        micro_batch=options.micro_batch,
        sharding=options.sharding,
        checkpointing=options.checkpointing,
        megatron=options.megatron,
        defer_gradient_sync=options.defer_gradient_sync,
        gather_bf16=options.gather_bf16,
        keep_gathered=options.keep_gathered,
    )
    if options.megatron and options.gather_bf16:
        raise ParameterError("--megatron keeps its weights in bf16 already; leave --gather-bf16 out")
    best = fastest(cluster, knobs, choices)
    placed = best if options.search and best else place(cluster, knobs, choices)
    lines = [*plan(cluster, placed), *suggestion(cluster, placed, best)]
    if options.verify:
        for one in placed:
            lines += verify(one)
    return as_json(lines) if options.json else report(cluster, placed, lines), all(one.fits(cluster) for one in placed)
