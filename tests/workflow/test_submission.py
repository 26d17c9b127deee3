"""The scripts of `sc2 submit`: what they ask for, what they run, and what is refused. tests/cluster runs them."""

import os
import shlex
import shutil
import signal as signals
import subprocess
from functools import partial
from pathlib import Path

import psutil
import pytest

from sc2lib.cli import main
from sc2lib.errors import ChainError, ParameterError, UnsupportedError
from sc2lib.training.stages import check_stages
from sc2lib.workflow import submission
from sc2lib.workflow.run_directory import RunDirectory
from sc2lib.workflow.runner import select
from sc2lib.workflow.submission import LAST_TRAINING, Machines, shared_storage_warning, submit


def jobs(run: RunDirectory, profile: str, settings: dict, machines: Machines) -> list[submission.Job]:
    """As `sc2 submit` makes them."""
    return submission.jobs(run, profile, settings, machines, check_stages)


def command(script: str) -> list[str]:
    """The words of the line that runs the chapters."""
    (line,) = [line for line in script.splitlines() if line.startswith("attend sc2 run")]
    return shlex.split(line)[1:]


@pytest.fixture
def run(tmp_path):
    return RunDirectory(tmp_path / 'it\'s 100% "mine"')


def test_three_jobs_for_the_data_the_training_and_the_rest(run):
    settings = {"jaccard_threshold": 0.8, "temperature": 0.2, "opt_out_contact": "me; rm -rf $HOME"}
    chain = jobs(run, "workstation", settings, Machines(nodes=2, gpus_per_node=4, data_nodes=3))
    data, training, evaluation = (command(job.script) for job in chain)
    assert [job.name for job in chain] == ["data", "training", "evaluation"]
    assert all(words[:6] == ["sc2", "run", "--profile", "workstation", "--run-dir", str(run.path)] for words in (data,))
    assert data[6:8] == ["--to", "09"] and training[6:8] == ["--to", "13"] and "--to" not in evaluation
    assert {"jaccard_threshold=0.8", "executor=ray", "opt_out_contact=me; rm -rf $HOME"} <= set(data)
    assert "temperature=0.2" in evaluation and "temperature=0.2" not in training
    assert {"nodes=2", "devices=4"} <= set(training) and "nodes=2" not in data
    assert [f"#SBATCH --nodes={n}" in job.script for n, job in zip((3, 2, 1), chain, strict=True)] == [True] * 3
    assert "#SBATCH --ntasks-per-node=4" in chain[1].script and "#SBATCH --gpus-per-node=4" in chain[1].script
    assert "ray start" in chain[0].script and "ray start" not in chain[1].script + chain[2].script


def test_the_devices_of_a_group_read_the_same_sequences(run):
    """1,024 devices would leave the batch of 256 long sequences no micro-batch of one for each; 256 groups do."""
    jobs(run, "paper-15b", {}, Machines(nodes=128, gpus_per_node=8))
    with pytest.raises(ParameterError, match="256 cannot be dealt out to 1024 devices"):
        jobs(run, "paper-15b", {"strategy": "fsdp2", "micro_batch_size": 1}, Machines(nodes=128, gpus_per_node=8))
    with pytest.raises(ParameterError, match=r"does not divide the 6 devices .*tensor_parallel_size=2"):
        jobs(run, "paper-15b", {}, Machines(nodes=128, gpus_per_node=6))


def test_a_profile_of_several_devices_asks_for_as_many_gpus(run):
    *_, training, _ = jobs(run, "paper-15b", {}, Machines(nodes=64))
    assert "#SBATCH --gpus-per-node=8" in training.script and "devices=8" in command(training.script)
    *_, training, _ = jobs(run, "laptop", {"devices": 2, "micro_batch_size": 1}, Machines(nodes=1))
    assert "--gpus-per-node" not in training.script and "devices=2" in command(training.script)
    # a degree of 1 would be refused in its turn; what is named instead works
    with pytest.raises(ParameterError, match=r"give --gpus-per-node 4, or --set strategy=fsdp2 --set tensor_para"):
        jobs(run, "paper-15b", {}, Machines(nodes=64, gpus_per_node=1))
    jobs(run, "paper-15b", {}, Machines(nodes=64, gpus_per_node=4))
    jobs(run, "paper-15b", {"strategy": "fsdp2", "tensor_parallel_size": 0}, Machines(nodes=64, gpus_per_node=1))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"tensor_parallel_size": 8}, "chapter 12 .* num_key_value_heads 4 cannot be shared by 8"),
        ({"warmup_steps": 2_000_000}, "chapter 12 .* warmup_steps"),
        ({"hidden_size": 6145}, "chapter 12 .* hidden_size 6145"),
        ({"validation_windows": 16}, "chapter 12 .* validation_windows 16"),
        ({"long_warmup_steps": 60_000}, "chapter 13 .* warmup_steps"),
        ({"long_validation_windows": 2}, "chapter 13 .* validation_windows 2"),
    ],
)
def test_what_the_training_refuses_is_refused_before_the_data_job_has_run(run, settings, words):
    with pytest.raises(ParameterError, match=words):
        jobs(run, "paper-15b", settings, Machines(nodes=64))


