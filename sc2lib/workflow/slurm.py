"""Inside a Slurm job: whether this process is the job's script, and how it starts one task per device."""

import os
import shutil
from collections.abc import Mapping


def in_job_script(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether this process belongs to the script (or shell) of an allocation and not to a step that srun started."""
    return "SLURM_JOB_ID" in environment and not in_step(environment) and shutil.which("srun") is not None


def in_step(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether srun started this process as one task of a step."""
    return "SLURM_STEP_ID" in environment


def srun(nodes: int, tasks_per_node: int, environment: Mapping[str, str] = os.environ) -> list[str]:
    """The head of a command line that starts the same command once per device of the allocation.

    The step is a child of Slurm, not of the caller: Slurm's own signals reach it. If a task ends with an error the
    others are killed at once, since they would wait for it forever.
    """
    command = ["srun", f"--nodes={nodes}", f"--ntasks={nodes * tasks_per_node}", f"--ntasks-per-node={tasks_per_node}"]
    if "SLURM_CPUS_PER_TASK" in environment:  # since 22.05 a step does not inherit it
        command.append(f"--cpus-per-task={environment['SLURM_CPUS_PER_TASK']}")
    return [*command, "--export=ALL", "--input=none", "--kill-on-bad-exit=1", "--job-name=sc2-training"]
