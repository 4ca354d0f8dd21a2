"""The standard deviation of initial weights [out, in, *kernel].

And the characteristic function of a uniform orthogonal matrix of up to three rows.

Source: Glorot & Bengio 2010, eq. 12; He, Zhang, Ren & Sun 2015, eq. 10; Mezzadri 2007.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
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
    """E exp(i⟨w, Q⟩) for Q uniform on O(n), n at most 3.

    O(1) is {1, −1}. Half of O(2) are the rotations, ⟨w, Q⟩ = (w₁₁ + w₂₂) cos θ + (w₂₁ − w₁₂) sin θ, and half the
    reflections, (w₁₁ − w₂₂) cos θ + (w₁₂ + w₂₁) sin θ, with θ uniform; and the mean of exp(i r cos θ) is J₀(r).
    Of O(3) half are rotations, which unit quaternions q make, ⟨w, Q⟩ = qᵀ K q with q uniform on the sphere, and half
    are the negatives of these.

    Shapes: w [points, n²]; complex [points].

    Source: Davenport 1968 for K; Bingham 1974 for the mean over the sphere.

    >>> haar_characteristic(torch.zeros(1, 4), 2)
    tensor([1.+0.j])
    """
    if n == 1:
        real = torch.cos(w[:, 0])
    elif n == 2:
        a, b, c, d = w.unbind(1)
        turned, mirrored = torch.hypot(a + d, c - b), torch.hypot(a - d, b + c)
        real = (_bessel(turned) + _bessel(mirrored)) / 2
    else:
        real = _rotations(w)
    return torch.complex(real, torch.zeros_like(real))


# The rule of midpoints on a whole period: exact to rounding for arguments up to fifty.
_COSINES = torch.cos(math.pi * (torch.arange(64, dtype=torch.float64) + 0.5) / 64)


def _bessel(r: Tensor) -> Tensor:
    """J₀(r), the mean of cos(r cos θ); torch.special.bessel_j0 has 6 digits only near r = 5 (torch 2.13)."""
    return torch.cos(r[..., None] * _COSINES.to(r)).mean(-1)


# Nodes on [0, 1]: exact to rounding for arguments up to a hundred.
_NODES, _WEIGHTS = (torch.from_numpy(one) for one in np.polynomial.legendre.leggauss(96))


def _rotations(w: Tensor) -> Tensor:
    """The real part of E exp(i qᵀ K q), as an integral over t = q₁² + q₂², which is uniform on (0, 1).

    In the axes of K it is the mean over t of
    exp(i (t (k₁ + k₂) + (1 − t) (k₃ + k₄)) / 2) J₀(t (k₁ − k₂) / 2) J₀((1 − t) (k₃ − k₄) / 2).
    """
    m = w.reshape(-1, 3, 3)
    (xx, xy, xz), (yx, yy, yz), (zx, zy, zz) = (row.unbind(1) for row in m.unbind(1))
    rows = (
        (xx + yy + zz, zy - yz, xz - zx, yx - xy),
        (zy - yz, xx - yy - zz, xy + yx, xz + zx),
        (xz - zx, xy + yx, yy - xx - zz, yz + zy),
        (yx - xy, xz + zx, yz + zy, zz - xx - yy),
    )
    k = torch.linalg.eigvalsh(torch.stack([torch.stack(row, -1) for row in rows], -2))
    t = ((1.0 + _NODES) / 2.0).to(w)[:, None]
    phase = (t * (k[:, 0] + k[:, 1]) + (1.0 - t) * (k[:, 2] + k[:, 3])) / 2.0
    spread = _bessel(t * (k[:, 0] - k[:, 1]).abs() / 2.0)
    spread = spread * _bessel((1.0 - t) * (k[:, 2] - k[:, 3]).abs() / 2.0)
    return ((_WEIGHTS / 2.0).to(w)[:, None] * torch.cos(phase) * spread).sum(0)
