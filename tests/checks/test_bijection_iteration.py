"""Inverses that iterate to a tolerance: sound where they converge, accused where they do not."""

from __future__ import annotations

import torch

import genverify as gv
from genverify.subjects.bijection import Bijection


def forward(x):
    return x + 0.5 * torch.tanh(x)


def newton(tolerance):
    def inverse(y):
        x = y
        for _ in range(200):
            step = (forward(x) - y) / (1 + 0.5 / torch.cosh(x) ** 2)
            x = x - step
            if float(step.abs().max()) <= tolerance:
                break
        return x

    return inverse


def outcome(tolerance, **claims):
    subject = Bijection(forward, inverse=newton(tolerance), event_shape=2, **claims)
    (found,) = gv.verify(subject, checks=["bijection.round_trip_forward"], budget="quick").verdicts
    return found.outcome


def test_an_iteration_until_it_stops_moving_passes():
    assert outcome(1e-15) is gv.Outcome.PASS


def test_an_iteration_that_stops_early_fails_unless_it_says_so():
    assert outcome(1e-2) is gv.Outcome.FAIL
    assert outcome(1e-2, accuracy=1e-2) is gv.Outcome.PASS
