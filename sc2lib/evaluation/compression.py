"""Language modelling as compression: bits per byte of a model beside what compressors need for the same bytes.

An arithmetic coder driven by a model writes -log2 p(token) bits a token, up to 2 bits in all, so the summed loss is a
file size (Delétang et al. 2024). Bits per *byte* compare models of different tokenizers, and xz. Model and
compressors are measured in two ways: each file on its own, and all files of a language as one stream.
"""

import lzma
import math
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch
import zstandard

from sc2lib.files import write_parquet
from sc2lib.model.transformer import Starcoder2
from sc2lib.tokenizer.encoding import Tokenizer
from sc2lib.training.validation import token_losses

FILE_SEPARATOR = "<file_sep>"
MODES = ("per_file", "concatenated")

COMPRESSION = pa.schema(
    [
        *((name, pa.string()) for name in ("language", "mode", "coder")),
        *((name, pa.int64()) for name in ("files", "bytes", "tokens")),
        *((name, pa.float64()) for name in ("compressed_bytes", "bits_per_byte", "perplexity")),
    ]
)


# Raw streams: no container, no checksum, no name, so that small files do not pay for headers.
def _deflate(data: bytes) -> int:
    coder = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS, 9)
    return len(coder.compress(data) + coder.flush())


def _zstd(data: bytes) -> int:
    return len(zstandard.ZstdCompressor(level=19, write_checksum=False, write_content_size=False).compress(data))


def _xz(data: bytes) -> int:
    # A dictionary larger than the data changes no byte, but setting it up would take longer than compressing.
    dictionary = min(64 << 20, max(4096, len(data)))
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 9 | lzma.PRESET_EXTREME, "dict_size": dictionary}]
    return len(lzma.compress(data, format=lzma.FORMAT_RAW, filters=filters))


COMPRESSORS: dict[str, Callable[[bytes], int]] = {"gzip -9": _deflate, "zstd -19": _zstd, "xz -9e": _xz}


def texts_of(files: pa.Table, language: str, limit_bytes: int) -> list[str]:
    """Texts of one language until `limit_bytes`; the last is cut there. Files of one repository stand together.

    Which files: in the order of blob_id, which is random, so that many repositories have a part.
    """
    columns = ("blob_id", "repo_name", "path", "language", "text")
    rows = {row[0]: row for row in zip(*(files[name].to_pylist() for name in columns)) if row[3] == language}
    chosen = []
    for blob_id in sorted(rows):
        data = rows[blob_id][4].encode()[:limit_bytes]
        limit_bytes -= len(data)
        if data:
            chosen.append((rows[blob_id][1] or "", rows[blob_id][2], data.decode(errors="ignore")))
    return [text for _, _, text in sorted(chosen)]


# docs: start-bits
def ragged_losses(model: Starcoder2, windows: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Loss in nats of each token but the first, for windows of token ids of any lengths, as one batch."""
    tokens_BT = np.zeros((len(windows), max(map(len, windows))), np.int64)
    for row, window in enumerate(windows):  # padding on the right is never seen by causal attention
        tokens_BT[row, : len(window)] = window
    tokens = torch.from_numpy(tokens_BT).to(model.output_weight_VE.device)
    losses_BT = token_losses(model, tokens[:, :-1], tokens[:, 1:]).cpu().numpy()
    return [row[: len(window) - 1] for row, window in zip(losses_BT, windows)]


def model_bits(
    model: Starcoder2, tokenizer: Tokenizer, texts: Sequence[str], context: int, mode: str, batch_tokens: int = 8192
) -> tuple[float, int]:
    """Bits the model needs for all texts, and their number of tokens; sentinels between files are free.

    The tokens are cut into windows of `context` that do not overlap: a token sees what its own window holds before
    it and no more. In the mode "per_file" a window never holds two files; "concatenated" runs them together.
    """
    separator = np.array([tokenizer.token_id(FILE_SEPARATOR)], np.uint16)
    streams = [np.concatenate([separator, tokenizer.encode_array(text)]) for text in texts]
    if mode == "concatenated":
        streams = [np.concatenate(streams)]
    windows = [window for stream in streams for window in _windows(stream, context)]
    bits, count = 0.0, 0
    for batch in _batches(windows, batch_tokens):
        for window, losses in zip(batch, ragged_losses(model, batch), strict=True):
            paid = window[1:] != separator[0]
            bits += float(losses[paid].sum(dtype=np.float64)) / math.log(2)
            count += int(paid.sum())
    return bits, count
    # docs: end-bits


@torch.inference_mode()
def bits_one_by_one(model: Starcoder2, tokens: Sequence[int]) -> float:
    """The naive way to the bits of all tokens but the first: a run of the whole model on the prefix of each."""
    device, bits = model.output_weight_VE.device, 0.0
    for end in range(1, len(tokens)):
        logits = model(torch.tensor([list(tokens[:end])], device=device))[0, -1].float()
        bits -= logits.log_softmax(0)[tokens[end]].item() / math.log(2)
    return bits


def compression_rows(
    model: Starcoder2, tokenizer: Tokenizer, language: str, texts: Sequence[str], context: int
) -> pa.Table:
    """COMPRESSION rows of one language: both modes, the model ("model") and every compressor."""
    data = [text.encode() for text in texts]
    total = sum(map(len, data))
    rows: list[dict[str, Any]] = []
    for mode in MODES:
        bits, tokens = model_bits(model, tokenizer, texts, context, mode)
        shared = {"language": language, "mode": mode, "files": len(texts), "bytes": total, "tokens": tokens}
        perplexity = math.exp(bits * math.log(2) / tokens)
        rows.append(shared | {"coder": "model", "compressed_bytes": bits / 8, "perplexity": perplexity})
        for name, size in COMPRESSORS.items():
            compressed = float(sum(map(size, data)) if mode == "per_file" else size(b"".join(data)))
            rows.append(shared | {"coder": name, "compressed_bytes": compressed, "perplexity": None})
    for row in rows:
        row["bits_per_byte"] = 8 * row["compressed_bytes"] / total
    return pa.Table.from_pylist(rows, schema=COMPRESSION)


def write_compression(path: Path, *arguments: Any) -> None:
    """Write what `compression_rows` returns for the arguments: one resumable part of a table."""
    write_parquet(path, compression_rows(*arguments))


def _windows(stream: np.ndarray, context: int) -> Iterator[np.ndarray]:
    """Cut so that each token but the first is predicted once: a window starts with the last token of the one before."""
    for start in range(0, len(stream) - 1, context):
        yield stream[start : start + context + 1]


def _batches(windows: list[np.ndarray], batch_tokens: int) -> Iterator[list[np.ndarray]]:
    batch: list[np.ndarray] = []
    for window in sorted(windows, key=len, reverse=True):
        if batch and len(batch[0]) * (len(batch) + 1) > batch_tokens:
            yield batch
            batch = []
        batch.append(window)
    if batch:
        yield batch
