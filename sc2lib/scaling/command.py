"""The options of `sc2 plan`, and its answer. What it computes with is imported when it is asked."""

import argparse

from sc2lib.workflow import profiles


def plan_options(command: argparse.ArgumentParser) -> None:
    """The options of the verb; every default says where it comes from."""
    add = command.add_argument
    add("--profile", default="paper-15b", help="whose models, batches and steps (default paper-15b)")
    add("--nodes", type=int, required=True, metavar="N", help="machines")
    add("--gpus-per-node", type=int, default=8, metavar="N", help="GPUs of each (default 8)")
    add("--gpu", choices=["a100", "h100", "h200"], default="h100", help="data sheet to use (default h100)")
    add("--tensor-parallel", type=int, metavar="N", help="GPUs that share each matrix (default: the fewest that fit)")
    add("--pipeline-parallel", type=int, default=1, metavar="N", help="stages of layers (default 1)")
    add("--micro-batch", type=int, default=1, metavar="N", help="sequences a GPU computes at once (default 1)")
    add("--sharding", choices=["none", "optimizer", "full"], default="full", help="shared by the copies (default full)")
    add("--checkpointing", action="store_true", help="recompute each block in the backward pass")
    add("--mfu", type=float, help="fraction of the peak (default: the profile's planned_mfu, an assumption)")
    add(
        "--pue", type=float, help="energy of the site over that of its machines (default: the profile's, an assumption)"
    )
    add("--carbon", type=float, metavar="KG", help="kg CO2eq per kWh (default: the profile's, an assumption)")
    price = "dollars per GPU and hour (default: list prices of May 2026, V2)"
    add("--usd-per-gpu-hour", type=float, nargs=2, metavar=("LOW", "HIGH"), help=price)
    mtbf = "hours between failures of a node (default 6335: 419 in 54 days on 2,048 nodes, Llama 3, V2)"
    add("--node-mtbf-hours", type=float, metavar="H", help=mtbf)
    add(
        "--restart-minutes", type=float, metavar="M", help="from a failure to the next step (default 15, an assumption)"
    )
    add("--storage-gb-per-s", type=float, metavar="GB", help="writing of checkpoints (default 10, an assumption)")
    add("--verify", action="store_true", help="also run a sharded step on a fake process group and compare")
    add("--json", action="store_true", help="numbers in base units, as JSON")


def answer(options: argparse.Namespace) -> str:
    """The plan as text or JSON. Raises ParameterError for a layout that does not divide."""
    from sc2lib.scaling.costs import HARDWARE
    from sc2lib.scaling.plan import Cluster, plan, smallest_tensor, spread, verify
    from sc2lib.scaling.plan_report import as_json, report

    knobs = profiles.load(options.profile)
    given = {
        "mfu": options.mfu or knobs["planned_mfu"],
        "power_usage_effectiveness": options.pue or knobs["power_usage_effectiveness"],
        "carbon_intensity": knobs["carbon_intensity"] if options.carbon is None else options.carbon,
        "usd_per_gpu_hour": options.usd_per_gpu_hour and tuple(options.usd_per_gpu_hour),
        "node_hours_between_failures": options.node_mtbf_hours,
        "restart_minutes": options.restart_minutes,
        "storage_gb_per_s": options.storage_gb_per_s,
    }
    given = {name: value for name, value in given.items() if value is not None}
    cluster = Cluster(nodes=options.nodes, gpus_per_node=options.gpus_per_node, hardware=HARDWARE[options.gpu], **given)
    choices = {
        "pipeline": options.pipeline_parallel,
        "micro_batch": options.micro_batch,
        "sharding": options.sharding,
        "checkpointing": options.checkpointing,
    }
    if options.tensor_parallel is None:
        layout = smallest_tensor(cluster, knobs, **choices)
    else:
        layout = spread(cluster, knobs, tensor=options.tensor_parallel, **choices)
    lines = plan(cluster, knobs, layout)
    if options.verify:
        lines += verify(knobs, layout)
    return as_json(lines) if options.json else report(cluster, layout, lines)
