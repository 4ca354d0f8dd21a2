"""Approximations with a step: what must be stated of them, and whose step is used."""

from __future__ import annotations

import pytest
import torch

import genverify as gv
from tests.checks.toy_formula import outcome

LIKE = "calculus.finite_difference_gradient"


def central(f, x, eps=1e-5):
    return torch.stack([(f(x + eps * e) - f(x - eps * e)) / (2 * eps) for e in torch.eye(len(x), dtype=x.dtype)])


def hard_coded(f, x):
    return central(f, x, 1e-5)


def coarse(f, x, eps=0.125):
    return central(f, x, eps)


def test_how_good_an_approximation_is_must_be_stated():
    with pytest.raises(gv.UsageError, match="order=2"):
        gv.verify(gv.Formula(central, like=LIKE))


def test_a_default_step_varies_for_the_order_and_stays_for_the_accuracy():
    assert outcome(central, LIKE, by="order", order=2) == "PASS"
    assert outcome(central, LIKE, by="order", order=3) == "FAIL"
    assert outcome(central, LIKE, by="value", accuracy=1e-6, dtype=torch.float64) == "PASS"
    assert outcome(coarse, LIKE, by="value", accuracy=1e-6, dtype=torch.float64) == "FAIL"


def test_without_a_step_the_order_cannot_be_seen():
    assert outcome(hard_coded, LIKE, by="order", order=2) == "INCONCLUSIVE"
    assert outcome(hard_coded, LIKE, by="value", accuracy=1e-6, dtype=torch.float64) == "PASS"
