"""A training step at full size on no memory: fake tensors, and a fake process group of as many ranks as wanted.

A fake tensor has a shape, a type and a device and no numbers; a fake process group has ranks that do not exist, and
its collectives return at once. What PyTorch would allocate on rank 0 is thus known, to the byte, on one core.
Both are PyTorch's own test tools (`torch.testing._internal`), so a later version may move them.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
import torch.distributed as dist
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.distributed._tools.mem_tracker import MemTracker
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh
from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard
from torch.distributed.tensor import DTensor, Replicate
from torch.distributed.tensor.parallel import ColwiseParallel, RowwiseParallel, parallelize_module

from sc2lib.errors import UnsupportedError
from sc2lib.model.config import ModelConfig
from sc2lib.model.transformer import Starcoder2
from sc2lib.scaling.memory import Layout


@contextmanager
def fake_cluster(ranks: int) -> Iterator[None]:
    """A default process group of that many ranks, of which this process is rank 0 and the others do not exist."""
    from torch.testing._internal.distributed.fake_pg import FakeStore

    if dist.is_initialized():
        raise UnsupportedError("this process already belongs to a process group; plan in a fresh process")
    dist.init_process_group("fake", store=FakeStore(), rank=0, world_size=ranks)
    try:
        yield
    finally:
        dist.destroy_process_group()


# docs: start-shard
def split_matrices(model: Starcoder2, mesh: DeviceMesh) -> None:
    """Tensor parallelism (Shoeybi et al. 2019): of two matrices, the first by outputs, the second by inputs.

    Between the two nothing is communicated; after the second a sum over the ranks. The vocabulary is split too.
    """
    first, second = ColwiseParallel(), RowwiseParallel()
    for block in model.model.layers:
        names = {f"self_attn.{part}_proj": first for part in "qkv"}
        plan = names | {"self_attn.o_proj": second, "mlp.c_fc": first, "mlp.c_proj": second}
        parallelize_module(block, mesh, plan)
    vocabulary = RowwiseParallel(input_layouts=Replicate())
    parallelize_module(model.model, mesh, {"embed_tokens": vocabulary})
    if model.lm_head is not None:
        parallelize_module(model, mesh, {"lm_head": ColwiseParallel()})


def sharded(config: ModelConfig, layout: Layout) -> Starcoder2:
    """The model on the meta device as rank 0 of the layout holds it; needs `fake_cluster(layout.devices)` around it."""
    mesh = init_device_mesh("cpu", (layout.data, layout.tensor), mesh_dim_names=("data", "tensor"))
    model = Starcoder2(config, device="meta")
    if layout.tensor > 1:
        split_matrices(model, mesh["tensor"])
    if layout.sharding == "full" and layout.data > 1:
        policy = MixedPrecisionPolicy(param_dtype=torch.bfloat16, reduce_dtype=torch.float32)
        for block in model.model.layers:
            fully_shard(block, mesh=mesh["data"], mp_policy=policy)
        fully_shard(model, mesh=mesh["data"], mp_policy=policy)
    return model
    # docs: end-shard


def local_bytes(module: nn.Module) -> int:
    """Bytes of the parameters that this rank holds itself."""
    own = (p.to_local() if isinstance(p, DTensor) else p for p in module.parameters())
    return sum(tensor.numel() * tensor.element_size() for tensor in own)


def state_bytes(config: ModelConfig, layout: Layout) -> int:
    """Bytes of fp32 weights on rank 0 of the layout, read off a model that is really split over that many ranks."""
    if layout.pipeline > 1:
        raise UnsupportedError("pipeline stages are planned by formula only; check a layout with pipeline 1")
    with fake_cluster(layout.devices):
        return local_bytes(sharded(config, layout))


# docs: start-step
def fake_step(config: ModelConfig, length: int) -> int:
    """Peak bytes of the last micro-batch of a step on one device: one sequence of `length` tokens, fp32, fused AdamW.

    Moments and the gradients of earlier micro-batches are there before it begins, as in the middle of a run. The
    tensors are fake: forward, backward and optimizer run through every operation, and compute and allocate nothing.
    """
    with FakeTensorMode():
        model = Starcoder2(config)
        optimizer = torch.optim.AdamW(model.parameters(), fused=True)
        for parameter in model.parameters():
            parameter.grad = torch.zeros_like(parameter)
        optimizer.step()
        tokens = torch.zeros(1, length, dtype=torch.long)
        tracker = MemTracker()
        tracker.track_external(model, optimizer)
        with tracker:
            model.loss(tokens, tokens).backward()
            optimizer.step()
        (found,) = tracker.get_tracker_snapshot("peak").values()
    return int(found["Total"])


def chunked_loss_bytes(config: ModelConfig) -> int:
    """Bytes of the book's chunked loss: the gradient of the output matrix in fp32 twice, once of them scaled."""
    return 2 * 4 * config.vocab_size * config.hidden_size
    # docs: end-step
