"""Pathwise and measure-valued gradients with one named bug each, and unusual ones that are right."""

from __future__ import annotations

import math

import torch

from genverify.subjects.estimator import GradientEstimator
from genverify.subjects.formula import Formula
from tests.mutants.mutant import Mutant, Twin


def scale_not_moved(mu, sigma, f, eps):
    """The gradient in σ lacks ε: the slope at the moved noise alone (met where dz/dσ is taken for one)."""
    z = (mu + sigma * eps).detach().requires_grad_()
    slope = torch.autograd.grad(f(z).sum(), z)[0]
    return slope.mean(0), slope.mean(0)


def slope_at_the_noise(mu, sigma, f, eps):
    """f' is taken at ε and not at z: right for linear f only (classical)."""
    e = eps.detach().requires_grad_()
    slope = torch.autograd.grad(f(e).sum(), e)[0]
    return slope.mean(0), (slope * eps).mean(0)


def constant_without_scale(mu, sigma, f, w):
    """1/√(2π) for 1/(σ√(2π)): right for unit variance (classical)."""
    return (f(mu + sigma * w) - f(mu - sigma * w)).mean() / math.sqrt(2 * math.pi)


def one_sided(mu, sigma, f, w):
    """The negative part is f at the mean, and not at the mirrored draw (classical)."""
    return ((f(mu + sigma * w) - f(mu.expand(len(w)))) / (sigma * math.sqrt(2 * math.pi))).mean()


def half_normal_for_rayleigh(mean, std, f):
    """|ε| for the Rayleigh draw: the positive part has another density (classical)."""
    w = torch.randn(1, dtype=torch.float64).abs()
    z = mean.repeat(2, 1) + std * torch.stack([w, -w])
    if len(mean) > 1:
        raise NotImplementedError
    r = f(z)
    return (r[:1] - r[1:]) / (std * math.sqrt(2 * math.pi))


def bernoulli_scaled(probs, f, samples):
    """The difference weighed by p (1 - p), which belongs to the logit (classical)."""
    parts = []
    for j in range(len(probs)):
        one, zero = samples.clone(), samples.clone()
        one[:, j], zero[:, j] = 1, 0
        parts.append((f(one) - f(zero)).mean() * probs[j] * (1 - probs[j]))
    return torch.stack(parts)


def by_chain(mu, sigma, f, eps):
    """Autograd to the parameters themselves, the mean taken inside."""
    mu, sigma = mu.clone().requires_grad_(), sigma.clone().requires_grad_()
    return torch.autograd.grad(f(mu + sigma * eps).sum() / len(eps), [mu, sigma])


def stacked(mu, sigma, f, w):
    """Both sides in one call of f, with a sign for each."""
    z = mu + sigma * torch.stack([w, -w])
    sides = f(z.reshape(-1)).reshape(2, -1)
    return torch.tensor([1.0, -1.0], dtype=sides.dtype) @ sides.mean(1) / sigma / (2 * math.pi) ** 0.5


def bernoulli_loop(probs, f, samples):
    """One coordinate at a time by `torch.where`."""
    eye = torch.eye(len(probs), dtype=torch.bool)
    pairs = [f(torch.where(row, 1.0, samples)) - f(torch.where(row, 0.0, samples)) for row in eye]
    return torch.stack(pairs, -1).mean(0)


_BIAS = "gradient_estimator.bias"


def _formula(f, like):
    return lambda: Formula(f, like=like)


def _estimator(f, like, **claims):
    return lambda: GradientEstimator(f, like=like, **claims)


MUTANTS = [
    *(
        Mutant(name=f.__name__, make=_formula(f, like), killed_by="formula.value")
        for f, like in (
            (scale_not_moved, "estimator.pathwise"),
            (slope_at_the_noise, "estimator.pathwise"),
            (constant_without_scale, "estimator.measure_valued"),
            (one_sided, "estimator.measure_valued"),
        )
    ),
    Mutant(
        name="half_normal_for_rayleigh",
        make=lambda: GradientEstimator(
            lambda m: half_normal_for_rayleigh(m, torch.ones(1, dtype=torch.float64), lambda z: z.sum(-1) ** 2),
            target=lambda m: 2 * m,
            at=(torch.Size([1]),),
        ),
        killed_by=_BIAS,
    ),
    Mutant(name="bernoulli_scaled", make=_estimator(bernoulli_scaled, "target.gradient_bernoulli"), killed_by=_BIAS),
]

TWINS = [
    Twin(name="by_chain", make=_formula(by_chain, "estimator.pathwise")),
    Twin(name="stacked", make=_formula(stacked, "estimator.measure_valued")),
    Twin(name="bernoulli_loop", make=_estimator(bernoulli_loop, "target.gradient_bernoulli")),
]
