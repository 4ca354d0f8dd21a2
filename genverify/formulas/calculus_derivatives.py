"""Derivatives of a function that is given: the subject gets f and a point, and the derivative of f is known.

What is drawn for f is a sum of ridges sin(w · x) + cos(w · x), or a map made of them: third derivatives and cross terms
are there, so that a transposition, a missing block or an approximation shows.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from genverify.formulas.calculus_arguments import (
    COTANGENTS,
    LAYOUTS,
    POINT,
    SINGLE_POINT,
    SIZES,
    VECTORS,
    function,
)
from genverify.formulas.catalogue import formula
from genverify.formulas.references import declares_reference
from genverify.oracles import calculus as oracle
from genverify.reference.calculus import first, second
from genverify.subjects.domains import real
from genverify.subjects.formula import Formula
from genverify.subjects.parametrisation import plain
from genverify.subjects.smooth_domains import diffeomorphism, smooth_map, smooth_scalar
from genverify.subjects.specification import Argument, Axis, Layout, Option, Specification

__all__ = [
    "batch_jacobian", "directional_second_derivative", "gradient", "hessian", "hessian_diagonal", "hvp", "jacobian",
    "jvp", "laplacian", "logabsdet", "vjp",
]  # fmt: skip

_SCALAR = function("hidden event", smooth_scalar())
_MAP = function("out event", smooth_map())


def _vector(name: str, axes: str, aliases: tuple[str, ...]) -> Argument:
    return plain(name, axes, real(), aliases)


def _derivative(
    name: str, statement: str, of: Argument, compute: Callable[..., Any], output: str, *more: Argument, **rest: object
) -> Specification:
    """A derivative of f at x; no gradient of it is claimed, since most who take one need no more."""

    def terms(x: Any, f: Any, **vectors: Any) -> Any:  # noqa: ANN401 - tensors and a drawn function
        return compute(f.weight, x, *vectors.values())

    fields: dict[str, Any] = {
        "source": "Griewank & Walther 2008, chapter 3", "layouts": LAYOUTS, "operations": 64, "gradient": False,
        "sizes": SIZES, "oracle": terms, **rest,
    }  # fmt: skip
    return formula(
        Specification(
            name=f"calculus.{name}", statement=statement, arguments=(POINT, of, *more), output=output, **fields
        )
    )


_derivative(
    "gradient", "∇f(x) of a scalar function", _SCALAR, oracle.gradient, "batch event",
    derivation="calculus.wave.derivatives",
)  # fmt: skip
_derivative(
    "jacobian", "J_kj = ∂f_k/∂x_j, outputs along rows", _MAP, oracle.jacobian, "out event", layouts=(SINGLE_POINT,),
    derivation="calculus.wave.derivatives",
)  # fmt: skip
_derivative(
    "jvp", "J v, the derivative of f along v", _MAP, oracle.jvp, "batch out",
    _vector("v", "batch event", VECTORS), source="Pearlmutter 1994", derivation="calculus.products.by_two_passes",
)  # fmt: skip
_derivative(
    "vjp", "uᵀJ", _MAP, oracle.vjp, "batch event", _vector("u", "batch out", COTANGENTS),
    derivation="calculus.products.by_two_passes",
)  # fmt: skip
_derivative(
    "hessian", "H_ij = ∂²f/∂x_i∂x_j", _SCALAR, oracle.hessian, "batch event event",
    derivation="calculus.hessian.jacobian_of_gradient",
)  # fmt: skip
_derivative(
    "hessian_diagonal", "H_ii = ∂²f/∂x_i²", _SCALAR, oracle.hessian_diagonal, "batch event",
    derivation="calculus.hessian.jacobian_of_gradient",
)  # fmt: skip
_derivative(
    "hvp", "H v, the derivative of the gradient along v", _SCALAR, oracle.hvp, "batch event",
    _vector("v", "batch event", VECTORS), source="Pearlmutter 1994",
    derivation="calculus.hessian.jacobian_of_gradient",
)  # fmt: skip
_derivative(
    "laplacian", "Δf = tr H = Σ_i ∂²f/∂x_i²", _SCALAR, oracle.laplacian, "batch",
    source="Hyvärinen 2005, theorem 1 (its use)", derivation="calculus.hessian.jacobian_of_gradient",
)  # fmt: skip
_derivative(
    "directional_second_derivative", "vᵀHv = ∂²f(x + tv)/∂t² at t = 0", _SCALAR, oracle.directional_second_derivative,
    "batch", _vector("v", "batch event", VECTORS), source="Song et al. 2019, sliced score matching (its use)",
    derivation="calculus.hessian.jacobian_of_gradient",
)  # fmt: skip


def _logabsdet(x: torch.Tensor, f: Any) -> Any:  # noqa: ANN401 - a drawn function
    lower, upper = f.factors(torch.float64)
    return oracle.logabsdet(lower, upper, x)


_derivative(
    "logabsdet", "log|det ∂f/∂x| of a map of ℝⁿ to itself", function("event event", diffeomorphism()), _logabsdet,
    "batch", source="Rezende & Mohamed 2015, eq. 5 (its use)", oracle=_logabsdet,
    derivation="calculus.logabsdet.factors",
)  # fmt: skip


# ── A batch whose rows may interact ──────────────────────────────────────────────────────────────────────────────────
# The whole formula is about maps that couple rows, as batch normalisation in training does. Such a map refuses a single
# row, and so code that calls it row by row is judged on maps that do not couple rows.

_WHOSE = Axis(
    name="whose",
    options=(
        Option(name=""),
        Option(
            name="summed over all output rows", keywords={"summed": True}, accepted=False,
            note="Σ_b′ ∂y_b′/∂x_b, from differentiating the sum over the batch: right only where rows do not interact; "
            "declare layout='rows that do not interact' if that is all that is claimed",
        ),
    ),
)  # fmt: skip


def _batch_jacobian(x: torch.Tensor, f: Any, *, summed: bool = False) -> Any:  # noqa: ANN401 - a drawn function
    if f.weight.dim() == 2:
        return oracle.jacobian(f.weight, x)
    return oracle.coupled_jacobian(f.weight, x, summed=summed)


_derivative(
    "batch_jacobian", "J_bkj = ∂f_bk/∂x_bj: each output row by its own input row, also where rows interact",
    function("out event part", smooth_map()), oracle.jacobian, "batch out event", oracle=_batch_jacobian,
    dialects=(_WHOSE,), sizes={**SIZES, "part": (2,)},
    layouts=(Layout(name="rows that interact"), Layout(name="rows that do not interact", drop=("part",))),
    derivation="calculus.wave.derivatives",
)  # fmt: skip


@declares_reference
def gradient() -> Formula:
    """The reference gradient."""
    return Formula(first.gradient, like="calculus.gradient")


@declares_reference
def jacobian() -> Formula:
    """The reference Jacobian."""
    return Formula(first.jacobian, like="calculus.jacobian")


@declares_reference
def batch_jacobian() -> Formula:
    """The reference Jacobian of a batch."""
    return Formula(first.batch_jacobian, like="calculus.batch_jacobian")


@declares_reference
def jvp() -> Formula:
    """The reference Jacobian–vector product."""
    return Formula(first.jvp, like="calculus.jvp")


@declares_reference
def vjp() -> Formula:
    """The reference vector–Jacobian product."""
    return Formula(first.vjp, like="calculus.vjp")


@declares_reference
def logabsdet() -> Formula:
    """The reference log-determinant of a Jacobian."""
    return Formula(first.logabsdet, like="calculus.logabsdet")


@declares_reference
def hessian() -> Formula:
    """The reference Hessian."""
    return Formula(second.hessian, like="calculus.hessian")


@declares_reference
def hessian_diagonal() -> Formula:
    """The reference diagonal of a Hessian."""
    return Formula(second.hessian_diagonal, like="calculus.hessian_diagonal")


@declares_reference
def hvp() -> Formula:
    """The reference Hessian–vector product."""
    return Formula(second.hvp, like="calculus.hvp")


@declares_reference
def laplacian() -> Formula:
    """The reference Laplacian."""
    return Formula(second.laplacian, like="calculus.laplacian")


@declares_reference
def directional_second_derivative() -> Formula:
    """The reference second derivative along a direction."""
    return Formula(second.directional_second_derivative, like="calculus.directional_second_derivative")
