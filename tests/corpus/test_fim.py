"""Fill-in-the-middle: nothing is lost, nothing is invented, the rates are kept."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sc2lib.corpus import fim as module
from sc2lib.corpus.fim import FimRates, fim, invert, transform
from sc2lib.errors import ParameterError

ALWAYS = FimRates(rate=1.0, fragment_rate=1.0)
unicode_text = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=60)
texts_of_a_repository = st.lists(unicode_text, min_size=1, max_size=4)


def ids(tokenizer, *segments):
    return tokenizer.encode_segments(segments)


def repository(tokenizer, texts, name=None):
    head = [("<repo_name>", name)] if name else []
    return ids(tokenizer, *head, *(("<file_sep>", text) for text in texts), ("<|endoftext|>", ""))


@given(st.lists(st.integers(0, 599), max_size=80), st.integers(0, 9))
def test_rate_zero_is_the_identity(tokenizer, tokens, seed):
    sample = np.array(tokens, np.uint16)
    assert fim(sample, tokenizer, np.random.default_rng(seed), FimRates(rate=0.0)) is sample
    rates = FimRates(rate=1.0, fragment_rate=0.0)
    several = np.append(sample, np.uint16(tokenizer.token_id("<file_sep>")))
    kept = fim(several, tokenizer, np.random.default_rng(seed), rates)
    if tokenizer.end_of_text not in tokens:
        np.testing.assert_array_equal(kept, several)


@given(unicode_text, st.integers(0, 10**6), st.sampled_from([0.0, 0.5, 1.0]))
def test_a_transformed_piece_inverts_to_its_text(tokenizer, text, seed, spm_rate):
    piece = ids(tokenizer, ("<file_sep>", text))
    made = transform(piece, tokenizer, np.random.default_rng(seed), spm_rate)
    assert made is not None
    assert made[0] == tokenizer.token_id("<file_sep>")
    assert invert(made[1:], tokenizer) == text
    for name in ("<fim_prefix>", "<fim_middle>", "<fim_suffix>"):
        assert (made == tokenizer.token_id(name)).sum() == 1
    suffix_follows_prefix = made[2] == tokenizer.token_id("<fim_suffix>")
    if spm_rate == 1.0:
        assert suffix_follows_prefix


def test_psm_and_spm_are_the_layouts_of_the_sheet(tokenizer):
    text = "def f(x):\n    return x\n"
    piece = ids(tokenizer, ("<file_sep>", text))
    for spm_rate in (0.0, 1.0):
        low, high = np.sort(np.random.default_rng(5).integers(0, len(text), size=2, endpoint=True))
        prefix, middle, suffix = text[:low], text[low:high], text[high:]
        made = tokenizer.decode(transform(piece, tokenizer, np.random.default_rng(5), spm_rate))
        psm = f"<file_sep><fim_prefix>{prefix}<fim_suffix>{suffix}<fim_middle>{middle}"
        spm = f"<file_sep><fim_prefix><fim_suffix>{suffix}<fim_middle>{prefix}{middle}"
        assert made == (spm if spm_rate else psm)


@given(texts_of_a_repository, st.integers(0, 10**6))
def test_a_whole_sequence_keeps_its_length_and_its_texts(tokenizer, texts, seed):
    tokens = repository(tokenizer, texts, "owner/name")
    room = np.concatenate([tokens, np.full(200, tokenizer.end_of_text, np.uint16)])  # so that nothing is cut
    made = fim(room, tokenizer, np.random.default_rng(seed), ALWAYS)
    assert made.shape == room.shape
    assert made.dtype == room.dtype
    separator = tokenizer.token_id("<file_sep>")
    pieces = np.split(made, np.flatnonzero(made == separator))
    assert tokenizer.decode(pieces[0]) == "<repo_name>owner/name"
    for piece, text in zip(pieces[1:], texts, strict=True):
        end = np.flatnonzero(np.append(piece, tokenizer.end_of_text) == tokenizer.end_of_text)[0]
        content = piece[1:end]
        assert invert(content, tokenizer) == text


@given(st.lists(st.integers(0, 599), min_size=1, max_size=80), st.integers(0, 10**6))
def test_any_tokens_keep_length_and_dtype(tokenizer, tokens, seed):
    sample = np.array(tokens, np.uint16)
    before = sample.copy()
    made = fim(sample, tokenizer, np.random.default_rng(seed), ALWAYS)
    assert made.shape == sample.shape
    assert made.dtype == np.uint16
    np.testing.assert_array_equal(sample, before)


def test_a_long_result_is_cut_and_a_short_one_is_padded(tokenizer):
    tokens = ids(tokenizer, (None, "x = 1\n" * 20))
    lengths = set()
    for seed in range(200):
        made = fim(tokens, tokenizer, np.random.default_rng(seed), ALWAYS)
        lengths.add(len(made))
    assert lengths == {len(tokens)}
    # Tokens that a cut text would not be encoded to become fewer when they are encoded anew: padding follows.
    single = np.array([tokenizer.token_id("<|endoftext|>"), *[tokenizer.encode(" ")[0]] * 40], np.uint16)
    made = fim(single, tokenizer, np.random.default_rng(0), ALWAYS)
    padding = tokenizer.token_id("<fim_pad>")
    assert made[-1] == padding
    assert (made == padding).sum() == len(made) - np.flatnonzero(made == padding)[0]


def test_the_name_of_the_repository_and_notebooks_are_left_alone(tokenizer):
    name = ids(tokenizer, ("<repo_name>", "owner/name"))
    notebook = ids(tokenizer, ("<jupyter_start>", ""), ("<jupyter_text>", "a"), ("<jupyter_code>", "b"))
    script = ids(tokenizer, ("<jupyter_script>", "import os\n"))
    for piece in (name, notebook, script, name[:0]):
        assert transform(piece, tokenizer, np.random.default_rng(0)) is None


def test_redaction_placeholders_are_content(tokenizer):
    piece = ids(tokenizer, (None, "write to <EMAIL> now"))
    made = transform(piece, tokenizer, np.random.default_rng(1))
    assert invert(made, tokenizer) == "write to <EMAIL> now"


def test_a_piece_cut_inside_a_character_is_left_alone(tokenizer):
    tokens = np.array(tokenizer.encode("漢字 ok"), np.uint16)[1:]
    assert transform(tokens, tokenizer, np.random.default_rng(0)) is None


def test_the_path_can_land_in_the_prefix(tokenizer):
    text = "src/main.py\nprint(1)\n"
    piece = ids(tokenizer, ("<file_sep>", text))
    prefixes = set()
    for seed in range(50):
        made = tokenizer.decode(transform(piece, tokenizer, np.random.default_rng(seed), spm_rate=0.0))
        prefixes.add(made.removeprefix("<file_sep><fim_prefix>").split("<fim_suffix>")[0])
    assert any(prefix.startswith("src/main.py\n") for prefix in prefixes)


@pytest.mark.parametrize(("rate", "fragment_rate"), [(0.5, 0.5), (1.0, 0.5), (0.5, 1.0)])
def test_rates_are_kept_over_many_repositories(tokenizer, rate, fragment_rate):
    tokens = repository(tokenizer, ["a = 1\n", "b = 2\n", "c = 3\n"])
    room = np.concatenate([tokens, np.full(20, tokenizer.end_of_text, np.uint16)])
    rng = np.random.default_rng(7)
    rates = FimRates(rate, fragment_rate)
    counts = [int((fim(room, tokenizer, rng, rates) == tokenizer.token_id("<fim_middle>")).sum()) for _ in range(3000)]
    assert abs(np.mean(counts) / 3 - rate * fragment_rate) < 0.03
    chosen = np.mean([count > 0 for count in counts])
    assert abs(chosen - rate * (1 - (1 - fragment_rate) ** 3)) < 0.03


def test_a_document_without_separator_takes_the_document_rate_alone(tokenizer):
    tokens = np.concatenate([ids(tokenizer, (None, "plain words\n")), np.full(20, tokenizer.end_of_text, np.uint16)])
    rng = np.random.default_rng(3)
    rates = FimRates(rate=1.0, fragment_rate=0.0)
    made = fim(tokens, tokenizer, rng, rates)
    assert (made == tokenizer.token_id("<fim_middle>")).sum() == 1


def test_cuts_are_uniform_over_characters_ends_included(tokenizer):
    text = "abc"
    piece = ids(tokenizer, (None, text))
    rng = np.random.default_rng(0)
    middles = [tokenizer.decode(transform(piece, tokenizer, rng, 0.0)).split("<fim_middle>")[1] for _ in range(4000)]
    # Of the 16 ordered pairs of cuts from 0 to 3, 4 give an empty middle and 2 the whole text.
    assert abs(middles.count("") / 4000 - 4 / 16) < 0.03
    assert abs(middles.count("abc") / 4000 - 2 / 16) < 0.03


def test_a_seed_repeats(tokenizer):
    tokens = repository(tokenizer, ["import os\n" * 5, "x = [1, 2]\n" * 4])
    first, second, third = (fim(tokens, tokenizer, np.random.default_rng(seed), ALWAYS) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, second)
    assert not np.array_equal(first, third)


@pytest.mark.parametrize("name", ["rate", "fragment_rate", "spm_rate"])
@pytest.mark.parametrize("value", [-0.1, 1.1, float("nan")])
def test_rates_are_probabilities(name, value):
    with pytest.raises(ParameterError, match=name):
        FimRates(**{name: value})


def test_inversion_refuses_what_is_no_piece(tokenizer):
    with pytest.raises(ValueError, match="fill-in-the-middle"):
        invert(ids(tokenizer, (None, "x")), tokenizer)
    assert module.STRUCTURE_TOKENS == 34
