"""git's trees as directories of the graph, read object by object: a tree that occurs a thousand times is read once."""

import os
import re
from collections.abc import Iterable, Iterator

from sc2lib.archive import swhid
from sc2lib.archive.git_objects import ObjectReader
from sc2lib.archive.graph import Graph
from sc2lib.archive.swhid import Entry
from sc2lib.errors import InputError

_ENTRY = re.compile(rb"([0-7]{1,7}) ([^\0]*)\0(.{20})", re.DOTALL)
MAX_FILES = 1_000_000  # of one commit: a few kilobytes of nested trees can name billions


def entries(raw: bytes) -> Iterator[Entry]:
    """The entries of a tree object: mode in octal, a space, the name, NUL, twenty bytes of hash.

    Raises ValueError, with the position, for bytes that are no tree.
    """
    position = 0
    while position < len(raw):
        match = _ENTRY.match(raw, position)
        if match is None:
            raise ValueError(f"no tree: byte {position:,} of {len(raw):,} begins no entry")
        yield Entry(match[2], int(match[1], 8), match[3].hex())
        position = match.end()


def add_tree(graph: Graph, reader: ObjectReader, url: str, root: str) -> list[str]:
    """Add a root tree and every tree below it; returns the blobs that they name, each once, in the order met.

    A tree that git does not have, or has damaged, becomes a row in ``skipped``, for nobody knows what it named.
    Raises InputError when the tree spells out more than `MAX_FILES` files.
    """
    below: dict[str, list[str]] = {}  # trees below each tree
    files: dict[str, int] = {}
    blobs: dict[str, None] = {}
    waiting = [(root, b"")]
    while waiting:
        tree, path = waiting.pop()
        if tree in below:
            continue
        below[tree], files[tree] = [], 0
        try:
            raw = reader.read(tree, b"tree")
            found = list(entries(raw))
        except (OSError, ValueError) as error:
            graph.add("skipped", url, path, str(error))
            continue
        manifest = b"tree %d\0" % len(raw) + raw
        try:
            same = swhid.directory(found) == tree
        except ValueError:  # a name that no directory can hold, or one twice
            same = False
        graph.add_directory(found, tree, None if same else manifest)
        for name, mode, target in found:
            if mode == swhid.DIRECTORY:
                below[tree].append(target)
                waiting.append((target, os.path.join(path, name)))
            elif mode != swhid.SUBMODULE:
                files[tree] += 1
                blobs[target] = None
        if len(blobs) > MAX_FILES:
            raise InputError(f"the tree {root} names more than {MAX_FILES:,} different files")
    if (count := _spelled_out(root, below, files)) > MAX_FILES:
        raise InputError(f"the tree {root} spells out {count:,} files, more than {MAX_FILES:,}")
    return list(blobs)


def add_blobs(graph: Graph, reader: ObjectReader, blobs: Iterable[str]) -> None:
    """Add contents; one that git does not have, or has damaged, becomes ``skipped_content``."""
    for blob in blobs:
        try:
            graph.add_content(reader.hash(blob))
        except OSError as error:
            graph.add_skipped_content(blob, str(error))


def _spelled_out(root: str, below: dict[str, list[str]], files: dict[str, int]) -> int:
    """Number of files of a tree when every path to it counts; no recursion, each tree is added up once."""
    total: dict[str, int] = {}
    waiting = [root]
    while waiting:
        tree = waiting[-1]
        missing = [child for child in below[tree] if child not in total]
        if missing:
            waiting.extend(missing)
        else:
            total[waiting.pop()] = files[tree] + sum(total[child] for child in below[tree])
    return total[root]
