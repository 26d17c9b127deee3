"""Opt-out replayed on a real run: that of SC2_BOOK (or SC2_RUN), copied first."""

import json
import re
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from sc2lib import files
from sc2lib.archive.opt_out import RUN_FILE, OptOut
from sc2lib.archive.swhid import Swhid
from sc2lib.attribution import opt_out_counts, opt_out_replay
from sc2lib.files import sha256
from sc2lib.tokenizer.encoding import Tokenizer
from sc2lib.workflow import manifest as manifests
from sc2lib.workflow import state
from sc2lib.workflow.run_directory import RunDirectory

DATA = [f"0{number}" for number in range(1, 10)]


@pytest.fixture
def copy(finished: Path, tmp_path: Path) -> Callable[[str], RunDirectory]:
    def make(name: str) -> RunDirectory:
        shutil.copytree(finished, tmp_path / name, ignore=shutil.ignore_patterns("book", ".lock"))
        return RunDirectory(tmp_path / name)

    return make


def tables(run: RunDirectory) -> list[Path]:
    return [path for number in DATA for path in sorted(run.path.glob(f"{number}_*/**/*.parquet"))]


def snapshot(run: RunDirectory) -> dict[str, str]:
    """Checksums of all that the replay vouches for: every output of the data stages, and their manifests' outputs."""
    return {
        path.relative_to(run.path).as_posix(): sha256(path)
        for number in DATA
        for path in sorted(run.path.glob(f"{number}_*/**/*"))
        if path.is_file() and path.name != manifests.NAME
    }


def own_lines(run: RunDirectory, names: set[str]) -> set[str]:
    """Up to 300 long lines that the kept code of these repositories has and no other repository's text holds."""
    owner: dict[str, str] = {}
    for path in sorted(run.path.glob("01_archive/files/*.parquet")):
        owner |= {row["blob_id"]: row["repo_name"] for row in pq.read_table(path, partitioning=None).to_pylist()}
    mine, others = set(), []
    for path in sorted(run.path.glob("01_archive/contents/*.parquet")):
        for row in pq.read_table(path, partitioning=None).to_pylist():
            if owner[row["blob_id"]] in names:
                mine |= {line.strip() for line in row["content"].split("\n") if 50 < len(line.strip()) < 200}
            else:
                others.append(row["content"])
    rest = "\n".join(others)
    return set([line for line in sorted(mine)[::3] if line not in rest][:300])


def chosen(run: RunDirectory) -> set[str]:
    """Two repositories of which documents were encoded, one of each split when there are both."""
    rows = pq.read_table(run.path / "09_tokenizer/token_index/part-00000.parquet", partitioning=None).to_pylist()
    by_split = {
        split: sorted({row["repo_name"] for row in rows if row["split"] == split}) for split in ("train", "validation")
    }
    return {names[0] for names in by_split.values() if names} | {by_split["train"][-1]}


def naive_mixture(run: RunDirectory) -> Counter[tuple[str, str, str]]:
    """Files by source, language and split, one row and one file at a time."""
    found: Counter[tuple[str, str, str]] = Counter()
    for path in sorted(run.path.glob("08_*/documents/*.parquet")):
        for row in pq.read_table(path, columns=["source", "split", "files"], partitioning=None).to_pylist():
            found.update((row["source"], file["language"] or "unknown", row["split"]) for file in row["files"])
    return found


def test_counts_made_again_are_those_that_the_chapters_made(finished: Path) -> None:
    for stage, manifest in RunDirectory(finished).manifests().items():
        if stage[:2] in DATA:
            again = opt_out_counts.recounted(finished / stage, manifest.metrics, finished)
            left = again.pop(opt_out_counts.BEFORE)
            assert again == manifest.metrics, stage
            assert len(left) < len(again), stage


