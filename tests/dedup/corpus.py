"""Real files of the standard library with edited copies and chains of edits, cut into pieces at will."""

import hashlib
import json
import random
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pyarrow as pa

from sc2lib.dedup.engine import sort_pairs
from sc2lib.dedup.pieces import KEEPER, Documents
from sc2lib.dedup.sorting import read_parts


def edited(text, seed):
    """A copy with some identifiers renamed and some lines dropped."""
    rng = random.Random(seed)
    lines = [line for line in text.splitlines(keepends=True) if rng.random() > rng.choice([0.0, 0.02, 0.1])]
    return re.sub(r"\bself\b", rng.choice(["self", "this"]), "".join(lines))


@cache
def texts():
    """Some 90 different texts, three of them too short for a shingle, one of another script."""
    files = [path.read_text() for path in sorted(Path(json.__file__).parent.parent.glob("*.py"))]
    originals = [text for text in files if 500 < len(text) < 12_000][:40]
    copies = [edited(text, seed) for seed, text in enumerate(originals[:25])]
    chain = [edited(originals[35], 7)]
    for seed in range(20):
        chain.append(edited(chain[-1], 100 + seed))
    cyrillic = " ".join(f"слово{number}" for number in range(40))
    return tuple(sorted({*originals, *copies, *chain, "", "a b c", "x y", cyrillic, cyrillic + " конец"}))


@dataclass(frozen=True)
class TextPiece:
    """A piece made of texts in memory: small enough to send to a worker."""

    contents: tuple[str, ...]
    names: tuple[str, ...]
    stars: tuple[int, ...]
    languages: tuple[str, ...]

    def count(self):
        return len(self.contents)

    def read(self):
        table = {name: pa.nulls(len(self.names), KEEPER.field(name).type) for name in KEEPER.names}
        table |= {"blob_id": pa.array(self.names, pa.string()), "star_events_count": pa.array(self.stars, pa.int64())}
        languages = pa.chunked_array([pa.array(self.languages, pa.string())])
        order = pa.table(table, schema=KEEPER)
        texts = pa.array(self.contents, pa.large_string())
        return Documents(texts, languages, lambda rows: order if rows is None else order.take(rows))


def pieces_of(contents, count=3, order=0, language="Python"):
    """The texts in an order drawn from a seed, dealt out to pieces; stars depend on the text alone."""
    rows = []
    for text in contents:
        name = hashlib.sha1(text.encode()).hexdigest()
        rows.append((text, name, int(name[:4], 16) % 3, language))
    random.Random(order).shuffle(rows)
    parts = [rows[number::count] for number in range(count)]
    return [TextPiece(*(tuple(column) for column in zip(*part))) for part in parts if part]


def serial(function, items, label):
    """The simplest executor."""
    for item in items:
        function(item)


def pairs_of(work):
    """PAIRS of a finished run, sorted, all in memory."""
    sort_pairs(work, serial)
    return pa.concat_tables(read_parts(work, "pairs"))
