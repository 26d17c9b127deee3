import inspect
import lzma
import math
import subprocess
import zlib

import numpy as np
import pyarrow as pa
import pytest
import torch
import zstandard

from sc2lib.evaluation.compression import (
    COMPRESSORS,
    bits_one_by_one,
    compression_rows,
    model_bits,
    ragged_losses,
    texts_of,
)
from sc2lib.evaluation.document_files import DOCUMENT_FILES

DATA = inspect.getsource(inspect).encode()


def test_losses_of_a_padded_batch_equal_the_logits_one_by_one(model):
    windows = [np.array([1, 5, 9, 300, 7]), np.array([44, 2]), np.array([400, 401, 402])]
    for window, losses in zip(windows, ragged_losses(model, windows), strict=True):
        tokens = torch.from_numpy(window)[None]
        log_p = model(tokens).log_softmax(dim=2)[0]
        expected = [-log_p[i, window[i + 1]].item() for i in range(len(window) - 1)]
        assert losses == pytest.approx(expected, abs=1e-4)


def test_bits_of_a_short_file_are_its_log_probability(model, tokenizer):
    text = "def f(x):\n    return x\n"
    tokens = [tokenizer.token_id("<file_sep>"), *tokenizer.encode(text)]
    log_p = model(torch.tensor([tokens])).log_softmax(dim=2)[0]
    nats = -sum(log_p[i, token].item() for i, token in enumerate(tokens[1:]))
    bits, count = model_bits(model, tokenizer, [text, text], 128, "per_file")
    assert bits == pytest.approx(2 * nats / math.log(2), rel=1e-5)
    assert count == 2 * (len(tokens) - 1)
    assert bits_one_by_one(model, tokens) == pytest.approx(bits / 2, rel=1e-5)


@pytest.mark.parametrize("mode", ["per_file", "concatenated"])
@pytest.mark.parametrize("context", [7, 8, 200])
def test_every_token_of_the_files_is_paid_once_whatever_the_window(model, tokenizer, mode, context):
    texts = ["a = 1\n" * 9, "", "import os\n", "x"]
    count = model_bits(model, tokenizer, texts, context, mode)[1]
    assert count == sum(len(tokenizer.encode(text)) for text in texts)


def test_what_comes_before_the_window_changes_nothing(model, tokenizer):
    context = 16
    first, second = (np.array(tokenizer.encode(text * 20), np.uint16)[: 3 * context] for text in ("a = b\n", "# c "))
    tail = np.arange(100, 100 + context)
    streams = [np.concatenate([head, tail]) for head in (first, second)]
    windows = [stream[-context:] for stream in streams]
    losses = ragged_losses(model, windows)
    assert np.array_equal(losses[0], losses[1])


def test_compressors_give_back_the_bytes_at_the_size_they_report():
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 9 | lzma.PRESET_EXTREME}]
    raw = lzma.compress(DATA, format=lzma.FORMAT_RAW, filters=filters)
    assert COMPRESSORS["xz -9e"](DATA) == len(raw)
    assert lzma.decompress(raw, format=lzma.FORMAT_RAW, filters=filters) == DATA
    assert COMPRESSORS["gzip -9"](DATA) == pytest.approx(len(zlib.compress(DATA, 9)) - 6, abs=64)
    assert COMPRESSORS["zstd -19"](DATA) == pytest.approx(len(zstandard.compress(DATA, 19)), abs=16)


def test_a_raw_stream_is_the_command_line_tools_file_without_its_container():
    try:
        made = subprocess.run(["xz", "-9e", "-c"], input=DATA, capture_output=True, check=True).stdout
    except FileNotFoundError:
        pytest.skip("the command xz is not installed: apt-get install xz-utils")
    assert 0 < len(made) - COMPRESSORS["xz -9e"](DATA) < 100


def test_rows_cover_both_modes_and_all_coders(model, tokenizer):
    texts = [DATA[:3000].decode(), DATA[3000:5000].decode()]
    rows = compression_rows(model, tokenizer, "Python", texts, 64).to_pylist()
    assert len(rows) == 2 * (1 + len(COMPRESSORS))
    sizes = {(row["mode"], row["coder"]): row["compressed_bytes"] for row in rows}
    for name in COMPRESSORS:
        assert sizes["concatenated", name] < sizes["per_file", name]
    for row in rows:
        assert row["bits_per_byte"] == pytest.approx(8 * row["compressed_bytes"] / 5000)
    untrained = next(row for row in rows if row["coder"] == "model")
    assert untrained["perplexity"] > 100


def test_texts_are_taken_by_blob_until_the_limit_and_stand_by_repository():
    rows = [
        {"blob_id": blob, "repo_name": repository, "path": blob, "language": language, "text": text}
        for blob, repository, language, text in [
            ("b", "one", "C", "é" * 10),
            ("a", "two", "C", "x" * 15),
            ("c", "one", "C", "z"),
            ("d", "one", "Go", "g" * 5),
        ]
    ]
    files = pa.Table.from_pylist(rows, DOCUMENT_FILES)
    assert texts_of(files, "C", 20) == ["éé", "x" * 15]
    assert texts_of(files, "C", 99) == ["é" * 10, "z", "x" * 15]
    assert texts_of(files, "Rust", 20) == []
