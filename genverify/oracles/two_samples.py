"""Maximum mean discrepancy with the Gaussian kernel, and Fréchet's distance of normal laws, in additive terms."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["frechet", "mmd", "square_root"]

Terms = tuple[Tensor, ...]
_STEPS = 18


def mmd(
    x: Tensor, y: Tensor, sigma: Tensor | float, *, statistic: str = "biased", root: bool = False, half: float = 0.5
) -> Terms:
    """Σ_ij w_i w_j k(z_i, z_j) over both samples, with weights 1/n and −1/m: a term for each pair.

    `statistic`: "biased" (all pairs), "unbiased" (i ≠ j, over n(n − 1)), "diagonal kept" (all pairs over n(n − 1)) or
    "diagonal lost" (i ≠ j over n²). `root` takes the square root; `half` is the factor in the exponent.

    Shapes: [n, event] and [m, event]; each term a scalar.

    Source: Gretton et al. 2012, eqs. 3 and 5.

    >>> round(abs(float(sum(mmd(torch.zeros(2, 1).double(), torch.zeros(3, 1).double(), 1.0)))), 12)
    0.0
    """
    terms: list[Tensor] = []
    for one, other, sign in ((x, x, 1.0), (y, y, 1.0), (x, y, -2.0)):
        within = one is other
        n, m = len(one), len(other)
        pairs = n * (n - 1) if within and statistic in ("unbiased", "diagonal kept") else n * m
        squares = ((one[:, None] - other[None]) ** 2).sum(-1)
        values = sign * torch.exp(-half * squares / sigma**2) / pairs
        if within and statistic in ("unbiased", "diagonal lost"):
            values = values[~torch.eye(n, dtype=torch.bool)]
        terms += list(values.reshape(-1).unbind(0))
    if not root:
        return tuple(terms)
    return _rooted(torch.stack(terms))


def _rooted(terms: Tensor) -> Terms:
    """√ of the sum of terms: NaN, so unexamined, where they cancel and the root has no derivative.

    √(a + δ) ≈ √a + δ/(2√a): the rounding δ of the sum is magnified, and the terms are counted with that.
    """
    whole, size = terms.sum(), terms.abs().sum()
    kept = whole > 1e3 * torch.finfo(terms.dtype).eps * size
    root = torch.where(kept, whole, torch.full_like(whole, torch.nan)).sqrt()
    return root, size / root, -size / root


def square_root(matrix: Tensor) -> Tensor:
    """The principal square root by the iteration of Denman and Beavers, which has derivatives of every order.

    X ← (X + Y⁻¹)/2, Y ← (Y + X⁻¹)/2 from X = A, Y = I; quadratically convergent where no eigenvalue is ≤ 0.

    Shapes: [..., k, k].

    Source: Higham 2008, "Functions of matrices", eq. 6.28.

    >>> square_root(torch.tensor([[4.0, 0.0], [0.0, 9.0]]).double())
    tensor([[2., 0.],
            [0., 3.]], dtype=torch.float64)
    """
    found, inverse = matrix, torch.eye(matrix.shape[-1], dtype=matrix.dtype).expand_as(matrix)
    for _ in range(_STEPS):
        found, inverse = 0.5 * (found + torch.linalg.inv(inverse)), 0.5 * (inverse + torch.linalg.inv(found))
    return found


def frechet(
    mean_p: Tensor, covariance_p: Tensor, mean_q: Tensor, covariance_q: Tensor, *, root: bool = False, order: str = ""
) -> Terms:
    """‖μ_p − μ_q‖² + tr Σ_p + tr Σ_q − 2 tr (Σ_p Σ_q)^½, a term for each coordinate and each trace.

    `order` "roots" has tr Σ_p^½ Σ_q^½ for the last trace, which is less, and the same where the matrices commute.

    Shapes: [event], [event, event]; each term a scalar.

    Source: Dowson & Landau 1982; Heusel et al. 2017, eq. 6.

    >>> one = torch.eye(1).double()
    >>> sum(frechet(one[0], one, 2 * one[0], 4 * one))
    tensor(2., dtype=torch.float64)
    """

    def trace(matrix: Tensor) -> Tensor:
        return matrix.diagonal(dim1=-2, dim2=-1).sum(-1)

    if order == "roots":
        shared = trace(square_root(covariance_p) @ square_root(covariance_q))
    else:
        shared = trace(square_root(covariance_p @ covariance_q))
    squares = ((mean_p - mean_q) ** 2).unbind(-1)
    terms = (*squares, trace(covariance_p), trace(covariance_q), -2 * shared)
    if not root:
        return terms
    return _rooted(torch.stack(terms))
