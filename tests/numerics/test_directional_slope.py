"""Slopes from values alone: sharp where the values are smooth, honest at kinks and jumps; and dense matrices."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from genverify.numerics.directional_slope import slope_along
from genverify.numerics.linear_operator import dense_matrix
from genverify.numerics.stochastic_arithmetic import narrowest_dtype, rounding_spread


@pytest.mark.parametrize("f", [torch.sin, torch.exp, torch.tanh, lambda x: x**3, lambda x: 1 / (4 + x)], ids=range(5))
def test_smooth_functions_are_settled_within_the_stated_error(f):
    x = torch.linspace(-1.5, 1.5, 13, dtype=torch.float64, requires_grad=True)
    (truth,) = torch.autograd.grad(f(x).sum(), x)
    found = slope_along(lambda t: f(x + t), 0.125)
    assert bool(((found.value - truth).abs() <= found.error).all())
    assert float(found.error.max()) < 1e-8


@pytest.mark.parametrize("distance", [0.0, 1e-9, 1e-6, 1e-4, 3e-3, 0.01, 0.05, 0.1])
def test_a_kink_within_the_reach_is_settled_or_confessed(distance):
    x = torch.tensor([distance], dtype=torch.float64)
    for f, slope in ((torch.relu, 1.0), (torch.abs, 1.0), (lambda z: torch.maximum(z, 3 * z), 3.0)):
        found = slope_along(lambda t, f=f: f(x + t), 0.125)
        assert abs(float(found.value) - slope) <= float(found.error)


def test_a_jump_is_confessed():
    found = slope_along(lambda t: torch.tensor([1e-5 + t], dtype=torch.float64).sign(), 0.125)
    assert float(found.error) > 1.0


def test_float32_confesses_its_noise():
    x = torch.tensor([1.0])
    found = slope_along(lambda t: torch.exp(x + t), 0.125)
    assert abs(float(found.value) - float(x.double().exp())) <= float(found.error)
    assert 1e-7 < float(found.error) < 1e-2


def test_the_matrix_of_a_layer_is_its_weight():
    layer = nn.Linear(3, 2).double()
    matrix = dense_matrix(layer, (3,))
    # f(e_j) − f(0): one product and two additions.
    assert bool(((matrix - layer.weight).abs() <= 4 * torch.finfo(torch.float64).eps).all())


def test_rounding_in_complex_numbers_is_measured():
    x = torch.arange(8.0, dtype=torch.float64)

    def through_the_spectrum():
        return (torch.fft.irfft(torch.fft.rfft(x) * torch.fft.rfft(x).conj(), n=8),)

    spread = rounding_spread(through_the_spectrum)
    assert float(spread.allowed[0].min()) > 0
    assert narrowest_dtype(lambda: torch.fft.rfft(x.float()).abs().double()) is torch.float32
