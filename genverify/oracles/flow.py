"""Flows in SymPy: densities of scalar images, Jacobians of coupling layers, and the contraction of residual blocks."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from genverify.errors import UsageError

from .closed_form import Derivation, closed_form, step

if TYPE_CHECKING:
    import sympy

__all__ = [
    "coupling_jacobian",
    "cumulative_slope",
    "exponential_image",
    "logistic_image",
    "pushforward",
    "sinh_image",
]


def pushforward(image: sympy.Expr, z: sympy.Symbol, log_density: sympy.Expr, x: sympy.Symbol) -> sympy.Expr:
    """The log-density of x = image(z), for a strictly monotone map that SymPy can invert.

    log p_x(x) = log p_z(z(x)) + log|dz/dx|

    Raises:
        UsageError: SymPy finds no inverse, or several.

    >>> import sympy
    >>> z, x = sympy.symbols("z x", real=True)
    >>> pushforward(2 * z, z, -(z**2) / 2, x)
    -x**2/8 - log(2)
    """
    import sympy

    found = [s for s in sympy.solve(sympy.Eq(image, x), z) if s.is_real is not False]
    if len(found) != 1:
        raise UsageError(
            given=f"the map {z} ↦ {image}", expected="one real inverse that SymPy finds", do=f"it found {found}"
        )
    slope = sympy.simplify(sympy.diff(found[0], x))
    return log_density.subs(z, found[0]) + sympy.log(sympy.Abs(slope))


def _standard_normal(z: sympy.Expr) -> sympy.Expr:
    import sympy

    return -(z**2) / 2 - sympy.log(2 * sympy.pi) / 2


def _image_of_normal(image: Any, x: sympy.Symbol, inverse: sympy.Expr, slope: sympy.Expr) -> Derivation:  # noqa: ANN401
    """The density of image(z), z ~ N(0, 1), in a form that is known beforehand, confirmed against the pushforward."""
    import sympy

    z = sympy.Symbol("z", real=True)
    value = _standard_normal(inverse) + slope
    steps = (
        step("the inverse undoes the map", image(inverse), x, "substitution"),
        step("the slope of the inverse", sympy.diff(inverse, x), sympy.exp(slope), "differentiation by rule"),
        step("the density at the preimage", _standard_normal(z).subs(z, inverse) + slope, value, "change of variables"),
    )
    return Derivation(value=value, steps=steps)


@closed_form("flow.exponential_image", arguments={"x": "positive"}, source="Aitchison & Brown 1957, eq. 2.3")
def exponential_image(x: sympy.Symbol) -> Derivation:
    """The log-density of x = exp z for z ~ N(0, 1): the standard log-normal.

    log p(x) = −½ (log x)² − ½ log 2π − log x

    >>> import torch
    >>> exponential_image(torch.tensor(1.0))
    tensor(-0.9189)
    """
    import sympy

    return _image_of_normal(sympy.exp, x, sympy.log(x), -sympy.log(x))


@closed_form("flow.sinh_image", arguments={"x": "real"}, source="Jones & Pewsey 2009, eq. 2 (ε = 0, δ = 1)")
def sinh_image(x: sympy.Symbol) -> Derivation:
    """The log-density of x = sinh z for z ~ N(0, 1).

    log p(x) = −½ (arsinh x)² − ½ log 2π − ½ log(1 + x²)

    >>> sinh_image(0)
    -0.918938533204672...
    """
    import sympy

    return _image_of_normal(sympy.sinh, x, sympy.asinh(x), -sympy.log(1 + x**2) / 2)


@closed_form("flow.logistic_image", arguments={"x": "positive"}, source="Atchison & Shen 1980, eq. 2.1 (d = 1)")
def logistic_image(x: sympy.Symbol) -> Derivation:
    """The log-density of x = 1/(1 + exp(−z)) for z ~ N(0, 1): the logit-normal, on 0 < x < 1.

    log p(x) = −½ (log x − log(1 − x))² − ½ log 2π − log x − log(1 − x)

    >>> round(logistic_image(0.5), 6)
    0.467356
    """
    import sympy

    inverse = sympy.log(x) - sympy.log(1 - x)
    made = _image_of_normal(lambda z: 1 / (1 + sympy.exp(-z)), x, inverse, -sympy.log(x) - sympy.log(1 - x))
    return Derivation(value=made.value, steps=made.steps, conditions=(sympy.StrictLessThan(x, 1),))


@functools.cache
def cumulative_slope(*, increasing: bool) -> sympy.Basic:
    """d/dx P(X ≤ x) for x ↦ z = g(x) monotone, by Leibniz: the change of variables in one dimension.

    X ≤ x means Z ≤ g(x) where g increases, and Z ≥ g(x) where it decreases.
    """
    import sympy

    x, u = sympy.symbols("x u", real=True)
    p, g = sympy.Function("p"), sympy.Function("g")
    mass = sympy.Integral(p(u), (u, -sympy.oo, g(x)) if increasing else (u, g(x), sympy.oo))
    sign = 1 if increasing else -1
    return sympy.Eq(sympy.Derivative(mass, x), sign * p(g(x)) * sympy.diff(g(x), x), evaluate=False)


@functools.cache
def coupling_jacobian(kept: int, changed: int) -> tuple[sympy.Matrix, sympy.Expr]:
    """The Jacobian of an affine coupling layer with arbitrary s and t, and Σ s.

    y_i = a_i for the kept ones, y_j = b_j exp(s_j(a)) + t_j(a) for the changed ones; the s_j and t_j are applied
    functions of all of a, of which nothing is known.
    """
    import sympy

    a = sympy.symbols(f"a1:{kept + 1}", real=True)
    b = sympy.symbols(f"b1:{changed + 1}", real=True)
    s = [sympy.Function(f"s{j + 1}", real=True)(*a) for j in range(changed)]
    t = [sympy.Function(f"t{j + 1}", real=True)(*a) for j in range(changed)]
    y = sympy.Matrix([*a, *(bj * sympy.exp(sj) + tj for bj, sj, tj in zip(b, s, t, strict=True))])
    return y.jacobian([*a, *b]), sympy.Add(*s)
