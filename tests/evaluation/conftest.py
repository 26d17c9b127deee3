import pytest

from sc2lib.errors import UnsupportedError
from sc2lib.evaluation.humaneval import Problem
from sc2lib.evaluation.judge import Judge
from sc2lib.evaluation.sandbox import Sandbox, find_sandbox


@pytest.fixture(scope="session")
def sandbox() -> Sandbox:
    try:
        return find_sandbox()
    except UnsupportedError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def judge(sandbox: Sandbox) -> Judge:
    return Judge(sandbox)


@pytest.fixture(scope="session")
def doubling() -> Problem:
    return Problem(
        task_id="doubling",
        prompt='def double(x):\n    """Twice x."""\n',
        entry_point="double",
        canonical_solution="    return 2 * x\n",
        test="def check(candidate):\n    assert candidate(2) == 4\n    assert candidate(7) == 14\n",
    )
