"""Training of the tokenizer: byte-level BPE on a seeded sample of the documents (paper sheet, section 5.8)."""

import hashlib
import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import pyarrow.parquet as pq
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from sc2lib.errors import InputError, ParameterError
from sc2lib.tokenizer.special_tokens import SPECIAL_TOKENS

SPECIAL = re.compile("|".join(map(re.escape, SPECIAL_TOKENS)))
SAMPLE_CHARACTERS = 65536


def pre_tokenizer() -> pre_tokenizers.PreTokenizer:
    """Each digit alone, then GPT-2's words on bytes."""
    return pre_tokenizers.Sequence(
        [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True),
        ]
    )


# docs: start-train
def train(texts: Iterable[str], vocabulary_size: int) -> Tokenizer:
    """Train byte-level BPE of at most `vocabulary_size` tokens, the 38 special tokens and 256 bytes included.

    All 256 bytes are in the vocabulary from the start, so any file can be encoded; the released tokenizer
    knows only the bytes its sample held and lacks 14. About 3 MB/s on two cores. The same texts give the same
    tokenizer. Raises ParameterError for a vocabulary without room for a merge.
    """
    smallest = len(SPECIAL_TOKENS) + 256
    if vocabulary_size < smallest:
        raise ParameterError(f"vocabulary_size {vocabulary_size} is below {smallest} (38 special tokens, 256 bytes)")
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizer()
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary_size,
        special_tokens=list(SPECIAL_TOKENS),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator((SPECIAL.sub("", text) for text in texts), trainer)
    return tokenizer


# docs: end-train


def truncate(tokenizer: Tokenizer, vocabulary_size: int) -> Tokenizer:
    """The tokenizer that the same texts give for a smaller vocabulary: BPE's merges are learnt one by one,
    so a smaller vocabulary holds the first of them."""
    state = json.loads(tokenizer.to_str())
    vocabulary = state["model"]["vocab"]
    kept = {token: index for token, index in vocabulary.items() if index < vocabulary_size}
    state["model"]["vocab"] = kept
    state["model"]["merges"] = [merge for merge in state["model"]["merges"] if "".join(merge) in kept]
    return Tokenizer.from_str(json.dumps(state))


def sample(shards: Iterable[Path], fraction: float, seed: int) -> Iterator[str]:
    """Yield texts of the training documents, about `fraction` of their characters.

    A long text is cut into pieces of 65,536 characters and each piece is kept by a hash of document, position
    and seed: the sample depends on the documents, not on their order or partition within a shard.
    """
    for shard in shards:
        for batch in pq.ParquetFile(shard).iter_batches(64, columns=["document_id", "split", "segments"]):
            for row in batch.to_pylist():
                if row["split"] == "train":
                    yield from _pieces(row["document_id"], row["segments"], fraction, seed)


def _pieces(document_id: str, segments: list[dict[str, str]], fraction: float, seed: int) -> Iterator[str]:
    for index, segment in enumerate(segments):
        text = segment["text"]
        for start in range(0, len(text), SAMPLE_CHARACTERS):
            key = hashlib.sha256(f"{seed}/{document_id}/{index}/{start}".encode()).digest()
            if int.from_bytes(key[:8], "big") < fraction * 2**64:
                yield text[start : start + SAMPLE_CHARACTERS]


def train_from_documents(
    path: Path, shards: list[Path], vocabulary_size: int, sample_bytes: int, total_bytes: int, seed: int
) -> None:
    """Train on about `sample_bytes` of the documents in `shards` (which hold `total_bytes`) and write `path`.

    Raises InputError when the sample holds too little text for the vocabulary.
    """
    fraction = min(1.0, sample_bytes / max(total_bytes, 1))
    tokenizer = train(sample(shards, fraction, seed), vocabulary_size)
    if tokenizer.get_vocab_size() < vocabulary_size:
        learnt = tokenizer.get_vocab_size()
        remedy = "raise tokenizer_sample_bytes" if fraction < 1 else "give a source with more files"
        raise InputError(
            f"a sample of {fraction:.1%} of the {total_bytes:,} bytes of training text gave only {learnt:,} of "
            f"{vocabulary_size:,} tokens; {remedy}, or lower vocabulary_size to {learnt} or less"
        )
    tokenizer.save(str(path))
