"""Needles in repositories: names that a text defines once and needs again further down, and planted keys with values.

A probe is a context that ends where an answer is due. The answer stands once in the context, in the needle. In the
probe's other context another answer of the same length stands there, and nothing else differs: if the model then finds
the answer less likely, the cause is that it had read the needle.
"""

import itertools
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from sc2lib.corpus.fim import FILE_SEPARATOR
from sc2lib.tokenizer.encoding import Tokenizer
from sc2lib.training.labels import split_of

WORD = re.compile(rb"[A-Za-z_]\w*")
# A name of eight characters or more where many languages introduce one: after a keyword, or before an assignment.
DEFINITION = re.compile(
    rb"\b(?:def|class|function|func|fn|struct|enum|interface|const|let|var|define)[ \t]+([A-Za-z_]\w{7,})"
    rb"|^[ \t]*([A-Za-z_]\w{7,})[ \t]*:?=(?!=)",
    re.MULTILINE,
)
SHORTEST = 32  # tokens between needle and question
LEAD = 32  # tokens of text before the needle
DIGITS = 4  # of a planted value
LETTERS = "BCDFGHJKLMNPQRSTVWXZ"


@dataclass(frozen=True)
class Probe:
    """A question at the end of a context, [C] token ids, whose answer, [n], stands once in it, at `needle`.

    `other`, [n], is what stands there in the context without the needle.
    """

    document: str
    context: np.ndarray
    needle: int
    answer: np.ndarray
    other: np.ndarray

    @property
    def distance(self) -> int:
        """Tokens from the answer in the needle to the place where it is due."""
        return len(self.context) - self.needle

    @property
    def without(self) -> np.ndarray:
        """The context with `other` in the answer's place."""
        context = self.context.copy()
        context[self.needle : self.needle + len(self.answer)] = self.other
        return context


def distance_ranges(longest: int) -> list[tuple[int, int]]:
    """Ranges [low, high) of distances that double, from `SHORTEST` to `longest` tokens."""
    edges = [SHORTEST]
    while edges[-1] < longest:
        edges.append(min(2 * edges[-1], longest))
    return list(itertools.pairwise(edges))


def names(
    tokens: np.ndarray, index: pa.Table, tokenizer: Tokenizer, longest: int, count: int, split: str = "validation"
) -> list[Probe]:
    """Real needles: definitions of names in the code of a split, each asked for where the text names it again.

    Args:
        tokens: the split's file; `index` is the TOKEN_INDEX of it.
        longest: no context with its answer has more tokens.
        count: probes for each of the `distance_ranges`, fewer where the text has no more. Every document gives one
            to a range before any gives a second, and one whose question stands in another file before others.

    The first token of the name is part of the context: the question is how the name goes on.
    """
    ranges = distance_ranges(longest)
    lengths = np.array([len(tokenizer.token_bytes(token)) for token in range(tokenizer.vocabulary_size)])
    sources = [row for row in split_of(index, split) if row["source"] == "code"]
    offers: list[list[tuple[int, Probe]]] = [[] for _ in ranges]
    for row in sources:
        given = [0] * len(ranges)
        own = names_of(row["document_id"], tokens[row["start"] : row["end"]], tokenizer, lengths, longest)
        for probe in sorted(own, key=lambda probe: not crosses_file(probe, tokenizer)):
            place = next(k for k, (low, high) in enumerate(ranges) if low <= probe.distance < high)
            offers[place].append((given[place], probe))
            given[place] += 1
        if all(sum(turn == 0 for turn, _ in offer) >= 2 * count for offer in offers):
            break
    chosen = [with_other_answers([probe for _, probe in sorted(offer, key=lambda x: x[0])]) for offer in offers]
    return [probe for probes in chosen for probe in probes[:count]]


def crosses_file(probe: Probe, tokenizer: Tokenizer) -> bool:
    """Whether a new file begins between the needle and its question."""
    return bool((probe.context[probe.needle :] == tokenizer.token_id(FILE_SEPARATOR)).any())


