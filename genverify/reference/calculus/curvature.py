"""Curvature matrices that stand in for the Hessian, and the kind of a critical point."""

from __future__ import annotations

import torch

__all__ = ["critical_point", "fisher", "gauss_newton", "hutchinson_trace"]


def gauss_newton(jacobian: torch.Tensor, curvature: torch.Tensor) -> torch.Tensor:
    """The (generalised) Gauss–Newton matrix ``JᵀHJ``: the Hessian of loss(f(θ)) without the curvature of f.

    Shapes: ``jacobian`` of f [..., m, n], ``curvature`` the Hessian of the loss in f [..., m, m]; the result
    [..., n, n].

    Source: Schraudolph 2002, "Fast curvature matrix-vector products" (Neural Computation 14).

    >>> gauss_newton(torch.tensor([[1.0, 2.0]]), torch.tensor([[3.0]]))
    tensor([[ 3.,  6.],
            [ 6., 12.]])
    """
    return jacobian.mT @ curvature @ jacobian


def fisher(jacobian: torch.Tensor, logits: torch.Tensor) -> torch.Tensor:
    """The Fisher information of a softmax classifier, ``Jᵀ (diag p − p pᵀ) J``, p = softmax(z): labels play no part.

    Shapes: ``jacobian`` = ∂z/∂θ [..., c, n], ``logits`` z [..., c]; the result [..., n, n].

    Source: Martens 2020, "New insights and perspectives on the natural gradient method", section 9.

    >>> fisher(torch.eye(2), torch.zeros(2))
    tensor([[ 0.2500, -0.2500],
            [-0.2500,  0.2500]])
    """
    p = torch.softmax(logits, -1)
    return gauss_newton(jacobian, torch.diag_embed(p) - p.unsqueeze(-1) * p.unsqueeze(-2))


def hutchinson_trace(matvec: object, v: torch.Tensor) -> torch.Tensor:
    """Hutchinson's estimate of tr A, the mean of ``vᵀAv`` over probes v with E vvᵀ = I.

    Shapes: ``v`` [probes, n], ``matvec`` maps each row v to Av; the result is a number.

    Source: Hutchinson 1989, "A stochastic estimator of the trace of the influence matrix".

    >>> hutchinson_trace(lambda v: 3 * v, torch.tensor([[1.0, -1.0], [1.0, 1.0]]))
    tensor(6.)
    """
    return (v * matvec(v)).sum(-1).mean(0)  # type: ignore[operator]


def critical_point(hessian: torch.Tensor) -> str:
    """The kind of a critical point: "minimum", "maximum", "saddle" or "degenerate", by the signs of the eigenvalues.

    Eigenvalues within rounding of zero, n ε ‖H‖, count as zero; a point with some of each sign is a saddle whatever
    the others are.

    Shapes: ``hessian`` [n, n], symmetric.

    Source: Nocedal & Wright 2006, theorems 2.3 and 2.4.

    >>> critical_point(torch.diag(torch.tensor([1.0, -2.0])))
    'saddle'
    """
    values = torch.linalg.eigvalsh(hessian)
    small = len(values) * torch.finfo(values.dtype).eps * values.abs().max()
    up, down = bool((values > small).any()), bool((values < -small).any())
    if up and down:
        return "saddle"
    if bool((values.abs() <= small).any()):
        return "degenerate"
    return "minimum" if up else "maximum"
