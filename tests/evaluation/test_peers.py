import json
import time
from functools import partial

import pytest

from benchmarks.harness import compare
from sc2lib.errors import InputError
from sc2lib.evaluation.peers import COLUMNS, Comparison, described, origins, read_comparisons, read_quality
from sc2lib.evaluation.pictures import LABEL_CHARACTERS, peer_ratios


def row(contender, seconds, ours=1.0, memory=100, **change):
    rows = {"benchmark": "hashing", "chapter": "04", "what": "signatures", "contender": contender, "version": "1.0"}
    rows |= {"unit": "MB", "amount": 10.0, "seconds": seconds, "rate": 10 / seconds, "peak_memory_bytes": memory}
    rows |= {"ratio": seconds / ours, "repeats": 3, "seconds_low": 0.9 * seconds, "seconds_high": 1.2 * seconds}
    return rows | {"machine": "x86_64", "cores": 2, "commit": "abc", "when": "2026-01-01"} | change


def test_what_the_harness_writes_is_read(tmp_path):
    contenders = {"ours": partial(time.sleep, 0.01), "numpy": partial(time.sleep, 0.2)}
    rows = compare("sleep", "18", "to sleep", "nap", 1, contenders, repeats=1, folder=tmp_path)
    (found,) = read_comparisons(tmp_path)
    assert found.rows == tuple(rows) and rows[0].keys() == COLUMNS
    assert found.fastest is found.ours and found.standing.startswith("we, ")
    assert described(found.peers[0], found)[0].startswith("numpy ") and origins([found])[0][4] == rows[0]["when"]


def test_a_peer_that_wins_is_named():
    found = Comparison.of([row("ours", 1.0), row("slow", 4.0, memory=10), row("quick", 0.5, memory=900)])
    assert found.standing == "**quick**, 2.0 times as fast as we"
    assert found.leanest["contender"] == "slow"
    assert [described(each, found)[0] for each in found.rows] == ["ours", "slow 1.0", "**quick 1.0**"]
    assert described(found.peers[1], found)[1:] == ("20 MB/s", "0.5 (0.45–0.6)", "900 B", "0.50")


def test_one_call_has_no_range_and_our_version_stands_with_the_commit():
    ours = row("ours", 120.0, repeats=1)
    assert described(ours, Comparison.of([ours]))[:3] == ("**ours**", "0.0833 MB/s", "120")
    assert origins([Comparison.of([ours])]) == [("x86_64", "2", "1.0", "abc", "2026-01-01")]


def test_we_win_over_the_best_peer_and_on_equal_terms():
    assert Comparison.of([row("ours", 1.0), row("a", 9.0), row("b", 3.0)]).standing == "we, 3.0 times as fast as b"
    assert Comparison.of([row("ours", 1.0), row("a", 1.0)]).fastest["contender"] == "ours"
    assert Comparison.of([row("ours", 1.0)]).standing == "no peer was measured"


def test_files_are_grouped_by_work_and_ordered_by_chapter(tmp_path):
    both = [row("ours", 1.0), row("a", 2.0), row("ours", 1.0, what="pairs"), row("a", 2.0, what="pairs")]
    (tmp_path / "b.json").write_text(json.dumps(both))
    (tmp_path / "c.json").write_text(json.dumps([row("ours", 1.0, chapter="02", benchmark="licences")]))
    found = read_comparisons(tmp_path)
    assert [(each.ours["chapter"], each.ours["what"]) for each in found] == [
        ("02", "signatures"),
        ("04", "pairs"),
        ("04", "signatures"),
    ]
    assert [len(each.peers) for each in found] == [0, 1, 1]


def test_no_folder_is_no_comparison_unless_it_was_asked_for(tmp_path):
    assert read_comparisons(tmp_path / "none") == []
    with pytest.raises(InputError, match="make bench"):
        read_comparisons(tmp_path / "none", required=True)


@pytest.mark.parametrize("content", ["{", "[1]", '[{"what": "x"}]', "3"])
def test_a_file_of_another_kind_is_refused(tmp_path, content):
    (tmp_path / "x.json").write_text(content)
    with pytest.raises(InputError, match=r"x\.json.*delete it and run: make bench"):
        read_comparisons(tmp_path)


def test_quality_is_put_into_words_without_lists(tmp_path):
    assert read_quality(tmp_path) == []
    (tmp_path / "quality").mkdir()
    rows = [{"contender": "ours", "recall": 0.995, "found_by_kind": {"key": [2, 2]}, "lines_elsewhere": 3}]
    (tmp_path / "quality" / "redaction_quality.json").write_text(json.dumps(rows))
    assert read_quality(tmp_path) == [("redaction quality", "ours", "recall 0.995, lines elsewhere 3")]
    (tmp_path / "quality" / "other.json").write_text("[1]")
    with pytest.raises(InputError, match=r"other\.json"):
        read_quality(tmp_path)


def test_a_faster_peer_stands_left_of_the_line_in_red():
    axes = peer_ratios([Comparison.of([row("ours", 1.0), row("slow", 4.0), row("quick", 0.5)])]).axes[0]
    dots = [line for line in axes.lines if line.get_marker() == "o"]
    assert [line.get_xdata()[0] for line in dots] == [4.0, 0.5]
    assert dots[0].get_color() != dots[1].get_color()
    assert [label.get_text() for label in axes.get_yticklabels()] == ["signatures: slow", "signatures: quick"]


def test_a_long_label_leaves_room_for_the_axis():
    named = row("quick", 0.5) | {"what": "text to signature of 256 positions, one core, start-up included"}
    label = peer_ratios([Comparison.of([row("ours", 1.0), named])]).axes[0].get_yticklabels()[0].get_text()
    assert max(map(len, label.split("\n"))) <= LABEL_CHARACTERS and label.replace("\n", " ").endswith("included: quick")
