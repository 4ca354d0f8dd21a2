"""Pooling: the largest or the mean of each window, and the mean of the whole image.

Source: Goodfellow, Bengio & Courville 2016, "Deep Learning", section 9.3.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["average", "global_average", "largest"]


def _windows(x: Tensor, kernel_size: int, stride: int, padding: int, beyond: float) -> Tensor:
    """Each window of the padded image, its entries on the last axis."""
    padded = functional.pad(x, (padding,) * 4, value=beyond)
    return padded.unfold(-2, kernel_size, stride).unfold(-2, kernel_size, stride).flatten(-2)


def largest(x: Tensor, kernel_size: int, stride: int | None = None, padding: int = 0) -> Tensor:
    """Max pooling.

    y(i, j) = max_mn X(s i + m − p, s j + n − p), over what lies in the image; s = k where no stride is given

    Shapes: x [batch, channel, height, width]; y [batch, channel, height', width']; padding ≤ kernel_size / 2.

    Source: Zhou & Chellappa 1988, as cited in Goodfellow, Bengio & Courville 2016, section 9.3.

    >>> largest(torch.arange(4.0).reshape(1, 1, 2, 2), 2)
    tensor([[[[3.]]]])
    """
    return _windows(x, kernel_size, stride or kernel_size, padding, -math.inf).amax(-1)


def average(
    x: Tensor, kernel_size: int, stride: int | None = None, padding: int = 0, count_include_pad: bool = True
) -> Tensor:
    """Average pooling.

    y(i, j) = (1/N) Σ_mn X(s i + m − p, s j + n − p); N = k², or the number of pixels of the image in the window

    Shapes: x [batch, channel, height, width]; y [batch, channel, height', width']; padding ≤ kernel_size / 2.

    Source: Goodfellow, Bengio & Courville 2016, section 9.3.

    >>> average(torch.ones(1, 1, 2, 2), 3, padding=1, count_include_pad=False)[0, 0, 0]
    tensor([1.])
    """
    stride = stride or kernel_size
    total = _windows(x, kernel_size, stride, padding, 0.0).sum(-1)
    if count_include_pad:
        return total / kernel_size**2
    return total / _windows(torch.ones_like(x), kernel_size, stride, padding, 0.0).sum(-1)


def global_average(x: Tensor) -> Tensor:
    """The mean of each channel over the whole image.

    y_c = (1/HW) Σ_ij X_c(i, j)

    Shapes: x [batch, channel, height, width]; y [batch, channel].

    Source: Lin, Chen & Yan 2014, "Network in network", section 3.2.

    >>> global_average(torch.arange(4.0).reshape(1, 1, 2, 2))
    tensor([[1.5000]])
    """
    return x.mean((-2, -1))
