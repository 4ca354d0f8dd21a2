"""Initial weights, drawn so that signals keep their size from layer to layer, or so that a layer is an isometry."""

from __future__ import annotations

import math

import torch
from torch import Tensor

__all__ = ["fans", "haar_orthogonal", "kaiming_normal", "kaiming_uniform", "xavier_normal", "xavier_uniform"]


def fans(shape: tuple[int, ...]) -> tuple[int, int]:
    """(fan in, fan out) of a weight [out, in, *kernel]: how many numbers a unit sees, and how many units see a number.

    >>> fans((4, 3, 5, 5))
    (75, 100)
    """
    kernel = math.prod(shape[2:])
    return shape[1] * kernel, shape[0] * kernel


def xavier_uniform(shape: tuple[int, ...], gain: float = 1.0) -> Tensor:
    """Uniform on ±gain √(6 / (fan in + fan out)). Source: Glorot & Bengio 2010, eq. 16."""
    bound = gain * math.sqrt(6.0 / sum(fans(shape)))
    return (2.0 * torch.rand(shape) - 1.0) * bound


def xavier_normal(shape: tuple[int, ...], gain: float = 1.0) -> Tensor:
    """Normal of variance gain² · 2 / (fan in + fan out). Source: Glorot & Bengio 2010, eq. 12."""
    return torch.randn(shape) * gain * math.sqrt(2.0 / sum(fans(shape)))


def kaiming_uniform(shape: tuple[int, ...], gain: float = math.sqrt(2.0)) -> Tensor:
    """Uniform on ±gain √(3 / fan in). Source: He et al. 2015, eq. 10."""
    return (2.0 * torch.rand(shape) - 1.0) * gain * math.sqrt(3.0 / fans(shape)[0])


def kaiming_normal(shape: tuple[int, ...], gain: float = math.sqrt(2.0)) -> Tensor:
    """Normal of variance gain² / fan in. Source: He et al. 2015, eq. 10."""
    return torch.randn(shape) * gain / math.sqrt(fans(shape)[0])


def haar_orthogonal(n: int) -> Tensor:
    """An orthogonal matrix, uniformly: QR of a normal matrix, where R is made to have a positive diagonal.

    Source: Mezzadri 2007, section 5.
    """
    q, r = torch.linalg.qr(torch.randn(n, n))
    return q * torch.diagonal(r).sign()
