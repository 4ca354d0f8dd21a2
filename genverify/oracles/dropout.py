"""The two values that dropout makes of a number, and the law of a vector of such numbers.

Source: Srivastava et al. 2014, section 10; Klambauer, Unterthiner, Mayr & Hochreiter 2017.
"""

from __future__ import annotations

import math
from functools import cache

import torch
from torch import Tensor

__all__ = ["alpha", "alpha_prime", "inverted", "masked", "two_point_characteristic"]


def inverted(x: Tensor, p: float) -> tuple[Tensor, Tensor]:
    """(kept, dropped) = (x / (1 − p), 0); nothing is kept at p = 1.

    >>> [float(one) for one in inverted(torch.tensor(3.0), 0.25)]
    [4.0, 0.0]
    """
    return x / (1.0 - p) if p < 1.0 else 0.0 * x, 0.0 * x


def masked(x: Tensor, p: float) -> tuple[Tensor, Tensor]:
    """(kept, dropped) = (x, 0).

    >>> [float(one) for one in masked(torch.tensor(3.0), 0.25)]
    [3.0, 0.0]
    """
    return x * 1.0, 0.0 * x


@cache
def alpha_prime() -> float:
    """The limit −λ α of SELU at −∞, with the λ and α for which mean 0 and variance 1 are a fixed point.

    For z ~ N(0, 1), E exp(z) over z < 0 is e^½ Φ(−1) and E exp(2z) is e² Φ(−2), so that E SELU(z) = 0 gives
    α = φ(0) / (½ − e^½ Φ(−1)), and E SELU(z)² = 1 gives λ⁻² = ½ + α² (e² Φ(−2) − 2 e^½ Φ(−1) + ½).

    Source: Klambauer et al. 2017, eq. 14 (the values); the equations are those of its fixed point.

    >>> round(alpha_prime(), 12)
    -1.758099340847
    """
    below = [math.exp(k * k / 2) * 0.5 * math.erfc(k / math.sqrt(2.0)) for k in (1, 2)]
    slope = 1.0 / math.sqrt(2.0 * math.pi) / (0.5 - below[0])
    return -slope / math.sqrt(0.5 + slope**2 * (below[1] - 2.0 * below[0] + 0.5))


def alpha(x: Tensor, p: float) -> tuple[Tensor, Tensor]:
    """(kept, dropped) = (a x + b, a α' + b), with a and b such that mean 0 and variance 1 stay.

    >>> kept, dropped = alpha(torch.tensor(1.0), 0.5)
    >>> bool(kept > 0 > dropped)
    True
    """
    low = alpha_prime()
    if p == 1.0:  # the limit: a α' + b = α' √(1 − p) / √(1 + p α'²)
        return 0.0 * x, 0.0 * x
    a = 1.0 / math.sqrt((1.0 - p) * (1.0 + p * low**2))
    b = -a * p * low
    return a * x + b, 0.0 * x + (a * low + b)


def two_point_characteristic(w: Tensor, kept: Tensor, dropped: Tensor, p: float, groups: int | None = None) -> Tensor:
    """∏ ((1 − p) exp(i ⟨w, k⟩) + p exp(i ⟨w, d⟩)) over independent groups of numbers, each all k or all d.

    Shapes: w [points, numbers], kept and dropped [numbers], the groups one after the other; complex [points]. By
    default each number is a group.

    >>> two_point_characteristic(torch.zeros(1, 1), torch.ones(1), torch.zeros(1), 0.5).real
    tensor([1.])
    """
    up, down = ((w * one).reshape(len(w), groups or w.shape[1], -1).sum(2) for one in (kept, dropped))
    one = torch.ones_like(up)
    return ((1.0 - p) * torch.polar(one, up) + p * torch.polar(one, down)).prod(1)
