"""Modes, ends and gradients of samplers, and draws that pass thresholds."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional

import genverify as gv


def outcomes(f, law="dropout.bernoulli", **fields):
    report = gv.verify(gv.Sampler(f, law=law, **fields), budget="quick")
    return {one.check.removeprefix("sampler."): one for one in report}


def test_a_layer_is_left_in_its_mode_and_its_own_rate_is_found():
    layer = nn.Sequential(nn.Dropout(0.75)).eval()
    found = outcomes(layer)
    assert found["law"].outcome is found["evaluation"].outcome is gv.Outcome.PASS
    assert not layer.training
    assert not layer[0].training


def test_a_rate_that_nobody_states_is_asked_for():
    with pytest.raises(gv.UsageError, match="p"):
        gv.verify(gv.Sampler(lambda x: functional.dropout(x, 0.5), law="dropout.bernoulli"))


def test_a_fixed_rate_is_the_rate_of_the_law():
    found = outcomes(functional.dropout, fixed={"p": 0.25})
    assert found["law"].outcome is gv.Outcome.PASS
    assert found["ends"].outcome is gv.Outcome.NOT_APPLICABLE


def test_noise_that_stays_on_is_declared():
    class Always(nn.Module):
        def forward(self, x):
            return functional.dropout(x, 0.25)

    wrong, right = (outcomes(Always(), at={"p": 0.25}, modes=modes) for modes in (True, False))
    assert wrong["evaluation"].outcome is gv.Outcome.FAIL
    assert "self.training" in wrong["evaluation"].evidence.message
    assert right["evaluation"].outcome is gv.Outcome.NOT_APPLICABLE
    assert right["law"].outcome is gv.Outcome.PASS


def test_a_refused_end_is_no_failure():
    def half_open(x, p=0.5):
        if not 0 <= p < 1:
            raise ValueError("p")
        return functional.dropout(x, p)

    ends = outcomes(half_open)["ends"]
    assert ends.outcome is gv.Outcome.PASS
    assert any("p=1 is refused" in note for note in ends.evidence.notes)


def test_no_number_at_an_end_is_said_and_not_accused():
    def unguarded(x, p=0.5):
        return x * torch.bernoulli(torch.full_like(x, 1 - p)) / (1 - p)

    ends = outcomes(unguarded)["ends"]
    assert ends.outcome is gv.Outcome.PASS
    assert any("gives no numbers" in note for note in ends.evidence.notes)


@pytest.mark.parametrize("scale", [1.0, 1.001])
def test_comparisons_with_uniform_draws_are_settled_exactly(scale):
    def compared(x, p):
        mask = torch.rand(x.shape) >= p
        return torch.where(mask, x / (1 - p) * scale, 0) if p < 1 else torch.zeros_like(x)

    law = outcomes(compared)["law"]
    assert law.evidence.rung is gv.Rung.EXACT
    assert law.evidence.figures["method"] == "thresholds of uniform draws"
    assert law.outcome is (gv.Outcome.PASS if scale == 1.0 else gv.Outcome.FAIL)


@pytest.mark.parametrize("off", [0.0, 1e-4])
def test_so_are_outcomes_that_are_counted(off):
    def drawn(probs):
        return (torch.rand_like(probs) < probs + off).to(probs)

    law = outcomes(drawn, "law.bernoulli")["law"]
    assert law.evidence.rung is gv.Rung.EXACT
    assert law.outcome is (gv.Outcome.FAIL if off else gv.Outcome.PASS)


def test_a_mask_drawn_from_two_numbers_at_once_is_no_step_and_tested_in_sequence():
    def sums(probs):
        both = torch.rand(2, *probs.shape, dtype=probs.dtype)
        return (both.sum(0) < torch.where(probs < 0.5, (2 * probs).sqrt(), 2 - (2 - 2 * probs).sqrt())).to(probs)

    law = outcomes(sums, "law.bernoulli", resolution=0.2)["law"]
    assert law.evidence.rung is gv.Rung.STATISTICAL
    assert law.outcome is gv.Outcome.PASS
