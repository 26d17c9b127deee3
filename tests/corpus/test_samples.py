"""Samples by language: whole files first, no more than asked, of one split only."""

import pytest

from sc2lib.corpus import samples
from sc2lib.documents.records import Document, Provenance, table
from sc2lib.files import write_parquet


@pytest.fixture
def shards(tmp_path):
    def origin(language, segment):
        return Provenance("0" * 40, "/a", language, None, segment)

    code = [("<repo_name>", "a"), ("<file_sep>", "ééé"), ("<file_sep>", "int x;")]
    notebook = [("<jupyter_start>", ""), ("<jupyter_text>", "why"), ("<jupyter_code>", "x")]
    documents = [
        Document("code", "a", "train", code, [origin("Python", 1), origin("C", 2)]),
        Document("code", "b", "validation", [("<file_sep>", "held out")], [origin("Python", 0)]),
        Document("jupyter_structured", "c", "train", notebook, [origin(None, 1)]),
    ]
    path = tmp_path / "part-00000.parquet"
    write_parquet(path, table(documents))
    return [path]


def test_texts_of_one_split_come_with_their_language(shards):
    assert list(samples.texts(shards, "train")) == [("Python", "ééé"), ("C", "int x;"), ("unknown", "whyx")]
    assert list(samples.texts(shards, "validation")) == [("Python", "held out")]


def test_a_limit_cuts_at_a_character_and_stops(shards):
    assert samples.by_language(shards * 2, "train", 5) == {"C": ["int x"], "unknown": ["whyx", "w"], "Python": ["éé"]}
    assert samples.by_language(shards, "train", 100, smallest=5) == {"C": ["int x;"], "Python": ["ééé"]}
