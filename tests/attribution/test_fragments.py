import inspect
import textwrap

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sc2lib.attribution.fragments import fragments, require_fragments
from sc2lib.attribution.lexing import naive_lex
from sc2lib.errors import InputError
from sc2lib.tables import DOCUMENTS

SOURCES = {"train": inspect.getsource(textwrap), "validation": inspect.getsource(pytest), "tiny": "x = 1\n"}


@pytest.fixture
def shards(tmp_path):
    paths = []
    for number, (split, text) in enumerate(SOURCES.items()):
        file = {"blob_id": split, "path": "/m.py", "language": "Python", "license_type": "permissive", "segment": 0}
        row = {
            "document_id": split,
            "source": "code",
            "repo_name": split,
            "split": "train" if split == "tiny" else split,
            "segments": [{"token": "<file_sep>", "text": text}],
            "files": [file],
            "length_bytes": 0,
        }
        paths.append(tmp_path / f"part-{number:05d}.parquet")
        pq.write_table(pa.Table.from_pylist([row], DOCUMENTS), paths[-1])
    return paths


def test_a_fragment_is_a_piece_of_a_file_of_its_split_with_so_many_tokens(shards):
    (fragment,) = fragments(shards, "train", 5, 30, seed=1)
    assert fragment.text in SOURCES["train"]
    assert fragment.blob_id == "train" and len(naive_lex(fragment.text.encode())) == 30
    assert fragments(shards, "validation", 5, 30, seed=1)[0].text in SOURCES["validation"]


def test_fragments_repeat_for_a_seed(shards):
    assert fragments(shards, "train", 1, 30, seed=1) == fragments(shards, "train", 1, 30, seed=1)
    assert fragments(shards, "train", 1, 30, seed=1) != fragments(shards, "train", 1, 30, seed=2)


def test_another_layout_has_the_same_tokens(shards):
    (fragment,) = fragments(shards, "train", 1, 50, seed=3)
    assert naive_lex(fragment.respaced.encode()) == naive_lex(fragment.text.encode())
    assert fragment.respaced != fragment.text


def test_files_too_short_for_any_fragment_are_named(shards):
    require_fragments(fragments(shards, "train", 5, 30, seed=1), 30)
    with pytest.raises(InputError, match="no training file has 30 tokens"):
        require_fragments(fragments(shards[2:], "train", 5, 30, seed=1), 30)
