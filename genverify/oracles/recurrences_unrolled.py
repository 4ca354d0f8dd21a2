"""The lines of a recurrence along a whole trajectory: only what depends on a buffer's own past goes by steps."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from genverify.oracles.recurrences_compiled import compiled, evaluated, names_in, ready, symbol
from genverify.oracles.recurrences_linear import linear_parts, run_linear
from genverify.oracles.running_error import Ball

if TYPE_CHECKING:
    import sympy

__all__ = ["Unrolling"]

Lines = tuple[tuple[str, "sympy.Expr"], ...]


@dataclass(kw_only=True)
class Unrolling:
    """One recurrence at work on one trajectory.

    Every line has a name of its own, and what it reads is one of these, an input, or a buffer as it was before the
    step. Lines are evaluated when they are asked for: a buffer's last line step by step, everything else for all steps
    at once. Lines that mean the same in two recurrences have the same name, so that recurrences which are run on the
    same inputs may share what is `known`.

    Shapes: inputs and results [T, n], or what broadcasts to it; `starts` [n]; `present` [T, n].
    """

    lines: Lines
    starts: Mapping[str, Ball]
    initial: Mapping[str, sympy.Expr]
    inputs: Mapping[str, Any]
    length: int
    present: Tensor | None
    known: dict[str, Any] = field(default_factory=dict)

    def after(self) -> Ball:
        """θ after each step."""
        return self._value(self._program.last["theta"])

    @functools.cached_property
    def _program(self) -> _Named:
        return _named(self.lines, tuple((name, self.initial.get(name)) for name in self.starts))

    def _value(self, name: str) -> Any:  # noqa: ANN401 - a ball, a number or a layout
        if name in self.inputs:
            return self.inputs[name]
        if name not in self.known:
            self.known[name] = self._computed(name)
        return self.known[name]

    def _computed(self, name: str) -> Any:  # noqa: ANN401
        program = self._program
        if name in program.before:
            buffer = program.before[name]
            return _shifted(self._value(program.last[buffer]), self.starts[buffer])
        if name in program.final:
            buffer = program.final[name]
            return self._unrolled(*program.recursions[buffer], self.starts[buffer])
        return self._evaluated(program.expressions[name])

    def _evaluated(self, expression: sympy.Expr) -> Any:  # noqa: ANN401
        return evaluated(expression, {one: self._value(one) for one in names_in(expression)})

    def _unrolled(self, own: str, expression: sympy.Expr, start: Ball) -> Ball:
        """The buffer after each step; what does not depend on it is evaluated for all steps beforehand."""
        skeleton, parts = _separated(expression, own)
        wholes = {part: self._evaluated(whole) for part, whole in parts}
        linear = linear_parts(skeleton, own)
        if linear is not None and all(one is None or isinstance(wholes.get(str(one)), Ball) for one in linear):
            factor, term = (None if one is None else wholes[str(one)] for one in linear)
            return run_linear(factor, term, start, self.length, self.present)
        function, arguments = compiled(skeleton, "balls")
        rows = {part: _rows(whole, self.length) for part, whole in wholes.items()}
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


@dataclass(frozen=True, kw_only=True)
class _Named:
    """Lines with one name for each assignment.

    Attributes:
        expressions: Name → expression.
        last: Assigned name → the name of its last line.
        final: The name of a buffer's last line → the buffer.
        before: The name of a buffer as it was before the step → the buffer.
    """

    expressions: Mapping[str, sympy.Expr]
    last: Mapping[str, str]
    final: Mapping[str, str]
    before: Mapping[str, str]

    @functools.cached_property
    def recursions(self) -> Mapping[str, tuple[str, sympy.Expr]]:
        """Buffer → (its name as it was before the step, its last line with all that depends on that written out)."""
        return {
            buffer: (past, self._written_out(self.expressions[self.last[buffer]], symbol(past)))
            for past, buffer in self.before.items()
        }

    def _written_out(self, expression: sympy.Expr, past: sympy.Symbol) -> sympy.Expr:
        swap: Any = {}
        for one in expression.free_symbols:
            inner = self.expressions.get(str(one))
            if inner is not None:
                whole = self._written_out(inner, past)
                if past in whole.free_symbols:
                    swap[one] = whole
        return expression.xreplace(swap) if swap else expression  # type: ignore[return-value]


_NUMBERS: dict[Any, int] = {}


def _number(meaning: Any) -> int:  # noqa: ANN401 - anything hashable
    """The same number for the same meaning."""
    return _NUMBERS.setdefault(meaning, len(_NUMBERS))


@functools.lru_cache(maxsize=1024)
def _named(lines: Lines, buffers: tuple[tuple[str, sympy.Expr | None], ...]) -> _Named:
    starts = dict(buffers)
    before = {f"{name}_before_{_number(_closure(lines, starts, name))}": name for name in starts}
    now: Any = {symbol(buffer): symbol(own) for own, buffer in before.items()}
    expressions: dict[str, sympy.Expr] = {}
    last: dict[str, str] = {}
    ends = {name: max(k for k, (other, _) in enumerate(lines) if other == name) for name in starts}
    for k, (name, expression) in enumerate(lines):
        renamed = expression.xreplace(now)
        own = f"{name}_after_{_number((name, renamed, ends.get(name) == k))}"
        expressions[own] = renamed  # type: ignore[assignment]
        now[symbol(name)] = symbol(own)
        last[name] = own
    return _Named(expressions=expressions, last=last, final={last[name]: name for name in starts}, before=before)


def _closure(lines: Lines, starts: Mapping[str, sympy.Expr | None], buffer: str) -> tuple[Any, ...]:
    """All that the buffer depends on: the lines, in their order, and where the buffers among them begin."""
    names = [name for name, _ in lines]
    waiting = [len(names) - 1 - names[::-1].index(buffer)]
    found: set[int] = set()
    while waiting:
        k = waiting.pop()
        if k in found:
            continue
        found.add(k)
        for read in set(names_in(lines[k][1])) & set(names):
            above = [j for j in range(k) if names[j] == read]
            if above:
                waiting.append(above[-1])
            elif read in starts:
                waiting.append(len(names) - 1 - names[::-1].index(read))
    used = tuple(lines[k] for k in sorted(found))
    return buffer, used, tuple((name, starts[name]) for name, _ in used if name in starts)


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
