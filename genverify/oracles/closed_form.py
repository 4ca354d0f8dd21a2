"""A closed form: one SymPy derivation that runs in torch, in mpmath, and as LaTeX."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar, overload

import torch
from torch import Tensor

from genverify.errors import GenverifyError, UsageError, nearest

from .computable import computable
from .evaluation import evaluate, mpmath_arithmetic, torch_arithmetic

if TYPE_CHECKING:
    import sympy

__all__ = ["ClosedForm", "Derivation", "DerivationError", "Step", "closed_form", "step", "symbols_of"]

_KINDS = ("real", "positive", "nonnegative", "negative", "nonzero", "integer")
_GUARD_DIGITS = 15
_MOST_DIGITS = 6000
# Two evaluations that agree on zero prove little: log(1 + eˣ) vanishes at both while eˣ is below their unit. The
# square of float64's smallest number does not vanish beside one at so many digits.
_DIGITS_OF_ZERO = 700

Number = TypeVar("Number")


class DerivationError(GenverifyError):
    """A step of a derivation that SymPy does not confirm: the proof, not the subject, is wrong."""


@dataclass(frozen=True, kw_only=True)
class Step:
    """One line of a proof: a title, an equation that SymPy has confirmed, and why it holds."""

    title: str
    equation: sympy.Basic
    because: str

    def latex(self) -> str:
        """The equation in LaTeX, rendered from the object that was checked."""
        import sympy

        return sympy.latex(self.equation)


def step(title: str, left: Any, right: Any, because: str) -> Step:  # noqa: ANN401 - SymPy's own types are loose
    r"""A step whose equation left = right is checked on the spot: left.doit() - right simplifies to zero.

    Raises:
        DerivationError: it does not.

    >>> import sympy
    >>> x = sympy.Symbol("x")
    >>> step("a square expands", (x + 1) ** 2, x**2 + 2 * x + 1, "the binomial theorem").latex()
    '\\left(x + 1\\right)^{2} = x^{2} + 2 x + 1'
    """
    import sympy

    gap = sympy.expand_log(sympy.expand(left.doit() - right), force=True)
    if gap != 0 and sympy.simplify(gap) != 0:
        raise DerivationError(f"step {title!r}: {left} = {right} is not confirmed; the difference is {gap}")
    return Step(title=title, equation=sympy.Eq(left, right, evaluate=False), because=because)


@dataclass(frozen=True, kw_only=True)
class Derivation:
    """What a derivation ends in, and the steps that lead there.

    `value` is the expression (or several, named by `outputs`), arranged as it should be computed; `conditions` are
    relations that must hold beyond the symbols' own assumptions.
    """

    value: sympy.Expr | tuple[sympy.Expr, ...]
    steps: tuple[Step, ...] = ()
    conditions: tuple[sympy.Basic, ...] = ()
    outputs: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ClosedForm:
    r"""A formula that is derived once, in SymPy, and then computed by anything.

    Call it with tensors (torch out), with mpmath numbers (mpmath out), or with Python numbers (a correctly rounded
    float out). `arguments` maps each argument, in order, to what is assumed of it: words out of real, positive,
    nonnegative, negative, nonzero, integer. `derive` gets the SymPy symbols of these names and returns a `Derivation`;
    it runs on first use, and once. SymPy is not imported before.

    >>> half = ClosedForm(name="half_square", arguments={"x": "real"}, source="-",
    ...     derive=lambda x: Derivation(value=x**2 / 2))
    >>> half(torch.tensor([1.0, 2.0])), half(3)
    (tensor([0.5000, 2.0000]), 4.5)
    >>> half.derivative("x")(torch.tensor(3.0)), half.latex()
    (tensor(3.), '\\frac{x^{2}}{2}')
    """

    name: str
    arguments: Mapping[str, str]
    source: str
    derive: Callable[..., Derivation] = field(repr=False, compare=False)
    statement: str = field(default="", repr=False, compare=False)

    def __post_init__(self) -> None:
        """Check the declared assumptions, and look like the function that this is, to help() and to doctest."""
        for words in self.arguments.values():
            for word in words.split():
                if word not in _KINDS:
                    raise UsageError(given=f"assumption {word!r}", expected="a known one", do=nearest(word, _KINDS))
        parameters = [inspect.Parameter(a, inspect.Parameter.POSITIONAL_OR_KEYWORD) for a in self.arguments]
        self.__dict__.update(
            __doc__=self.statement or self.__doc__,
            __name__=self.name.rpartition(".")[2],
            __module__=getattr(self.derive, "__module__", __name__),
            __wrapped__=self.derive,
            __signature__=inspect.Signature(parameters),
        )

    @functools.cached_property
    def symbols(self) -> tuple[sympy.Symbol, ...]:
        """The SymPy symbols of the arguments, in order, carrying their assumptions."""
        return symbols_of(self.arguments)

    @functools.cached_property
    def derivation(self) -> Derivation:
        """The derivation, run when first asked for."""
        return self.derive(*self.symbols)

    @property
    def steps(self) -> tuple[Step, ...]:
        """The steps of the derivation."""
        return self.derivation.steps

    @property
    def expression(self) -> sympy.Expr:
        """The expression of a formula with one output.

        Raises:
            UsageError: it has several; see `expressions`.
        """
        if len(self.expressions) != 1:
            raise UsageError(
                given=f"{self.name}, of {len(self.expressions)} outputs", expected="one", do="use .expressions"
            )
        return self.expressions[0]

    @property
    def expressions(self) -> tuple[sympy.Expr, ...]:
        """The expression of each output."""
        value = self.derivation.value
        return value if isinstance(value, tuple) else (value,)

    @functools.cached_property
    def rewritten(self) -> tuple[sympy.Expr, ...]:
        """The expressions made computable: what `torch` evaluates. Equal to `expressions` as mathematics."""
        return tuple(computable(expression) for expression in self.expressions)

    def latex(self) -> str:
        """The expression in LaTeX, several outputs as a tuple: rendered from the object that runs."""
        import sympy

        return sympy.latex(self.expressions[0] if len(self.expressions) == 1 else sympy.Tuple(*self.expressions))

    def _bind(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> list[Any]:
        names = list(self.arguments)
        if kwargs:
            for name in kwargs:
                if name not in names:
                    raise UsageError(given=f"argument {name!r}", expected=", ".join(names), do=nearest(name, names))
            args = [*args, *(kwargs[name] for name in names[len(args) :] if name in kwargs)]
        if len(args) != len(names):
            raise UsageError(
                given=f"{len(args)} arguments for {self.name}", expected=", ".join(names), do="pass each of them once"
            )
        return list(args)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - tensors, mpmath numbers or floats
        """Evaluate: torch in, torch out; mpmath in, mpmath out; numbers in, float out (from mpmath)."""
        bound = self._bind(args, kwargs)
        if any(isinstance(a, Tensor) for a in bound):
            return self.torch(*bound)
        if any(type(a).__module__.startswith("mpmath") for a in bound):
            return self.mpmath(*bound)
        value = self.mpmath(*bound, dps=30)
        return tuple(float(v) for v in value) if isinstance(value, tuple) else float(value)

    def torch(self, *args: Tensor | float | int) -> Any:  # noqa: ANN401 - a tensor, or a tuple of them for several outputs
        """Evaluate the rewritten form with torch operations only, elementwise with broadcasting.

        Any dtype and device, differentiable, usable under torch.func; numbers take the dtype of the tensors.
        """
        tensors = self._tensors(args)
        values = dict(zip(self.symbols, tensors, strict=True))
        arithmetic = torch_arithmetic()
        outputs = tuple(_filled(evaluate(e, values, arithmetic), tensors) for e in self.rewritten)
        return outputs[0] if len(outputs) == 1 else outputs

    def terms(self, *args: Tensor | float | int, **kwargs: Tensor | float | int) -> tuple[Tensor, ...]:
        """The additive terms of the rewritten form, whose sum is the value: what a rounding allowance is made of.

        Raises:
            UsageError: the formula has several outputs.
        """
        parts = self._parts
        tensors = self._tensors(self._bind(args, kwargs))
        values = dict(zip(self.symbols, tensors, strict=True))
        return tuple(_filled(evaluate(part, values, torch_arithmetic()), tensors) for part in parts)

    @functools.cached_property
    def _parts(self) -> list[sympy.Expr]:
        import sympy

        self.expression  # noqa: B018 - refuses several outputs
        parts = sympy.Add.make_args(self.rewritten[0])
        constants = [part for part in parts if not part.free_symbols]
        return [part for part in parts if part.free_symbols] + ([sympy.Add(*constants)] if constants else [])

    @staticmethod
    def _tensors(args: Sequence[Tensor | float | int]) -> list[Tensor]:
        given = [a for a in args if isinstance(a, Tensor)]
        like = next((a for a in given if a.is_floating_point()), None)
        dtype = torch.float64 if like is None else functools.reduce(
            torch.promote_types, [a.dtype for a in given if a.is_floating_point()]
        )  # fmt: skip
        device = given[0].device if given else None
        return [
            a.to(dtype) if isinstance(a, Tensor) else torch.as_tensor(float(a), dtype=dtype, device=device)
            for a in args
        ]

    def mpmath(self, *args: Any, dps: int | None = None) -> Any:  # noqa: ANN401 - an mpf, or a tuple of them
        """Evaluate the expression as derived (not rewritten) with mpmath, to `dps` digits (default: mpmath.mp.dps).

        The working precision starts above what the exponents of the arguments can cancel, and doubles until two
        evaluations agree.
        """
        import mpmath as mp

        digits = mp.mp.dps if dps is None else dps
        numbers = [mp.mpmathify(a) for a in args]
        spread = max((abs(int(mp.mag(a))) for a in numbers if a != 0 and mp.isfinite(a)), default=0)
        found = tuple(self._to_digits(e, numbers, digits, spread) for e in self.expressions)
        return found[0] if len(found) == 1 else found

    def _to_digits(self, expression: sympy.Expr, numbers: Sequence[Any], digits: int, spread: int) -> Any:  # noqa: ANN401
        import mpmath as mp

        values = dict(zip(self.symbols, numbers, strict=True))
        working = min(_MOST_DIGITS, digits + _GUARD_DIGITS + 2 * int(0.302 * spread))
        before = None
        while True:
            with mp.workdps(working):
                value = evaluate(expression, values, mpmath_arithmetic())
                close = before is not None and abs(value - before) <= abs(value) * mp.mpf(10) ** (-digits - 2)
                close = close and (value != 0 or working >= _DIGITS_OF_ZERO)
            if close or not mp.isfinite(value) or working >= _MOST_DIGITS:
                with mp.workdps(digits):
                    return +value
            before, working = value, min(_MOST_DIGITS, 2 * working)

    def derivative(self, symbol: str | sympy.Symbol) -> ClosedForm:
        """The derivative with respect to one argument, as a closed form of the same arguments.

        Raises:
            UsageError: there is no such argument.
        """
        name = str(symbol)
        if name not in self.arguments:
            raise UsageError(
                given=f"argument {name!r}", expected=f"an argument of {self.name}", do=nearest(name, self.arguments)
            )

        def derive(*symbols: sympy.Symbol) -> Derivation:
            import sympy

            by = symbols[list(self.arguments).index(name)]
            slopes = tuple(sympy.diff(expression, by) for expression in self.expressions)
            steps = tuple(
                Step(
                    title=f"differentiate with respect to {name}",
                    equation=sympy.Eq(sympy.Derivative(expression, by), slope, evaluate=False),
                    because="differentiation by rule, executed by SymPy",
                )
                for expression, slope in zip(self.expressions, slopes, strict=True)
            )
            value = slopes if isinstance(self.derivation.value, tuple) else slopes[0]
            outputs = tuple(f"d{output}/d{name}" for output in self.derivation.outputs)
            conditions = self.derivation.conditions
            return Derivation(value=value, steps=self.steps + steps, conditions=conditions, outputs=outputs)

        return ClosedForm(name=f"{self.name}.d_{name}", arguments=self.arguments, source=self.source, derive=derive)

    @overload
    def domain(self, *args: Tensor) -> Tensor: ...
    @overload
    def domain(self, *args: Any) -> Any: ...  # noqa: ANN401
    def domain(self, *args: Any) -> Any:
        """Where the arguments are finite and meet their assumptions and the conditions: True inside.

        A boolean tensor for tensors, of their broadcast shape; a bool for numbers.
        """
        import sympy

        bound = self._bind(args, {})
        tensors = any(isinstance(a, Tensor) for a in bound)
        numbers = self._tensors(bound) if tensors else [_mpf(a) for a in bound]
        arithmetic = torch_arithmetic() if tensors else mpmath_arithmetic()
        parts: list[Any] = []
        for symbol, words, number in zip(self.symbols, self.arguments.values(), numbers, strict=True):
            parts.append(torch.isfinite(number) if tensors else _is_finite(number))
            relations = {
                "positive": sympy.StrictGreaterThan(_bare(symbol), 0),
                "nonnegative": sympy.GreaterThan(_bare(symbol), 0),
                "negative": sympy.StrictLessThan(_bare(symbol), 0),
                "nonzero": sympy.Unequality(_bare(symbol), 0),
                "integer": sympy.Equality(_bare(symbol), sympy.floor(_bare(symbol))),
            }
            parts += [evaluate(relations[w], {_bare(symbol): number}, arithmetic) for w in words.split() if w != "real"]
        values = dict(zip(self.symbols, numbers, strict=True))
        parts += [evaluate(condition, values, arithmetic) for condition in self.derivation.conditions]
        if not tensors:
            return all(bool(part) for part in parts)
        inside = functools.reduce(torch.logical_and, parts)
        return inside.expand(torch.broadcast_shapes(*(n.shape for n in numbers)))


def _mpf(x: Any) -> Any:  # noqa: ANN401
    import mpmath

    return mpmath.mpmathify(x)


def _is_finite(x: Any) -> bool:  # noqa: ANN401
    import mpmath

    return bool(mpmath.isfinite(x))


def _bare(symbol: sympy.Symbol) -> sympy.Symbol:
    """The symbol without its assumptions, so that SymPy does not decide the question that is being asked."""
    import sympy

    return sympy.Symbol(f"{symbol.name}_")


def _filled(value: Any, tensors: Sequence[Tensor]) -> Tensor:  # noqa: ANN401
    """A value in the broadcast shape of all arguments, also where it depends on some of them only."""
    shape = torch.broadcast_shapes(*(t.shape for t in tensors))
    filled = torch.as_tensor(value, dtype=tensors[0].dtype, device=tensors[0].device)
    return filled if filled.shape == shape else filled.expand(shape).clone()


def symbols_of(arguments: Mapping[str, str]) -> tuple[sympy.Symbol, ...]:
    """A symbol for each argument, in order, with what is assumed of it.

    >>> [one.is_positive for one in symbols_of({"mu": "real", "sigma": "positive"})]
    [None, True]
    """
    import sympy

    # Infinite values are outside every domain here; real says so to SymPy.
    return tuple(
        sympy.Symbol(name, **{"real": True, **dict.fromkeys(words.split(), True)}) for name, words in arguments.items()
    )


def closed_form(
    name: str, *, arguments: Mapping[str, str], source: str
) -> Callable[[Callable[..., Derivation]], ClosedForm]:
    """Turn a derivation, written as a function of SymPy symbols, into the function of numbers that it derives.

    The docstring stays: it documents, and its doctests run.

    >>> @closed_form("square", arguments={"x": "real"}, source="-")
    ... def square(x) -> Derivation:
    ...     return Derivation(value=x * x)
    >>> square(torch.tensor(3.0))
    tensor(9.)
    """

    def decorate(derive: Callable[..., Derivation]) -> ClosedForm:
        return ClosedForm(
            name=name, arguments=arguments, source=source, derive=derive, statement=inspect.getdoc(derive) or ""
        )

    return decorate
