"""Rewriting a true formula into a computable one: same value, no needless overflow, no needless cancellation."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import sympy

__all__ = ["computable", "sigmoid", "softplus"]


@functools.cache
def softplus() -> Any:  # noqa: ANN401 - a SymPy function class, made when it is first wanted
    """A SymPy function for log(1 + exp(u)), evaluated without overflow."""
    import sympy

    class softplus(sympy.Function):  # SymPy prints this name
        nargs = 1

        def fdiff(self, argindex: int = 1) -> sympy.Expr:
            return sigmoid()(self.args[0])

        def _eval_rewrite_as_log(self, u: sympy.Expr, **_: object) -> sympy.Expr:
            return sympy.log(1 + sympy.exp(u))

    return softplus


@functools.cache
def sigmoid() -> Any:  # noqa: ANN401
    """A SymPy function for 1 / (1 + exp(-u)), evaluated without overflow."""
    import sympy

    class sigmoid(sympy.Function):
        nargs = 1

        def fdiff(self, argindex: int = 1) -> Any:  # noqa: ANN401
            made: Any = sigmoid  # the class; SymPy's types take an applied function for one that is not
            return made(self.args[0]) * made(-self.args[0])  # pyright: ignore[reportOperatorIssue]

        def _eval_rewrite_as_exp(self, u: sympy.Expr, **_: object) -> sympy.Expr:
            return 1 / (1 + sympy.exp(-u))

    return sigmoid


def computable(expression: sympy.Expr) -> Any:  # noqa: ANN401 - a SymPy expression
    """Rewrite an expression so that it can be computed over the range of a floating-point type.

    - logarithms of products, quotients and powers become sums: log σ^(2τ²) = 2τ² log σ, where the symbols allow it;
    - c exp(u) - c becomes c expm1(u), log(1 + u) becomes log1p(u), log(1 + exp u) becomes softplus(u);
    - 1/(1 + exp(-u)) becomes sigmoid(u).

    What the rewriting does not do is distribute products over sums: (x - μ)/σ must not become x/σ - μ/σ.

    Source: Goldberg 1991, theorem 4 (log1p); Kahan, for expm1 (see Higham 2002, section 1.14.1).

    >>> import sympy
    >>> s, t = sympy.symbols("s t", positive=True)
    >>> computable(sympy.log(s ** (2 * t**2)))
    2*t**2*log(s)
    >>> computable(sympy.log(1 + sympy.exp(s)))
    softplus(s)
    """
    import sympy

    return _rewrite(sympy.expand_log(sympy.sympify(expression), deep=True))


def _rewrite(node: Any) -> Any:  # noqa: ANN401 - any SymPy node
    import sympy

    if not node.args:
        return node
    node = node.func(*(_rewrite(argument) for argument in node.args)) if not node.is_Relational else node
    if isinstance(node, sympy.log):
        return _log(node.args[0])
    if node.is_Add:
        return _add(node)
    if node.is_Pow and node.exp.is_Integer and node.exp < 0 and _sigmoid_argument(node.base) is not None:
        return sigmoid()(_sigmoid_argument(node.base)) ** (-node.exp)
    return node


def _sigmoid_argument(node: Any) -> Any:  # noqa: ANN401
    """U when node is 1 + exp(-u)."""
    import sympy

    rest: Any = sympy.Add(node, -1) if node.is_Add else None
    return -rest.args[0] if rest is not None and rest.func == sympy.exp else None


def _log(argument: Any) -> Any:  # noqa: ANN401
    import sympy
    from sympy.codegen.cfunctions import log1p

    if argument.is_Add and argument.free_symbols:
        constant, rest = argument.as_coeff_Add()
        if constant == 1:
            return softplus()(rest.args[0]) if isinstance(rest, sympy.exp) else log1p(rest)
    return sympy.log(argument)


def _add(node: Any) -> Any:  # noqa: ANN401
    """C exp(u) - c → c expm1(u), for the first such pair."""
    import sympy
    from sympy.codegen.cfunctions import expm1

    constant, rest = node.as_coeff_Add()
    if constant == 0:
        return node
    for term in sympy.Add.make_args(rest):
        factor, power = term.as_coeff_Mul()
        if isinstance(power, sympy.exp) and factor == -constant and power.free_symbols:
            return rest - term + factor * expm1(power.args[0])
    return node
