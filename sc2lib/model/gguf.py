"""A model for llama.cpp: ``python -m sc2lib.model.gguf LLAMA_CPP MODEL --outtype f32 --outfile model.gguf``.

LLAMA_CPP is the folder of llama.cpp's source, MODEL that of a model with its tokenizer; what follows goes to the
converter of llama.cpp, which makes the file. The converter has to name the way in which a tokenizer splits a text. It
knows that from a hash of the tokens of one long text, and refuses a tokenizer that was trained anew; here it is told.
"""

import argparse
import importlib
import sys
from collections.abc import Sequence
from pathlib import Path

from sc2lib.errors import InputError, Sc2Error
from sc2lib.model.huggingface import read_config
from sc2lib.tokenizer.encoding import Tokenizer
from sc2lib.tokenizer.huggingface import TOKENIZER
from sc2lib.tokenizer.training import pre_tokenizer

CONVERTER = "convert_hf_to_gguf"
SPLITTING = "starcoder"  # llama.cpp's name for `pre_tokenizer`: each digit alone, then GPT-2's words
TESTED = "the source distribution of llama-cpp-python 0.3.36 holds one that is known, in vendor/llama.cpp"


def main(arguments: Sequence[str] | None = None) -> int:
    """Convert; the exit code is 0, or 1 after an error of ours. An error of the converter passes through."""
    parser = argparse.ArgumentParser(
        prog="python -m sc2lib.model.gguf",
        description="Write a model as a GGUF file with llama.cpp's converter, which gets every further option.",
        allow_abbrev=False,
    )
    parser.add_argument("llama_cpp", type=Path, metavar="LLAMA_CPP", help="folder of llama.cpp's source")
    parser.add_argument("model", type=Path, metavar="MODEL", help="folder of the model with its tokenizer")
    known, options = parser.parse_known_args(arguments)
    try:
        window = read_config(known.model).sliding_window
        convert(known.llama_cpp, known.model, options)
    except Sc2Error as error:
        sys.stderr.write(f"{error}\n")
        return 1
    if window is not None:
        sys.stderr.write(
            f"llama.cpp computes StarCoder2 without a sliding window; the model has one of {window} tokens, so what "
            "follows a longer text will differ from what the model was trained for\n"
        )
    return 0


def convert(llama_cpp: Path, model: Path, options: Sequence[str] = ()) -> None:
    """Run the converter in that source on the model, in this process.

    Raises:
        InputError: the source holds no converter that we know, or the model's tokenizer splits texts in another way
            than ours.
    """
    split = Tokenizer.load(model / TOKENIZER).hugging_face.pre_tokenizer
    if str(split) != str(pre_tokenizer()):
        raise InputError(
            f"{model / TOKENIZER} splits texts by {split}, not by {pre_tokenizer()}; "
            f"run {llama_cpp / CONVERTER}.py, which may know it"
        )
    sys.path.insert(0, str(llama_cpp))
    try:
        converter = importlib.import_module(CONVERTER)
        text_model = importlib.import_module("conversion.base").TextModel
        text_model.get_vocab_base_pre  # noqa: B018 - it must be there to be replaced
    except (ModuleNotFoundError, AttributeError) as error:
        raise InputError(f"{llama_cpp} holds no converter of llama.cpp that we know ({error}); {TESTED}") from error
    text_model.get_vocab_base_pre = lambda *_: SPLITTING
    sys.argv = [CONVERTER, str(model), *options]
    converter.main()


if __name__ == "__main__":
    sys.exit(main())
