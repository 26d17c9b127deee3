"""The tokenizer's view: equal to two independent encoders, lossless, and closed to imitated sentinels."""

import json
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer as HuggingFaceTokenizer
from tokenizers import models

from sc2lib.errors import InputError
from sc2lib.tokenizer import byte_level, encoding, training
from sc2lib.tokenizer.encoding import Tokenizer
from sc2lib.tokenizer.special_tokens import PLACEHOLDERS, SENTINELS, SPECIAL_TOKENS, TOKEN_IDS
from sc2lib.tokenizer.words import words

unicode_text = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=80)


def naive_bpe(text: str, tokenizer: Tokenizer) -> list[int]:
    """BPE as its definition says: in each word, join the pair learnt first, until no known pair is left."""
    model = json.loads(tokenizer.hugging_face.to_str())["model"]
    rank = {tuple(merge): index for index, merge in enumerate(model["merges"])}
    ids = []
    for word in words(text):
        parts = [byte_level.to_characters(bytes([byte])) for byte in word.encode()]
        while True:
            pairs = [(rank[pair], place) for place, pair in enumerate(pairwise(parts)) if pair in rank]
            if not pairs:
                break
            _, place = min(pairs)
            parts[place : place + 2] = ["".join(parts[place : place + 2])]
        ids += [model["vocab"][part] for part in parts]
    return ids


def test_real_modules_encode_as_the_library_does(tokenizer, texts):
    for text in texts:
        plain = tokenizer.hugging_face.encode(text, add_special_tokens=False).ids
        assert tokenizer.encode(text) == plain
        assert tokenizer.decode(plain) == text


def test_naive_merges_give_the_same_ids(tokenizer, texts):
    for text in texts:
        assert tokenizer.encode(text[:4000]) == naive_bpe(text[:4000], tokenizer)


def test_transformers_reads_the_file_and_agrees(tokenizer, texts, tmp_path):
    transformers = pytest.importorskip("transformers")
    tokenizer.hugging_face.save(str(tmp_path / "tokenizer.json"))
    fast = transformers.PreTrainedTokenizerFast(tokenizer_file=str(tmp_path / "tokenizer.json"))
    text = texts[0][:5000]
    assert fast(text)["input_ids"] == tokenizer.encode(text)
    assert fast.decode(tokenizer.encode(text), clean_up_tokenization_spaces=False) == text
    assert fast.convert_tokens_to_ids(list(SPECIAL_TOKENS)) == list(range(38))


@given(unicode_text)
def test_any_text_comes_back(tokenizer, text):
    ids = tokenizer.encode_array(text)
    assert ids.dtype == np.uint16
    assert tokenizer.decode(ids) == text


@given(st.lists(st.one_of(st.sampled_from(SPECIAL_TOKENS), unicode_text), max_size=6).map("".join))
def test_text_never_becomes_a_sentinel(tokenizer, text):
    ids = tokenizer.encode_array(text)
    assert not (ids < len(SENTINELS)).any()
    assert tokenizer.decode(ids) == text


@pytest.mark.parametrize("placeholder", PLACEHOLDERS)
def test_a_redaction_placeholder_is_one_token(tokenizer, placeholder):
    ids = tokenizer.encode(f"mail = {placeholder}{placeholder}\n")
    assert ids.count(TOKEN_IDS[placeholder]) == 2
    assert tokenizer.decode(ids) == f"mail = {placeholder}{placeholder}\n"


def test_a_document_is_its_sentinels_and_its_texts(tokenizer):
    ids = tokenizer.encode_segments([("<repo_name>", "a/b"), ("<file_sep>", "x.py\nx = 1\n"), (None, "<file_sep>")])
    assert ids[0] == TOKEN_IDS["<repo_name>"]
    assert (ids == TOKEN_IDS["<file_sep>"]).sum() == 1
    assert tokenizer.decode(ids) == "<repo_name>a/b<file_sep>x.py\nx = 1\n<file_sep>"
    assert tokenizer.encode_segments([]).size == 0


@given(st.lists(st.tuples(st.sampled_from(SENTINELS), unicode_text), max_size=5))
def test_segments_come_back(tokenizer, segments):
    assert tokenizer.decode_segments(tokenizer.encode_segments(segments)) == segments
    if segments:
        headless = tokenizer.encode_segments([(None, "text"), *segments])
        assert tokenizer.decode_segments(headless) == [(None, "text"), *segments]


def test_an_unknown_sentinel_is_refused(tokenizer):
    with pytest.raises(InputError, match="not a special token"):
        tokenizer.encode_segments([("<filename>", "x.py")])


def test_a_full_cache_changes_nothing(texts, tokenizer, monkeypatch):
    monkeypatch.setattr(encoding, "CACHED_WORDS", 10)
    small = Tokenizer(tokenizer.hugging_face)
    assert small.encode(texts[1]) == tokenizer.encode(texts[1])
    assert len(small._ids) == 10


def test_half_a_character_is_decoded_without_an_error(tokenizer):
    ids = tokenizer.encode("漢字")
    assert tokenizer.decode(ids[:1]) == "\ufffd"
    assert tokenizer.decode_bytes(ids[:1]) == "漢".encode()[: len(tokenizer.token_bytes(ids[0]))]


def test_another_tokenizer_is_refused(tmp_path):
    with pytest.raises(InputError, match="not the special tokens"):
        Tokenizer(HuggingFaceTokenizer(models.BPE()))
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(InputError, match=r"tokenizer\.json"):
        Tokenizer.load(tmp_path / "tokenizer.json")


def test_the_smallest_vocabulary_still_encodes_everything():
    small = Tokenizer(training.train(["abc"], 294))
    assert small.vocabulary_size == 294
    assert small.decode(small.encode("Größe 漢\x00")) == "Größe 漢\x00"
