"""The sources ``stack_v2`` and ``stack_v3``: published tables as Parquet, contents over HTTP or inline."""

import datetime as dt
import hashlib
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sc2lib.archive import download, git_check, object_storage, picture, published, sources, swhid, walk
from sc2lib.errors import InputError, ParameterError, TransferError
from sc2lib.files import write_parquet
from sc2lib.tables import FILES
from tests.archive.object_server import ObjectServer

TEXTS = {
    "ada/engine": {"/src/main.c": b"int main(void) { return 0; }\n", "/caf\u00e9.txt": "na\u00efve".encode("latin-1")},
    "grace/cobol": {"/a.cob": b"DISPLAY 'HI'.\n", "/copy.c": b"int main(void) { return 0; }\n"},
}
WHEN = dt.datetime(2023, 9, 6, 12, 0, tzinfo=dt.UTC)


def v2_rows(server: ObjectServer) -> list[dict[str, Any]]:
    rows = []
    for number, (name, texts) in enumerate(TEXTS.items(), 1):
        shared = {
            "repo_name": name,
            "directory_id": f"{number:040x}",
            "snapshot_id": f"{number + 16:040x}",
            "revision_id": f"{number + 32:040x}",
            "branch_name": "refs/heads/trunk",
            "visit_date": WHEN,
            "revision_date": WHEN - dt.timedelta(days=number),
            "committer_date": WHEN,
            "github_id": number,
            "star_events_count": 10 * number,
            "fork_events_count": number,
            "gha_license_id": "MIT",
        }
        for path, data in texts.items():
            encoding = "ISO-8859-1" if path.startswith("/caf") else "UTF-8"
            rows.append(
                shared
                | {"blob_id": server.put(data), "content_id": swhid.content(data), "path": path}
                | {"length_bytes": len(data), "src_encoding": encoding, "language": "C", "is_vendor": False}
            )
    return rows


def per_repository(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    inner = ("blob_id", "content_id", "path", "length_bytes", "src_encoding", "language", "is_vendor")
    grouped: dict[str, dict[str, Any]] = {}
    for row in rows:
        shared = {name: value for name, value in row.items() if name not in inner}
        grouped.setdefault(row["repo_name"], shared | {"files": []})["files"].append({k: row[k] for k in inner})
    return list(grouped.values())


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ObjectServer]:
    monkeypatch.setenv("SC2_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(object_storage, "wait", lambda seconds, given_up: False)
    running = ObjectServer()
    yield running
    running.close()


def candidates(
    folder: Path, source: str, server: ObjectServer, shards: int = 1, rows: int | None = None
) -> list[pa.Table]:
    listed = sources.list_origins(source, str(folder), None, rows, server.url)
    parts = {}
    for name, table in zip(sources.VISITED, sources.visit(listed), strict=True):
        write_parquet(folder.parent / "visit" / f"{name}.parquet", table)
        parts[name] = [folder.parent / "visit" / f"{name}.parquet"]
    return walk.walk(walk.merge(parts, folder.parent / "graph"), listed, shards, 10 << 20)


def write(folder: Path, rows: list[dict[str, Any]]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows), folder / "ids.parquet")
    return folder


@pytest.mark.parametrize("form", [list, per_repository])
def test_identifiers_become_files_with_their_published_columns(
    tmp_path: Path, server: ObjectServer, form: Callable[[list[dict[str, Any]]], list[dict[str, Any]]]
) -> None:
    rows = v2_rows(server)
    (shard,) = candidates(write(tmp_path / "ids", form(rows)), "stack_v2", server)
    files, contents, removed = download.download(shard)
    texts = dict(zip(files["path"].to_pylist(), contents["content"].to_pylist()))
    assert texts == {
        "/copy.c": "int main(void) { return 0; }\n",  # its repository has more stars
        "/caf\u00e9.txt": "na\u00efve",
        "/a.cob": "DISPLAY 'HI'.\n",
    }
    assert removed["reason"].to_pylist() == ["exact_duplicate"]
    by_path = {row["path"]: row for row in rows}
    for found in files.to_pylist():
        expected = by_path[found["path"]]
        for name in set(expected) & set(FILES.names) - {"language", "is_vendor"}:
            assert found[name] == expected[name], name
    assert files["src_encoding"].to_pylist().count("ISO-8859-1") == 1


def test_the_picture_and_the_check_know_a_root_of_whole_paths(tmp_path: Path, server: ObjectServer) -> None:
    listed = sources.list_origins("stack_v2", str(write(tmp_path / "ids", v2_rows(server))), None, None, server.url)
    graph = dict(zip(sources.VISITED, sources.visit(listed), strict=True))
    edges = picture.chain(graph, listed["origin_url"][0].as_py(), "/src/main.c")
    assert [edge.name for edge in edges][1:] == ["refs/heads/trunk", "root directory", "src/main.c"]
    assert edges[-1].target.kind == "content"
    assert git_check.directories(graph["directory_entry"]) == []


