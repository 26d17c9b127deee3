"""How a model is cut over devices. The model knows of one device; this module alone knows of several.

Two cuts, along the two sides of a mesh of processes. *Tensor parallel*: the processes of a row compute the same tokens,
each with its heads and its channels of the MLP. *Fully sharded* (FSDP2): the processes of a column compute different
tokens, each stores a slice of every matrix, and a block is put together only while it computes.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict, set_model_state_dict
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import FSDPModule, MixedPrecisionPolicy, fully_shard, register_fsdp_forward_method
from torch.distributed.tensor import DTensor, Replicate
from torch.distributed.tensor.parallel import (
    ColwiseParallel,
    ParallelStyle,
    PrepareModuleInput,
    RowwiseParallel,
    parallelize_module,
)

from sc2lib.model.transformer import Starcoder2

DATA, TENSOR = "data_parallel", "tensor_parallel"  # the names that Lightning gives the sides of its mesh


# docs: start-tensor-plan
def tensor_plan() -> dict[str, ParallelStyle]:
    """Which matrices of a block are cut along their outputs (column-wise), which along their inputs (row-wise).

    A pair of the two needs one sum over the processes forward and one backward, at its end and its start: two and two
    in a block (Shoeybi et al. 2019). The input of attention becomes a DTensor before it branches into query, key and
    value: what the three send back is then added up on each process first, and over the processes once instead of three
    times. Norms and embedding stay whole on every process, and so does the loss.
    """
    whole = (Replicate(), None, None, None, None)  # x_BTE, rotation, plan, cache, layer
    return {
        "self_attn": PrepareModuleInput(input_layouts=whole, desired_input_layouts=whole, use_local_output=False),
        "self_attn.q_proj": ColwiseParallel(),
        "self_attn.k_proj": ColwiseParallel(),
        "self_attn.v_proj": ColwiseParallel(),
        "self_attn.o_proj": RowwiseParallel(),
        "mlp.c_fc": ColwiseParallel(),
        "mlp.c_proj": RowwiseParallel(),
    }
    # docs: end-tensor-plan


def parallelise(model: Starcoder2, mesh: DeviceMesh, gather_bf16: bool = False) -> None:
    """Cut `model`, whose parameters may still be on the meta device, over the two sides of `mesh`.

    The matrices of each block are sharded together; the rest (norms, embedding, head) is put together when `hidden`
    begins and stays so for the loss, which reads the embedding outside of any module's forward pass. Gathers move the
    fp32 weights: autocast then computes as on one device, and the losses are the same.

    `gather_bf16`: the blocks' matrices are rounded before they travel and not after, in half the bytes; shards,
    optimizer and the sum of the gradients over processes stay fp32. The rest still comes in fp32, and no input is cast:
    norms, residual stream and embedding are then what they were, and every product of autocast has the same operands,
    so the losses keep their bits (`tests/training/test_fsdp.py`).
    """
    data, tensor = mesh[DATA], mesh[TENSOR]
    if tensor.size() > 1:
        for block in model.model.layers:
            parallelize_module(block, tensor, tensor_plan())
    if data.size() > 1:
        kind = torch.bfloat16 if gather_bf16 else None
        matrices = MixedPrecisionPolicy(param_dtype=kind, reduce_dtype=torch.float32, cast_forward_inputs=False)
        for block in model.model.layers:
            parts = [block.get_submodule(name) for name in ("self_attn", "mlp")]
            fully_shard(parts, mesh=data, mp_policy=matrices)
        fully_shard(model, mesh=data, reshard_after_forward=False)
        register_fsdp_forward_method(model, "hidden")


def deferred_gradient_sync(model: nn.Module) -> AbstractContextManager[None]:
    """For backward passes that are not the last of a step: gradients of the shards in `model` stay whole on this
    process, added up in fp32, until a backward pass outside of this context scatters their sum (DDP's `no_sync`)."""
    return _off(FSDPModule.set_requires_gradient_sync, sharded_modules(model))


def kept_after_forward(model: nn.Module) -> AbstractContextManager[None]:
    """For forward passes: what they gather stays so for the backward pass, which gathers nothing. (What lies outside of
    the blocks always does.)"""
    blocks = [module for module in sharded_modules(model) if not isinstance(module, Starcoder2)]
    return _off(FSDPModule.set_reshard_after_forward, blocks)


def kept_after_backward(model: nn.Module) -> AbstractContextManager[None]:
    """For backward passes that are not the last of a step: what is gathered stays so for the next micro-batch, whose
    weights are the same. A backward pass outside of this context frees it, block by block."""
    return _off(FSDPModule.set_reshard_after_backward, sharded_modules(model))


@contextmanager
def _off(switch: Callable[..., None], modules: Sequence[FSDPModule]) -> Iterator[None]:
    """Turn a switch of FSDP2 off in each of these modules, and on again at the end."""
    for module in modules:
        switch(module, False, recurse=False)
    try:
        yield
    finally:
        for module in modules:
            switch(module, True, recurse=False)


def sharded_modules(model: nn.Module) -> list[FSDPModule]:
    """The modules in `model` that FSDP2 gathers: attention and MLP of each block, and the whole for what is left."""
    return [module for module in model.modules() if isinstance(module, FSDPModule)]


def scatter(whole: Starcoder2 | None, model: Starcoder2, device: torch.device) -> None:
    """Give a cut model on the meta device memory on `device`, and every process its part of the weights of `whole`.

    Only the first process passes a `whole` model, so only one process of the run ever holds all weights.
    """
    model.to_empty(device=device)
    weights = {} if whole is None else whole.state_dict()
    set_model_state_dict(model, weights, options=StateDictOptions(full_state_dict=True, broadcast_from_rank0=True))


def gather(model: Starcoder2) -> Starcoder2 | None:
    """The inverse of `scatter`, called by every process: the whole model on the first one's CPU, None elsewhere.

    A model that is not cut is returned as it is.
    """
    if not any(isinstance(parameter, DTensor) for parameter in model.parameters()):
        return model
    weights = get_model_state_dict(model, options=StateDictOptions(full_state_dict=True, cpu_offload=True))
    if dist.get_rank():
        return None
    whole = Starcoder2(model.config, device="meta")
    whole.load_state_dict(weights, assign=True)
    return whole


def agreed(tokens_B: Tensor) -> Tensor:
    """The tokens that the first process drew, on every process; all of the run call this together.

    Equal logits give equal tokens, but a sum over processes need not have the same last bits on all of them. A row
    that ended on one process alone would leave the others waiting in the next gather.
    """
    dist.broadcast(tokens_B, 0)
    return tokens_B


def by_mesh(parameters: Iterable[nn.Parameter]) -> list[list[nn.Parameter]]:
    """Parameters that one fused operation may take together: plain ones, and shards over the same processes."""
    groups: dict[DeviceMesh | None, list[nn.Parameter]] = {}
    for parameter in parameters:
        mesh = parameter.device_mesh if isinstance(parameter, DTensor) else None
        groups.setdefault(mesh, []).append(parameter)
    return list(groups.values())


def clip_gradients(parameters: Iterable[nn.Parameter], limit: float) -> Tensor:
    """Scale all gradients so that their norm is at most `limit`; the norm before, the same on every process.

    `torch.nn.utils.clip_grad_norm_`, for parameters of which some are whole and some are shards over different sides
    of a mesh. A gradient that is whole on every process counts once.
    """
    groups = [[p for p in group if p.grad is not None] for group in by_mesh(parameters)]
    groups = [group for group in groups if group]
    norms = [torch.nn.utils.get_total_norm([p.grad for p in group if p.grad is not None]) for group in groups]
    norms = [norm.full_tensor() if isinstance(norm, DTensor) else norm for norm in norms]
    total = norms[0] if len(norms) == 1 else torch.linalg.vector_norm(torch.stack(norms))
    for group in groups:
        torch.nn.utils.clip_grads_with_norm_(group, limit, total)
    return total
