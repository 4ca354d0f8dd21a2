"""First derivatives, by reverse mode: one backward pass a row of the Jacobian."""

from __future__ import annotations

from collections.abc import Callable

import torch

__all__ = ["batch_jacobian", "gradient", "jacobian", "jvp", "logabsdet", "vjp"]

Function = Callable[[torch.Tensor], torch.Tensor]


def gradient(f: Function, x: torch.Tensor) -> torch.Tensor:
    """``∇f(x)`` of a scalar function, at each row where x is a batch and f gives one number a row.

    Shapes: x [..., n]; the result [..., n].

    Source: Griewank & Walther 2008, section 3.2 (reverse mode).

    >>> gradient(lambda x: (x**2).sum(), torch.tensor([1.0, 3.0]))
    tensor([2., 6.])
    """
    x = x.detach().requires_grad_()
    (found,) = torch.autograd.grad(f(x).sum(), x)
    return found


def jacobian(f: Function, x: torch.Tensor) -> torch.Tensor:
    """``J_kj = ∂f_k/∂x_j``, one backward pass for each k.

    Shapes: x [n], f(x) [m]; the result [m, n].

    Source: Griewank & Walther 2008, section 3.2.

    >>> jacobian(lambda x: torch.stack((x[0] * x[1], x[1])), torch.tensor([2.0, 3.0]))
    tensor([[3., 2.],
            [0., 1.]])
    """
    x = x.detach().requires_grad_()
    y = f(x)
    return torch.stack([torch.autograd.grad(one, x, retain_graph=True)[0] for one in y])


def batch_jacobian(f: Function, x: torch.Tensor) -> torch.Tensor:
    """``J_bkj = ∂f_bk/∂x_bj``: of each output row with respect to its own input row, whether or not rows interact.

    Shapes: x [B, n], f(x) [B, m]; the result [B, m, n].

    >>> batch_jacobian(lambda x: x - x.mean(0), torch.zeros(2, 1))
    tensor([[[0.5000]],
    <BLANKLINE>
            [[0.5000]]])
    """
    x = x.detach().requires_grad_()
    y = f(x)
    rows = [
        torch.stack([torch.autograd.grad(y[b, k], x, retain_graph=True)[0][b] for k in range(y.shape[1])])
        for b in range(len(x))
    ]
    return torch.stack(rows)


def vjp(f: Function, x: torch.Tensor, u: torch.Tensor) -> torch.Tensor:
    """``uᵀJ``: one backward pass.

    Shapes: x [..., n], f(x) and u [..., m]; the result [..., n].

    Source: Griewank & Walther 2008, section 3.2.

    >>> vjp(lambda x: 2 * x, torch.zeros(2), torch.tensor([1.0, 5.0]))
    tensor([ 2., 10.])
    """
    x = x.detach().requires_grad_()
    return torch.autograd.grad(f(x), x, u)[0]


def jvp(f: Function, x: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    """``J v`` by two backward passes: uᵀJ is linear in u, and its derivative along v is Jv.

    Shapes: x and v [..., n]; the result like f(x), [..., m].

    Source: Pearlmutter 1994 (the R operator); the transposition is folklore.

    >>> jvp(lambda x: x**2, torch.tensor([1.0, 2.0]), torch.tensor([1.0, 10.0]))
    tensor([ 2., 40.])
    """
    x = x.detach().requires_grad_()
    y = f(x)
    u = torch.zeros_like(y).requires_grad_()
    (pulled,) = torch.autograd.grad(y, x, u, create_graph=True)
    return torch.autograd.grad(pulled, u, v)[0]


def logabsdet(f: Function, x: torch.Tensor) -> torch.Tensor:
    """``log|det J|`` of a map of ℝⁿ to itself, at each row where x is a batch.

    Shapes: x [..., n]; the result [...]; nats.

    >>> logabsdet(lambda x: -2 * x, torch.zeros(3))
    tensor(2.0794)
    """
    dense = jacobian(f, x) if x.dim() == 1 else torch.stack([jacobian(f, row) for row in x])
    return torch.linalg.slogdet(dense).logabsdet