def test_one_machine_needs_no_ray(run):
    data = jobs(run, "laptop", {}, Machines(nodes=1, cpus_per_node=8))[0].script
    assert "ray" not in command(data) and "ray start" not in data
    assert "#SBATCH --cpus-per-task=8" in data and "--exclusive" not in data


def test_gpus_wait_for_no_chapter_that_has_no_use_for_them(run):
    """Chapters 01 to 09 take none; 10, 11 and 14 to 18 one, and of its machine only the cores beside it."""
    machines = Machines(nodes=64, partition="gpu", data_nodes=8, data_partition="cpu", gpus_per_node=8)
    data, training, evaluation = (job.script for job in jobs(run, "paper-15b", {}, machines))
    assert "--gpus" not in data and "#SBATCH --partition=cpu" in data and "#SBATCH --nodes=8" in data
    assert "#SBATCH --gpus-per-node=8" in training and "#SBATCH --partition=gpu" in training
    assert not [stage for stage in select(last=LAST_TRAINING) if stage[:2] in ("10", "11")]
    for words in ("--nodes=1", "--gpus-per-node=1", "--cpus-per-task=8", "--partition=gpu"):
        assert f"#SBATCH {words}" in evaluation
    assert "--exclusive" in training and "--exclusive" not in evaluation
    *_, evaluation = jobs(run, "workstation", {}, Machines(nodes=1, gpus_per_node=8, cpus_per_node=96))
    assert "#SBATCH --cpus-per-task=12" in evaluation.script


def test_other_options_of_sbatch_and_a_prelude_reach_every_script(run, tmp_path):
    prelude = tmp_path / "my modules.sh"
    prelude.write_text("echo loaded $NOT_SET\n")
    options = ("qos=long", "--constraint=a100|h100", "mem=200G", "exclusive=user")
    for job in jobs(run, "laptop", {}, Machines(nodes=1, options=options, prelude=prelude)):
        lines = job.script.splitlines()
        for words in ("--qos=long", "--constraint=a100|h100", "--mem=200G", "--exclusive=user"):
            assert f"#SBATCH {words}" in lines
        # the last counts: a whole machine's memory, unless less is asked for
        assert lines.index("#SBATCH --mem=0") < lines.index("#SBATCH --mem=200G")
        head = job.script.partition("cd ")[0]
        done = subprocess.run(["bash", "-c", head], capture_output=True, text=True, check=True)
        assert done.stdout == "loaded\n"


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ("partition=gpu", "give --partition"),
        ("--time=1:00", "give --time"),
        ("signal=TERM", "sets signal itself"),
        ("-p gpu", "like qos=long"),
        ("qos=a\n#SBATCH --uid=0", "like qos=long"),
    ],
)
def test_options_of_sbatch_that_would_break_the_chain_are_refused(option, words):
    with pytest.raises(ParameterError, match=words):
        Machines(nodes=1, options=(option,))


