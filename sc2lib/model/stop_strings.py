"""Stop strings: where a text ends, whatever tokens it was written in."""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Literal

from sc2lib.errors import ParameterError
from sc2lib.model.config import ModelConfig
from sc2lib.model.generation import Continuation
from sc2lib.tokenizer.encoding import Tokenizer


@dataclass(frozen=True)
class Text:
    """What a model wrote, and the tokens it took.

    `tokens` are the shortest beginning of what was generated that holds all of `text`. They decode to exactly `text`,
    unless the last of them goes on into the stop string: then their text is longer by what belongs to that.
    `log_probabilities` has one entry per token, or none when they were not asked for.
    """

    text: str
    tokens: list[int]
    log_probabilities: list[float]
    ended: Literal["length", "stop token", "stop string"]


# docs: start-stop
class StopStrings:
    """Ends a row when one of `strings` stands in its text, even across tokens or in the middle of one.

    Use it as `stop` of `continue_prompts`, then `cut` what came back. Strings are compared as UTF-8 bytes. The text
    ends before the stop string that is complete first (of several that end together, the longest), so it does not
    depend on how the text falls into tokens.

    Raises:
        ParameterError: an empty string would end every text; one string is no list of strings.
    """

    def __init__(self, strings: Sequence[str], tokenizer: Tokenizer) -> None:
        if isinstance(strings, str):
            raise ParameterError(f"stop strings are a list; give [{strings!r}], not {strings!r}")
        if not all(strings):
            raise ParameterError("a stop string is empty and would end every text at once; leave it out")
        self.strings = [string.encode() for string in strings]
        self.tokenizer = tokenizer
        # A token has a byte at least, so a stop string of n bytes that the last token completes lies within n tokens.
        self.reach = max(map(len, self.strings), default=0)

    def __call__(self, tokens: Sequence[int]) -> bool:
        return self._find(self.tokenizer.decode_bytes(tokens[-self.reach :])) is not None if self.reach else False

    def cut(self, made: Continuation) -> Text:
        """The text before the first stop string, and the tokens that hold it."""
        data = self.tokenizer.decode_bytes(made.tokens)
        found = self._find(data)
        if found is None:
            assert made.ended != "stop"
            return Text(data.decode(errors="replace"), made.tokens, made.log_probabilities, made.ended)
        ends = list(accumulate(len(self.tokenizer.token_bytes(token)) for token in made.tokens))
        count = bisect_left(ends, found) + 1 if found else 0
        text = data[:found].decode(errors="replace")
        return Text(text, made.tokens[:count], made.log_probabilities[:count], "stop string")

    def _find(self, data: bytes) -> int | None:
        """Where the stop string begins that is complete first."""
        places = [(start + len(string), start) for string in self.strings if (start := data.find(string)) >= 0]
        return min(places)[1] if places else None
        # docs: end-stop


def check_vocabulary(config: ModelConfig, tokenizer: Tokenizer) -> None:
    """Raise ParameterError when a model and a tokenizer do not have the same number of tokens."""
    if config.vocab_size != tokenizer.vocabulary_size:
        raise ParameterError(
            f"the model has {config.vocab_size} tokens, the tokenizer {tokenizer.vocabulary_size}; "
            "take the tokenizer.json that lies beside the model's weights"
        )
