"""Every named target and law: its draws follow it, and what it claims of itself agrees with itself."""

from __future__ import annotations

import pytest
import torch

import genverify as gv
from genverify.formulas.law import all_laws
from genverify.formulas.target import all_targets
from genverify.reference.estimators import score_function
from genverify.subjects.estimator import GradientEstimator

DOUBLE = torch.float64


@pytest.mark.parametrize("name", [n for n, law in all_laws().items() if not law.discrete])
def test_the_moments_of_a_law_are_those_of_its_characteristic_function(name):
    law = all_laws()[name]
    given = {}
    for argument in law.specification.arguments:
        if argument.name != "n":
            shape = (2,) * len(argument.axes.split())
            count = int(torch.Size(shape).numel())
            domain = argument.forms[0].domain
            raw = domain.low + (domain.high - domain.low) * torch.linspace(0.3, 0.6, count, dtype=DOUBLE)
            given[argument.name] = domain.make(raw, shape, DOUBLE)
    joint = law.specification.oracle(**given)
    # Central differences: (φ(h) - φ(-h)) / 2ih = E x + O(h²), and (φ(h) - 2 + φ(-h)) / -h² = E x² + O(h²).
    h = 1e-3
    for j in range(min(2, len(joint.mean))):
        w = torch.zeros(2, len(joint.mean), dtype=DOUBLE)
        w[0, j], w[1, j] = h, -h
        plus, minus = joint.characteristic(w)
        mean, second = float((plus - minus).imag / (2 * h)), float((2 - plus - minus).real / h**2)
        assert abs(mean - float(joint.mean[j])) < 1e-3
        assert abs(second - mean**2 - float(joint.covariance[j, j])) < 1e-2


def test_value_targets_judge_plain_means():
    def naive(mu, sigma, f, n):
        return f(mu + sigma * torch.randn(n, *mu.shape, dtype=mu.dtype)).mean()

    def off(mu, sigma, f, n):
        return f(mu + sigma * torch.randn(n, *mu.shape, dtype=mu.dtype)).sum() / (n + 1)

    for f, outcome in ((naive, gv.Outcome.PASS), (off, gv.Outcome.FAIL)):
        (found,) = gv.verify(
            GradientEstimator(f, like="target.expectation_normal"), checks=["gradient_estimator.bias"], budget="quick"
        )
        assert found.outcome is outcome, str(found)


@pytest.mark.parametrize("name", sorted(all_targets()))
def test_every_target_has_a_source_and_a_signature(name):
    specification = all_targets()[name].specification
    assert specification.source
    assert specification.statement
    assert specification.signature()


def test_parameters_are_matched_by_alias():
    def strange(theta, cost, actions):
        return score_function.categorical(theta, cost, actions)

    (found,) = gv.verify(
        GradientEstimator(strange, like="target.gradient_categorical"),
        checks=["gradient_estimator.bias"],
        budget="quick",
    )
    assert found.outcome is gv.Outcome.PASS
