"""The plan of a batch: which keys are visible, and which code computes attention; what cannot work is refused here.

For the shape suffixes see `sc2lib.model.attention`.
"""

import functools
import importlib.util
import os
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from sc2lib.errors import ParameterError, UnsupportedError
from sc2lib.model.attention import masks, products
from sc2lib.model.attention.banded import bands

BACKENDS = ("naive", "sdpa", "masked", "banded", "products", "flex", "varlen", "triton")


# docs: start-plan
@dataclass(frozen=True)
class AttentionPlan:
    """One decision per batch, shared by all layers: the visible keys and the code that computes them.

    Built by `AttentionPlan.build`, which refuses what a back end cannot do; `attend` then never chooses.

    Attributes:
        length: T, queries and keys of the sequence.
        window: W, or None when every earlier key is visible (also when W >= T: the mask is then the same).
        backend: one of `BACKENDS`.
        batch: B when the plan has the documents of B rows, else None: it then serves any batch.
        mask: the visible keys in the form the back end wants (matrix, bands, BlockMask, boundaries), or None.
        first_BT: the first key that each query sees, where the back end reads it beside the mask.
    """

    length: int
    window: int | None
    backend: str
    batch: int | None = None
    mask: Any = None
    first_BT: Tensor | None = None
    # docs: end-plan

    @classmethod
    def build(
        cls,
        length: int,
        window: int | None = None,
        device: torch.device | str = "cpu",
        backend: str = "auto",
        dropout: float = 0.0,
        documents_BT: Tensor | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> "AttentionPlan":
        """Choose and prepare a back end for one length, window and, if given, the documents of one batch.

        auto: `sdpa` when neither window nor documents bind, else `flex` on CUDA, `banded` on a CPU and `masked`
        elsewhere; but on a CPU `products` in bf16 for more tokens than one block, and `masked` in fp64. Without
        documents, what is prepared is kept between batches.

        Args:
            documents_BT: which document each token belongs to; a query sees only its own. A document begins where the
                number changes, so 0, 1, 0 are three (see `documents_of`). None: documents are not told apart, as in
                the paper.
            dtype: what the queries will be in; it decides which back end is the fastest, and fp64 rules out `banded`.

        Raises:
            UnsupportedError: the back end cannot do this; the message names one that can.
            ParameterError: a length, window, name or shape out of range.
        """
        device = torch.device(device)
        if length < 1 or (window is not None and window < 1):
            raise ParameterError(f"length and window must be at least 1, not {length} and {window}")
        if dropout:
            raise UnsupportedError(
                f"attention dropout {dropout} is not supported: the paper trains without it, "
                "and the back ends draw it differently; set it to 0"
            )
        if window is not None and window >= length:
            window = None
        if documents_BT is not None:
            masks.check_documents(documents_BT, length)
        causal = window is None and documents_BT is None
        if backend == "auto":
            backend = "sdpa" if causal else {"cuda": "flex", "cpu": "banded"}.get(device.type, "masked")
            if device.type == "cpu" and dtype == torch.bfloat16 and length > products.BLOCK:
                backend = "products"
            if backend == "banded" and dtype == torch.float64:
                backend = "masked"
        _refuse(backend, length, window, documents_BT is not None, device, dtype)
        if documents_BT is None:
            return cls(length, window, backend, None, *_prepared(length, window, backend, str(device)))
        prepared = _prepared_documents(length, window, backend, documents_BT.to(device))
        return cls(length, window, backend, len(documents_BT), *prepared)

    @property
    def mask_bytes(self) -> int:
        """Bytes of the mask, where it is made of tensors (not FlexAttention's)."""
        if self.backend in ("banded", "products"):
            return sum({id(mask): mask.nbytes for band in self.mask for mask in band.masks or ()}.values())
        return self.mask.nbytes if isinstance(self.mask, Tensor) else 0


@functools.lru_cache(maxsize=8)
@torch.inference_mode(False)  # generation runs in inference mode, whose tensors training could not use afterwards
def _prepared(length: int, window: int | None, backend: str, device: str) -> tuple[Any, Tensor | None]:
    """Mask and first visible keys without documents: the same for every batch, so they are kept."""
    if backend in ("sdpa", "varlen"):
        return None, None
    first_1T = masks.first_visible(length, window, None, device)
    if backend == "banded":
        return bands(first_1T, shared=True), first_1T
    if backend == "products":
        return bands(first_1T, shared=True, block=products.BLOCK, whole=False, dtype=torch.bfloat16), first_1T
    mask, first = _mask(first_1T, backend)
    return (mask[0, 0] if backend in ("naive", "masked") else mask), first


def _prepared_documents(length: int, window: int | None, backend: str, documents_BT: Tensor) -> tuple[Any, Any]:
    """Mask and first visible keys of one batch."""
    if backend == "varlen":
        return masks.boundaries(documents_BT), None
    first_BT = masks.first_visible(length, window, documents_BT, documents_BT.device)
    if backend == "banded":
        return bands(first_BT, shared=False), first_BT
    if backend == "products":
        return bands(first_BT, shared=False, block=products.BLOCK, whole=False), first_BT
    return _mask(first_BT, backend)


def _mask(first_BT: Tensor, backend: str) -> tuple[Any, Tensor | None]:
    if backend in ("naive", "masked"):
        return masks.matrix(first_BT), None
    if backend == "flex":
        return masks.block_mask(first_BT), None
    return masks.last_viewer(first_BT), first_BT


def _refuse(
    backend: str, length: int, window: int | None, documents: bool, device: torch.device, dtype: torch.dtype
) -> None:
    if backend not in BACKENDS:
        raise ParameterError(f"unknown attention back end {backend!r}; choose auto or one of {BACKENDS}")
    asked = " and ".join(
        ([f"the window {window} at length {length}"] if window else []) + (["the documents"] if documents else [])
    )
    if backend == "sdpa" and asked:
        raise UnsupportedError(
            f"sdpa computes causal attention only and would drop {asked}; use banded (CPU) or flex (CUDA)"
        )
    if backend == "banded" and device.type != "cpu":
        raise UnsupportedError(
            f"banded calls a kernel that only a CPU has, not {device.type}; use flex (CUDA) or masked"
        )
    if backend == "products" and device.type != "cpu":
        raise UnsupportedError(f"products is made for a CPU, not {device.type}; use flex (CUDA), sdpa or masked")
    if backend == "banded" and not asked:
        raise UnsupportedError(f"banded needs documents or a window below the length {length}; use sdpa")
    if backend == "banded" and dtype == torch.float64:
        raise UnsupportedError("banded has no backward pass in fp64; use masked")
    if backend == "masked" and device.type == "cuda":
        raise UnsupportedError("masked falls back to unfused attention on CUDA (a mask with grouped heads); use flex")
    if backend == "flex" and device.type != "cuda" and torch.is_grad_enabled():
        raise UnsupportedError(
            "FlexAttention has no backward pass on this device; use banded or sdpa, or build the plan under "
            "torch.no_grad()"
        )
    if backend == "varlen" and device.type != "cuda":
        raise UnsupportedError(f"varlen has no kernel on {device.type}; use banded or sdpa")
    if backend == "triton" and importlib.util.find_spec("triton") is None:
        raise UnsupportedError(
            "triton is not installed; use banded or sdpa (CPU) or flex (CUDA), or install the extra: "
            "pip install 'sc2lib[triton]' (Linux only)"
        )
    if backend == "triton" and device.type != "cuda" and os.environ.get("TRITON_INTERPRET") != "1":
        raise UnsupportedError(
            f"triton has no compiler for {device.type}; use banded or sdpa, or set TRITON_INTERPRET=1 before "
            "triton is first imported, to interpret the kernel slowly"
        )
