import inspect

import pytest
import torch

from sc2lib.errors import UnsupportedError
from sc2lib.evaluation.humaneval import Problem
from sc2lib.evaluation.judge import Judge
from sc2lib.evaluation.sandbox import Sandbox, find_sandbox
from sc2lib.model.transformer import Starcoder2
from sc2lib.tokenizer.encoding import Tokenizer
from sc2lib.tokenizer.training import train
from tests.model.conftest import SMALL


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


@pytest.fixture(scope="session")
def tokenizer() -> Tokenizer:
    return Tokenizer(train([inspect.getsource(inspect)], 600))


@pytest.fixture(scope="session")
def model(tokenizer: Tokenizer) -> Starcoder2:
    torch.set_num_threads(1)
    config = SMALL.replace(
        vocab_size=tokenizer.vocabulary_size, max_position_embeddings=256, sliding_window=None, initializer_range=0.2
    )
    model = Starcoder2(config)
    model.initialize(torch.Generator().manual_seed(0))
    return model.eval()
