"""Loss on fixed windows of held-out tokens: in total, by position, and by any label of the tokens.

Shape suffixes: B windows · T tokens of a window · V vocabulary
"""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch
import torch.nn.functional as F
from torch import Tensor

from sc2lib.corpus.fim import STRUCTURE_TOKENS
from sc2lib.errors import ParameterError
from sc2lib.model.attention import documents_of
from sc2lib.model.transformer import Starcoder2
from sc2lib.tokenizer.encoding import Tokenizer
from sc2lib.training.data import IGNORED, TokenWindows, shifted

LOGITS = 1 << 22  # elements of logits held at once: 16 MB in fp32, which a CPU likes


class ValidationWindows:
    """`count` windows of T+1 tokens, evenly spaced over the file (all of them when it holds fewer).

    With `document_end`, the id of the token that closes a document, no token sees another document.
    """

    def __init__(self, path: str | Path, length: int, count: int, document_end: int | None = None) -> None:
        self.windows, self.document_end = TokenWindows(path, length), document_end
        self.numbers = [i * len(self.windows) // count for i in range(count)]
        if count >= len(self.windows):
            self.numbers = list(range(len(self.windows)))
        self.length = length

    def __len__(self) -> int:
        return len(self.numbers)

    def longer(self, times: int) -> "ValidationWindows":
        """Half the tokens, at least two windows, of `times` the length, or of as much as the file has room for."""
        times = min(times, len(self.windows))
        count = max(2, len(self) // (2 * times))
        return ValidationWindows(self.windows.path, times * self.length, count, self.document_end)

    def documents(self, tokens_BT: Tensor) -> Tensor | None:
        """The number of each token's document, [B, T], or None where attention does not tell them apart."""
        return None if self.document_end is None else documents_of(tokens_BT, self.document_end)

    def targets(self) -> np.ndarray:
        """Positions in the file of every target token, [windows, T]."""
        starts = np.array(self.numbers)[:, None] * self.length
        return starts + np.arange(1, self.length + 1)[None]

    def batches(self, size: int, dp_rank: int = 0, dp_size: int = 1) -> Iterator[tuple[Tensor, Tensor]]:
        """(tokens_BT, targets_BT) of every `dp_size`-th window from `dp_rank` on, `size` at a time.

        All ranks get equally many, because each pass through a sharded model is a pass of all of them: a rank that
        would run short sees its last window again, without targets. Raises ParameterError for more ranks than windows.
        """
        own = self.numbers[dp_rank::dp_size]
        if len(self) < dp_size:  # an error of all of them, so that none waits for another
            raise ParameterError(
                f"{self.windows.path} has {len(self)} windows to validate on, fewer than {dp_size} processes; "
                "take fewer processes or more held-out text"
            )
        padded = own + own[-1:] * (-(-len(self) // dp_size) - len(own))
        for start in range(0, len(padded), size):
            tokens_BT, targets_BT = shifted(np.stack([self.windows[number] for number in padded[start : start + size]]))
            targets_BT[max(0, len(own) - start) :] = IGNORED
            yield tokens_BT, targets_BT


@torch.no_grad()
def token_losses(
    model: Starcoder2, tokens_BT: Tensor, targets_BT: Tensor, documents_BT: Tensor | None = None
) -> Tensor:
    """Negative log-likelihood of every target in nats, fp32, [B, T]; the logits of a few tokens exist at a time."""
    x_NE = model.hidden(tokens_BT, documents_BT=documents_BT).flatten(0, 1)
    step = max(1, LOGITS // model.config.vocab_size)
    losses = [
        F.cross_entropy(F.linear(x, model.output_weight_VE).float(), targets, reduction="none")
        for x, targets in zip(x_NE.split(step), targets_BT.flatten().split(step), strict=True)
    ]
    return torch.cat(losses).view(targets_BT.shape)


def window_losses(
    model: Starcoder2,
    windows: ValidationWindows,
    size: int = 8,
    context: AbstractContextManager[object] | None = None,
    cut: int | None = None,
) -> np.ndarray:
    """`token_losses` of all windows, fp64, [windows, T]; `context` may be an autocast.

    With `cut` each window is read as pieces of that many tokens, as if nothing came before a piece.
    """
    device = next(model.parameters()).device
    parts = []
    with context or nullcontext():
        for batch in windows.batches(size):
            tokens_BT, targets_BT = (x.unflatten(1, (-1, cut or windows.length)).flatten(0, 1) for x in batch)
            tokens_BT = tokens_BT.to(device)
            losses_BT = token_losses(model, tokens_BT, targets_BT.to(device), windows.documents(tokens_BT))
            parts.append(losses_BT.view(-1, windows.length).cpu())
    return torch.cat(parts).double().numpy()


def autocast(device: str, precision: str) -> AbstractContextManager[object]:
    """The context in which a model of that training precision computes: "bf16-mixed" or "32-true"."""
    return torch.autocast(device, torch.bfloat16) if precision == "bf16-mixed" else nullcontext()


def byte_lengths(tokenizer: Tokenizer) -> np.ndarray:
    """Bytes of text that each token stands for, [V]; a structural sentinel stands for none."""
    lengths = np.array([len(tokenizer.token_bytes(token)) for token in range(tokenizer.vocabulary_size)])
    lengths[:STRUCTURE_TOKENS] = 0
    return lengths


def bits_per_byte(nats: float, text_bytes: float) -> float:
    """Bits that the model needs per byte of text: the loss of all tokens, sentinels too, over the bytes of text."""
    return nats / np.log(2) / text_bytes


@dataclass(frozen=True)
class LabelledLoss:
    """Loss of the tokens that carry one label."""

    label: str
    tokens: int
    text_bytes: int
    nats: float

    @property
    def loss(self) -> float:
        """Nats per token."""
        return self.nats / self.tokens

    @property
    def bits_per_byte(self) -> float:
        """Bits per byte of text; infinite when the tokens are sentinels only."""
        return bits_per_byte(self.nats, self.text_bytes) if self.text_bytes else float("inf")


def by_label(losses: np.ndarray, lengths: np.ndarray, labels: np.ndarray) -> list[LabelledLoss]:
    """Sum losses [...] and byte lengths [...] per label [...] (strings), most tokens first, then by name."""
    names, inverse = np.unique(labels.ravel(), return_inverse=True)
    tokens = np.bincount(inverse, minlength=len(names))
    text_bytes = np.bincount(inverse, lengths.ravel(), len(names))
    nats = np.bincount(inverse, losses.ravel(), len(names))
    rows = [LabelledLoss(str(name), int(tokens[k]), int(text_bytes[k]), float(nats[k])) for k, name in enumerate(names)]
    return sorted(rows, key=lambda row: (-row.tokens, row.label))


def label_table(rows: Sequence[LabelledLoss]) -> pa.Table:
    """The rows as a table: label, tokens, text_bytes and nats."""
    names = ("label", "tokens", "text_bytes", "nats")
    return pa.table({name: [getattr(row, name) for row in rows] for name in names})