def start_script(script: str, folder: Path, bodies: dict[str, str]) -> subprocess.Popen[bytes]:
    """Run a job's script with programs of those bodies; ``scontrol`` writes what it is asked into ``asked``.

    It hears SIGINT, as under Slurm, also where these tests run in the background of a script and would not.
    """
    programs = folder / "bin"
    programs.mkdir()
    bodies = {
        "scontrol": f'echo "$*" > {folder}/asked',
        "squeue": "echo RUNNING None",
        "sleep": 'case "$1" in 60) ;; *) /bin/sleep "$1";; esac',
    } | bodies
    for name, body in bodies.items():
        (programs / name).write_text(f"#!/bin/bash\n{body}\n")
        (programs / name).chmod(0o755)
    path = folder / "data.sh"
    path.write_text(script.replace("export OMP", f"export PATH={programs}:$PATH\nexport OMP"))
    slurm = {"SLURM_JOB_ID": "7", "SLURM_JOB_NUM_NODES": "2", "SLURM_CPUS_ON_NODE": "1", "SLURMD_NODENAME": "node1"}
    heard = partial(signals.signal, signals.SIGINT, signals.SIG_DFL)
    return subprocess.Popen(["bash", str(path)], env=os.environ | slurm, stdout=subprocess.PIPE, preexec_fn=heard)


@pytest.mark.parametrize("signal", ["USR1", "TERM"])
@pytest.mark.parametrize(("listens", "status"), [('trap "exit 75" USR1', 75), ("", 128 + signals.SIGUSR1)])
def test_a_script_that_slurm_warns_passes_it_on_and_goes_back_into_the_queue(run, signal, listens, status, tmp_path):
    """Slurm's warning before the end of the time, and the signal that begins a preemption; also while sc2 starts."""
    body = f"{listens}; echo ready; for i in $(seq 100); do sleep 0.1; done".lstrip("; ")
    process = start_script(jobs(run, "laptop", {}, Machines(nodes=1))[0].script, tmp_path, {"sc2": body})
    assert process.stdout.readline() == b"ready\n"
    process.send_signal(getattr(signals, f"SIG{signal}"))
    assert process.wait(timeout=20) == status
    assert (tmp_path / "asked").read_text() == "requeue 7\n"


@pytest.mark.parametrize(("state", "requeued"), [("COMPLETING None", False), ("COMPLETING TimeLimit", True)])
def test_a_job_that_a_person_cancels_does_not_go_back_into_the_queue(run, state, requeued, tmp_path):
    """Its script hears the TERM of a preemption; what tells them apart is what Slurm says of the job (22.05)."""
    bodies = {"sc2": 'trap "exit 75" USR1; echo ready; for i in $(seq 100); do sleep 0.1; done'}
    bodies["squeue"] = f'[ "$2" = --jobs=7 ] && echo "{state}"'
    process = start_script(jobs(run, "laptop", {}, Machines(nodes=1))[0].script, tmp_path, bodies)
    assert process.stdout.readline() == b"ready\n"
    process.send_signal(signals.SIGTERM)
    assert process.wait(timeout=20) == 75
    assert (tmp_path / "asked").exists() == requeued


@pytest.mark.parametrize("signal", ["USR1", "TERM", "INT"])
@pytest.mark.parametrize("moment", ["address", "wait 1", "wait 2"])
def test_a_script_that_is_warned_while_ray_starts_goes_back_into_the_queue(run, signal, moment, tmp_path):
    """While it asks for the address, waits for the head, and waits for the workers; no chapter begins, Ray ends."""
    alive = tmp_path / "alive"
    alive.touch()
    lives = f"echo $$ >> {alive}; exec /bin/sleep 30"
    there = f"until [ -s {alive} ]; do /bin/sleep 0.05; done; echo ready; exec /bin/sleep 30"
    held = "echo ready >&2; /bin/sleep 0.5" if moment == "address" else there
    bodies = {
        "python": f'case "$*" in *"{moment}"*) {held};; esac\ncase "$*" in *address*) echo 127.0.0.1;; esac',
        "ray": lives,
        "srun": lives,
        "sc2": f"touch {tmp_path}/chapters",
    }
    script = jobs(run, "laptop", {}, Machines(nodes=1, data_nodes=2))[0].script
    process = start_script(script.replace("set -u", "exec 2>&1\nset -u"), tmp_path, bodies)
    assert process.stdout.readline() == b"ready\n"
    process.send_signal(getattr(signals, f"SIG{signal}"))
    assert process.wait(timeout=20) == (75 if moment == "address" else 128 + signals.SIGUSR1)
    assert (tmp_path / "asked").read_text() == "requeue 7\n" and not (tmp_path / "chapters").exists()
    left = [process for process in psutil.process_iter() if str(process.pid) in alive.read_text().split()]
    _, left = psutil.wait_procs(left, timeout=5)
    assert all(process.status() == psutil.STATUS_ZOMBIE for process in left)


