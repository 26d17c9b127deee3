"""From windows back to documents, which are laid out by hand."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from sc2lib.training.provenance import Origin, narrowed, origins
from tests.training.conftest import Corpus


def test_windows_are_traced_to_their_documents(corpus: Corpus, training_tables: dict[str, str]) -> None:
    """A window of 64 reads 65 tokens, so the window before an edge holds the first token after it."""
    size = corpus.train.stat().st_size // 2
    edge = size // 5
    crossing = (edge - 1) // 64
    found = origins([crossing], 64, **training_tables)
    assert [origin.document_id for origin in found] == ["d0", "d1"]
    assert found[0] == Origin("d0", "code", "pypi/p0", ("/0/a.py", "/0/b.py"))
    assert [origin.document_id for origin in origins([0, 1], 64, **training_tables)] == ["d0"]
    assert origins([0], 64, training_tables["token_index"], None)[0].paths == ()
    assert origins([0], 64, None, None) == []


def test_only_the_files_inside_a_window_are_named(tmp_path: Path) -> None:
    """A document of three files, the first behind the repository's name; each window of 4 reads 5 tokens."""
    tokens = np.array([1, 7, 9, 8, 8, 8, 9, 8, 8, 8, 8, 8, 8, 9, 8, 8, 8, 8], np.uint16)  # 9 begins a file
    row = {"document_id": "d", "split": "train", "start": 0, "end": 18, "source": "code", "repo_name": "r"}
    files = {"document_id": "d", "files": [{"path": name} for name in "abc"]}
    for name, table in (("index", row), ("documents", files)):
        (tmp_path / name).mkdir()
        pq.write_table(pa.Table.from_pylist([table]), tmp_path / name / "part-00000.parquet")
    named = [
        "".join(origins([window], 4, str(tmp_path / "index"), str(tmp_path / "documents"), tokens, 9)[0].paths)
        for window in range(4)
    ]
    assert named == ["a", "ab", "b", "bc"]


def test_questions_about_parts_read_the_tables_once(corpus: Corpus, training_tables: dict[str, str]) -> None:
    size = corpus.train.stat().st_size // 2
    count = (size - 1) // 64
    for windows in ([0], [count - 1], [3, 40, 41], list(range(count)), [(size // 5 - 1) // 64]):
        index, documents = narrowed(windows, 64, **training_tables)
        assert index is not None and index.num_rows == len(origins(windows, 64, **training_tables))
        for window in windows:
            assert origins([window], 64, index, documents) == origins([window], 64, **training_tables)
    assert narrowed([0], 64, None) == (None, None)
