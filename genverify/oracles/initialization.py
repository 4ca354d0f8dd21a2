"""The standard deviation of initial weights [out, in, *kernel].

And the characteristic function of a uniform orthogonal matrix of one or two rows.

Source: Glorot & Bengio 2010, eq. 12; He, Zhang, Ren & Sun 2015, eq. 10; Mezzadri 2007.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

__all__ = ["haar_characteristic", "kaiming", "xavier"]


def xavier(shape: Sequence[int], gain: float = 1.0) -> float:
    """The gain times √(2 / (n_in + n_out)), where a unit of a convolution sees every position of its kernel.

    >>> xavier((6, 2))
    0.5
    """
    positions = math.prod(shape[2:])
    return gain * math.sqrt(2.0 / ((shape[0] + shape[1]) * positions))


def kaiming(shape: Sequence[int], gain: float = math.sqrt(2.0)) -> float:
    """The gain times √(1 / n_in).

    >>> kaiming((7, 1, 2, 2), 3.0)
    1.5
    """
    return gain / math.sqrt(math.prod(shape[1:]))


def haar_characteristic(w: Tensor, n: int) -> Tensor:
    """E exp(i⟨w, Q⟩) for Q uniform on O(n), n at most 2.

    O(1) is {1, −1}. Half of O(2) are the rotations, ⟨w, Q⟩ = (w₁₁ + w₂₂) cos θ + (w₂₁ − w₁₂) sin θ, and half the
    reflections, (w₁₁ − w₂₂) cos θ + (w₁₂ + w₂₁) sin θ, with θ uniform; and the mean of exp(i r cos θ) is J₀(r).

    Shapes: w [points, n²]; complex [points].

    >>> haar_characteristic(torch.zeros(1, 4), 2)
    tensor([1.+0.j])
    """
    if n == 1:
        real = torch.cos(w[:, 0])
    else:
        a, b, c, d = w.unbind(1)
        turned, mirrored = torch.hypot(a + d, c - b), torch.hypot(a - d, b + c)
        real = (torch.special.bessel_j0(turned) + torch.special.bessel_j0(mirrored)) / 2
    return torch.complex(real, torch.zeros_like(real))
