"""A formula's subject over the whole range of a dtype: what it is given there, what it answers, and what is true."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from genverify.checks.formula_call import Unreadable, call
from genverify.checks.formula_comparison import expected
from genverify.checks.formula_identity import Identity
from genverify.checks.formula_oracle import fitted, output_axes
from genverify.errors import SubjectRaised
from genverify.numerics.ulp import ulp
from genverify.numerics.worst_input import every_number, neighbours, net
from genverify.subjects.case import Case
from genverify.subjects.formula import Bound, Formula, Place
from genverify.subjects.formula_shapes import splits
from genverify.subjects.specification import Argument, Dialect

__all__ = ["Rows", "Span", "rows_over", "shared", "span_of", "ulps_of"]

_CLASSES = 3
# From so many rows on a 16-bit type is looked at whole.
_ENOUGH = 2**11
# Numbers in a row of differences that cancel: within this many units of each other.
_NEAR = 8

Column = torch.Tensor | float | None
Rows = dict[str, Column]


@dataclass(frozen=True, kw_only=True)
class Span:
    """How the subject is called on many inputs.

    Attributes:
        subject: The subject.
        found: How it writes the formula.
        dialect: The dialect that it follows.
        bulk: The axis along which one call takes many inputs; empty when each needs a call of its own.
    """

    subject: Formula
    found: Identity
    dialect: Dialect
    bulk: str

    def case(self, rows: Rows, count: int) -> Case:
        """The rows as one case."""
        sizes = {"batch": 1, "event": 1, "class": _CLASSES} | ({self.bulk: count} if self.bulk else {})
        for parts in splits(self.subject, self.found.layout).values():
            sizes |= dict.fromkeys(parts, 1)
        values: dict[str, Any] = {}
        for bound in _given(self.subject):
            column = rows[bound.argument.name]
            if isinstance(column, torch.Tensor) and (column.dtype.is_floating_point or column.dim() != 1):
                axes = self.found.layout.axes(bound.argument)
                column = column.reshape([sizes[axis] for axis in axes])
            elif isinstance(column, torch.Tensor):  # class indices
                column = column.reshape([sizes[axis] for axis in self.found.layout.axes(bound.argument)[:-1]])
            values[bound.argument.name] = column
        return Case(values={**values, "#sizes": sizes, "#layout": self.found.layout.name})

    def answers(self, rows: Rows, *, true: bool = False) -> torch.Tensor:
        """What the subject answers to each row; with `true`, what the float64 oracle does.

        Raises:
            SubjectRaised: The subject raised on all the rows at once; of single rows the answer is NaN instead.
            Unreadable: Its answer has not the shape of the rows.
        """
        count = len(next(c for c in rows.values() if isinstance(c, torch.Tensor) and c.dim()))
        if self.bulk:
            return self._once(rows, count, true)
        one = []
        for index in range(count):
            row: Rows = {n: c[index : index + 1] if isinstance(c, torch.Tensor) and len(c) == count else c
                   for n, c in rows.items()}  # fmt: skip
            try:
                one.append(self._once(row, 1, true))
            except SubjectRaised:
                one.append(torch.full((1, 1), math.nan))
        return torch.cat(one)

    def _once(self, rows: Rows, count: int, true: bool) -> torch.Tensor:
        case = self.case(rows, count)
        made = call(self.subject, case)
        if true:
            return expected(self.subject, case, made, self.dialect, 0).reshape(count, -1)
        assert self.subject.specification is not None
        axes = output_axes(self.subject.specification, self.found.layout, 0)
        kept = [axis for axis in axes if self.dialect.reductions.get(axis, "none") == "none"]
        shape = tuple(case["#sizes"][axis] for axis in kept)
        got = fitted(self.subject, case, self.dialect, 0, made.outputs[0].detach(), shape)
        if got is None:
            raise Unreadable(f"a result of shape {tuple(made.outputs[0].shape)} for one of {shape}")
        return got.reshape(count, -1)


def _given(subject: Formula) -> list[Bound]:
    assert subject.match is not None
    given = [b for b in subject.match.bound if b.place in (Place.CALL, Place.CONSTRUCTOR)]
    # A default of None is no value of what the formula must have.
    return [b for b in given if b.default is ... or (b.default is None and b.argument.default is ...)]


def span_of(subject: Formula, found: Identity) -> Span:
    """How this subject, of which it is known how it writes the formula, takes many inputs."""
    assert subject.specification is not None
    dialect = found.accepted[0]
    axes = {axis for argument in subject.specification.arguments for axis in found.layout.axes(argument)}
    free = [a for a in ("batch", "event") if a in axes and dialect.reductions.get(a, "none") == "none"]
    return Span(subject=subject, found=found, dialect=dialect, bulk=free[0] if free and not subject.shapes else "")


def rows_over(span: Span, dtype: torch.dtype, count: int, generator: torch.Generator) -> Rows:
    """Inputs over the whole range of a dtype: all numbers of a 16-bit one, if many, where there is one argument."""
    assert span.subject.specification is not None
    given = {bound.argument.name: bound for bound in _given(span.subject)}
    alone = len([b for b in given.values() if b.argument.axes]) == 1
    first: torch.Tensor | None = None
    rows: Rows = {}
    for argument in span.subject.specification.arguments:
        if argument.name not in given:
            rows[argument.name] = _default(span.subject, argument.name)
            continue
        domain = given[argument.name].form.domain
        if not argument.axes:
            raw = torch.tensor([(domain.low + domain.high) / 2], dtype=torch.float64)
            rows[argument.name] = domain.make(raw, (), dtype)
        elif domain.interval is not None and "class" not in argument.axes:
            if first is None and alone and dtype.itemsize == 2 and span.bulk and count >= _ENOUGH:
                column = every_number(dtype, *domain.interval)
            else:
                column = net(dtype, *domain.interval, count, generator)
            if first is not None:
                column = _beside(first, column, domain.interval, generator)
            rows[argument.name] = first = column
        else:
            length = count if first is None else len(first)
            shape = (_CLASSES,) if shared(argument) else (length, *([_CLASSES] if "class" in argument.axes else []))
            raw = _raw(domain.interval is not None and not shared(argument), domain.low, domain.high, shape, generator)
            column = domain.make(raw, shape, dtype)
            rows[argument.name] = column
            first = column if first is None and column.dim() and len(shape) == len(column.shape) else first
    return rows


def shared(argument: Argument) -> bool:
    """Whether all rows have it together, as weights of classes."""
    return argument.axes == "class"


def _raw(
    whole: bool, low: float | int, high: float | int, shape: tuple[int, ...], generator: torch.Generator
) -> torch.Tensor:
    """Raw numbers of a domain: moderate, and for rows of reals also of every size."""
    place = torch.rand(shape, generator=generator, dtype=torch.float64)
    raw = low + (high - low) * place
    if not whole:
        return raw
    sizes = torch.exp2(24 * torch.rand(shape[:1], generator=generator, dtype=torch.float64) - 12)
    return raw * sizes.reshape(-1, *[1] * (len(shape) - 1))


def _beside(
    first: torch.Tensor, column: torch.Tensor, interval: tuple[float, float], generator: torch.Generator
) -> torch.Tensor:
    """A second argument: a half of it of its own, a half close to the first."""
    own = column[torch.randint(len(column), (len(first),), generator=generator)]
    close = neighbours(first, _NEAR, generator)
    inside = (close.double() > interval[0]) & (close.double() < interval[1])
    half = torch.rand(len(first), generator=generator) < 0.5
    return torch.where(half & inside, close, own)


def _default(subject: Formula, name: str) -> float | None:
    assert subject.match is not None
    assert subject.specification is not None
    bound = next((b for b in subject.match.bound if b.argument.name == name), None)
    value = bound.default if bound is not None and bound.default is not ... and bound.default is not None else None
    value = subject.specification.argument(name).default if value is None else value
    return float(value) if isinstance(value, (int, float, torch.Tensor)) else None


@functools.lru_cache(maxsize=2**15)
def _truth(
    exact: Callable[..., Any], arguments: tuple[Any, ...], dialect: tuple[tuple[str, Any], ...]
) -> tuple[Any, ...]:
    found = exact(*arguments, **dict(dialect))
    return tuple(found) if isinstance(found, list) else (found,)


def ulps_of(span: Span, rows: Rows, index: int, got: torch.Tensor, dtype: torch.dtype) -> float:
    """The error of one row's answer in ULPs: of its worst entry; NaN where the true value is out of the dtype's range.

    A NaN or an infinity where the true value is a number of the dtype is infinitely far.
    """
    import mpmath as mp

    assert span.subject.specification is not None
    exact = span.subject.specification.exact
    assert exact is not None
    arguments = []
    for argument in span.subject.specification.arguments:
        column = rows[argument.name]
        if isinstance(column, torch.Tensor):
            value = column.tolist() if shared(argument) else column[index].tolist()
            column = tuple(value) if isinstance(value, list) else value
        arguments.append(column)
    keywords = tuple(span.dialect.keywords.items())
    worst, largest = math.nan, torch.finfo(dtype).max
    for true, number in zip(_truth(exact, tuple(arguments), keywords), got.tolist(), strict=True):
        if abs(true) > largest:
            continue
        if not math.isfinite(number):
            return math.inf
        spacing = float(ulp(torch.tensor(float(true), dtype=torch.float64), dtype))
        error = float(abs(mp.mpf(number) - true) / spacing)
        worst = error if math.isnan(worst) else max(worst, error)
    return worst
