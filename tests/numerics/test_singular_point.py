"""Values where a derivative is no number: examined to what a guard may do, and left alone where nothing is known."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from genverify.numerics import conditioned_allowance
from genverify.numerics.singular_point import singular_allowance

D = torch.float64


def _both(f, *args: Tensor):
    known = conditioned_allowance(f, list(args), dtype=D, operations=16)
    return known, singular_allowance(f, list(args), known)


def test_a_norm_at_zero_may_have_its_guard_and_no_more():
    x = torch.zeros(3, dtype=D)
    known, found = _both(lambda x: (x.square().sum().sqrt(),), x)
    assert not bool(known.examined.any())
    guarded = torch.tensor(1e-8, dtype=D).sqrt()
    assert float(found.excess(guarded)) <= 1
    assert float(found.excess(torch.tensor(1e-2, dtype=D))) > 1


def test_a_last_step_is_examined_though_the_slope_of_its_noise_is_not_a_number():
    """σ_up = (σ′² (σ² − σ′²)/σ²)^½ at σ′ = 0, where the chain rule says ∞ · 0."""

    def step(x: Tensor, s: Tensor, n: Tensor) -> tuple[Tensor, ...]:
        up = (n**2 * (s**2 - n**2) / s**2).sqrt()
        return (x, x * ((n**2 - up**2).sqrt() - s), up)

    x, sigma, zero = torch.tensor([0.5, -1.0], dtype=D), torch.tensor(1.5, dtype=D), torch.tensor(0.0, dtype=D)
    known, found = _both(step, x, sigma, zero)
    assert not bool(known.examined.any())
    assert bool(found.examined.all())
    right = x - sigma * x
    assert float(found.excess(right).max()) <= 1
    assert float(found.excess(1.05 * right).max()) > 1


@pytest.mark.parametrize("f", [lambda x: ((1 - x).sqrt(),), lambda x: (torch.log(x),)])
def test_beyond_a_border_nothing_is_known(f):
    """The value next to it is no number, or is none itself."""
    x = torch.ones(1, dtype=D) if math.isfinite(float(f(torch.ones(1, dtype=D))[0])) else torch.zeros(1, dtype=D)
    x = torch.zeros(1, dtype=D) if f(torch.full((1,), 2.0))[0].isfinite().all() else x
    known, found = _both(f, x)
    assert not bool(known.examined.any())
    assert not bool(found.examined.any())


def test_what_is_known_is_left_as_it_is():
    x = torch.tensor([0.0, 2.0], dtype=D)
    known, found = _both(lambda x: (x.sqrt(),), x)
    assert torch.isinf(known.allowed).tolist() == [True, False]
    assert float(found.allowed[1]) == float(known.allowed[1])
