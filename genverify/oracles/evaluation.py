"""One evaluator of SymPy expressions, two arithmetics: torch (any dtype, differentiable) and mpmath (any precision).

The tree that is displayed is the tree that runs; there is no generated source in between. Two things are done for the
sake of range and accuracy, and neither changes the value: a product is evaluated as a product of quotients, pairing
numerators with denominators, so that σ²/τ² is (σ/τ)(σ/τ), which does not overflow with σ²; and parts without symbols
are evaluated once, by mpmath.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from genverify.errors import UsageError, nearest

if TYPE_CHECKING:
    import sympy

__all__ = ["evaluate", "mpmath_arithmetic", "torch_arithmetic"]

# Powers up to this are written as repeated factors, so that they can be paired with denominators.
_REPEATED = 32


@dataclass(frozen=True, kw_only=True)
class Arithmetic:
    """What an evaluation needs to know of its numbers: constants, powers, choice, and functions by SymPy's name."""

    name: str
    constant: Callable[[sympy.Expr], Any]
    power: Callable[[Any, Any], Any]
    where: Callable[[Any, Any, Any], Any]
    functions: Mapping[str, Callable[..., Any]]


def _tensor(x: object) -> torch.Tensor:
    return x if isinstance(x, torch.Tensor) else torch.as_tensor(x, dtype=torch.float64)


def _unary(function: Callable[[torch.Tensor], torch.Tensor]) -> Callable[[Any], torch.Tensor]:
    return lambda x: function(_tensor(x))


def _like(a: object, b: object) -> tuple[torch.Tensor, torch.Tensor]:
    """Two operands as tensors: a number takes the dtype and the device of the tensor beside it."""
    if isinstance(a, torch.Tensor) and not isinstance(b, torch.Tensor):
        return a, torch.as_tensor(b, dtype=a.dtype, device=a.device)
    if isinstance(b, torch.Tensor) and not isinstance(a, torch.Tensor):
        return torch.as_tensor(a, dtype=b.dtype, device=b.device), b
    return _tensor(a), _tensor(b)


def _torch_power(base: Any, exponent: Any) -> Any:  # noqa: ANN401 - numbers or tensors
    if isinstance(exponent, torch.Tensor):
        return torch.pow(*_like(base, exponent))
    if exponent == 0.5:
        return torch.sqrt(_tensor(base))
    if exponent == -0.5:
        return torch.rsqrt(_tensor(base))
    return torch.pow(_tensor(base), exponent)


@functools.lru_cache(maxsize=4096)
def _torch_constant(expression: sympy.Expr) -> float:
    import mpmath
    import sympy

    with mpmath.workdps(40):
        return float(sympy.lambdify((), expression, modules="mpmath")())


@functools.cache
def torch_arithmetic() -> Arithmetic:
    """Torch operations only: every dtype and device, broadcasting, differentiable, usable under torch.func."""
    unary = {
        "Abs": torch.abs, "acos": torch.acos, "acosh": torch.acosh, "asin": torch.asin, "asinh": torch.asinh,
        "atan": torch.atan, "atanh": torch.atanh, "ceiling": torch.ceil, "cos": torch.cos, "cosh": torch.cosh,
        "erf": torch.erf, "erfc": torch.erfc, "erfinv": torch.erfinv, "exp": torch.exp, "expm1": torch.expm1,
        "floor": torch.floor, "gamma": lambda x: torch.exp(torch.lgamma(x)), "log": torch.log, "log1p": torch.log1p,
        "loggamma": torch.lgamma, "digamma": torch.digamma, "sign": torch.sign, "sin": torch.sin, "sinh": torch.sinh,
        "tan": torch.tan, "tanh": torch.tanh, "sigmoid": torch.sigmoid, "Not": torch.logical_not,
        "softplus": lambda x: torch.logaddexp(x, torch.zeros_like(x)),
    }  # fmt: skip
    functions: dict[str, Callable[..., Any]] = {name: _unary(function) for name, function in unary.items()}
    functions |= {
        "Max": lambda *xs: functools.reduce(lambda a, b: torch.maximum(*_like(a, b)), xs),
        "Min": lambda *xs: functools.reduce(lambda a, b: torch.minimum(*_like(a, b)), xs),
        "And": lambda *xs: functools.reduce(lambda a, b: torch.logical_and(*_like(a, b)), xs),
        "Or": lambda *xs: functools.reduce(lambda a, b: torch.logical_or(*_like(a, b)), xs),
        "Heaviside": lambda x, middle=0.5: torch.heaviside(_tensor(x), _like(x, middle)[1]),
        "polygamma": lambda n, x: torch.polygamma(int(n), _tensor(x)),
        "atan2": lambda y, x: torch.atan2(*_like(y, x)),
    }
    return Arithmetic(
        name="torch",
        constant=_torch_constant,
        power=_torch_power,
        where=lambda condition, a, b: torch.where(torch.as_tensor(condition), *_like(a, b)),
        functions=functions,
    )


