"""An index of the training files by winnowed fingerprints, and the search in it.

On disk a part is a folder: ``hashes.npy`` sorted, ``files.npy`` and ``positions.npy`` beside it, ``texts.arrow`` with
the files' texts, ``files.parquet`` with where they came from. All but the last are memory-mapped, so a query reads only
the pages it touches. A byte of code costs a byte of text and 0.4 bytes of postings; building takes a second for 20 MB.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from sc2lib.attribution.lexing import Tokens, lex
from sc2lib.attribution.winnowing import Guarantee, gram_hashes, winnow
from sc2lib.errors import InputError

INDEXED = pa.schema(
    [
        *((name, pa.string()) for name in ("blob_id", "content_id", "repo_name", "path", "language", "license_type")),
        ("detected_licenses", pa.list_(pa.string())),
        ("text", pa.large_string()),
    ]
)


@dataclass(frozen=True)
class Source:
    """A training file that contains a span, and the lines of it (1-based, both inclusive)."""

    swhid: str
    repo_name: str
    path: str
    license_type: str
    licenses: tuple[str, ...]
    first_line: int
    last_line: int


@dataclass(frozen=True)
class Span:
    """A run of the query found in training files: characters [start, end), its tokens, and every place found."""

    start: int
    end: int
    tokens: int
    sources: tuple[Source, ...]


@dataclass(frozen=True)
class Run:
    """Tokens [start, end) of the query equal those from `position` on of file `file` of a part."""

    start: int
    end: int
    file: int
    position: int


def build_part(folder: Path, files: pa.Table, guarantee: Guarantee) -> None:
    """Index INDEXED rows into `folder`. Memory: the texts once, and 16 bytes a fingerprint."""
    folder.mkdir(parents=True, exist_ok=True)
    hashes, owners, positions, total = [], [], [], 0
    for number, text in enumerate(files["text"]):
        tokens = lex(text.as_buffer().to_pybytes()).hashes
        total += len(tokens)
        grams = gram_hashes(tokens, guarantee.gram_tokens)
        kept = winnow(grams, guarantee.window)
        hashes.append(grams[kept])
        owners.append(np.full(len(kept), number, np.uint32))
        positions.append(kept.astype(np.uint32))
    all_hashes = np.concatenate([np.zeros(0, np.uint64), *hashes])
    order = np.argsort(all_hashes, kind="stable")
    np.save(folder / "hashes.npy", all_hashes[order])
    np.save(folder / "files.npy", np.concatenate([np.zeros(0, np.uint32), *owners])[order])
    np.save(folder / "positions.npy", np.concatenate([np.zeros(0, np.uint32), *positions])[order])
    texts = files.select(["text"]).combine_chunks()
    with pa.OSFile(str(folder / "texts.arrow"), "wb") as sink, pa.ipc.new_file(sink, texts.schema) as writer:
        writer.write_table(texts)
    # Parquet keeps the schema's metadata: an index says itself what it holds and what it guarantees.
    about = {"guarantee": json.dumps(asdict(guarantee)), "tokens": str(total)}
    facts = files.drop_columns(["text"]).replace_schema_metadata(about)
    pq.write_table(facts, folder / "files.parquet", compression="zstd")


class Part:
    """One folder of an index, opened."""

    def __init__(self, folder: Path) -> None:
        try:
            names = ("hashes", "files", "positions")
            self.hashes, self.owners, self.positions = (np.load(folder / f"{name}.npy", "r") for name in names)
            table = pa.ipc.open_file(pa.memory_map(str(folder / "texts.arrow"))).read_all()
            self.files = pq.read_table(folder / "files.parquet", partitioning=None)
            self.guarantee = Guarantee(**json.loads(self.files.schema.metadata[b"guarantee"]))
            self.token_count = int(self.files.schema.metadata[b"tokens"])
        except (OSError, ValueError, KeyError, TypeError, pa.ArrowException) as error:
            raise InputError(f"{folder} is no part of an attribution index ({error}); run 17_attribution") from error
        self.texts = table["text"]
        self.tokens = lru_cache(maxsize=256)(self._tokens)

    @property
    def text_bytes(self) -> int:
        """Bytes of all texts."""
        return int(pc.sum(pc.binary_length(self.texts)).as_py() or 0)

    def text(self, file: int) -> bytes:
        """UTF-8 bytes of a file, by its number."""
        return self.texts[file].as_buffer().to_pybytes()

    def _tokens(self, file: int) -> Tokens:
        return lex(self.text(file))

    # docs: start-runs
    def runs(self, data: bytes, query: Tokens) -> Iterator[Run]:
        """Every maximal run of at least `min_tokens` tokens that `query` shares with a file, verified token by token.

        Fingerprints propose (file, shift between the two positions); along each shift the hashes of the two sequences
        of tokens are compared, and where they agree the tokens themselves.
        """
        return (run for run in self.proposed(query) if self.verify(data, query, run))

    def proposed(self, query: Tokens) -> Iterator[Run]:
        """The runs whose token hashes agree."""
        grams = gram_hashes(query.hashes, self.guarantee.gram_tokens)
        low = np.searchsorted(self.hashes, grams, "left")
        high = np.searchsorted(self.hashes, grams, "right")
        hits = np.concatenate([np.arange(a, b) for a, b in zip(low, high)] or [np.zeros(0, np.int64)])
        shifts = self.positions[hits].astype(np.int64) - np.repeat(np.arange(len(grams)), high - low)
        proposed = np.unique(np.stack([self.owners[hits].astype(np.int64), shifts], axis=1), axis=0)
        for file, shift in proposed.tolist():
            found = self.tokens(file)
            first, last = max(0, -shift), min(len(query), len(found) - shift)
            equal = query.hashes[first:last] == found.hashes[first + shift : last + shift]
            for start, end in _runs_of_true(equal, self.guarantee.min_tokens):
                yield Run(first + start, first + end, file, first + start + shift)

    def verify(self, data: bytes, query: Tokens, run: Run) -> bool:
        """Whether the tokens of a proposed run are the same, byte by byte."""
        found, length = self.tokens(run.file), run.end - run.start
        mine = _texts(data, query, run.start, run.end)
        return mine == _texts(self.text(run.file), found, run.position, run.position + length)
        # docs: end-runs

    def source(self, run: Run) -> Source:
        """Where a run lies, as a reader can look it up."""
        row: dict[str, Any] = self.files.slice(run.file, 1).to_pylist()[0]
        data, tokens = self.text(run.file), self.tokens(run.file)
        first = data.count(b"\n", 0, int(tokens.starts[run.position])) + 1
        last = data.count(b"\n", 0, int(tokens.starts[run.position + run.end - run.start - 1])) + 1
        return Source(
            swhid=f"swh:1:cnt:{row['content_id']}" if row["content_id"] else f"sha1:{row['blob_id']}",
            repo_name=row["repo_name"] or "",
            path=row["path"] or "",
            license_type=row["license_type"] or "unknown",
            licenses=tuple(row["detected_licenses"] or ()),
            first_line=first,
            last_line=last,
        )


class Index:
    """All parts of an index.

    `lookup` finds every run of at least ``guarantee.min_tokens`` tokens (tested against a substring search).
    """

    def __init__(self, parts: Sequence[Part]) -> None:
        self.parts = parts

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Open ``part-*`` below `folder`. Raises InputError when there is none."""
        folders = sorted(folder.glob("part-*"))
        if not folders:
            raise InputError(f"no parts of an attribution index in {folder}; run 17_attribution")
        return cls([Part(part) for part in folders])

    def lookup(self, text: str) -> list[Span]:
        """Longest runs of `text` found in training files, in order; each with all the places that hold it whole.

        A run inside a longer one is left out; runs may overlap at their ends.
        """
        data = text.encode(errors="replace")
        query = lex(data)
        places: dict[tuple[int, int], list[tuple[Part, Run]]] = {}
        for part in self.parts:
            for run in part.runs(data, query):
                places.setdefault((run.start, run.end), []).append((part, run))
        spans = []
        for start, end in _maximal(places):
            sources = {part.source(run) for part, run in places[start, end]}
            ordered = sorted(sources, key=lambda source: (source.repo_name, source.path, source.first_line))
            borders = (int(query.starts[start]), int(query.ends[end - 1]))
            first, last = (len(data[:border].decode()) for border in borders)
            spans.append(Span(first, last, end - start, tuple(ordered)))
        return spans

    def longest_run(self, text: str) -> int:
        """Tokens of the longest run of `text` that a training file contains; 0 below the guarantee."""
        data = text.encode(errors="replace")
        query = lex(data)
        proposed = [(run, part) for part in self.parts for run in part.proposed(query)]
        proposed.sort(key=lambda pair: pair[0].start - pair[0].end)
        return next((run.end - run.start for run, part in proposed if part.verify(data, query, run)), 0)


def _texts(data: bytes, tokens: Tokens, start: int, end: int) -> list[bytes]:
    return [data[a:b] for a, b in zip(tokens.starts[start:end].tolist(), tokens.ends[start:end].tolist())]


def _runs_of_true(mask: npt.NDArray[np.bool_], shortest: int) -> Iterator[tuple[int, int]]:
    edges = np.flatnonzero(np.diff(mask, prepend=False, append=False))
    for start, end in zip(edges[::2].tolist(), edges[1::2].tolist()):
        if end - start >= shortest:
            yield start, end


def _maximal(intervals: dict[tuple[int, int], Any]) -> list[tuple[int, int]]:
    kept: list[tuple[int, int]] = []
    reach = -1
    for start, end in sorted(intervals, key=lambda pair: (pair[0], -pair[1])):
        if end > reach:
            kept.append((start, end))
            reach = end
    return kept
