"""Exponential moving averages in closed form: the weight that each value has in the average."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor

from .closed_form import Derivation, closed_form

if TYPE_CHECKING:
    import sympy

__all__ = ["corrected", "from_first", "update"]


@closed_form(
    "ema.weights", arguments={"average": "real", "weights": "real", "decay": "positive"},
    source="Polyak & Juditsky 1992; Kingma & Ba 2015, section 7.2",
)  # fmt: skip
def update(average: sympy.Symbol, weights: sympy.Symbol, decay: sympy.Symbol) -> Derivation:
    """One step of the average: θ̄ ← β θ̄ + (1 − β) θ.

    Shapes: all broadcast. Domain: 0 < β < 1.

    >>> update(1.0, 2.0, 0.75)
    1.25
    """
    return Derivation(value=decay * average + weights - decay * weights)


def from_first(weights: Tensor, decay: float | Tensor) -> tuple[Tensor, ...]:
    """The average after n values, begun at the first: β^(n−1) θ₁ + Σ_{i≥2} (1 − β) β^(n−i) θ_i, as terms.

    Shapes: `weights` [n, …].

    >>> import torch
    >>> float(sum(from_first(torch.tensor([1.0, 2.0]), 0.75)))
    1.25
    """
    n = len(weights)
    terms = [decay ** (n - 1) * weights[0]]
    return (*terms, *((1 - decay) * decay ** (n - 1 - i) * weights[i] for i in range(1, n)))


def corrected(weights: Tensor, decay: float | Tensor, *, correct: bool = True) -> tuple[Tensor, ...]:
    """The average after n values, begun at zero and divided by what the weights add up to: as terms.

    Σ_i (1 − β) β^(n−i) θ_i / (1 − βⁿ)

    Shapes: `weights` [n, …].

    Source: Kingma & Ba 2015, section 3.

    >>> import torch
    >>> float(sum(corrected(torch.tensor([3.0, 3.0, 3.0]), 0.5)))
    3.0
    """
    n = len(weights)
    norm = 1 - decay**n if correct else 1.0
    return tuple((1 - decay) * decay ** (n - 1 - i) * weights[i] / norm for i in range(n))