def _mpmath_constant(expression: sympy.Expr) -> Any:  # noqa: ANN401 - an mpf; mpmath has no types
    import sympy

    return sympy.lambdify((), expression, modules="mpmath")()


def _mpmath_erfc(x: Any) -> Any:  # noqa: ANN401
    """The complementary error function for all arguments: mpmath's own overflows an integer beyond about 1e150."""
    import mpmath as mp

    if abs(x) < 10**8:
        return mp.erfc(x)
    if x < 0:
        return 2 - _mpmath_erfc(-x)
    # Abramowitz & Stegun 7.1.23; the terms fall by 10^16 each until far beyond any precision asked for here.
    term = total = mp.mpf(1)
    for n in range(1, 10**4):
        term *= -(2 * n - 1) / (2 * x * x)
        total += term
        if abs(term) < mp.eps:
            break
    return mp.exp(-x * x) / (x * mp.sqrt(mp.pi)) * total


@functools.cache
def mpmath_arithmetic() -> Arithmetic:
    """Mpmath operations, in the precision of the context that is current when they run."""
    import mpmath as mp

    same = ("acos", "acosh", "asin", "asinh", "atan", "atan2", "atanh", "cos", "cosh", "erf", "erfinv", "exp",
            "expm1", "floor", "gamma", "log", "log1p", "loggamma", "digamma", "sign", "sin", "sinh", "tan",
            "tanh")  # fmt: skip
    functions: dict[str, Callable[..., Any]] = {name: getattr(mp, name) for name in same}
    functions |= {
        "Abs": abs,
        "erfc": _mpmath_erfc,
        "ceiling": mp.ceil,
        "Max": max,
        "Min": min,
        "And": lambda *xs: all(xs),
        "Or": lambda *xs: any(xs),
        "Not": operator.not_,
        "Heaviside": lambda x, middle=0.5: mp.mpf(1) if x > 0 else mp.mpf(0) if x < 0 else middle,
        "polygamma": lambda n, x: mp.polygamma(int(n), x),
        "sigmoid": lambda x: 1 / (1 + mp.exp(-x)),
        "softplus": lambda x: mp.log1p(mp.exp(x)),
    }
    return Arithmetic(
        name="mpmath",
        constant=_mpmath_constant,
        power=lambda base, exponent: mp.power(base, exponent),
        where=lambda condition, a, b: a if condition else b,
        functions=functions,
    )


_COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    "StrictGreaterThan": operator.gt,
    "GreaterThan": operator.ge,
    "StrictLessThan": operator.lt,
    "LessThan": operator.le,
    "Equality": operator.eq,
    "Unequality": operator.ne,
}


def evaluate(expression: sympy.Basic, values: Mapping[Any, Any], arithmetic: Arithmetic) -> Any:  # noqa: ANN401
    """The value of a SymPy expression at `values`, computed in the given arithmetic; equal subtrees run once.

    Raises:
        UsageError: the expression holds a symbol without a value, or a function that the arithmetic does not know.

    >>> import sympy
    >>> x = sympy.Symbol("x")
    >>> evaluate(sympy.exp(x) / 2, {x: torch.tensor([0.0])}, torch_arithmetic())
    tensor([0.5000])
    """
    return _Evaluation(dict(values), arithmetic)(expression)


def _interleaved(factors: list[Any]) -> list[Any]:
    """Equal factors apart from each other: in t·log(s)·t, unlike t·t·log(s), a zero comes before the overflow."""
    rounds: dict[Any, int] = {}
    keyed = []
    for factor in factors:
        keyed.append((rounds.setdefault(factor, 0), factor))
        rounds[factor] += 1
    return [factor for _, factor in sorted(keyed, key=lambda pair: pair[0])]


# What a tree looks like is worked out once, however often it is evaluated: SymPy walks a subtree for each question.
@functools.lru_cache(maxsize=1 << 14)
def _is_constant(node: Any) -> bool:  # noqa: ANN401 - a SymPy node
    return not node.free_symbols


@functools.lru_cache(maxsize=1 << 13)
def _sum(arguments: tuple[Any, ...]) -> tuple[list[Any], Any]:
    """(terms with a symbol, the sum of the others or None)."""
    import sympy

    constants = [a for a in arguments if _is_constant(a)]
    return [a for a in arguments if not _is_constant(a)], sympy.Add(*constants) if constants else None


