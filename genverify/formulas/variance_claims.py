"""What is claimed of the order of gradient estimators by variance."""

from __future__ import annotations

from typing import TYPE_CHECKING

from genverify.claims import Status, claim

if TYPE_CHECKING:
    import sympy

__all__ = ["NONE"]


def free_baseline_equation() -> sympy.Basic:
    """Var of ½ (f₁ − f₂)(s₁ − s₂) less that of two draws of (f − E f) s, by moments m_ij = E f^i s^j, E s² = 1."""
    import sympy

    f1, f2, s1, s2 = sympy.symbols("f1 f2 s1 s2")
    m = {(i, j): sympy.Symbol(f"m{i}{j}") for i in range(3) for j in range(3)}
    m |= {(0, 0): sympy.S.One, (0, 1): sympy.S.Zero, (0, 2): sympy.S.One}

    def mean(of: sympy.Expr) -> sympy.Expr:
        terms = sympy.Poly(sympy.expand(of), f1, s1, f2, s2).terms()
        return sympy.Add(*(c * m[(a, b)] * m[(i, j)] for (a, b, i, j), c in terms))

    free = (f1 - f2) * (s1 - s2) / 2
    known = (f1 - m[(1, 0)]) * s1
    left = mean(free**2) - mean(free) ** 2 - (mean(known**2) - mean(known) ** 2) / 2
    right = (m[(2, 0)] - m[(1, 0)] ** 2 + m[(1, 1)] ** 2) / 2
    return sympy.Eq(sympy.expand(left), right, evaluate=False)


NONE = claim(
    "variance_ordering.none",
    Status.REFUTED,
    statement="Gradient estimators are ordered by variance: score function, with a baseline, measure-valued, "
    "reparameterised, the last the lowest",
    source="common reading of the literature; Mohamed, Rosca, Figurnov & Mnih 2020, section 3, warn against it",
    counterexample="f(z) = sin 10z at μ = 0: 0.25 by the score, 0.32 measure-valued, 25 along the path, 50 along "
    "mirrored paths (two values of f each); a linear f has them the other way round",
    corrected="An order is stated per problem. In general only: the leave-one-out baseline of two samples has "
    "½ (Var f + g²) more variance than the baseline E f, for every f and a score of variance one",
    equation=free_baseline_equation,
)
