"""Mixtures that are fitted to where a function is large: weights whose mean is its integral."""

from __future__ import annotations

import math

import pytest
import torch

from genverify.numerics.maxima import local_maxima
from genverify.numerics.mixture_proposal import MixtureProposal, adapted_proposal, walk


def _generator():
    return torch.Generator().manual_seed(0)


def test_its_density_is_that_of_its_draws():
    """E_q[cos wᵀt] by draws against Σ q cos wᵀt on a fine grid: within six standard errors."""
    roots = torch.tensor([[[0.5, 0.0], [0.3, 0.4]], [[1.0, 0.0], [0.0, 0.2]]], dtype=torch.float64)
    centers = torch.tensor([[0.0, 1.0], [-1.0, 0.0]], dtype=torch.float64)
    law = MixtureProposal(shares=torch.tensor([0.25, 0.75], dtype=torch.float64), centers=centers, roots=roots)
    axis = torch.linspace(-60.0, 60.0, 1601, dtype=torch.float64)
    grid = torch.stack(torch.meshgrid(axis, axis, indexing="ij"), -1).reshape(-1, 2)
    mass = law.log_prob(grid).exp() * (axis[1] - axis[0]) ** 2
    assert abs(float(mass.sum()) - 1.0) < 1e-4  # Student tails of order 5 beyond 60
    waves = torch.cos(grid @ torch.tensor([0.7, -0.4], dtype=torch.float64))
    drawn = torch.cos(law.draw(40_000, _generator()) @ torch.tensor([0.7, -0.4], dtype=torch.float64))
    assert abs(float((mass * waves).sum() - drawn.mean())) < 6.0 * float(drawn.std()) / 200.0


@pytest.mark.parametrize("dims", [4, 9])
def test_two_maxima_are_both_drawn_from(dims):
    def log_density(t):
        return torch.logaddexp(-0.5 * (t - 4.0).square().sum(-1), -2.0 * (t + 4.0).square().sum(-1))

    generator = _generator()
    law = adapted_proposal(log_density, local_maxima(log_density, dims, 64, generator), generator, draws=4000)
    t = law.draw(20_000, generator)
    weights = (log_density(t) - law.log_prob(t)).exp()
    exact = (2 * math.pi) ** (dims / 2) * (1.0 + 0.5**dims)
    assert abs(float(weights.mean()) / exact - 1.0) < 6.0 * float(weights.std() / weights.mean()) / math.sqrt(20_000)
    assert float(weights.std() / weights.mean()) < 1.0


def test_walks_take_on_the_shape_of_a_ridge():
    def ridge(t):
        return -0.5 * ((t[:, 0] - t[:, 1]) / 0.01) ** 2 - 0.5 * (t.sum(-1) / 5.0) ** 2

    been = walk(ridge, torch.zeros(1, 2, dtype=torch.float64), _generator())
    along, across = been.sum(-1).std(), (been[:, 0] - been[:, 1]).std()
    assert 3.0 < float(along) < 7.0
    assert 0.006 < float(across) < 0.014


def test_where_nothing_is_finite_there_is_no_maximum():
    assert len(local_maxima(lambda t: torch.full((len(t),), -math.inf), 3, 16, _generator())) == 0
