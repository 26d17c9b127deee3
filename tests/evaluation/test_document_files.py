import pyarrow as pa
import pytest

from sc2lib.errors import InputError
from sc2lib.evaluation.document_files import document_files, held_out, largest_languages
from sc2lib.tables import DOCUMENTS


def document(identifier, split, segments, files, source="code"):
    return {
        "document_id": identifier,
        "source": source,
        "repo_name": "someone/project",
        "split": split,
        "segments": [{"token": token, "text": text} for token, text in segments],
        "files": [
            {"blob_id": blob, "path": path, "language": "Python", "license_type": "permissive", "segment": segment}
            for blob, path, segment in files
        ],
        "length_bytes": 0,
    }


DOCUMENT_ROWS = [
    document(
        "named",
        "validation",
        [("<repo_name>", "someone/project"), ("<file_sep>", "a.py\nx = 1\n"), ("<file_sep>", "b.py\nb.py\n")],
        [("aa", "/a.py", 1), ("bb", "/b.py", 2)],
    ),
    document("bare", "validation", [("<file_sep>", "c.py\n")], [("cc", "/c.py", 0)]),
    document("train", "train", [("<file_sep>", "y = 2\n")], [("dd", "/d.py", 0)]),
    document(
        "notebook",
        "validation",
        [("<jupyter_start>", ""), ("<jupyter_text>", "Title"), ("<jupyter_code>", "z = 3")],
        [("ee", "/e.ipynb", 0)],
        source="jupyter_structured",
    ),
]


def test_a_file_is_its_text_without_the_path_the_document_put_before_it():
    files = document_files(pa.Table.from_pylist(DOCUMENT_ROWS, DOCUMENTS), "validation", ("code",))
    assert files["text"].to_pylist() == ["x = 1\n", "b.py\n", "c.py\n"]
    assert files["blob_id"].to_pylist() == ["aa", "bb", "cc"]
    assert files["document_id"].to_pylist() == ["named", "named", "bare"]


def test_a_file_of_several_segments_arrives_whole():
    files = document_files(pa.Table.from_pylist(DOCUMENT_ROWS, DOCUMENTS), "validation")
    assert files["text"].to_pylist()[-1] == "\nTitle\nz = 3"


def test_splits_stay_apart():
    files = document_files(pa.Table.from_pylist(DOCUMENT_ROWS, DOCUMENTS), "train")
    assert files["blob_id"].to_pylist() == ["dd"]


def test_held_out_files_are_code_of_the_validation_split_up_to_a_size():
    documents = pa.Table.from_pylist(DOCUMENT_ROWS, DOCUMENTS)
    assert held_out(documents, 100)["blob_id"].to_pylist() == ["aa", "bb", "cc"]
    assert held_out(documents, 6)["blob_id"].to_pylist() == ["aa"]
    assert held_out(documents, 7)["blob_id"].to_pylist() == ["aa", "bb"]


def test_languages_are_ordered_by_bytes_then_name():
    files = pa.table({"language": ["C", "Go", "Ada", "Go"], "text": ["xx", "é", "xx", "x"]})
    assert largest_languages(files, 2) == ["Go", "Ada"]
    assert largest_languages(files, 9) == ["Go", "Ada", "C"]
    with pytest.raises(InputError, match="no code was held out"):
        largest_languages(files.slice(0, 0), 2)
