"""What `torch.compile` gets wrong, without genverify in between: the parity of a reference has shown it."""

from __future__ import annotations

import pytest
import torch


def _sliced(weight, x, v):
    """Sliced score matching of a linear score: a loss with a derivative in it."""
    x = x.detach().requires_grad_(True)
    along = ((x @ weight.mT) * v).sum(1)
    (slope,) = torch.autograd.grad(along.sum(), x, create_graph=True)
    return ((slope * v).sum(1) + along**2 / 2).mean()


@pytest.fixture
def given():
    generator = torch.Generator().manual_seed(0)
    x, v = (torch.randn(5, 3, dtype=torch.float64, generator=generator) for _ in range(2))
    return torch.eye(3, dtype=torch.float64, requires_grad=True), x, v


def _compiled():
    torch._dynamo.reset()
    return torch.compile(_sliced, backend="aot_eager")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.xfail(
    strict=True,
    reason="torch 2.13: the gradient of a gradient through a compiled graph is lost without a word where it is asked "
    "for by torch.autograd.grad; by backward() it raises",
)
def test_the_second_derivative_is_there(given):
    weight, x, v = given
    (right,) = torch.autograd.grad(_sliced(weight, x, v), weight)
    (found,) = torch.autograd.grad(_compiled()(weight, x, v), weight)
    torch.testing.assert_close(found, right)


@pytest.mark.filterwarnings("ignore")
def test_what_is_lost_is_the_term_with_the_slope(given):
    """The other term's gradient is all that is found; the value is right."""
    weight, x, v = given
    made = _compiled()(weight, x, v)
    torch.testing.assert_close(made, _sliced(weight, x, v))
    (found,) = torch.autograd.grad(made, weight)
    (rest,) = torch.autograd.grad((((x @ weight.mT) * v).sum(1) ** 2 / 2).mean(), weight)
    torch.testing.assert_close(found, rest)


@pytest.mark.filterwarnings("ignore")
def test_backward_says_so(given):
    with pytest.raises(RuntimeError, match="double backward"):
        _compiled()(*given).backward()
