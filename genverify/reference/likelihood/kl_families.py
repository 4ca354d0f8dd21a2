"""Divergences between two laws of one family, and of Laplace and normal laws, as the textbooks print them."""

from __future__ import annotations

import math

import torch

__all__ = [
    "kl_beta", "kl_cauchy", "kl_dirichlet", "kl_exponential", "kl_gamma", "kl_geometric", "kl_gumbel",
    "kl_laplace_normal", "kl_normal_laplace", "kl_pareto", "kl_poisson", "kl_uniform",
]  # fmt: skip

_EULER = 0.57721566490153286


def kl_exponential(rate_p: torch.Tensor, rate_q: torch.Tensor) -> torch.Tensor:
    """``log a/b + b/a − 1`` for rates a and b, summed over the last axis.

    Source: Gil, Alajaji & Linder 2013.

    >>> kl_exponential(torch.tensor([2.0]), torch.tensor([2.0]))
    tensor(0.)
    """
    return (torch.log(rate_p) - torch.log(rate_q) + rate_q / rate_p - 1).sum(-1)


def kl_gamma(
    concentration_p: torch.Tensor, rate_p: torch.Tensor, concentration_q: torch.Tensor, rate_q: torch.Tensor
) -> torch.Tensor:
    """``(k − m) ψ(k) − log Γ(k)/Γ(m) + m log(a/b) + k (b − a)/a``, summed over the last axis.

    Source: Gil, Alajaji & Linder 2013.

    >>> two = torch.tensor([2.0])
    >>> kl_gamma(two, two, two, two)
    tensor(0.)
    """
    k, m = concentration_p, concentration_q
    logs = torch.lgamma(m) - torch.lgamma(k) + m * (torch.log(rate_p) - torch.log(rate_q))
    return ((k - m) * torch.digamma(k) + logs + k * (rate_q - rate_p) / rate_p).sum(-1)


def kl_dirichlet(concentration_p: torch.Tensor, concentration_q: torch.Tensor) -> torch.Tensor:
    """``log B(b)/B(a) + Σ_k (a_k − b_k)(ψ(a_k) − ψ(Σa))``.

    Shapes: [..., classes]; the result [...].

    Source: Bishop 2006, appendix B.

    >>> kl_dirichlet(torch.tensor([1.0, 1.0]), torch.tensor([1.0, 1.0]))
    tensor(0.)
    """
    a, b = concentration_p, concentration_q
    log_beta_a = torch.lgamma(a).sum(-1) - torch.lgamma(a.sum(-1))
    log_beta_b = torch.lgamma(b).sum(-1) - torch.lgamma(b.sum(-1))
    expected_log = torch.digamma(a) - torch.digamma(a.sum(-1, keepdim=True))
    return log_beta_b - log_beta_a + ((a - b) * expected_log).sum(-1)


def kl_beta(
    concentration1_p: torch.Tensor,
    concentration0_p: torch.Tensor,
    concentration1_q: torch.Tensor,
    concentration0_q: torch.Tensor,
) -> torch.Tensor:
    """That of Dirichlet laws of two classes, summed over the last axis.

    Source: Gil, Alajaji & Linder 2013.

    >>> one = torch.tensor([1.0])
    >>> kl_beta(one, one, one, one)
    tensor(0.)
    """
    first = torch.stack((concentration1_p, concentration0_p), -1)
    return kl_dirichlet(first, torch.stack((concentration1_q, concentration0_q), -1)).sum(-1)


def kl_poisson(rate_p: torch.Tensor, rate_q: torch.Tensor) -> torch.Tensor:
    """``a log a/b − a + b``, summed over the last axis.

    Source: Johnson, Kemp & Kotz 2005, by E x = a.

    >>> kl_poisson(torch.tensor([2.0]), torch.tensor([2.0]))
    tensor(0.)
    """
    return (rate_p * (torch.log(rate_p) - torch.log(rate_q)) - rate_p + rate_q).sum(-1)


def kl_geometric(probs_p: torch.Tensor, probs_q: torch.Tensor) -> torch.Tensor:
    """``log p/q + ((1 − p)/p) log (1 − p)/(1 − q)``, summed over the last axis.

    Source: Johnson, Kemp & Kotz 2005, by E x = (1 − p)/p.

    >>> kl_geometric(torch.tensor([0.5]), torch.tensor([0.5]))
    tensor(0.)
    """
    failures = (1 - probs_p) / probs_p
    logs = torch.log(probs_p) - torch.log(probs_q)
    return (logs + failures * (torch.log1p(-probs_p) - torch.log1p(-probs_q))).sum(-1)


