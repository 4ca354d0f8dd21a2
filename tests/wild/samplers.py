"""Samplers as people wrote them, wrong and right, each declared as a stranger would."""

from __future__ import annotations

import torch

from genverify.subjects.sampler import Sampler
from tests.wild.pair import Pair


def sample_mvn(mean, cov, n):
    """n draws from N(mean, cov)."""
    L = torch.linalg.cholesky(cov)
    return mean + torch.randn(n, mean.shape[0], dtype=mean.dtype) @ L.T


def sample_mvn_wrong_side(mean, cov, n):
    """WRONG: multiplies row vectors by L, so the covariance is L^T L, not L L^T.

    Source: classical.  Symptom: mean, total log-volume and shape are right; the covariance differs by
    the off-diagonal part; hides for diagonal covariances.  Only a statistical test sees it.
    """
    L = torch.linalg.cholesky(cov)
    return mean + torch.randn(n, mean.shape[0], dtype=mean.dtype) @ L


def reparameterize(mu, logvar):
    """z = mu + exp(logvar/2) * eps."""
    return mu + torch.exp(0.5 * logvar) * torch.randn_like(mu)


def reparameterize_small_noise(mu, logvar, epsilon_std=0.01):
    """WRONG together with the usual KL: noise scaled by 0.01, the KL is for scale 1.

    Right: eps ~ N(0, I).  Source: keras-team/keras#4211 (the 0.01 came with #3838).
    Symptom: the objective is no longer a lower bound (reported 60 instead of 90-100 nats on MNIST);
    mean and gradient wrt mu are right; statistical test of the variance.
    """
    return mu + epsilon_std * torch.exp(0.5 * logvar) * torch.randn_like(mu)


PAIRS = [
    Pair(
        name="gauss_sample_wrong_side",
        wrong=lambda: Sampler(sample_mvn_wrong_side, law="law.mvn"),
        right=lambda: Sampler(sample_mvn, law="law.mvn"),
    ),
    Pair(
        name="reparam_small_noise",
        wrong=lambda: Sampler(reparameterize_small_noise, law="law.normal_diagonal"),
        right=lambda: Sampler(reparameterize, law="law.normal_diagonal"),
    ),
]
