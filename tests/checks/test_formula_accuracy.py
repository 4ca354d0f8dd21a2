"""What the measurement of accuracy says, and when it is a verdict."""

from __future__ import annotations

import pytest
import torch

import genverify as gv
from genverify.verdict import Verdict


def verdict(f, like, **declared) -> Verdict:
    (found,) = gv.verify(gv.Formula(f, like=like, **declared), checks=["formula.accuracy"], budget="quick")
    return found


def by_tanh(x):
    return 0.5 * (1 + torch.tanh(0.5 * x))


def test_a_lost_tail_is_reported_and_not_accused():
    found = verdict(by_tanh, "activation.sigmoid")
    assert found.outcome is gv.Outcome.PASS
    assert float(found.evidence.figures["ulps float32"]) > 1e6
    assert str(found.evidence.figures["worst input float32"]).startswith("x=-")
    assert found == verdict(by_tanh, "activation.sigmoid")  # same seed, same report


def test_a_stated_accuracy_is_judged_over_the_whole_range():
    found = verdict(by_tanh, "activation.sigmoid", ulps=4)
    assert found.outcome is gv.Outcome.FAIL
    assert found.evidence.allowed == 4
    assert found.evidence.witness["x"].startswith("-")
    assert verdict(lambda x: torch.tanh(x), "activation.tanh", ulps=2).outcome is gv.Outcome.PASS


def test_overflow_is_a_fault_where_the_formula_claims_to_be_finite_and_a_note_beyond():
    def root(x):  # |x| by a square, which overflows from 1e154 on
        return 0.5 * (x + torch.sqrt(x * x + 0.0))

    beyond = verdict(root, "activation.relu")
    assert beyond.outcome is gv.Outcome.PASS
    assert any("beyond what the formula claims" in note for note in beyond.evidence.notes)
    within = verdict(lambda x: torch.log(1 + torch.exp(x)), "activation.softplus")
    assert within.outcome is gv.Outcome.FAIL
    assert "no number" in within.evidence.message


@pytest.mark.parametrize("reduction", ["none", "mean"])
def test_losses_are_measured_a_sample_at_a_time(reduction):
    found = verdict(torch.nn.MSELoss(reduction=reduction), "loss.mse", ulps=4)
    assert found.outcome is gv.Outcome.PASS


def test_what_cannot_be_measured_says_so():
    assert verdict(lambda x: x.sigmoid(), "activation.tanh").outcome is gv.Outcome.INCONCLUSIVE
    log_probs = {"lp": "log_probability"}
    found = verdict(lambda lp, y: -lp.gather(1, y[:, None]).mean(), "loss.cross_entropy", arguments=log_probs)
    assert found.outcome is gv.Outcome.NOT_APPLICABLE
    with pytest.raises(gv.UsageError, match="positive"):
        verdict(by_tanh, "activation.sigmoid", ulps=0)
