"""Where arguments live: structured domains, gradients along them, constraints between arguments."""

from __future__ import annotations

import pytest
import torch

from genverify.formulas.catalogue import reduction
from genverify.subjects.domains import integer, one_hot, simplex, spd
from genverify.subjects.parametrisation import any_real, plain
from genverify.subjects.specification import Constraint, Layout
from genverify.subjects.structured_domains import (
    decreasing,
    mask,
    orthogonal,
    permutation,
    schedule,
    sorted_values,
)
from tests.checks.toy_formula import known, outcome, right, wrong


def gather(x, order):
    return x.gather(-1, order)


STRUCTURED = {
    "permutation": (permutation, (gather, lambda v, x: gather(x, v)), lambda x, v: gather(x, v.argsort(-1))),
    "sorted": (sorted_values, (None, lambda v, x: v[..., -1:] * x), lambda x, v: v[..., :1] * x),
    "schedule": (schedule, (None, lambda v, x: (1 - v).cumprod(-1) * x), lambda x, v: (1 - v.cumsum(-1)) * x),
    "decreasing": (decreasing, (None, lambda v, x: v.sqrt() * x), lambda x, v: v * x),
    "mask": (mask, (None, lambda v, x: torch.where(v, x, 0.0)), lambda x, v: torch.where(v, x, -1.0)),
    "one_hot": (one_hot, (None, lambda v, x: v * x), lambda x, v: v.argmax(-1, keepdim=True) * x),
    "simplex": (simplex, (None, lambda v, x: v * x), lambda x, v: v**2 * x),
    "integer": (
        lambda: integer(0, 2, sentinels=(-100,)),
        (None, lambda v, x: torch.where(v == -100, 0.0, x)),
        lambda x, v: torch.where(v == 0, 0.0, x),
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", STRUCTURED)
def test_structured_domains(kind):
    domain, (_, oracle), mistaken = STRUCTURED[kind]
    differentiable = kind in ("sorted", "schedule", "decreasing")
    with known(
        arguments=(any_real("x", "batch event"), plain("v", "batch event", domain(), differentiable=differentiable)),
        oracle=lambda x, v: oracle(v, x), output="batch event", layouts=(Layout(name="batched"),),
        sizes={"event": (1, 4)},
        dialects=(reduction("event", ("none",)), reduction("batch", ("none",))),
    ) as like:  # fmt: skip
        right(lambda x, v: oracle(v, x), like)
        assert outcome(mistaken, like, by="value") == "FAIL"


def test_gradients_only_along_the_domain():
    """Probabilities that are normalised inside, rotations differentiated along the group, one matrix entry for two."""
    for domain, axes, normalise in (
        (simplex(), "batch event", lambda p: p / p.sum(-1, keepdim=True)),
        (spd(), "batch event event", lambda s: (s + s.mT) / 2),
        (orthogonal(), "batch event event", lambda q: 1.5 * q - 0.5 * q @ q.mT @ q),  # the polar factor's first step
    ):
        with known(
            arguments=(plain("p", axes, domain),), oracle=lambda p: p**3, output=axes, operations=64,
            layouts=(Layout(name="batched"),),
        ) as like:  # fmt: skip
            right(lambda p, normalise=normalise: normalise(p) ** 3, like)
            assert outcome(lambda p: p.detach() * p**2, like, by="gradient") == "FAIL"


def test_constraints_between_sizes_and_between_values():
    s_and_t = (plain("s", "", integer(0, 5)), plain("t", "", integer(0, 5)))
    before = Constraint(statement="s < t", holds=lambda v: v["s"] < v["t"])
    far = Constraint(statement="t - s < 4", holds=lambda v: v["t"] - v["s"] < 4)
    with known(
        arguments=(any_real("x", "batch"), *s_and_t), oracle=lambda x, s, t: x ** (t - s), output="batch",
        constraints=(before, far),
    ) as like:  # fmt: skip

        def between(x, s, t):
            assert s < t < s + 4
            return x ** (t - s)

        right(between, like)
        wrong(lambda x, s, t: x**t, like, "dialect")
