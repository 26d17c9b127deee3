"""``sc2 dedup`` on anyone's files: what it writes, what it refuses, that it resumes, and the index between crawls."""

import gzip
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from sc2lib import cli
from sc2lib.dedup import inputs
from sc2lib.dedup.shingles import jaccard, naive_shingles
from tests.dedup.corpus import texts

CORPUS = texts()


def write_parquet(path, contents, name="content", **columns):
    pq.write_table(pa.table({name: list(contents), **columns}), path, row_group_size=7)
    return str(path)


def write_lines(path, contents, opener=open):
    with opener(path, "wt", encoding="utf-8") as file:
        file.writelines(json.dumps({"n": number, "text": text}) + "\n" for number, text in enumerate(contents))
    return str(path)


def dedup(*arguments):
    return cli.main(["dedup", *map(str, arguments), "--workers", "1"])


def kept_texts(out, name="content"):
    return sorted(
        text
        for part in sorted((out / "kept").glob("*.parquet"))
        for text in pq.read_table(part, partitioning=None)[name].to_pylist()
    )


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    write_parquet(folder / "a.parquet", CORPUS, number=range(len(CORPUS)))
    assert dedup(folder / "a.parquet", "--out", folder / "out") == 0
    return folder / "out"


def test_rows_stay_as_they_were_and_every_removal_is_justified(whole):
    report = json.loads((whole / "report.json").read_text())
    removed = pq.read_table(whole / "removed.parquet").to_pylist()
    clusters = pq.read_table(whole / "clusters", partitioning=None)
    assert report["files"] == len(CORPUS) == clusters.num_rows
    assert report["removed"] == len(removed) > 20
    assert report["bytes"] == sum(len(text.encode()) for text in CORPUS)
    assert report["bytes_kept"] == sum(len(text.encode()) for text in kept_texts(whole))
    kept = pq.read_table(whole / "kept", partitioning=None)
    assert kept.column_names == ["content", "number"]
    for row in kept.to_pylist():
        assert CORPUS[row["number"]] == row["content"]
    staying = set(kept["number"].to_pylist())
    for row in removed:
        gone, stays = (int(row[name].removeprefix("a.parquet#")) for name in ("id", "cluster_id"))
        assert gone not in staying and stays in staying
        similarity = jaccard(*(naive_shingles(CORPUS[number]) for number in (gone, stays)))
        assert similarity == row["jaccard"] >= 0.7


def test_json_lines_stay_byte_for_byte_in_any_packing(tmp_path, whole, monkeypatch):
    monkeypatch.setattr(inputs, "PIECE_BYTES", 40_000)
    plain = write_lines(tmp_path / "a.jsonl", CORPUS)
    packed = write_lines(tmp_path / "a.jsonl.gz", CORPUS, gzip.open)
    for number, source in enumerate((plain, packed)):
        out = tmp_path / f"out-{number}"
        assert dedup(source, "--out", out) == 0
        lines = [line for part in sorted((out / "kept").glob("*.jsonl")) for line in part.read_bytes().splitlines()]
        assert len(list((out / "kept").glob("*"))) > 5
        assert set(lines) <= set((tmp_path / "a.jsonl").read_bytes().splitlines())
        assert sorted(json.loads(line)["text"] for line in lines) == kept_texts(whole)


