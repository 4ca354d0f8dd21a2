"""Mutants of the Gaussian family: densities, divergences and the fit, each with one named bug."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch.distributions import MultivariateNormal, Normal, kl_divergence

from genverify.subjects.formula import Formula
from tests.mutants.mutant import Mutant, Twin

LOG_TWO_PI = math.log(2 * math.pi)
STANDARD, DIAGONAL = "kl.diagonal_to_standard_normal", "kl.diagonal_normals"
MUTANTS: list[Mutant] = []
TWINS: list[Twin] = []  # those of this family stand in gaussian_twins.py


def mutant(like: str, killed_by: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Declares the decorated function, as a stranger would, as a wrong implementation of the formula."""

    def declare(f: Callable[..., Any]) -> Callable[..., Any]:
        name = f"{like}: {f.__name__}"
        MUTANTS.append(Mutant(name=name, make=lambda: Formula(f, like=like), killed_by=f"formula.{killed_by}"))
        return f

    return declare


# Densities.


@mutant("normal.log_prob", "dialect")
def missing_normaliser(x, mu, sigma):
    """The constant ½ log 2π is dropped from a log-density whose value is used. Met in flow tutorials."""
    return -0.5 * ((x - mu) / sigma) ** 2 - sigma.log()


@mutant("normal.log_prob", "value")
def log_of_the_variance(x, mu, sigma):
    """log σ² where log σ belongs: the ½ of ½ log σ² is forgotten. Met in hand-written PPO policies."""
    return -0.5 * ((x - mu) / sigma) ** 2 - (sigma**2).log() - 0.5 * LOG_TWO_PI


@mutant("normal.log_prob", "dialect")
def variance_for_std(x, mu, var):
    """The variance is passed as torch's scale, which is a standard deviation. Met in ports from TensorFlow."""
    return Normal(mu, var).log_prob(x)


@mutant("normal.log_prob", "gradient")
def detached_mean(x, mu, sigma):
    """Right value, but the mean learns nothing: a detach that was meant for the target."""
    return -0.5 * ((x - mu.detach()) / sigma) ** 2 - sigma.log() - 0.5 * LOG_TWO_PI


@mutant("normal.standard_log_prob", "extremes")
def log_of_the_density(x):
    """log p(x) as the logarithm of p(x), which underflows 39 standard deviations out. Met in importance weights."""
    return (torch.exp(-0.5 * x**2) / math.sqrt(2 * math.pi)).log().sum(-1)


@mutant("normal.standard_log_prob", "dialect")
def one_constant_for_all_dimensions(x):
    """½ log 2π once instead of once for each dimension. Met in flow code written for d = 1."""
    return -0.5 * (x**2).sum(-1) - 0.5 * LOG_TWO_PI


@mutant("normal.nll", "dialect")
def half_lost_in_one_term(x, mu, logvar):
    """The ½ applies to the square only. The shape of deepmind/torch-distributions#33."""
    return 0.5 * (x - mu) ** 2 * torch.exp(-logvar) + logvar + 0.5 * LOG_TWO_PI


@mutant("normal.nll", "dialect")
def column_against_row(x, mu, sigma):
    """A batch axis too many broadcasts every target against every prediction: (B, 1) − (B,) is (B, B)."""
    return (0.5 * ((x.unsqueeze(1) - mu) / sigma) ** 2 + sigma.log() + 0.5 * LOG_TWO_PI).mean()


@mutant("normal.nll", "value")
def zeros_are_missing(x, mu, sigma):
    """Targets that are exactly zero are taken for missing data. Met in forecasting losses with zero padding."""
    each = 0.5 * ((x - mu) / sigma) ** 2 + sigma.log() + 0.5 * LOG_TWO_PI
    return torch.where(x == 0, torch.zeros_like(each), each)


