"""Mutants of orthogonal regularisation and of Björck's step, each with one bug, and twins in other styles."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from genverify.subjects.formula import Formula
from tests.mutants.mutant import Mutant, Twin

MUTANTS: list[Mutant] = []
TWINS: list[Twin] = []
DEFECT, OFF, STEP = (
    f"orthogonality.{name}" for name in ("frobenius_defect", "offdiagonal_frobenius", "offdiagonal_step")
)
COSINE, BJORCK = "orthogonality.cosine_l1", "orthogonality.bjorck_step"


def mutant(like: str, killed_by: str = "dialect") -> Callable[[Any], Any]:
    """Declares the decorated function, as a stranger would, as a wrong one."""

    def declare(f: Callable[..., Any]) -> Callable[..., Any]:
        make = lambda: Formula(f, like=like)  # noqa: E731
        MUTANTS.append(Mutant(name=f"{like}: {f.__name__}", make=make, killed_by=f"formula.{killed_by}"))
        return f

    return declare


def twin(like: str) -> Callable[[Any], Any]:
    """Declares the decorated function as a right one."""

    def declare(f: Any) -> Any:
        TWINS.append(Twin(name=f"{like}: {f.__name__}", make=lambda: Formula(f, like=like)))
        return f

    return declare


@mutant(DEFECT)
def ones_for_the_identity(w):
    """WWᵀ − 1 with a matrix of ones: rows are to be equal. Met as `torch.ones` for `torch.eye`."""
    return ((w @ w.T - torch.ones(len(w), len(w), dtype=w.dtype)) ** 2).sum()


@mutant(DEFECT)
def mean_of_the_gap_squared(w):
    """(mean gap)² for the mean of squares: entries of both signs cancel."""
    return (w @ w.T - torch.eye(len(w), dtype=w.dtype)).mean() ** 2


@mutant(OFF)
def diagonal_kept(w):
    """The mask is missing."""
    return ((w @ w.T) ** 2).sum()


@mutant(OFF)
def identity_is_no_mask(w):
    """The identity is subtracted, which is no mask."""
    return ((w @ w.T - torch.eye(len(w), dtype=w.dtype)) ** 2).sum()


@mutant(STEP)
def step_uphill(w, lr):
    """The sign of the step."""
    return w + lr * 2 * ((w @ w.T) * (1 - torch.eye(len(w), dtype=w.dtype))) @ w


@mutant(STEP)
def elementwise(w, lr):
    """The square of the masked Gram matrix is descended, entry by entry: its square for its product with W."""
    off = (w @ w.T) * (1 - torch.eye(len(w), dtype=w.dtype))
    return w - lr * 2 * off @ off @ w


@mutant(COSINE)
def not_normalised(w):
    """Inner products for cosines."""
    return ((w @ w.T) * (1 - torch.eye(len(w), dtype=w.dtype))).abs().sum()


@mutant(COSINE)
def signed(w):
    """Without |·|: angles below and above 90° cancel."""
    rows = torch.nn.functional.normalize(w, dim=1)
    return ((rows @ rows.T) * (1 - torch.eye(len(w), dtype=w.dtype))).sum()


@mutant(BJORCK)
def sign_of_the_cubic(w, beta=0.5):
    """(1 − β) W + β W WᵀW: singular values leave one."""
    return (1 - beta) * w + beta * w @ w.T @ w


@mutant(BJORCK)
def elementwise_cube(w, beta=0.5):
    """W³ entry by entry."""
    return (1 + beta) * w - beta * w**3


# Correct, in other styles.


@twin(DEFECT)
def norm_of_flat_kernels(weight):
    flat = weight.view(weight.shape[0], -1)
    return torch.norm(flat @ flat.transpose(0, 1) - torch.eye(flat.shape[0], dtype=flat.dtype)) ** 2


@twin(DEFECT)
def columns_averaged(W):
    gap = W.t().mm(W) - torch.eye(W.size(1)).to(W)
    return gap.pow(2).mean()


@twin(OFF)
def masked_in_place(param):
    gram = param @ param.t()
    gram = gram.clone()
    gram.fill_diagonal_(0)
    return 0.5 * gram.square().sum()


@twin(STEP)
def as_a_gradient(w, strength):
    return strength * 2 * torch.mm(torch.mm(w, w.t()) * (1.0 - torch.eye(w.shape[0], dtype=w.dtype)), w)


@twin(COSINE)
def pairs_once(W):
    rows = W / W.norm(dim=1, keepdim=True)
    return torch.triu(rows @ rows.T, diagonal=1).abs().sum()


@twin(BJORCK)
def by_residuals(w, beta=0.5, iters=2):
    for _ in range(iters):
        w = w + beta * w @ (torch.eye(w.shape[1], dtype=w.dtype) - w.t() @ w)
    return w
