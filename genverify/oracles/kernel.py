"""The Gaussian kernel and its mixed derivatives: SymPy differentiates at n = 2, the matrix form holds at any n."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from .closed_form import Derivation, closed_form, step

if TYPE_CHECKING:
    import sympy

__all__ = ["mixed_in_two", "rbf", "rbf_mixed_hessian", "rbf_pairs"]

Terms = tuple[Tensor, ...]


@closed_form(
    "kernel.mixed_in_two",
    arguments={"a": "real", "b": "real", "c": "real", "d": "real", "sigma": "positive"},
    source="differentiated here",
)
def mixed_in_two(a: sympy.Symbol, b: sympy.Symbol, c: sympy.Symbol, d: sympy.Symbol, sigma: sympy.Symbol) -> Derivation:
    """∂²k/∂x∂yᵀ of k = exp(−‖x − y‖²/(2σ²)) at x = (a, b), y = (c, d): the entries 11, 12, 21, 22.

    >>> mixed_in_two(0, 0, 0, 0, 2)
    (0.25, 0.0, 0.0, 0.25)
    """
    import sympy

    kernel = sympy.exp(-((a - c) ** 2 + (b - d) ** 2) / (2 * sigma**2))
    gap = sympy.Matrix([a - c, b - d])
    matrix = kernel * (sympy.eye(2) - gap * gap.T / sigma**2) / sigma**2
    entries, steps = [], []
    for i, left in enumerate((a, b)):
        for j, right in enumerate((c, d)):
            entries.append(matrix[i, j])
            steps.append(
                step(f"entry {i + 1}{j + 1}", sympy.Derivative(kernel, left, right), matrix[i, j], "differentiation")
            )
    return Derivation(value=tuple(entries), steps=tuple(steps), outputs=("11", "12", "21", "22"))


def _exponent(x: Tensor, y: Tensor, sigma: Tensor) -> tuple[Tensor, Tensor]:
    """(−‖x − y‖²/(2σ²), and the size of what cancels in it when the square is written out)."""
    twice = 2 * sigma**2
    opened = ((x**2).sum(-1) + (y**2).sum(-1)) / twice
    return -((x - y) ** 2).sum(-1) / twice, opened


def rbf(x: Tensor, y: Tensor, sigma: Tensor) -> Terms:
    """exp(−‖x − y‖²/(2σ²)), and a term that cancels: ‖x‖² + ‖y‖² − 2xᵀy is a usual way to write the square.

    >>> sum(rbf(torch.zeros(2), torch.zeros(2), torch.tensor(1.0)))
    tensor(1.)
    """
    exponent, opened = _exponent(x, y, sigma)
    kernel = torch.exp(exponent)
    spread = (kernel * opened).detach()
    return kernel, spread, -spread


def rbf_pairs(x: Tensor, y: Tensor, sigma: Tensor) -> Terms:
    """The same for all pairs of rows, [B, M]; of two vectors, a number."""
    return rbf(x, y, sigma) if x.dim() == 1 else rbf(x[:, None], y[None], sigma)


def rbf_mixed_hessian(x: Tensor, y: Tensor, sigma: Tensor) -> Terms:
    """The mixed derivative k (I − ddᵀ/σ²)/σ², d = x − y: with I, with ddᵀ, and what cancels in the square.

    >>> sum(rbf_mixed_hessian(torch.zeros(1), torch.zeros(1), torch.tensor(2.0)))
    tensor([[0.2500]])
    """
    exponent, opened = _exponent(x, y, sigma)
    kernel = (torch.exp(exponent) / sigma**2)[..., None, None]
    d = x - y
    one = kernel * torch.eye(x.shape[-1], dtype=x.dtype)
    other = -kernel * d[..., :, None] * d[..., None, :] / sigma**2
    spread = ((one.abs() + other.abs()) * opened[..., None, None]).detach()
    return one, other, spread, -spread
