"""A repository of a published table as an origin: its rows as objects of the graph, its contents from their place."""

import hashlib
import io
import itertools
import re
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from sc2lib.archive import published, swhid
from sc2lib.archive.graph import GRAPH, Graph
from sc2lib.archive.object_storage import Wanted, storage
from sc2lib.archive.swhid import Branch
from sc2lib.errors import InputError

_HASH = re.compile(r"[0-9a-f]{40}")


class PublishedRepository:
    """What The Stack v2 (identifiers) or v3 (contents) says of one repository.

    The published rows do not hold the directories between the root and a file, so the graph gets one entry per file
    below the root, named by its whole path: the walk finds every file, but such a root cannot be hashed again.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.repository, self.visit_type, self.key = published.parse(url)

    def visit(self, graph: Graph) -> None:
        """Add the files of the latest published revision; rows of others are added to ``skipped``."""
        rows = self._rows()
        if not rows:
            raise InputError(f"the published table has no file of {self.repository}")
        latest = max(rows, key=lambda row: (_micros(row["revision_date"]) or 0, row["revision_id"] or ""))
        kept = [row for row in rows if row["revision_id"] == latest["revision_id"]]
        for row in rows:
            if row["revision_id"] != latest["revision_id"]:
                graph.add("skipped", self.url, _path(row), f"of another revision, {row['revision_id']}")
        if self.visit_type == "stack_v3":
            self._add_texts(graph, kept, latest)
        else:
            self._add_identifiers(graph, kept, latest)

    def _add_identifiers(self, graph: Graph, rows: list[dict[str, Any]], latest: dict[str, Any]) -> None:
        if latest["directory_id"] is None or latest["snapshot_id"] is None or latest["revision_id"] is None:
            raise InputError(f"the published rows of {self.repository} lack directory_id, snapshot_id or revision_id")
        for row in rows:
            known = {"sha1": row["blob_id"], "sha1_git": row["content_id"], "length": row["length_bytes"]}
            _add(graph, "content", status="visible", **known)
            entry = {"name": _path(row), "target": row["content_id"]}  # permissions are not published
            _add(graph, "directory_entry", directory_id=latest["directory_id"], type="file", **entry)
        dates = (_micros(latest["revision_date"]), _micros(latest["committer_date"]))
        self._add_revision(graph, latest["revision_id"], latest["directory_id"], *dates)
        visit = {"origin": self.url, "visit": 1, "date": _micros(latest["visit_date"]), "type": self.visit_type}
        branch = {"name": (latest["branch_name"] or "HEAD").encode(), "target": latest["revision_id"]}
        _add(graph, "origin", id=hashlib.sha1(self.url.encode(), usedforsecurity=False).hexdigest(), url=self.url)
        _add(graph, "origin_visit", **visit)
        _add(graph, "origin_visit_status", status="full", snapshot=latest["snapshot_id"], **visit)
        _add(graph, "snapshot", id=latest["snapshot_id"])
        _add(graph, "snapshot_branch", snapshot_id=latest["snapshot_id"], target_type="revision", **branch)
        _add(graph, "directory", id=latest["directory_id"])

    def _add_texts(self, graph: Graph, rows: list[dict[str, Any]], latest: dict[str, Any]) -> None:
        found = {}
        for row in rows:
            data = (row["content"] or "").encode()
            if _path(row) in found:
                graph.add("skipped", self.url, _path(row), "stands in the published table with another content")
                continue
            content = graph.add_content(swhid.hash_content(io.BytesIO(data), len(data)))
            found[_path(row)] = (swhid.FILE, content)
        root = graph.add_tree(found)
        revision = latest["revision_id"] if _HASH.fullmatch(latest["revision_id"] or "") else None
        if revision:
            self._add_revision(graph, revision, root, None, None)
        branch = (latest["branch_name"] or "HEAD").encode()
        if revision and branch != b"HEAD" and not branch.startswith(b"refs/"):
            branch = b"refs/heads/" + branch
        target = Branch("revision", revision) if revision else Branch("directory", root)
        graph.add_visit(self.url, self.visit_type, {branch: target, b"HEAD": target})

    @staticmethod
    def _add_revision(graph: Graph, revision: str, root: str, date: int | None, committed: int | None) -> None:
        _add(graph, "revision", id=revision, date=date, committer_date=committed, directory=root, type="git")

    def read(self, wanted: Iterable[tuple[bytes, str]]) -> Iterator[bytes | OSError]:
        """The bytes of files given as (path, content identifier), or the error of each."""
        return read_all([(self, wanted)])

    def objects(self, wanted: Iterable[tuple[bytes, str]]) -> Iterator[Wanted]:
        """What the storage is to be asked for."""
        rows = self._rows_by_path()
        for path, content in wanted:
            row = self._row(rows, path)
            yield Wanted(row["blob_id"], content, row["length_bytes"])

    def texts(self, wanted: Iterable[tuple[bytes, str]]) -> Iterator[bytes]:
        """The contents that are published with the table."""
        rows = self._rows_by_path()
        for path, _ in wanted:
            yield (self._row(rows, path)["content"] or "").encode()

    def encodings(self) -> dict[bytes, str | None]:
        """The published ``src_encoding`` by path."""
        return {_path(row): row["src_encoding"] for row in self._rows()}

    def _rows(self) -> list[dict[str, Any]]:
        return published.rows_of(self.key, self.repository).to_pylist()

    def _rows_by_path(self) -> dict[bytes, dict[str, Any]]:
        return {_path(row): row for row in self._rows()}

    def _row(self, rows: dict[bytes, dict[str, Any]], path: bytes) -> dict[str, Any]:
        """The row of a file that the walk found; identifiers that two repositories share for different things lead
        it to files of the other."""
        if path not in rows:
            raise InputError(
                f"the published rows of {self.repository} lead to {path.decode(errors='replace')!r}, which they lack: "
                "another repository has the same snapshot_id, revision_id or directory_id for other files; fetch the "
                "table again, or take one of the two out with opt_out"
            )
        return rows[path]


def read_all(
    wanted: Iterable[tuple[PublishedRepository, Iterable[tuple[bytes, str]]]],
) -> Iterator[bytes | OSError]:
    """The bytes of files of many repositories, in order: the requests of one overlap with those of the next."""
    for (visit_type, key), several in itertools.groupby(wanted, lambda pair: (pair[0].visit_type, pair[0].key)):
        if visit_type == "stack_v3":
            yield from itertools.chain.from_iterable(one.texts(files) for one, files in several)
        else:
            objects = itertools.chain.from_iterable(one.objects(files) for one, files in several)
            yield from storage(published.bucket_of(key)).read_many(objects)


def _add(graph: Graph, table: str, **fields: Any) -> None:
    """Add a row of which only some columns are published; the others are null."""
    graph.add(table, *(fields.get(name) for name in GRAPH[table].names))


def _path(row: dict[str, Any]) -> bytes:
    return row["path"].encode().removeprefix(b"/")


def _micros(value: datetime | None) -> int | None:
    return None if value is None else round(value.timestamp() * 1_000_000)
