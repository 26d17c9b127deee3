"""The verbs on machines: what a cluster would need (plan), what this one has (doctor)."""

import argparse

from sc2lib.cli.shared import FAILED, OK, Verbs, say, verb
from sc2lib.errors import Sc2Error
from sc2lib.scaling.command import plan_options
from sc2lib.workflow.project import root


def add(commands: Verbs) -> None:
    """Declare the verbs."""
    planned = verb(
        commands,
        "plan",
        "what training a profile needs on a cluster: memory, time, cost, failures; exit code 1 when it does not fit",
        "sc2 plan --profile paper-15b --nodes 64 --gpus-per-node 8 --gpu h100",
        "sc2 plan --profile paper-3b --nodes 20 --gpu a100 --sharding optimizer --mfu 0.6 --json",
        "sc2 plan --profile paper-15b --nodes 128 --pipeline-parallel 2 --sharding optimizer --megatron",
        "sc2 plan --profile paper-7b --nodes 54 --search",
        "sc2 plan --profile workstation --nodes 1 --sharding full --verify",
    )
    plan_options(planned)
    planned.set_defaults(function=_plan)

    doctor = verb(commands, "doctor", "show what this machine has and what that allows", "sc2 doctor")
    doctor.set_defaults(function=_doctor)


def _plan(options: argparse.Namespace) -> int:
    from sc2lib.scaling import command

    text, fits = command.answer(options)
    say(text)
    return OK if fits else FAILED


def _doctor(options: argparse.Namespace) -> int:
    from sc2lib.evaluation import sandbox
    from sc2lib.workflow.doctor import Finding, advise, examine

    try:
        isolation = Finding("sandbox", sandbox.find_sandbox().name, True)
    except Sc2Error as error:
        isolation = Finding("sandbox", "no isolation", False, str(error))
    findings = examine(root() / "runs", isolation)
    for finding in findings:
        mark = {True: "ok", False: "!!", None: "  "}[finding.good]
        say(f"{mark} {finding.name:14s} {finding.value}")
        if finding.advice and not finding.good:
            say(f"   {'':14s} -> {finding.advice}")
    say(advise(findings))
    return OK
