"""Samplers with one named bug each, and unusual ones that are right."""

from __future__ import annotations

import math

import torch

from genverify.subjects.sampler import Sampler
from tests.mutants.mutant import Mutant, Twin


def wrong_side(mean, cov, n):
    """Rows of noise are multiplied by L: the covariance is LᵀL (classical)."""
    return mean + torch.randn(n, len(mean), dtype=mean.dtype) @ torch.linalg.cholesky(cov)


def same_noise_for_every_row(mean, cov, n):
    """One draw of noise, repeated: every row is right alone, and all are the same (a misplaced unsqueeze)."""
    noise = torch.randn(1, len(mean), dtype=mean.dtype).expand(n, -1)
    return mean + noise @ torch.linalg.cholesky(cov).T


def covariance_for_its_root(mean, cov, n):
    """The covariance itself multiplies the noise: Σ for Σ^½ (classical)."""
    return mean + torch.randn(n, len(mean), dtype=mean.dtype) @ cov


def variance_for_std(mu, logvar):
    """exp(logvar) for exp(logvar / 2) (many VAEs)."""
    return mu + torch.exp(logvar) * torch.randn_like(mu)


def small_noise(mu, logvar):
    """Noise of standard deviation 0.01 (keras-team/keras#4211)."""
    return mu + 0.01 * torch.exp(0.5 * logvar) * torch.randn_like(mu)


def truncated(mu, std):
    """Noise clipped at three standard deviations: the tails pile up (truncation trick left on)."""
    return mu + std * torch.randn_like(mu).clamp(-3, 3)


def uniform_noise(mu, std):
    """rand for randn (a typing slip): half the time off, and no tails."""
    return mu + std * torch.rand_like(mu)


def one_number_for_all_latents(mu, std):
    """Noise of shape [..., 1] broadcasts over the latent axis (a wrong shape)."""
    return mu + std * torch.randn_like(mu[..., :1])


def antithetic_rows(mean, std, n):
    """The second half of the rows mirrors the first: each row is right, the rows are not independent."""
    half = torch.randn((n + 1) // 2, *mean.shape, dtype=mean.dtype)
    return mean + std * torch.cat([half, -half])[:n]


def complement(probs):
    """The event of probability 1 - p: u > p for u < p."""
    return torch.bernoulli(1 - probs)


def gumbel_sign(loc, scale):
    """log(-log u) with the wrong outer sign: skewed to the left (classical)."""
    return loc + scale * torch.log(-torch.log(torch.rand_like(loc)))


def detached_scale(mu, logvar):
    """The scale is detached: draws are right, and carry no gradient of the variance."""
    return mu + torch.exp(0.5 * logvar).detach() * torch.randn_like(mu)


def columns_for_rows(mean, cov, n):
    """Draws as columns where rows are expected."""
    noise = torch.randn(n, len(mean), dtype=mean.dtype)
    return (mean + noise @ torch.linalg.cholesky(cov).T).T.contiguous()[:, :, None].repeat(1, 1, 2)


def adds_in_place(mu, std):
    """The noise is added to the caller's mean."""
    with torch.no_grad():
        mu += std * torch.randn_like(mu)
    return mu


def eigen_root(mean, cov, n):
    """Another square root, and the noise subtracted."""
    values, vectors = torch.linalg.eigh(cov)
    return mean - torch.randn(n, len(mean), dtype=mean.dtype) @ (vectors * values.sqrt()).T


def library(mean, cov, n):
    """torch's own multivariate normal."""
    return torch.distributions.MultivariateNormal(mean, cov).rsample((n,))


def box_muller(mean, std):
    """Two uniform draws for each number, by Box and Muller."""
    radius = torch.sqrt(-2 * torch.log1p(-torch.rand_like(mean)))
    return mean + std * radius * torch.cos(2 * math.pi * torch.rand_like(mean))


def by_inversion(mu, sigma):
    """The inverse distribution function of uniform draws."""
    return mu + sigma * torch.special.ndtri(torch.rand_like(mu))


def torch_normal(mu, std):
    """torch.normal, which carries no gradient."""
    return torch.normal(mu, std)


def gumbel_guarded(loc, scale):
    """Uniform draws kept off 0 and 1 by the smallest numbers, as everybody writes it."""
    u = torch.rand_like(loc).clamp(1e-20, 1 - torch.finfo(loc.dtype).eps)
    return loc - scale * torch.log(-torch.log(u))


def by_comparison(probs):
    """Bernoulli draws by comparing uniform ones."""
    return (torch.rand_like(probs) < probs).to(probs.dtype)


def one_hot_categorical(logits):
    """Categorical draws as one-hot codes."""
    return torch.distributions.OneHotCategorical(logits=logits).sample()


_MVN, _DIAGONAL, _LAW = "law.mvn", "law.normal_diagonal", "sampler.law"


def _of(f, law, **claims):
    return lambda: Sampler(f, law=law, **claims)


MUTANTS = [
    *(
        Mutant(name=f.__name__, make=_of(f, _MVN), killed_by=_LAW)
        for f in (wrong_side, same_noise_for_every_row, covariance_for_its_root)
    ),
    *(
        Mutant(name=f.__name__, make=_of(f, _DIAGONAL), killed_by=_LAW)
        for f in (
            variance_for_std, small_noise, truncated, uniform_noise, one_number_for_all_latents, antithetic_rows,
        )
    ),
    Mutant(name="complement", make=_of(complement, "law.bernoulli"), killed_by=_LAW),
    Mutant(name="gumbel_sign", make=_of(gumbel_sign, "law.gumbel"), killed_by=_LAW),
    Mutant(name="detached_scale", make=_of(detached_scale, _DIAGONAL), killed_by="sampler.pathwise"),
    Mutant(name="columns_for_rows", make=_of(columns_for_rows, _MVN), killed_by="sampler.shape"),
    Mutant(name="adds_in_place", make=_of(adds_in_place, _DIAGONAL), killed_by="sampler.inputs_untouched"),
]  # fmt: skip

TWINS = [
    Twin(name="eigen_root", make=_of(eigen_root, _MVN)),
    Twin(name="library", make=_of(library, _MVN, pathwise=True)),
    Twin(name="box_muller", make=_of(box_muller, _DIAGONAL)),
    Twin(name="by_inversion", make=_of(by_inversion, _DIAGONAL, pathwise=True)),
    Twin(name="torch_normal", make=_of(torch_normal, _DIAGONAL)),
    Twin(name="gumbel_guarded", make=_of(gumbel_guarded, "law.gumbel")),
    Twin(name="by_comparison", make=_of(by_comparison, "law.bernoulli")),
    Twin(name="one_hot_categorical", make=_of(one_hot_categorical, "law.categorical")),
]