def test_workers_unpack_several_files_at_once_to_the_same_bytes(tmp_path, monkeypatch):
    """Each file is a task: plain, in gzip, and in Zstandard of several frames; in one worker or in two."""
    from sc2lib.dedup import tool

    monkeypatch.setattr(inputs, "PIECE_BYTES", 40_000)
    tasks = []
    monkeypatch.setattr(tool, "_mapper", lambda run_on, real=tool._mapper: noted(real(run_on), tasks))
    for number in range(4):
        lines = Path(write_lines(tmp_path / "lines", CORPUS[number::4])).read_bytes().splitlines(keepends=True)
        half = len(lines) // 2
        frames = b"".join(zstandard.compress(b"".join(part)) for part in (lines[:half], lines[half:]))
        whole = b"".join(lines)
        for kind, content in {"": whole, ".gz": gzip.compress(whole), ".zst": frames}.items():
            (tmp_path / f"in{kind}").mkdir(exist_ok=True)
            (tmp_path / f"in{kind}" / f"{number}.jsonl{kind}").write_bytes(content)
    written = []
    for folder, workers in (("in", 1), ("in.gz", 1), ("in.gz", 2), ("in.zst", 2)):
        out = tmp_path / f"out-{folder}-{workers}"
        assert cli.main(["dedup", str(tmp_path / folder), "--out", str(out), "--workers", str(workers)]) == 0
        written.append([path.read_bytes() for path in sorted((out / "kept").glob("*.jsonl"))])
    assert tasks == [("cut", 4)] * 4
    assert len(written[0]) > 4 and all(parts == written[0] for parts in written[1:])


def noted(mapper, tasks):
    """The mapper, which notes how many tasks the cutting was."""

    def noting(function, items, label):
        tasks.extend([(label, len(items))] * (function is inputs.cut))
        return mapper(function, items, label)

    return noting


def test_other_files_and_orders_keep_the_same_texts(tmp_path, whole):
    (tmp_path / "in").mkdir()
    write_parquet(tmp_path / "in/b.parquet", CORPUS[::-2], "words")
    write_parquet(tmp_path / "in/a.parquet", CORPUS[-2::-2], "words")
    assert dedup(tmp_path / "in", "--out", tmp_path / "out") == 2  # which column is the text?
    assert dedup(tmp_path / "in", "--out", tmp_path / "out", "--text", "words") == 0
    assert kept_texts(tmp_path / "out", "words") == kept_texts(whole)


def test_the_same_request_again_finds_everything_done(whole, monkeypatch):
    monkeypatch.setattr("sc2lib.dedup.tool.deduplicate", None)
    assert dedup(whole.parent / "a.parquet", "--out", whole) == 0


def test_an_interrupted_request_ends_with_the_same_bytes(tmp_path, whole, monkeypatch):
    from sc2lib.dedup import tool

    def interrupted(task):
        raise KeyboardInterrupt

    out, real = tmp_path / "out", tool.write_piece
    monkeypatch.setattr(tool, "write_piece", interrupted)
    assert dedup(whole.parent / "a.parquet", "--out", out) == cli.INTERRUPTED
    assert not (out / "report.json").exists()
    monkeypatch.setattr(tool, "write_piece", real)
    monkeypatch.setattr("sc2lib.dedup.engine.sketch_piece", None)  # what was finished is not made again
    assert dedup(whole.parent / "a.parquet", "--out", out) == 0
    for path in sorted(whole.rglob("*.parquet")):
        assert (out / path.relative_to(whole)).read_bytes() == path.read_bytes()


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.csv", b"x", "neither Parquet nor JSON Lines"),
        ("a.parquet", b"PAR1 and nothing more", "a.parquet cannot be read as Parquet"),
        ("a.jsonl", b'{"text": "one"}\n{"text": \n', "a.jsonl, line 2, is not JSON"),
        ("a.jsonl", b'{"text": "one"}\n["two"]\n', "a.jsonl, line 2, is no JSON object"),
        ("a.jsonl", b'{"text": 1}\n', "line 1, has a 'text' that is a number, not text"),
        ("a.jsonl", b'{"text": "a"}\n{"text": 1}\n', "a.jsonl, line 2, has a 'text' that is a number"),
        ("a.jsonl.gz", gzip.compress(b'{"text": "one"}\n' * 999)[:-30], "a.jsonl.gz"),
        ("a.jsonl", b'{"words": "one"}\n', "--text; it has words"),
    ],
)
def test_bad_input_is_named(tmp_path, capsys, name, content, words):
    (tmp_path / name).write_bytes(content)
    assert dedup(tmp_path / name, "--out", tmp_path / "out") in (1, 2)
    assert words in capsys.readouterr().err


