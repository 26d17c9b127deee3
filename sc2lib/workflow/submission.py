"""The chain as Slurm jobs: data stages without GPUs, training on many devices, the rest on one GPU of one machine.

Each job is the command a person would type, ``sc2 run``, in a script that asks for machines, answers Slurm's
signals, and goes back into the queue when it was stopped. Only one job works in a run directory at a time, so each
waits for the one before (``afterok``).
"""

import math
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psutil

from sc2lib.errors import ChainError, ParameterError, UnsupportedError
from sc2lib.files import write_text
from sc2lib.workflow import profiles
from sc2lib.workflow.project import notebooks, root
from sc2lib.workflow.run_directory import RunDirectory
from sc2lib.workflow.runner import select
from sc2lib.workflow.stopping import NOTICE_SECONDS, STOPPED

LAST_DATA, LAST_TRAINING = "09", "13"
SHARED = ("nfs", "lustre", "gpfs", "beegfs", "ceph", "fuse", "weka", "cifs", "smb", "9p", "virtiofs", "afs", "panfs")
TIME = re.compile(r"\d+|\d+:\d\d|\d+:\d\d:\d\d|\d+-\d+(:\d\d){0,2}")
NAME = re.compile(r"[\w.,+-]+")
OPTION = re.compile(r"(?:--)?([a-z][a-z-]+)(=[^\s#\"'\\]+)?")
OURS = {"nodes", "gpus-per-node", "partition", "account", "time"}  # of Slurm's options, those that are sc2's too
DECIDED = {"array", "cpus-per-task", "dependency", "job-name", "no-requeue", "ntasks", "ntasks-per-node", "open-mode"}
DECIDED |= {"output", "parsable", "requeue", "signal", "wrap"}
EARLY_SECONDS = 60  # by which Slurm may send a signal before its time
CORES_OF_A_GPU = 8  # for the evaluation, beside one GPU of a machine of several; its sandbox runs programs on them


@dataclass(frozen=True, kw_only=True)
class Machines:
    """What to ask Slurm for. Without `cpus_per_node`, whole machines; without `gpus_per_node`, those of the profile.

    The data job has `data_nodes` machines of `data_partition` (None: of `partition`) and no GPU. `options` are options
    of sbatch for every job, such as ``qos=long``; the file `prelude` is sourced before anything else runs.
    """

    nodes: int
    gpus_per_node: int | None = None
    cpus_per_node: int | None = None
    partition: str | None = None
    account: str | None = None
    time: str | None = None
    data_nodes: int = 1
    data_partition: str | None = None
    options: tuple[str, ...] = ()
    prelude: Path | None = None

    def __post_init__(self) -> None:
        for name, low in (("nodes", 1), ("gpus_per_node", 0), ("cpus_per_node", 1), ("data_nodes", 1)):
            value = getattr(self, name)
            if value is not None and value < low:
                raise ParameterError(f"--{name.replace('_', '-')} {value} is too small; give at least {low}")
        for name in ("partition", "account", "data_partition"):
            value = getattr(self, name)
            if value is not None and not NAME.fullmatch(value):
                option = name.replace("_", "-")
                raise ParameterError(f"--{option} {value!r} is not a name Slurm can have; see sinfo and sacctmgr")
        for option in self.options:
            _check_option(option)
        if self.prelude is not None and not self.prelude.is_file():
            raise ParameterError(
                f"--prelude {self.prelude} is no file; give one of shell commands, such as module load"
            )
        if self.time is not None and not TIME.fullmatch(self.time):
            raise ParameterError(
                f"--time {self.time!r} is not a time of Slurm; give hours:minutes:seconds or days-hours"
            )
        if self.time is not None and 0 < _seconds(self.time) < NOTICE_SECONDS + EARLY_SECONDS:
            raise ParameterError(
                f"--time {self.time} is {_seconds(self.time)} s, and Slurm warns a job {NOTICE_SECONDS} to "
                f"{NOTICE_SECONDS + EARLY_SECONDS} s before its end: it would be stopped as it begins; give 10 minutes "
                "or more"
            )


@dataclass(frozen=True)
class Job:
    """One job: its name and its script."""

    name: str
    script: str


