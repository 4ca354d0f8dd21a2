"""Cases of a formula: its core shapes with batch 1 and more, the dtype's extremes, equal and repeated values, views."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from hypothesis import assume
from hypothesis import strategies as st

from genverify.strategies.registry import draws_cases
from genverify.subjects.budget import Run
from genverify.subjects.case import Case
from genverify.subjects.domains import Domain
from genverify.subjects.formula import Formula
from genverify.subjects.formula_case import Numbers, axis_sizes, build, legal, legal_sizes
from genverify.subjects.formula_shapes import splits, whole
from genverify.subjects.specification import Layout

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn, SearchStrategy

__all__ = ["extreme_cases", "formula_cases"]

# Moderate values are drawn on a grid: short numbers shrink well and read well.
_GRID = 16
# An argument of more numbers than the first, an image of 28 × 28 pixels say, repeats the second, each time from another
# place: Hypothesis draws no more than a few thousand.
_MOST_NUMBERS, _REPEATED = 256, 61


@functools.lru_cache(maxsize=1024)  # Hypothesis validates each strategy object once, at the price of several draws
def _number(domain: Domain, dtype: torch.dtype, style: str) -> SearchStrategy[float]:
    low, high = domain.bounds(dtype, extreme=style == "extreme")
    if domain.integral:
        return st.integers(int(low), int(high)).map(float)
    if style == "extreme":
        return st.floats(low, high, allow_nan=False, allow_infinity=False)
    return st.sampled_from(_grid(domain, dtype))


@functools.lru_cache(maxsize=1024)
def _grid(domain: Domain, dtype: torch.dtype) -> list[float]:
    """The simplest value, and then on both sides of it ever farther ones to the ends of what is moderate."""
    low, high = domain.bounds(dtype, extreme=False)
    start = min(max(domain.simple, low), high)
    return [start] + [start + (end - start) * step / _GRID for step in range(1, _GRID + 1) for end in (high, low)]


@functools.lru_cache(maxsize=4096)
def _several(domain: Domain, dtype: torch.dtype, style: str, count: int) -> SearchStrategy[list[float]]:
    if style == "extreme" or domain.integral:
        return st.lists(_number(domain, dtype, style), min_size=count, max_size=count)
    # A byte for each: Hypothesis spends as much on one choice as a small oracle on all of its arithmetic.
    levels = _levels(domain, dtype)
    return st.binary(min_size=count, max_size=count).map(lambda drawn: [levels[byte] for byte in drawn])


@functools.lru_cache(maxsize=1024)
def _levels(domain: Domain, dtype: torch.dtype) -> list[float]:
    """Byte → value: half of them on the grid, and half between, where two seldom coincide and order is settled."""
    low, high = domain.bounds(dtype, extreme=False)
    start, grid = min(max(domain.simple, low), high), _grid(domain, dtype)
    fine = [start + (end - start) * (step + 0.5) / (4 * _GRID) for step in range(4 * _GRID) for end in (high, low)]
    return [grid[byte % len(grid)] for byte in range(128)] + fine


# Most cases are generic; in the others 0/0 lives: every entry of an argument the same, every argument the same, the
# simplest legal value at any size (a zero vector, an identity matrix), and some arguments at a border of what they may
# be with the others generic: a last step to noise level zero shows nothing of itself where the state is zero, too.
_STYLES = ("moderate", "moderate", "moderate", "equal", "alike", "simple", "border", "border")
_BORDERS = ("simple", "simple", None, None, None, None, "low", "high")
_A_BORDER = st.sampled_from(_BORDERS)


@draws_cases("formula")
def formula_cases(subject: Formula, run: Run) -> SearchStrategy[Case]:
    """Ordinary cases, in the layout and dtypes that the subject takes."""
    return _cases(subject, _STYLES)


@draws_cases("formula", "extremes")
def extreme_cases(subject: Formula, run: Run) -> SearchStrategy[Case]:
    """Cases up to the extremes of the domain."""
    return _cases(subject, ("extreme",))


class _Shape(NamedTuple):
    """How cases look under one combination of the subject's options."""

    layout: Layout
    dtype: SearchStrategy[torch.dtype]
    sizes: dict[str, SearchStrategy[int]]


def _cases(subject: Formula, styles: tuple[str, ...]) -> SearchStrategy[Case]:
    identities = subject.memory.get("identities") or [None]
    combinations = st.integers(0, len(identities) - 1)
    a_style, a_seed, a_choice = st.sampled_from(styles), st.integers(0, 3), st.booleans()

    @functools.cache
    def shape_of(combination: int) -> _Shape:
        identity = identities[combination]
        layout = identity.layout if identity is not None else subject.layouts()[0]
        sizes = {axis: st.sampled_from(sorted(known)) for axis, known in axis_sizes(subject, layout).items()}
        return _Shape(layout, st.sampled_from(_dtypes(subject, identity)), sizes)

    @st.composite
    def cases(draw: DrawFn) -> Case:
        combination = draw(combinations) if len(identities) > 1 else 0
        layout, a_dtype, an_axis = shape_of(combination)
        dtype = draw(a_dtype)
        style = draw(a_style)
        sizes = {axis: draw(size) for axis, size in an_axis.items()}
        assume(legal_sizes(subject, whole(sizes, splits(subject, layout))))
        case = build(
            subject, layout, sizes, dtype, _numbers(draw, dtype, style), leave=lambda name: draw(a_choice),
            strided=draw(a_choice), seed=draw(a_seed), combination=combination,
        )  # fmt: skip
        assume(legal(subject, case))
        return case

    return cases()


def _dtypes(subject: Formula, identity: Any) -> list[torch.dtype]:  # noqa: ANN401 - what a check has learnt
    if subject.dtype is not None:
        return [subject.dtype]
    if subject.order is not None:  # rounding hides the order in a narrow dtype
        return [torch.float64]
    if identity is not None and identity.dtype is not torch.float64:
        return [identity.dtype]
    return [torch.float64, torch.float32]


def _numbers(draw: DrawFn, dtype: torch.dtype, style: str) -> Numbers:
    drawn_before: dict[str, list[float]] = {}

    def numbers(name: str, domain: Domain, count: int) -> torch.Tensor:
        border = draw(_A_BORDER) if style == "border" else style
        if style == "border" and border is not None and domain.apart:
            drawn = [draw(st.sampled_from(domain.apart))] * count
        elif border in {"simple", "low", "high"}:
            low, high = domain.bounds(dtype, extreme=False)
            drawn = [float({"low": low, "high": high}.get(border, min(max(domain.simple, low), high)))] * count
        elif style == "equal":
            drawn = [draw(_number(domain, dtype, style))] * count
        elif style == "alike" and len(drawn_before.get(domain.name, ())) >= count:
            drawn = drawn_before[domain.name][:count]
        elif count > _MOST_NUMBERS:
            few = draw(_several(domain, dtype, style, _REPEATED))
            drawn = [few[(i + i // _REPEATED) % _REPEATED] for i in range(count)]
        else:
            drawn = draw(_several(domain, dtype, style, count))
        drawn_before[domain.name] = drawn
        return torch.tensor(drawn, dtype=torch.float64)

    return numbers
