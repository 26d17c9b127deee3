import pytest
import torch
import torch.nn.functional as F

from sc2lib.model.loss import linear_cross_entropy


def draw(tokens=150, channels=12, vocabulary=40):
    generator = torch.Generator().manual_seed(3)
    x = torch.randn(tokens, channels, generator=generator).requires_grad_()
    weight = torch.randn(vocabulary, channels, generator=generator).requires_grad_()
    targets = torch.randint(0, vocabulary, (tokens,), generator=generator)
    targets[::7] = -100
    return x, weight, targets


@pytest.mark.parametrize("trainable", [(True, True), (True, False), (False, True)])
def test_chunked_loss_and_gradients_equal_the_plain_ones(trainable):
    results = []
    for elements in (10**9, 1):  # all at once, or the smallest chunks
        x, weight, targets = draw()
        x.requires_grad_(trainable[0])
        weight.requires_grad_(trainable[1])
        loss = linear_cross_entropy(x, weight, targets, chunk_elements=elements)
        (3 * loss).backward()
        results.append([loss, x.grad, weight.grad])
    for plain, chunked in zip(*results, strict=True):
        torch.testing.assert_close(chunked, plain)


def test_the_gradients_are_the_buffers_of_the_forward_pass_and_the_loss_keeps_neither():
    x, weight, targets = draw()
    loss = linear_cross_entropy(x, weight, targets, chunk_elements=1)
    buffers = [tensor.data_ptr() for tensor in loss.grad_fn.saved_tensors]
    (3 * loss).backward()
    assert buffers == [x.grad.data_ptr(), weight.grad.data_ptr()]
    with pytest.raises(RuntimeError, match="already been freed"):
        _ = loss.grad_fn.saved_tensors


def test_the_gradient_can_be_taken_once_and_has_none_of_its_own():
    x, weight, targets = draw()
    loss = linear_cross_entropy(x, weight, targets, chunk_elements=1)
    (gradient,) = torch.autograd.grad(loss**2, x, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        gradient.sum().backward()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


@torch.no_grad()
def test_without_gradients():
    x, weight, targets = draw()
    expected = F.cross_entropy(x @ weight.T, targets)
    torch.testing.assert_close(linear_cross_entropy(x, weight, targets, chunk_elements=1), expected)


def test_autocast_keeps_fp32_loss_and_gradients():
    x, weight, targets = draw()
    with torch.autocast("cpu", torch.bfloat16):
        loss = linear_cross_entropy(x, weight, targets, chunk_elements=1)
    loss.backward()
    assert loss.dtype == x.grad.dtype == weight.grad.dtype == torch.float32
    exact_x, exact_weight, _ = draw()
    exact = linear_cross_entropy(exact_x, exact_weight, targets, chunk_elements=10**9)
    exact.backward()
    torch.testing.assert_close(loss, exact, atol=1e-2, rtol=1e-2)
    torch.testing.assert_close(x.grad, exact_x.grad, atol=1e-3, rtol=3e-2)


def test_no_target_at_all_is_nan_as_in_pytorch():
    x, weight, targets = draw()
    nothing = torch.full_like(targets, -100)
    assert linear_cross_entropy(x, weight, nothing, chunk_elements=1).isnan()
    assert F.cross_entropy(x @ weight.T, nothing).isnan()


@pytest.mark.parametrize("elements", [1, 10**9])
def test_z_loss_adds_the_mean_square_of_log_z(elements: int) -> None:
    """In chunks and at once, loss and gradients equal the formula, targets that are ignored left out."""
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(200, 16, generator=generator, requires_grad=True)
    weight = torch.randn(50, 16, generator=generator, requires_grad=True)
    targets = torch.randint(0, 50, (200,), generator=generator)
    targets[:30] = -100
    logits = x @ weight.T
    expected = F.cross_entropy(logits, targets) + 0.01 * logits[30:].logsumexp(1).square().mean()
    loss = linear_cross_entropy(x, weight, targets, z_loss=0.01, chunk_elements=elements)
    torch.testing.assert_close(loss, expected)
    gradients = (torch.autograd.grad(each, (x, weight)) for each in (loss, expected))
    for ours, theirs in zip(*gradients, strict=True):
        torch.testing.assert_close(ours, theirs)
