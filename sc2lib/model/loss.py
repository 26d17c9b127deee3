"""Cross-entropy of a large vocabulary without ever holding all its logits."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

# Logits of one chunk, in elements. On a CPU 8 MiB of fp32 stay in the cache: measured twice as fast as all
# logits at once (4,096 tokens, vocabulary 8,192). An accelerator wants large products: 256 MiB.
CPU_CHUNK = 1 << 21
ACCELERATOR_CHUNK = 1 << 26
SMALLEST_CHUNK_TOKENS = 64


def linear_cross_entropy(
    x_NC: Tensor,
    weight_VC: Tensor,
    targets_N: Tensor,
    ignore_index: int = -100,
    chunk_elements: int | None = None,
) -> Tensor:
    """Mean of ``cross_entropy(x @ weight.T, targets)`` over the targets that count, in fp32.

    With N·V at most `chunk_elements` (None: by device) this is the plain product and loss. Above, tokens go
    through in chunks, and each chunk's gradient is taken while its logits are still there: the FLOPs of
    forward plus backward are the same, the memory is one chunk of logits instead of three times N·V.
    Without any target the loss is 0 over 0 targets: NaN, as in PyTorch.
    """
    if chunk_elements is None:
        chunk_elements = CPU_CHUNK if x_NC.device.type == "cpu" else ACCELERATOR_CHUNK
    if x_NC.shape[0] * weight_VC.shape[0] <= chunk_elements:
        return F.cross_entropy(F.linear(x_NC, weight_VC).float(), targets_N, ignore_index=ignore_index)
    chunk = max(SMALLEST_CHUNK_TOKENS, chunk_elements // weight_VC.shape[0])
    loss: Tensor = _ChunkedCrossEntropy.apply(x_NC, weight_VC, targets_N, ignore_index, chunk)
    return loss


# docs: start-chunked
class _ChunkedCrossEntropy(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x_NC: Tensor, weight_VC: Tensor, targets_N: Tensor, ignore_index: int, chunk: int) -> Tensor:
        device = x_NC.device.type
        dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else x_NC.dtype
        weight = weight_VC.to(dtype)
        needs_x, needs_weight = ctx.needs_input_grad[:2]
        grad_x_NC = torch.empty_like(x_NC) if needs_x else None
        grad_weight_VC = torch.zeros_like(weight_VC, dtype=torch.float32) if needs_weight else None
        count = (targets_N != ignore_index).sum()
        total = torch.zeros((), device=x_NC.device)
        for start in range(0, x_NC.shape[0], chunk):
            rows = slice(start, start + chunk)
            x, targets = x_NC[rows].to(dtype), targets_N[rows]
            keep = targets != ignore_index
            index = targets.where(keep, 0)[:, None]
            log_probability = (x @ weight.T).float().log_softmax(dim=1)
            total -= log_probability.gather(1, index)[:, 0].where(keep, 0).sum()
            if not needs_x and not needs_weight:
                continue
            # The gradient of the loss by the logits is softmax minus one-hot, 0 where a target is ignored.
            grad = log_probability.exp_()
            grad.scatter_add_(1, index, torch.full_like(index, -1, dtype=grad.dtype))
            grad = grad.mul_((keep / count)[:, None]).to(dtype)
            if grad_x_NC is not None:
                grad_x_NC[rows] = grad @ weight
            if grad_weight_VC is not None:
                grad_weight_VC += grad.T @ x
        ctx.grad_x_NC, ctx.grad_weight_VC, ctx.weight_dtype = grad_x_NC, grad_weight_VC, weight_VC.dtype
        return total / count
        # docs: end-chunked

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad_loss: Tensor) -> tuple[Tensor | None, Tensor | None, None, None, None]:
        grad_x = None if ctx.grad_x_NC is None else ctx.grad_x_NC * grad_loss.to(ctx.grad_x_NC.dtype)
        grad_weight = None
        if ctx.grad_weight_VC is not None:
            grad_weight = (ctx.grad_weight_VC * grad_loss).to(ctx.weight_dtype)
        return grad_x, grad_weight, None, None, None
