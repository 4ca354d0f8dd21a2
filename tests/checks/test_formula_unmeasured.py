"""What is said of a result whose rounding allowance has to be measured, and cannot be."""

from __future__ import annotations

import torch

from genverify.subjects.parametrisation import any_real
from genverify.subjects.specification import Layout
from tests.checks.toy_formula import known, outcome, right, wrong


def _follows(x):
    """x³; its arithmetic must be exact, so that perturbed arithmetic cannot follow it."""
    if not torch.equal(x * 1.0, x):
        raise ArithmeticError("inexact")
    return x**3


def _toy(second, *, gradient=False):
    return known(
        arguments=(any_real("x", "batch"),), oracle=lambda x: (2 * x, second(x)), output="batch|batch",
        outputs=("double", "cube"), measured=True, gradient=gradient, layouts=(Layout(name="batched"),),
    )  # fmt: skip


def test_agreement_of_the_other_results_determines_nothing():
    """The second is wrong, and no one can say how much rounding may do to it: INCONCLUSIVE, never PASS."""
    with _toy(_follows) as like:
        right(lambda x: (2 * x, x**3), like, checks=("formula.dialect", "formula.value"))
        assert outcome(lambda x: (2 * x, x**2), like, by="value") == "INCONCLUSIVE"
        wrong(lambda x: (3 * x**2, x**3 + 1), like, "dialect", accuracy=1e-9)


def test_where_it_can_be_measured_it_is_judged():
    with _toy(lambda x: x**3) as like:
        right(lambda x: (2 * x, x**3), like, checks=("formula.dialect", "formula.value"))
        wrong(lambda x: (2 * x, x**2), like, "value")


def test_nor_does_agreement_of_a_gradient_where_it_vanishes():
    """Right at x = 0 only; elsewhere the slope is a third of what it should be."""
    with _toy(_follows, gradient=True) as like:
        right(lambda x: (2 * x, x**3), like, checks=("formula.value",))
        assert outcome(lambda x: (2 * x, x.detach() ** 2 * x), like, by="gradient") == "INCONCLUSIVE"
    with _toy(lambda x: x**3, gradient=True) as like:
        right(lambda x: (2 * x, x**3), like)
        wrong(lambda x: (2 * x, x.detach() ** 2 * x), like, "gradient")
