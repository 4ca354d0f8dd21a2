"""A recurrence: the lines of one optimizer step as SymPy expressions, run on running-error balls and in mpmath.

The lines are assignments carried out in order, as a paper's algorithm is read: each uses the values of the lines above,
and the old value of everything assigned below. Buffers begin at their `initial` value, `t` counts from 1.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from genverify.oracles.running_error import Ball, running_error_arithmetic

if TYPE_CHECKING:
    import sympy

__all__ = ["Recurrence", "symbol", "symbols"]


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


@dataclass(frozen=True, kw_only=True)
class Recurrence:
    """One step θ ← … of an elementwise optimizer.

    Attributes:
        lines: (name, expression) in the order in which they are carried out; `theta` is among the names.
        initial: Buffer → its value before the first step; 0 for a buffer that is not listed.

    >>> theta, g, lr = symbols("theta g lr")
    >>> descent = Recurrence(lines=(("theta", theta - lr * g),))
    >>> [float(x) for x in descent.in_mpmath([1.0], {"lr": 0.5}, start=2.0, digits=30)]
    [1.5]
    """

    lines: tuple[tuple[str, sympy.Expr], ...]
    initial: Mapping[str, sympy.Expr] = field(default_factory=dict)

    @property
    def buffers(self) -> tuple[str, ...]:
        """What is carried from step to step besides θ: assigned names that are read before they are assigned."""
        early: dict[str, None] = {}
        written: set[str] = set()
        names = {name for name, _ in self.lines}
        for name, expression in self.lines:
            for one in sorted(str(s) for s in expression.free_symbols):
                if one in names and one not in written and one != "theta":
                    early[one] = None
            written.add(name)
        return tuple(early)

    def equations(self) -> tuple[sympy.Basic, ...]:
        """The lines as equations in the step index, for display and for proofs."""
        import sympy

        shown, now = [], {}
        carried = {*self.buffers, "theta"}
        for name, expression in self.lines:
            reads = expression.free_symbols
            old: Any = {s: sympy.Symbol(f"{s}_{{t-1}}", real=True) for s in reads if str(s) in carried}
            old.update({s: now[str(s)] for s in expression.free_symbols if str(s) in now})
            now[name] = sympy.Symbol(f"{name}_t", real=True)
            shown.append(sympy.Eq(now[name], expression.xreplace(old), evaluate=False))
        return tuple(shown)

    def replace(self, **changes: sympy.Expr) -> Recurrence:
        """The recurrence with expressions in place of symbols, all at once."""
        swap: Any = {symbol(name): value for name, value in changes.items()}
        lines: Any = tuple((name, expression.xreplace(swap)) for name, expression in self.lines)
        return Recurrence(lines=lines, initial=self.initial)

    def theta_first(self) -> Recurrence:
        """The recurrence with θ moved by the old buffers, which are updated only afterwards."""
        theta = [line for line in self.lines if line[0] == "theta"]
        others = [line for line in self.lines if line[0] != "theta"]
        inputs = [line for line in others if line[0] not in self.buffers]
        return Recurrence(lines=(*inputs, *theta, *(x for x in others if x not in inputs)), initial=self.initial)

    def follow(
        self,
        observed: Tensor,
        gradients: Tensor,
        present: Tensor,
        hyper: Mapping[str, float],
        rates: Tensor,
        dtype: torch.dtype,
        *,
        shared_clock: bool = False,
    ) -> tuple[Tensor, Tensor]:
        """After each step the expected θ and its allowed error, computed from the θ that was observed before the step.

        The buffers depend on the gradients (and, under coupled decay, on the observed θ) alone, so no error of the
        subject's θ is ever carried on: each increment is judged by itself. Only the buffers' own lines are run step by
        step; all others are evaluated for the whole trajectory at once.

        Shapes: `observed` [T + 1, n], `gradients` and `present` [T, n], `rates` [T] (factors of lr); both results
        [T, n]. Elements whose gradient is absent stay as they are, and their step count with them, unless the clock is
        shared.
        """
        whole = bool(present.all())
        steps = torch.arange(1.0, len(gradients) + 1, dtype=torch.float64)[:, None]
        zeros = torch.zeros_like(observed[0])
        own = steps.expand_as(gradients) if whole or shared_clock else present.to(torch.float64).cumsum(0)
        values: dict[str, Any] = {name: Ball.rounded(value, dtype) for name, value in hyper.items()}
        values["t"], values["g"] = own.clamp_min(1.0), Ball.exact(gradients, dtype)
        values["theta"] = Ball.exact(observed[:-1], dtype)
        if not bool((rates == 1).all()):
            values["lr"] = Ball.rounded(hyper["lr"] * rates[:, None], dtype)
        starts = {name: Ball.exact(zeros + self._initial(name, hyper), dtype) for name in self.buffers}
        written: set[str] = set()
        late: list[tuple[str, sympy.Expr]] = []
        for name, expression in self.lines:
            reads = {str(one) for one in expression.free_symbols}
            if name in starts:
                values[name] = _unrolled(name, expression, values, starts[name], None if whole else present)
                written.add(name)
            elif (reads & starts.keys()) - written or (late and "theta" in (name, *reads)):
                late.append((name, expression))  # it reads buffers as they were before this step
                values.setdefault("late", written.copy())
            else:
                values[name] = _evaluated(expression, values)
        fresh = values.get("late", set())
        for name, expression in late:
            old = {one: _shifted(values[one], starts[one]) for one in starts if one not in fresh}
            values[name] = _evaluated(expression, {**values, **old})
        expected, allowed = values["theta"].value, values["theta"].radius
        expected, allowed = torch.where(present, expected, observed[:-1]), torch.where(present, allowed, 0.0)
        return expected, torch.where(torch.isnan(allowed) | torch.isnan(expected), torch.inf, allowed)

    def _initial(self, name: str, hyper: Mapping[str, float]) -> float:
        expression = self.initial.get(name)
        return 0.0 if expression is None else float(expression.subs({symbol(k): v for k, v in hyper.items()}))

    def in_mpmath(
        self,
        gradients: Sequence[Any],
        hyper: Mapping[str, Any],
        *,
        start: float = 0.0,
        digits: int = 50,
    ) -> list[Any]:
        """θ after each step for one element, closed loop, with that many digits."""
        import mpmath

        program = [(name, *_compiled(expression, "mpmath")) for name, expression in self.lines]
        with mpmath.workdps(digits):
            values: dict[str, Any] = {name: mpmath.mpf(value) for name, value in hyper.items()}
            for name in self.buffers:
                initial = self.initial.get(name)
                values[name] = values[str(initial)] if initial is not None else mpmath.mpf(0)
            values["theta"], found = mpmath.mpf(start), []
            for t, g in enumerate(gradients, start=1):
                values["t"], values["g"] = t, mpmath.mpf(g)
                for name, function, arguments in program:
                    values[name] = function(*[values[argument] for argument in arguments])
                found.append(values["theta"])
            return found


def _evaluated(expression: sympy.Expr, values: Mapping[str, Any]) -> Any:  # noqa: ANN401 - a ball or a tensor
    function, arguments = _compiled(expression, "balls")
    return function(*[values[argument] for argument in arguments])


def _shifted(trajectory: Ball, start: Ball) -> Ball:
    """The values before each step, of the values after each step."""
    value = torch.cat([start.value[None], trajectory.value[:-1]])
    return Ball(value, torch.cat([start.radius[None], trajectory.radius[:-1]]), start.rho, start.eta)


def _unrolled(
    name: str, expression: sympy.Expr, values: Mapping[str, Any], start: Ball, present: Tensor | None
) -> Ball:
    """The buffer after each step; what does not depend on it is evaluated for all steps beforehand."""
    skeleton, parts = _separated(expression, name)
    function, arguments = _compiled(skeleton, "balls")
    inputs = {part: _evaluated(whole, values) for part, whole in parts}
    length = len(values["t"])
    rows = {part: _rows(found, length) for part, found in inputs.items()}
    current, found = start, []
    for k in range(length):
        at_k = {part: row[k] for part, row in rows.items()}
        new = function(*[current if one == name else at_k[one] for one in arguments])
        # Code that writes m + (1 - β)(g - m) rounds in proportion to the old m as well.
        radius = new.radius + new.rho * current.value.abs()
        value = new.value.expand_as(current.value)
        if present is not None:
            value = torch.where(present[k], value, current.value)
            radius = torch.where(present[k], radius, current.radius)
        current = Ball(value, radius, new.rho, new.eta)
        found.append(current)
    return Ball(
        torch.stack([one.value for one in found]), torch.stack([one.radius for one in found]), start.rho, start.eta
    )


def _rows(found: Any, length: int) -> Sequence[Any]:  # noqa: ANN401 - balls or tensors
    if isinstance(found, Tensor):
        return found.unbind(0) if found.dim() > 1 else [found] * length
    if isinstance(found, Ball) and found.value.dim() > 1:
        pairs = zip(found.value.unbind(0), found.radius.expand_as(found.value).unbind(0), strict=True)
        return [Ball(value, radius, found.rho, found.eta) for value, radius in pairs]
    return [found] * length


@functools.lru_cache(maxsize=1024)
def _separated(expression: sympy.Expr, buffer: str) -> tuple[sympy.Expr, tuple[tuple[str, sympy.Expr], ...]]:
    """The expression with every largest part that is free of the buffer replaced by a symbol, and those parts."""
    import sympy

    own = symbol(buffer)
    parts: dict[sympy.Expr, sympy.Symbol] = {}

    def part(node: sympy.Expr) -> sympy.Expr:
        return node if node.is_Number else parts.setdefault(node, symbol(f"part{len(parts)}"))

    def walk(node: Any) -> Any:  # noqa: ANN401 - nodes of SymPy
        if node == own:
            return node
        if not node.has(own):
            return part(node)
        if node.is_Add or node.is_Mul:
            free = [one for one in node.args if not one.has(own)]
            rest = [walk(one) for one in node.args if one.has(own)]
            return node.func(*([part(node.func(*free))] if free else []), *rest)
        return node.func(*[walk(one) for one in node.args])

    skeleton = walk(_ready(expression))
    assert isinstance(skeleton, sympy.Expr)
    return skeleton, tuple((str(one), whole) for whole, one in parts.items())


def _first_of(t: int, first: Any, later: Any) -> Any:  # noqa: ANN401 - mpmath has no types
    return first if t == 1 else later


@functools.lru_cache(maxsize=4096)
def _compiled(expression: sympy.Expr, arithmetic: str) -> tuple[Callable[..., Any], tuple[str, ...]]:
    """The expression as a function of the names that follow it, in the arithmetic of that name."""
    import mpmath
    import sympy

    ready = _ready(expression)
    arguments = tuple(sorted(str(one) for one in ready.free_symbols))
    if arithmetic == "balls":
        namespace: dict[str, Any] = dict(running_error_arithmetic())
    else:
        namespace = {"sqrt": mpmath.sqrt, "Max": max, "Abs": abs, "at_first": _first_of}
    function = sympy.lambdify([symbol(name) for name in arguments], ready, modules=[namespace])
    return function, arguments


def _ready(expression: sympy.Expr) -> sympy.Expr:
    """The expression with its cut at the first step as a function that works on tensors, too."""
    import sympy

    choose = sympy.Function("at_first")
    t = symbol("t")

    def as_choice(*branches: Any) -> sympy.Expr:  # noqa: ANN401 - (value, condition) pairs of SymPy
        (first, condition), (later, _) = branches
        assert condition == sympy.Eq(t, 1), "a recurrence is cut at its first step only"
        return choose(t, first, later)

    ready = expression.replace(sympy.Piecewise, as_choice)
    assert isinstance(ready, sympy.Expr)
    return ready
