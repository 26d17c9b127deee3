"""The sources ``stack_v2`` and ``stack_v3``: published tables of a data set, from the hub or from Parquet files.

The tables are the result of somebody's walk, so there is no graph to walk again. Their rows are streamed once through
`datasets`, sorted by repository into one Parquet file of the cache (named by all that decides its content), and
offered as origins, one per repository. The Stack v2 holds identifiers, its contents come from `object_storage`; The
Stack v3 holds the contents themselves.
"""

import hashlib
import itertools
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from sc2lib import files
from sc2lib.archive import cache
from sc2lib.archive.object_storage import SOFTWARE_HERITAGE, checked
from sc2lib.errors import InputError, TransferError
from sc2lib.tables import FILES

# docs: start-columns
# What a row is called here, and where it stands in the published row: The Stack v2's own names need no mapping
# (the data set cards, V).
_V2_REPOSITORY = {
    name: name
    for name in (
        *("repo_name", "directory_id", "snapshot_id", "revision_id", "branch_name"),
        *("visit_date", "revision_date", "committer_date", "github_id", "star_events_count", "fork_events_count"),
        *("gha_license_id", "gha_event_created_at", "gha_created_at", "gha_language"),
    )
}
_V2_FILE = {name: name for name in ("blob_id", "content_id", "path", "length_bytes", "src_encoding")}
# The Stack v3: the features that the card of stack-v3-train declares (V), one row per repository. Personal data have
# left its `content` (V), and its `content_id` is a SHA-1 of the file before that (second hand), so it names another
# text: identifiers are computed. The full corpus is laid out otherwise, in a bucket of its own, and is not read here.
_V3_REPOSITORY = {
    "repo_name": "repo_path",
    "revision_id": "commit_id",
    "branch_name": "github_metadata.branch",
    "github_id": "repo_id",
    "star_events_count": "github_metadata.stars",
    "fork_events_count": "github_metadata.forks",
    "gha_created_at": "github_metadata.repo_created_at",
}
_V3_FILE = {"path": "file_path", "content": "content"}
COLUMNS = {"stack_v2": (_V2_REPOSITORY, _V2_FILE), "stack_v3": (_V3_REPOSITORY, _V3_FILE)}
# docs: end-columns

REQUIRED = {"stack_v2": ("repo_name", "path", "blob_id", "content_id"), "stack_v3": ("repo_name", "path", "content")}
DEFAULT = {"stack_v2": "bigcode/the-stack-v2-train-smol-ids", "stack_v3": "HuggingFaceCode/stack-v3-train"}
ROWS = pa.schema([*(FILES.field(name) for name in (*_V2_REPOSITORY, *_V2_FILE)), ("content", pa.large_string())])
_BATCH = 20_000
_HUB_NAME = re.compile(r"[\w.-]+/[\w.-]+(:[\w.#+-]+)?")
_URL = re.compile(r"https://github\.com/([^#]+)#(stack_v[23])=([0-9a-f]{16})")


def repositories(
    source: str, source_path: str | None, rows: int | None = None, bucket: str | None = None
) -> Iterator[dict[str, Any]]:
    """The rows of REPOSITORY of a published table; streams the table into the cache unless it is there.

    `source_path` is a data set's name on the hub (``owner/name`` or ``owner/name:config``) or Parquet files; None
    takes `DEFAULT`. `rows` limits the published rows that are read; `bucket` is the URL that holds the contents
    (ParameterError when that is none over HTTP).
    """
    key = spool(source, source_path or DEFAULT[source], rows, checked(bucket or SOFTWARE_HERITAGE))
    with duckdb.connect() as database:
        first = ", ".join(f"arg_max({name}, coalesce(epoch(revision_date), 0)) AS {name}" for name in _FIRST)
        found = database.sql(
            f"SELECT repo_name, count(*) AS files, {first} FROM read_parquet($path) GROUP BY ALL ORDER BY repo_name",
            params={"path": str(_folder(key) / "rows.parquet")},
        ).to_arrow_table()
    for row in found.to_pylist():
        branch = row["branch_name"] or ""
        yield {name: row[name] for name in _GITHUB if name in row} | {
            "origin_url": f"https://github.com/{row['repo_name']}#{source}={key}",
            "repo_name": row["repo_name"],
            "visit_type": source,
            "version": row["revision_id"],
            "default_branch": branch.removeprefix("refs/heads/") if branch.startswith("refs/heads/") else None,
            "html_url": f"https://github.com/{row['repo_name']}",
            "star_events_count": row["star_events_count"] or 0,
            "fork_events_count": row["fork_events_count"] or 0,
        }


