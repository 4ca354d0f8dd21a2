"""The log-determinant against the Jacobian: where it must fail, where it must not, and what it says."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

import genverify as gv
from genverify.subjects.bijection import Bijection


def verdict(subject, check="bijection.logabsdet", budget="quick"):
    (found,) = gv.verify(subject, checks=[check], budget=budget).verdicts
    return found


def sinh(scale=1.0, power=1.0):
    return Bijection(torch.sinh, event_shape=2, logabsdet=lambda x: scale * torch.log(torch.cosh(x)).sum(-1) ** power)


@pytest.mark.parametrize("scale", [1.0 + 1e-9, 1.0 - 1e-6, 0.5, -1.0])
def test_a_relative_error_is_seen_far_below_what_matters(scale):
    found = verdict(sinh(scale))
    assert found.outcome is gv.Outcome.FAIL
    assert found.evidence.observed > found.evidence.allowed
    assert found.evidence.witness["x"]


def test_the_right_one_passes_within_a_few_units():
    found = verdict(sinh(), budget="standard")
    assert found.outcome is gv.Outcome.PASS
    assert found.evidence.allowed < 1e-12
    assert found.evidence.examined >= 60


def test_the_probable_slip_is_named():
    class Summed(nn.Module):
        def forward(self, x):
            return torch.sinh(x), torch.log(torch.cosh(x)).sum().expand(len(x))

    assert "summed over the batch" in verdict(Bijection(Summed(), event_shape=1)).evidence.message
    assert "sign is reversed" in verdict(sinh(-1.0)).evidence.message


def test_a_claim_without_a_logabsdet_does_not_apply():
    assert verdict(Bijection(torch.sinh, event_shape=2)).outcome is gv.Outcome.NOT_APPLICABLE


def test_an_elementwise_logabsdet_must_be_declared():
    def each(x):
        return torch.log(torch.cosh(x))

    undeclared = verdict(Bijection(torch.sinh, event_shape=2, logabsdet=each))
    assert undeclared.outcome is gv.Outcome.FAIL
    assert "elementwise=True" in undeclared.evidence.message
    assert verdict(Bijection(torch.sinh, event_shape=2, logabsdet=each, elementwise=True)).outcome is gv.Outcome.PASS


def test_a_wrong_derivative_is_not_held_against_a_right_claim():
    class Detached(nn.Module):
        """Its values are those of 3x, its derivative by autodiff is that of x."""

        def forward(self, x):
            return x + 2 * x.detach(), x.new_full((len(x),), 2 * math.log(3.0))

    found = verdict(Bijection(Detached(), event_shape=2))
    assert found.outcome is gv.Outcome.PASS
    assert any("differences" in note for note in found.evidence.notes)


def test_a_subject_without_gradients_is_still_judged():
    @torch.no_grad()
    def f(x):
        return torch.sinh(x), torch.log(torch.cosh(x)).sum(-1)

    @torch.no_grad()
    def wrong(x):
        return torch.sinh(x), 2 * torch.log(torch.cosh(x)).sum(-1)

    assert verdict(Bijection(f, event_shape=2)).outcome is gv.Outcome.PASS
    assert verdict(Bijection(wrong, event_shape=2)).outcome is gv.Outcome.FAIL


def test_float32_is_judged_with_its_own_allowance():
    class Narrow(nn.Module):
        def __init__(self, factor):
            super().__init__()
            self.w, self.factor = nn.Parameter(torch.tensor([0.7, 1.9])), factor

        def forward(self, x):
            if x.dtype != torch.float32:
                raise TypeError("float32 only")
            return torch.sinh(x) * self.w.float(), self.factor * (torch.cosh(x) * self.w.float()).log().sum(-1)

    right, wrong = verdict(Bijection(Narrow(1.0), event_shape=2)), verdict(Bijection(Narrow(1.001), event_shape=2))
    assert right.outcome is gv.Outcome.PASS
    assert any("float32" in note for note in right.evidence.notes)
    assert wrong.outcome is gv.Outcome.FAIL
    assert wrong.evidence.unit == "float32"


def test_a_singular_map_is_infinitely_wrong():
    def flat(x):
        return x.sum(-1, keepdim=True).expand_as(x), x.new_zeros(len(x))

    found = verdict(Bijection(flat, event_shape=2))
    assert found.outcome is gv.Outcome.FAIL
    assert math.isinf(found.evidence.observed)


def test_varied_parameters_leave_the_identity():
    class ZeroInitialised(nn.Module):
        """The identity until it is trained: its log-determinant is wrong, and 0 as it should be."""

        def __init__(self):
            super().__init__()
            self.s = nn.Parameter(torch.zeros(2))

        def forward(self, x):
            return x * self.s.exp(), 2 * self.s.sum().expand(len(x))

    module = ZeroInitialised()
    as_it_is = verdict(Bijection(module, event_shape=2))
    assert as_it_is.outcome is gv.Outcome.PASS
    assert any("identity" in note for note in as_it_is.evidence.notes)
    assert verdict(Bijection(module, event_shape=2, vary_parameters=True)).outcome is gv.Outcome.FAIL
    assert not module.s.any()


def test_the_inverse_is_judged_at_its_own_point():
    class Shifted(nn.Module):
        """Round trip broken, log-determinants right."""

        def forward(self, x):
            return torch.sinh(x), torch.log(torch.cosh(x)).sum(-1)

        def inverse(self, y):
            x = torch.asinh(y) + 1.0
            return x, -torch.log(torch.cosh(x)).sum(-1)

    subject = Bijection(Shifted(), event_shape=1)
    assert verdict(subject, "bijection.inverse_logabsdet").outcome is gv.Outcome.PASS
    assert verdict(subject, "bijection.round_trip_forward").outcome is gv.Outcome.FAIL


def test_a_jacobian_that_is_too_large_and_has_no_structure_is_not_formed():
    """INCONCLUSIVE at once, and what to do instead."""

    def running(x):
        return x + 0.5 * torch.cumsum(x, -1), x.new_full((len(x),), x.shape[1] * math.log(1.5))

    (found,) = gv.verify(
        gv.Bijection(running, event_shape=10_000), checks=["bijection.logabsdet"], budget="quick"
    ).verdicts
    assert found.outcome is gv.Outcome.INCONCLUSIVE
    assert "declare a smaller event_shape" in found.evidence.message
    assert "neither triangular in a few blocks nor along one axis alone" in found.evidence.message


@pytest.mark.parametrize("size", [256, 10_000])
@pytest.mark.parametrize(("factor", "outcome"), [(1.0, gv.Outcome.PASS), (1.0 + 1e-9, gv.Outcome.FAIL)])
def test_structure_tells_what_a_dense_matrix_cannot(size, factor, outcome):
    """As exactly: a relative error of 1e-9 is seen, and the evidence says how the Jacobian was known."""

    def scaled(x):
        y = torch.cat([x[:, 1:] * 2.0 + torch.tanh(x[:, :1]), x[:, :1] * 3.0], -1)
        return y, x.new_full((len(x),), factor * ((size - 1) * math.log(2.0) + math.log(3.0)))

    (found,) = gv.verify(
        gv.Bijection(scaled, event_shape=size), checks=["bijection.logabsdet"], budget="quick"
    ).verdicts
    assert found.outcome is outcome, str(found)
    assert any("log|det J| is composed of 1 layer" in note for note in found.evidence.notes)


def test_a_fold_of_a_large_event_is_found():
    """One coordinate of 600 is squared: both signs of det J."""

    def fold(x):
        return torch.cat([x[:, :1] ** 2, x[:, 1:]], -1)

    (found,) = gv.verify(gv.Bijection(fold, event_shape=600), checks=["bijection.invertible"]).verdicts
    assert found.outcome is gv.Outcome.FAIL
