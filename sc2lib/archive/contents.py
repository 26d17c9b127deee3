"""From the bytes of a blob to text, the paper's way: no NUL, UTF-8 first, a guess second, else dropped.

The published code does the same (V), where ``cchardet`` guesses instead of `encodings`.
"""

from typing import NamedTuple

from sc2lib.archive import encodings


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
    if (guess := encodings.guess(data)) is None:
        return Decoded(None, None, "undecodable", f"{problem}; no encoding fits")
    if (text := _decoded_as(data, guess)) is None:
        return Decoded(None, None, "undecodable", f"{problem}; guessed {guess}, which does not fit")
    return Decoded(text, guess, None)


# docs: end-decode


def _decoded_as(data: bytes, encoding: str) -> str | None:
    try:
        text = data.decode(encoding)
        text.encode("utf-8")  # some codecs (UTF-7) let lone surrogates through
    except (UnicodeError, LookupError):
        return None
    return text
