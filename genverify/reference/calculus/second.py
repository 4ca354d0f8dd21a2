"""Second derivatives, by differentiating the gradient."""

from __future__ import annotations

from collections.abc import Callable

import torch

__all__ = ["directional_second_derivative", "hessian", "hessian_diagonal", "hvp", "laplacian"]

Function = Callable[[torch.Tensor], torch.Tensor]


def _slope(f: Function, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """(x as a leaf, ∇f there with its graph)."""
    x = x.detach().requires_grad_()
    return x, torch.autograd.grad(f(x).sum(), x, create_graph=True)[0]


def hvp(f: Function, x: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    """``H v``, the derivative of ∇f · v: the Hessian itself is never formed.

    Shapes: x and v [..., n], f gives one number a row; the result [..., n].

    Source: Pearlmutter 1994, "Fast exact multiplication by the Hessian" (Neural Computation 6).

    >>> hvp(lambda x: x[0] * x[1], torch.zeros(2), torch.tensor([1.0, 3.0]))
    tensor([3., 1.])
    """
    x, slope = _slope(f, x)
    return torch.autograd.grad(slope, x, v)[0]


def hessian(f: Function, x: torch.Tensor) -> torch.Tensor:
    """``H_ij = ∂²f/∂x_i∂x_j``: the Jacobian of the gradient, a row for each coordinate.

    Shapes: x [..., n], f gives one number a row; the result [..., n, n].

    >>> hessian(lambda x: x[0] * x[1] + x[0] ** 3, torch.ones(2))
    tensor([[6., 1.],
            [1., 0.]])
    """
    x, slope = _slope(f, x)
    rows = [torch.autograd.grad(slope[..., i].sum(), x, retain_graph=True)[0] for i in range(x.shape[-1])]
    return torch.stack(rows, -2)


def hessian_diagonal(f: Function, x: torch.Tensor) -> torch.Tensor:
    """``H_ii = ∂²f/∂x_i²``.

    Shapes: x [..., n]; the result [..., n].

    >>> hessian_diagonal(lambda x: (x**3).sum(), torch.tensor([1.0, 2.0]))
    tensor([ 6., 12.])
    """
    return torch.diagonal(hessian(f, x), dim1=-2, dim2=-1)


def laplacian(f: Function, x: torch.Tensor) -> torch.Tensor:
    """``Δf = tr H = Σ_i ∂²f/∂x_i²``.

    Shapes: x [..., n]; the result [...].

    >>> laplacian(lambda x: (x**2).sum() / 2, torch.zeros(3))
    tensor(3.)
    """
    return hessian_diagonal(f, x).sum(-1)


def directional_second_derivative(f: Function, x: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    """``vᵀHv``, the second derivative of t ↦ f(x + tv) at t = 0.

    Shapes: x and v [..., n]; the result [...].

    >>> directional_second_derivative(lambda x: x[0] * x[1], torch.zeros(2), torch.tensor([1.0, 3.0]))
    tensor(6.)
    """
    return (v * hvp(f, x, v)).sum(-1)
