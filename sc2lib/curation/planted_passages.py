"""Real files with a passage of a benchmark put in, whole or changed: what a rule finds of them is its recall."""

import random
from collections.abc import Callable, Sequence

from sc2lib.curation.benchmark_passages import Passage


def whole(words: list[str], generator: random.Random) -> list[str]:
    """The passage as it is, but for its layout."""
    return words


def first_half(words: list[str], generator: random.Random) -> list[str]:
    """Half of the passage, cut off."""
    return words[: (len(words) + 1) // 2]


def one_word_changed(words: list[str], generator: random.Random) -> list[str]:
    """One word somewhere in the passage is another one."""
    place = generator.randrange(len(words))
    return [*words[:place], "quux", *words[place + 1 :]]


def one_word_in_ten(words: list[str], generator: random.Random) -> list[str]:
    """Every word is replaced with a probability of one in ten."""
    return ["quux" if generator.random() < 0.1 else word for word in words]


CHANGES: dict[str, Callable[[list[str], random.Random], list[str]]] = {
    "whole": whole,
    "first half": first_half,
    "one word changed": one_word_changed,
    "one word in ten changed": one_word_in_ten,
}


def plant(texts: Sequence[str], passages: Sequence[Passage], change: str, seed: int) -> list[str]:
    """For each passage a text, the texts in turn, with the changed passage as comment lines at a random place.

    Words are laid out anew, five to a line behind a ``#``, unless the passage is whole: the mark would be a change.
    """
    generator = random.Random(seed)
    planted = []
    for number, passage in enumerate(passages):
        words = CHANGES[change](passage.text.split(), generator)
        rows = [" ".join(words[start : start + 5]) for start in range(0, len(words), 5)]
        mark = "" if change == "whole" else "# "
        lines = texts[number % len(texts)].split("\n")
        place = generator.randint(0, len(lines))
        planted.append("\n".join([*lines[:place], *(mark + row for row in rows), *lines[place:]]))
    return planted
