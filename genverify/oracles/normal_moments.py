"""Expectations of polynomials in independent standard normal variables, each moment integrated by SymPy."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sympy

__all__ = ["normal_mean"]


@functools.cache
def _moment(k: int) -> sympy.Expr:
    import sympy

    z = sympy.Symbol("z", real=True)
    density = sympy.exp(-(z**2) / 2) / sympy.sqrt(2 * sympy.pi)
    return sympy.integrate(z**k * density, (z, -sympy.oo, sympy.oo))


def normal_mean(polynomial: sympy.Expr, *symbols: sympy.Symbol) -> sympy.Expr:
    """The expectation of a polynomial whose `symbols` are independent standard normal variables.

    E Σ c_ij ε₁^i ε₂^j = Σ c_ij E ε₁^i · E ε₂^j

    Raises:
        sympy.PolynomialError: it is no polynomial in these symbols.

    Source: linearity and independence; the moments are integrated here.

    >>> import sympy
    >>> e, f, a = sympy.symbols("e f a", real=True)
    >>> normal_mean((a * e + f) ** 2, e, f)
    a**2 + 1
    """
    import sympy

    total = sympy.S.Zero
    for powers, coefficient in sympy.Poly(sympy.expand(polynomial), *symbols).terms():
        total += sympy.prod([coefficient, *(_moment(power) for power in powers)])
    return sympy.expand(total)
