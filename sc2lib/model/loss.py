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
    x_NE: Tensor,
    weight_VE: Tensor,
    targets_N: Tensor,
    ignore_index: int = -100,
    z_loss: float = 0.0,
    chunk_elements: int | None = None,
) -> Tensor:
    """Mean of ``cross_entropy(x @ weight.T, targets)`` over the targets that count, in fp32.

    With N·V at most `chunk_elements` (None: by device) this is the plain product and loss. Above, tokens go
    through in chunks, and each chunk's gradient is taken while its logits are still there: the FLOPs of
    forward plus backward are the same, the memory is one chunk of logits instead of three times N·V.
    The backward pass scales these gradients in place and hands them over: no copy of 4·V·E bytes, and none that waits
    until the blocks have theirs. A retained graph can therefore not be gone through a second time.
    `z_loss` times the mean of (log Z)² is added, where Z is the sum over the vocabulary that the softmax divides by.
    Without any target the loss is 0 over 0 targets: NaN, as in PyTorch.
    """
    if chunk_elements is None:
        chunk_elements = CPU_CHUNK if x_NE.device.type == "cpu" else ACCELERATOR_CHUNK
    if x_NE.shape[0] * weight_VE.shape[0] <= chunk_elements:
        logits_NV = F.linear(x_NE, weight_VE).float()
        loss = F.cross_entropy(logits_NV, targets_N, ignore_index=ignore_index)
        if z_loss:
            loss = loss + z_loss * logits_NV[targets_N != ignore_index].logsumexp(1).square().mean()
        return loss
    chunk = max(SMALLEST_CHUNK_TOKENS, chunk_elements // weight_VE.shape[0])
    loss = _ChunkedCrossEntropy.apply(x_NE, weight_VE, targets_N, ignore_index, z_loss, chunk)
    return loss


# docs: start-chunked
class _ChunkedCrossEntropy(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x_NE: Tensor, weight_VE: Tensor, targets_N: Tensor, ignore_index: int, z_loss: float, chunk: int
    ) -> Tensor:
        device = x_NE.device.type
        dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else x_NE.dtype
        weight = weight_VE.to(dtype)
        needs_x, needs_weight = ctx.needs_input_grad[:2]
        grad_x_NE = torch.empty_like(x_NE) if needs_x else None
        grad_weight_VE = torch.zeros_like(weight_VE, dtype=torch.float32) if needs_weight else None
        count = (targets_N != ignore_index).sum()
        total = torch.zeros((), device=x_NE.device)
        for start in range(0, x_NE.shape[0], chunk):
            rows = slice(start, start + chunk)
            x, targets = x_NE[rows].to(dtype), targets_N[rows]
            keep = targets != ignore_index
            index = targets.where(keep, 0)[:, None]
            logits = (x @ weight.T).float()
            log_probability = logits.log_softmax(dim=1)
            total -= log_probability.gather(1, index)[:, 0].where(keep, 0).sum()
            if z_loss:
                log_z = logits.logsumexp(dim=1, keepdim=True)
                total += z_loss * log_z[:, 0].square().where(keep, 0).sum()
            del logits  # nothing of this chunk may be held while the next one's logits are made
            if not needs_x and not needs_weight:
                continue
            # The gradient of the loss by the logits is softmax minus one-hot, 0 where a target is ignored.
            grad = log_probability.exp_()
            if z_loss:
                grad *= 1 + 2 * z_loss * log_z  # log Z has the softmax as its gradient
            grad.scatter_add_(1, index, torch.full_like(index, -1, dtype=grad.dtype))
            grad = grad.mul_((keep / count)[:, None]).to(dtype)
            if grad_x_NE is not None:
                grad_x_NE[rows] = grad @ weight
            if grad_weight_VE is not None:
                grad_weight_VE += grad.T @ x
            del grad, log_probability
        ctx.save_for_backward(grad_x_NE, grad_weight_VE)  # autograd drops them after `backward`; on ctx they would stay
        ctx.weight_dtype = weight_VE.dtype
        return total / count
        # docs: end-chunked

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad_loss: Tensor) -> tuple[Tensor | None, Tensor | None, None, None, None, None]:
        grad_x_NE, grad_weight_VE = ctx.saved_tensors
        if grad_x_NE is not None:
            grad_x_NE.mul_(grad_loss.to(grad_x_NE.dtype))
        if grad_weight_VE is not None:
            grad_weight_VE = grad_weight_VE.mul_(grad_loss).to(ctx.weight_dtype)
        return grad_x_NE, grad_weight_VE, None, None, None, None
