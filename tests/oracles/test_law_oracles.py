"""Characteristic functions and distribution functions against SciPy's densities, integrated numerically."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import integrate, stats

from genverify.oracles import laws

CASES = [
    (laws.laplace_characteristic, laws.laplace_cdf, stats.laplace(0.5, 0.8), (0.5, 0.8)),
    (laws.logistic_characteristic, laws.logistic_cdf, stats.logistic(-0.3, 0.6), (-0.3, 0.6)),
    (laws.gumbel_characteristic, laws.gumbel_cdf, stats.gumbel_r(0.2, 1.3), (0.2, 1.3)),
    (laws.exponential_characteristic, laws.exponential_cdf, stats.expon(scale=1 / 1.7), (1.7,)),
    (laws.uniform_characteristic, laws.uniform_cdf, stats.uniform(-1.0, 2.5), (-1.0, 1.5)),
    (
        lambda w, m, s: laws.normal_characteristic(w, m, torch.diag(s**2)),
        laws.normal_cdf,
        stats.norm(0.4, 1.2),
        (0.4, 1.2),
    ),
]


@pytest.mark.parametrize(("characteristic", "cdf", "law", "parameters"), CASES)
def test_against_numerical_integration(characteristic, cdf, law, parameters):
    given = [torch.tensor([p], dtype=torch.float64) for p in parameters]
    low, high = law.ppf(1e-15), law.ppf(1 - 1e-15)
    for w in (0.0, 0.7, -1.9):
        wave = [
            integrate.quad(lambda x, f=f, w=w: f(w * x) * law.pdf(x), low, high, limit=400)[0] for f in (np.cos, np.sin)
        ]
        found = characteristic(torch.tensor([[w]], dtype=torch.float64), *given)
        assert abs(complex(found.item()) - complex(*wave)) < 1e-7  # what the quadrature itself reaches at a kink
    points = np.linspace(law.ppf(0.01), law.ppf(0.99), 7)
    assert np.allclose(cdf(torch.from_numpy(points), *given).numpy(), law.cdf(points), rtol=0, atol=1e-14)


def test_independent_numbers_multiply():
    w = torch.tensor([[0.3, -1.1]], dtype=torch.float64)
    loc, scale = torch.tensor([0.1, 0.2], dtype=torch.float64), torch.tensor([1.0, 2.0], dtype=torch.float64)
    both = laws.laplace_characteristic(w, loc, scale)
    each = [laws.laplace_characteristic(w[:, i : i + 1], loc[i : i + 1], scale[i : i + 1]) for i in range(2)]
    assert torch.allclose(both, each[0] * each[1], rtol=1e-14)
