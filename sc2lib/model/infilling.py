"""Infilling: write what stands between a prefix and a suffix."""

from typing import Any

from sc2lib.errors import ParameterError
from sc2lib.model.generation import continue_prompts
from sc2lib.model.stop_strings import StopStrings, Text, check_vocabulary
from sc2lib.model.transformer import Starcoder2
from sc2lib.tokenizer.encoding import Tokenizer
from sc2lib.tokenizer.special_tokens import END_OF_TEXT, FILE_SEPARATOR, FIM_MIDDLE, FIM_PREFIX, FIM_SUFFIX

ENDS = (END_OF_TEXT, FILE_SEPARATOR)  # what follows the middle in training


# docs: start-prompt
def infilling_prompt(tokenizer: Tokenizer, prefix: str, suffix: str, context: int) -> list[int]:
    """Prefix, suffix, middle: the two sides of the hole nearest to it, in at most `context` tokens with sentinels.

    Each side gets half of the room, and what the other leaves unused.
    """
    room = context - 3
    if room < 2:
        raise ParameterError(f"a context of {context} tokens leaves no room beside 3 sentinels; give 5 or more")
    before, after = tokenizer.encode(prefix), tokenizer.encode(suffix)
    share = max(room // 2, room - len(after))
    before = before[max(0, len(before) - share) :]
    after = after[: room - len(before)]
    first, second, third = (tokenizer.token_id(name) for name in (FIM_PREFIX, FIM_SUFFIX, FIM_MIDDLE))
    return [first, *before, second, *after, third]
    # docs: end-prompt


# docs: start-infill
def infill(
    model: Starcoder2,
    tokenizer: Tokenizer,
    prefix: str,
    suffix: str,
    max_new_tokens: int,
    stop_strings: tuple[str, ...] = (),
    **options: Any,
) -> Text:
    """Write the middle between two texts, up to a stop string, the end of the file or `max_new_tokens`.

    Of sides too long for the model, what is nearest to the hole is read. `options` go to `continue_prompts`.

    Raises:
        ParameterError: the tokenizer is not the model's, nothing of the context is left for the two sides, or
            `options` name an end of their own.
    """
    check_vocabulary(model.config, tokenizer)
    if "stop_tokens" in options or "stop" in options:
        raise ParameterError("an infilling ends at the end of its file or at a stop string; give stop_strings")
    context = model.config.max_position_embeddings - max_new_tokens
    prompt = infilling_prompt(tokenizer, prefix, suffix, context)
    stop = StopStrings(stop_strings, tokenizer)
    ends = [tokenizer.token_id(name) for name in ENDS]
    made = continue_prompts(model, [prompt], max_new_tokens, stop_tokens=ends, stop=stop, **options)
    return stop.cut(made[0])
    # docs: end-infill
