"""Round trips, rows, dtypes, shapes, inputs, draws, finiteness and structure of bijections, both ways."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import genverify as gv
from genverify.subjects.bijection import Bijection


def outcome(subject, check):
    (found,) = gv.verify(subject, checks=[f"bijection.{check}"], budget="quick").verdicts
    return found.outcome


@pytest.mark.parametrize("check", ["round_trip_forward", "round_trip_inverse"])
def test_an_inverse_that_stops_early_states_its_accuracy(check):
    def bisected(y):
        low, high = torch.full_like(y, -8.0), torch.full_like(y, 8.0)
        for _ in range(24):
            middle = (low + high) / 2
            up = middle + 0.5 * torch.tanh(middle) < y
            low, high = torch.where(up, middle, low), torch.where(up, high, middle)
        return (low + high) / 2

    claims = {"inverse": bisected, "event_shape": 2}
    forward = lambda x: x + 0.5 * torch.tanh(x)  # noqa: E731
    assert outcome(Bijection(forward, **claims), check) is gv.Outcome.FAIL
    assert outcome(Bijection(forward, accuracy=1e-6, **claims), check) is gv.Outcome.PASS
    assert outcome(Bijection(forward, accuracy=1e-12, **claims), check) is gv.Outcome.FAIL


def test_a_regularised_inverse_is_not_an_inverse():
    scale = torch.tensor([0.5, 2.0], dtype=torch.float64)
    subject = Bijection(lambda x: x * scale, inverse=lambda y: y / (scale + 1e-8), event_shape=2)
    assert outcome(subject, "round_trip_forward") is gv.Outcome.FAIL


def test_an_ill_conditioned_map_is_allowed_what_its_conditioning_takes():
    matrix = torch.tensor([[1.0, 1.0], [1.0, 1.0 + 1e-6]], dtype=torch.float64)
    inverse = lambda y: torch.linalg.solve(matrix, y.T).T  # noqa: E731
    subject = Bijection(lambda x: x @ matrix.T, inverse=inverse, event_shape=2)
    assert outcome(subject, "round_trip_forward") is gv.Outcome.PASS


def test_saturation_is_unexamined_and_not_accused():
    steep = Bijection(lambda x: torch.sigmoid(40 * x), inverse=lambda y: torch.logit(y) / 40, event_shape=2)
    assert outcome(steep, "round_trip_forward") in (gv.Outcome.PASS, gv.Outcome.INCONCLUSIVE)


def test_a_statistic_over_the_batch_leaks_whether_or_not_it_is_differentiable():
    through = Bijection(lambda x: x - x.mean(0), event_shape=2)
    around = Bijection(lambda x: x - x.detach().mean(0), event_shape=2)
    assert outcome(through, "batch_independence") is gv.Outcome.FAIL
    assert outcome(around, "batch_independence") is gv.Outcome.FAIL


def test_casts_are_accused_and_narrowness_is_not():
    assert outcome(Bijection(lambda x: 2 * x.float(), event_shape=2), "dtype_and_device") is gv.Outcome.FAIL
    layer = nn.Linear(2, 2, bias=False)
    assert outcome(Bijection(lambda x: layer(x), event_shape=2), "dtype_and_device") is gv.Outcome.PASS
    assert outcome(Bijection(layer, event_shape=2), "dtype_and_device") is gv.Outcome.PASS


def test_shapes():
    assert outcome(Bijection(lambda x: x.reshape(len(x), -1), event_shape=(2, 2)), "shape") is gv.Outcome.PASS
    assert outcome(Bijection(lambda x: x[:, :1], event_shape=2), "shape") is gv.Outcome.FAIL
    assert outcome(Bijection(lambda x: x.T, event_shape=2), "shape") is gv.Outcome.FAIL


def test_inputs_are_left_alone():
    assert outcome(Bijection(lambda x: x.mul_(2.0), event_shape=2), "inputs_untouched") is gv.Outcome.FAIL
    assert outcome(Bijection(lambda x: x.clone().mul_(2.0), event_shape=2), "inputs_untouched") is gv.Outcome.PASS


def test_draws_are_named():
    noisy = Bijection(lambda x: x + torch.randn_like(x), event_shape=2)
    (found,) = gv.verify(noisy, checks=["bijection.deterministic"]).verdicts
    assert found.outcome is gv.Outcome.FAIL
    assert "normal" in found.evidence.message


def test_a_random_estimate_of_the_logabsdet_can_be_declared():
    claims = {"logabsdet": lambda x: torch.randn(len(x), dtype=x.dtype), "event_shape": 2}
    assert outcome(Bijection(torch.sinh, **claims), "deterministic") is gv.Outcome.FAIL
    assert outcome(Bijection(torch.sinh, stochastic=True, **claims), "deterministic") is gv.Outcome.PASS
    assert outcome(Bijection(torch.sinh, stochastic=True, **claims), "logabsdet") is gv.Outcome.NOT_APPLICABLE


def test_finite():
    assert outcome(Bijection(lambda x: x / x.norm(dim=-1, keepdim=True), event_shape=2), "finite") is gv.Outcome.FAIL
    assert outcome(Bijection(torch.log, event_shape=2, domain=(0, None)), "finite") is gv.Outcome.PASS
    assert outcome(Bijection(torch.log, event_shape=2), "finite") is gv.Outcome.FAIL
    cube = Bijection(lambda x: x**3, event_shape=1, logabsdet=lambda x: (3 * x**2).log().sum(-1))
    assert outcome(cube, "finite") is gv.Outcome.PASS


def test_structure():
    lower = torch.tensor([[1.0, 0.0], [0.5, 2.0]], dtype=torch.float64)
    triangular = Bijection(lambda x: x @ lower.T, event_shape=2, autoregressive=True, monotone=True)
    full = Bijection(lambda x: x @ lower, event_shape=2, autoregressive=True, monotone=True)
    assert outcome(triangular, "autoregressive") is gv.Outcome.PASS
    assert outcome(full, "autoregressive") is gv.Outcome.FAIL
    assert outcome(triangular, "monotone") is gv.Outcome.PASS
    assert outcome(Bijection(torch.square, event_shape=2, monotone=True), "monotone") is gv.Outcome.FAIL
    assert outcome(Bijection(torch.square, event_shape=1), "invertible") is gv.Outcome.FAIL
    assert outcome(Bijection(torch.square, event_shape=1, domain=(0, None)), "invertible") is gv.Outcome.PASS
    assert outcome(Bijection(lambda x: -x, event_shape=1), "invertible") is gv.Outcome.PASS


def test_what_a_subject_raises_is_its_failure():
    def raises(x):
        raise RuntimeError("out of order")

    (found,) = gv.verify(Bijection(raises, event_shape=2), checks=["bijection.shape"]).verdicts
    assert found.outcome is gv.Outcome.FAIL
    assert "out of order" in found.evidence.message


def test_a_failure_replays():
    subject = Bijection(torch.sinh, event_shape=2, logabsdet=lambda x: torch.zeros(len(x)))
    (found,) = gv.verify(subject, checks=["bijection.logabsdet"]).verdicts
    again = gv.replay(found.replay, subject)
    assert again.outcome is gv.Outcome.FAIL
    assert again.evidence.observed == found.evidence.observed
