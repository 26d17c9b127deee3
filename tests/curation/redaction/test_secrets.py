import re

import pytest

from sc2lib.curation.redaction.secrets import (
    SecretFinder,
    SecretRule,
    default_finder,
    is_digest,
    load_rules,
    repeats,
    shannon_entropy,
    speaks_of_digests,
)
from sc2lib.curation.redaction.spans import Span
from sc2lib.errors import InputError

RULES = default_finder().rules
FILLER = "import os\nfor name in sorted(os.environ):\n    print(name)  # größe\n"


def found_by(rule, text):
    return [span for span in default_finder().find(text) if span.rule == rule.id]


@pytest.mark.parametrize(("rule", "text"), [(rule, text) for rule in RULES for text in rule.positive])
def test_each_positive_example_holds_one_secret(rule, text):
    for surrounded in (text, FILLER + text + "\n" + FILLER):
        (span,) = found_by(rule, surrounded)
        assert span.kind == rule.kind
        secret = surrounded[span.start : span.end]
        assert secret in text
        assert secret == re.search(rule.regex, surrounded).group(1)  # Python's own engine agrees with RE2


@pytest.mark.parametrize(("rule", "text"), [(rule, text) for rule in RULES for text in rule.negative])
def test_no_negative_example_holds_a_secret(rule, text):
    assert found_by(rule, text) == []


def test_every_rule_has_examples_of_both_kinds():
    assert all(rule.positive and rule.negative for rule in RULES)
    assert len({rule.id for rule in RULES}) == len(RULES) >= 35


def test_the_prefilter_never_hides_a_secret():
    for rule in RULES:
        for text in rule.positive:
            assert not rule.keywords or any(keyword in text.lower() for keyword in rule.keywords)


def test_a_rule_without_keywords_runs_on_every_text():
    rule = SecretRule("x", "KEY", (), r"\b(Q[0-9a-z]{11})\b")
    assert [span.rule for span in SecretFinder([rule]).find("a Q3k9z7w1r5t8 b")] == ["x"]
    assert sum(not rule.keywords for rule in RULES) <= 4, "each costs every text"


def test_the_shipped_rules_hold_no_whole_secret():
    from importlib.resources import files

    document = files("sc2lib.curation.redaction").joinpath("secret_rules.yaml").read_text()
    assert [span.rule for span in default_finder().find(document)] == []


def test_entropy_is_in_bits_per_character():
    assert shannon_entropy("") == 0
    assert shannon_entropy("aaaa") == 0
    assert shannon_entropy("abcd") == 2


@pytest.mark.parametrize("length", [32, 40, 64])
def test_digests_are_told_by_their_line_or_their_file(length):
    value = ("0123456789abcdef" * 4)[:length]
    line = f'sha1_of_token = "{value}"\n'
    assert is_digest(value, line, 17, False)
    assert is_digest(value, "x" * 300 + "\n" + line, 318, False)
    assert is_digest(value, value, 0, True)
    assert not is_digest(value, "sha\n" * 3 + value + "\nsha", 12, False)
    assert not is_digest(value[:-1], f'sha1 = "{value[:-1]}"', 8, True)
    assert speaks_of_digests("hash\n" * 3 + value)
    assert not speaks_of_digests("sha" + "\n" * 60)


def test_a_secret_is_found_once_per_place():
    rule = next(rule for rule in RULES if rule.id == "github-token")
    assert len(found_by(rule, f"{rule.positive[0]}\n{rule.positive[0]}\n")) == 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "NAME"}, "kind"),
        ({"regex": "(?=x)(y)"}, "no RE2"),
        ({"regex": "y"}, "group"),
        ({"keywords": ("Key",)}, "lower case"),
    ],
)
def test_a_rule_that_cannot_work_is_refused(change, message):
    with pytest.raises(InputError, match=message):
        SecretRule(**({"id": "x", "kind": "KEY", "keywords": ("y",), "regex": "(y)"} | change))


def test_rules_of_ones_own_are_data():
    rules, placeholders = load_rules(
        "placeholders: {anywhere: [nope]}\n"
        "rules:\n"
        "  - {id: mine, kind: KEY, keywords: [my-], regex: '(my-[0-9a-z]{9})', positive: [[my, -12345abcd]]}\n"
    )
    finder = SecretFinder(rules, placeholders)
    assert rules[0].positive == ("my-12345abcd",)
    assert [span.rule for span in finder.find("x my-12345abcd")] == ["mine"]
    assert list(finder.find("x my-nope5abcd")) == []


@pytest.mark.parametrize(
    ("value", "verdict"),
    [
        ("aB3" * 7, "too short or uniform"),
        ("first_second_third_4", "not random enough"),
        ("parse_2_documents_from_Xml", "made of words"),
        ("abcdefghijklmnopqrstu", "without a digit"),
        ("example-1f9g8h7j6k5l4", "a placeholder"),
        ("d6f4a1b09c8e7352" * 2, "a digest"),
        ("k7Gq2Lw9Zr4Xt1Vb6N", "secret"),
    ],
)
def test_every_value_gets_a_verdict(value, verdict):
    text = f'sha_api_key = "{value}"\n'
    assert default_finder().verdicts(text, "assigned-key") == [verdict]
    assert bool(list(default_finder().find(text))) == (verdict == "secret")


def test_texts_without_a_keyword_have_no_verdict():
    assert default_finder().verdicts("x = 1", "assigned-key") == []


def test_a_secret_is_one_wherever_it_stands_but_no_part_of_a_longer_word():
    value = "k7Gq2Lw9Zr4Xt1Vb6N"
    text = f'api_key = "{value}"\nconnect({value})\n{value}z\n'
    found = list(repeats(text, list(default_finder().find(text))))
    assert [text[span.start : span.end] for span in found] == [value] * 2
    assert [text.count("\n", 0, span.start) for span in found] == [0, 1]
    assert list(repeats("short short", [Span(0, 5, "PASSWORD", "x")])) == []


@pytest.mark.parametrize(
    ("text", "places"),
    [
        ('password = "hunter2"; login("root", "hunter2")', 2),
        ("password = \"hunter2\"; login('hunter2', `hunter2`)", 3),
        ('password = "hunter2"; the_hunter2(hunter2, "a hunter2", "hunter22")', 1),  # it may be a word there
        ('password = "gWq7zTxh"; login(gWq7zTxh)', 2),
    ],
)
def test_a_short_secret_is_one_again_between_quotes(text, places):
    found = [*repeats(text, list(default_finder().find(text)))]
    assert len({text[span.start : span.end] for span in found}) == 1
    assert len(found) == places


@pytest.mark.parametrize(
    ("value", "kind", "placeholder"),
    [
        ("my-example", "PASSWORD", True),
        ("your_key", "KEY", True),
        ("yourKey", "PASSWORD", True),
        ("savourkey", "PASSWORD", False),
        ("password1", "PASSWORD", True),
        ("my-secret", "PASSWORD", True),
        ("Password2024!", "PASSWORD", False),
        ("MySecret2024!", "PASSWORD", False),
        ("hunter", "PASSWORD", False),
        ("LayoutLMv3Tokenizer", "KEY", True),
    ],
)
def test_an_example_is_told_by_its_words(value, kind, placeholder):
    assert default_finder().placeholders.match(value, kind) == placeholder
