"""A band index on disk: later crawls are deduplicated against earlier ones without reading those again.

For every file that stayed, the index holds its band keys, its sketch, what ranks it, and its whole shingle set, since a
removal must be verified exactly. That is 0.9 kB a file and about 1 byte for every byte of text. What stayed in an
earlier crawl stays: the result is that of one run over all crawls in which a file of an earlier crawl precedes every
file of a later one.
"""

import json
import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from sc2lib import files
from sc2lib.dedup import arrays
from sc2lib.dedup.layout import Layout
from sc2lib.dedup.options import DedupOptions
from sc2lib.dedup.removals import removals_of_piece
from sc2lib.dedup.sketches import write_sketches
from sc2lib.errors import InputError, ParameterError
from sc2lib.workflow.lock import RunLock


@dataclass(frozen=True)
class Crawl:
    """A crawl of an index, in a folder ``crawl-<number>-<key>``: the key tells by content whether it is the same again.

    People call it by its name. `rows` stayed of its `inputs`, when it was compared with the crawls `after` (keys).
    """

    folder: Path
    name: str
    rows: int = 0
    inputs: tuple[str, ...] = ()
    after: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """Digest of what was crawled."""
        return self.folder.name.split("-")[2]

    @property
    def number(self) -> int:
        """Its place among the crawls."""
        return int(self.folder.name.split("-")[1])

    def sketches(self) -> list[Path]:
        """The folders of its sketches."""
        return sorted(self.folder.glob("[0-9]*"))


@contextmanager
def held(index: Path, options: DedupOptions) -> Iterator[None]:
    """Hold an index from the look-up to the entry, and make it if it is not there.

    Two crawls that come at once would not see each other's files. Raises RunDirectoryError for the second of them,
    and what `check` raises.
    """
    if not options.verifies:
        raise ParameterError("an index needs verified pairs: leave out --index, or choose --mode verified")
    _refuse_other_folder(index)
    with RunLock(index, "name another index with --index"):
        if not (index / "index.json").exists():
            files.write_text(index / "index.json", json.dumps(vars(options)))
        check(index, options)
        yield


def check(index: Path, options: DedupOptions) -> None:
    """Make sure that an index was made with the same options. Raises ParameterError that names the others."""
    if not options.verifies:
        raise ParameterError("an index needs verified pairs: choose the mode verified, or no index")
    known = json.loads((index / "index.json").read_text(encoding="utf-8"))
    different = [f"{name} {known.get(name)}" for name, value in vars(options).items() if known.get(name) != value]
    if different:
        raise ParameterError(f"{index} was made with {', '.join(different)}; use the same, or another index")


def _refuse_other_folder(index: Path) -> None:
    if index.exists() and not index.is_dir():
        raise InputError(f"{index} is a file; name an index or a new folder")
    if index.is_dir() and not (index / "index.json").exists() and any(one.name != ".lock" for one in index.iterdir()):
        raise InputError(f"{index} is no index and not empty; name an index or a new folder")


def crawls(index: Path) -> list[Crawl]:
    """All crawls of an index, oldest first."""
    found = []
    for folder in sorted(index.glob("crawl-*")):
        path = folder / "crawl.json"
        known: dict[str, Any] = {"name": folder.name.split("-")[2], "rows": 0, "inputs": (), "after": ()}
        if path.exists():
            known |= json.loads(path.read_text(encoding="utf-8"))
        found.append(Crawl(folder, known["name"], known["rows"], tuple(known["inputs"]), tuple(known["after"])))
    return found


def listed(index: Path) -> list[Crawl]:
    """All crawls of an index that is there. Raises InputError if it is not."""
    _refuse_no_index(index)
    return crawls(index)


def crawl_of(index: Path, key: str, name: str | None, inputs: tuple[str, ...]) -> Crawl:
    """The crawl of that content, which is not in the index yet if it is new; without a name it is called by its key.

    Raises ParameterError for a name that is no word, or that belongs to a crawl of other content.
    """
    if name is not None and not re.fullmatch(r"[\w.][\w.-]*", name):
        raise ParameterError(f"--crawl {name!r} is no name; use letters, digits, '.', '_' and '-'")
    known = crawls(index)
    if any(crawl.name == name and crawl.key != key for crawl in known):
        raise ParameterError(
            f"{index} holds a crawl {name!r} of other files or columns; give this one another --crawl, "
            f"or take the old one out: sc2 dedup-index {index} --drop {name}"
        )
    number = known[-1].number + 1 if known else 0
    new = Crawl(index / f"crawl-{number:05d}-{key}", name or key, inputs=inputs)
    return next((crawl for crawl in known if crawl.key == key), new)


