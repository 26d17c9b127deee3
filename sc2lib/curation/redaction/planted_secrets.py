"""Real files with made-up secrets in known places: what a detector finds of them is its recall.

A secret is drawn from a format (`secret_formats`) with a seed, so no token is stored anywhere and none is live. It
stands in a line as people write them in a file of that ending. Decoys, which look like secrets and are none, are
planted beside them: digests, identifiers, placeholders, references to a vault. Every label is known by construction.
What nobody can label is not planted: a random string without a word that says what it is.
"""

import random
import re
import string
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass

from sc2lib.curation.redaction.secret_formats import DECOYS, LINES, NAMED, PASSWORD_LINES, PEER_LINES, TOKENS

_ALPHABETS = {
    "letter": string.ascii_letters,
    "upper": string.ascii_uppercase,
    "lower": string.ascii_lowercase,
    "digit": string.digits[1:],
    "hex": "0123456789abcdef",
    "base32": string.ascii_uppercase + "234567",
    "plate": string.ascii_uppercase + string.digits,
    "any": string.ascii_letters + string.digits,
    "url": string.ascii_letters + string.digits + "-_",
    "base64": string.ascii_letters + string.digits + "+/",
    "symbol": "!@#*^?",
}
_PIECE = re.compile(r"\[(\w+) (\d+)\]")
_PEM = "\n".join(["[base64 64]"] * 12)

_ASSIGNMENTS = {
    ".py .rb .jl .toml": ('{name} = "{value}"', "{name} = '{value}'", 'config["{name}"] = "{value}"'),
    ".js .ts .mjs .tsx .jsx": ('const {name} = "{value}";', "  {name}: '{value}',"),
    ".java .cs .go .c .cpp .h .rs .kt .swift": ('String {name} = "{value}";', '{name} := "{value}"'),
    ".json": ('  "{name}": "{value}",',),
    ".yaml .yml": ("{name}: {value}", '  {name}: "{value}"'),
    ".ini .cfg .conf .properties .env": ("{name}={value}", "{name} = {value}"),
    ".sh .bash": ('export {NAME}="{value}"', "export {NAME}={value}"),
}
_ELSEWHERE = ("    export {NAME}={value}", '    {name} = "{value}"')
_WHOLE_LINES = LINES | PASSWORD_LINES | PEER_LINES
_BARE = ('connect("{value}")', "# {value}", "see {value} for access")


@dataclass(frozen=True)
class Label:
    """Characters ``start`` to ``end`` of a file, what was planted there, and whether it is a secret."""

    start: int
    end: int
    what: str
    is_secret: bool


@dataclass(frozen=True)
class LabelledFile:
    """A file with what was planted in it; everything outside the labels is as it was found."""

    ending: str
    text: str
    labels: tuple[Label, ...]


def draw(template: str, generator: random.Random) -> str:
    """A string of a format; ``[hex 40]`` stands for 40 random hexadecimal digits."""
    return _PIECE.sub(lambda m: "".join(generator.choices(_ALPHABETS[m[1]], k=int(m[2]))), template)


def secret_line(what: str, ending: str, generator: random.Random) -> tuple[str, str]:
    """A line with a secret of one of `kinds()`, as it would stand in a file of that ending, and the secret alone."""
    if what in _WHOLE_LINES:
        template = generator.choice(_WHOLE_LINES[what]).replace("{pem}", _PEM)
        before, value, after = re.split("[«»]", draw(template, generator))
        return before + value + after, value
    styles = next((lines for endings, lines in _ASSIGNMENTS.items() if ending in endings.split()), _ELSEWHERE)
    if what in TOKENS:
        name, value = "key", draw(TOKENS[what], generator)
        styles = (*styles, *_BARE)
    else:
        name, value = NAMED[what][0], draw(NAMED[what][1], generator)
    return generator.choice(styles).format(name=name, NAME=name.upper(), value=value), value


def kinds() -> tuple[str, ...]:
    """Everything that can be planted."""
    return (*TOKENS, *NAMED, *_WHOLE_LINES)


def sources() -> dict[str, tuple[str, ...]]:
    """The kinds by where their shape comes from."""
    return {
        "formats that services document": (*TOKENS, *NAMED, *LINES),
        "passwords as people write them": tuple(PASSWORD_LINES),
        "lines that detect-secrets looks for": tuple(PEER_LINES),
    }


def plant(files: Iterable[tuple[str, str]], seed: int, secrets: int = 2, decoys: int = 2) -> list[LabelledFile]:
    """Plant secrets and decoys on lines of their own in (ending, text) pairs; kinds come in turn."""
    generator = random.Random(seed)
    planted = []
    turn = 0
    for ending, text in files:
        lines = text.split("\n")
        inserts = []
        for _ in range(secrets):
            what = kinds()[turn % len(kinds())]
            turn += 1
            inserts.append((generator.randint(0, len(lines)), what, *secret_line(what, ending, generator)))
        for _ in range(decoys):
            line = draw(generator.choice(DECOYS), generator)
            inserts.append((generator.randint(0, len(lines)), "decoy", line, line))
        pieces: list[str] = []
        labels = []
        position = done = 0
        for number, what, line, value in sorted(inserts):
            before = "".join(f"{kept}\n" for kept in lines[done:number])
            start = position + len(before) + line.index(value)
            labels.append(Label(start, start + len(value), what, what != "decoy"))
            pieces += [before, line, "\n"]
            position += len(before) + len(line) + 1
            done = number
        pieces.append("\n".join(lines[done:]))
        planted.append(LabelledFile(ending, "".join(pieces), tuple(labels)))
    return planted


# docs: start-score
@dataclass(frozen=True)
class Score:
    """How a detector did: (planted, found) per kind, and what else it reported, decoys and lines of the original."""

    by_kind: dict[str, tuple[int, int]]
    decoys: int
    elsewhere: int

    @property
    def recall(self) -> float:
        """Share of the planted secrets that were found."""
        return self.recall_of(self.by_kind)

    def recall_of(self, kinds: Collection[str]) -> float:
        """The recall on some kinds; 0 where none of them was planted."""
        planted, found = (sum(column) for column in zip((0, 0), *(self.by_kind.get(kind, (0, 0)) for kind in kinds)))
        return found / max(planted, 1)

    @property
    def precision(self) -> float:
        """Share of secrets among what was found; nothing in the original text is taken for a secret."""
        found = sum(found for _, found in self.by_kind.values())
        return found / max(found + self.decoys + self.elsewhere, 1)


def score(files: Sequence[LabelledFile], detect: Callable[[LabelledFile], Collection[int]]) -> Score:
    """Compare the lines (from 1) that a detector reports with the labels. A line counts once."""
    by_kind = dict.fromkeys(kinds(), (0, 0))
    decoys = elsewhere = 0
    for file in files:
        reported = set(detect(file))
        for label in file.labels:
            first = file.text.count("\n", 0, label.start) + 1
            last = file.text.count("\n", 0, label.end) + 1
            # a tool may point at the header or the end of a block of several lines
            lines = set(range(first - 1, last + 2)) if last > first else {first}
            hit = bool(lines & reported)
            reported -= lines
            if label.is_secret:
                planted, found = by_kind[label.what]
                by_kind[label.what] = planted + 1, found + hit
            else:
                decoys += hit
        elsewhere += len(reported)
    return Score({kind: counts for kind, counts in by_kind.items() if counts[0]}, decoys, elsewhere)


# docs: end-score
