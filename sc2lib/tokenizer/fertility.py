"""How much text a token carries: the measure of a vocabulary."""

from collections.abc import Iterable

from sc2lib.tokenizer.encoding import Tokenizer


def bytes_per_token(tokenizer: Tokenizer, texts: Iterable[str]) -> float:
    """Bytes of UTF-8 in `texts` over the tokens that encode them. Raises ZeroDivisionError without any text."""
    text_bytes = tokens = 0
    for text in texts:
        text_bytes += len(text.encode())
        tokens += len(tokenizer.encode_array(text))
    return text_bytes / tokens
