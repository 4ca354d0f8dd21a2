"""Targets whose estimators draw finitely many outcomes: each reference is unbiased, by summing over all of them."""

from __future__ import annotations

import pytest
import torch

import genverify as gv
from genverify.formulas import estimator_paths, target_importance, target_series, target_trace
from genverify.oracles import stochastic_targets as oracle
from genverify.subjects.case import Case
from genverify.subjects.estimator import GradientEstimator
from genverify.subjects.finite_law import FiniteLaw

DOUBLE = torch.float64


@pytest.mark.parametrize(
    "make",
    [
        estimator_paths.measure_valued_bernoulli,
        target_importance.importance_mean,
        target_series.roulette_sum,
        target_series.single_term_sum,
        target_trace.hutchinson_trace,
        target_trace.power_series_logabsdet,
    ],
)
def test_the_reference_is_unbiased_exactly(make):
    (found,) = gv.verify(make(), checks=["gradient_estimator.bias"], budget="quick")
    assert found.outcome is gv.Outcome.PASS, str(found)
    assert found.evidence.rung is gv.Rung.EXACT


def test_a_cut_series_tends_to_the_logarithm_of_the_determinant():
    jacobian = torch.tensor([[0.2, 0.3], [-0.1, 0.25]], dtype=DOUBLE)
    gaps = [abs(float(oracle.power_series(jacobian, k) - oracle.log_one_plus(jacobian))) for k in (2, 6, 12, 40)]
    assert gaps == sorted(gaps, reverse=True)
    assert gaps[-1] <= 16 * torch.finfo(DOUBLE).eps


def test_a_law_among_the_arguments_survives_a_replay():
    law = FiniteLaw(torch.tensor([0.25, 0.75], dtype=DOUBLE))
    again = Case.from_data(Case(values={"p": law}).to_data())["p"]
    assert torch.equal(again.probs, law.probs)


def test_where_to_stop_is_no_use_without_its_probability():
    subject = GradientEstimator(lambda a, N: a.cumsum(0)[N].mean(), like="target.series_sum")
    with pytest.raises(gv.UsageError, match="with which probability"):
        gv.verify(subject, checks=["gradient_estimator.bias"], budget="quick")
