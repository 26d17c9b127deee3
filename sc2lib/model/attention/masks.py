"""Which keys a query sees: one interval per query, whatever is combined.

Causal attention ends the interval at the query itself. A window and a document each set where it begins, and the
later beginning wins. So a whole mask is one number per query, the first visible key, and never a matrix unless a
back end asks for one. For the shape suffixes see `sc2lib.model.attention`.
"""

from typing import Any

import torch
from torch import Tensor

from sc2lib.errors import ParameterError

TILE = 128  # queries and keys of one tile of FlexAttention


def visible(query: Any, key: Any, window: int | None) -> Any:
    """Whether the query at one position sees the key at another: causal, and within the window.

    A window of W shows W keys, the token itself included: ``0 <= query - key < W``. Works on integers and
    on tensors of positions that broadcast.
    """
    seen = key <= query
    return seen if window is None else seen & (key > query - window)


def documents_of(tokens_BT: Tensor, end_of_text: int) -> Tensor:
    """The number of each token's document in its row, from 0, [B, T]; the end-of-text token closes its document."""
    ends_BT = tokens_BT == end_of_text
    return ends_BT.cumsum(1) - ends_BT.long()


# docs: start-first
def first_visible(
    length: int, window: int | None, documents_BT: Tensor | None = None, device: torch.device | str = "cpu"
) -> Tensor:
    """The first key that each query sees, [B, T], or [1, T] without documents; the last one is the query itself."""
    position_1T = torch.arange(length, device=device)[None]
    first_1T = torch.zeros_like(position_1T) if window is None else (position_1T - window + 1).clamp(min=0)
    if documents_BT is None:
        return first_1T
    changes_BT = torch.zeros_like(documents_BT, dtype=torch.bool)
    changes_BT[:, 1:] = documents_BT[:, 1:] != documents_BT[:, :-1]
    start_BT = (changes_BT * position_1T).cummax(1).values  # of the document that the query stands in
    return torch.maximum(first_1T, start_BT)
    # docs: end-first


def matrix(first_BT: Tensor) -> Tensor:
    """The mask as a matrix of booleans, [B, 1, T, S] with S = T."""
    position_T = torch.arange(first_BT.shape[1], device=first_BT.device)
    return (position_T <= position_T[:, None]) & (position_T >= first_BT[:, None, :, None])


def last_viewer(first_BT: Tensor) -> Tensor:
    """The last query that sees each key, [B, T], int32: first visible keys never go back, so a search finds it."""
    key_BT = torch.arange(first_BT.shape[1], device=first_BT.device).expand(first_BT.shape).contiguous()
    return (torch.searchsorted(first_BT.contiguous(), key_BT, right=True) - 1).int()


def flex_length(length: int) -> int:
    """The tokens that FlexAttention computes for `length`: a power of two, at least one tile.

    Its kernel is compiled for each length, which takes seconds: there are only 8 such lengths up to 16,384.
    """
    return max(TILE, 1 << (length - 1).bit_length())


def block_mask(first_BT: Tensor) -> Any:
    """The mask as FlexAttention wants it: a table of the tiles that are empty, cut or full, of `flex_length` tokens.

    The table is read off the intervals, in (T / 128)² steps; `create_block_mask` would first make 10·B·T² bytes.
    """
    from torch.nn.attention.flex_attention import BlockMask

    def mask_mod(batch: Tensor, head: Tensor, query: Tensor, key: Tensor) -> Tensor:
        first = first_BT[0, query] if rows == 1 else first_BT[batch, query]
        return (key <= query) & (key >= first)

    rows, length = first_BT.shape
    beyond = torch.arange(length, flex_length(length), device=first_BT.device).expand(rows, -1)
    first_BT = torch.cat((first_BT, beyond), dim=1)  # a query beyond the end sees itself alone
    least_BI1, most_BI1 = first_BT[:, ::TILE, None], first_BT[:, TILE - 1 :: TILE, None]  # they never go back
    tile_I = torch.arange(least_BI1.shape[1], device=first_BT.device)
    start_J = tile_I * TILE
    full_BIJ = (start_J >= most_BI1) & (tile_I < tile_I[:, None])
    cut_BIJ = (start_J + TILE > least_BI1) & (tile_I <= tile_I[:, None]) & ~full_BIJ
    cut, full = _listed(cut_BIJ[:, None]), _listed(full_BIJ[:, None])
    return BlockMask.from_kv_blocks(
        *cut, *full, BLOCK_SIZE=TILE, mask_mod=mask_mod, seq_lengths=(first_BT.shape[1],) * 2
    )


def _listed(chosen_BHIJ: Tensor) -> tuple[Tensor, Tensor]:
    """How many tiles of each row are chosen, and all tiles of the row, the chosen ones first; int32."""
    order_BHIJ = chosen_BHIJ.int().argsort(dim=3, descending=True, stable=True)
    return chosen_BHIJ.sum(3, dtype=torch.int32), order_BHIJ.int()


def boundaries(documents_BT: Tensor) -> Tensor:
    """Where each document of the flattened batch begins, and its end, int32, [documents + 1]; a row ends its last one.

    The form that kernels for variable lengths take (``cu_seqlens``).
    """
    batch, length = documents_BT.shape
    begins_BT = torch.ones_like(documents_BT, dtype=torch.bool)
    begins_BT[:, 1:] = documents_BT[:, 1:] != documents_BT[:, :-1]
    ends = torch.tensor([batch * length], device=documents_BT.device)
    return torch.cat((begins_BT.flatten().nonzero().flatten(), ends)).int()


def check_documents(documents_BT: Tensor, length: int) -> None:
    """Raises ParameterError unless there is one whole number per token of [B, length]."""
    if documents_BT.ndim != 2 or documents_BT.shape[1] != length or documents_BT.is_floating_point():
        raise ParameterError(
            f"documents must be whole numbers of shape [B, {length}], one per token, not {documents_BT.dtype} of "
            f"{list(documents_BT.shape)}; documents_of makes them from tokens"
        )
