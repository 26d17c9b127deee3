"""The key-value cache: a ring of slots per layer that holds only the keys a later token can see."""

from collections.abc import Callable

import torch
from torch import Tensor

from sc2lib.errors import ParameterError, UnsupportedError
from sc2lib.model.config import ModelConfig


class KeyValueCache:
    """Keys and values of every layer, [B, K, S, D], where slot ``p % S`` holds position p.

    S is the smaller of the window and the longest sequence, so old keys are overwritten exactly when
    they leave the window. Rows may have different lengths: `lengths_B` counts the tokens of each.
    Memory is taken once, with the prompt; a step writes into it.

    Args:
        config: the model's configuration.
        length: the most tokens a row will have, prompt and continuation together.
    """

    def __init__(self, config: ModelConfig, length: int) -> None:
        self.length = length
        self.slots = min(config.sliding_window or length, length)
        self.keys: list[Tensor | None] = [None] * config.num_hidden_layers
        self.values: list[Tensor | None] = [None] * config.num_hidden_layers
        self.lengths_B: Tensor | None = None
        self._next_B: Tensor | None = None
        self._row_B: Tensor | None = None
        self._slot_B: Tensor | None = None
        self._longest = 0  # known without asking the device
        self._even = True  # all rows have the same length, so a step is a plain slice
        self._rotation: tuple[Tensor, Tensor] | None = None

    # docs: start-ring
    def begin(self, tokens_BT: Tensor, lengths_B: Tensor | None) -> None:
        """Announce new tokens: a right-padded prompt into an empty cache, or one token for each row.

        Raises:
            ParameterError: lengths that are not one per row from 1 to T, or given again for a filled cache; other rows
                than the cache has; more tokens than it was made for.
            UnsupportedError: several tokens for a filled cache.
        """
        batch, new = tokens_BT.shape
        device = tokens_BT.device
        if self.lengths_B is None:
            if lengths_B is not None:
                _check_lengths(lengths_B, batch, new)
            full_B = torch.full((batch,), new, device=device)
            self._next_B = full_B if lengths_B is None else lengths_B.to(device)
            self._even, self._longest = lengths_B is None, new
        elif lengths_B is not None or batch != len(self.lengths_B):
            raise ParameterError(
                f"a filled cache takes one token for each of its {len(self.lengths_B)} rows and counts their lengths "
                f"itself: give [{len(self.lengths_B)}, 1] tokens and no lengths, or start an empty cache"
            )
        elif new == 1:
            self._next_B = self.lengths_B + 1
            self._longest += 1
        else:
            raise UnsupportedError(f"a filled cache takes one token at a time, not {new}; run the whole prompt at once")
        if self._longest > self.length:
            raise ParameterError(f"the cache was made for rows of {self.length} tokens; make it longer")
        self._row_B = torch.arange(batch, device=device)
        self._slot_B = (self._next_B - 1) % self.slots

    def positions_BS(self) -> Tensor:
        """The position that each slot holds after this step, negative where a slot is still empty."""
        assert self._next_B is not None
        slot_S = torch.arange(self.slots, device=self._next_B.device)
        last_B1 = self._next_B[:, None] - 1
        return last_B1 - (last_B1 - slot_S) % self.slots

    def visible_BS(self) -> Tensor:
        """Which of the slots that `store` returns hold a key: all of them, unless rows differ in length."""
        assert self._row_B is not None
        if self._even:
            return torch.ones(1, min(self._longest, self.slots), dtype=torch.bool, device=self._row_B.device)
        return self.positions_BS() >= 0

    def store(self, layer: int, k_BKTD: Tensor, v_BKTD: Tensor) -> tuple[Tensor, Tensor]:
        """Put the new keys and values of one layer into their slots; return the slots in use, k_BKSD and v_BKSD."""
        keys, values = self.keys[layer], self.values[layer]
        if keys is None or values is None:
            source_BS = self.positions_BS().clamp(min=0)
            index_BKSD = source_BS[:, None, :, None].expand(-1, k_BKTD.shape[1], -1, k_BKTD.shape[3])
            self.keys[layer], self.values[layer] = k_BKTD.gather(2, index_BKSD), v_BKTD.gather(2, index_BKSD)
            return k_BKTD, v_BKTD
        if self._even:
            slot, used = (self._longest - 1) % self.slots, min(self._longest, self.slots)
            keys[:, :, slot] = k_BKTD[:, :, 0]
            values[:, :, slot] = v_BKTD[:, :, 0]
            return keys[:, :, :used], values[:, :, :used]
        keys[self._row_B, :, self._slot_B] = k_BKTD[:, :, 0]
        values[self._row_B, :, self._slot_B] = v_BKTD[:, :, 0]
        return keys, values
        # docs: end-ring

    def rotation(self, every: Callable[[Tensor], tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
        """Cosine and sine of the new tokens' angles; `every` computes those of all positions, once."""
        assert self._next_B is not None
        if self._rotation is None:
            cos, sin = every(torch.arange(self.length, device=self._next_B.device)[None])
            self._rotation = cos[0], sin[0]
        place = self._next_B - 1
        cos, sin = self._rotation
        return cos[place][:, None], sin[place][:, None]

    def end(self) -> None:
        """The new tokens are in every layer."""
        self.lengths_B = self._next_B

    def select(self, rows: Tensor) -> None:
        """Keep only some rows of the batch."""
        assert self.lengths_B is not None
        self.lengths_B = self.lengths_B[rows]
        self.keys = [None if keys is None else keys[rows] for keys in self.keys]
        self.values = [None if values is None else values[rows] for values in self.values]

    def bytes(self) -> int:
        """Bytes that the keys and values take now."""
        held = [tensor for tensor in (*self.keys, *self.values) if tensor is not None]
        return sum(tensor.numel() * tensor.element_size() for tensor in held)


def _check_lengths(lengths_B: Tensor, batch: int, longest: int) -> None:
    whole = lengths_B.shape == (batch,) and not lengths_B.is_floating_point()
    if not whole or not 1 <= int(lengths_B.min()) <= int(lengths_B.max()) <= longest:
        raise ParameterError(
            f"lengths must be {batch} whole numbers from 1 to {longest}, one per row of the prompt, "
            f"not {lengths_B.dtype} {lengths_B.tolist()}"
        )
