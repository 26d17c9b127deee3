from sc2lib.dedup.costs import Meter, estimates, sketch_bytes
from sc2lib.dedup.options import DedupOptions
from sc2lib.dedup.sketches import sketch_piece
from tests.dedup.corpus import pieces_of, texts


def test_costs_grow_with_the_bytes_and_the_cores():
    (found,) = estimates({"sketch": 10.0}, measured_bytes=500e6, cores=2, corpus_bytes=3600 * 25e6)
    assert found.megabytes_per_core_second == 25
    assert found.core_hours == 1


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
