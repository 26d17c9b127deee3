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
def decode(data: bytes, declared: str | None = None) -> Decoded:
    """Decode a file. The text is valid Unicode: it can always be written as UTF-8 again.

    `declared` is the encoding somebody else has found (a published ``src_encoding``); it stands before our guess.
    Reasons: ``binary`` (a NUL byte), ``undecodable`` (neither UTF-8 nor what the guess says).
    """
    position = data.find(b"\0")
    if position >= 0:
        return Decoded(None, None, "binary", f"NUL at byte {position}")
    try:
        return Decoded(data.decode("utf-8"), "UTF-8", None)
    except UnicodeDecodeError as error:
        problem = f"byte {error.start} is not UTF-8"
    if declared is not None and (text := _decoded_as(data, declared)) is not None:
        return Decoded(text, declared, None)
    guess = from_bytes(_telling_lines(data)).best()
    if guess is None:
        return Decoded(None, None, "undecodable", f"{problem}; no encoding fits")
    if (text := _decoded_as(data, guess.encoding)) is None:
        return Decoded(None, None, "undecodable", f"{problem}; guessed {guess.encoding}, which does not fit")
    return Decoded(text, guess.encoding, None)


# docs: end-decode


def _decoded_as(data: bytes, encoding: str) -> str | None:
    try:
        text = data.decode(encoding)
        text.encode("utf-8")  # some codecs (UTF-7) let lone surrogates through
    except (UnicodeError, LookupError):
        return None
    return text


def _telling_lines(data: bytes) -> bytes:
    """The lines that are more than ASCII, about `GUESS_BYTES` of them: only they tell one encoding from another."""
    lines, size = [], 0
    for line in data.split(b"\n"):
        if size < GUESS_BYTES and not line.isascii():
            lines.append(line[:GUESS_BYTES])
            size += len(line)
    return b"\n".join(lines)