def names_of(
    document: str, tokens: np.ndarray, tokenizer: Tokenizer, lengths: np.ndarray, longest: int
) -> Iterator[Probe]:
    """Every needle of one document; `lengths` are the bytes of each token id. `other` is still empty."""
    data = tokenizer.decode_bytes(tokens)
    offsets = np.concatenate([[0], np.cumsum(lengths[tokens])])
    places: dict[bytes, list[int]] = defaultdict(list)
    for word in WORD.finditer(data):
        places[word.group()].append(word.start())
    for match in DEFINITION.finditer(data):
        group = match.lastindex or 0
        name, start = match.group(group), match.start(group)
        if len(places[name]) < 2 or places[name][0] != start:
            continue
        first, second = (_tokens_at(offsets, data, place, len(name)) for place in places[name][:2])
        if first is None or second is None or first[1] - first[0] < 3:
            continue
        needle, due = first[0] + 1, second[0] + 1
        answer = tokens[needle : first[1]]
        begin = max(0, needle - LEAD)
        hidden = data[start + len(name) : places[name][1]].find(name) >= 0  # inside a longer word
        fits = due - needle >= SHORTEST and second[1] - begin <= longest
        if fits and not hidden and np.array_equal(answer, tokens[due : second[1]]):
            yield Probe(document, tokens[begin:due], needle - begin, answer, answer[:0])


def with_other_answers(probes: Sequence[Probe]) -> list[Probe]:
    """Give each probe, as `other`, the answer of the next one that has as many tokens, all different in place.

    A probe for which there is none is left out.
    """
    found = []
    for k, probe in enumerate(probes):
        rest = (x.answer for x in (*probes[k + 1 :], *probes[:k]) if len(x.answer) == len(probe.answer))
        other = next((answer for answer in rest if (answer != probe.answer).all()), None)
        if other is not None:
            found.append(replace(probe, other=other))
    return found


def planted(
    tokens: np.ndarray,
    index: pa.Table,
    tokenizer: Tokenizer,
    longest: int,
    count: int,
    seed: int,
    split: str = "validation",
) -> list[Probe]:
    """Planted needles: `KEY = "1234"` between two lines of real code, and `KEY = "` at the end of it.

    `count` pieces of code of different documents, as far as there are enough, and each at every range of distances.
    The answer, `DIGITS` tokens, is random, so without the needle it can only be guessed: once in 10^DIGITS times.
    """
    random = np.random.default_rng(seed)
    digits = np.array([tokenizer.encode_array(str(digit))[-1] for digit in range(10)])
    breaks = np.array([b"\n" in tokenizer.token_bytes(token) for token in range(tokenizer.vocabulary_size)])
    rows = [row for row in split_of(index, split) if row["source"] == "code"]
    rows = [row for row in rows if row["end"] - row["start"] >= longest]
    probes = []
    for number in range(count if rows else 0):
        row = rows[number % len(rows)]
        code = tokens[row["start"] : row["end"]]
        begin = int(random.integers(0, len(code) - longest + 1))
        key = "SETTING_" + "".join(random.choice(list(LETTERS), 3))
        head, tail = tokenizer.encode_array(f'\n{key} = "'), tokenizer.encode_array('"\n')
        value = random.integers(0, 10, DIGITS)
        other = (value + random.integers(1, 10, DIGITS)) % 10
        code = code[begin : begin + longest - 2 * len(head) - len(tail) - 2 * DIGITS]
        for low, high in distance_ranges(longest):
            asked = len(code) + len(tail) + len(head) + DIGITS  # where the answer is due, counted from code[0]
            place = line_break(breaks[code], max(0, asked - high + 1), max(0, min(asked - low, len(code))))
            before, after = code[max(0, place - LEAD) : place], code[place:]
            context = np.concatenate([before, head, digits[value], tail, after, head])
            probes.append(Probe(row["document_id"], context, len(before) + len(head), digits[value], digits[other]))
    return probes


def line_break(breaks: np.ndarray, first: int, last: int) -> int:
    """The place from `first` to `last` nearest to their middle that comes after a line break; or the middle."""
    middle = (first + last) // 2
    places = np.flatnonzero(breaks[max(0, first - 1) : last]) + max(1, first)
    return int(places[np.abs(places - middle).argmin()]) if len(places) else middle


def _tokens_at(offsets: np.ndarray, data: bytes, start: int, length: int) -> tuple[int, int] | None:
    """The tokens [i, j) that spell the bytes, with a space before or none; None if others are mixed in."""
    i = int(np.searchsorted(offsets, start, "right")) - 1
    j = int(np.searchsorted(offsets, start + length))
    if offsets[j] != start + length or data[offsets[i] : start] not in (b"", b" "):
        return None
    return i, j
