"""The row of a document, and the identity of its content."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sc2lib.documents.records import Document, Provenance, files_of, table, totals
from sc2lib.tables import DOCUMENTS

segments = st.lists(
    st.tuples(st.sampled_from([None, "<file_sep>", ""]), st.text(st.characters(exclude_categories=["Cs"]), max_size=5)),
    max_size=4,
)


@given(segments, segments)
def test_ids_are_equal_exactly_when_the_segments_are(first, second):
    a, b = (Document("code", "r", "train", found) for found in (first, second))
    assert (a.document_id == b.document_id) == (first == second)


def test_a_table_has_the_contract_s_schema_and_a_fixed_order():
    origin = Provenance("ab" * 20, "/a.py", "Python", "permissive", 1)
    documents = [
        Document("code", "z", "train", [("<file_sep>", "é")], [origin]),
        Document("code", "a", "validation", [("<file_sep>", "b")]),
        Document("code", None, "train", []),
    ]
    made = table(documents)
    assert made.schema == DOCUMENTS
    assert made == table(documents[::-1])
    assert made["repo_name"].to_pylist() == [None, "a", "z"]
    assert made["length_bytes"].to_pylist() == [0, 1, 2]
    assert made["files"][2].as_py() == [vars(origin)]
    assert table([]).schema == DOCUMENTS


def test_a_document_cannot_be_changed():
    with pytest.raises(AttributeError):
        Document("code", "r", "train", []).split = "validation"


def test_totals_are_counted_by_source():
    made = table(
        [
            Document("documentation", "a", "train", [(None, "é")]),
            Document("jupyter_scripts", "a", "train", [("<jupyter_script>", "x")]),
            Document("documentation", "b", "validation", [(None, "abc")]),
        ]
    )
    assert totals(made) == {
        "documentation": {"documents": 2, "bytes": 5, "validation_documents": 1},
        "jupyter_scripts": {"documents": 1, "bytes": 1, "validation_documents": 0},
    }
    assert totals(table([])) == {}


def test_a_file_has_the_segments_up_to_the_next_one():
    parts = [("<jupyter_start>", ""), ("<jupyter_text>", "a"), ("<jupyter_code>", "b"), ("<file_sep>", "c")]
    origins = [Provenance("0" * 40, f"/{place}", None, None, place) for place in (1, 3)]
    (row,) = table([Document("code", "r", "train", parts, origins)]).to_pylist()
    texts = {file["path"]: [part["text"] for part in segments] for file, segments in files_of(row)}
    assert texts == {"/1": ["a", "b"], "/3": ["c"]}
