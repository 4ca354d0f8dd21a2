"""Closed forms as functions of mpmath numbers at a fixed precision, compiled: thousands of values a second.

`ClosedForm.mpmath` evaluates the expression as derived and doubles the precision until it is sure, which takes
milliseconds a value. Here the *rewritten* expression is compiled, whose sums do not cancel needlessly, so that a fixed
number of guard bits is enough; a test compares the two over the whole range of float64.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from .closed_form import ClosedForm
from .evaluation import mpmath_arithmetic

__all__ = ["WORKING_BITS", "exact_cross_entropy", "exact_scalar", "exact_softmax"]

# A float64 number has 53; the difference of two of them is exact in 106 where it cancels.
WORKING_BITS = 160
# Beyond this e^x is out of reach of every floating-point type, and mpmath would spend its digits on the exponent.
_FAR = 10**5

Exact = Callable[..., Any]


@functools.cache
def _functions() -> dict[str, Any]:
    """Mpmath's functions, saturated where a floating-point type has nothing left to say."""
    import mpmath as mp

    def exp(x: Any) -> Any:  # noqa: ANN401 - mpmath has no types
        return mp.exp(max(-_FAR, min(_FAR, x)))

    return {
        **mpmath_arithmetic().functions,
        "exp": exp,
        "expm1": lambda x: mp.expm1(max(-_FAR, min(_FAR, x))),
        "tanh": lambda x: mp.tanh(max(-_FAR, min(_FAR, x))),
        "sigmoid": lambda x: 1 / (1 + exp(-x)),
        "softplus": lambda x: x if x > _FAR else mp.log1p(exp(x)),
        "erfc": lambda x: mp.mpf(0) if x > _FAR else mp.erfc(x),
    }


def exact_scalar(form: ClosedForm) -> Exact:
    """The closed form as a function of numbers, given by place, at `WORKING_BITS` bits.

    >>> from genverify.oracles import activation
    >>> float(exact_scalar(activation.sigmoid)(0.0))
    0.5
    """

    @functools.cache
    def compiled() -> Exact:
        import sympy

        (expression,) = form.rewritten
        return sympy.lambdify(form.symbols, expression, modules=[_functions(), "mpmath"])

    def exact(*numbers: float) -> Any:  # noqa: ANN401 - an mpf
        import mpmath as mp

        with mp.workprec(WORKING_BITS):
            return mp.mpf(compiled()(*(mp.mpf(number) for number in numbers)))

    return exact


def _log_softmax(logits: Sequence[float]) -> list[Any]:
    """−log1p(Σ_{j≠i} e^(x_j − x_i)): no difference of two large numbers is left."""
    import mpmath as mp

    functions = _functions()
    xs = [mp.mpf(x) for x in logits]
    found = []
    for i, x in enumerate(xs):
        gaps = [other - x for j, other in enumerate(xs) if j != i]
        top = max([*gaps, mp.mpf(0)])
        if top > _FAR:
            found.append(-top - mp.log(sum((functions["exp"](gap - top) for gap in gaps), mp.mpf(0))))
        else:
            found.append(-mp.log1p(sum((functions["exp"](gap) for gap in gaps), mp.mpf(0))))
    return found


def exact_softmax(*, log: bool) -> Exact:
    """Softmax or its logarithm of a row of logits, as a list.

    >>> [float(p) for p in exact_softmax(log=False)([0.0, 0.0])]
    [0.5, 0.5]
    """

    def exact(logits: Sequence[float]) -> list[Any]:
        import mpmath as mp

        with mp.workprec(WORKING_BITS):
            rows = _log_softmax(logits)
            return rows if log else [_functions()["exp"](row) for row in rows]

    return exact


def exact_cross_entropy(combine: Callable[..., Any]) -> Exact:
    """A loss of a row of logits: ``combine(log_probabilities, …)`` with what else the row and the dialect have.

    >>> float(exact_cross_entropy(lambda rows, target: -rows[target])([0.0, 0.0], 1))
    0.6931471805599453
    """

    def exact(logits: Sequence[float], *rest: Any, **dialect: Any) -> Any:  # noqa: ANN401
        import mpmath as mp

        with mp.workprec(WORKING_BITS):
            return mp.mpf(combine(_log_softmax(logits), *rest, **dialect))

    return exact
