"""The special tokens against the published list, and against the sentinels that other modules write."""

import re
from pathlib import Path

import sc2lib
from sc2lib.tokenizer.special_tokens import PLACEHOLDERS, SENTINELS, SPECIAL_TOKENS, TOKEN_IDS

PACKAGE = Path(sc2lib.__file__).parent


def test_ids_are_those_of_the_released_tokenizer():
    # Ids 0 to 8 were read in tokenizer_config.json; the rest follows from the order of special_tokens_map.json.
    released = ["<|endoftext|>", "<fim_prefix>", "<fim_middle>", "<fim_suffix>", "<fim_pad>", "<repo_name>"]
    released += ["<file_sep>", "<issue_start>", "<issue_comment>"]
    assert list(SPECIAL_TOKENS[:9]) == released
    assert TOKEN_IDS["<pr>"] == 18
    assert TOKEN_IDS["<pr_diff_hunk_comment_line>"] == 33
    assert [TOKEN_IDS[token] for token in ("<NAME>", "<EMAIL>", "<KEY>", "<PASSWORD>")] == [34, 35, 36, 37]


def test_there_are_34_sentinels_and_4_placeholders_without_repetition():
    assert (len(SENTINELS), len(PLACEHOLDERS), len(set(SPECIAL_TOKENS))) == (34, 4, 38)


def test_every_sentinel_written_by_documents_and_corpus_is_a_special_token():
    modules = [*sorted((PACKAGE / "documents").glob("*.py")), *sorted((PACKAGE / "corpus").glob("*.py"))]
    found = {name for path in modules for name in re.findall(r'"(<\|?[a-z_]+\|?>)"', path.read_text())}
    assert found >= {"<repo_name>", "<file_sep>", "<jupyter_start>", "<fim_pad>", "<|endoftext|>"}
    assert found <= set(SENTINELS)
