"""Virtual precision allows what rounding in a narrow type does, kinks included, and little more."""

from __future__ import annotations

import math

import pytest
import torch

from genverify.numerics.virtual_precision import VirtualPrecision

X = torch.linspace(-1.7, 2.3, 12, dtype=torch.float64).bfloat16().double()

PROGRAMS = {
    "smooth": lambda x: x.sin().exp() / (1 + x.square()),
    "cancels": lambda x: (x + 16.0) - 16.0 + x,
    "kinks": lambda x: (8 * x).frac() + x.relu(),
    "threshold": lambda x: torch.where(x.sin() < 0.7, x, -x),
    "in place": lambda x: x.clone().mul_(1.1).add_(0.3).mul_(1.1).add_(0.3),
    "softmax": lambda x: x.softmax(-1),
}


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16], ids=str)
@pytest.mark.parametrize("f", PROGRAMS.values(), ids=PROGRAMS)
def test_the_same_program_in_a_narrow_type_is_allowed(f, dtype):
    found = VirtualPrecision(lambda: (f(X),), dtype)
    assert found.worst((f(X.to(dtype)),))[0] <= 1


@pytest.mark.parametrize(("dtype", "factor"), [(torch.float32, 1 + 1e-4), (torch.bfloat16, 1.5)], ids=str)
def test_another_program_is_not(dtype, factor):
    f = PROGRAMS["smooth"]
    found = VirtualPrecision(lambda: (f(X),), dtype)
    assert found.worst((f(X.to(dtype)) * factor,))[0] > 1


def test_what_is_not_finite_or_of_another_shape_is_infinitely_far_off():
    found = VirtualPrecision(lambda: (X.sin(),), torch.float32)
    assert found.worst((X.sin()[:3],)) == [math.inf]
    assert found.worst((X.sin() / 0.0,)) == [math.inf]
    assert found.worst((None,)) == [0.0]


def test_nothing_is_promised_of_a_program_that_raises_or_does_not_end_under_perturbation():
    def strict():
        if float((X * 1.0).sum()) != float(X.sum()):
            raise ValueError("theirs")
        return (X,)

    found = VirtualPrecision(strict, torch.float32)
    assert found.allowed(3) == [math.inf]
    assert "raised ValueError" in found.problem


def test_a_program_in_its_own_type_is_allowed_twice_its_rounding():
    found = VirtualPrecision(lambda: (X.sum().reshape(1),), torch.float64)
    assert found.worst((X.flip(0).sum().reshape(1),))[0] <= 1
    assert found.worst((X.flip(0).sum().reshape(1) + 1e-12,))[0] > 1
