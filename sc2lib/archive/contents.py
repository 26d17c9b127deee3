"""From the bytes of a blob to text, the paper's way: no NUL, UTF-8 first, a guess second, else dropped.

Reference sheet, section 1.3 (file download): a NUL byte means binary; ``cchardet`` guesses there, `charset-normalizer`
here, its maintained successor in pure Python.
"""

from typing import NamedTuple

from charset_normalizer import from_bytes

GUESS_BYTES = 1 << 16  # a guess looks at this much, because it tries some ninety encodings on it


class Decoded(NamedTuple):
    """Text with the encoding it was decoded from, or no text with the reason (and detail) why not."""

    text: str | None
    encoding: str | None
    reason: str | None
    detail: str | None = None


# docs: start-decode
def decode(data: bytes) -> Decoded:
    """Decode a file. The text is valid Unicode: it can always be written as UTF-8 again.

    Reasons: ``binary`` (a NUL byte), ``undecodable`` (neither UTF-8 nor what the guess says).
    """
    position = data.find(b"\0")
    if position >= 0:
        return Decoded(None, None, "binary", f"NUL at byte {position}")
    try:
        return Decoded(data.decode("utf-8"), "UTF-8", None)
    except UnicodeDecodeError as error:
        problem = f"byte {error.start} is not UTF-8"
        sample = _lines_around(data, error.start)
    guess = from_bytes(sample).best()
    if guess is None:
        return Decoded(None, None, "undecodable", f"{problem}; no encoding fits")
    try:
        text = data.decode(guess.encoding)
        text.encode("utf-8")  # some codecs (UTF-7) let lone surrogates through
    except UnicodeError:
        return Decoded(None, None, "undecodable", f"{problem}; guessed {guess.encoding}, which does not fit")
    return Decoded(text, guess.encoding, None)


# docs: end-decode


def _lines_around(data: bytes, position: int) -> bytes:
    """Whole lines around a byte, about `GUESS_BYTES`: a cut through a character would mislead the guess."""
    begin = data.rfind(b"\n", 0, max(0, position - GUESS_BYTES // 2)) + 1
    begin = max(begin, position - GUESS_BYTES)
    end = data.rfind(b"\n", position, begin + GUESS_BYTES) + 1
    return data[begin : end or begin + GUESS_BYTES]