def test_nothing_of_an_opted_out_repository_remains(copy, tmp_path: Path) -> None:
    run = copy("run")
    names = chosen(run)
    lines = own_lines(run, names)
    blobs, before = set(), manifests.load(run.stage("09_tokenizer"))
    for path in sorted(run.path.glob("01_archive/files/*.parquet")):
        blobs |= {
            row["blob_id"] for row in pq.read_table(path, partitioning=None).to_pylist() if row["repo_name"] in names
        }
    tokenizer = Tokenizer.load(run.stage("09_tokenizer") / "tokenizer.json")
    streams = {
        split: np.fromfile(run.stage("09_tokenizer") / f"{split}.bin", np.uint16) for split in ("train", "validation")
    }
    found_before = sum(text_of(tokenizer, stream, lines) for stream in streams.values())
    assert len(blobs) > 10 and len(lines) > 50 and found_before > 20, "the test must have something to look for"
    trained = run.stage("12_pretraining").exists()
    copies = set()  # the graph keeps a content that other repositories hold too
    for path in sorted(run.path.glob("01_archive/removed/*.parquet")):
        rows = pq.read_table(path, partitioning=None).to_pylist()
        copies |= {row["blob_id"] for row in rows if row["repo_name"] not in names}

    done = opt_out_replay.replay(run, OptOut(frozenset({*names, "nobody/at-all"})))

    assert done.unmatched == ["nobody/at-all"]
    assert sum(done.tokens.values()) > 0 and done.rows["08_formatting_and_mixture/documents"] >= len(names)
    quoted = re.compile("|".join(re.escape(line) for line in sorted(lines)))
    for path in tables(run):
        for row in pq.read_table(path, partitioning=None).to_pylist():
            assert row.get("repo_name") not in names, path
            allowed = copies if path.parent.name == "content" else set()
            assert not {value for value in row.values() if isinstance(value, str)} & (blobs - allowed), path
            assert not any(isinstance(value, str) and value in lines for value in row.values()), path
            assert not any(name in str(row.get("detail") or "").split(" ") for name in names), path
    for path in sorted(run.path.glob("0*_*/contents/*.parquet")):
        assert not any(quoted.search(text) for text in pq.read_table(path, partitioning=None)["content"].to_pylist())
    index = pq.read_table(run.stage("09_tokenizer") / "token_index/part-00000.parquet", partitioning=None).to_pylist()
    after = {split: np.fromfile(run.stage("09_tokenizer") / f"{split}.bin", np.uint16) for split in streams}
    assert sum(text_of(tokenizer, stream, lines) for stream in after.values()) == 0
    for split, stream in after.items():
        assert len(stream) == len(streams[split]) - done.tokens[split]
        assert len(stream) == sum(row["end"] - row["start"] for row in index if row["split"] == split)
        assert all(
            tokenizer.decode(stream[row["end"] - 1 : row["end"]]) == "<|endoftext|>"
            for row in index
            if row["split"] == split
        )
    for path in sorted((run.path / "notebooks").glob("*.ipynb")):
        if path.stem[:2] in DATA or path.stem[:2] in ("12", "13"):
            assert '"output_type"' not in path.read_text(encoding="utf-8"), path
    assert not (run.path / "superseded").exists() and not run.lasting.exists()

    known: dict[str, str | None] = {}
    for stage in run.manifests():
        if stage[:2] in DATA:
            problem = state.problem(stage, run, known=known)
            assert problem is None or "other code" in problem, (stage, problem)
    assert before is not None and manifests.load(run.stage("09_tokenizer")).digest != before.digest
    counts = {}
    for row in pq.read_table(run.path / "08_formatting_and_mixture/mixture", partitioning=None).to_pylist():
        counts[row["source"], row["language"], row["split"]] = row["files"]
    assert counts == naive_mixture(run)
    for stage, manifest in run.manifests().items():
        if stage[:2] in DATA:
            assert manifest.metrics == opt_out_counts.recounted(run.stage(stage), manifest.metrics, run.path), stage
    assert run.manifests()["09_tokenizer"].metrics["train_tokens"] == len(after["train"])
    models = ["12_pretraining", "13_long_context"] if trained else []
    assert done.learnt == ["09_tokenizer", *models], "the vocabulary and the models have learnt from what left"
    for stage in models:
        assert stage in done.stale
        assert str(state.problem(stage, run)).startswith(("was made from another ", "stands on "))
    for stage in ("15_code_generation", "16_infilling_and_repositories", "17_attribution"):
        assert not run.stage(stage).exists(), "samples and indices quote the data"
    assert OptOut.read(run.path / RUN_FILE).names == names | {"nobody/at-all"}


def text_of(tokenizer: Tokenizer, stream: np.ndarray, lines: set[str]) -> int:
    text = tokenizer.decode(stream)
    return sum(line in text for line in sorted(lines))


def rows_of(run: RunDirectory, table: str) -> list[dict[str, Any]]:
    paths = sorted((run.stage("01_archive") / table).glob("*.parquet"))
    return [row for path in paths for row in pq.read_table(path, partitioning=None).to_pylist()]


