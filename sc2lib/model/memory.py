"""Bytes that PyTorch really holds on a CPU: the peak while something runs, and what autograd keeps for backward."""

import os
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from sc2lib.model.transformer import Starcoder2


def peak_bytes(step: Callable[[], object]) -> int:
    """The most bytes allocated on the CPU at once while `step` runs, beyond what was there before."""
    from torch.profiler import ProfilerActivity, profile

    os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # or it writes two lines per profile to stderr
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        step()
    assert profiler.profiler is not None and profiler.profiler.kineto_results is not None
    events = [event for event in profiler.profiler.kineto_results.events() if event.name() == "[memory]"]
    changes = [event.nbytes() for event in sorted(events, key=lambda event: event.start_ns())]
    return int(max(0, *np.cumsum(changes))) if changes else 0


# docs: start-saved
def saved_bytes(module: nn.Module, forward: Callable[[], Tensor]) -> int:
    """Bytes of the distinct storages that autograd keeps for the backward pass of `forward`, parameters excluded."""
    parameters = {parameter.untyped_storage().data_ptr() for parameter in module.parameters()}
    kept: dict[int, tuple[int, Tensor]] = {}  # the tensors too, so that no address is used twice

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in parameters:
            kept[storage.data_ptr()] = (storage.nbytes(), tensor)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        output = forward()
    total = sum(size for size, _ in kept.values())
    del output
    return total
    # docs: end-saved


def optimizer_state_bytes(model: Starcoder2, tokens_BT: Tensor) -> int:
    """Bytes of the tensors that AdamW keeps for the parameters after a step on `tokens_BT`, its counters left out."""
    optimizer = torch.optim.AdamW(model.parameters())
    model.loss(tokens_BT, tokens_BT).backward()
    optimizer.step()
    return sum(value.nbytes for state in optimizer.state.values() for value in state.values() if value.ndim)
