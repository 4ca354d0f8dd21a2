"""Sensitivities of wide functions: by rows of the Jacobian, the same as by columns."""

from __future__ import annotations

import torch

from genverify.numerics import sensitivity
from genverify.numerics.rounding import unit_roundoff


def _terms(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    return torch.stack(
        [
            torch.stack([(a**2).sum(), a.sin().sum() * b[0]]),
            torch.stack([b.exp().sum(), (a[: len(b)] * b).sum()]),
        ]
    )


def test_rows_and_columns_agree(monkeypatch):
    a = torch.linspace(-2.0, 2.0, 1100, dtype=torch.float64)
    b = torch.linspace(0.5, 1.5, 7, dtype=torch.float64)
    points, weights = sensitivity.corners([a, b], [a.abs(), b.abs()], 1e-3, [False, False]), [a.abs(), b.abs()]
    by_rows = sensitivity.weighted_sensitivity(_terms, points, weights, 4)
    monkeypatch.setattr(sensitivity, "_WIDE", 10**9)
    by_columns = sensitivity.weighted_sensitivity(_terms, points, weights, 4)
    assert bool(((by_rows - by_columns).abs() <= 2**12 * unit_roundoff(torch.float64) * by_columns).all())


def test_a_slope_that_is_not_finite_stays_in_its_output():
    """Reverse derivatives would spoil both outputs; forward ones are taken then."""
    a = torch.linspace(0.0, 2.0, 1100, dtype=torch.float64)

    def terms(x: torch.Tensor) -> torch.Tensor:
        return torch.stack([torch.sqrt(x).sum(), (x**2).sum()])[None]

    found = sensitivity.weighted_sensitivity(terms, [[a]], [a.clamp_min(1e-3)], 2)
    assert not bool(torch.isfinite(found[0]))
    assert bool(torch.isfinite(found[1]))