@functools.lru_cache(maxsize=1 << 13)
def _product(arguments: tuple[Any, ...]) -> tuple[Any, list[Any], list[Any]]:
    """(the coefficient, numerators, denominators), small integer powers written out."""
    import sympy

    above, below = [], []
    for node in arguments:
        if _is_constant(node):
            continue
        base, exponent = node.as_base_exp()
        if not node.is_Pow:
            above.append(node)
        elif exponent.is_Integer and abs(int(exponent)) <= _REPEATED:
            (above if exponent > 0 else below).extend([base] * abs(int(exponent)))
        elif exponent.could_extract_minus_sign():
            below.append(node.func(base, -exponent))
        else:
            above.append(node)
    return sympy.Mul(*[a for a in arguments if _is_constant(a)]), _interleaved(above), _interleaved(below)


class _Evaluation:
    """One pass over a tree; what has been computed is remembered."""

    def __init__(self, known: dict[Any, Any], arithmetic: Arithmetic) -> None:
        self.known, self.arithmetic = known, arithmetic

    def __call__(self, node: Any) -> Any:  # noqa: ANN401 - a SymPy node in, a number of the arithmetic out
        if node not in self.known:
            self.known[node] = self._compute(node)
        return self.known[node]

    def _compute(self, node: Any) -> Any:  # noqa: ANN401
        if node.is_Boolean and not node.args:
            return bool(node)
        if _is_constant(node) and not node.is_Boolean:
            return self.arithmetic.constant(node)
        if node.is_Symbol:
            known = ", ".join(str(symbol) for symbol in self.known if getattr(symbol, "is_Symbol", False))
            raise UsageError(given=f"no value for {node}", expected=f"all of its symbols (have {known})", do="pass it")
        if node.is_Add:
            return self._add(node.args)
        if node.is_Mul:
            return self._mul(node.args)
        if node.is_Pow:
            return self._mul((node,)) if node.exp.is_Integer else self._pow(node.base, node.exp)
        if node.is_Piecewise:
            return self._piecewise(node.args)
        name = type(node).__name__
        if name in _COMPARE:
            return _COMPARE[name](self(node.lhs), self(node.rhs))
        if name not in self.arithmetic.functions:
            raise UsageError(
                given=f"the function {name} in an expression for {self.arithmetic.name}",
                expected="a function with an implementation there",
                do=nearest(name, self.arithmetic.functions),
            )
        return self.arithmetic.functions[name](*(self(argument) for argument in node.args))

    def _add(self, arguments: tuple[Any, ...]) -> Any:  # noqa: ANN401
        parts, constant = _sum(arguments)
        total = functools.reduce(operator.add, [self(part) for part in parts])
        return total if constant is None else total + self(constant)

    def _pow(self, base: Any, exponent: Any) -> Any:  # noqa: ANN401
        import sympy

        if self.arithmetic.name != "torch" or not exponent.is_Number:
            return self.arithmetic.power(self(base), self(exponent))
        rounded = float(exponent)
        power, lost = self.arithmetic.power(self(base), rounded), float(exponent - sympy.Rational(rounded))
        # An exponent such as 1/3 is rounded, which costs |log x| times its error: x^(e + d) = x^e (1 + d log x).
        return power if lost == 0.0 else power * (1.0 + lost * torch.log(_tensor(self(base))))

    def _mul(self, arguments: tuple[Any, ...]) -> Any:  # noqa: ANN401
        coefficient, above, below = _product(arguments)
        quotients: dict[Any, Any] = {}
        product: Any = None
        for i in range(max(len(above), len(below))):
            pair = (above[i] if i < len(above) else None, below[i] if i < len(below) else None)
            if pair not in quotients:
                top = 1.0 if pair[0] is None else self._factor(pair[0])
                quotients[pair] = top if pair[1] is None else top / self._factor(pair[1])
            product = quotients[pair] if product is None else product * quotients[pair]
        if coefficient == 1:
            return product
        return operator.neg(product) if coefficient == -1 else self(coefficient) * product

    def _factor(self, node: Any) -> Any:  # noqa: ANN401
        # A power that stays whole goes straight to the arithmetic: _compute would send it back here.
        return self._pow(node.base, node.exp) if node.is_Pow and node not in self.known else self(node)

    def _piecewise(self, branches: Sequence[Any]) -> Any:  # noqa: ANN401
        value = float("nan")
        for expression, condition in reversed(branches):
            if condition == True:  # noqa: E712 - SymPy's own true
                value = self(expression)
            else:
                value = self.arithmetic.where(self(condition), self(expression), value)
        return value
