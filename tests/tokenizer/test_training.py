"""Training: the same file each time, special tokens first, a smaller vocabulary is the start of a larger one."""

import json
from collections import Counter
from itertools import pairwise

import pytest

from sc2lib.documents.records import Document, table
from sc2lib.errors import InputError, ParameterError
from sc2lib.files import write_parquet
from sc2lib.tokenizer import training
from sc2lib.tokenizer.byte_level import to_characters
from sc2lib.tokenizer.encoding import Tokenizer
from sc2lib.tokenizer.special_tokens import SPECIAL_TOKENS
from sc2lib.tokenizer.words import words


@pytest.fixture
def shards(texts, tmp_path):
    documents = [
        Document("code", f"pypi/{index}", "train" if index else "validation", [("<file_sep>", text)])
        for index, text in enumerate(texts)
    ]
    paths = [tmp_path / "documents" / f"part-{index:05d}.parquet" for index in range(2)]
    for index, path in enumerate(paths):
        write_parquet(path, table(documents[index::2]))
    return paths


def test_training_twice_gives_the_same_bytes(shards, tmp_path):
    for name in ("a", "b"):
        training.train_from_documents(tmp_path / name, shards, 700, 200_000, 400_000, seed=1)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_vocabulary_holds_specials_bytes_then_merges(texts):
    state = json.loads(training.train(texts, 600).to_str())
    vocabulary = sorted(state["model"]["vocab"], key=state["model"]["vocab"].get)
    assert vocabulary[:38] == list(SPECIAL_TOKENS)
    assert all(len(token) == 1 for token in vocabulary[38:294])
    assert ["".join(merge) for merge in state["model"]["merges"]] == vocabulary[294:]
    assert all(token["special"] for token in state["added_tokens"])


def test_the_first_merge_is_the_most_frequent_pair(texts):
    # Counted apart from the trainer, on bytes of the library's own words.
    counts: Counter[tuple[str, str]] = Counter()
    for text in texts:
        for word in words(text):
            characters = to_characters(word.encode())
            counts.update(pairwise(characters))
    first = json.loads(training.train(texts, 300).to_str())["model"]["merges"][0]
    assert counts[tuple(first)] == max(counts.values())


def test_a_smaller_vocabulary_is_the_start_of_a_larger_one(texts):
    large = training.train(texts, 900)
    assert training.truncate(large, 500).to_str() == training.train(texts, 500).to_str()


def test_special_tokens_in_the_text_are_not_learnt(texts):
    marked = [text.replace("\n", "<EMAIL><file_sep>\n") for text in texts]
    assert training.train(marked, 500).to_str() == training.train(texts, 500).to_str()


def test_a_vocabulary_without_room_is_refused(texts):
    with pytest.raises(ParameterError, match="below 294"):
        training.train(texts, 293)


def test_a_sample_too_small_for_the_vocabulary_is_refused(shards, tmp_path):
    with pytest.raises(InputError, match="of 60,000 tokens; raise tokenizer_sample_bytes, or lower voc"):
        training.train_from_documents(tmp_path / "t", shards, 60_000, 200_000, 400_000, seed=1)
    with pytest.raises(InputError, match="give a source with more files"):  # a larger sample there is none
        training.train_from_documents(tmp_path / "t", shards, 60_000, 400_000, 400_000, seed=1)


def test_the_sample_keeps_its_share_and_never_sees_validation(shards, texts):
    everything = "".join(training.sample(shards, 1.0, seed=1))
    assert len(everything) == sum(map(len, texts[1:]))
    half = sum(map(len, training.sample(shards, 0.5, seed=1)))
    assert 0.1 < half / len(everything) < 0.9
    assert list(training.sample(shards, 0.0, seed=1)) == []


def test_the_trained_file_loads(shards, tmp_path):
    training.train_from_documents(tmp_path / "t.json", shards, 500, 10**9, 10**6, seed=1)
    assert Tokenizer.load(tmp_path / "t.json").vocabulary_size == 500
