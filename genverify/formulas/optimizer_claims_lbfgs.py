"""What is claimed of L-BFGS: on a quadratic, with exact line searches, it is the method of conjugate gradients."""

from __future__ import annotations

from typing import TYPE_CHECKING

from genverify.claims import Status, claim

if TYPE_CHECKING:
    import sympy

__all__ = ["CONJUGATE"]


def _direction() -> sympy.Basic:
    import sympy

    gamma, gg, yg, ys = sympy.symbols("gamma g y^Tg y^Ts")
    s, d = sympy.symbols("s d")
    return sympy.Eq(d, -gamma * (gg - yg / ys * s), evaluate=False)


CONJUGATE = claim(
    "lbfgs.conjugate_gradients", Status.DERIVED,
    statement="on ½ θᵀAθ - bᵀθ with A positive definite and exact line searches, L-BFGS with any memory m ≥ 1 makes "
    "the steps of conjugate gradients, and is at the minimum after n of them at most",
    source="Nazareth 1979; Nocedal & Wright 2006, sections 7.2 and 5.1 (theorem 5.1)",
    assumptions=("exact arithmetic", "every pair is kept", "H₀ is a positive multiple of the identity"),
    equation=_direction,
)  # fmt: skip