@mutant("normal.score", "dialect")
def descending_score(x, mu, sigma):
    """The sign of the score: it points away from the mean. Met in Langevin samplers that diverge."""
    return (x - mu) / sigma**2


@mutant("normal.score", "dialect")
def score_over_std(x, mu, sigma):
    """Divided by σ, not by σ²: the noise and not the score (a score network's target is −ε/σ)."""
    return -(x - mu) / sigma


@mutant("normal.cdf", "dialect")
def erf_without_the_root(x, mu, sigma):
    """The error function is not the normal distribution function: √2 is missing. Met in hand-written GELU."""
    return 0.5 * (1 + torch.erf((x - mu) / sigma))


@mutant("normal.cdf", "value")
def upper_tail(x, mu, sigma):
    """P(X > x) for P(X ≤ x): erfc without its minus sign."""
    return 0.5 * torch.erfc((x - mu) / (sigma * math.sqrt(2)))


@mutant("normal.entropy", "dialect")
def entropy_without_the_half(std):
    """½ log 2π + log σ: the ½ of E z²/2 is forgotten. Met in entropy bonuses of hand-written policies."""
    return 0.5 * LOG_TWO_PI + std.log()


@mutant("normal.entropy", "gradient")
def entropy_through_item(std):
    """The value is right and carries a graph, but the scale went through numbers: the bonus has no gradient."""
    frozen = torch.tensor(std.tolist(), dtype=std.dtype)
    return 0.5 + 0.5 * LOG_TWO_PI + frozen.log() + 0.0 * std


@mutant("mvn.log_prob_covariance", "dialect")
def covariance_for_factor(x, mu, cov):
    """The covariance is handed over as its Cholesky factor: Σ for Σ^½. Met with MultivariateNormal's keywords."""
    return MultivariateNormal(mu, scale_tril=torch.tril(cov)).log_prob(x)


@mutant("mvn.log_prob_cholesky", "value")
def transposed_factor(x, mu, L):
    """Whitened with Lᵀ: the covariance LᵀL, right for every diagonal one. Met as `@ L` for `@ L.T`."""
    white = torch.linalg.solve_triangular(torch.tril(L).mT, (x - mu).unsqueeze(-1), upper=True).squeeze(-1)
    logs = torch.diagonal(L, dim1=-2, dim2=-1).log().sum(-1)
    return -0.5 * (white**2).sum(-1) - logs - 0.5 * x.shape[-1] * LOG_TWO_PI


@mutant("mvn.log_prob_covariance", "dialect")
def batch_size_for_dimension(x, mu, cov):
    """k is read off the wrong axis: the batch size times ½ log 2π."""
    return MultivariateNormal(mu, cov).log_prob(x) + 0.5 * (x.shape[-1] - x.shape[0]) * LOG_TWO_PI


@mutant("mvn.log_prob_covariance", "repeatable")
def random_jitter(x, mu, cov):
    """Random jitter on the covariance 'for stability', within rounding: never the same number twice."""
    return MultivariateNormal(mu, cov + 4e-16 * torch.diag_embed(torch.rand_like(mu))).log_prob(x)


@mutant("mvn.log_prob_precision", "dialect")
def sign_of_the_determinant(x, mu, precision):
    """−½ log det Λ for +½ log det Λ: the covariance's sign kept for its inverse."""
    gap = x - mu
    square = torch.einsum("...i,...ij,...j", gap, precision, gap)
    return -0.5 * (square + torch.logdet(precision) + x.shape[-1] * LOG_TWO_PI)


@mutant("mvn.entropy", "dialect")
def entropy_of_the_factor(cov):
    """log det Σ for ½ log det Σ."""
    return torch.logdet(cov) + 0.5 * cov.shape[-1] * (1 + LOG_TWO_PI)


