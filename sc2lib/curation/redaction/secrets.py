"""Keys and passwords in text, by rules that are data (``secret_rules.yaml``).

One pass of an Aho-Corasick automaton over the lower-cased text finds which rules' keywords occur; only those rules'
expressions run, in RE2, whose time is linear in the text. What an expression finds is a secret if it is random
enough, reads like no word where the rule asks for it, and is no placeholder. The paper finds keys with StarPII, a
tagger of 800 A100 hours, and keeps those that a gibberish detector confirms (bigcode-project/bigcode-dataset).
"""

import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import ahocorasick
import re2
import yaml

from sc2lib.curation.redaction.gibberish import surprise
from sc2lib.curation.redaction.spans import Span, compile_linear
from sc2lib.errors import InputError

SHORTEST = {"KEY": 9, "PASSWORD": 4}  # characters; the paper's code ignores keys of 8 and any value of 3
DIGEST = compile_linear(r"^(?:[0-9A-Fa-f]{32}|[0-9A-Fa-f]{40}|[0-9A-Fa-f]{64})$")
_WORD = re.compile(r"[A-Z]+[a-z]*|[a-z]+|[0-9]+")  # of a value: RE2 is slower on short texts
LEAST_BESIDE = 4  # letters and digits beside the word "password", as in "Password2024!"
DIGEST_WORDS = ("sha", "md5", "hash", "byte")
HEXADECIMAL = compile_linear(r"^[0-9A-Fa-f-]+$")
LEAST_SURPRISE = 5.2  # bits a step; 99% of random strings of 16 letters and digits have more, 99% of identifiers less


@dataclass(frozen=True)
class SecretRule:
    """A kind of secret: an expression whose first group is the secret, and conditions.

    The expression runs only on a text that has one of the keywords; without keywords it runs on every text.
    """

    id: str
    kind: str
    keywords: tuple[str, ...]
    regex: str
    entropy: float = 0.0
    needs_digit: bool = False
    unless_digest: bool = False
    gibberish: bool = False
    unless: str = ""
    positive: tuple[str, ...] = ()
    negative: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.kind not in SHORTEST:
            raise InputError(f"secret rule {self.id!r} has the kind {self.kind!r}; give {' or '.join(SHORTEST)}")
        try:
            groups = compile_linear(self.regex).groups
            compile_linear(self.unless)
        except re2.error as error:
            raise InputError(f"the expression of secret rule {self.id!r} is no RE2: {error}") from error
        if groups < 1 or any(word != word.lower() for word in self.keywords):
            raise InputError(f"secret rule {self.id!r} needs a group, and its keywords in lower case")


@dataclass(frozen=True)
class Placeholders:
    """What makes a value an example, all in lower case.

    Something it holds ``anywhere``; one of its ``words``; or the words in ``alone``, with too little beside them to be
    a secret: people put "password" into their passwords. Into a key nobody puts "token"; what holds it is a name, such
    as ``LayoutLMv3Tokenizer``.
    """

    anywhere: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    alone: tuple[str, ...] = ()

    def match(self, value: str, kind: str) -> bool:
        """Whether a value of that kind is an example."""
        lowered = value.lower()
        if any(piece in lowered for piece in (self.anywhere if kind == "PASSWORD" else self.anywhere + self.alone)):
            return True
        if not any(word in lowered for word in self.words + self.alone):
            return False  # nearly always, and ten times as fast
        words = [word.lower() for word in _WORD.findall(value)]
        if any(word in self.words for word in words):
            return True
        beside = [word for word in words if word not in self.alone]
        return len(beside) < len(words) and sum(map(len, beside)) < LEAST_BESIDE


class SecretFinder:
    """Applies rules to texts; building one costs a few milliseconds, so keep it."""

    def __init__(self, rules: Sequence[SecretRule], placeholders: Placeholders = Placeholders()) -> None:
        self.rules = tuple(rules)
        self.placeholders = placeholders
        self._expressions = [compile_linear(rule.regex) for rule in rules]
        self._exceptions = {rule.id: compile_linear(rule.unless) for rule in rules if rule.unless}
        by_keyword: dict[str, list[int]] = {}
        for number, rule in enumerate(rules):
            for keyword in rule.keywords:
                by_keyword.setdefault(keyword, []).append(number)
        self._always = [number for number, rule in enumerate(rules) if not rule.keywords]
        self._keywords = ahocorasick.Automaton()
        for keyword, numbers in by_keyword.items():
            self._keywords.add_word(keyword, tuple(numbers))
        self._keywords.make_automaton()

    # docs: start-find
    def find(self, text: str) -> Iterator[Span]:
        """Spans of the secrets of a text, which may overlap; `sc2lib.curation.redaction.spans.settle` decides."""
        lowered = text.lower()
        searched = text.encode() if text.isascii() else text  # encoded once, not once a rule; places are the same
        present: set[tuple[int, ...]] = set()
        if len(self._keywords):
            present.update(numbers for _, numbers in self._keywords.iter(lowered))
        for number in sorted({*self._always, *(number for numbers in present for number in numbers)}):
            rule, of_digests = self.rules[number], None
            for match in self._expressions[number].finditer(searched):
                start, end = match.span(1)
                if rule.unless_digest and of_digests is None:
                    of_digests = speaks_of_digests(lowered)
                if self._verdict(rule, text, start, end, bool(of_digests)) == "secret":
                    yield Span(start, end, rule.kind, rule.id)

    def _verdict(self, rule: SecretRule, text: str, start: int, end: int, of_digests: bool) -> str:
        value = text[start:end]
        if len(value) < SHORTEST[rule.kind] or len(set(value)) < 5:
            return "too short or uniform"
        if shannon_entropy(value) < rule.entropy:
            return "not random enough"
        if rule.needs_digit and not (any(character.isdigit() for character in value) or is_noise(value)):
            return "without a digit"
        if self.placeholders.match(value, rule.kind):
            return "a placeholder"
        if rule.unless and self._exceptions[rule.id].fullmatch(value):
            return "an exception of the rule"
        if rule.gibberish and not is_gibberish(value):
            return "made of words"
        if rule.unless_digest and is_digest(value, text, start, of_digests):
            return "a digest"
        return "secret"

    # docs: end-find

    def verdicts(self, text: str, rule_id: str) -> list[str]:
        """What is said of every value that the rule's expression finds in a text: ``secret``, or why it is none."""
        number = next(index for index, rule in enumerate(self.rules) if rule.id == rule_id)
        rule = self.rules[number]
        lowered = text.lower()
        if rule.keywords and not any(keyword in lowered for keyword in rule.keywords):
            return []
        of_digests = speaks_of_digests(lowered)
        places = (match.span(1) for match in self._expressions[number].finditer(text))
        return [self._verdict(rule, text, start, end, of_digests) for start, end in places]


