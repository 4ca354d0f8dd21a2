"""Wild pairs of the Gaussian family: what people wrote, wrong and right."""

import math

import torch
from tests.wild.pair import Pair

from genverify.subjects.formula import Formula

LOG2PI = math.log(2.0 * math.pi)


def gaussian_nll_sigma(y, mu, sigma):
    """Per-element negative log density of N(mu, sigma^2)."""
    return 0.5 * (LOG2PI + 2 * torch.log(sigma) + ((y - mu) / sigma) ** 2)


def gaussian_nll_sigma_as_var(y, mu, sigma):
    """WRONG: feeds the standard deviation where the variance belongs.

    Right: 0.5*(log 2pi + 2 log s + ((y-mu)/s)^2).  Source: unit8co/darts#1162 (GaussianLikelihood).
    Symptom: zero error at sigma=1, grows both ways; the optimum is at sigma = residual variance.
    """
    return 0.5 * (LOG2PI + torch.log(sigma) + (y - mu) ** 2 / sigma)


def mvn_logpdf(x, mean, cov):
    """log N(x | mean, cov), x: (n, d)."""
    L = torch.linalg.cholesky(cov)
    w = torch.linalg.solve_triangular(L, (x - mean).T, upper=False)
    half_logdet = torch.log(torch.diagonal(L)).sum()
    return -0.5 * (x.shape[-1] * LOG2PI + (w * w).sum(0)) - half_logdet


def mvn_logpdf_half_logdet(x, mean, cov):
    """WRONG: sum(log diag L) is already half the log determinant, and is halved again.

    Right: -0.5*(d log 2pi + maha) - sum(log diag L).  Source: classical (the question is raised, as a
    false alarm, in pymc#7751).  Symptom: error 0.25*log det cov, the same for every x; hides at det=1
    and for correlation matrices close to the identity; no gradient error in x or mean.
    """
    L = torch.linalg.cholesky(cov)
    w = torch.linalg.solve_triangular(L, (x - mean).T, upper=False)
    half_logdet = torch.log(torch.diagonal(L)).sum()
    return -0.5 * (x.shape[-1] * LOG2PI + (w * w).sum(0) + half_logdet)


PAIRS = [
    Pair(
        name="gauss_nll_std_as_var",
        wrong=lambda: Formula(gaussian_nll_sigma_as_var, like="normal.nll"),
        right=lambda: Formula(gaussian_nll_sigma, like="normal.nll"),
    ),
    Pair(
        name="gauss_mvn_half_logdet",
        wrong=lambda: Formula(mvn_logpdf_half_logdet, like="mvn.log_prob_covariance"),
        right=lambda: Formula(mvn_logpdf, like="mvn.log_prob_covariance"),
    ),
]
