"""The verbs on a run of the chapters: run, status, book, submit."""

import argparse
import time
from pathlib import Path

from sc2lib.cli.shared import OK, Verbs, complain, run_options, say, settings, verb, where
from sc2lib.errors import RunDirectoryError
from sc2lib.workflow.project import root

TRAINING, LONG_CONTEXT = "12_pretraining", "13_long_context"


def add(commands: Verbs) -> None:
    """Declare the verbs."""
    run = verb(
        commands,
        "run",
        "run the chapters that are not up to date",
        "sc2 run --profile smoke                     every chapter, in seconds each",
        "sc2 run --to 04 --executor ray              up to near-duplicates, on the cluster of RAY_ADDRESS",
        "sc2 run --only 04 --set jaccard_threshold=0.8",
    )
    run_options(run)
    run.add_argument("--from", dest="first", metavar="NN", help="first chapter")
    run.add_argument("--to", dest="last", metavar="NN", help="last chapter; alone, also what it needs")
    run.add_argument("--only", metavar="NN", help="this chapter alone")
    run.add_argument("--needed-by", metavar="NN", help="the chapters this one stands on")
    run.add_argument("--set", dest="settings", metavar="KEY=VALUE", action="append", default=[], help="override a knob")
    run.add_argument("--executor", choices=["local", "ray"], help="where the data stages run")
    run.add_argument("--force", action="store_true", help="make anew also what is up to date, or failed")
    run.set_defaults(function=_run)

    status = verb(
        commands,
        "status",
        "show which chapters of a run are up to date, and why not",
        "sc2 status",
        "sc2 status --run-dir runs/mine",
    )
    run_options(status)
    status.set_defaults(function=_status)

    book = verb(commands, "book", "build the HTML book from a run's executed chapters", "sc2 book --run-dir runs/mine")
    run_options(book)
    book.set_defaults(function=_book)

    submit = verb(
        commands,
        "submit",
        "submit the whole chain to Slurm",
        "sc2 submit --profile workstation --nodes 1 --gpus-per-node 8 --time 24:00:00 --sbatch qos=long",
        "sc2 submit --profile paper-3b --nodes 20 --partition gpu --data-nodes 8 --data-partition cpu",
        "sc2 submit --profile laptop --nodes 2 --set micro_batch_size=2 --dry-run    print the scripts",
    )
    run_options(submit)
    submit.add_argument("--nodes", type=int, required=True, metavar="N", help="machines of the training job")
    gpus = "GPUs of a machine (default: the profile's devices where it has several, else 0)"
    submit.add_argument("--gpus-per-node", type=int, metavar="G", help=gpus)
    submit.add_argument(
        "--cpus-per-node",
        type=int,
        metavar="C",
        help="cores of a machine (default: whole machines; beside one GPU of several, 8)",
    )
    data = "machines of the data job, which takes no GPUs (default 1; several run Ray)"
    submit.add_argument("--data-nodes", type=int, default=1, metavar="N", help=data)
    submit.add_argument("--data-partition", metavar="P", help="partition of the data job (default: that of the others)")
    submit.add_argument("--partition", metavar="P", help="Slurm's partition")
    submit.add_argument("--account", metavar="A", help="Slurm's account")
    submit.add_argument("--time", metavar="T", help="longest time of each job; a job that needs more is queued again")
    more = "another option of sbatch for every job, such as qos=long, constraint=a100 or mem=200G; repeatable"
    submit.add_argument("--sbatch", dest="options", metavar="OPTION", action="append", default=[], help=more)
    prelude = "shell commands for the head of each script, such as module load; it is sourced"
    submit.add_argument("--prelude", type=Path, metavar="FILE", help=prelude)
    submit.add_argument("--set", dest="settings", metavar="KEY=VALUE", action="append", default=[], help="set a knob")
    submit.add_argument("--dry-run", action="store_true", help="print the scripts and submit nothing")
    submit.set_defaults(function=_submit)


def _run(options: argparse.Namespace) -> int:
    from sc2lib.training.stages import check_stages
    from sc2lib.workflow import profiles
    from sc2lib.workflow.runner import run_chain, select

    run, profile = where(options)
    overrides = settings(options.settings)
    if options.executor:
        overrides["executor"] = options.executor
    stages = select(options.first, options.last, options.only, options.needed_by)
    if TRAINING in stages:  # refused now, and not after the chapters before
        check_stages(profiles.load(profile, overrides), both=LONG_CONTEXT in stages)
    started = time.perf_counter()
    ran = run_chain(run, profile, overrides, stages, options.force, say=say)
    say(f"{ran} of {len(stages)} chapters ran in {time.perf_counter() - started:.0f} s; the run is in {run.path}")
    return OK


def _status(options: argparse.Namespace) -> int:
    from sc2lib.workflow.runner import plan, select

    run, profile = where(options)
    record = run.record()
    if not record:
        place = f" --run-dir {run.path}" if options.run_dir else ""
        raise RunDirectoryError(f"there is no run in {run.path}; start one with: sc2 run --profile {profile}{place}")
    say(f"{run.path}: profile {profile}, overrides {record.get('overrides') or 'none'}")
    for step in plan(run, profile, record.get("overrides", {}), select()):
        say(f"  {step.stage:42s} {step.reason or 'up to date'}")
    return OK


def _book(options: argparse.Namespace) -> int:
    from sc2lib.book import build
    from sc2lib.book.results import results

    run, _ = where(options)
    started = time.perf_counter()
    page = build(root(), run.path, say)
    for label, words in results(run.manifests()):
        say(f"  {label:12s} {words}")
    say(f"the book is at {page} ({time.perf_counter() - started:.0f} s)")
    return OK


def _submit(options: argparse.Namespace) -> int:
    from sc2lib.training.stages import check_stages
    from sc2lib.workflow.submission import Machines, jobs, shared_storage_warning, submit

    run, profile = where(options)
    names = ("nodes", "gpus_per_node", "cpus_per_node", "partition", "account", "time", "data_nodes", "data_partition")
    given = {name: getattr(options, name) for name in names}
    machines = Machines(**given, options=tuple(options.options), prelude=options.prelude)
    chain = jobs(run, profile, settings(options.settings), machines, check_stages)
    if options.dry_run:
        for job in chain:
            say(f"# ===== {run.path / 'jobs' / job.name}.sh\n{job.script}")
        return OK
    for folder in (run.path, root()) if max(machines.nodes, machines.data_nodes) > 1 else ():
        if warning := shared_storage_warning(folder):
            complain(f"warning: {warning}", OK)
    submit(run, chain, say)
    say("follow them with: squeue --me; and the chapters with: sc2 status --run-dir " + str(run.path))
    return OK
