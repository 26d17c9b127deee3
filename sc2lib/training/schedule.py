"""The learning rate of every step."""

import math

from sc2lib.errors import ParameterError


# docs: start-schedule
def learning_rate(step: int, steps: int, peak: float, minimum: float, warmup_steps: int) -> float:
    """Linear warm-up to `peak`, then half a cosine down to `minimum` at the last step (section 6.3).

    `step` counts from 0; step 0 already moves, at ``peak / warmup_steps``. Raises ParameterError when the
    warm-up does not leave a step for the cosine, or when `minimum` is above `peak`.
    """
    if not 0 <= warmup_steps < steps:
        raise ParameterError(f"warmup_steps must lie in 0..{steps - 1} for {steps} steps, not {warmup_steps}")
    if not 0 <= minimum <= peak:
        raise ParameterError(f"the final learning rate {minimum} must lie between 0 and the peak {peak}")
    if step < warmup_steps:
        return peak * (step + 1) / warmup_steps
    progress = (step - warmup_steps) / max(1, steps - 1 - warmup_steps)
    return minimum + (peak - minimum) * (1 + math.cos(math.pi * min(1.0, progress))) / 2
    # docs: end-schedule
