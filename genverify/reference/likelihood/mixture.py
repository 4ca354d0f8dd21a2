"""Mixtures of normal distributions and the two steps of EM."""

from __future__ import annotations

import math

import torch

__all__ = [
    "diagonal_covariance_m_step", "full_covariance_m_step", "normal_log_prob", "responsibilities",
    "tied_covariance_m_step",
]  # fmt: skip

MStep = tuple[torch.Tensor, torch.Tensor, torch.Tensor]


def _joint(x: torch.Tensor, logits: torch.Tensor, mean: torch.Tensor, std: torch.Tensor) -> torch.Tensor:
    """Log π_k N(x | μ_k, diag σ_k²) for each component."""
    z = (x.unsqueeze(-2) - mean) / std
    log_density = (-0.5 * z**2 - std.log() - 0.5 * math.log(2 * math.pi)).sum(-1)
    return torch.log_softmax(logits, -1) + log_density


def normal_log_prob(x: torch.Tensor, logits: torch.Tensor, mean: torch.Tensor, std: torch.Tensor) -> torch.Tensor:
    """``log Σ_k π_k N(x | μ_k, diag σ_k²)``, π = softmax(logits).

    Shapes: ``x`` [..., event], ``logits`` [component], ``mean``, ``std`` [component, event]; the result [...]; nats.

    Source: Bishop 2006, eq. 9.7.

    >>> one = torch.ones(1, 1)
    >>> normal_log_prob(torch.zeros(1, 1), torch.zeros(1), 0 * one, one)
    tensor([-0.9189])
    """
    return torch.logsumexp(_joint(x, logits, mean, std), -1)


def responsibilities(x: torch.Tensor, logits: torch.Tensor, mean: torch.Tensor, std: torch.Tensor) -> torch.Tensor:
    """``γ_k = π_k N(x | μ_k, σ_k²)/Σ_j π_j N(x | μ_j, σ_j²)``: the posterior of the component.

    Shapes: as of `normal_log_prob`; the result [..., component].

    Source: Bishop 2006, eq. 9.13.

    >>> one = torch.ones(2, 1)
    >>> responsibilities(torch.zeros(1, 1), torch.zeros(2), 0 * one, one)
    tensor([[0.5000, 0.5000]])
    """
    return torch.softmax(_joint(x, logits, mean, std), -1)


def full_covariance_m_step(x: torch.Tensor, responsibilities: torch.Tensor) -> MStep:
    """``π_k = N_k/n``, ``μ_k = Σ γ_ik x_i/N_k``, ``Σ_k = Σ γ_ik (x_i − μ_k)(x_i − μ_k)ᵀ/N_k``, N_k = Σ γ_ik.

    Shapes: ``x`` [n, event], ``responsibilities`` [n, component]; [component], [component, event], [component, event,
    event].

    Source: Bishop 2006, eqs. 9.24 to 9.26.

    >>> full_covariance_m_step(torch.tensor([[1.0], [3.0]]), torch.ones(2, 1))
    (tensor([1.]), tensor([[2.]]), tensor([[[1.]]]))
    """
    counts = responsibilities.sum(0)
    mean = responsibilities.T @ x / counts[:, None]
    covariances = []
    for k, weight in enumerate(responsibilities.T):
        centred = x - mean[k]
        covariances.append((weight[:, None] * centred).T @ centred / counts[k])
    return counts / len(x), mean, torch.stack(covariances)


def diagonal_covariance_m_step(x: torch.Tensor, responsibilities: torch.Tensor) -> MStep:
    """The same with a variance for each coordinate: ``σ_k² = Σ γ_ik (x_i − μ_k)²/N_k``.

    Shapes: as above, the variances [component, event].

    Source: Bishop 2006, eq. 9.25, with a diagonal covariance.

    >>> diagonal_covariance_m_step(torch.tensor([[1.0], [3.0]]), torch.ones(2, 1))[2]
    tensor([[1.]])
    """
    weights, mean, covariance = full_covariance_m_step(x, responsibilities)
    return weights, mean, torch.diagonal(covariance, dim1=-2, dim2=-1)


def tied_covariance_m_step(x: torch.Tensor, responsibilities: torch.Tensor) -> MStep:
    """The same with one covariance for all components: ``Σ = (1/n) Σ_ik γ_ik (x_i − μ_k)(x_i − μ_k)ᵀ``.

    Shapes: as above, the covariance [event, event].

    Source: Hastie, Tibshirani & Friedman 2009, section 6.8.

    >>> tied_covariance_m_step(torch.tensor([[1.0], [3.0]]), torch.ones(2, 1))[2]
    tensor([[1.]])
    """
    weights, mean, covariance = full_covariance_m_step(x, responsibilities)
    return weights, mean, (weights[:, None, None] * covariance).sum(0)