def crawls_before(index: Path, crawl: Crawl) -> list[Crawl]:
    """The crawls before a crawl, all of them if it is new: the same crawl again gives the same answer."""
    return [known for known in crawls(index) if known.number < crawl.number]


def crawl_names(before: Sequence[Crawl], layout: Layout) -> pa.Array:
    """The name of the earlier crawl that each folder of a layout belongs to; null for folders of this crawl."""
    names = {folder: crawl.name for crawl in before for folder in crawl.sketches()}
    return pa.array([names.get(folder) for folder in layout.folders], pa.string())


def origins(names: pa.Array, layout: Layout, rows: pa.ChunkedArray) -> pa.ChunkedArray:
    """The name of the earlier crawl that each row of a layout belongs to, by the `crawl_names`."""
    owner = np.searchsorted(layout.bases, rows.to_numpy(), side="right") - 1
    return pa.chunked_array([names.take(pa.array(owner))])


def crawls_of(index: str | Path | None, options: DedupOptions) -> list[Path]:
    """Sketch folders of all crawls of an index that is there, oldest first; none without an index.

    Raises InputError if there is no such index, ParameterError if it was made with other options.
    """
    if index is None:
        return []
    path = Path(index).expanduser().resolve()
    _refuse_no_index(path)
    check(path, options)
    return [folder for crawl in crawls(path) for folder in crawl.sketches()]


def keep_piece(task: tuple[Path, int, DedupOptions, Path]) -> None:
    """Write the sketches of a piece's files that stay; task: (work, number of the piece, options, target)."""
    work, number, options, target = task
    source = work / "sketches" / f"{number:05d}"
    stays = np.ones(len(arrays.load(source, "has_shingles")), bool)
    stays[removals_of_piece(work, number)["row"].to_numpy()] = False
    rows = np.flatnonzero(stays)
    hashes, offsets = arrays.take_sets(arrays.load(source, "hashes"), arrays.load(source, "offsets"), rows)
    write_sketches(
        target,
        options,
        arrays.load(source, "keys")[rows],
        arrays.load(source, "agreement")[rows],
        arrays.load(source, "has_shingles")[rows],
        arrays.read_table(source / "order.arrow").take(pa.array(rows)),
        hashes=hashes,
        offsets=offsets,
    )


def add_crawl(crawl: Crawl, before: Sequence[Crawl], rows: int, kept: Path) -> None:
    """Enter what `keep_piece` wrote: `rows` that stayed when the crawl was compared with those before it.

    The entry of a crawl that is there is written anew only if it was compared with others: one has been dropped.
    """
    after = [known.key for known in before]
    if crawl.folder.exists() and list(crawl.after) == after:
        return
    record = {"name": crawl.name, "rows": rows, "inputs": crawl.inputs, "after": after}
    with files.atomic(crawl.folder) as temporary:
        shutil.copytree(kept, temporary)
        files.write_text(temporary / "crawl.json", json.dumps(record))


def drop_crawl(index: Path, name: str) -> None:
    """Forget a crawl: no later one is compared with it. What left for its rows comes back when that is run anew.

    Raises InputError if there is no such index, ParameterError if it holds no crawl of that name.
    """
    known = listed(index)
    with RunLock(index, "name another index"):
        folder = next((crawl.folder for crawl in known if crawl.name == name), None)
        if folder is None:
            names = ", ".join(crawl.name for crawl in known) or "none"
            raise ParameterError(f"{index} holds no crawl {name!r}; it holds {names}")
        files.remove(folder)


def _refuse_no_index(index: Path) -> None:
    if not (index / "index.json").exists():
        raise InputError(f"{index} is no index; make one from an earlier crawl with: sc2 dedup … --index {index}")
