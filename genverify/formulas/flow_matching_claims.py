"""Claims on flow matching."""

from __future__ import annotations

from typing import TYPE_CHECKING

from genverify.claims import Status, claim
from genverify.oracles import probability_path as oracle

if TYPE_CHECKING:
    import sympy

__all__ = ["MARGINAL", "VELOCITY"]


def _path() -> sympy.Basic:
    import sympy

    return sympy.Eq(sympy.Symbol("x_t"), oracle.path.expression, evaluate=False)


def _marginal() -> sympy.Basic:
    import sympy

    return sympy.Eq(sympy.Symbol("u(x, t)"), oracle.marginal_velocity.expression, evaluate=False)


VELOCITY = claim(
    "flow_matching.path.velocity", Status.DERIVED,
    statement="x₁ − (1 − σ_min) x₀ is the derivative of the path in t, and (x₁ − (1 − σ_min) x)/(1 − (1 − σ_min) t) "
    "is the "
    "same as a function of the point; the path ends at x₁ + σ_min x₀",
    source="Lipman et al. 2023, eqs. 20 to 23", equation=_path,
)  # fmt: skip

MARGINAL = claim(
    "flow_matching.loss.marginal", Status.DERIVED,
    statement="the loss is least at the mean velocity E[x₁ − x₀ | x_t], and this carries the density of x₀ to that "
    "of x₁: "
    "with noise N(0, 1) and data N(m, d²) it is linear in x and solves the continuity equation of the marginals",
    source="Lipman et al. 2023, theorems 1 and 2; Liu, Gong & Liu 2023, theorem 3.3", equation=_marginal,
    assumptions=("independent normal noise and data, in one dimension",),
)  # fmt: skip
