"""Text to token ids and back, with sentinels that text can never imitate.

`Tokenizer` reads the `tokenizer.json` of the Hugging Face library. It cuts a text into words and keeps the ids
of every word it has seen: source code repeats its words, so most of the work is a dictionary look-up
(about three times the speed of `encode_batch` on one core, the same ids; tested against it).
"""

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer as HuggingFaceTokenizer

from sc2lib.errors import InputError
from sc2lib.tokenizer import byte_level
from sc2lib.tokenizer.special_tokens import END_OF_TEXT, PLACEHOLDERS, SENTINELS, SPECIAL_TOKENS, TOKEN_IDS
from sc2lib.tokenizer.words import words

PLACEHOLDER = re.compile("(" + "|".join(map(re.escape, PLACEHOLDERS)) + ")")
CACHED_WORDS = 400_000
CACHED_WORD_CHARACTERS = 64


class WordIds(dict[str, bytes]):
    """Ids of words as uint16 bytes, computed when a word is first seen; at most `CACHED_WORDS` are kept."""

    def __init__(self, tokenizer: HuggingFaceTokenizer) -> None:
        super().__init__()
        self.model = tokenizer.model

    def __missing__(self, word: str) -> bytes:
        tokens = self.model.tokenize(byte_level.to_characters(word.encode()))
        ids = np.array([token.id for token in tokens], np.uint16).tobytes()
        if len(word) <= CACHED_WORD_CHARACTERS and len(self) < CACHED_WORDS:
            self[word] = ids
        return ids


class Tokenizer:
    """The book's view of a byte-level BPE tokenizer with the 38 special tokens at ids 0 to 37.

    Raises InputError when the special tokens are missing or not in their order, or when a token id would not fit
    into 16 bits.
    """

    def __init__(self, tokenizer: HuggingFaceTokenizer) -> None:
        found = [tokenizer.id_to_token(index) for index in range(len(SPECIAL_TOKENS))]
        if found != list(SPECIAL_TOKENS):
            raise InputError(
                f"ids 0 to 37 of the tokenizer are {found[:3]} …, not the special tokens of StarCoder2; "
                "train it with sc2lib.tokenizer.training"
            )
        self.vocabulary_size = tokenizer.get_vocab_size()
        if self.vocabulary_size > 65536:
            raise InputError(f"a vocabulary of {self.vocabulary_size} does not fit uint16 token files (65536)")
        self.hugging_face = tokenizer
        names = [tokenizer.id_to_token(index) or "" for index in range(self.vocabulary_size)]
        self.bytes_of_tokens = tuple(
            name.encode() if index < len(SPECIAL_TOKENS) else byte_level.to_bytes(name)
            for index, name in enumerate(names)
        )
        self.end_of_text = TOKEN_IDS[END_OF_TEXT]
        self._ids = WordIds(tokenizer)

    @classmethod
    def load(cls, path: Path | str) -> "Tokenizer":
        """Read a `tokenizer.json`. Raises InputError when the file is not one."""
        try:
            tokenizer = HuggingFaceTokenizer.from_str(Path(path).read_text(encoding="utf-8"))
        except Exception as error:  # the library raises nothing more specific
            raise InputError(f"{path} is not a tokenizer.json: {error}; run 09_tokenizer again") from error
        return cls(tokenizer)

    def token_id(self, token: str) -> int:
        """Id of a special token. Raises KeyError for any other string."""
        return TOKEN_IDS[token]

    def token_bytes(self, token_id: int) -> bytes:
        """The bytes a token stands for; a special token stands for its name."""
        return self.bytes_of_tokens[token_id]

    # docs: start-encode
    def encode_array(self, text: str) -> np.ndarray:
        """Ids of plain text, uint16. Sentinels in `text` stay text; redaction placeholders become their token."""
        parts = PLACEHOLDER.split(text) if "<" in text else [text]
        ids = self._ids
        encoded = [
            np.uint16(TOKEN_IDS[part]).tobytes() if index % 2 else b"".join(map(ids.__getitem__, words(part)))
            for index, part in enumerate(parts)
        ]
        return np.frombuffer(b"".join(encoded), np.uint16)

    # docs: end-encode

    def encode(self, text: str) -> list[int]:
        """Ids of plain text as a list."""
        return self.encode_array(text).tolist()

    def encode_segments(self, segments: Iterable[tuple[str | None, str]]) -> np.ndarray:
        """Ids of a document given as (sentinel or None, text) pairs, uint16, without the end of text.

        Raises InputError for a sentinel that is not one of the 38 special tokens.
        """
        parts = [np.empty(0, np.uint16)]
        for token, text in segments:
            if token is not None:
                if token not in TOKEN_IDS:
                    raise InputError(f"{token!r} is not a special token; the 38 are in sc2lib.tokenizer.special_tokens")
                parts.append(np.array([TOKEN_IDS[token]], np.uint16))
            parts.append(self.encode_array(text))
        return np.concatenate(parts)

    def decode_bytes(self, ids: Sequence[int] | np.ndarray) -> bytes:
        """The bytes of a sequence of ids; special tokens by their name."""
        table = self.bytes_of_tokens
        return b"".join([table[index] for index in ids])

    def decode_segments(self, ids: Sequence[int] | np.ndarray) -> list[tuple[str | None, str]]:
        """The ids as (sentinel or None, text) pairs, the reverse of `encode_segments`; no empty first pair."""
        array = np.asarray(ids)
        starts = np.flatnonzero(array < len(SENTINELS))
        pairs: list[tuple[str | None, str]] = []
        for part in np.split(array, starts):
            if part.size and part[0] < len(SENTINELS):
                pairs.append((SENTINELS[part[0]], self.decode(part[1:])))
            elif part.size:
                pairs.append((None, self.decode(part)))
        return pairs

    def decode(self, ids: Sequence[int] | np.ndarray) -> str:
        """The text of a sequence of ids; a character cut in half at an end becomes U+FFFD."""
        return self.decode_bytes(ids).decode("utf-8", errors="replace")


@lru_cache(maxsize=2)
def cached(path: str) -> Tokenizer:
    """A tokenizer read once a process: workers call this for every shard."""
    return Tokenizer.load(path)