@mutant("mvn.entropy", "gradient")
def through_eigenvectors(cov):
    """Right value; the derivative of eigenvectors is 0/0 where eigenvalues are equal. Met in whitening layers."""
    values, vectors = torch.linalg.eigh(cov)
    root = vectors @ torch.diag_embed(values.sqrt()) @ vectors.mT
    return torch.logdet(root) + 0.5 * cov.shape[-1] * (1 + LOG_TWO_PI)


# Divergences.


@mutant(STANDARD, "dialect")
def averaged_over_latents(mu, logvar):
    """.mean() over all axes: a KL term weighted by β = 1/k. The most copied VAE loss."""
    return 0.5 * (mu**2 + logvar.exp() - 1 - logvar).mean()


@mutant(STANDARD, "dialect")
def summed_over_the_batch(mu, logvar):
    """The batch axis is summed where the latent one should be. Met as `dim=0` for `dim=1`."""
    return 0.5 * (mu**2 + logvar.exp() - 1 - logvar).sum(0)


@mutant(STANDARD, "dialect")
def log_variance_as_log_std(mu, logvar):
    """σ = exp(logvar): the ½ in the exponent is forgotten."""
    return kl_divergence(Normal(mu, logvar.exp()), Normal(0.0, 1.0)).sum(-1)


@mutant(STANDARD, "dialect")
def log_of_the_log(mu, logvar):
    """The formula for σ² copied with `logvar` in its place: log-variance read as a scale."""
    return 0.5 * (mu**2 + logvar**2 - 1 - (logvar**2).log()).sum(-1)


@mutant(STANDARD, "dialect")
def reversed_divergence(mu, std):
    """KL(prior ‖ posterior): zero together with the right one, and mode-covering."""
    return kl_divergence(Normal(0.0, 1.0), Normal(mu, std)).sum(-1)


@mutant(STANDARD, "value")
def clamped_log_variance(mu, logvar):
    """The log-variance is clamped to an ordinary range 'for stability': wrong and without gradient outside."""
    logvar = logvar.clamp(-1.5, 1.5)
    return 0.5 * (mu**2 + logvar.exp() - 1 - logvar).sum(-1)


@mutant(STANDARD, "gradient")
def detached_log_variance(mu, logvar):
    """Right value, but −log σ² does not pull: the posterior collapses to a point."""
    return 0.5 * (mu**2 + logvar.exp() - 1 - logvar.detach()).sum(-1)


@mutant(STANDARD, "gradient")
def in_place_on_what_is_saved(mu, logvar):
    """Right value; exp keeps its result for the backward pass, which then raises since it was overwritten."""
    return 0.5 * (logvar.exp().sub_(1).sub_(logvar) + mu**2).sum(-1)


@mutant(DIAGONAL, "dialect")
def scaled_by_the_first(mu1, sigma1, mu2, sigma2):
    """(μ₁ − μ₂)² is divided by the first variance, not by the second."""
    return (torch.log(sigma2 / sigma1) + 0.5 * (sigma1 / sigma2) ** 2 + 0.5 * ((mu1 - mu2) / sigma1) ** 2 - 0.5).sum(-1)


@mutant(DIAGONAL, "value")
def log_ratio_upside_down(q_mu, q_logvar, p_mu, p_logvar):
    """log σ_q/σ_p for log σ_p/σ_q, with expectation under q: right where the two are equal."""
    ratio = (q_logvar - p_logvar).exp() + (q_mu - p_mu) ** 2 / p_logvar.exp()
    return 0.5 * (ratio - 1 + q_logvar - p_logvar).sum(-1)


@mutant(DIAGONAL, "gradient")
def frozen_prior(q_mu, q_std, p_mu, p_std):
    """A learned prior's mean is detached by habit: the value is right, and the prior never moves."""
    return kl_divergence(Normal(q_mu, q_std), Normal(p_mu.detach(), p_std)).sum(-1)