def written(run: RunDirectory) -> Iterator[tuple[Path, str]]:
    """Every file of a run as text, whatever it is; of a Parquet file, every cell and its metadata."""
    for path in sorted(path for path in run.path.rglob("*") if path.is_file() and path.name != RUN_FILE):
        if path.suffix == ".parquet":
            table = pq.read_table(path, partitioning=None)
            yield path, "\n".join(map(str, [table.schema.metadata, *table.to_pylist()]))
        else:
            yield path, path.read_bytes().decode("latin-1")


def test_no_file_of_the_run_names_what_left(copy) -> None:
    """Hashes, names and paths of a repository, a directory and two files are looked for in every file there is."""
    run = copy("run")
    name = sorted(chosen(run))[0]
    files, removed = rows_of(run, "files"), rows_of(run, "removed")
    file = next(row["content_id"] for row in files if row["repo_name"] != name)
    binary = next(row["blob_id"] for row in removed if row["reason"] == "binary" and row["repo_name"] != name)
    content = {row["sha1"]: row for row in rows_of(run, "content")}
    entries = rows_of(run, "directory_entry")
    folder = next(row["target"] for row in entries if row["type"] == "dir" and row["name"] not in (b"", b"tests"))
    below = {row["target"] for row in entries if row["directory_id"] == folder and row["type"] == "file"}
    mine = {row["blob_id"] for row in files + removed if row["repo_name"] == name and row["blob_id"]}
    mine -= {row["blob_id"] for row in files + removed if row["repo_name"] != name}
    gone = {blob for blob, row in content.items() if row["sha1_git"] in below | {file} or blob in mine | {binary}}
    columns = ("sha1", "sha1_git", "sha256", "blake2s256")
    hashes = {folder} | {content[blob][column] for blob in gone for column in columns}
    paths = {f"{name}{row['path']}" for row in files + removed if row["repo_name"] == name}
    before = [text for _, text in written(run)]
    assert len(gone) > 10 and all(any(found in text for text in before) for found in sorted(hashes)[:20])

    swhids = {Swhid("cnt", file), Swhid("cnt", content[binary]["sha1_git"]), Swhid("dir", folder)}
    opt_out_replay.replay(run, OptOut(frozenset({name}), frozenset(swhids)))

    named = re.compile(rf"{re.escape(name)}(?![-\w.])")
    for path, text in written(run):
        assert not hashes & set(re.findall("[0-9a-f]{40,64}", text)), path
        if path.name == manifests.NAME:  # the knobs of the run may ask for a project by its name
            text = json.dumps(json.loads(text) | {"params": None})
        assert not named.search(text) and not any(found in text for found in paths), path


def test_a_replay_that_is_cut_short_and_repeated_ends_like_one(copy, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, cut = copy("whole"), copy("cut")
    listed = OptOut(frozenset(chosen(whole)))
    opt_out_replay.replay(whole, listed)
    write = files.write_parquet

    def stop(path: Path, table: object) -> None:
        if path.parent.name == "token_index":
            raise KeyboardInterrupt
        write(path, table)  # type: ignore[arg-type]

    monkeypatch.setattr(files, "write_parquet", stop)
    with pytest.raises(KeyboardInterrupt):
        opt_out_replay.replay(cut, listed)
    monkeypatch.setattr(files, "write_parquet", write)
    opt_out_replay.replay(cut, listed)
    assert snapshot(cut) == snapshot(whole)
    again = opt_out_replay.replay(cut, listed)
    assert not again.rows and not any(again.tokens.values())
    assert snapshot(cut) == snapshot(whole)
    assert again.learnt[0] == "09_tokenizer", "told once more, as long as it is true"

    forgotten = opt_out_replay.replay(cut, listed, forget=True)
    assert not forgotten.learnt and {"09_tokenizer", *again.learnt} <= set(forgotten.stale)
    learnt = [path for path in cut.path.rglob("*") if path.suffix in (".ckpt", ".safetensors", ".bin")]
    assert not learnt and not list(cut.path.rglob("tokenizer.json"))
    assert state.problem("09_tokenizer", cut) == "has not run"
    assert state.problem("08_formatting_and_mixture", cut) is None or "other code" in str(
        state.problem("08_formatting_and_mixture", cut)
    )