def test_impossible_requests_are_refused(tmp_path, capsys):
    source = write_parquet(tmp_path / "a.parquet", CORPUS[:3])
    for arguments, words in [
        ((tmp_path / "none", "--out", tmp_path / "o"), "does not exist; give files that end in .parquet"),
        ((source, "--out", tmp_path / "o", "--threshold", "0"), "not above 0"),
        ((source, "--out", tmp_path / "o", "--bands", "0"), "bands 0 is not at least 1"),
        ((source, "--out", tmp_path / "o", "--threshold", "0.5", "--rows", "0"), "rows 0 is not at least 1"),
        ((source, "--out", tmp_path / "o", "--text", "cotent"), "no column 'cotent'; it has content"),
        ((source, "--out", tmp_path / "o", "--crawl", "may"), "give the index with --index"),
        ((source, "--out", tmp_path), "lies in"),
        ((source, "--out", source), "another folder"),
        ((source, "--out", write_lines(tmp_path / "b.jsonl", "b")), "is a file"),
        ((source, "--out", tmp_path / "b.jsonl" / "o"), "Not a directory"),
        ((source, "--out", tmp_path / "o", "--mode", "paper", "--index", tmp_path / "i"), "verified"),
        ((source, "--out", tmp_path / "o", "--index", tmp_path), "not empty"),
        ((source, "--out", tmp_path / "o", "--index", source), "is a file"),
    ]:
        assert dedup(*arguments) in (1, 2)
        assert words in capsys.readouterr().err
    assert cli.main(["dedup", source, "--out", str(tmp_path / "o"), "--workers", "-3"]) == 2
    assert "--workers -3 is negative" in capsys.readouterr().err


@pytest.mark.parametrize("piece_bytes", [1, 1 << 25])
def test_who_stays_does_not_depend_on_a_value_elsewhere(tmp_path, capsys, monkeypatch, piece_bytes):
    """The copy with more stars stays, whichever rows share a piece with the one whose stars cannot be read."""
    monkeypatch.setattr(inputs, "PIECE_BYTES", piece_bytes)
    copy, other = CORPUS[9] + "\n", CORPUS[50]
    rows = [(CORPUS[9], "1"), (copy, "100"), (other, "n/a")]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps({"text": t, "star_events_count": s}) + "\n" for t, s in rows))
    assert dedup(tmp_path / "a.jsonl", "--out", tmp_path / "out") == 0
    assert "star_events_count (1 of 3 values cannot be read" in capsys.readouterr().out
    lines = [line for part in sorted((tmp_path / "out" / "kept").iterdir()) for line in part.read_text().splitlines()]
    assert [json.loads(line)["text"] for line in lines] == [copy, other]


def test_broken_lines_are_left_out_if_asked_and_counted(tmp_path, capsys):
    source = Path(write_lines(tmp_path / "a.jsonl", CORPUS[:5]))
    whole = source.read_bytes()
    source.write_bytes(b'{"text": "hunter2\n' + whole + b"[1]\n")
    assert dedup(source, "--out", tmp_path / "out") == 1
    assert "line 1, is not JSON" in capsys.readouterr().err
    assert dedup(source, "--out", tmp_path / "out", "--on-bad-line", "skip") == 0
    said = capsys.readouterr().out
    assert "2 broken lines are left out; the first: " in said and "hunter2" not in said
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert (report["bad_lines"], report["files"]) == (2, 5)
    kept = (tmp_path / "out" / "kept" / "part-00000.jsonl").read_bytes().splitlines()
    assert kept and set(kept) <= set(whole.splitlines())
    ids = pq.read_table(tmp_path / "out" / "clusters", partitioning=None)["id"].to_pylist()
    assert ids == [f"a.jsonl#{number}" for number in range(1, 6)]


