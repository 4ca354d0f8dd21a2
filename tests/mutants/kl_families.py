"""Mutants of divergences within a family of laws, each with one named bug, and twins in unusual styles."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.distributions import (
    Beta,
    Cauchy,
    Dirichlet,
    Exponential,
    Gamma,
    Gumbel,
    Laplace,
    Normal,
    Uniform,
    kl_divergence,
)
from torch.distributions.kl import _kl_expfamily_expfamily

from genverify.subjects.formula import Formula
from tests.mutants.mutant import Mutant, Twin

MUTANTS: list[Mutant] = []
TWINS: list[Twin] = []


def mutant(like: str, killed_by: str = "dialect") -> Callable[[Any], Any]:
    """Declares the decorated function, as a stranger would, as a wrong divergence."""

    def declare(f: Callable[..., Any]) -> Callable[..., Any]:
        make = lambda: Formula(f, like=like)  # noqa: E731
        MUTANTS.append(Mutant(name=f"{like}: {f.__name__}", make=make, killed_by=f"formula.{killed_by}"))
        return f

    return declare


def twin(like: str) -> Callable[[Any], Any]:
    """Declares the decorated function as a right one."""

    def declare(f: Any) -> Any:
        TWINS.append(Twin(name=f"{like}: {f.__name__}", make=lambda: Formula(f, like=like)))
        return f

    return declare


@mutant("kl.exponential")
def scales_for_rates(rate_p, rate_q):
    """The formula by scales, fed with rates: it is then the divergence reversed."""
    return (rate_p / rate_q - 1 - (rate_p / rate_q).log()).sum(-1)


@mutant("kl.gamma")
def shape_and_scale(concentration_p, rate_p, concentration_q, rate_q):
    """Textbooks give the law by shape and scale: rates put in its place turn every ratio upside down."""
    k, m = concentration_p, concentration_q
    ratio = rate_q / rate_p
    logs = torch.lgamma(m) - torch.lgamma(k) + m * ratio.log()
    return ((k - m) * torch.digamma(k) + logs + k * (rate_p / rate_q - 1)).sum(-1)


@mutant("kl.gamma")
def logarithm_of_the_mean(concentration_p, rate_p, concentration_q, rate_q):
    """log E x for E log x: log k for ψ(k)."""
    k, m = concentration_p, concentration_q
    logs = torch.lgamma(m) - torch.lgamma(k) + m * (rate_p / rate_q).log()
    return ((k - m) * k.log() + logs + k * (rate_q / rate_p - 1)).sum(-1)


@mutant("kl.beta")
def total_forgotten(a_p, b_p, a_q, b_q):
    """Without the term of ψ(a + b)."""

    def log_beta(a, b):
        return torch.lgamma(a) + torch.lgamma(b) - torch.lgamma(a + b)

    logs = log_beta(a_q, b_q) - log_beta(a_p, b_p)
    return (logs + (a_p - a_q) * a_p.digamma() + (b_p - b_q) * b_p.digamma()).sum(-1)


@mutant("kl.dirichlet")
def digamma_of_the_wrong_total(alpha_p, alpha_q):
    """ψ(Σb) for ψ(Σa): the expectation is under the first."""
    total = alpha_q.sum(-1, keepdim=True)
    logs = alpha_p.sum(-1).lgamma() - alpha_q.sum(-1).lgamma() + (alpha_q.lgamma() - alpha_p.lgamma()).sum(-1)
    return logs + ((alpha_p - alpha_q) * (alpha_p.digamma() - total.digamma())).sum(-1)


@mutant("kl.dirichlet", "gradient")
def first_detached(alpha_p, alpha_q):
    """torch's formula of exponential families detaches the natural parameters of the first law."""
    return _kl_expfamily_expfamily(Dirichlet(alpha_p), Dirichlet(alpha_q))


@mutant("kl.poisson")
def without_the_rates(rate_p, rate_q):
    """a log a/b alone: b − a belongs to it, and the result may be negative."""
    return (rate_p * (rate_p / rate_q).log()).sum(-1)


@mutant("kl.geometric")
def counted_from_one(probs_p, probs_q):
    """E x = 1/p is that of trials; failures have (1 − p)/p."""
    logs = (probs_p / probs_q).log()
    return (logs + ((1 - probs_p) / (1 - probs_q)).log() / probs_p).sum(-1)


@mutant("kl.gumbel")
def without_eulers_constant(loc_p, scale_p, loc_q, scale_q):
    """The location taken for the mean."""
    ratio, gap = scale_p / scale_q, (loc_p - loc_q) / scale_q
    return (-ratio.log() + gap + ((1 + ratio).lgamma() - gap).exp() - 1).sum(-1)


