"""Mixtures of normal distributions: the posterior of the component, and the maximisation step of EM."""

from __future__ import annotations

import torch
from torch import Tensor

from .activation import log_softmax
from .density import mixed, normal_mixture

__all__ = ["full_covariance_m_step", "log_prob", "opened", "responsibilities", "tied_covariance_m_step"]

Terms = tuple[Tensor, ...]


def log_prob(x: Tensor, logits: Tensor, mean: Tensor, std: Tensor) -> Terms:
    """Log Σ_k π_k N(x | μ_k, diag σ_k²), π = softmax(logits).

    Shapes: ``x`` [..., event], ``logits`` [component], ``mean``, ``std`` [component, event]; the result [...]; nats.

    Source: Bishop 2006, eq. 9.7.

    >>> one = torch.ones(1, 1)
    >>> sum(log_prob(torch.zeros(1, 1), torch.zeros(1), 0 * one, one))
    tensor([-0.9189])
    """
    return mixed(log_softmax(logits), normal_mixture(x, mean, std))


def responsibilities(x: Tensor, logits: Tensor, mean: Tensor, std: Tensor) -> Terms:
    """γ_k = π_k N(x | μ_k, σ_k²)/Σ_j π_j N(x | μ_j, σ_j²), and terms that cancel: what its exponents round by.

    Shapes: as of `log_prob`; the result [..., component].

    Source: Bishop 2006, eq. 9.13.

    >>> one = torch.ones(2, 1)
    >>> responsibilities(torch.zeros(1, 1), torch.zeros(2), 0 * one, one)[0]
    tensor([[0.5000, 0.5000]])
    """
    parts = torch.stack(torch.broadcast_tensors(*log_softmax(logits), *normal_mixture(x, mean, std)))
    share = torch.softmax(parts.sum(0), -1)
    sizes = parts.abs().sum(0)
    own, others = share * sizes, share * (share * sizes).sum(-1, keepdim=True)
    return share, own, -own, others, -others


def opened(x: Tensor, responsibilities: Tensor) -> Tensor:
    """Σ γ_ik x_i x_iᵀ/N_k, of absolute values: what cancels where a covariance is a difference of moments.

    Shapes: [component, event, event].

    Source: Chan, Golub & LeVeque 1983 (on such differences).

    >>> opened(torch.tensor([[1.0], [3.0]]), torch.ones(2, 1))
    tensor([[[5.]]])
    """
    counts = responsibilities.sum(0)
    return torch.einsum("nk,nd,ne->kde", responsibilities, x.abs(), x.abs()) / counts[:, None, None]


def full_covariance_m_step(x: Tensor, responsibilities: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """π_k = N_k/n, μ_k = Σ γ_ik x_i/N_k, Σ_k = Σ γ_ik (x_i − μ_k)(x_i − μ_k)ᵀ/N_k, N_k = Σ γ_ik.

    Shapes: ``x`` [sample, event], ``responsibilities`` [sample, component]; [component], [component, event] and
    [component, event, event].

    Source: Bishop 2006, eqs. 9.24 to 9.26.

    >>> full_covariance_m_step(torch.tensor([[1.0], [3.0]]), torch.ones(2, 1))
    (tensor([1.]), tensor([[2.]]), tensor([[[1.]]]))
    """
    counts = responsibilities.sum(0)
    mean = torch.einsum("nk,nd->kd", responsibilities, x) / counts[:, None]
    centred = x[:, None] - mean
    covariance = torch.einsum("nk,nkd,nke->kde", responsibilities, centred, centred) / counts[:, None, None]
    return counts / len(x), mean, covariance


def tied_covariance_m_step(x: Tensor, responsibilities: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The same with one covariance for all components: Σ = Σ_k π_k Σ_k.

    Shapes: as above, the covariance [event, event].

    Source: Hastie, Tibshirani & Friedman 2009, section 6.8 (components with a common covariance).

    >>> tied_covariance_m_step(torch.tensor([[1.0], [3.0]]), torch.ones(2, 1))[2]
    tensor([[1.]])
    """
    weights, mean, covariance = full_covariance_m_step(x, responsibilities)
    return weights, mean, torch.einsum("k,kde->de", weights, covariance)