def test_a_folder_that_sc2_did_not_make_is_left_as_it_is(tmp_path, capsys):
    source = write_parquet(tmp_path / "a.parquet", CORPUS[:3])
    mine = {"work/notes.txt": "1", "kept/mine.txt": "2", "report.json": "{}"}
    for name, text in mine.items():
        (tmp_path / "proj" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "proj" / name).write_text(text)
    assert dedup(source, "--out", tmp_path / "proj") == 1
    assert "sc2 dedup did not make it" in capsys.readouterr().err
    found = {str(path.relative_to(tmp_path / "proj")) for path in (tmp_path / "proj").rglob("*") if path.is_file()}
    assert found == set(mine)
    assert all((tmp_path / "proj" / name).read_text() == text for name, text in mine.items())


def test_another_request_replaces_the_results_and_nothing_beside_them(tmp_path):
    both, one = (
        write_parquet(tmp_path / name, CORPUS[:number]) for name, number in (("a.parquet", 9), ("b.parquet", 2))
    )
    assert dedup(both, one, "--out", tmp_path / "out") == 0
    (tmp_path / "out" / "kept" / "mine.txt").write_text("mine")
    assert dedup(one, "--out", tmp_path / "out") == 0
    assert sorted(path.name for path in (tmp_path / "out" / "kept").iterdir()) == ["mine.txt", "part-00000.parquet"]
    assert sorted(path.name for path in (tmp_path / "out" / ".sc2-dedup").iterdir()) == [".lock"]


def test_results_inside_the_input_are_no_input(tmp_path):
    write_parquet(tmp_path / "in.parquet", CORPUS[:9], number=range(9))
    for threshold in ("0.7", "0.8"):  # the second request finds the results of the first
        assert dedup(tmp_path, "--out", tmp_path / "clean", "--threshold", threshold) == 0
    assert json.loads((tmp_path / "clean" / "report.json").read_text())["files"] == 9


def test_a_second_crawl_is_compared_with_the_first_without_reading_it(tmp_path):
    unheard = " ".join(f"unheard{number}" for number in range(60))
    first, second = CORPUS[::2], (*CORPUS[1::2], *CORPUS[:4], unheard, unheard + " of")
    index = tmp_path / "index"
    one = write_parquet(tmp_path / "one.parquet", first, stars=[0] * len(first))
    assert dedup(one, "--out", tmp_path / "out-1", "--index", index) == 0
    kept_before = kept_texts(tmp_path / "out-1")
    shutil.rmtree(tmp_path / "out-1")
    (tmp_path / "one.parquet").unlink()
    two = write_parquet(tmp_path / "two.parquet", second)
    assert dedup(two, "--out", tmp_path / "out-2", "--index", index) == 0
    # The definition: one run over both, in which every file of the first crawl precedes those of the second.
    stars = {"star_events_count": [2] * len(first) + [1] * len(second)}
    both = write_parquet(tmp_path / "both.parquet", [*first, *second], **stars)
    assert dedup(both, "--out", tmp_path / "out-3") == 0
    assert sorted(kept_before + kept_texts(tmp_path / "out-2")) == kept_texts(tmp_path / "out-3")
    shingles = {f"one.parquet#{n}": naive_shingles(text) for n, text in enumerate(first)}
    shingles |= {f"two.parquet#{n}": naive_shingles(text) for n, text in enumerate(second)}
    removed = pq.read_table(tmp_path / "out-2" / "removed.parquet").to_pylist()
    assert {row["cluster_id"].split("#")[0] for row in removed} == {"one.parquet", "two.parquet"}
    for row in removed:
        a, b = shingles[row["id"]], shingles[row["cluster_id"]]
        assert row["jaccard"] == (jaccard(a, b) if a else 1.0) >= 0.7


