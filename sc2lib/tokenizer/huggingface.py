"""The tokenizer in the folder of a model, as transformers reads it."""

import json
import shutil
from pathlib import Path
from typing import Any

from sc2lib.files import write_text
from sc2lib.tokenizer.special_tokens import END_OF_TEXT, FIM_PAD

TOKENIZER = "tokenizer.json"
CONFIG = "tokenizer_config.json"


def export(tokenizer: Path, folder: Path, longest: int) -> None:
    """Copy `tokenizer` into `folder`, beside a file that tells transformers how to read it; the model takes `longest`
    tokens.

    Without that file transformers goes by the model's type and takes GPT-2's tokenizer. That replaces the
    pre-tokenizer, so spaces before a digit become other tokens than in training, and it cannot pad a batch.
    """
    shutil.copyfile(tokenizer, folder / TOKENIZER)
    values: dict[str, Any] = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": END_OF_TEXT,
        "eos_token": END_OF_TEXT,
        "pad_token": FIM_PAD,
        "model_max_length": longest,
        "clean_up_tokenization_spaces": False,
    }
    write_text(folder / CONFIG, json.dumps(values, indent=2) + "\n")
