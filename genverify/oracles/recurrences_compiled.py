"""The symbols of recurrences, and their expressions as functions of balls or of mpmath's numbers."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from genverify.oracles.recurrences_reductions import reductions, reductions_in_mpmath
from genverify.oracles.running_error import running_error_arithmetic

if TYPE_CHECKING:
    import sympy

__all__ = ["compiled", "evaluated", "held_in_float32", "names_in", "ready", "symbol", "symbols"]


def symbol(name: str) -> sympy.Symbol:
    """The real symbol of that name; every recurrence is written in these.

    >>> symbol("g") is symbol("g")
    True
    """
    import sympy

    return sympy.Symbol(name, real=True)


def symbols(names: str) -> tuple[sympy.Symbol, ...]:
    """The real symbols of these names."""
    return tuple(symbol(name) for name in names.split())


def held_in_float32(expression: sympy.Expr) -> sympy.Expr:
    """A number that implementations hold in float32, whatever the dtype of the parameters."""
    import sympy

    return sympy.Function("single", real=True)(expression)


def evaluated(expression: sympy.Expr, values: Mapping[str, Any]) -> Any:  # noqa: ANN401 - a ball or a layout
    """The expression's ball, from those of its symbols."""
    function, arguments = compiled(expression, "balls")
    return function(*[values[argument] for argument in arguments])


@functools.lru_cache(maxsize=4096)
def names_in(expression: sympy.Expr) -> tuple[str, ...]:
    """The names of the expression's symbols, in order; SymPy spells them anew each time that it is asked."""
    return tuple(sorted(str(one) for one in expression.free_symbols))


@functools.lru_cache(maxsize=4096)
def compiled(expression: sympy.Expr, arithmetic: str) -> tuple[Callable[..., Any], tuple[str, ...]]:
    """The expression as a function of the names that follow it, in the arithmetic ``balls`` or ``mpmath``."""
    import sympy

    plain = ready(expression)
    arguments = names_in(plain)
    function = sympy.lambdify([symbol(name) for name in arguments], plain, modules=[_namespace(arithmetic)])
    return function, arguments


@functools.cache
def _namespace(arithmetic: str) -> dict[str, Any]:
    if arithmetic == "balls":
        return {**running_error_arithmetic(), **reductions()}
    import mpmath
    import numpy as np

    def elementwise(function: Callable[..., Any], count: int) -> Any:  # noqa: ANN401 - NumPy's ufunc
        return np.frompyfunc(function, count, 1)

    def folded(choose: Callable[[Any, Any], Any]) -> Callable[..., Any]:
        return lambda *numbers: functools.reduce(elementwise(choose, 2), numbers)

    return {
        "sqrt": elementwise(mpmath.sqrt, 1),
        "Max": folded(max),
        "Min": folded(min),
        "Abs": abs,
        "sign_of": elementwise(mpmath.sign, 1),
        "at_first": lambda t, first, later: first if t == 1 else later,
        "if_positive": elementwise(lambda x, then, otherwise: then if x > 0 else otherwise, 3),
        "single": lambda x: x,
        **reductions_in_mpmath(),
    }


@functools.lru_cache(maxsize=4096)
def ready(expression: sympy.Expr) -> sympy.Expr:
    """The expression with its cases as functions that work on tensors, too."""
    import sympy

    plain = expression.replace(sympy.Piecewise, _chosen)
    plain = plain.replace(sympy.sign, sympy.Function("sign_of", real=True))  # SymPy prints its own as copysign
    assert isinstance(plain, sympy.Expr)
    return plain


def _chosen(*branches: Any) -> sympy.Expr:  # noqa: ANN401 - (value, condition) pairs of SymPy
    """Nested choices between two, each by the sign of one number (or by the first step)."""
    import sympy

    (value, condition), *rest = branches
    if condition == sympy.true:
        return value
    otherwise = _chosen(*rest)
    if condition == sympy.Eq(symbol("t"), 1):
        return sympy.Function("at_first", real=True)(symbol("t"), value, otherwise)
    choose = sympy.Function("if_positive", real=True)
    if isinstance(condition, sympy.StrictGreaterThan | sympy.StrictLessThan):
        return choose(sympy.Add(condition.gts, -1 * condition.lts), value, otherwise)  # type: ignore[operator]
    assert isinstance(condition, sympy.GreaterThan | sympy.LessThan), f"a case of a recurrence is cut by {condition}"
    return choose(sympy.Add(condition.lts, -1 * condition.gts), otherwise, value)  # type: ignore[operator]