def test_a_crawl_is_remembered_once_and_repeats_its_result(tmp_path):
    index, source = tmp_path / "index", write_parquet(tmp_path / "a.parquet", CORPUS[:20])
    other = write_parquet(tmp_path / "b.parquet", CORPUS[10:30])
    for out in ("x", "y"):
        assert dedup(source, "--out", tmp_path / out, "--index", index) == 0
        assert dedup(other, "--out", tmp_path / f"{out}b", "--index", index) == 0
    assert len(list(index.glob("crawl-*"))) == 2
    for one, two in (("x", "y"), ("xb", "yb")):
        assert kept_texts(tmp_path / one) == kept_texts(tmp_path / two)
    assert not set(kept_texts(tmp_path / "xb")) & set(CORPUS[10:20])


def test_a_crawl_is_the_same_wherever_its_files_lie(tmp_path):
    """Moved, touched, renamed or packed, a crawl is not taken for a later copy of itself."""
    (tmp_path / "crawl").mkdir()
    source = Path(write_lines(tmp_path / "crawl" / "c.jsonl", CORPUS[:20]))
    assert dedup(tmp_path / "crawl", "--out", tmp_path / "0", "--index", tmp_path / "index") == 0
    kept = (tmp_path / "0" / "kept" / "part-00000.jsonl").read_bytes()
    os.utime(source, (1, 1))
    assert dedup(tmp_path / "crawl", "--out", tmp_path / "1", "--index", tmp_path / "index") == 0
    (tmp_path / "crawl").rename(tmp_path / "moved")
    assert dedup(tmp_path / "moved", "--out", tmp_path / "2", "--index", tmp_path / "index") == 0
    (tmp_path / "moved" / "d.jsonl.gz").write_bytes(gzip.compress((tmp_path / "moved" / "c.jsonl").read_bytes()))
    (tmp_path / "moved" / "c.jsonl").unlink()
    assert dedup(tmp_path / "moved", "--out", tmp_path / "3", "--index", tmp_path / "index") == 0
    for number in "123":
        assert (tmp_path / number / "kept" / "part-00000.jsonl").read_bytes() == kept
    assert len(list((tmp_path / "index").glob("crawl-*"))) == 1


def test_a_crawl_that_leaves_for_an_earlier_one_is_questioned(tmp_path, capsys):
    index = tmp_path / "index"
    once = write_parquet(tmp_path / "a.parquet", CORPUS[:20])
    again = write_parquet(tmp_path / "b.parquet", CORPUS[:20], crawled=[2] * 20)
    assert dedup(once, "--out", tmp_path / "1", "--index", index, "--crawl", "may") == 0
    assert "again?" not in capsys.readouterr().out
    assert dedup(again, "--out", tmp_path / "2", "--index", index) == 0
    assert "20 of 20 rows leave for rows of the crawl 'may'" in capsys.readouterr().out
    removed = pq.read_table(tmp_path / "2" / "removed.parquet")
    assert removed["crawl"].to_pylist() == ["may"] * 20
    assert set(pq.read_table(tmp_path / "1" / "removed.parquet")["crawl"].to_pylist()) <= {None}


def test_the_name_of_a_crawl_is_given_once(tmp_path, capsys):
    index = tmp_path / "index"
    one, two = (
        write_parquet(tmp_path / name, texts) for name, texts in (("1.parquet", CORPUS[:9]), ("2.parquet", CORPUS[9:]))
    )
    for name, words in (("no name", "is no name"), ("../up", "is no name")):
        assert dedup(one, "--out", tmp_path / "o", "--index", index, "--crawl", name) == 2
        assert words in capsys.readouterr().err
    for out in ("a", "b"):
        assert dedup(one, "--out", tmp_path / out, "--index", index, "--crawl", "may") == 0
    assert kept_texts(tmp_path / "a") == kept_texts(tmp_path / "b")
    assert dedup(two, "--out", tmp_path / "c", "--index", index, "--crawl", "may") == 2
    assert "--drop may" in capsys.readouterr().err


