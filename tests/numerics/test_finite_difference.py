import pytest
import torch

from genverify.errors import UsageError
from genverify.numerics import autodiff_gap, directional_derivative, finite_difference_jacobian


class _WrongBackward(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x**3

    @staticmethod
    def backward(ctx, grad):
        (x,) = ctx.saved_tensors
        return grad * 2 * x**2  # should be 3 x²


@pytest.mark.parametrize("f", [torch.sin, torch.exp, torch.tanh, lambda x: 1 / (3 + x), lambda x: x**5])
def test_the_error_estimate_holds_and_is_small(f):
    x = torch.linspace(-2, 2, 9, dtype=torch.float64)
    slope = directional_derivative(f, x, torch.ones_like(x))
    leaf = x.clone().requires_grad_()
    f(leaf).sum().backward()
    assert ((slope.value - leaf.grad).abs() <= slope.error).all()
    assert (slope.error <= 1e-9 * (1 + leaf.grad.abs())).all()


def test_a_kink_shows_in_the_error_or_not_at_all():
    x = torch.zeros(1, dtype=torch.float64)
    slope = directional_derivative(lambda x: torch.relu(x - 1e-3), x, torch.ones_like(x))
    assert (slope.value - 0).abs() <= slope.error + 1e-12


def test_jacobian_of_a_linear_map_is_its_matrix():
    matrix = torch.arange(6.0, dtype=torch.float64).reshape(2, 3)
    found = finite_difference_jacobian(lambda x: matrix @ x, torch.ones(3, dtype=torch.float64))
    assert ((found.value - matrix).abs() <= found.error + 1e-13).all()


def test_leaving_the_domain_gives_an_infinite_error_or_a_smaller_step():
    x = torch.tensor([1e-3], dtype=torch.float64)
    slope = directional_derivative(torch.log, x, torch.ones_like(x))
    assert torch.isinf(slope.error) or (slope.value - 1e3).abs() <= slope.error


def test_a_detached_part_and_a_wrong_backward_are_found_and_a_right_one_is_not():
    x = torch.tensor([0.7, -1.2], dtype=torch.float64)
    one = torch.ones_like(x)
    for f in (_WrongBackward.apply, lambda x: x * x.detach(), torch.no_grad()(torch.sin)):
        gap = autodiff_gap(f, x, one, one)
        assert gap.value > gap.error
    gap = autodiff_gap(lambda x: torch.sin(x) * x, x, one, one)
    assert gap.value <= gap.error


def test_float32_is_refused_with_a_way_out():
    with pytest.raises(UsageError, match="double"):
        directional_derivative(torch.sin, torch.zeros(1), torch.ones(1))
