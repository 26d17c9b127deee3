"""What this machine has, and what that allows."""

import importlib.util
import os
import platform
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import psutil

from sc2lib.workflow.manifest import packages
from sc2lib.workflow.measure import usable_cores

GIB = 2**30
LAPTOP_MEMORY = 4 * GIB
LAPTOP_DISK = 3 * GIB


@dataclass(frozen=True)
class Finding:
    """One line of the report; `good` is None for a plain fact."""

    name: str
    value: str
    good: bool | None = None
    advice: str = ""


def examine(folder: Path, *more: Finding) -> list[Finding]:
    """Facts about cores, memory, disk (of `folder`), accelerators, tools and versions, and `more`."""
    memory = psutil.virtual_memory()
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    disk = shutil.disk_usage(existing).free
    findings = [
        Finding("system", f"{platform.system()} {platform.machine()}, Python {platform.python_version()}"),
        Finding("cores", f"{usable_cores()} of {os.cpu_count()}"),
        Finding(
            "memory",
            f"{memory.available / GIB:.1f} of {memory.total / GIB:.1f} GiB free",
            memory.available >= LAPTOP_MEMORY,
            "the profile laptop takes about 2 GiB, more on larger archives; close programs, or use --profile smoke",
        ),
        Finding(
            "disk",
            f"{disk / GIB:.1f} GiB free in {existing}",
            disk >= LAPTOP_DISK,
            "a laptop run takes between 1 and 2 GiB; choose another --run-dir",
        ),
        accelerator(),
        *more,
        _tool("git", "needed by source=git"),
        _tool("chromium", "needed by the browser tests: apt-get install chromium"),
        _tool("clamscan", "needed by clamav_database: apt-get install clamav"),
        _tool("sbatch", "needed for Slurm only"),
        _module("ray", "needed by executor=ray: pip install 'sc2lib[cluster]'"),
    ]
    findings += [Finding(name, version) for name, version in packages().items()]
    return findings


def accelerator() -> Finding:
    """The accelerators PyTorch sees."""
    import torch

    if not torch.cuda.is_available():
        return Finding("accelerators", "none", None, "profiles smoke and laptop need none")
    names = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    return Finding("accelerators", ", ".join(names), True)


def advise(findings: list[Finding]) -> str:
    """The largest profile this machine carries."""
    good = {finding.name: finding.good for finding in findings}
    if good["accelerators"]:
        return "this machine can run: smoke, laptop, workstation (paper-* need many such nodes)"
    if good["memory"] and good["disk"]:
        return "this machine can run: smoke, laptop"
    return "this machine can run: smoke"


def _tool(name: str, need: str) -> Finding:
    path = shutil.which(name)
    if path is None:
        return Finding(name, "not found", None, need)
    answer = subprocess.run([path, "--version"], capture_output=True, text=True, check=False).stdout.strip()
    return Finding(name, answer.split("\n")[0] or path, True)


def _module(name: str, need: str) -> Finding:
    found = importlib.util.find_spec(name) is not None
    return Finding(name, "installed" if found else "not installed", found or None, need)
