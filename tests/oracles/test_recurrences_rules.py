"""Recurrences of the rules beyond Adam: balls against many digits, and against torch's optimizers in their dtype."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from genverify.oracles.recurrences import Recurrence, symbols
from genverify.oracles.recurrences_delta import adadelta, adamax
from genverify.oracles.recurrences_factored import adafactor
from genverify.oracles.recurrences_nadam import nadam, radam
from genverify.oracles.recurrences_reductions import Layout, column_mean, if_matrix, mean, norm, row_mean
from genverify.oracles.recurrences_signs import asgd, lion, rprop
from genverify.oracles.recurrences_trust import lamb, lars
from genverify.oracles.running_error import Ball, running_error_arithmetic

LAYOUT = Layout(((2, 3), (2,), ()))
STEPS = 9
START = (1.0, -0.5, 2.0, 0.25, -3.0, 0.125, 0.0, 0.0, -1.5)
GRADIENTS = (
    torch.tensor(
        [[math.sin(1.3 * k * (j + 1) + j) * (1.0 + j) for j in range(9)] for k in range(1, STEPS + 1)],
        dtype=torch.float64,
    )
    .float()
    .double()
)  # exact in float32, too
HYPER = {
    "lr": 0.0625, "rho": 0.875, "eps": 1e-3, "beta1": 0.875, "beta2": 0.9375, "momentum_decay": 0.5,
    "weight_decay": 0.125, "etaminus": 0.5, "etaplus": 1.25, "step_size_min": 1e-3, "step_size_max": 0.25,
    "lambd": 0.125, "alpha": 0.75, "momentum": 0.75, "trust_coefficient": 0.5, "eps1": 1e-6, "eps2": 1e-3,
    "clip": 1.0, "beta2_decay": -0.75, "machine_epsilon": 2.0**-52,
}  # fmt: skip

RECURRENCES: dict[str, Recurrence] = {
    "adadelta": adadelta(decay="coupled"), "adadelta outside": adadelta(epsilon="outside"),
    "adadelta fresh": adadelta(accumulator="fresh"), "adadelta swapped": adadelta(accumulator="swapped"),
    **{f"adamax {e}": adamax(epsilon=e) for e in ("in_maximum", "outside", "in_decayed", "none")},
    "nadam": nadam(held="exact", decay="decoupled"),
    "nadam scheduled": nadam(average="scheduled", second="scaled", held="exact"),
    "nadam constant": nadam(schedule="constant"), "nadam now": nadam(schedule="constant_now", maximize=True),
    "radam": radam(), "radam four": radam(threshold="four", epsilon="outside", decay="coupled"),
    "radam still": radam(early="still"),
    **{f"rprop {v}": rprop(variant=v) for v in ("zeroed", "minus", "plus")},
    "lion": lion(decay="decoupled"), "lion late": lion(direction="late"),
    "asgd": asgd(held="exact"), "asgd now": asgd(rate="now", held="exact", decay="coupled"),
    **{f"lars {t}": lars(trust=t) for t in ("sum", "joint", "clipped")},
    "lars unit": lars(velocity="unit", vectors="plain", nesterov=True), "lars bare": lars(vectors="bare"),
    "lamb": lamb(), "lamb uncorrected": lamb(correction="none", phi="clamped", ratio="clipped"),
    "adafactor": adafactor(decay="decoupled"), "adafactor paper": adafactor(form="paper", decay="decoupled_step"),
    "adafactor plain": adafactor(scale="none", relative=False, machine=True),
}  # fmt: skip


def followed(recurrence, observed, dtype=torch.float64, hyper=HYPER, gradients=GRADIENTS):
    ones = torch.ones(len(gradients), dtype=torch.float64)
    present = torch.ones_like(gradients, dtype=torch.bool)
    return recurrence.follow(observed, gradients, present, hyper, ones, dtype, layout=LAYOUT)


@pytest.mark.parametrize("name", RECURRENCES)
def test_balls_hold_what_fifty_digits_say(name):
    exact = RECURRENCES[name].in_mpmath(GRADIENTS.tolist(), HYPER, start=START, layout=LAYOUT, digits=40)
    rows = [START, *([float(x) for x in np.broadcast_to(row, (9,))] for row in exact)]
    observed = torch.tensor(rows, dtype=torch.float64)
    expected, allowed = followed(RECURRENCES[name], observed)
    assert bool(((expected - observed[1:]).abs() <= allowed).all())
    moved = (observed[1:] - observed[:-1]).abs()
    assert bool(moved.any(dim=0).all())
    assert bool((allowed <= 1e-9 * moved + 1e-13).all())  # sharp, too


KINDS = {
    "adadelta": (torch.optim.Adadelta, adadelta(), {"lr": 0.0625, "rho": 0.875, "eps": 1e-3}),
    "adamax": (torch.optim.Adamax, adamax(), {"lr": 0.0625, "betas": (0.875, 0.9375), "eps": 1e-3}),
    "nadam": (torch.optim.NAdam, nadam(),
              {"lr": 0.0625, "betas": (0.875, 0.9375), "eps": 1e-3, "momentum_decay": 0.5}),
    "radam": (torch.optim.RAdam, radam(), {"lr": 0.0625, "betas": (0.875, 0.9375), "eps": 1e-3}),
    "rprop": (torch.optim.Rprop, rprop(), {"lr": 0.0625, "etas": (0.5, 1.25), "step_sizes": (1e-3, 0.25)}),
    "asgd": (torch.optim.ASGD, asgd(), {"lr": 0.0625, "lambd": 0.125, "alpha": 0.75}),
    "adafactor": (torch.optim.Adafactor, adafactor(),
                  {"lr": 0.0625, "beta2_decay": -0.75, "eps": (1e-6, 1e-3), "d": 1.0}),
}  # fmt: skip


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("name", KINDS)
def test_balls_hold_torchs_optimizers_in_their_dtype(name, dtype):
    kind, recurrence, arguments = KINDS[name]
    cuts = list(LAYOUT.sizes)
    rounded = GRADIENTS.to(dtype)
    w = [
        torch.nn.Parameter(x.reshape(s))
        for x, s in zip(torch.tensor(START).to(dtype).split(cuts), LAYOUT.shapes, strict=True)
    ]
    optimizer, rows = kind(w, **arguments), [torch.tensor(START, dtype=torch.float64)]
    for row in rounded:
        for p, g in zip(w, row.split(cuts), strict=True):
            p.grad = g.reshape(p.shape).clone()
        optimizer.step()
        rows.append(torch.cat([p.detach().reshape(-1).double() for p in w]))
    observed = torch.stack(rows)
    expected, allowed = followed(recurrence, observed, dtype, gradients=rounded.double())
    assert bool(((expected - observed[1:]).abs() <= allowed).all())
    # Not vacuous: even in bfloat16 some steps are told from ones twice as long.
    moved = (observed[1:] - observed[:-1]).abs()
    told = allowed < torch.where(moved > 0, moved, moved.max())
    assert float(told.double().mean()) > (0.25 if dtype is torch.bfloat16 else 0.9)


def test_reductions_know_rows_from_columns():
    x = torch.arange(9.0, dtype=torch.float64)
    (g,) = symbols("g")
    both = torch.zeros(2, 9, dtype=torch.float64)
    expected = {
        row_mean(g): [1, 1, 1, 4, 4, 4, 6, 7, 8],
        column_mean(g): [1.5, 2.5, 3.5, 1.5, 2.5, 3.5, 6, 7, 8],
        mean(g): [2.5] * 6 + [6.5, 6.5, 8],
        norm(g): [math.sqrt(55)] * 6 + [math.sqrt(85)] * 2 + [8],
        if_matrix(g, 7): [0, 1, 2, 3, 4, 5, 7, 7, 7],
    }
    for expression, values in expected.items():
        found, allowed = followed(Recurrence(lines=(("theta", expression),)), both, gradients=x[None])
        assert torch.allclose(found[0], torch.tensor(values, dtype=torch.float64))
        assert float(allowed.max()) < 1e-12


def test_an_unsettled_sign_claims_no_more_than_its_sides():
    third = Ball.exact(1.0, torch.float64) / 3.0
    functions = running_error_arithmetic()
    sign, choose = functions["sign_of"], functions["if_positive"]
    assert float(sign(third).radius) == 0.0
    unsettled = third - third
    assert float(sign(unsettled).radius) >= 1.0
    assert float(choose(unsettled, 5.0, 2.0).radius) >= 3.0
    assert float(choose(third, 5.0, 2.0).value) == 5.0
    zero = Ball.exact(0.0, torch.float64)
    assert float(sign(zero * third).value) == float(sign(zero * third).radius) == 0.0
