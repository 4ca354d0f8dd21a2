"""Jacobians of flows in SymPy, for maps of which nothing more is known than their form."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sympy

__all__ = ["autoregressive", "batch_of_two", "householder", "planar", "radial", "sylvester"]


@functools.cache
def autoregressive(size: int) -> tuple[sympy.Matrix, sympy.Expr]:
    """The Jacobian of u_i = (x_i − μ_i) e^(−α_i), with μ_i and α_i applied functions of x_1 … x_(i−1), and −Σ α_i.

    Source: Papamakarios, Pavlakou & Murray 2017, eqs. 3–5.
    """
    import sympy

    x = sympy.symbols(f"x1:{size + 1}", real=True)
    # The first ones depend on nothing.
    mean = [sympy.Function(f"mu{i + 1}", real=True)(*x[:i]) if i else sympy.Symbol("mu1") for i in range(size)]
    log = [sympy.Function(f"alpha{i + 1}", real=True)(*x[:i]) if i else sympy.Symbol("alpha1") for i in range(size)]
    image = sympy.Matrix([(x[i] - mean[i]) * sympy.exp(-log[i]) for i in range(size)])
    return image.jacobian(x), -sympy.Add(*log)


@functools.cache
def planar(size: int) -> tuple[sympy.Matrix, sympy.Expr]:
    """The Jacobian of x + u h(wᵀx + b) with an applied function h, and 1 + h′ wᵀu.

    Source: Rezende & Mohamed 2015, eqs. 10–12.
    """
    import sympy

    x, w, u = (sympy.symbols(f"{name}1:{size + 1}", real=True) for name in "xwu")
    b, a = sympy.Symbol("b", real=True), sympy.Symbol("a", real=True)
    h = sympy.Function("h")
    inner = sum((wi * xi for wi, xi in zip(w, x, strict=True)), b)
    image = sympy.Matrix([xi + ui * h(inner) for xi, ui in zip(x, u, strict=True)])
    slope = sympy.Derivative(h(a), a).subs(a, inner)
    product = sympy.Add(*(wi * ui for wi, ui in zip(w, u, strict=True)))
    return image.jacobian(x), 1 + slope * product


@functools.cache
def radial(size: int) -> tuple[sympy.Matrix, sympy.Expr]:
    """The Jacobian of c + (1 + β h(r)) (x − c) with h = 1/(α + r), and (1 + β h)^(D−1) (1 + β h − β r h²).

    Source: Rezende & Mohamed 2015, eq. 14.
    """
    import sympy

    d = sympy.symbols(f"d1:{size + 1}", positive=True)  # x − c; a shift changes no derivative
    alpha = sympy.Symbol("alpha", positive=True)
    beta = sympy.Symbol("beta", real=True)
    r = sympy.sqrt(sympy.Add(*(di**2 for di in d)))
    h = 1 / (alpha + r)
    image = sympy.Matrix([di * (1 + beta * h) for di in d])
    return image.jacobian(d), (1 + beta * h) ** (size - 1) * (1 + beta * h - beta * r * h**2)


@functools.cache
def sylvester(size: int, rank: int) -> tuple[sympy.Expr, sympy.Expr]:
    """det(I + A B) for A [size, rank] and B [rank, size] of symbols, and det(I + B A).

    Source: Sylvester 1851; van den Berg et al. 2018, theorem 1.
    """
    import sympy

    a = sympy.Matrix(size, rank, sympy.symbols(f"a1:{size * rank + 1}", real=True))
    b = sympy.Matrix(rank, size, sympy.symbols(f"b1:{size * rank + 1}", real=True))
    return (sympy.eye(size) + a * b).det(), (sympy.eye(rank) + b * a).det()


@functools.cache
def householder(size: int) -> sympy.Matrix:
    """I − 2 v vᵀ/‖v‖² for a vector of symbols."""
    import sympy

    v = sympy.Matrix(sympy.symbols(f"v1:{size + 1}", positive=True))
    return sympy.eye(size) - 2 * v * v.T / (v.T * v)[0]


@functools.cache
def batch_of_two() -> tuple[sympy.Expr, sympy.Expr]:
    """(x₁ − μ)/√(v + ε) of a batch of two numbers with its own moments, and the determinant of the batch's Jacobian.

    Source: Ioffe & Szegedy 2015, algorithm 1.
    """
    import sympy

    x1, x2 = sympy.symbols("x1 x2", real=True)
    eps = sympy.Symbol("epsilon", positive=True)
    mean = (x1 + x2) / 2
    variance = ((x1 - mean) ** 2 + (x2 - mean) ** 2) / 2
    image = sympy.Matrix([(x1 - mean) / sympy.sqrt(variance + eps), (x2 - mean) / sympy.sqrt(variance + eps)])
    first: sympy.Expr = image.tolist()[0][0]
    return first, sympy.simplify(image.jacobian([x1, x2]).det())