@mutant("kl.pareto")
def scales_swapped(scale_p, alpha_p, scale_q, alpha_q):
    """log t/s for log s/t."""
    return (alpha_q * (scale_q / scale_p).log() - (alpha_q / alpha_p).log() + alpha_q / alpha_p - 1).sum(-1)


@mutant("kl.uniform")
def widths_swapped(low_p, high_p, low_q, high_q):
    """log (b − a)/(d − c): negative."""
    return ((high_p - low_p) / (high_q - low_q)).log().sum(-1)


@mutant("kl.cauchy")
def scales_not_added(loc_p, scale_p, loc_q, scale_q):
    """s² + t² for (s + t)²: not 0 between equal laws."""
    return ((scale_p**2 + scale_q**2 + (loc_p - loc_q) ** 2) / (4 * scale_p * scale_q)).log().sum(-1)


@mutant("kl.normal_laplace")
def variance_for_the_absolute_value(loc_p, std_p, loc_q, scale_q):
    """σ for E |x − ν|."""
    entropy = 0.5 * (2 * torch.pi * torch.e * std_p**2).log()
    return ((2 * scale_q).log() + (std_p + (loc_p - loc_q).abs()) / scale_q - entropy).sum(-1)


@mutant("kl.laplace_normal")
def scale_for_the_deviation(loc_p, scale_p, loc_q, std_q):
    """s² for the variance 2s²."""
    square = (scale_p**2 + (loc_p - loc_q) ** 2) / (2 * std_q**2)
    return (0.5 * (2 * torch.pi * std_q**2).log() + square - 1 - (2 * scale_p).log()).sum(-1)


# Twins: none of these may be accused.


@twin("kl.normal_laplace")
def by_torch_normal_laplace(loc_p, std_p, loc_q, scale_q):
    """torch's own."""
    return kl_divergence(Normal(loc_p, std_p), Laplace(loc_q, scale_q)).sum(-1)


@twin("kl.laplace_normal")
def by_torch_laplace_normal(loc_p, scale_p, loc_q, std_q):
    """torch's own."""
    return kl_divergence(Laplace(loc_p, scale_p), Normal(loc_q, std_q)).mean(0)


@twin("kl.exponential")
def by_torch(rate_p, rate_q):
    """torch's own, averaged over the batch."""
    return kl_divergence(Exponential(rate_p), Exponential(rate_q)).sum(1).mean()


@twin("kl.exponential")
def by_means(mean_p, mean_q):
    """By means."""
    return torch.einsum("...e->...", mean_p / mean_q - 1 - torch.log(mean_p) + torch.log(mean_q))


@twin("kl.gamma")
def by_torch_gamma(alpha_p, beta_p, alpha_q, beta_q):
    """Shape and rate by the names of the textbooks."""
    return kl_divergence(Gamma(alpha_p, beta_p), Gamma(alpha_q, beta_q))


@twin("kl.beta")
def as_dirichlet(a1, b1, a2, b2):
    """Two classes."""
    return kl_divergence(Dirichlet(torch.stack((a1, b1), -1)), Dirichlet(torch.stack((a2, b2), -1))).sum(-1)


@twin("kl.beta")
def by_torch_beta(alpha_p, beta_p, alpha_q, beta_q):
    """torch's own."""
    return kl_divergence(Beta(alpha_p, beta_p), Beta(alpha_q, beta_q))


@twin("kl.poisson")
def by_xlogy(rate_p, rate_q):
    """torch.xlogy, and a sum over everything."""
    return (torch.xlogy(rate_p, rate_p) - torch.xlogy(rate_p, rate_q) + rate_q - rate_p).sum()


@twin("kl.gumbel")
def by_torch_gumbel(loc_p, scale_p, loc_q, scale_q):
    """torch's own."""
    return kl_divergence(Gumbel(loc_p, scale_p), Gumbel(loc_q, scale_q))


@twin("kl.uniform")
def by_torch_uniform(low_p, high_p, low_q, high_q):
    """torch's own."""
    return kl_divergence(Uniform(low_p, high_p), Uniform(low_q, high_q)).sum(-1)


@twin("kl.cauchy")
def by_torch_cauchy(loc_p, scale_p, loc_q, scale_q):
    """torch's own."""
    return kl_divergence(Cauchy(loc_p, scale_p), Cauchy(loc_q, scale_q)).sum(-1).mean(0)
