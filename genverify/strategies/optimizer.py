"""Streams of gradients for optimizers: open loop, so that the buffers of a rule depend on what is drawn alone."""

from __future__ import annotations

import functools
import itertools
import math
from operator import mul
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from genverify.strategies.registry import draws_cases
from genverify.subjects.budget import Run
from genverify.subjects.case import Case
from genverify.subjects.optimizer_objectives import Landscape

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn, SearchStrategy

__all__ = ["SHAPES"]

SHAPES = ((1,), (), (3,), (2, 2), (3, 1))
# Sizes of a gradient; their squares stay inside float32, or vanish beside any ε. The simplest come first.
_SIZES = tuple(
    sign * size * digit
    for size in (1.0, 0.1, 10.0, 1e-3, 1e-8, 1e6, 1e-30)
    for digit in (1.0, 1.5, 2.25, 3.0)
    for sign in (1.0, -1.0)
)
# Entries of one gradient relative to each other.
_PROFILES = ((1.0, 1.0, 1.0, 1.0), (1.0, -0.5, 2.0, 0.75), (1.0, 1e-8, -3.0, 1e-4), (1.0, 0.0, -1.0, 1e3))
_STARTS = ((0.0, 0.0), (1.0, 0.0), (1.0, -2.0), (0.5, 100.0))
_BEGINNINGS = tuple((start, by_columns) for by_columns in (False, True) for start in _STARTS)
_PATTERNS = ("free", "constant", "alternating", "shrinking", "burst", "sparse", "growing")
_SHAPES_OF = {"matrices": ((2, 2), (1, 2), (3, 1), (2, 3), (3, 2)), "sparse": ((3,), (2, 2), (4, 1))}
_SHORT = 5
# Steps of a long trajectory; from which budget on; and how its fifteen numbers are cut into parameters.
_LONG, _SETTLED = 1_000, 200
_PARTITIONS = {
    "entries": ((15,),),
    "tensors": ((4,), (2,), (3,), *[(1,)] * 6),
    "matrices": ((3, 3), (2, 3)),
    "everything": ((4,), (2,), (3,), (6,)),
}


# One draw says what a parameter's gradients do, since every draw costs: pattern, rate of growth, size.
_COLUMNS = tuple(
    (pattern, rate, size)
    for size in _SIZES
    for pattern in _PATTERNS
    for rate in ((0.5, 0.9) if pattern in ("shrinking", "growing") else (0.5,))
)
# What a free stream is multiplied by at steps 2, 3 and 4.
_TURNS = tuple(itertools.product((1.0, -1.0, 0.25, 0.0, 3.0), repeat=3))


_TABLES: dict[str, tuple[Any, ...]] = {
    "column": _COLUMNS,
    "turns": _TURNS,
    "profile": _PROFILES,
    "beginning": _BEGINNINGS,
    "dtype": (torch.float64, torch.float64, torch.float32),
    "rate": (1.0, 1.0, 1.0, 0.5, 0.1, 2.0),
    "rarely": (False, False, False, True),
    "more rarely": (*[False] * 7, True),
    "half of the time": (False, True),
}


@functools.cache
def _one_of(table: str) -> SearchStrategy[Any]:
    """A row of that table; a strategy that is kept, since Hypothesis looks through each new one."""
    from hypothesis import strategies as st

    return st.sampled_from(_TABLES[table])


@functools.cache
def _some_shapes(wants: str, fewest: int, entries: int) -> SearchStrategy[list[tuple[int, ...]]]:
    from hypothesis import strategies as st

    allowed = [shape for shape in _SHAPES_OF.get(wants, SHAPES) if math.prod(shape) >= entries]
    # The orthogonal factor of a matrix is dear, and a step with sparse gradients; two parameters do.
    return st.lists(st.sampled_from(allowed), min_size=fewest, max_size=2 if wants in _SHAPES_OF else 3)


@functools.cache
def _whole(least: int, most: int) -> SearchStrategy[int]:
    from hypothesis import strategies as st

    return st.integers(least, most)


def _factors(pattern: str, steps: int, rate: float, turns: tuple[float, ...]) -> list[float]:
    """How large the gradient is at each step, relative to its base."""
    return {
        "free": lambda: list(itertools.accumulate((*turns[: steps - 1], *[1.0] * (steps - 4)), mul, initial=1.0)),
        "constant": lambda: [1.0] * steps,
        "alternating": lambda: [(-1.0) ** k for k in range(steps)],
        "shrinking": lambda: [max(rate**k, 1e-20) for k in range(steps)],
        "burst": lambda: [1.0, *[1e-2] * (steps - 1)],
        "sparse": lambda: [float(k % 3 == 0) for k in range(steps)],
        "growing": lambda: [rate ** -min(k, 200) if rate ** -min(k, 200) < 1e6 else 1e6 for k in range(steps)],
    }[pattern]()


