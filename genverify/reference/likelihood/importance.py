"""Importance sampling: expectations under p from draws of q."""

from __future__ import annotations

import torch

__all__ = ["effective_sample_size", "mean", "self_normalised_mean", "weighted_nll", "weights"]


def weights(log_p: torch.Tensor, log_q: torch.Tensor) -> torch.Tensor:
    """``w_i = p(x_i)/q(x_i)``, through the logarithms.

    Shapes: both [draws]; the result [draws].

    Source: Robert & Casella 2004, section 3.3.

    >>> weights(torch.zeros(2), torch.zeros(2))
    tensor([1., 1.])
    """
    return (log_p - log_q).exp()


def mean(log_p: torch.Tensor, log_q: torch.Tensor, f: torch.Tensor) -> torch.Tensor:
    """``(1/n) Σ w_i f(x_i)``: unbiased for E_p f.

    Shapes: all [draws]; a scalar.

    Source: Robert & Casella 2004, eq. 3.8.

    >>> mean(torch.zeros(2), torch.zeros(2), torch.tensor([1.0, 3.0]))
    tensor(2.)
    """
    return (weights(log_p, log_q) * f).mean(-1)


def self_normalised_mean(log_weights: torch.Tensor, f: torch.Tensor) -> torch.Tensor:
    """``Σ w_i f(x_i) / Σ w_i``: consistent, of bias O(1/n); the weights may lack a factor.

    Shapes: both [draws]; a scalar.

    Source: Robert & Casella 2004, eq. 3.10.

    >>> self_normalised_mean(torch.zeros(2), torch.tensor([1.0, 3.0]))
    tensor(2.)
    """
    return (torch.softmax(log_weights, -1) * f).sum(-1)


def weighted_nll(log_prob: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """``−(1/n) Σ w_i log p(x_i)``: the negative log-likelihood under the law that the weights stand for.

    Shapes: both [draws]; a scalar.

    Source: Shimodaira 2000.

    >>> weighted_nll(torch.tensor([-1.0, -3.0]), torch.ones(2))
    tensor(2.)
    """
    return -(weight * log_prob).mean(-1)


def effective_sample_size(log_weights: torch.Tensor) -> torch.Tensor:
    """``(Σ w_i)²/Σ w_i²``, between 1 and n.

    Shapes: [..., draws]; the result [...].

    Source: Kong 1992; Liu 2001, section 2.5.3.

    >>> effective_sample_size(torch.zeros(4))
    tensor(4.)
    """
    return torch.exp(2 * torch.logsumexp(log_weights, -1) - torch.logsumexp(2 * log_weights, -1))
