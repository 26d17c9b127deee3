"""The scripts of `sc2 submit`: what they ask for, what they run, and what is refused. tests/cluster runs them."""

import shlex
import shutil
import subprocess

import pytest

from sc2lib.cli import main
from sc2lib.errors import ChainError, ParameterError, UnsupportedError
from sc2lib.workflow.run_directory import RunDirectory
from sc2lib.workflow.submission import Machines, jobs, shared_storage_warning, submit


def command(script: str) -> list[str]:
    """The words of the line that runs the chapters."""
    (line,) = [line for line in script.splitlines() if line.startswith("sc2 run")]
    return shlex.split(line.removesuffix(" &"))


@pytest.fixture
def run(tmp_path):
    return RunDirectory(tmp_path / 'it\'s 100% "mine"')


def test_three_jobs_for_the_data_the_training_and_the_rest(run):
    settings = {"jaccard_threshold": 0.8, "temperature": 0.2, "opt_out_contact": "me; rm -rf $HOME"}
    chain = jobs(run, "workstation", settings, Machines(nodes=2, gpus_per_node=4))
    data, training, evaluation = (command(job.script) for job in chain)
    assert [job.name for job in chain] == ["data", "training", "evaluation"]
    assert all(words[:6] == ["sc2", "run", "--profile", "workstation", "--run-dir", str(run.path)] for words in (data,))
    assert data[6:8] == ["--to", "09"] and training[6:8] == ["--to", "13"] and "--to" not in evaluation
    assert {"jaccard_threshold=0.8", "executor=ray", "opt_out_contact=me; rm -rf $HOME"} <= set(data)
    assert "temperature=0.2" in evaluation and "temperature=0.2" not in training
    assert {"nodes=2", "devices=4"} <= set(training) and "nodes=2" not in data
    assert [f"#SBATCH --nodes={n}" in job.script for n, job in zip((2, 2, 1), chain, strict=True)] == [True] * 3
    assert "#SBATCH --ntasks-per-node=4" in chain[1].script and "#SBATCH --gpus-per-node=4" in chain[1].script
    assert "ray start" in chain[0].script and "ray start" not in chain[1].script + chain[2].script


def test_the_devices_of_a_group_read_the_same_sequences(run):
    """1,024 devices would leave the batch of 256 long sequences no micro-batch of one for each; 256 groups do."""
    jobs(run, "paper-15b", {}, Machines(nodes=128, gpus_per_node=8))
    with pytest.raises(ParameterError, match="256 cannot be dealt out to 1024 devices"):
        jobs(run, "paper-15b", {"strategy": "fsdp2"}, Machines(nodes=128, gpus_per_node=8))
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


@pytest.mark.parametrize("gpus", [0, 4])
def test_scripts_are_good_shell(run, gpus, tmp_path):
    checkers = [["bash", "-n"]] + ([["shellcheck", "--severity=style"]] if shutil.which("shellcheck") else [])
    for job in jobs(run, "workstation", {"opt_out_contact": "a'b"}, Machines(nodes=2, gpus_per_node=gpus, time="1-0")):
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
    ],
)
def test_machines_nobody_has_are_refused(machines, words):
    with pytest.raises(ParameterError, match=words):
        Machines(**machines)


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
