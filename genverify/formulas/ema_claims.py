"""What is claimed of exponential moving averages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from genverify.claims import Status, claim

if TYPE_CHECKING:
    import sympy

__all__ = ["CLOSED_FORM", "CONSTANT"]


def _induction() -> sympy.Basic:
    """The step from n values to n + 1."""
    import sympy

    beta = sympy.Symbol("beta", positive=True)
    n, i = sympy.symbols("n i", integer=True, positive=True)
    theta: Any = sympy.IndexedBase("theta", real=True)
    closed = beta ** (n - 1) * theta[1] + sympy.Sum((1 - beta) * beta ** (n - i) * theta[i], (i, 2, n))
    return sympy.Eq(beta * closed + (1 - beta) * theta[n + 1], closed.subs(n, n + 1), evaluate=False)


def _weights() -> sympy.Basic:
    import sympy

    beta = sympy.Symbol("beta", positive=True)
    n, i = sympy.symbols("n i", integer=True, positive=True)
    return sympy.Eq(sympy.Sum((1 - beta) * beta ** (n - i), (i, 1, n)), 1 - beta**n, evaluate=False)


CLOSED_FORM = claim(
    "ema.weights.closed_form", Status.DERIVED,
    statement="θ̄ ← β θ̄ + (1 − β) θ begun at θ₁ is β^(n−1) θ₁ + Σ_{i=2}^n (1 − β) β^(n−i) θ_i after n values",
    source="Kingma & Ba 2015, section 7.2", assumptions=("0 < β < 1",), equation=_induction,
)  # fmt: skip

CONSTANT = claim(
    "ema.weights_bias_corrected.constant", Status.DERIVED,
    statement="begun at zero, the weights of the average add up to 1 − βⁿ; divided by that, the average of a "
    "constant is the constant, from the first step on",
    source="Kingma & Ba 2015, section 3", assumptions=("0 < β < 1",), equation=_weights,
)  # fmt: skip
