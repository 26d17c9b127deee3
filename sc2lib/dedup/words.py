"""What a word is, in any script.

A word is a maximal run of letters, digits, underscores and other characters that neither separate nor stand alone, its
case folded. Blanks, punctuation and symbols separate, also outside ASCII: U+00A0 is a blank and U+3001 a comma. On
ASCII text the words are those of ``re.findall(r"\\w+", text.lower())``. Case is folded for ASCII, Latin, Greek and
Cyrillic.

Chinese and Japanese leave no blanks between words, so a character of theirs is a word alone; otherwise a clause would
be one word, and a change of one character in sixty lines would touch everything. A Hangul syllable is one as well,
since Korean writes particles onto the word. A shingle of five such characters is two to three words of the language.
Bigrams would do no better: five that overlap are a run of six characters, and an edit would cost six shingles.

The ranges are written here and not asked of `unicodedata`, because a shingle must not depend on Python's version. Thai,
Lao, Khmer and Burmese do not separate words either; there a run up to the next blank stays one word.
"""

import re
from collections.abc import Iterable
from functools import cache

import numpy as np
import numpy.typing as npt

VERSION = 2  # raised when words or their hashes change

# docs: start-words
SEPARATE = (
    *((0x00, 0x2F), (0x3A, 0x40), (0x5B, 0x5E), (0x60, 0x60), (0x7B, 0xA9)),  # ASCII, controls, Latin-1
    *((0xAB, 0xB4), (0xB6, 0xB9), (0xBB, 0xBF), (0xD7, 0xD7), (0xF7, 0xF7)),
    *((0x37E, 0x37E), (0x387, 0x387), (0x55A, 0x55F), (0x589, 0x58A)),  # Greek, Armenian
    *((0x5BE, 0x5BE), (0x5C0, 0x5C0), (0x5C3, 0x5C3), (0x5F3, 0x5F4)),  # Hebrew
    *((0x60C, 0x60D), (0x61B, 0x61F), (0x66A, 0x66D), (0x6D4, 0x6D4), (0x700, 0x70D)),  # Arabic, Syriac
    *((0x964, 0x965), (0x970, 0x970), (0x104A, 0x104F), (0x1361, 0x1368)),  # of India, Burma, Ethiopia
    *((0x1680, 0x1680), (0x17D4, 0x17DB), (0x1800, 0x180E)),  # Ogham, Khmer, Mongolian
    *((0x2000, 0x206F), (0x20A0, 0x20CF), (0x2190, 0x2BFF), (0x2E00, 0x2E7F)),  # dashes, quotes, arrows, mathematics
    *((0x3000, 0x3004), (0x3008, 0x303F), (0x30A0, 0x30A0), (0x30FB, 0x30FB)),  # of China, Japan and Korea
    *((0xFE00, 0xFE1F), (0xFE30, 0xFE6F), (0xFEFF, 0xFEFF)),  # variants, the mark of byte order
    *((0xFF00, 0xFF0F), (0xFF1A, 0xFF20), (0xFF3B, 0xFF40), (0xFF5B, 0xFF65), (0xFFE0, 0xFFFF)),  # wide forms
    (0x1F000, 0x1FAFF),  # pictures
)
ALONE = (
    *((0x2E80, 0x2FFF), (0x3005, 0x3007), (0x3040, 0x309F), (0x30A1, 0x30FA), (0x30FC, 0x9FFF)),  # kana, ideographs
    *((0xAC00, 0xD7A3), (0xF900, 0xFAFF), (0xFF66, 0xFF9F), (0x20000, 0x3FFFF)),  # Hangul syllables, more of both
)


def pattern(ranges: Iterable[tuple[int, int]]) -> str:
    """What stands between the brackets of a regular expression."""
    return "".join(f"\\U{first:08x}-\\U{last:08x}" for first, last in ranges)


LAST_CASED = 0x52F  # of Cyrillic
FOLDED = {
    code: folded
    for code in range(LAST_CASED + 1)
    if len(folded := chr(code).casefold()) == 1 and len(folded.encode()) == len(chr(code).encode())
}
WORD = re.compile(f"[{pattern(ALONE)}]|[^{pattern(SEPARATE)}{pattern(ALONE)}]+")


def words(text: str) -> list[bytes]:
    """The words of a text: the definition the compiled loop is tested against."""
    return [word.encode() for word in WORD.findall(text.translate(FOLDED))]


# docs: end-words


def word_places(text: str) -> list[tuple[int, int]]:
    """First and last character (exclusive) of every word, in order."""
    return [match.span() for match in WORD.finditer(text.translate(FOLDED))]


@cache
def tables() -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint16]]:
    """The same for the compiled loop: by code point, 0 separates, 1 goes on, 2 stands alone; and the folded one."""
    kinds = np.ones(0x40000, np.uint8)
    for kind, ranges in ((0, SEPARATE), (2, ALONE)):
        for first, last in ranges:
            kinds[first : last + 1] = kind
    return kinds, np.array([ord(FOLDED.get(code, chr(code))) for code in range(LAST_CASED + 1)], np.uint16)