def test_a_dropped_crawl_takes_no_more_rows_with_it(tmp_path, capsys):
    index = tmp_path / "index"
    one = write_parquet(tmp_path / "1.parquet", CORPUS[:20])
    two = write_parquet(tmp_path / "2.parquet", CORPUS[10:30])
    assert dedup(one, "--out", tmp_path / "a", "--index", index, "--crawl", "may") == 0
    assert dedup(two, "--out", tmp_path / "b", "--index", index, "--crawl", "june") == 0
    capsys.readouterr()
    assert cli.main(["dedup-index", str(index)]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == ["may", "june"]
    assert cli.main(["dedup-index", str(index), "--drop", "july"]) == 2
    assert "it holds may, june" in capsys.readouterr().err
    assert cli.main(["dedup-index", str(index), "--drop", "may"]) == 0
    assert dedup(two, "--out", tmp_path / "b", "--index", index, "--crawl", "june") == 0
    assert dedup(two, "--out", tmp_path / "c") == 0
    assert kept_texts(tmp_path / "b") == kept_texts(tmp_path / "c")
    assert cli.main(["dedup-index", str(tmp_path)]) == 1
    # What stayed this time is what the index now holds.
    assert dedup(one, "--out", tmp_path / "a", "--index", index) == 0
    assert not set(kept_texts(tmp_path / "a")) & set(CORPUS[10:20])


def test_a_second_crawl_waits_for_the_index(tmp_path, capsys):
    source = write_parquet(tmp_path / "a.parquet", CORPUS[:5])
    hold = "import sys; from pathlib import Path; from sc2lib.workflow.lock import RunLock\n"
    hold += "lock = RunLock(Path(sys.argv[1])); lock.acquire(); print('held', flush=True); sys.stdin.read()"
    index = tmp_path / "index"
    command = [sys.executable, "-c", hold, str(index)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout.readline() == "held\n"
        assert dedup(source, "--out", tmp_path / "o", "--index", index) == 1
        assert f"index is in use by process {holder.pid}" in capsys.readouterr().err
        holder.stdin.close()
    assert dedup(source, "--out", tmp_path / "o", "--index", index) == 0


def test_a_lower_threshold_finds_its_pairs(tmp_path, capsys):
    """Of a hundred pairs at 0.51, the bands of 0.7 compare 13; those of 0.5 miss two."""
    rows = []
    for pair in range(100):
        own = [[f"p{pair}{side}{word}" for word in range(95)] for side in "ab"]
        shared = [f"p{pair}s{word}" for word in range(205)]
        rows += [" ".join(shared + own[0]), " ".join(shared + own[1])]
    source = write_lines(tmp_path / "a.jsonl", rows)
    assert 0.5 < jaccard(naive_shingles(rows[0]), naive_shingles(rows[1])) < 0.52
    assert dedup(source, "--out", tmp_path / "out", "--threshold", "0.5") == 0
    assert "64 bands of 4: of the pairs at a similarity of 0.5, 98.4% are expected" in capsys.readouterr().out
    assert json.loads((tmp_path / "out" / "report.json").read_text())["removed"] >= 90
    assert dedup(source, "--out", tmp_path / "few", "--threshold", "0.5", "--bands", "32", "--rows", "8") == 0
    assert json.loads((tmp_path / "few" / "report.json").read_text())["removed"] < 40


def test_an_index_of_other_options_is_refused(tmp_path, capsys):
    index, source = tmp_path / "index", write_parquet(tmp_path / "a.parquet", CORPUS[:5])
    assert dedup(source, "--out", tmp_path / "o", "--index", index) == 0
    assert dedup(source, "--out", tmp_path / "p", "--index", index, "--threshold", "0.8") == 2
    assert "threshold 0.7" in capsys.readouterr().err
