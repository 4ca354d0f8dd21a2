"""Log-densities of discrete and heavy-tailed distributions, in the form that keeps its digits in the tails."""

from __future__ import annotations

import torch
from torch.nn import functional

__all__ = [
    "bernoulli", "categorical", "discretised_logistic", "discretised_logistic_mixture", "laplace", "logistic",
]  # fmt: skip


def bernoulli(x: torch.Tensor, logit: torch.Tensor) -> torch.Tensor:
    """``log p(x) = x log σ(l) + (1 − x) log σ(−l)``, for x 0 or 1.

    Shapes: broadcast; nats, elementwise.

    Source: Bishop 2006, eq. 2.2.

    >>> bernoulli(torch.tensor(1.0), torch.tensor(0.0))
    tensor(-0.6931)
    """
    return x * functional.logsigmoid(logit) + (1 - x) * functional.logsigmoid(-logit)


def categorical(x: torch.Tensor, logits: torch.Tensor) -> torch.Tensor:
    """``log softmax(l)_x``: the log-probability of class x.

    Shapes: ``x`` [...] of indices, ``logits`` [..., classes]; the result [...]; nats.

    Source: Bishop 2006, eq. 4.62.

    >>> categorical(torch.tensor(0), torch.zeros(2))
    tensor(-0.6931)
    """
    return torch.log_softmax(logits, -1).gather(-1, x.unsqueeze(-1)).squeeze(-1)


def laplace(x: torch.Tensor, mean: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
    """``log p(x) = −log 2b − |x − μ|/b``.

    Shapes: broadcast; nats, elementwise.

    Source: Johnson, Kotz & Balakrishnan 1995, chapter 24.

    >>> laplace(torch.tensor(0.0), torch.tensor(0.0), torch.tensor(1.0))
    tensor(-0.6931)
    """
    return -(x - mean).abs() / scale - torch.log(2 * scale)


def logistic(x: torch.Tensor, mean: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
    """``log p(x) = log σ(z) + log σ(−z) − log s``, z = (x − μ)/s.

    Shapes: broadcast; nats, elementwise.

    Source: Johnson, Kotz & Balakrishnan 1995, chapter 23, with e^(−z)/(1 + e^(−z))² = σ(z) σ(−z).

    >>> logistic(torch.tensor(0.0), torch.tensor(0.0), torch.tensor(1.0))
    tensor(-1.3863)
    """
    z = (x - mean) / scale
    return functional.logsigmoid(z) + functional.logsigmoid(-z) - scale.log()


def discretised_logistic(x: torch.Tensor, mean: torch.Tensor, scale: torch.Tensor, levels: int = 256) -> torch.Tensor:
    """The log-mass of a logistic distribution on a grid of `levels` levels from −1 to 1.

    ``log [σ((x + h − μ)/s) − σ((x − h − μ)/s)]``, h = 1/(levels − 1); the outermost bins have the tails.

    Shapes: broadcast; nats, elementwise.

    Source: Salimans et al. 2017, eq. 2.

    >>> discretised_logistic(torch.tensor([-1.0, 1.0]), torch.tensor(0.0), torch.tensor(1.0), levels=2).exp().sum()
    tensor(1.)
    """
    half = 1 / (levels - 1)
    upper, lower = (x + half - mean) / scale, (x - half - mean) / scale
    inside = functional.logsigmoid(upper) + functional.logsigmoid(-lower) + torch.log(-torch.expm1(-2 * half / scale))
    edges = torch.where(x > 1 - half, functional.logsigmoid(-lower), inside)
    return torch.where(x < half - 1, functional.logsigmoid(upper), edges)


def discretised_logistic_mixture(
    x: torch.Tensor, logits: torch.Tensor, mean: torch.Tensor, scale: torch.Tensor, levels: int = 256
) -> torch.Tensor:
    """``log Σ_k π_k P(x | μ_k, s_k)``, π = softmax(logits), P the discretised logistic distribution.

    Shapes: ``x`` [...], the others [..., components]; the result [...]; nats.

    Source: Salimans et al. 2017, eq. 1 and 2.

    >>> one = torch.zeros(1)
    >>> discretised_logistic_mixture(torch.tensor(-1.0), one, one, one + 1, levels=2)
    tensor(-0.6931)
    """
    each = discretised_logistic(x.unsqueeze(-1), mean, scale, levels)
    return torch.logsumexp(torch.log_softmax(logits, -1) + each, -1)
