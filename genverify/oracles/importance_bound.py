"""The importance-weighted bound E log (1/K) Σ w_k integrated over one standard normal draw for each weight.

Two witnesses: a tensor Gauss–Hermite rule in K dimensions, and two nested one-dimensional integrals for any K.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from genverify.errors import UsageError
from genverify.noise.quadrature import gauss

__all__ = ["by_laplace_transform", "by_tensor_rule"]

LogWeight = Callable[[Tensor], Tensor]
_MOST_NODES = 2**22


def by_tensor_rule(log_weight: LogWeight, draws: int, nodes: int) -> float:
    """Σ over all K-tuples of nodes of the product of their weights times log (1/K) Σ w.

    Raises:
        UsageError: There are more than four million tuples.

    >>> round(by_tensor_rule(lambda e: 0.5 - e, 1, 8), 9)
    0.5
    """
    if nodes**draws > _MOST_NODES:
        raise UsageError(
            given=f"{nodes} nodes for each of {draws} draws", expected=f"at most {_MOST_NODES} tuples",
            do="take fewer nodes, or by_laplace_transform",
        )  # fmt: skip
    points, weights = (torch.tensor(part, dtype=torch.float64) for part in gauss("normal", nodes))
    one = log_weight(points)
    total, mass = one, weights
    for _ in range(draws - 1):
        total = torch.logaddexp(total[:, None], one).reshape(-1)
        mass = (mass[:, None] * weights).reshape(-1)
    return float((mass * (total - math.log(draws))).sum())


def by_laplace_transform(log_weight: LogWeight, draws: int, *, reach: float = 80.0, steps: int = 1601) -> float:
    """∫ (e^(−t) − φ(t)^K) dt/t − log K, φ(t) = E e^(−tw): the same number for any K.

    For S a sum of K independent weights, log S = ∫ (e^(−t) − e^(−tS)) dt/t. With t = eᵘ the integrand falls
    exponentially on both sides, and the trapezoid rule on [−40, `reach`] converges geometrically; so it does in ε on
    [−13, 13].

    Source: Frullani's integral; independence of the weights.

    >>> round(by_laplace_transform(lambda e: 0.5 + 0 * e, 3), 9)
    0.5
    """
    epsilon = torch.linspace(-13.0, 13.0, 1301, dtype=torch.float64)
    mass = torch.exp(-0.5 * epsilon**2)
    mass = mass / mass.sum()
    u = torch.linspace(-40.0, reach, steps, dtype=torch.float64)
    transform = (torch.exp(-torch.exp(u[:, None] + log_weight(epsilon))) * mass).sum(-1)
    integrand = torch.exp(-torch.exp(u)) - transform**draws
    return float(torch.trapezoid(integrand, u)) - math.log(draws)
