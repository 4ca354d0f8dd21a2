"""The evidence lower bound in additive terms: a log-likelihood of the data less the divergence of the latents.

The log-likelihood is summed over the pixels and the divergence over the latents, unless a dialect says otherwise; each
is a sum of closed forms that are derived elsewhere in this room, and that the specs hold against these.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from .activation import log_softmax

__all__ = [
    "bernoulli", "bound", "categorical", "divergence", "divergence_of_pair", "gathered", "normal", "product_of_experts",
]  # fmt: skip

Terms = tuple[Tensor, ...]

# (weight of the log-likelihood, of the divergence) from D pixels and k latents.
_WEIGHTS = {
    "": lambda d, k: (1.0, 1.0),
    "per pixel": lambda d, k: (1.0 / d, 1.0 / d),
    "each averaged": lambda d, k: (1.0 / d, 1.0 / k),
    "likelihood averaged": lambda d, k: (1.0 / d, 1.0),
    "divergence averaged": lambda d, k: (1.0, 1.0 / k),
    "divergence per pixel": lambda d, k: (1.0, 1.0 / d),
    "divergence added": lambda d, k: (1.0, -1.0),
}


def gathered(parts: Terms, axes: int = 1) -> Terms:
    """Terms summed over their last axes, with the size of what was summed, which rounding goes by, in and out again.

    >>> sum(gathered((torch.tensor([1.0, -3.0]),)))
    tensor(-2.)
    """
    dims = tuple(range(-axes, 0))
    size = sum((part.detach().abs().sum(dims) for part in parts), torch.zeros(()))
    return (*(part.sum(dims) for part in parts), size, -size)


def bernoulli(x: Tensor, logit: Tensor) -> Terms:
    """The log-mass of Bernoulli(σ(l)) at x, a term for each pixel; code has log(1 + e^(−|l|)), which rounds at one.

    Source: Bishop 2006, eq. 2.2; `density.bernoulli` derives it.

    >>> sum(bernoulli(torch.tensor(1.0), torch.tensor(0.0)))
    tensor(-0.6931)
    """
    one = torch.ones_like(x + logit)
    return -x * functional.softplus(-logit), (x - 1) * functional.softplus(logit), one, -one


def normal(
    x: Tensor, mean: Tensor, std: Tensor | None, *, constant: bool = True, assumed_variance: float = 1.0
) -> Terms:
    """The log-density of N(μ, σ²) at x, a term for each pixel.

    Without a σ the variance is `assumed_variance`, and its logarithm drops.

    Source: Bishop 2006, eq. 1.46; `gaussian.log_prob` derives it.

    >>> sum(normal(torch.tensor(0.0), torch.tensor(1.0), None, constant=False, assumed_variance=0.5))
    tensor(-1.)
    """
    half_log = torch.full_like(x, -0.5 * math.log(2 * math.pi))
    if std is None:
        square = -((x - mean) ** 2) / (2.0 * assumed_variance)
        return (square, half_log) if constant else (square,)
    terms = -0.5 * ((x - mean) / std) ** 2, -torch.log(std).expand_as(x)
    return (*terms, half_log) if constant else terms


def categorical(hot: Tensor, logits: Tensor) -> Terms:
    """The log-mass of softmax(l) at x, a term for each pixel and class; x is one-hot.

    Source: Bishop 2006, eq. 4.62.

    >>> sum(categorical(torch.tensor([1.0, 0.0]), torch.zeros(2))).sum()
    tensor(-0.6931)
    """
    return tuple(hot * term for term in log_softmax(logits))


def divergence(mean: Tensor, std: Tensor) -> Terms:
    """KL(N(μ, σ²) ‖ N(0, 1)), a term for each latent.

    Source: Kingma & Welling 2014, appendix B; `gaussian.kl_diagonal_to_standard` derives it.

    >>> sum(divergence(torch.tensor(1.0), torch.tensor(1.0)))
    tensor(0.5000)
    """
    return 0.5 * mean**2, 0.5 * std**2, -torch.log(std), torch.full_like(std, -0.5)


def divergence_of_pair(mean_q: Tensor, std_q: Tensor, mean_p: Tensor, std_p: Tensor) -> Terms:
    """KL(N(μ_q, σ_q²) ‖ N(μ_p, σ_p²)), a term for each latent.

    Source: Kullback & Leibler 1951, eq. 2.4; `gaussian.kl_divergence` derives it.

    >>> zero, one = torch.tensor(0.0), torch.tensor(1.0)
    >>> sum(divergence_of_pair(one, one, zero, one))
    tensor(0.5000)
    """
    square, ratio = 0.5 * ((mean_q - mean_p) / std_p) ** 2, 0.5 * (std_q / std_p) ** 2
    return square, ratio, torch.log(std_p), -torch.log(std_q), torch.full_like(ratio, -0.5)


def product_of_experts(mean: Tensor, std: Tensor, *, prior: bool = False, returned: str = "") -> tuple[Terms, Terms]:
    """Mean Σ Tμ/ΣT and scale of the product of normal densities over the first axis, T = 1/σ².

    The scale is the log-variance, or what `returned` says: "variance" or "std"; `prior` adds N(0, 1) to the experts.

    Shapes: both [experts, ...]; each of the terms [...].

    Source: Cao & Fleet 2014, eq. 6.

    >>> mean, scale = product_of_experts(torch.tensor([0.0, 2.0]), torch.ones(2))
    >>> sum(mean), sum(scale)
    (tensor(1.), tensor(-0.6931))
    """
    if prior:
        mean = torch.cat((torch.zeros_like(mean[:1]), mean))
        std = torch.cat((torch.ones_like(std[:1]), std))
    logs = -2.0 * torch.log(std)
    total = torch.logsumexp(logs, 0)
    scale = {"": -total, "variance": torch.exp(-total), "std": torch.exp(-0.5 * total)}[returned]
    # The logarithm of a sum of numbers of the size of one, once the largest is taken out.
    one = torch.ones_like(scale)
    shares = torch.softmax(logs, 0) * mean
    # The slopes of Σ Tμ and of Σ T, which cancel for a single expert: terms that cancel, too.
    own, whole = shares.detach() * logs, shares.detach() * total
    means = tuple(torch.cat((shares, own, -own, whole, -whole)).unbind(0))
    return means, (scale,) if returned else (scale, one, -one)


def bound(
    likelihood: Terms, divergence_: Terms, pixels: int, latents: int, *, sign: float = 1.0, weights: str = "",
    beta: Tensor | float = 1.0,
) -> Terms:  # fmt: skip
    """Log-likelihood less β times the divergence, each gathered over its own axis; `sign` −1 makes it a loss.

    Source: Kingma & Welling 2014, eq. 3; Higgins et al. 2017, eq. 4, for β.

    >>> sum(bound((torch.tensor(-3.0),), (torch.tensor(1.0),), 2, 1, weights="per pixel"))
    tensor(-2.)
    """
    first, second = _WEIGHTS[weights](pixels, latents)
    return (
        *(sign * first * term for term in likelihood),
        *(-sign * second * beta * term for term in divergence_),
    )