def _gradients(draw: DrawFn, shape: tuple[int, ...], steps: int, dtype: torch.dtype) -> Tensor:
    numel = math.prod(shape)
    pattern, rate, size = draw(_one_of("column"))
    profile = draw(_one_of("profile")) if numel > 1 else (1.0,)
    turns = draw(_one_of("turns")) if pattern == "free" and steps > 1 else ()
    factors = _factors(pattern, steps, rate, turns)
    rows = [[min(max(k * size * one, -1e9), 1e9) for one in (*profile, *profile)[:numel]] for k in factors]
    return torch.tensor(rows, dtype=dtype).reshape(steps, *shape)


def _options(draw: DrawFn, subject: Any) -> dict[str, Any]:  # noqa: ANN401
    """Hyperparameters that the implementation leaves free, its own values first."""
    from hypothesis import strategies as st

    found: dict[str, Any] = {}
    trials = {name: values for name, values in subject.law.trials.items() if len(values) > 1}
    if not trials or not draw(_one_of("half of the time")):
        return found
    for name in draw(st.lists(st.sampled_from(sorted(trials)), max_size=3, unique=True)):
        found[name] = draw(st.sampled_from(trials[name][1:]))
    while found and not subject.law.legal(found):
        found.popitem()
    return found


def _case(
    draw: DrawFn,
    subject: Any,  # noqa: ANN401 - any optimizer
    longest: int,
    *,
    parameters: int = 1,
    entries: int = 1,
    steps: int = 1,
    gaps: bool = False,
) -> Case:
    """A case with at least so many parameters, entries in each, and steps."""
    dtype, wants = draw(_one_of("dtype")), subject.law.wants
    shapes = draw(_some_shapes(wants, parameters, entries))
    # An empty parameter has neither a norm nor a mean that a rule could heed.
    if parameters > 1 and not wants and getattr(subject.law, "elementwise", True) and draw(_one_of("rarely")):
        shapes.append((0,))  # nothing to move, and nothing to stumble over
    length = draw(_whole(steps, min(_SHORT, longest)))
    if longest > _SHORT and draw(_one_of("more rarely")):  # one in eight is long: buffers need time to settle
        length = longest if draw(_one_of("half of the time")) else 20
    plain = not gaps and subject.law.partition == "entries"
    mixed = parameters > 1 and plain and not wants and draw(_one_of("rarely"))
    return _filled(draw, subject, dtype, shapes, length, gaps, mixed)


