import numpy as np

from sc2lib.dedup import arrays
from sc2lib.dedup.costs import Meter, estimates, opened_by_step, seconds_to_open, shared_keys, sketch_bytes
from sc2lib.dedup.engine import deduplicate
from sc2lib.dedup.options import DedupOptions
from sc2lib.dedup.sketches import sketch_piece
from tests.dedup.corpus import pieces_of, serial, texts


def test_costs_grow_with_the_bytes_and_the_cores():
    (found,) = estimates({"sketch": 10.0}, measured_bytes=500e6, cores=2, corpus_bytes=3600 * 25e6)
    assert found.megabytes_per_core_second == 25
    assert found.core_hours == 1


def test_openings_add_to_the_step_that_makes_them():
    seconds = {"sketch": 10.0, "join": 10.0}
    sketch, join = estimates(seconds, 500e6, 2, 3600 * 25e6, opened={"join": 7200}, seconds_each=0.5)
    assert (sketch.core_hours, sketch.opening_hours) == (1, 0)
    assert (join.core_hours, join.opening_hours) == (2, 1)


def test_ten_times_the_archive_opens_little_more_than_ten_times_as_much():
    small, large = (
        opened_by_step(2e5 * times, 3.3e8 * times, DedupOptions(), linked_share=0.5, shared_keys=3) for times in (1, 10)
    )
    for step in ("join", "verify"):
        assert 10 * small[step] <= large[step] < 20 * small[step]
    each_taker_each_piece = 2e6 * 3.3e9 * 32 / 2**21
    assert large["join"] - 3.3e9 * 3 < each_taker_each_piece / 150


def test_a_finished_run_says_how_many_keys_are_shared_and_what_opening_costs(tmp_path):
    deduplicate(pieces_of(texts()), tmp_path, DedupOptions(), serial)
    keys = np.concatenate([arrays.load(path, "sorted_keys") for path in (tmp_path / "sketches").iterdir()])
    _, counts = np.unique(keys, return_counts=True)
    assert shared_keys(tmp_path) == counts[counts > 1].sum() > 0
    assert 0 < seconds_to_open(tmp_path / "sketches" / "00000", 20) < 0.1


def test_a_meter_adds_the_time_of_equal_steps_across_interruptions(tmp_path):
    def mapper(function, items, label):
        return [function(item) for item in items]

    meter = Meter(mapper, tmp_path / "seconds.json")
    assert meter(len, ["ab", "c"], "x") == [2, 1]
    first = meter.seconds["x"]
    again = Meter(mapper, tmp_path / "seconds.json")
    again(len, ["ab"], "x")
    assert again.seconds["x"] > first > 0


def test_the_bytes_of_a_sketch_are_those_written(tmp_path):
    (piece,) = pieces_of(texts(), 1)
    sketch_piece((piece, DedupOptions(), tmp_path / "s", False))
    written = sum(path.stat().st_size - 128 for path in (tmp_path / "s").glob("*.npy"))  # NumPy's header
    assert written == piece.count() * sketch_bytes(DedupOptions())
