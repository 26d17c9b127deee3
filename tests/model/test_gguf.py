"""The command around llama.cpp's converter, with a stand-in for it; `test_other_readers` runs the real one."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from tokenizers import Tokenizer, pre_tokenizers

from sc2lib.errors import InputError
from sc2lib.model.gguf import convert
from sc2lib.tokenizer.huggingface import TOKENIZER, export
from sc2lib.tokenizer.training import train

CONVERTER = """
import json, sys
from conversion.base import TextModel

def main():
    print(json.dumps([*sys.argv[1:], TextModel().get_vocab_base_pre("a tokenizer")]))
"""
BASE = """
class TextModel:
    def get_vocab_base_pre(self, tokenizer):
        raise NotImplementedError("BPE pre-tokenizer was not recognized")
"""


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """What we use of llama.cpp's source."""
    folder = tmp_path / "llama.cpp"
    (folder / "conversion").mkdir(parents=True)
    (folder / "convert_hf_to_gguf.py").write_text(CONVERTER)
    (folder / "conversion" / "base.py").write_text(BASE)
    return folder


@pytest.fixture
def model(small, build, tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    build(small.replace(sliding_window=16)).save_pretrained(folder)
    train(["x = 1"], small.vocab_size).save(str(tmp_path / "trained.json"))
    export(tmp_path / "trained.json", folder, small.max_position_embeddings)
    return folder


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "sc2lib.model.gguf", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True)


def test_the_converter_gets_the_model_the_options_and_the_name_of_our_splitting(source, model):
    done = run(source, model, "--outtype", "f32")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [str(model), "--outtype", "f32", "starcoder"]
    assert "without a sliding window; the model has one of 16 tokens" in done.stderr


def test_a_source_without_the_known_converter_is_refused(source, model):
    (source / "conversion" / "base.py").write_text("class TextModel: pass")
    done = run(source, model)
    assert done.returncode == 1 and not done.stdout
    assert done.stderr.startswith(f"{source} holds no converter of llama.cpp that we know")
    assert "llama-cpp-python 0.3.36" in run(model, model).stderr


def test_another_way_of_splitting_is_not_passed_off_as_ours(source, model):
    tokenizer = Tokenizer.from_file(str(model / TOKENIZER))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.save(str(model / TOKENIZER))
    with pytest.raises(InputError, match=r"tokenizer\.json splits texts by ByteLevel.*run .*convert_hf_to_gguf\.py"):
        convert(source, model)