def _filled(
    draw: DrawFn,
    subject: Any,  # noqa: ANN401 - any optimizer
    dtype: torch.dtype,
    shapes: list[tuple[int, ...]],
    steps: int,
    gaps: bool,
    mixed: bool,
) -> Case:
    parameters, gradients, present = [], [], []
    for index, shape in enumerate(shapes):
        numel = math.prod(shape)
        if mixed and index == 1:  # judged as the narrower of the two
            dtype = torch.float32 if dtype is torch.float64 else torch.float64
        start, by_columns = draw(_one_of("beginning"))
        values = torch.tensor([start[i % 2] for i in range(numel)], dtype=dtype).reshape(shape)
        # A vector of all parameters is a view of each, which torch.optim.LBFGS takes of contiguous ones only.
        if by_columns and len(shape) == 2 and subject.law.partition != "everything":
            values = values.mT.contiguous().mT  # the same numbers, laid out by columns
        parameters.append(values)
        gradients.append(_gradients(draw, shape, steps, dtype))
        present.append(torch.ones(steps, dtype=torch.bool))
    if subject.law.wants == "sparse":
        return _rows(draw, subject, parameters, gradients, gaps)
    if gaps:
        for k in range(1, min(steps, 4)):
            present[0][k] = draw(_one_of("half of the time"))
        present[0][0 if bool(present[0].all()) else steps - 1] = False
    values_of: dict[str, Any] = {"parameters": parameters, "gradients": gradients}
    if gaps:
        values_of["present"] = present
    elif "rate" in subject.convention.capabilities and steps > 1 and (rate := draw(_one_of("rate"))) != 1:
        rates = torch.ones(steps, dtype=torch.float64)
        rates[steps // 2 :] = rate
        values_of["rates"] = rates
    values_of["options"] = _options(draw, subject)
    return Case(values=values_of)


def _rows(
    draw: DrawFn,
    subject: Any,  # noqa: ANN401 - any optimizer
    parameters: list[Tensor],
    gradients: list[Tensor],
    gaps: bool,
) -> Case:
    """A case whose gradients are sparse: at each step some rows of each parameter have one."""
    present = []
    for parameter, gradient in zip(parameters, gradients, strict=True):
        rows = torch.ones(len(gradient), len(parameter), dtype=torch.bool)
        for k in range(min(len(gradient), 4)):
            row = draw(_whole(0, len(parameter) - 1))
            rows[k, row] = not (gaps or draw(_one_of("half of the time")))
        rows[4:, :] = (torch.arange(len(gradient))[4:, None] + torch.arange(len(parameter))) % 3 != 0
        present.append(rows)
    values: dict[str, Any] = {"parameters": parameters, "gradients": gradients, "present": present, "sparse": True}
    return Case(values={**values, "options": _options(draw, subject)})


def _composite(subject: Any, longest: int, **rest: Any) -> SearchStrategy[Case]:  # noqa: ANN401
    from hypothesis import strategies as st

    return st.composite(lambda draw: _case(draw, subject, longest, **rest))()


@draws_cases("optimizer")
def trajectories(subject: Any, run: Run) -> SearchStrategy[Case]:  # noqa: ANN401
    """Parameters of several shapes, streams short and long, options that the implementation leaves free."""
    return _composite(subject, run.budget.steps)


def _on_landscape(
    shapes: tuple[tuple[int, ...], ...],
    steps: int,
    dtypes: tuple[torch.dtype, ...],
    options: dict[str, Any] | None = None,
) -> Any:  # noqa: ANN401
    """The landscape's fifteen numbers in each dtype: nothing is drawn, and nothing shrinks."""
    from hypothesis import strategies as st

    sizes = [torch.Size(shape).numel() for shape in shapes]

    def case(dtype: torch.dtype) -> Case:
        parts = zip(Landscape.start().split(sizes), shapes, strict=True)
        parameters = [part.reshape(shape).to(dtype) for part, shape in parts]
        return Case(values={"parameters": parameters, "steps": steps, "options": dict(options or {})})

    return st.sampled_from(dtypes).map(case)


@draws_cases("optimizer", "long")
def long_trajectories(subject: Any, run: Run) -> SearchStrategy[Case]:  # noqa: ANN401
    """A thousand steps at standard, in each dtype."""
    steps = 100 if run.budget.steps < _SETTLED or subject.law.wants == "iterates" else _LONG
    dtypes = (torch.float64, torch.float32, torch.bfloat16)
    # Through each pair of a quasi-Newton memory the bound grows; with two, all of a long trajectory is judged.
    memory = subject.law.trials.get("history_size", ())
    return _on_landscape(_PARTITIONS[subject.law.partition], steps, dtypes, {"history_size": 2} if memory else None)


@draws_cases("optimizer", "landscape")
def landscapes(subject: Any, run: Run) -> SearchStrategy[Case]:  # noqa: ANN401
    """A hundred steps of parameters of several shapes, in the wide dtypes."""
    return _on_landscape(_PARTITIONS["everything"], 100, (torch.float64, torch.float32))


@draws_cases("optimizer", "first")
def first_steps(subject: Any, run: Run) -> SearchStrategy[Case]:  # noqa: ANN401
    """Streams of one step."""
    return _composite(subject, 1)


@draws_cases("optimizer", "short")
def short_streams(subject: Any, run: Run) -> SearchStrategy[Case]:  # noqa: ANN401
    """Streams of a few steps."""
    return _composite(subject, _SHORT)


@draws_cases("optimizer", "wide")
def wide_parameters(subject: Any, run: Run) -> SearchStrategy[Case]:  # noqa: ANN401
    """Parameters of at least two entries."""
    return _composite(subject, _SHORT, entries=2)


@draws_cases("optimizer", "interrupted")
def interrupted(subject: Any, run: Run) -> SearchStrategy[Case]:  # noqa: ANN401
    """At least two steps, so that there is a middle."""
    return _composite(subject, _SHORT, steps=2)


@draws_cases("optimizer", "several")
def several_parameters(subject: Any, run: Run) -> SearchStrategy[Case]:  # noqa: ANN401
    """At least two parameters."""
    return _composite(subject, _SHORT, parameters=2)


@draws_cases("optimizer", "gaps")
def gaps(subject: Any, run: Run) -> SearchStrategy[Case]:  # noqa: ANN401
    """At least two parameters, the first of which has no gradient at one step or more."""
    return _composite(subject, _SHORT, parameters=2, steps=2, gaps=True)


@draws_cases("optimizer", "bowl")
def bowls(subject: Any, run: Run) -> SearchStrategy[Case]:  # noqa: ANN401
    """Where a search along lines begins on a convex function, and the curvatures of that at its minimum."""
    from hypothesis import strategies as st

    def case(condition: float) -> Case:
        curvatures = torch.tensor([1.0, condition**0.3, condition**0.6, condition], dtype=torch.float64)
        parameters = [torch.tensor([1.0, -0.5, 0.25], dtype=torch.float64), torch.tensor([0.75], dtype=torch.float64)]
        return Case(values={"parameters": parameters, "curvatures": curvatures, "options": {}})

    return st.sampled_from((1.0, 10.0, 1e-2)).map(case)
