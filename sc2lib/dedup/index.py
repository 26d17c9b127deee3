"""A band index on disk: later crawls are deduplicated against earlier ones without reading those again.

For every file that stayed, the index holds its band keys, its sketch, what ranks it, and its whole shingle set, since a
removal must be verified exactly. That is 0.9 kB a file and about 1 byte for every byte of text. What stayed in an
earlier crawl stays: the result is that of one run over all crawls in which a file of an earlier crawl precedes every
file of a later one.
"""

import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa

from sc2lib import files
from sc2lib.dedup import arrays
from sc2lib.dedup.options import DedupOptions
from sc2lib.dedup.sketches import write_sketches
from sc2lib.errors import InputError, ParameterError


def check(index: Path, options: DedupOptions) -> None:
    """Make a new index, or make sure that an existing one was made with the same options."""
    if not options.verifies:
        raise ParameterError("an index needs verified pairs: leave out --index, or choose --mode verified")
    path = index / "index.json"
    if not path.exists():
        if index.exists() and any(index.iterdir()):
            raise InputError(f"{index} is no index and not empty; name an index or a new folder")
        files.write_text(path, json.dumps(vars(options)))
    known = json.loads(path.read_text(encoding="utf-8"))
    different = [f"{name} {known.get(name)}" for name, value in vars(options).items() if known.get(name) != value]
    if different:
        raise ParameterError(f"{index} was made with {', '.join(different)}; use the same, or another index")


def crawls_before(index: Path, key: str) -> list[Path]:
    """Sketch folders of the crawls before the one of that key, oldest first."""
    crawls = sorted(index.glob("crawl-*"))
    mine = [crawl for crawl in crawls if crawl.name.endswith(key)]
    if mine:
        crawls = crawls[: crawls.index(mine[0])]
    return [folder for crawl in crawls for folder in sorted(crawl.glob("[0-9]*"))]


def crawls_of(index: str | Path | None, options: DedupOptions) -> list[Path]:
    """Sketch folders of all crawls of an index that is there, oldest first; none without an index.

    Raises InputError if there is no such index, ParameterError if it was made with other options.
    """
    if index is None:
        return []
    path = Path(index).expanduser().resolve()
    if not (path / "index.json").exists():
        raise InputError(f"{path} is no index; make one from an earlier crawl with: sc2 dedup … --index {path}")
    check(path, options)
    return [folder for crawl in sorted(path.glob("crawl-*")) for folder in sorted(crawl.glob("[0-9]*"))]


def keep_piece(task: tuple[Path, DedupOptions, pa.Array, Path]) -> None:
    """Write the sketches of a piece's files that stay; task: (sketches, options, rows that leave, target)."""
    source, options, gone, target = task
    stays = np.ones(len(arrays.load(source, "has_shingles")), bool)
    stays[gone.to_numpy(zero_copy_only=False)] = False
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


def add_crawl(index: Path, key: str, kept: Path) -> Path:
    """Add what `keep_piece` wrote as the newest crawl; the crawl of a key is added once."""
    known = sorted(index.glob("crawl-*"))
    for crawl in known:
        if crawl.name.endswith(key):
            return crawl
    number = int(known[-1].name.split("-")[1]) + 1 if known else 0
    target = index / f"crawl-{number:05d}-{key}"
    with files.atomic(target) as temporary:
        shutil.copytree(kept, temporary)
    return target
