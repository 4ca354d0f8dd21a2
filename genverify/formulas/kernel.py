"""The Gaussian kernel and its mixed second derivative."""

from __future__ import annotations

from dataclasses import replace

from genverify.formulas.calculus_arguments import SIZES
from genverify.formulas.catalogue import formula
from genverify.formulas.references import declares_reference
from genverify.oracles import kernel as oracle
from genverify.reference.calculus import kernel as reference
from genverify.subjects.domains import positive, real
from genverify.subjects.formula import Formula
from genverify.subjects.parametrisation import plain, positive_scale
from genverify.subjects.specification import Argument, Form, Layout, Specification

__all__ = ["RBF", "RBF_MIXED_HESSIAN"]

_X = ("x", "X", "x1", "a", "xs", "x_1", "first")
_Y = ("y", "Y", "x2", "b", "z", "ys", "x_2", "second", "xp", "x_prime", "center", "centers", "landmarks")


def _point(name: str, axes: str, aliases: tuple[str, ...]) -> Argument:
    """A point so near the others that float32 keeps all digits of the kernel, whose exponent is 72 at most."""
    return plain(name, axes, real(low=-0.75, high=0.75), aliases)


def _width() -> Argument:
    """σ, in all parametrisations of a scale and as γ = 1/(2σ²); what "bandwidth" means has to be said."""
    made = positive_scale("sigma", "", "", "lengthscale", "length_scale", "ell", "l", "ls")
    gamma = Form(
        name="gamma", aliases=("gamma", "gam"), domain=positive(tiny=1e-30, huge=1e30),
        canonical=lambda gamma: (2 * gamma) ** -0.5,
    )  # fmt: skip
    return replace(made, forms=(*made.forms, gamma))


RBF = formula(
    Specification(
        name="kernel.rbf",
        statement="k(x, y) = exp(−‖x − y‖²/(2σ²)), γ = 1/(2σ²)",
        source="Rasmussen & Williams 2006, eq. 4.9",
        arguments=(_point("x", "batch event", _X), _point("y", "other event", _Y), _width()),
        oracle=oracle.rbf_pairs,
        output="batch other",
        layouts=(
            Layout(name="all pairs of rows"),
            Layout(name="two vectors", drop=("batch", "other"), shared=("x",)),
        ),
        operations=64,
        # Code for rows, or for two vectors, must not answer by chance: see calculus_arguments.
        sizes={"batch": (2, 3), "other": (4, 5), "event": (2, 3, 1)},
        derivation="kernel.rbf.derivatives",
    )
)

RBF_MIXED_HESSIAN = formula(
    Specification(
        name="kernel.rbf_mixed_hessian",
        statement="∂²k/∂x∂yᵀ = k (I − ddᵀ/σ²)/σ², d = x − y, k = exp(−‖d‖²/(2σ²))",
        source="Liu, Lee & Jordan 2016",
        arguments=(_point("x", "batch event", _X), _point("y", "batch event", _Y), _width()),
        oracle=oracle.rbf_mixed_hessian,
        output="batch event event",
        layouts=(
            Layout(name="pairs of rows"),
            Layout(name="two vectors", drop=("batch",), shared=("x",)),
        ),
        operations=64,
        sizes=SIZES,
        derivation="kernel.rbf.derivatives",
    )
)


@declares_reference
def rbf() -> Formula:
    """The reference Gaussian kernel."""
    return Formula(reference.rbf, like="kernel.rbf")


@declares_reference
def rbf_mixed_hessian() -> Formula:
    """The reference mixed derivative of the Gaussian kernel."""
    return Formula(reference.rbf_mixed_hessian, like="kernel.rbf_mixed_hessian")
