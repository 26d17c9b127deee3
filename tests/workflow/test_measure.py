"""What a process may use, and what it uses."""

import subprocess
import sys

import pytest

from sc2lib.workflow import measure
from sc2lib.workflow.measure import MemorySampler

ONE_CORE = """
import os, sys
os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])
from sc2lib.workflow.measure import usable_cores
print(usable_cores(), "torch" in sys.modules)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ties a process to some cores")
def test_a_process_tied_to_one_core_may_use_one_and_need_not_load_torch_to_know():
    answer = subprocess.run([sys.executable, "-c", ONE_CORE], capture_output=True, text=True, check=True)
    assert answer.stdout.split() == ["1", "False"]


def test_the_peak_counts_what_was_freed_again():
    sampler = MemorySampler(interval_seconds=0.01)
    before = sampler.stop()
    sampler.start()
    block = b"1" * (64 << 20)
    sampler._sample()
    del block
    assert sampler.stop() >= before + (50 << 20)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("model\t: 17\nmodel name\t: Some CPU\ncpu family\t: 25\nflags\t: fma amx_bf16\n\nmodel name: B", "Some CPU "),
        ("model name: Old\nflags: fma\n", "Old (no unit for bf16)"),
        ("Features : fp bf16 i8mm\n", "(bf16, i8mm)"),
    ],
)
def test_a_processor_has_a_name_and_says_what_it_has_for_bf16(tmp_path, monkeypatch, text, name):
    monkeypatch.setattr(measure, "CPUINFO", tmp_path / "cpuinfo")
    assert measure.processor(), "without the file, too"
    measure.CPUINFO.write_text(text, encoding="utf-8")
    assert name in measure.processor()
    if "amx" in text:
        assert measure.processor().endswith("(cpu family 25, model 17, amx_bf16)")