_GITHUB = ("github_id", "gha_license_id", "gha_event_created_at", "gha_created_at", "gha_language")
_FIRST = ("revision_id", "branch_name", "star_events_count", "fork_events_count", *_GITHUB)


def parse(url: str) -> tuple[str, str, str]:
    """Repository, source and key of the cached table behind an origin's URL."""
    match = _URL.fullmatch(url)
    if match is None:
        raise InputError(f"{url!r} is no origin of a published table")
    return match[1], match[2], match[3]


def rows_of(key: str, repository: str) -> pa.Table:
    """The published rows of one repository, sorted by path."""
    path = _folder(key) / "rows.parquet"
    if not path.exists():
        raise TransferError(
            f"{path} is gone: the cache was emptied while a run was using it; delete the stage 01_archive of the run, "
            "or set SC2_CACHE to the folder that has it, and run again"
        )
    return pq.read_table(path, filters=[("repo_name", "=", repository)], partitioning=None)


@lru_cache(maxsize=64)
def bucket_of(key: str) -> str:
    """The URL of the contents, as it was when the table was read."""
    return json.loads((_folder(key) / "about.json").read_text(encoding="utf-8"))["bucket"]


def spool(source: str, source_path: str, rows: int | None, bucket: str) -> str:
    """Stream a published table into the cache; returns the key under which it lies there.

    Raises InputError for files that are no such table, TransferError when the hub cannot be read.
    """
    given = Path(source_path).expanduser()
    if given.exists():
        data = [str(path) for path in _parquet(given)]
        identity: list[Any] = [_fingerprint(Path(path)) for path in data]
    elif _HUB_NAME.fullmatch(source_path):
        data = []
        identity = [source_path, _revision(source_path)]
    else:
        raise InputError(f"source_path {source_path!r} is neither there nor the name of a data set (owner/name)")
    about = {"source": source, "identity": identity, "rows": rows, "bucket": bucket, "columns": COLUMNS[source]}
    key = hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()[:16]
    if not _folder(key).exists():
        stream = _stream(source_path, data, identity)
        with files.atomic(_folder(key)) as temporary:
            temporary.mkdir()
            _write(temporary, itertools.islice(stream, rows), source, source_path)
            files.write_text(temporary / "about.json", json.dumps(about, indent=1) + "\n")
    return key


def _folder(key: str) -> Path:
    return cache.folder("published") / key


def _parquet(path: Path) -> list[Path]:
    found = [path] if path.is_file() else sorted(path.rglob("*.parquet"))
    if not found:
        raise InputError(f"source_path {str(path)!r} holds no Parquet file; give the folder of a published table")
    filled = []
    for file in found:
        try:
            rows = pq.read_metadata(file).num_rows
        except (pa.ArrowInvalid, OSError) as error:
            raise InputError(f"{file} cannot be read as Parquet ({error}); fetch it again") from error
        filled += [file] if rows else []  # `datasets` fails at a file without rows
    if not filled:
        raise InputError(f"source_path {str(path)!r} holds no row; fetch the published table again")
    return filled


def _fingerprint(path: Path) -> list[Any]:
    return [str(path.resolve()), path.stat().st_size, path.stat().st_mtime_ns]