def test_an_object_that_is_gone_is_a_row_with_a_reason(tmp_path: Path, server: ObjectServer) -> None:
    rows = v2_rows(server)
    del server.objects[rows[1]["blob_id"]]
    (shard,) = candidates(write(tmp_path / "ids", rows), "stack_v2", server)
    _, _, removed = download.download(shard)
    details = dict(zip(removed["path"].to_pylist(), removed["detail"].to_pylist()))
    assert "HTTP 404" in details["/caf\u00e9.txt"]


def test_a_shard_that_cannot_be_read_whole_is_not_made_and_the_next_try_goes_on(
    tmp_path: Path, server: ObjectServer
) -> None:
    """A truncated object stops its shard; what the first try fetched is not asked for again; the bytes are equal."""
    rows = v2_rows(server)
    shards = candidates(write(tmp_path / "ids", rows), "stack_v2", server, shards=16)
    blob = rows[0]["blob_id"]
    position = int(blob[:2], 16) * 16 // 256

    def attempt(folder: Path) -> None:
        for number, shard in enumerate(shards):
            if not (folder / f"{number}.parquet").exists():
                write_parquet(folder / f"{number}.parquet", download.download(shard)[1])

    attempt(tmp_path / "undisturbed")
    shutil.rmtree(tmp_path / "cache" / "objects")
    server.asked.clear()
    server.troubles[blob] = ["truncated object"] * object_storage.ATTEMPTS
    with pytest.raises(TransferError, match="in the middle of its gzip"):
        attempt(tmp_path / "out")
    done = {path.name for path in (tmp_path / "out").iterdir()}
    assert done == {f"{number}.parquet" for number in range(position)}
    finished = {name for name in server.asked if int(name[:2], 16) * 16 // 256 < position}
    server.asked.clear()
    attempt(tmp_path / "out")
    assert not finished & set(server.asked)
    for path in (tmp_path / "undisturbed").iterdir():
        assert path.read_bytes() == (tmp_path / "out" / path.name).read_bytes()


def test_of_a_shard_that_failed_only_the_rest_is_asked_for_again(tmp_path: Path, server: ObjectServer) -> None:
    rows = v2_rows(server)
    (shard,) = candidates(write(tmp_path / "ids", rows), "stack_v2", server)
    names = {row["blob_id"] for row in rows}
    bad = max(names)  # the last of the shard
    server.troubles[bad] = ["503"] * object_storage.ATTEMPTS
    with pytest.raises(TransferError, match=f"{bad} could not be read whole: HTTP 503; run the same command again"):
        download.download(shard)
    assert set(server.asked) == names
    server.asked.clear()
    files, contents, _ = download.download(shard)
    assert dict(server.asked) == {bad: 1} and files.num_rows == contents.num_rows == 3
    kept = sorted(path for path in (tmp_path / "cache" / "objects").rglob("*") if len(path.name) == 40)
    assert {path.name for path in kept} == names
    kept[0].write_bytes(kept[1].read_bytes())  # a file that is not what its name says is as if it were not there
    assert download.download(shard)[1] == contents and server.asked[kept[0].name] == 1 + (kept[0].name == bad)


def test_a_bucket_that_is_no_url_over_http_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    for bucket in ("s3://softwareheritage/content", "s3://softwareheritage/content/"):
        with pytest.raises(ParameterError, match=r"is https://softwareheritage\.s3\.amazonaws\.com/content/$"):
            sources.list_origins("stack_v2", str(tmp_path), None, None, bucket)
    with pytest.raises(ParameterError, match="begins with https://"):
        sources.list_origins("stack_v2", str(tmp_path), None, None, "/srv/objects")


def test_contents_that_are_published_with_the_table(tmp_path: Path, server: ObjectServer) -> None:
    file = {"language": "C", "license_type": "permissive", "detected_licenses": ["MIT"], "is_vendor": False}
    listed = [
        file | {"file_path": "src/a.c", "content": "int a;\n", "content_id": "f" * 40},
        file | {"file_path": "src/a.c", "content": "int a;\n", "content_id": "f" * 40},
        file | {"file_path": "b.py", "content": "b = '\u2603'\n", "content_id": "e" * 40},
    ]
    about = {"branch": "main", "stars": 3, "forks": 1, "repo_created_at": "2020-01-02T03:04:05Z"}
    row = {"repo_path": "ada/engine", "repo_id": 7, "commit_id": "1" * 40, "github_metadata": about, "files": listed}
    (shard,) = candidates(write(tmp_path / "v3", [row]), "stack_v3", server)
    files, contents, removed = download.download(shard)
    assert sorted(files["path"].to_pylist()) == ["/b.py", "/src/a.c"] and removed.num_rows == 0
    first = files.to_pylist()[0]
    assert first["repo_name"] == "ada/engine" and first["star_events_count"] == 3 and first["github_id"] == 7
    assert first["revision_id"] == "1" * 40 and first["branch_name"] == "refs/heads/main"
    assert first["gha_created_at"] == dt.datetime(2020, 1, 2, 3, 4, 5, tzinfo=dt.UTC)
    for blob, text in zip(contents["blob_id"].to_pylist(), contents["content"].to_pylist()):
        assert blob == hashlib.sha1(text.encode()).hexdigest()


def test_rows_of_an_older_revision_are_left_out_with_a_reason(tmp_path: Path, server: ObjectServer) -> None:
    rows = v2_rows(server)[:2]
    rows[1] |= {"revision_id": "a" * 40, "revision_date": WHEN - dt.timedelta(days=900)}
    (shard,) = candidates(write(tmp_path / "ids", rows), "stack_v2", server)
    files, _, removed = download.download(shard)
    assert files["path"].to_pylist() == ["/src/main.c"]
    assert removed["detail"].to_pylist() == ["of another revision, " + "a" * 40]


def test_the_number_of_rows_and_the_cache(tmp_path: Path, server: ObjectServer) -> None:
    folder = write(tmp_path / "ids", per_repository(v2_rows(server)))
    one = sources.list_origins("stack_v2", str(folder), None, 1, server.url)
    assert one["repo_name"].to_pylist() == ["ada/engine"]
    assert sources.list_origins("stack_v2", str(folder), "grace/*", None, server.url).num_rows == 1
    assert len(list((tmp_path / "cache" / "published").iterdir())) == 2
    assert sources.list_origins("stack_v2", str(folder), None, 1, server.url) == one
    write(folder, v2_rows(server)[2:])
    assert sources.list_origins("stack_v2", str(folder), None, 1, server.url)["repo_name"].to_pylist() == [
        "grace/cobol"
    ]


def test_what_is_no_published_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SC2_CACHE", str(tmp_path / "cache"))
    other = write(tmp_path / "other", [{"text": "a"}])
    corrupt = write(tmp_path / "corrupt", [{"repo_name": "a/b"}])
    (corrupt / "ids.parquet").write_bytes((corrupt / "ids.parquet").read_bytes()[:-40])
    for path, message in (
        (other, "it has no repo_name, path, blob_id, content_id; it has text"),
        (corrupt, r"ids\.parquet cannot be read as Parquet"),
        (tmp_path / "missing folder", "neither there nor the name of a data set"),
    ):
        with pytest.raises(InputError, match=message):
            sources.list_origins("stack_v2", str(path))
    assert not list(tmp_path.rglob("rows.parquet"))


def test_a_file_without_rows_is_passed_over_unless_it_is_all_there_is(tmp_path: Path, server: ObjectServer) -> None:
    folder = write(tmp_path / "ids", v2_rows(server))
    rows = pq.read_table(folder / "ids.parquet", partitioning=None)
    expected = candidates(folder, "stack_v2", server)[0]
    pq.write_table(rows.slice(0, 0), folder / "a.parquet")
    assert candidates(folder, "stack_v2", server)[0]["path"] == expected["path"]
    (folder / "ids.parquet").unlink()
    with pytest.raises(InputError, match="holds no row; fetch the published table again"):
        sources.list_origins("stack_v2", str(folder))


def test_identifiers_that_lead_to_another_repository_are_named(tmp_path: Path, server: ObjectServer) -> None:
    rows = [row | {"snapshot_id": "a" * 40, "revision_id": "b" * 40} for row in v2_rows(server)]
    (shard,) = candidates(write(tmp_path / "ids", rows), "stack_v2", server)
    with pytest.raises(InputError, match="another repository has the same snapshot_id, revision_id or directory_id"):
        download.download(shard)


def test_a_table_that_is_damaged_in_its_middle_is_named(tmp_path: Path, server: ObjectServer) -> None:
    """Its footer is whole, so that only reading the rows shows it."""
    folder = write(tmp_path / "ids", v2_rows(server))
    shutil.copy(folder / "ids.parquet", folder / "also.parquet")
    data = bytearray((folder / "ids.parquet").read_bytes())
    data[4:400] = bytes(396)
    (folder / "ids.parquet").write_bytes(data)
    with pytest.raises(InputError, match=r"ids/ids\.parquet cannot be read as a published table: .*; fetch it again"):
        sources.list_origins("stack_v2", str(folder))
    assert not list(tmp_path.rglob("rows.parquet"))


def test_a_hub_that_cannot_be_reached_names_the_way_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SC2_CACHE", str(tmp_path / "cache"))

    class Unreachable:
        def dataset_info(self, name: str) -> None:
            raise ConnectionError("no route")

    monkeypatch.setattr("huggingface_hub.HfApi", Unreachable)
    with pytest.raises(
        TransferError, match="the-stack-v2-train-smol-ids cannot be read from the hub: no route; accept"
    ):
        sources.list_origins("stack_v2")


def test_a_row_flattens_by_the_declared_columns() -> None:
    row = {"repo_name": "a/b", "files": [{"path": "/x", "blob_id": "1"}, {"path": "/y", "blob_id": "2"}]}
    assert [found["path"] for found in published.flatten(row, "stack_v2")] == ["/x", "/y"]
    assert published.flatten({"repo_path": "a/b", "files": None}, "stack_v3") == []
