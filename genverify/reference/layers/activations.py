"""Activation functions, elementwise or along the last axis, written out.

Shapes: any; the result has the same. Softmax and log-softmax are taken along the last axis.

Sources: Bishop 2006 (sigmoid, tanh, softmax); Nair & Hinton 2010 (ReLU); Maas, Hannun & Ng 2013 (leaky ReLU); Clevert,
Unterthiner & Hochreiter 2016 (ELU); Klambauer et al. 2017 (SELU); Hendrycks & Gimpel 2016 (GELU); Elfwing, Uchibe &
Doya 2018 (SiLU); Dugas et al. 2001 (softplus).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

__all__ = [
    "elu", "gelu", "gelu_tanh", "leaky_relu", "log_sigmoid", "log_softmax", "relu", "selu", "sigmoid", "silu",
    "softmax", "softplus", "tanh",
]  # fmt: skip

_SELU_ALPHA, _SELU_SCALE = 1.6732632423543772848, 1.0507009873554804934


def sigmoid(x: Tensor) -> Tensor:
    """``1 / (1 + e^(−x))``.

    The exponential may overflow, and then the quotient is 0, as it should be.

    Source: Bishop 2006, eq. 4.59.

    >>> sigmoid(torch.tensor([0.0, -1e4]))
    tensor([0.5000, 0.0000])
    """
    return 1 / (1 + torch.exp(-x))


def log_sigmoid(x: Tensor) -> Tensor:
    """``−log(e⁰ + e^(−x))``: the logarithm of the sigmoid, without overflow.

    ``min(x, 0) − log1p(e^(−|x|))`` is the same number, but its parts have kinks at 0: automatic differentiation
    answers 1 there, and not ½.

    Source: Bishop 2006, eq. 4.59.

    >>> log_sigmoid(torch.tensor([0.0, -1e4]))
    tensor([-6.9315e-01, -1.0000e+04])
    """
    return -torch.logaddexp(torch.zeros_like(x), -x)


def tanh(x: Tensor) -> Tensor:
    """``(e^(2x) − 1) / (e^(2x) + 1)``; beyond ±20 it is ±1 in float64.

    Source: Abramowitz & Stegun 1964, eq. 4.5.3, times eˣ above and below.

    >>> tanh(torch.tensor([0.5, -1e4]))
    tensor([ 0.4621, -1.0000])
    """
    grown = torch.expm1(2 * x.clamp(-20, 20))
    return grown / (grown + 2)


def relu(x: Tensor) -> Tensor:
    """``max(x, 0)``.

    Source: Nair & Hinton 2010.

    >>> relu(torch.tensor([-2.0, 3.0]))
    tensor([0., 3.])
    """
    return x.clamp(min=0)


def leaky_relu(x: Tensor, negative_slope: float = 0.01) -> Tensor:
    """``max(x, 0) + a min(x, 0)``.

    Source: Maas, Hannun & Ng 2013, eq. 3.

    >>> leaky_relu(torch.tensor([-2.0, 3.0]))
    tensor([-0.0200,  3.0000])
    """
    return torch.where(x > 0, x, negative_slope * x)


def elu(x: Tensor, alpha: float = 1.0) -> Tensor:
    """``max(x, 0) + α (e^min(x, 0) − 1)``.

    Source: Clevert, Unterthiner & Hochreiter 2016, eq. 15.

    >>> elu(torch.tensor([-1e4, 3.0]))
    tensor([-1.,  3.])
    """
    return torch.where(x > 0, x, alpha * torch.expm1(x.clamp(max=0)))


def selu(x: Tensor) -> Tensor:
    """``λ elu(x, α)`` with the constants that keep mean 0 and variance 1.

    Source: Klambauer et al. 2017, eq. 2 and 14.

    >>> selu(torch.tensor([-1e4, 1.0]))
    tensor([-1.7581,  1.0507])
    """
    return _SELU_SCALE * elu(x, _SELU_ALPHA)


def gelu(x: Tensor) -> Tensor:
    """``x Φ(x)``, with Φ by the complementary error function, which keeps the lower tail.

    Source: Hendrycks & Gimpel 2016, section 2.

    >>> gelu(torch.tensor([1.0, -1e4]))
    tensor([0.8413, -0.0000])
    """
    return 0.5 * x * torch.erfc(-x * math.sqrt(0.5))


def gelu_tanh(x: Tensor) -> Tensor:
    """``x σ(2u)`` with ``u = √(2/π) (x + 0.044715 x³)``: the tanh form of GELU, since ``½ (1 + tanh u) = σ(2u)``.

    Source: Hendrycks & Gimpel 2016, section 2.

    >>> gelu_tanh(torch.tensor([1.0, -1e4]))
    tensor([0.8412, -0.0000])
    """
    u = math.sqrt(2 / math.pi) * x * (1 + 0.044715 * x * x)
    return x * sigmoid(2 * u)


def silu(x: Tensor) -> Tensor:
    """``x σ(x)``, also called swish.

    Source: Elfwing, Uchibe & Doya 2018; Ramachandran, Zoph & Le 2017.

    >>> silu(torch.tensor(1.0))
    tensor(0.7311)
    """
    return x * sigmoid(x)


def softplus(x: Tensor, beta: float = 1.0) -> Tensor:
    """``log(e⁰ + e^(βx)) / β``, without overflow.

    Source: Dugas et al. 2001.

    >>> softplus(torch.tensor([0.0, 1e4]))
    tensor([6.9315e-01, 1.0000e+04])
    """
    return torch.logaddexp(torch.zeros_like(x), beta * x) / beta


def softmax(x: Tensor) -> Tensor:
    """``e^(x_i) / Σ_j e^(x_j)`` along the last axis, the largest logit taken out first.

    Source: Bishop 2006, eq. 4.62.

    >>> softmax(torch.tensor([1e4, 1e4]))
    tensor([0.5000, 0.5000])
    """
    shifted = torch.exp(x - x.amax(-1, keepdim=True))
    return shifted / shifted.sum(-1, keepdim=True)


def log_softmax(x: Tensor) -> Tensor:
    """``x_i − m − log Σ_j e^(x_j − m)`` along the last axis, with m the largest logit.

    Source: Bishop 2006, eq. 4.62.

    >>> log_softmax(torch.tensor([1e4, 0.0]))
    tensor([     0., -10000.])
    """
    shifted = x - x.amax(-1, keepdim=True)
    return shifted - torch.exp(shifted).sum(-1, keepdim=True).log()