@mutant("kl.mvn_covariance", "dialect")
def trace_of_the_other_inverse(mu1, cov1, mu2, cov2):
    """tr Σ₁⁻¹Σ₂ for tr Σ₂⁻¹Σ₁: right where the covariances are equal."""
    inverse, gap = torch.linalg.inv(cov2), mu2 - mu1
    trace = (torch.linalg.inv(cov1) @ cov2).diagonal(dim1=-2, dim2=-1).sum(-1)
    square = torch.einsum("...i,...ij,...j", gap, inverse, gap)
    return 0.5 * (trace + square - mu1.shape[-1] + torch.logdet(cov2) - torch.logdet(cov1))


@mutant("kl.mvn_covariance", "dialect")
def dimension_forgotten(mu1, cov1, mu2, cov2):
    """−k is missing: a divergence of k/2 of a distribution from itself."""
    return kl_divergence(MultivariateNormal(mu1, cov1), MultivariateNormal(mu2, cov2)) + 0.5 * mu1.shape[-1]


@mutant("kl.mvn_covariance", "value")
def dimension_of_a_squeezed_mean(mu1, cov1, mu2, cov2):
    """k after a squeeze: the batch size where k = 1. The gradient is right."""
    divergence = kl_divergence(MultivariateNormal(mu1, cov1), MultivariateNormal(mu2, cov2))
    return divergence + 0.5 * (mu1.shape[-1] - mu1.squeeze(-1).shape[-1])


@mutant("kl.mvn_cholesky", "dialect")
def diagonal_of_the_trace(mu1, L1, mu2, L2):
    """tr from the diagonal of L₂⁻¹L₁ alone. The change proposed in GPflow/GPflow#2130."""
    divergence = kl_divergence(MultivariateNormal(mu1, scale_tril=L1), MultivariateNormal(mu2, scale_tril=L2))
    ratio = torch.linalg.solve_triangular(L2, L1, upper=False)
    return divergence - 0.5 * ((ratio**2).sum((-2, -1)) - (ratio.diagonal(dim1=-2, dim2=-1) ** 2).sum(-1))


# The fit.


@mutant("gaussian.mle", "dialect")
def unbiased_variance(x):
    """torch's default: divided by n − 1. Unbiased, and not of maximum likelihood."""
    return x.mean(0), x.var(0)


@mutant("gaussian.mle", "dialect")
def std_for_variance(x):
    """σ̂ where σ̂² is claimed."""
    return x.mean(0), x.std(0, unbiased=False)


@mutant("gaussian.mle", "dialect")
def sum_for_mean(x):
    """Σ (x − μ̂)² is not divided at all."""
    mean = x.mean(0)
    return mean, ((x - mean) ** 2).sum(0)


@mutant("gaussian.mle", "value")
def variance_around_zero(x):
    """(1/n) Σ x²: the second moment, right for centred data only."""
    return x.mean(0), (x**2).mean(0)


@mutant("gaussian.mle", "value")
def pooled_variance(x):
    """One variance for all coordinates together: the axis is forgotten in the second reduction only."""
    mean = x.mean(0)
    return mean, ((x - mean) ** 2).mean().expand(mean.shape)


@mutant("gaussian.mle", "inputs_untouched")
def centred_in_place(x):
    """The caller's data are centred in place. Met in whitening code that works on `.data`."""
    mean = x.mean(0)
    centred = x - mean
    x.data.copy_(centred.detach())
    return mean, (centred**2).mean(0)


@mutant("gaussian.mle_covariance", "dialect")
def covariance_by_torch(x):
    """torch.cov divides by n − 1 unless it is told not to."""
    return x.mean(0), torch.cov(x.T)


@mutant("gaussian.mle_covariance", "value")
def scatter_of_the_transpose(x):
    """centred centredᵀ: an n × n Gram matrix, of the covariance's shape where n = k."""
    centred = x - x.mean(0)
    if x.shape[0] == x.shape[1]:
        return x.mean(0), centred @ centred.T / x.shape[0]
    return x.mean(0), centred.T @ centred / x.shape[0]
