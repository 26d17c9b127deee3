"""The byte-level alphabet: 256 printable characters that stand for the 256 bytes (Radford et al. 2019).

A vocabulary file holds text, so each byte needs a visible character: printable Latin-1 characters stand for
themselves, the others are shifted to U+0100 and above.
"""

from functools import cache

PRINTABLE = (*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAC + 1), *range(0xAE, 0xFF + 1))


@cache
def byte_to_character() -> tuple[str, ...]:
    """The character of each byte, by byte value (256 entries)."""
    hidden = [byte for byte in range(256) if byte not in PRINTABLE]
    shifted = {byte: chr(256 + index) for index, byte in enumerate(hidden)}
    return tuple(shifted.get(byte, chr(byte)) for byte in range(256))


@cache
def character_to_byte() -> dict[str, int]:
    """The byte of each character of the alphabet."""
    return {character: byte for byte, character in enumerate(byte_to_character())}


def to_characters(data: bytes) -> str:
    """Bytes as a string of the alphabet, one character a byte."""
    table = byte_to_character()
    return "".join(table[byte] for byte in data)


def to_bytes(token: str) -> bytes:
    """The bytes a vocabulary entry stands for. Raises KeyError for a character outside the alphabet."""
    table = character_to_byte()
    return bytes(table[character] for character in token)