@pytest.mark.parametrize("gpus", [0, 4])
def test_scripts_are_good_shell(run, gpus, tmp_path):
    checkers = [["bash", "-n"]] + ([["shellcheck", "--severity=style"]] if shutil.which("shellcheck") else [])
    prelude = tmp_path / "it's.sh"
    prelude.touch()
    machines = Machines(nodes=2, gpus_per_node=gpus, time="1-0", data_nodes=2, prelude=prelude, options=("qos=long",))
    for job in jobs(run, "workstation", {"opt_out_contact": "a'b"}, machines):
        path = tmp_path / f"{job.name}.sh"
        path.write_text(job.script)
        for checker in checkers:
            done = subprocess.run([*checker, str(path)], capture_output=True, text=True, check=False)
            assert not done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("machines", "words"),
    [
        ({"nodes": 0}, "--nodes 0 is too small"),
        ({"nodes": 1, "gpus_per_node": -1}, "--gpus-per-node -1 is too small"),
        ({"nodes": 1, "partition": "gpu\n#SBATCH --uid=0"}, "not a name"),
        ({"nodes": 1, "time": "tomorrow"}, "hours:minutes:seconds"),
        ({"nodes": 1, "time": "3:59"}, "--time 3:59 is 239 s, and Slurm warns .* 180 to 240 s before its end"),
        ({"nodes": 1, "data_nodes": 0}, "--data-nodes 0 is too small"),
        ({"nodes": 1, "data_partition": "a b"}, "--data-partition 'a b' is not a name"),
        ({"nodes": 1, "prelude": Path("/nowhere.sh")}, "--prelude /nowhere.sh is no file"),
    ],
)
def test_machines_nobody_has_are_refused(machines, words):
    with pytest.raises(ParameterError, match=words):
        Machines(**machines)


def test_a_time_is_read_as_slurm_reads_it():
    times = {"0": 0, "90": 5400, "4:30": 270, "1:00:05": 3605, "2-3": 183600, "1-0:10": 87000, "0-0:10:00": 600}
    for time, seconds in times.items():
        Machines(nodes=1, time=time)
        assert submission._seconds(time) == seconds


def test_a_batch_the_devices_cannot_share_is_refused_before_anything_waits_in_a_queue(run):
    with pytest.raises(ParameterError, match=r"batch_size 64 .* 24 devices .* batch_size=192"):
        jobs(run, "workstation", {}, Machines(nodes=3, gpus_per_node=8))
    with pytest.raises(ParameterError, match=r"batch_size 64 .* 16 devices .* micro_batch_size=4"):
        jobs(run, "workstation", {}, Machines(nodes=2, gpus_per_node=8))
    with pytest.raises(ParameterError, match="did you mean 'laptop'"):
        jobs(run, "latop", {}, Machines(nodes=1))


def test_a_job_that_slurm_refuses_takes_the_ones_before_back(run, tmp_path, monkeypatch):
    programs = tmp_path / "bin"
    programs.mkdir()
    calls = tmp_path / "calls"
    sbatch = f'echo "sbatch $*" >> {calls}; case "$*" in *training*) echo no such account >&2; exit 1;; esac; echo 41'
    for name, body in {"sbatch": sbatch, "scancel": f'echo "scancel $*" >> {calls}'}.items():
        (programs / name).write_text(f"#!/bin/sh\n{body}\n")
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")
    chain = jobs(run, "laptop", {}, Machines(nodes=1))
    with pytest.raises(ChainError, match="no such account"):
        submit(run, chain, lambda text: None)
    assert "--dependency=afterok:41" in calls.read_text() and calls.read_text().endswith("scancel 41\n")


def test_without_slurm_only_a_dry_run_works(run, monkeypatch, capsys, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UnsupportedError, match="--dry-run"):
        submit(run, jobs(run, "laptop", {}, Machines(nodes=1)), lambda text: None)
    assert main(["submit", "--nodes", "1", "--dry-run", "--run-dir", str(run.path)]) == 0
    assert capsys.readouterr().out.count("#!/usr/bin/env bash") == 3
    assert main(["submit", "--nodes", "0", "--dry-run"]) == 2


def test_a_folder_of_this_machine_alone_is_noticed(tmp_path):
    assert "every machine of the job must see this folder" in (shared_storage_warning(tmp_path / "new") or "")
