"""The recurrences: one SymPy object on balls and in mpmath, against each other and against float arithmetic."""

from __future__ import annotations

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from genverify.oracles.recurrences import Recurrence, symbols
from genverify.oracles.recurrences_adaptive import adagrad, adam, rmsprop
from genverify.oracles.recurrences_momentum import FORMS, descent, momentum
from genverify.oracles.running_error import Ball

HYPER = {
    "lr": 0.01, "momentum": 0.9, "dampening": 0.3, "weight_decay": 0.1, "beta1": 0.9, "beta2": 0.99, "eps": 1e-3,
    "alpha": 0.95, "lr_decay": 0.1, "initial_accumulator_value": 0.5,
}  # fmt: skip
GRADIENTS = [1.0, -0.5, 0.25, 3.0, -2.0, 0.125, 1e-3, 0.0, 1.0, -1.0]

RECURRENCES: dict[str, Recurrence] = {
    "descent": descent(decay="coupled"), "maximize": descent(decay="decoupled", maximize=True),
    **{f"momentum {form}": momentum(form) for form in FORMS},
    "folded": momentum("heavy_ball", velocity="folded"), "stale": momentum("heavy_ball", velocity="stale"),
    **{
        f"adam {epsilon} {correction}": adam(epsilon=epsilon, correction=correction)
        for epsilon, correction in itertools.product(
            ("outside", "hat", "inside", "inside_hat", "no_root"), ("both", "none", "first", "second")
        )
    },
    **{f"adam {d}": adam(decay=d) for d in ("coupled", "decoupled", "decoupled_unscaled", "decoupled_after")},
    "amsgrad v": adam(maximum="v"), "amsgrad v_hat": adam(maximum="v_hat"),
    "late": adam().theta_first(),
    "rmsprop centred": rmsprop(center="variance", form="unit"),
    "rmsprop inside": rmsprop(epsilon="inside", form="folded"),
    "adagrad": adagrad(), "adagrad inside": adagrad(epsilon="inside"),
}  # fmt: skip


def followed(recurrence, observed, dtype=torch.float64):
    gradients = torch.tensor(GRADIENTS, dtype=torch.float64)[:, None]
    ones = torch.ones(len(GRADIENTS), dtype=torch.float64)
    return recurrence.follow(observed[:, None], gradients, gradients == gradients, HYPER, ones, dtype)


@pytest.mark.parametrize("name", RECURRENCES)
def test_balls_hold_what_fifty_digits_say(name):
    exact = [float(x) for x in RECURRENCES[name].in_mpmath(GRADIENTS, HYPER, start=1)]
    observed = torch.tensor([1.0, *exact], dtype=torch.float64)
    expected, allowed = followed(RECURRENCES[name], observed)
    assert bool(((expected[:, 0] - observed[1:]).abs() <= allowed[:, 0]).all())
    # Sharp, too: a step that is longer by one part in 10⁹ is seen wherever the parameter moves.
    moved = observed[1:] - observed[:-1]
    assert bool((allowed[:, 0] <= 1e-9 * moved.abs() + 1e-14).all())


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_balls_hold_torchs_adam_in_its_dtype(dtype):
    w = torch.nn.Parameter(torch.ones(1, dtype=dtype))
    optimizer = torch.optim.Adam([w], lr=0.01, betas=(0.9, 0.99), eps=1e-3)
    observed = [1.0]
    for g in torch.tensor(GRADIENTS, dtype=dtype):
        w.grad = g.reshape(1).clone()
        optimizer.step()
        observed.append(w.item())
    expected, allowed = followed(adam(), torch.tensor(observed, dtype=torch.float64), dtype)
    error = (expected[:, 0] - torch.tensor(observed[1:], dtype=torch.float64)).abs()
    assert bool((error <= allowed[:, 0]).all())
    if dtype is torch.float32:
        assert float(error.max()) > 0


def test_an_absent_gradient_leaves_the_element_and_its_count():
    gradients = torch.ones(3, 2, dtype=torch.float64)
    present = torch.tensor([[True, False], [True, False], [True, True]])
    observed = torch.zeros(4, 2, dtype=torch.float64)
    ones = torch.ones(3, dtype=torch.float64)
    own, _ = adam().follow(observed, gradients, present, HYPER, ones, torch.float64)
    assert own[0, 1] == own[1, 1] == 0.0
    assert torch.allclose(own[2, 1], own[0, 0])  # its first step
    shared, _ = adam().follow(observed, gradients, present, HYPER, ones, torch.float64, shared_clock=True)
    assert float((shared[2, 1] - own[2, 1]).abs()) > 1e-4


def test_buffers_are_what_is_read_before_it_is_assigned():
    assert adam(maximum="v").buffers == ("m", "v", "x")
    assert descent(decay="coupled").buffers == ()
    assert momentum("heavy_ball", velocity="stale").buffers == ("b",)


numbers = st.floats(min_value=-1e3, max_value=1e3, width=32).filter(lambda x: x == 0 or abs(x) > 1e-3)


@given(numbers, numbers, numbers, st.integers(1, 40))
@settings(max_examples=60, deadline=None)
def test_a_ball_holds_what_float32_computes(a, b, c, n):
    x, y, z = (Ball.exact(v, torch.float32) for v in (a, b, c))
    f = [torch.tensor(v, dtype=torch.float32) for v in (a, b, c)]
    pairs = [
        (x * y + z, f[0] * f[1] + f[2]),
        (x + y * (z - x), f[0] + f[1] * (f[2] - f[0])),
        ((x * x + y * y).sqrt() + 1.0, torch.hypot(f[0], f[1]) + 1.0),
        (1.0 / (x * x + 1.0), 1.0 / (f[0] * f[0] + 1.0)),
        ((x / 1e3) ** torch.tensor(float(n), dtype=torch.float64), (f[0] / 1e3) ** n),
    ]
    for ball, found in pairs:
        assert float((ball.value - found.double()).abs()) <= float(ball.radius) or not torch.isfinite(ball.radius)


def test_a_cancelled_root_claims_nothing():
    third = Ball.exact(1.0, torch.float64) / 3.0
    assert torch.isinf((third * third - third * third).sqrt().radius)


def test_equations_are_the_lines_that_run():
    m, g = symbols("m g")
    shown = Recurrence(lines=(("m", m + g), ("theta", symbols("theta")[0] - m))).equations()
    assert [str(one.lhs) for one in shown] == ["m_t", "theta_t"]
    assert str(shown[1].rhs) == "-m_t + theta_{t-1}"
