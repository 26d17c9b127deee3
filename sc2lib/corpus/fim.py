"""Fill-in-the-middle on token sequences, "repo-context file-level" (paper sheet, section 5.2).

It is applied while a training sequence is read, so each epoch sees other cuts. A document of the sequence is a
candidate with probability `rate`; a candidate is cut at `<file_sep>` and each piece is transformed with
probability `fragment_rate`. A piece is turned back into text, cut at two random characters and encoded anew.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from sc2lib.errors import ParameterError

END_OF_TEXT = "<|endoftext|>"
FILE_SEPARATOR = "<file_sep>"
PREFIX, MIDDLE, SUFFIX, PAD = "<fim_prefix>", "<fim_middle>", "<fim_suffix>", "<fim_pad>"
STRUCTURE_TOKENS = 34  # ids below this are sentinels; the redaction placeholders after them are content


class TextTokenizer(Protocol):
    """What FIM needs of a tokenizer; `sc2lib.tokenizer.encoding.Tokenizer` is one."""

    def encode_array(self, text: str) -> np.ndarray:
        """Ids of plain text."""
        ...

    def decode_bytes(self, ids: Sequence[int] | np.ndarray) -> bytes:
        """Bytes of ids."""
        ...

    def token_id(self, token: str) -> int:
        """Id of a special token."""
        ...


@dataclass(frozen=True)
class FimRates:
    """Probabilities of FIM; the defaults are the ones of the released code."""

    rate: float = 0.5
    fragment_rate: float = 0.5
    spm_rate: float = 0.5

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not 0 <= value <= 1:
                raise ParameterError(f"FimRates.{name} is a probability from 0 to 1, not {value}")


def fim(
    tokens: np.ndarray, tokenizer: TextTokenizer, rng: np.random.Generator, rates: FimRates | None = None
) -> np.ndarray:
    """Transform one training sequence; same length and dtype as `tokens` (1-D), cut or padded with `<fim_pad>`.

    Unlike the released code, an empty piece keeps its separator, so documents that start with `<file_sep>` (those
    without metadata) do not lose it, and an empty document keeps its end of text.
    """
    rates = rates or FimRates()
    end, separator = tokenizer.token_id(END_OF_TEXT), tokenizer.token_id(FILE_SEPARATOR)
    pieces: list[np.ndarray] = []
    changed = False
    for document in _split(tokens, end):
        parts = _split(document, separator)
        fragment_rate = rates.fragment_rate if len(parts) > 1 else 1.0
        if document.size and rng.random() < rates.rate:
            for part in parts:
                if rng.random() < fragment_rate:
                    transformed = transform(part, tokenizer, rng, rates.spm_rate)
                    changed |= transformed is not None
                    part = part if transformed is None else transformed
                pieces.append(part)
        else:
            pieces.append(document)
    if not changed:
        return tokens
    return _fit(np.concatenate(pieces), len(tokens), tokenizer.token_id(PAD)).astype(tokens.dtype)


# docs: start-transform
def transform(
    piece: np.ndarray, tokenizer: TextTokenizer, rng: np.random.Generator, spm_rate: float = 0.5
) -> np.ndarray | None:
    """FIM on one piece, which may start with its separator; None when the piece must stay as it is.

    PSM is `<fim_prefix>` P `<fim_suffix>` S `<fim_middle>` M; SPM, taken with probability `spm_rate`, is
    `<fim_prefix><fim_suffix>` S `<fim_middle>` P M. Left alone are empty pieces, pieces with sentinels inside
    (`<repo_name>`, notebooks) and pieces that a sequence's border cut inside a character.
    """
    head = piece[: 1 if piece.size and piece[0] in separators(tokenizer) else 0]
    body = piece[head.size :]
    if not body.size or (body < STRUCTURE_TOKENS).any():
        return None
    try:
        text = tokenizer.decode_bytes(body).decode("utf-8")
    except UnicodeDecodeError:
        return None
    low, high = np.sort(rng.integers(0, len(text), size=2, endpoint=True))
    prefix, middle, suffix = (tokenizer.encode_array(part) for part in (text[:low], text[low:high], text[high:]))
    prefix_id, suffix_id, middle_id = ([tokenizer.token_id(name)] for name in (PREFIX, SUFFIX, MIDDLE))
    if rng.random() < spm_rate:
        return np.concatenate([head, prefix_id, suffix_id, suffix, middle_id, prefix, middle]).astype(piece.dtype)
    return np.concatenate([head, prefix_id, prefix, suffix_id, suffix, middle_id, middle]).astype(piece.dtype)


# docs: end-transform


def separators(tokenizer: TextTokenizer) -> tuple[int, int]:
    """Ids that start a piece and stay in front of it: end of text (of the document before) and file separator."""
    return tokenizer.token_id(END_OF_TEXT), tokenizer.token_id(FILE_SEPARATOR)


def invert(tokens: np.ndarray, tokenizer: TextTokenizer) -> str:
    """The text of one transformed piece without its separator, in its original order.

    Raises ValueError when the sentinels are not those of one PSM or SPM piece.
    """
    prefix, middle, suffix = (list(np.flatnonzero(tokens == tokenizer.token_id(t))) for t in (PREFIX, MIDDLE, SUFFIX))
    if not (len(prefix) == len(middle) == len(suffix) == 1 and prefix[0] == 0 < suffix[0] < middle[0]):
        raise ValueError("not a piece of fill-in-the-middle")
    before, between, after = (
        tokenizer.decode_bytes(part)
        for part in (tokens[1 : suffix[0]], tokens[suffix[0] + 1 : middle[0]], tokens[middle[0] + 1 :])
    )
    # In PSM `before` is the prefix and `after` the middle; in SPM `after` is both and `before` is empty. An empty
    # PSM prefix reads the same either way: the middle comes first.
    return ((before + after) + between).decode("utf-8")


def _split(tokens: np.ndarray, separator: int) -> list[np.ndarray]:
    """Cut before each separator; the pieces joined together are the sequence again."""
    return np.split(tokens, np.flatnonzero(tokens == separator))


def _fit(tokens: np.ndarray, length: int, padding: int) -> np.ndarray:
    if len(tokens) >= length:
        return tokens[:length]
    return np.concatenate([tokens, np.full(length - len(tokens), padding, tokens.dtype)])
