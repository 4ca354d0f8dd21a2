"""An invertible residual block: the identity plus a contraction, inverted by Banach's iteration."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

__all__ = ["ContractiveResidual", "residual", "residual_inverse"]


def residual(g: Callable[[Tensor], Tensor], x: Tensor) -> tuple[Tensor, Tensor]:
    """Y = x + g(x) and log|det(I + ∂g/∂x)|, the Jacobian formed in full, row by row.

    Shapes: x [batch, features]; g maps a row, and a batch of rows, to its like; [batch, features] and [batch].

    Source: Behrmann et al. 2019, eqs. 1 and 3.

    >>> y, logabsdet = residual(lambda x: 0.5 * x, torch.ones(1, 2))
    >>> y, round(float(logabsdet), 6)
    (tensor([[1.5000, 1.5000]]), 0.81093)
    """
    jacobian = torch.func.vmap(torch.func.jacrev(g))(x)
    one = torch.eye(x.shape[1], dtype=x.dtype)
    return x + g(x), torch.linalg.slogdet(one + jacobian).logabsdet


def residual_inverse(g: Callable[[Tensor], Tensor], y: Tensor, steps: int) -> Tensor:
    """The x after so many steps of x ← y − g(x), from x = y: within Lⁿ/(1 − L) · ‖x_1 − x_0‖ of the preimage.

    Shapes: y [batch, features]; its like.

    Source: Behrmann et al. 2019, algorithm 1.

    >>> residual_inverse(lambda x: 0.5 * x, torch.tensor([[1.5]]), 2)
    tensor([[1.1250]])
    """
    x = y
    for _ in range(steps):
        x = y - g(x)
    return x


class ContractiveResidual(nn.Module):
    """y = x + F(x) with F(x) = L·B tanh(A x), where ‖A‖ = ‖B‖ = 1, so that Lip F ≤ L < 1.

    The inverse iterates x ← y − F(x); after n steps it is within Lⁿ/(1 − L) · ‖x_1 − x_0‖ of the solution. The
    log-determinant is that of the whole Jacobian I + ∂F/∂x, formed in full.

    Shapes: ``x`` [batch, features]; L is ``coefficient``, ``steps`` the number n of iterations.

    Source: Behrmann et al. 2019, theorem 1 and algorithm 1.
    """

    def __init__(self, features: int, hidden: int = 8, coefficient: float = 0.5, steps: int = 80) -> None:
        super().__init__()
        self.inner = nn.Parameter(torch.randn(hidden, features))
        self.outer = nn.Parameter(torch.randn(features, hidden))
        self.coefficient, self.steps = coefficient, steps

    def _weights(self) -> tuple[Tensor, Tensor]:
        """A and B, each divided by its largest singular value."""
        norms = [torch.linalg.matrix_norm(w, ord=2) for w in (self.inner, self.outer)]
        return self.inner / norms[0], self.outer / norms[1]

    def residual(self, x: Tensor) -> Tensor:
        """F(x)."""
        a, b = self._weights()
        return self.coefficient * torch.tanh(x @ a.T) @ b.T

    def _logabsdet(self, x: Tensor) -> Tensor:
        a, b = self._weights()
        slopes = 1.0 - torch.tanh(x @ a.T) ** 2
        jacobian = self.coefficient * torch.einsum("ih,bh,hj->bij", b, slopes, a)
        return torch.linalg.slogdet(torch.eye(x.shape[1]).to(x) + jacobian).logabsdet

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """X → (y, log|det ∂y/∂x|)."""
        return x + self.residual(x), self._logabsdet(x)

    def inverse(self, y: Tensor) -> tuple[Tensor, Tensor]:
        """Y → (x, log|det ∂x/∂y|)."""
        x = y
        for _ in range(self.steps):
            x = y - self.residual(x)
        return x, -self._logabsdet(x)
