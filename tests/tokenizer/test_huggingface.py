import json
from pathlib import Path

import pytest
from transformers import AutoTokenizer

from sc2lib.model.config import ModelConfig
from sc2lib.tokenizer.encoding import Tokenizer
from sc2lib.tokenizer.huggingface import CONFIG, export
from sc2lib.tokenizer.training import train

TEXT = Path(json.__file__).read_text(encoding="utf-8")
NUMBERS = "[\n        1, 20,\n        2024,   5\n]"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A model's folder without its weights."""
    train([TEXT], 512).save(str(tmp_path / "trained.json"))
    model = tmp_path / "model"
    model.mkdir()
    (model / "config.json").write_text(json.dumps(ModelConfig(vocab_size=512).to_huggingface()))
    export(tmp_path / "trained.json", model, longest=64)
    return model


def test_transformers_reads_the_same_tokens(folder: Path) -> None:
    ours, theirs = Tokenizer.load(folder / "tokenizer.json"), AutoTokenizer.from_pretrained(folder)
    for text in (TEXT, NUMBERS, "x = 20240  # 12345\n\n\tif  y:", "é世界 = '😀'"):
        assert theirs(text)["input_ids"] == ours.encode(text)
        assert theirs.decode(ours.encode(text)) == text
    assert theirs("<fim_prefix>a<fim_suffix>")["input_ids"][::2] == [1, 3]
    assert theirs.model_max_length == 64


def test_transformers_pads_and_ends_with_the_models_tokens(folder: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(folder)
    padded = tokenizer(["a", "def f(x):"], padding=True)
    assert padded["input_ids"][0][-1] == tokenizer.pad_token_id == tokenizer.convert_tokens_to_ids("<fim_pad>")
    assert padded["attention_mask"][0][-1] == 0
    config = json.loads((folder / "config.json").read_text())
    assert tokenizer.eos_token_id == config["eos_token_id"] and tokenizer.bos_token_id == config["bos_token_id"]


def test_without_the_description_transformers_would_read_other_tokens(folder: Path) -> None:
    (folder / CONFIG).unlink()
    ours = Tokenizer.load(folder / "tokenizer.json")
    assert AutoTokenizer.from_pretrained(folder)(NUMBERS)["input_ids"] != ours.encode(NUMBERS)