def kl_gumbel(loc_p: torch.Tensor, scale_p: torch.Tensor, loc_q: torch.Tensor, scale_q: torch.Tensor) -> torch.Tensor:
    """``log t/s + (μ + γs − ν)/t − (γ + 1) + e^(−(μ − ν)/t) Γ(1 + s/t)``, summed over the last axis.

    Source: Gil, Alajaji & Linder 2013.

    >>> zero, one = torch.zeros(1), torch.ones(1)
    >>> bool(kl_gumbel(zero, one, zero, one).abs() < 1e-6)
    True
    """
    ratio, gap = scale_p / scale_q, (loc_p - loc_q) / scale_q
    tail = torch.exp(torch.lgamma(1 + ratio) - gap)
    return (-torch.log(ratio) + gap + _EULER * ratio - (_EULER + 1) + tail).sum(-1)


def kl_pareto(
    scale_p: torch.Tensor, alpha_p: torch.Tensor, scale_q: torch.Tensor, alpha_q: torch.Tensor
) -> torch.Tensor:
    """``b log s/t + log a/b + b/a − 1`` where s ≥ t, summed over the last axis; infinite otherwise.

    Source: Gil, Alajaji & Linder 2013.

    >>> one, two = torch.ones(1), torch.full((1,), 2.0)
    >>> kl_pareto(two, two, two, two), kl_pareto(one, two, two, two)
    (tensor(0.), tensor(inf))
    """
    inside = alpha_q * (torch.log(scale_p) - torch.log(scale_q)) + torch.log(alpha_p) - torch.log(alpha_q)
    value = inside + alpha_q / alpha_p - 1
    return torch.where(scale_p >= scale_q, value, torch.inf).sum(-1)


def kl_uniform(low_p: torch.Tensor, high_p: torch.Tensor, low_q: torch.Tensor, high_q: torch.Tensor) -> torch.Tensor:
    """``log (d − c)/(b − a)`` where [a, b] lies in [c, d], summed over the last axis; infinite otherwise.

    Source: Kullback & Leibler 1951, eq. 2.4, for constant densities.

    >>> zero, one, two = torch.zeros(1), torch.ones(1), torch.full((1,), 2.0)
    >>> kl_uniform(zero, one, zero, two), kl_uniform(zero, two, zero, one)
    (tensor(0.6931), tensor(inf))
    """
    inside = (low_q <= low_p) & (high_p <= high_q)
    return torch.where(inside, torch.log(high_q - low_q) - torch.log(high_p - low_p), torch.inf).sum(-1)


def kl_cauchy(loc_p: torch.Tensor, scale_p: torch.Tensor, loc_q: torch.Tensor, scale_q: torch.Tensor) -> torch.Tensor:
    """``log ((s + t)² + (μ − ν)²)/(4st)``, summed over the last axis.

    Source: Chyzak & Nielsen 2019.

    >>> zero, one = torch.zeros(1), torch.ones(1)
    >>> kl_cauchy(zero, one, zero, one)
    tensor(0.)
    """
    return (torch.log((scale_p + scale_q) ** 2 + (loc_p - loc_q) ** 2) - torch.log(4 * scale_p * scale_q)).sum(-1)


def kl_normal_laplace(
    mean_p: torch.Tensor, std_p: torch.Tensor, loc_q: torch.Tensor, scale_q: torch.Tensor
) -> torch.Tensor:
    """``log 2t/σ − ½ log 2πe + (σ√(2/π) e^(−d²/2σ²) + d erf(d/σ√2))/t``, d = μ − ν, summed over the last axis.

    Source: Leone, Nelson & Nottingham 1961 (the mean of a folded normal law), in Kullback & Leibler 1951, eq. 2.4.

    >>> zero, one = torch.zeros(1), torch.ones(1)
    >>> bool((kl_normal_laplace(zero, one, zero, one) - 0.07209).abs() < 1e-4)
    True
    """
    z = (mean_p - loc_q) / std_p
    folded = std_p * math.sqrt(2 / math.pi) * torch.exp(-0.5 * z**2) + (mean_p - loc_q) * torch.erf(z / math.sqrt(2))
    entropy = 0.5 * math.log(2 * math.pi * math.e) + torch.log(std_p)
    return (math.log(2) + torch.log(scale_q) + folded / scale_q - entropy).sum(-1)


def kl_laplace_normal(
    loc_p: torch.Tensor, scale_p: torch.Tensor, mean_q: torch.Tensor, std_q: torch.Tensor
) -> torch.Tensor:
    """``log τ/(2s) + ½ log 2π − 1 + (2s² + (μ − ν)²)/(2τ²)``, summed over the last axis.

    Source: Kullback & Leibler 1951, eq. 2.4, by the variance 2s².

    >>> zero, one = torch.zeros(1), torch.ones(1)
    >>> bool((kl_laplace_normal(zero, one, zero, one) - 0.22579).abs() < 1e-4)
    True
    """
    entropy = 1 + math.log(2) + torch.log(scale_p)
    square = (2 * scale_p**2 + (loc_p - mean_q) ** 2) / (2 * std_q**2)
    return (torch.log(std_q) + 0.5 * math.log(2 * math.pi) + square - entropy).sum(-1)
