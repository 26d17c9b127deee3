"""Greedy continuations by llama.cpp: run by the Python of an environment with llama-cpp-python, never imported.

Reads a JSON list of ``{"model": GGUF file, "prompts": […], "new_tokens": …}`` from the file of the first argument and
writes to that of the second, for each: the rows, each with the ids of its prompt, the new ids and their
log-probabilities; and the ids that llama.cpp takes for special ones.
"""

import json
import sys
from pathlib import Path
from typing import Any

import llama_cpp
import numpy as np
from llama_cpp import Llama

SPECIAL = {
    "end": llama_cpp.llama_vocab_eos,
    "prefix": llama_cpp.llama_vocab_fim_pre,
    "middle": llama_cpp.llama_vocab_fim_mid,
    "suffix": llama_cpp.llama_vocab_fim_suf,
    "pad": llama_cpp.llama_vocab_fim_pad,
}
F32 = llama_cpp.GGML_TYPE_F32  # of keys and values, which are fp16 unless told


def main() -> None:
    asked = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    Path(sys.argv[2]).write_text(json.dumps([answer(**question) for question in asked]), encoding="utf-8")


def answer(model: str, prompts: list[str], new_tokens: int) -> dict[str, Any]:
    read = Llama(model, n_ctx=0, n_gpu_layers=0, n_threads=1, type_k=F32, type_v=F32, verbose=False)
    vocabulary = llama_cpp.llama_model_get_vocab(read.model)
    special = {name: get(vocabulary) for name, get in SPECIAL.items()}
    ends = [token for token in range(read.n_vocab()) if llama_cpp.llama_vocab_is_eog(vocabulary, token)]
    return {"rows": [row(read, prompt, new_tokens) for prompt in prompts], "special": special, "ends": ends}


def row(model: Llama, prompt: str, new_tokens: int) -> dict[str, Any]:
    ids = model.tokenize(prompt.encode(), special=True)
    model.reset()
    tokens, log_probabilities, read = [], [], ids
    for _ in range(new_tokens):
        model.eval(read)
        pointer = llama_cpp.llama_get_logits_ith(model.ctx, -1)
        logits = np.ctypeslib.as_array(pointer, shape=(model.n_vocab(),)).astype(np.float64)
        token = int(logits.argmax())
        tokens.append(token)
        log_probabilities.append(float(logits[token] - np.logaddexp.reduce(logits)))
        read = [token]
    return {"prompt": ids, "tokens": tokens, "log_probabilities": log_probabilities}


if __name__ == "__main__":
    main()
