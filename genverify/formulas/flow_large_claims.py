"""What is claimed of determinants that are composed: cuts, and rows with one entry."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from genverify.claims import Status, claim

if TYPE_CHECKING:
    import sympy

__all__ = ["CUT", "PEEL"]


def _cut() -> sympy.Basic:
    import sympy

    first, second = (sympy.Matrix(2, 2, sympy.symbols(f"{name}_11 {name}_12 {name}_21 {name}_22")) for name in "ab")
    det: Callable[[Any], Any] = sympy.det
    return sympy.Eq(det(first * second), det(first) * det(second), evaluate=False)


def _peel() -> sympy.Basic:
    import sympy

    a, b, c, d, e, f, g = sympy.symbols("a b c d e f g")
    matrix = sympy.Matrix([[b, c, d], [0, a, 0], [e, f, g]])
    return sympy.Eq(matrix.det(), a * matrix.extract([0, 2], [0, 2]).det(), evaluate=False)


CUT = claim(
    "change_of_variables.cut", Status.DERIVED,
    statement="where y depends on x through t alone, which has as many numbers, log|det ∂y/∂x| = log|det ∂y/∂t| + "
    "log|det ∂t/∂x|; and it does if and only if (∂y/∂x)ᵀv = (∂t/∂x)ᵀ(∂y/∂t)ᵀv for all v, for almost every v",
    source="chain rule; Papamakarios et al. 2021, eq. 11",
    assumptions=("all derivatives exist", "two numbers, for the algebra executed"), equation=_cut,
)  # fmt: skip
PEEL = claim(
    "change_of_variables.peel", Status.DERIVED,
    statement="where x_j moves y_i alone, |det J| is |∂y_i/∂x_j| times that of J without row i and column j",
    source="Laplace 1772, expansion along a column",
    assumptions=("three numbers, for the algebra executed",), equation=_peel,
)  # fmt: skip