def jobs(
    run: RunDirectory,
    profile: str,
    settings: Mapping[str, Any],
    machines: Machines,
    check: Callable[[Mapping[str, Any]], None],
) -> list[Job]:
    """The jobs of the chain, each to start when the one before has succeeded.

    Raises ParameterError for a setting no chapter has, and for the knobs that `check` refuses (`check_stages` of
    `sc2lib.training.stages`): what chapters 12 and 13 would refuse after the data job.
    """
    machines = _equipped(profile, machines)
    devices = settings.get("devices") or machines.gpus_per_node or 1
    given = {name: value for name, value in settings.items() if name not in ("devices", "nodes")}
    check(_checked(profile, settings, machines.nodes, devices))
    many = machines.data_nodes > 1
    training = given | {"devices": devices, "nodes": machines.nodes}
    data = given | ({"executor": "ray"} if many else {})
    cpus_only = replace(
        machines,
        nodes=machines.data_nodes,
        gpus_per_node=0,
        partition=machines.data_partition or machines.partition,
    )
    return [
        Job("data", _script("data", run, profile, data, cpus_only, 1, LAST_DATA, ray=many)),
        Job("training", _script("training", run, profile, training, machines, devices, LAST_TRAINING)),
        Job("evaluation", _script("evaluation", run, profile, given, _one_device(machines), 1, None)),
    ]


def submit(run: RunDirectory, chain: Sequence[Job], say: Callable[[str], None]) -> list[int]:
    """Write the scripts into the run's folder ``jobs`` and hand them to Slurm; returns the numbers of the jobs.

    Raises UnsupportedError without sbatch, ChainError when Slurm refuses a job; jobs before it are cancelled.
    """
    sbatch = shutil.which("sbatch")
    if sbatch is None:
        raise UnsupportedError("there is no sbatch on this machine; log in to the cluster, or look with --dry-run")
    numbers: list[int] = []
    for job in chain:
        path = run.path / "jobs" / f"{job.name}.sh"
        write_text(path, job.script)
        after = [f"--dependency=afterok:{numbers[-1]}", "--kill-on-invalid-dep=yes"] if numbers else []
        done = subprocess.run([sbatch, "--parsable", *after, str(path)], capture_output=True, text=True, check=False)
        if done.returncode:
            if numbers:
                subprocess.run(["scancel", *map(str, numbers)], check=False)
            raise ChainError(f"Slurm refused {path}: {done.stderr.strip()}; nothing is queued")
        numbers.append(int(done.stdout.strip().partition(";")[0]))
        say(f"{job.name:10s} job {numbers[-1]}, script and log in {path.parent}")
    return numbers


def shared_storage_warning(path: Path) -> str | None:
    """A sentence when `path` lies on a file system that other machines do not see, as far as its type tells."""
    existing = next(folder for folder in (path, *path.parents) if folder.exists()).resolve()
    mounts = {entry.mountpoint: entry.fstype for entry in psutil.disk_partitions(all=True)}
    mount = next((str(folder) for folder in (existing, *existing.parents) if str(folder) in mounts), "/")
    kind = mounts.get(mount, "unknown")
    if kind.startswith(SHARED):
        return None
    return f"{path} lies on {kind} ({mount}); every machine of the job must see this folder"


def _equipped(profile: str, machines: Machines) -> Machines:
    """The machines with as many GPUs as the profile has devices, unless they were given; one device may be a CPU."""
    if machines.gpus_per_node is not None:
        return machines
    devices = profiles.load(profile)["devices"]
    return replace(machines, gpus_per_node=devices if devices > 1 else 0)


