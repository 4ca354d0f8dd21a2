"""At the edge of a domain no function is accused: σ = 0, and covariances that are not positive definite."""

from __future__ import annotations

import pytest
import torch
from torch.distributions import MultivariateNormal, Normal, kl_divergence

import genverify as gv


def strict_kl(mu, sigma):
    """Raises where a standard deviation is zero, or where it is negative."""
    if not (sigma > 0).all():
        raise ValueError("the standard deviation must be positive")
    return (0.5 * (mu**2 + sigma**2 - 1) - sigma.log()).sum(-1)


def strict_mvn(x, loc, cov):
    """torch validates its arguments: a covariance that is not positive definite raises."""
    return MultivariateNormal(loc, cov, validate_args=True).log_prob(x)


def nan_at_zero(loc_p, scale_p, loc_q, scale_q):
    """NaN where both scales are zero."""
    return kl_divergence(Normal(loc_p, scale_p, validate_args=False), Normal(loc_q, scale_q, validate_args=False))


def strict_frechet(mu1, sigma1, mu2, sigma2):
    """Cholesky factors on both sides."""
    one, other = torch.linalg.cholesky(sigma1), torch.linalg.cholesky(sigma2)
    shared = torch.linalg.svdvals(other.T @ one).sum()
    return ((mu1 - mu2) ** 2).sum() + sigma1.trace() + sigma2.trace() - 2 * shared


@pytest.mark.parametrize(
    ("f", "like"),
    [
        (strict_kl, "kl.diagonal_to_standard_normal"),
        (strict_mvn, "mvn.log_prob_covariance"),
        (nan_at_zero, "kl.diagonal_normals"),
        (strict_frechet, "divergence.frechet"),
    ],
)
def test_the_boundary_is_not_drawn(f, like):
    gv.verify(gv.Formula(f, like=like), budget="quick").raise_for_failures()
