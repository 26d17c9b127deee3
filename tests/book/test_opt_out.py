"""Opt-out replayed on a real run: that of SC2_BOOK (or SC2_RUN), copied first."""

import os
import re
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from sc2lib import files
from sc2lib.archive.opt_out import RUN_FILE, OptOut
from sc2lib.attribution import opt_out_counts, opt_out_replay
from sc2lib.files import sha256
from sc2lib.tokenizer.encoding import Tokenizer
from sc2lib.workflow import manifest as manifests
from sc2lib.workflow import state
from sc2lib.workflow.run_directory import RunDirectory

DATA = [f"0{number}" for number in range(1, 10)]


@pytest.fixture(scope="module")
def finished() -> Path:
    if "SC2_RUN" in os.environ:
        return Path(os.environ["SC2_RUN"]).resolve()
    if "SC2_BOOK" not in os.environ:
        pytest.skip("set SC2_RUN to a finished run of the profile smoke, or SC2_BOOK to its book")
    return Path(os.environ["SC2_BOOK"]).resolve().parents[1]


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

    done = opt_out_replay.replay(run, OptOut(frozenset(names)))

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
    assert not (run.path / "superseded").exists()

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
    assert OptOut.read(run.path / RUN_FILE).names == names


def text_of(tokenizer: Tokenizer, stream: np.ndarray, lines: set[str]) -> int:
    text = tokenizer.decode(stream)
    return sum(line in text for line in sorted(lines))


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
