"""Divergences and entropies of discrete, Laplace and normal distributions."""

from __future__ import annotations

import math

import torch
from torch.nn import functional

__all__ = [
    "entropy_bonus", "entropy_categorical", "free_bits", "jensen_shannon_categorical", "kl_bernoulli",
    "kl_categorical", "kl_laplace", "monte_carlo", "renyi_normals",
]  # fmt: skip


def kl_bernoulli(logit_p: torch.Tensor, logit_q: torch.Tensor) -> torch.Tensor:
    """``p log p/q + (1 − p) log (1 − p)/(1 − q)`` by logits: ``σ(l) (l − m) − log(1 + eˡ) + log(1 + eᵐ)``.

    Shapes: broadcast; nats, elementwise.

    Source: Kullback & Leibler 1951, eq. 2.4, for two outcomes.

    >>> kl_bernoulli(torch.tensor(0.0), torch.tensor(0.0))
    tensor(0.)
    """
    return torch.sigmoid(logit_p) * (logit_p - logit_q) - functional.softplus(logit_p) + functional.softplus(logit_q)


def kl_categorical(logits_p: torch.Tensor, logits_q: torch.Tensor) -> torch.Tensor:
    """``Σ_k p_k (log p_k − log q_k)``, one number a row.

    Shapes: both [..., classes]; the result [...]; nats.

    Source: Cover & Thomas 2006, eq. 2.26.

    >>> kl_categorical(torch.zeros(2), torch.zeros(2))
    tensor(0.)
    """
    log_p, log_q = torch.log_softmax(logits_p, -1), torch.log_softmax(logits_q, -1)
    return (log_p.exp() * (log_p - log_q)).sum(-1)


def kl_laplace(
    mean_p: torch.Tensor, scale_p: torch.Tensor, mean_q: torch.Tensor, scale_q: torch.Tensor
) -> torch.Tensor:
    """``log c/b + |μ − ν|/c + (b/c) e^(−|μ − ν|/b) − 1``.

    Shapes: broadcast; nats, elementwise.

    Source: Gil, Alajaji & Linder 2013.

    >>> one, zero = torch.tensor(1.0), torch.tensor(0.0)
    >>> kl_laplace(zero, one, zero, one)
    tensor(0.)
    """
    gap = (mean_p - mean_q).abs()
    return scale_q.log() - scale_p.log() + gap / scale_q + scale_p / scale_q * torch.exp(-gap / scale_p) - 1


def free_bits(kl: torch.Tensor, threshold: float) -> torch.Tensor:
    """``Σ_j max(λ, mean_i KL_ij)``: below λ a latent has no gradient.

    Shapes: ``kl`` [batch, latent]; a scalar.

    Source: Kingma et al. 2016, on free bits.

    >>> free_bits(torch.tensor([[0.1, 3.0]]), 0.5)
    tensor(3.5000)
    """
    return kl.mean(0).clamp(min=threshold).sum()


def monte_carlo(log_p: torch.Tensor, log_q: torch.Tensor) -> torch.Tensor:
    """``(1/n) Σ log p(z_i) − log q(z_i)`` at draws z_i of p.

    Shapes: both [n]; a scalar.

    Source: Kingma & Welling 2014, eq. 6 (its prior term); Schulman 2020.

    >>> monte_carlo(torch.ones(2), torch.zeros(2))
    tensor(1.)
    """
    return (log_p - log_q).mean()


def jensen_shannon_categorical(logits_p: torch.Tensor, logits_q: torch.Tensor) -> torch.Tensor:
    """``½ KL(p ‖ m) + ½ KL(q ‖ m)``, m = (p + q)/2, one number a row.

    Shapes: both [..., classes]; the result [...]; nats, at most log 2.

    Source: Lin 1991, eq. 4.1 with weights ½.

    >>> jensen_shannon_categorical(torch.zeros(2), torch.zeros(2))
    tensor(0.)
    """
    log_p, log_q = torch.log_softmax(logits_p, -1), torch.log_softmax(logits_q, -1)
    log_m = torch.logaddexp(log_p, log_q) - math.log(2)
    return 0.5 * (log_p.exp() * (log_p - log_m) + log_q.exp() * (log_q - log_m)).sum(-1)


def renyi_normals(
    mean_p: torch.Tensor, std_p: torch.Tensor, mean_q: torch.Tensor, std_q: torch.Tensor, alpha: float
) -> torch.Tensor:
    """``log τ/σ + log(τ²/v)/(2(α − 1)) + α (μ − ν)²/(2v)``, v = α τ² + (1 − α) σ², summed over coordinates.

    Shapes: all [..., k]; the result [...]; nats.

    Source: Gil, Alajaji & Linder 2013.

    >>> one, zero = torch.ones(1), torch.zeros(1)
    >>> renyi_normals(one, one, zero, one, 0.5)
    tensor(0.2500)
    """
    v = alpha * std_q**2 + (1 - alpha) * std_p**2
    logs = std_q.log() - std_p.log() + (std_q**2 / v).log() / (2 * (alpha - 1))
    return (logs + alpha * (mean_p - mean_q) ** 2 / (2 * v)).sum(-1)


def entropy_categorical(logits: torch.Tensor) -> torch.Tensor:
    """``−Σ_k p_k log p_k``, one number a row.

    Shapes: [..., classes]; the result [...]; nats.

    Source: Cover & Thomas 2006, eq. 2.1.

    >>> entropy_categorical(torch.zeros(2))
    tensor(0.6931)
    """
    log_p = torch.log_softmax(logits, -1)
    return -(log_p.exp() * log_p).sum(-1)


def entropy_bonus(logits: torch.Tensor, coefficient: float) -> torch.Tensor:
    """``β (1/n) Σ H(π_i)``: what is added to the objective, and so subtracted from the loss.

    Shapes: ``logits`` [n, actions]; a scalar.

    Source: Williams & Peng 1991; Mnih et al. 2016, section 4.

    >>> entropy_bonus(torch.zeros(1, 2), 1.0)
    tensor(0.6931)
    """
    return coefficient * entropy_categorical(logits).mean()
