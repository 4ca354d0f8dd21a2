"""The lines of a recurrence along a whole trajectory: only what depends on a buffer's own past goes by steps."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from genverify.oracles.recurrences_compiled import compiled, evaluated, ready, symbol
from genverify.oracles.running_error import Ball

if TYPE_CHECKING:
    import sympy

__all__ = ["Unrolling"]

Lines = tuple[tuple[str, "sympy.Expr"], ...]


@dataclass(kw_only=True)
class Unrolling:
    """One recurrence at work on one trajectory.

    Every line has a name of its own (`m@2`, the second line's m), and what it reads is one of these, an input, or a
    buffer as it was before the step (`m@0`). Lines are evaluated when they are asked for: a buffer's last line step by
    step, everything else for all steps at once.

    Shapes: inputs and results [T, n], or what broadcasts to it; `starts` [n]; `present` [T, n].
    """

    lines: Lines
    starts: Mapping[str, Ball]
    inputs: Mapping[str, Any]
    length: int
    present: Tensor | None
    _known: dict[str, Any] = field(default_factory=dict)

    def after(self) -> Ball:
        """θ after each step."""
        return self._value(_named(self.lines, tuple(self.starts)).last["theta"])

    def _value(self, name: str) -> Any:  # noqa: ANN401 - a ball, a number or a layout
        if name in self.inputs:
            return self.inputs[name]
        if name not in self._known:
            self._known[name] = self._computed(name)
        return self._known[name]

    def _computed(self, name: str) -> Any:  # noqa: ANN401
        program = _named(self.lines, tuple(self.starts))
        buffer, _, which = name.partition(_MARK)
        if which == "0":
            return _shifted(self._value(program.last[buffer]), self.starts[buffer])
        if buffer in self.starts and program.last[buffer] == name:
            return self._unrolled(buffer, program.recursion(buffer), self.starts[buffer])
        return self._evaluated(program.expressions[name])

    def _evaluated(self, expression: sympy.Expr) -> Any:  # noqa: ANN401
        reads = {str(one) for one in expression.free_symbols}
        return evaluated(expression, {one: self._value(one) for one in reads})

    def _unrolled(self, buffer: str, expression: sympy.Expr, start: Ball) -> Ball:
        """The buffer after each step; what does not depend on it is evaluated for all steps beforehand."""
        own = f"{buffer}{_MARK}0"
        skeleton, parts = _separated(expression, own)
        function, arguments = compiled(skeleton, "balls")
        rows = {part: _rows(self._evaluated(whole), self.length) for part, whole in parts}
        current, values, radii = start, [], []
        for k in range(self.length):
            new = function(*[current if one == own else rows[one][k] for one in arguments])
            # Code that writes m + (1 - β)(g - m) rounds in proportion to the old m as well; what is chosen is exact.
            radius = torch.where(new.radius > 0, new.radius + new.rho * current.value.abs(), 0.0)
            value, radius = new.value.expand_as(current.value), radius.expand_as(current.value)
            if self.present is not None:
                value = torch.where(self.present[k], value, current.value)
                radius = torch.where(self.present[k], radius, current.radius)
            current = start.like(value, radius)
            values.append(value)
            radii.append(radius)
        return start.like(torch.stack(values), torch.stack(radii))


_MARK = "_at_line_"


@dataclass(frozen=True, kw_only=True)
class _Named:
    """Lines with one name for each assignment: name → expression, and assigned name → its last line."""

    expressions: Mapping[str, sympy.Expr]
    last: Mapping[str, str]

    def recursion(self, buffer: str) -> sympy.Expr:
        """The buffer's last line, with the lines through which it depends on its own past written out."""
        return self._written_out(self.expressions[self.last[buffer]], symbol(f"{buffer}{_MARK}0"))

    def _written_out(self, expression: sympy.Expr, past: sympy.Symbol) -> sympy.Expr:
        swap: Any = {}
        for one in expression.free_symbols:
            inner = self.expressions.get(str(one))
            if inner is not None:
                whole = self._written_out(inner, past)
                if past in whole.free_symbols:
                    swap[one] = whole
        return expression.xreplace(swap) if swap else expression  # type: ignore[return-value]


@functools.lru_cache(maxsize=1024)
def _named(lines: Lines, buffers: tuple[str, ...]) -> _Named:
    now: Any = {symbol(name): symbol(f"{name}{_MARK}0") for name in buffers}
    expressions: dict[str, sympy.Expr] = {}
    last: dict[str, str] = {}
    for number, (name, expression) in enumerate(lines, start=1):
        own = f"{name}{_MARK}{number}"
        expressions[own] = expression.xreplace(now)  # type: ignore[assignment]
        now[symbol(name)] = symbol(own)
        last[name] = own
    return _Named(expressions=expressions, last=last)


def _shifted(trajectory: Ball, start: Ball) -> Ball:
    """The values before each step, of the values after each step."""
    value = torch.cat([start.value[None], trajectory.value[:-1]])
    return start.like(value, torch.cat([start.radius[None], trajectory.radius[:-1]]))


def _rows(found: Any, length: int) -> Sequence[Any]:  # noqa: ANN401 - a ball or a layout
    if isinstance(found, Ball) and found.value.dim() > 1:
        pairs = zip(found.value.unbind(0), found.radius.expand_as(found.value).unbind(0), strict=True)
        return [found.like(value, radius) for value, radius in pairs]
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

    skeleton = walk(ready(expression))
    assert isinstance(skeleton, sympy.Expr)
    return skeleton, tuple((str(one), whole) for whole, one in parts.items())