def shannon_entropy(value: str) -> float:
    """Bits per character of a string by the frequencies of its own characters, 0 for an empty one."""
    total = len(value)
    return -sum(count / total * math.log2(count / total) for count in Counter(value).values()) if total else 0.0


def is_gibberish(value: str) -> bool:
    """Hexadecimal, or less like words than `LEAST_SURPRISE` allows."""
    return bool(HEXADECIMAL.match(value)) or surprise(value) >= LEAST_SURPRISE


def is_noise(value: str) -> bool:
    """Letters in both cases that no word has, not even a foreign one with a capital: ``gWqzTxhKp``."""
    return not value[1:].islower() and not value.isupper() and surprise(value) >= LEAST_SURPRISE + 0.8


def is_digest(value: str, text: str, start: int, of_digests: bool) -> bool:
    """A hexadecimal string of a digest's length on a line that speaks of digests, or in a file that does."""
    if not DIGEST.match(value):
        return False
    if of_digests:
        return True
    around = text[max(start - 200, 0) : start + 200]  # a line may be a megabyte long
    before = around[: min(start, 200)].rpartition("\n")[2]
    line = (before + around[min(start, 200) :].partition("\n")[0]).lower()
    return any(word in line for word in DIGEST_WORDS)


def speaks_of_digests(lowered: str) -> bool:
    """A file does if it says "sha" or "hash" more often than once in fifty lines (V, bigcode-dataset)."""
    return lowered.count("sha") + lowered.count("hash") > 0.02 * (lowered.count("\n") + 1)


SHORTEST_REPEAT = {"KEY": 12, "PASSWORD": 8}  # shorter values may be ordinary words elsewhere,
SHORTEST_QUOTED = 5  # but not as a whole text in quotes
_QUOTES = ('"', "'", "`")


def repeats(text: str, secrets: Sequence[Span]) -> Iterator[Span]:
    """Every other place of the secrets found in a text: what is a key on one line is one on all others.

    A short one counts only between quotes. One pass for all values, longest first, so a text of nothing but secrets
    costs no more per character.
    """
    values = {text[span.start : span.end]: span.kind for span in secrets}
    values = {value: kind for value, kind in values.items() if len(value) >= SHORTEST_QUOTED}
    if not values:
        return
    automaton = ahocorasick.Automaton()
    for value, kind in sorted(values.items()):
        automaton.add_word(value, (len(value), kind))
    automaton.make_automaton()
    for last, (length, kind) in automaton.iter_long(text):
        start, end = last - length + 1, last + 1
        before, after = text[max(start - 1, 0) : start], text[end : end + 1]
        quoted = before in _QUOTES and before == after
        if quoted or (length >= SHORTEST_REPEAT[kind] and not (before.isalnum() or after.isalnum())):
            yield Span(start, end, kind, "repeat")


def load_rules(document: str) -> tuple[list[SecretRule], Placeholders]:
    """Rules and placeholders of a YAML document in the format of ``secret_rules.yaml``."""
    table = yaml.load(document, getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # seven times faster, where it exists
    rules = []
    for entry in table["rules"]:
        values: dict[str, Any] = dict(entry)
        for name, term in table.get("terms", {}).items():
            if f"{{{name}}}" in values["regex"]:
                values["regex"] = values["regex"].replace(f"{{{name}}}", term["regex"])
                values["keywords"] = [*values["keywords"], *term.get("keywords", ())]
        for name in ("positive", "negative"):
            values[name] = tuple("".join(pieces) for pieces in values.get(name, ()))
        rules.append(SecretRule(**values | {"keywords": tuple(values["keywords"])}))
    placeholders = {name: tuple(words) for name, words in table.get("placeholders", {}).items()}
    return rules, Placeholders(**placeholders)


@cache
def default_finder() -> SecretFinder:
    """The finder of the rules shipped with the package."""
    document = files("sc2lib.curation.redaction").joinpath("secret_rules.yaml").read_text(encoding="utf-8")
    return SecretFinder(*load_rules(document))