def _one_device(machines: Machines) -> Machines:
    """One machine with one GPU at most; where it has several, the cores beside one and not the whole machine."""
    gpus = machines.gpus_per_node or 0
    cpus = machines.cpus_per_node
    if gpus > 1:
        cpus = CORES_OF_A_GPU if cpus is None else max(1, cpus // gpus)
    return replace(machines, nodes=1, gpus_per_node=min(gpus, 1), cpus_per_node=cpus)


def _seconds(time: str) -> int:
    """A time as Slurm reads it, in seconds; 0 is no limit."""
    days, dash, rest = time.rpartition("-")
    parts = [int(part) for part in rest.split(":")]
    if dash:
        hours, minutes, seconds = parts + [0] * (3 - len(parts))
    else:
        hours, minutes, seconds = {1: [0, *parts, 0], 2: [0, *parts], 3: parts}[len(parts)]
    return ((int(days or 0) * 24 + hours) * 60 + minutes) * 60 + seconds


def _check_option(option: str) -> None:
    found = OPTION.fullmatch(option)
    if found is None:
        raise ParameterError(f"--sbatch {option!r} is not a long option of sbatch; write it like qos=long or mem=200G")
    if found[1] in OURS:
        raise ParameterError(f"--sbatch {option!r} is an option of sc2 submit too; give --{found[1]}")
    if found[1] in DECIDED:
        raise ParameterError(
            f"--sbatch {option!r}: sc2 submit sets {found[1]} itself, the jobs depend on it; leave it out"
        )


def _checked(profile: str, settings: Mapping[str, Any], nodes: int, devices: int) -> dict[str, Any]:
    """The knobs of the training on these machines."""
    known = {name for notebook in notebooks().values() for name in notebook.knobs} | set(profiles.COMMON)
    for name in settings:
        if name not in known:
            raise ParameterError(f"no chapter has a parameter {name!r}")
    values = profiles.load(profile, {**settings, "nodes": nodes, "devices": devices})
    group = (values["tensor_parallel_size"] or devices) if values["strategy"] in ("tp", "fsdp2_tp") else 1
    if devices % group:
        common = math.gcd(group, devices)
        cut = f"tensor_parallel_size={common}" if common > 1 else "strategy=fsdp2 --set tensor_parallel_size=0"
        raise ParameterError(
            f"tensor_parallel_size {group} does not divide the {devices} devices of a machine; "
            f"give --gpus-per-node {-(-devices // group) * group}, or --set {cut}"
        )
    _check_batches(values, nodes * devices // group, group)
    return values


def _check_batches(values: Mapping[str, Any], world: int, group: int) -> None:
    who = f"{world} groups of {group} devices" if group > 1 else f"{world} devices"
    for prefix in ("", "long_"):
        batch, micro = values[f"{prefix}batch_size"], values[f"{prefix}micro_batch_size"]
        if batch % (micro * world):
            near = f"batch_size={max(1, round(batch / (micro * world))) * micro * world}"
            if batch % world == 0:
                near = f"micro_batch_size={math.gcd(batch // world, micro)}"
            raise ParameterError(
                f"{prefix}batch_size {batch} cannot be dealt out to {who} in micro-batches of {micro}; "
                f"give --set {prefix}{near}, or other machines (--nodes, --gpus-per-node)"
            )


def _script(
    name: str,
    run: RunDirectory,
    profile: str,
    settings: Mapping[str, Any],
    machines: Machines,
    tasks: int,
    last: str | None,
    ray: bool = False,
) -> str:
    stages = select(last=last) if last else select()
    declared = {knob for stage in stages for knob in notebooks()[stage].knobs} | set(profiles.COMMON)
    command = ["sc2", "run", "--profile", profile, "--run-dir", str(run.path), *(["--to", last] if last else [])]
    for knob, value in settings.items():
        if knob in declared:
            command += ["--set", f"{knob}={_scalar(value)}"]
    lines = ["#!/usr/bin/env bash", *_directives(name, run, machines, tasks), "set -eo pipefail"]
    if machines.prelude is not None:
        lines += [
            "# shellcheck disable=SC1090,SC1091 # a file of this cluster",
            f". {shlex.quote(str(machines.prelude.resolve()))}",
        ]
    lines += ["set -u # now only: what a cluster brings along reads variables that are not set"]
    lines += [f"cd {shlex.quote(str(root()))}", f"export PATH={shlex.quote(str(Path(sys.executable).parent))}:$PATH"]
    lines += ["export OMP_WAIT_POLICY=passive"]
    body = ATTEND + (RAY if ray else "") + f"\n# --- the chapters\nattend {shlex.join(command)}\n"
    return "\n".join(lines) + "\n" + body


def _directives(name: str, run: RunDirectory, machines: Machines, tasks: int) -> list[str]:
    log = str(run.path / "jobs" / f"{name}-").replace("%", "%%") + "%j.log"
    if any(not character.isprintable() for character in log):
        raise ParameterError(f"{run.path} holds characters that Slurm's scripts cannot; choose another --run-dir")
    options = {"job-name": f"sc2-{name}", "nodes": machines.nodes, "ntasks-per-node": tasks}
    if machines.cpus_per_node:
        options["cpus-per-task"] = max(1, machines.cpus_per_node // tasks)
    if machines.gpus_per_node:
        options["gpus-per-node"] = machines.gpus_per_node
    options |= {key: value for key in ("partition", "account", "time") if (value := getattr(machines, key))}
    options |= {"output": '"' + log.replace("\\", "\\\\").replace('"', '\\"') + '"', "open-mode": "append"}
    options |= {"signal": f"B:USR1@{NOTICE_SECONDS}"}
    flags = ["--requeue"] + ([] if machines.cpus_per_node else ["--exclusive", "--mem=0"])
    flags += [f"--{option.removeprefix('--')}" for option in machines.options]
    return [f"#SBATCH {option}" for option in (*(f"--{key}={value}" for key, value in options.items()), *flags)]


def _scalar(value: Any) -> str:
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


# Slurm warns the script (USR1) before the time is up, and a preempted job by TERM; sc2 then lets the chapter save and
# leaves with 75. What waits for Ray does not listen: the signal ends it, and nothing is lost.
ATTEND = """
# --- what is asked to stop goes back into the queue and on from there
interrupted=no
running=
trap 'interrupted=yes; kill -USR1 "$running" 2>/dev/null || true' USR1 TERM INT
attend() { # run a command; in the background, since a trap waits for what runs in the foreground; without set -m, by
    # which a suspended job would seem to have ended
    local status=STOPPED
    if [ "$interrupted" = no ]; then
        "$@" &
        running=$!
        [ "$interrupted" = no ] || kill -USR1 "$running" 2>/dev/null || true
        status=0
        wait "$running" || status=$?
        while [ "$interrupted" = yes ]; do
            interrupted=no
            status=0
            wait "$running" || status=$?
        done
    fi
    # sc2 may be too young to listen: then the signal ends it before anything is done
    if [ "$status" -eq STOPPED ] || [ "$(kill -l "$status" 2>/dev/null)" = USR1 ]; then
        # ending already, and not for its time: a person cancelled it, or Slurm itself puts it back
        if [ "$(squeue --noheader --jobs="$SLURM_JOB_ID" --format="%T %r")" != "COMPLETING None" ]; then
            scontrol requeue "$SLURM_JOB_ID"
            sleep 60
        fi
    fi
    [ "$status" -eq 0 ] || exit "$status"
}
""".replace("STOPPED", str(STOPPED))

# The head runs beside the chapters, a worker on every other machine. Ports of two jobs on one machine differ. Ray waits
# 15 seconds for its agents to choose their ports (ray-project/ray#65983), too short on a busy machine: they are given
# theirs. Of one the raylet is not told (Ray 2.60) and waits for it still, so what nobody needs, the autoscaler, does
# not start beside them. What takes too long is started again. The token keeps others on the network out; without one of
# its own a head would take the user's, if there is one, and the drivers would not. Told to end, a node would drain for
# up to 30 seconds for the services that Ray may run, and outlive its job (by 37 seconds; without draining, by 2).
RAY = """
# --- Ray: the head here, one worker on every other machine
export RAY_USAGE_STATS_ENABLED=0 RAY_AUTH_MODE=token RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S=0
RAY_AUTH_TOKEN=$(od -An -tx1 -N32 /dev/urandom | tr -d ' \\n')
export RAY_AUTH_TOKEN
address=$(python -m sc2lib.workflow.ray_nodes address)
export RAY_ADDRESS="$address:$((20000 + SLURM_JOB_ID % 1000))"
ports() {
    local first=$((21000 + (SLURM_JOB_ID * 64 + $1) % 2500 * 4))
    echo "--dashboard-agent-listen-port=$first --dashboard-agent-grpc-port=$((first + 1))" \\
        "--runtime-env-agent-port=$((first + 2)) --metrics-export-port=$((first + 3))"
}
export -f ports
others=$((SLURM_JOB_NUM_NODES - 1))
set -m # a process group, which ends as a whole
# shellcheck disable=SC2046 # ports prints several words
until ray start --head --node-ip-address="$address" --port="${RAY_ADDRESS##*:}" --num-cpus="$SLURM_CPUS_ON_NODE" \\
    --temp-dir="/tmp/sc2-ray-$SLURM_JOB_ID" --object-store-memory=200000000 --include-dashboard=false \\
    --no-monitor $(ports 0) --block
do sleep 2; done &
head=$!
set +m
trap 'kill -- "-$head" 2>/dev/null || true; wait; rm -rf "/tmp/sc2-ray-$SLURM_JOB_ID"' EXIT
attend python -m sc2lib.workflow.ray_nodes wait 1
set -m
# shellcheck disable=SC2016 # the variables are those of the other machine
srun --nodes="$others" --ntasks="$others" --ntasks-per-node=1 --exclude="$SLURMD_NODENAME" --cpu-bind=none \\
    --job-name=sc2-ray --export=ALL --input=none bash -c \\
    'until ray start --address="$RAY_ADDRESS" --num-cpus="$SLURM_CPUS_ON_NODE" --object-store-memory=200000000 \\
        $(ports "$((SLURM_NODEID + 1))") --block
    do sleep 2; done' &
workers=$!
set +m
trap 'kill -- "-$workers" "-$head" 2>/dev/null || true; wait; rm -rf "/tmp/sc2-ray-$SLURM_JOB_ID"' EXIT
attend python -m sc2lib.workflow.ray_nodes wait "$SLURM_JOB_NUM_NODES"
"""
