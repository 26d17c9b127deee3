from pathlib import Path

import pyarrow.parquet as pq
import pytest

from sc2lib.training.metrics import METRICS, MetricsFile, read_metrics, write_metrics


@pytest.fixture
def log(tmp_path: Path) -> MetricsFile:
    log = MetricsFile(tmp_path / "metrics.csv")
    log.rewind(None)
    for step in range(1, 6):
        row = {"tokens": step * 100, "split": "train", "loss": 1 / step, "grad_norm": 0.1 + 0.2}
        log.log_metrics(row | {"learning_rate": 1e-3}, step)
    return log


def test_rows_come_back_exactly(log: MetricsFile) -> None:
    table = read_metrics(log.path)
    assert table.schema == METRICS
    assert table["loss"].to_pylist() == [1 / step for step in range(1, 6)]
    assert table["grad_norm"][0].as_py() == 0.1 + 0.2
    assert table["bits_per_byte"].null_count == 5


def test_rewind_cuts_off_what_came_after(log: MetricsFile) -> None:
    log.rewind(3)
    assert read_metrics(log.path)["step"].to_pylist() == [1, 2, 3]


def test_a_torn_last_row_is_not_read(log: MetricsFile) -> None:
    with log.path.open("a") as file:
        file.write("6,600,tra")
    assert read_metrics(log.path)["step"].to_pylist() == [1, 2, 3, 4, 5]
    log.rewind(5)
    assert log.path.read_text().count("\n") == 6


def test_rewound_and_repeated_is_byte_identical(log: MetricsFile) -> None:
    before = log.path.read_bytes()
    log.rewind(4)
    row = {"tokens": 500, "split": "train", "loss": 1 / 5, "grad_norm": 0.1 + 0.2, "learning_rate": 1e-3}
    log.log_metrics(row, 5)
    assert log.path.read_bytes() == before


def test_parquet(log: MetricsFile, tmp_path: Path) -> None:
    write_metrics(tmp_path / "metrics.parquet", log.path)
    assert pq.read_table(tmp_path / "metrics.parquet").equals(read_metrics(log.path))
    assert read_metrics(tmp_path / "none.csv").num_rows == 0
