"""Weak derivatives of laws, integrated by SymPy: each side of the identity on its own."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from .estimators import standard_expectation

if TYPE_CHECKING:
    import sympy

__all__ = ["maxwell_equation", "normal_equation", "poisson_equation"]


def _rayleigh(of: sympy.Expr, w: sympy.Symbol) -> sympy.Expr:
    """E of a polynomial in W, of density w exp(-w²/2) on w > 0, term by term."""
    import sympy

    terms = sympy.Poly(of, w).terms()
    return sympy.Add(*(coefficient * _rayleigh_moment(power) for (power,), coefficient in terms))


@functools.lru_cache(maxsize=32)
def _rayleigh_moment(power: int) -> Any:  # noqa: ANN401 - a SymPy expression
    import sympy

    w = sympy.Symbol("w", positive=True)
    return sympy.integrate(w ** (power + 1) * sympy.exp(-(w**2) / 2), (w, 0, sympy.oo))


def normal_equation() -> sympy.Basic:
    """The derivative in μ, both ways, for f(z) = a z³ + b z² + c z.

    >>> equation = normal_equation()
    >>> bool((equation.lhs - equation.rhs).simplify() == 0)
    True
    """
    import sympy

    a, b, c, mu = sympy.symbols("a b c mu", real=True)
    sigma, w = sympy.symbols("sigma w", positive=True)
    e = sympy.Symbol("epsilon", real=True)

    def f(z: sympy.Expr) -> sympy.Expr:
        return a * z**3 + b * z**2 + c * z

    weak = _rayleigh(f(mu + sigma * w) - f(mu - sigma * w), w) / (sigma * sympy.sqrt(2 * sympy.pi))
    exact = sympy.diff(standard_expectation(f(mu + sigma * e), e), mu)
    return sympy.Eq(sympy.expand(weak), sympy.expand(exact), evaluate=False)


def maxwell_equation() -> sympy.Basic:
    """The derivative in σ, both ways, for f(z) = a z⁴ + b z³ + c z²: two-sided Maxwell less normal, over σ.

    >>> equation = maxwell_equation()
    >>> bool((equation.lhs - equation.rhs).simplify() == 0)
    True
    """
    import sympy

    a, b, c, mu = sympy.symbols("a b c mu", real=True)
    sigma = sympy.Symbol("sigma", positive=True)
    e = sympy.Symbol("epsilon", real=True)

    def f(z: sympy.Expr) -> sympy.Expr:
        return a * z**4 + b * z**3 + c * z**2

    moved = f(mu + sigma * e)
    # The two-sided Maxwell density is e² φ(e).
    weak = (standard_expectation(moved * e**2, e) - standard_expectation(moved, e)) / sigma
    return sympy.Eq(sympy.expand(weak), sympy.expand(sympy.diff(standard_expectation(moved, e), sigma)), evaluate=False)


def poisson_equation() -> sympy.Basic:
    """d/dλ p(k) = p(k - 1) - p(k) for k ≥ 1.

    >>> equation = poisson_equation()
    >>> bool((equation.lhs - equation.rhs).simplify() == 0)
    True
    """
    import sympy

    rate = sympy.Symbol("lambda", positive=True)
    k = sympy.Symbol("k", integer=True, positive=True)

    def mass(n: sympy.Expr) -> sympy.Expr:
        return rate**n * sympy.exp(-rate) / sympy.gamma(n + 1)

    left = sympy.simplify(sympy.diff(mass(k), rate))
    right = sympy.gammasimp(sympy.simplify(mass(k - 1) - mass(k)))
    return sympy.Eq(left, right, evaluate=False)
