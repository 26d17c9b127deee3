"""Greedy continuations by vLLM: run by the Python of vLLM's own environment, never imported.

Reads a JSON list of ``{"model": folder, "prompts": […], "new_tokens": …}`` from the file of the first argument and
writes to that of the second, for each, its rows: the ids of the prompt, the new ids and their log-probabilities, and
the ids as far as vLLM goes unless told to go on after the end of text.
"""

import gc
import json
import os
import sys
from pathlib import Path
from typing import Any

os.environ |= {
    "HF_HUB_OFFLINE": "1",
    "VLLM_CPU_KVCACHE_SPACE": "1",  # GiB
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",  # an error is then this process's own
    "VLLM_NO_USAGE_STATS": "1",
}

from vllm import LLM, SamplingParams
from vllm.distributed import cleanup_dist_env_and_memory


def main() -> None:
    asked = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    Path(sys.argv[2]).write_text(json.dumps([answer(**question) for question in asked]), encoding="utf-8")


def answer(model: str, prompts: list[str], new_tokens: int) -> dict[str, Any]:
    read = LLM(model, dtype="float32", enforce_eager=True)
    greedy = {"temperature": 0.0, "max_tokens": new_tokens, "logprobs": 0}
    whole = read.generate(prompts, SamplingParams(**greedy, ignore_eos=True), use_tqdm=False)
    ended = read.generate(prompts, SamplingParams(**greedy), use_tqdm=False)
    rows = []
    for result, until_end in zip(whole, ended, strict=True):
        tokens = list(result.outputs[0].token_ids)
        steps = zip(tokens, result.outputs[0].logprobs, strict=True)
        row = {"prompt": result.prompt_token_ids, "tokens": tokens}
        row["log_probabilities"] = [step[token].logprob for token, step in steps]
        row["until_end"] = list(until_end.outputs[0].token_ids)
        rows.append(row)
    del read
    gc.collect()
    cleanup_dist_env_and_memory()
    return {"rows": rows}


if __name__ == "__main__":
    main()