def _revision(name: str) -> str:
    from huggingface_hub import HfApi

    try:
        return HfApi().dataset_info(name.partition(":")[0]).sha or ""
    except Exception as error:  # the client raises errors of several libraries
        raise _unreachable(name, error) from error


def _stream(source_path: str, data: Sequence[str], identity: Sequence[Any]) -> Iterator[Mapping[str, Any]]:
    import datasets

    try:
        if data:
            yield from datasets.load_dataset("parquet", data_files=list(data), split="train", streaming=True)
        else:
            name, _, config = source_path.partition(":")
            yield from datasets.load_dataset(name, config or None, split="train", streaming=True, revision=identity[1])
    except Exception as error:
        if data:
            where, said = _damaged(data) or source_path, " ".join(str(error).split())
            raise InputError(
                f"{where} cannot be read as a published table: {said}; fetch it again, or take it away"
            ) from error
        raise _unreachable(source_path, error) from error


def _damaged(data: Sequence[str]) -> str | None:
    """The first of the files whose rows cannot all be read, because `datasets` does not name it."""
    for path in data:
        try:
            for _ in pq.ParquetFile(path).iter_batches(1024):
                pass
        except (pa.ArrowException, OSError):
            return path
    return None


def _unreachable(name: str, error: Exception) -> TransferError:
    first = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return TransferError(
        f"the data set {name} cannot be read from the hub: {first}; accept its terms on its page and log in "
        "(hf auth login), or give Parquet files: --set source_path=FOLDER"
    )


def _write(folder: Path, published: Iterable[Mapping[str, Any]], source: str, where: str) -> None:
    raw, empty = folder / "raw.parquet", True
    with pq.ParquetWriter(raw, ROWS, compression="zstd") as writer:
        batch: list[dict[str, Any]] = []
        for row in published:
            if empty:
                _require(row, source, where)
                empty = False
            batch += flatten(row, source)
            if len(batch) >= _BATCH:
                writer.write_table(pa.Table.from_pylist(batch, schema=ROWS))
                batch = []
        writer.write_table(pa.Table.from_pylist(batch, schema=ROWS))
    if empty:
        raise InputError(f"{where} holds no row")
    with duckdb.connect() as database:
        database.execute("SET TimeZone = 'UTC'")
        # a row that stands there twice, as files of The Stack v3 do, is one
        found = database.sql(
            "SELECT DISTINCT ON (repo_name, revision_id, path, blob_id, content) * FROM read_parquet($raw) "
            "ORDER BY repo_name, path, blob_id, revision_id, content",
            params={"raw": str(raw)},
        )
        with pq.ParquetWriter(folder / "rows.parquet", ROWS, compression="zstd") as writer:
            for part in found.to_arrow_reader(8192):
                writer.write_table(pa.Table.from_batches([part]).cast(ROWS), row_group_size=8192)
    raw.unlink()


def _require(row: Mapping[str, Any], source: str, where: str) -> None:
    repository, file = COLUMNS[source]
    inner = (row["files"] or [{}])[0] if "files" in row else row
    names = repository | file
    missing = [
        names[name]
        for name in REQUIRED[source]
        if (names[name] not in inner and names[name].partition(".")[0] not in row)
    ]
    if missing:
        raise InputError(
            f"{where} is no table of source={source}: it has no {', '.join(missing)}; it has {', '.join(sorted(row))}"
        )


def flatten(row: Mapping[str, Any], source: str) -> list[dict[str, Any]]:
    """A published row as rows of ROWS: one row per file, whether the table has a row per file or per repository."""
    repository, file = COLUMNS[source]
    shared = {name: _value(row, place, name) for name, place in repository.items()}
    inner = row["files"] or [] if "files" in row else [row]
    return [shared | {name: _value(entry, place, name) for name, place in file.items()} for entry in inner]


def _value(row: Mapping[str, Any], place: str, name: str) -> Any:
    value: Any = row
    for part in place.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    if isinstance(value, str) and pa.types.is_timestamp(ROWS.field(name).type):
        return datetime.fromisoformat(value)
    return value
