"""Names of people and other personal data, tagged by a language model: the place of StarPII in this book.

The paper tags with StarPII (``bigcode/starpii`` on the Hugging Face hub, gated), an encoder fine-tuned to label each
token (bigcode-project/bigcode-dataset). Any such model works here: a folder that `transformers` can load as
``AutoModelForTokenClassification`` with a *fast* tokenizer, whose ``id2label`` is in the BIO scheme (``B-NAME``,
``I-NAME``, ``O``) or has plain kinds. Kinds: NAME, EMAIL, KEY, PASSWORD, IP_ADDRESS; USERNAME and AMBIGUOUS are tagged
by StarPII and ignored, by the paper's code and here.

A text longer than the model's window is read in windows that overlap, and each token is judged where it has most
context on both sides. The paper's code cuts texts into windows of 512 without overlap, so a name across a border is
read in halves.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from sc2lib.curation.redaction.addresses import is_public_address
from sc2lib.curation.redaction.secrets import is_gibberish
from sc2lib.curation.redaction.spans import KINDS, Span
from sc2lib.errors import InputError
from sc2lib.path_digests import path_digest

WINDOW = 512  # tokens, special ones included: StarPII's context
OVERLAP = 128  # tokens that neighbouring windows share
BATCH = 16  # windows at once
_WORD = re.compile(r"[\w+.\-]+|\S")  # as the paper's code cuts words


@dataclass(frozen=True)
class Tagged:
    """Characters ``start`` to ``end`` of a text and the kind that the model gives them."""

    start: int
    end: int
    kind: str


class NameModel:
    """A token-classification model, loaded once, that tags texts of any length."""

    def __init__(self, path: str | Path, window: int = WINDOW, overlap: int = OVERLAP, batch: int = BATCH) -> None:
        """Load from a local folder. Nothing is downloaded.

        Raises:
            InputError: the folder holds no such model, or its tokenizer cannot map tokens to characters.
        """
        from transformers import AutoModelForTokenClassification, AutoTokenizer

        if not Path(path).is_dir():
            raise InputError(
                f"ner_model={path} is no folder; download a token-classification model such as StarPII there"
            )
        try:
            self.tokenizer = AutoTokenizer.from_pretrained(path, local_files_only=True)
            self.model = AutoModelForTokenClassification.from_pretrained(path, local_files_only=True).eval()
        except Exception as error:  # the readers of a file that is cut short raise errors of several libraries
            said = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise InputError(
                f"ner_model={path} cannot be loaded as a token-classification model: {said}; download it again"
            ) from error
        if not self.tokenizer.is_fast:
            raise InputError(f"the tokenizer of ner_model={path} is not fast, so it cannot say where a token stands")
        self._around = self._special_tokens()
        limit = getattr(self.model.config, "max_position_embeddings", None) or window
        self.window = min(window, limit) - sum(map(len, self._around))
        self.overlap = min(overlap, self.window // 2)
        self.batch = batch
        self.labels = [str(self.model.config.id2label[k]) for k in range(self.model.config.num_labels)]
        unknown = {kind_of(label) for label in self.labels} - {"", *KINDS, "USERNAME", "AMBIGUOUS"}
        if unknown:
            raise InputError(f"ner_model={path} has the labels {', '.join(sorted(unknown))}; known: {', '.join(KINDS)}")

    def __call__(self, text: str) -> list[Tagged]:
        """What the model tags in a text, in order; every token is judged, the last one too."""
        encoded = self.tokenizer(text, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
        logits = self._judge(encoded["input_ids"])
        return tag_words(text, encoded["offset_mapping"], logits, self.labels)

    # docs: start-windows
    def _judge(self, tokens: Sequence[int]) -> np.ndarray:
        """Logits (tokens, labels); those of a token come from the window in which it is farthest from an edge."""
        logits = np.zeros((len(tokens), len(self.labels)), np.float32)
        places = windows(len(tokens), self.window, self.overlap)
        for first in range(0, len(places), self.batch):
            some = places[first : first + self.batch]
            for (start, end), found in zip(some, self._predict([tokens[start:end] for start, end in some])):
                # of what two neighbours share, each owns the half that is farther from its edge
                own_start = start + self.overlap // 2 if start else 0
                own_end = end - (self.overlap - self.overlap // 2) if end < len(tokens) else end
                logits[own_start:own_end] = found[own_start - start : own_end - start]
        return logits

    # docs: end-windows

    def _predict(self, cut: Sequence[Sequence[int]]) -> list[np.ndarray]:
        import torch

        before, after = self._around
        longest = max(map(len, cut)) + len(before) + len(after)
        ids = torch.full((len(cut), longest), self.tokenizer.pad_token_id or 0)
        mask = torch.zeros_like(ids)
        for row, window in enumerate(cut):
            whole = [*before, *window, *after]
            ids[row, : len(whole)] = torch.tensor(whole)
            mask[row, : len(whole)] = 1
        with torch.inference_mode():
            logits = self.model(input_ids=ids, attention_mask=mask).logits.float().numpy()
        return [row[len(before) : len(before) + len(window)] for row, window in zip(logits, cut)]

    def _special_tokens(self) -> tuple[list[int], list[int]]:
        """What the tokenizer puts before and after a text."""
        alone = self.tokenizer("x", add_special_tokens=False)["input_ids"]
        whole = self.tokenizer("x")["input_ids"]
        at = next(k for k in range(len(whole)) if whole[k : k + len(alone)] == alone)
        return whole[:at], whole[at + len(alone) :]


def windows(length: int, window: int, overlap: int) -> list[tuple[int, int]]:
    """Start and end of windows over so many tokens; neighbours share `overlap`, the last one reaches the end."""
    starts = range(0, max(length - overlap, 1), window - overlap) if length else range(0)
    return [(start, min(start + window, length)) for start in starts]


def kind_of(label: str) -> str:
    """``NAME`` of ``B-NAME`` or ``NAME``, nothing of ``O``."""
    return "" if label == "O" else label.removeprefix("B-").removeprefix("I-")


def tag_words(text: str, offsets: Sequence[tuple[int, int]], logits: np.ndarray, labels: Sequence[str]) -> list[Tagged]:
    """Places of a text by the logits (tokens, labels) of its tokens, which stand at `offsets`.

    The logits of a word's tokens are averaged, so no word is tagged in part; words of one kind in a row are one place,
    unless a ``B-`` label starts another.
    """
    words = [match.span() for match in _WORD.finditer(text)]
    if not words or not len(offsets):
        return []
    places = np.array(offsets).reshape(-1, 2)
    word_of = np.searchsorted([end for _, end in words], places[:, 0], side="right")
    inside = word_of < len(words)
    inside[inside] = np.array([start for start, _ in words])[word_of[inside]] < places[inside, 1]
    sums = np.zeros((len(words), len(labels)), np.float64)
    np.add.at(sums, word_of[inside], logits[inside])
    found: list[Tagged] = []
    last = -1
    for number in np.unique(word_of[inside]).tolist():
        label = labels[int(sums[number].argmax())]
        start, end = words[number]
        if kind := kind_of(label):
            if found and last == number - 1 and found[-1].kind == kind and not label.startswith("B-"):
                found[-1] = Tagged(found[-1].start, end, kind)
            else:
                found.append(Tagged(start, end, kind))
            last = number
    return found


def redactable(text: str, tagged: Sequence[Tagged], kinds: Sequence[str] = KINDS) -> Iterator[Span]:
    """The tagged places that leave a text, by the conditions of the paper's code.

    Leading punctuation and, except for keys, trailing characters that belong to no word are left standing. A value has
    more than 3 characters, a key more than 8 and reads like no word, a name has two words, an address is public.
    """
    for place in tagged:
        start, end = place.start, place.end
        while start < end and not text[start].isalnum():
            start += 1
        while place.kind != "KEY" and end > start and not (text[end - 1].isalnum() or text[end - 1] == "_"):
            end -= 1
        value = text[start:end].rstrip()
        end = start + len(value)
        wanted = place.kind in kinds and len(value) > 3
        if place.kind == "NAME":
            wanted &= len(value.split()) >= 2
        elif place.kind == "KEY":
            wanted &= len(value) > 8 and is_gibberish(value.lower())
        elif place.kind == "IP_ADDRESS":
            wanted &= is_public_address(value)
        if wanted:
            yield Span(start, end, place.kind, "tagger")


def load(path: str) -> NameModel:
    """The model in a folder, loaded once per process and again when its files change."""
    return _load(path, path_digest(Path(path)))


@lru_cache(maxsize=1)
def _load(path: str, digest: str | None) -> NameModel:
    return NameModel(path)
