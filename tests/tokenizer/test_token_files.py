"""Token files: every document where the index says, in a seeded order, within a budget."""

import numpy as np
import pyarrow as pa
import pytest

from sc2lib.documents.records import Document, table
from sc2lib.files import write_parquet
from sc2lib.tokenizer import token_files


@pytest.fixture
def documents(texts):
    made = [
        Document(
            "code",
            f"pypi/{index}",
            "validation" if index % 4 == 0 else "train",
            [("<file_sep>", text[:3000] + str(index))],
        )
        for index, text in enumerate(texts * 3)
    ]
    made.append(Document("documentation", "pypi/twin", "validation", made[1].segments))  # also in training
    return made


@pytest.fixture
def written(documents, tokenizer, tmp_path):
    tokenizer.hugging_face.save(str(tmp_path / "tokenizer.json"))
    everything = {"train": 1.0, "validation": 1.0}
    shards = []
    for index in range(3):
        encoded = token_files.encode_documents(
            table(documents[index::3]), str(tmp_path / "tokenizer.json"), seed=1, limits=everything
        )
        shards.append(tmp_path / f"part-{index:05d}.parquet")
        write_parquet(shards[-1], encoded)
    encoded = pa.concat_tables([pa.parquet.read_table(path) for path in shards])
    index = token_files.token_index(encoded.drop_columns(["tokens"]), seed=1)
    for split in token_files.SPLITS:
        token_files.write_tokens(tmp_path / f"{split}.bin", split, shards, index)
    return tmp_path, index


def test_every_document_lies_where_the_index_says(documents, written, tokenizer):
    folder, index = written
    by_id = {document.document_id: document for document in documents}
    for row in index.to_pylist():
        tokens = token_files.read_tokens(folder / f"{row['split']}.bin")[row["start"] : row["end"]]
        assert tokens[-1] == tokenizer.end_of_text
        text = "".join((token or "") + text for token, text in by_id[row["document_id"]].segments)
        assert tokenizer.decode(tokens[:-1]) == text


def test_documents_fill_the_files_without_gap_or_overlap(written):
    folder, index = written
    for split in token_files.SPLITS:
        rows = [row for row in index.to_pylist() if row["split"] == split]
        assert [row["start"] for row in rows] == [0, *(row["end"] for row in rows[:-1])]
        assert rows[-1]["end"] == len(token_files.read_tokens(folder / f"{split}.bin"))


def test_a_document_that_occurs_twice_is_kept_once_and_never_in_validation(documents, written):
    _, index = written
    ids = index["document_id"].to_pylist()
    assert len(ids) == len(set(ids)) == len(documents) - 1
    twin = next(row for row in index.to_pylist() if row["document_id"] == documents[1].document_id)
    assert (twin["split"], twin["repo_name"]) == ("train", "pypi/1")


def test_the_order_follows_the_seed_and_not_the_shards(documents, tokenizer, tmp_path):
    tokenizer.hugging_face.save(str(tmp_path / "t.json"))
    limits = {"train": 1.0, "validation": 1.0}
    orders = []
    for seed, rows in ((1, documents), (1, documents[::-1]), (2, documents)):
        encoded = token_files.encode_documents(table(rows), str(tmp_path / "t.json"), seed, limits)
        orders.append(token_files.token_index(encoded, seed)["document_id"].to_pylist())
    assert orders[0] == orders[1]
    assert orders[0] != orders[2]
    assert sorted(orders[0]) == sorted(orders[2])


@pytest.mark.parametrize("budget", [1, 5_000, 20_000, 10**9, None])
def test_a_budget_keeps_a_prefix_of_the_shuffled_order(documents, budget):
    rows = table(documents)
    limits = token_files.last_position(rows, {"train": budget, "validation": None}, seed=1)
    train = [row for row in rows.to_pylist() if row["split"] == "train"]
    train.sort(key=lambda row: token_files.position(row["document_id"], 1))
    kept = [row for row in train if token_files.position(row["document_id"], 1) <= limits["train"]]
    assert kept == train[: len(kept)]
    assert limits["validation"] == 1.0
    size = sum(row["length_bytes"] for row in kept)
    if budget is None or budget == 10**9:
        assert len(kept) == len(train)
    else:
        assert len(kept) == 1 or size <= budget
        assert size + train[len(kept)]["length_bytes"] > budget


def test_an_empty_split_is_an_empty_file(documents, tokenizer, tmp_path):
    only = [document for document in documents if document.split == "train"]
    tokenizer.hugging_face.save(str(tmp_path / "t.json"))
    limits = token_files.last_position(table(only), {"train": None, "validation": 10}, seed=1)
    encoded = token_files.encode_documents(table(only), str(tmp_path / "t.json"), 1, limits)
    index = token_files.token_index(encoded, 1)
    write_parquet(tmp_path / "part-00000.parquet", encoded)
    token_files.write_tokens(tmp_path / "validation.bin", "validation", [tmp_path / "part-00000.parquet"], index)
    assert token_files.read_tokens(tmp_path / "validation.bin").size == 0
    assert np.asarray(index["end"])[-1] == sum(index["end"].to_numpy() - index["start"].to_numpy())


def test_totals_say_what_was_used():
    listing = pa.table({"split": ["train", "train", "validation"], "length_bytes": [10, 7, 3]})
    rows = [{"split": "train", "start": 0, "end": 4, "length_bytes": 10}]
    index = pa.Table.from_pylist(rows, schema=token_files.TOKEN_INDEX)
    assert token_files.totals(index, listing) == {
        "train": {"documents": 1, "tokens": 4, "bytes": 10, "not_used_bytes": 7},
        "validation": {"documents": 0, "tokens": 0, "bytes": 0, "not_used_bytes": 3},
    }
