"""Mutants of bounds of a network's slope, each with one named bug, and twins in the styles of others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from genverify.subjects.formula import Formula
from tests.mutants.mutant import Mutant, Twin

MUTANTS: list[Mutant] = []
TWINS: list[Twin] = []
PRODUCT, SLOPE = "lipschitz.product_bound", "lipschitz.jacobian_norm"


def mutant(like: str, killed_by: str = "dialect") -> Callable[[Any], Any]:
    """Declares the decorated function, as a stranger would, as a wrong bound."""

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


@mutant(PRODUCT)
def frobenius_norms(weights):
    """The norm of all entries. Met as `w.norm()` for the spectral norm."""
    bound = 1.0
    for w in weights:
        bound = bound * w.norm()
    return bound


@mutant(PRODUCT)
def norm_of_the_product(weights):
    """The norm of W₃W₂W₁: the slope of the network without its activations, which may be steeper."""
    whole = weights[0]
    for w in weights[1:]:
        whole = w @ whole
    return torch.linalg.matrix_norm(whole, 2)


@mutant(PRODUCT)
def smallest_singular_value(weights):
    """The last singular value for the first. Met as `svd(w)[1][-1]`."""
    return torch.stack([torch.linalg.svdvals(w)[-1] for w in weights]).prod()


@mutant(PRODUCT)
def row_sums(weights):
    """The norm of max-norms. Met as `np.linalg.norm(w, np.inf)` beside Euclidean distances."""
    return torch.stack([torch.linalg.matrix_norm(w, torch.inf) for w in weights]).prod()


@mutant(PRODUCT)
def eigenvalues_of_the_gram_matrix(weights):
    """λ_max(WWᵀ), without its root."""
    return torch.stack([torch.linalg.eigvalsh(w @ w.mT)[-1] for w in weights]).prod()


@mutant(PRODUCT, "gradient")
def frozen(weights):
    """The bound is to be penalised, and has no gradient: `.data`, as in code for reports."""
    return torch.stack([torch.linalg.matrix_norm(w.data, 2) for w in weights]).prod()


@mutant(SLOPE)
def length_of_the_gradient_of_the_sum(f, x):
    """‖∇ Σ_k f_k‖ for the norm of the Jacobian: components may cancel."""
    x = x.clone().requires_grad_(True)
    return torch.autograd.grad(f(x).sum(), x)[0].norm(dim=-1)


@mutant(SLOPE)
def norm_of_all_entries(f, x):
    """Frobenius' norm. Met as `jacobian(f, x).norm()`."""
    return torch.autograd.functional.jacobian(f, x).norm()


# Correct, in other styles.


@twin(PRODUCT)
def in_numpy(weights):
    return float(np.prod([np.linalg.norm(w.detach().numpy(), 2) for w in weights]))


@twin(PRODUCT)
def in_logarithms(Ws):
    return torch.exp(sum(torch.log(torch.linalg.svd(w)[1][0]) for w in Ws))


@twin(PRODUCT)
def by_a_long_power_iteration(weights):
    bound = torch.ones((), dtype=weights[0].dtype)
    for w in weights:
        with torch.no_grad():
            gram = w.mT @ w
            for _ in range(12):
                gram = gram @ gram
                gram = gram / gram.abs().max().clamp(min=torch.finfo(w.dtype).tiny)
            v = torch.nn.functional.normalize(gram[:, gram.norm(dim=0).argmax()], dim=0)
            u = torch.nn.functional.normalize(w @ v, dim=0)
        bound = bound * (u @ w @ v)
    return bound


@twin(SLOPE)
def of_one_point_by_forward_mode(f, x):
    return torch.linalg.matrix_norm(torch.func.jacfwd(f)(x), 2)


@twin(SLOPE)
def of_rows(net, inputs):
    jacobians = torch.func.vmap(torch.func.jacrev(net))(inputs)
    return torch.linalg.svd(jacobians, full_matrices=False).S[:, 0]
