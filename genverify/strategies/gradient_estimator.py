"""Cases of an estimator: few samples of a small law, with parameters and rewards of which no two are equal."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from hypothesis import strategies as st

from genverify.strategies.registry import draws_cases
from genverify.strategies.sampler import spread_numbers
from genverify.subjects.budget import Run
from genverify.subjects.case import Case
from genverify.subjects.domains import real
from genverify.subjects.estimator import GradientEstimator
from genverify.subjects.specification import Argument, Form, Role

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn, SearchStrategy

__all__ = ["estimator_cases", "plain_cases"]


def _declared(subject: GradientEstimator, draw: DrawFn, seed: int = 0) -> Case:
    """The arguments that were given, and a real tensor for each shape that was.

    Without such shapes there is one case only, and an expectation over the draws needs no seed.
    """
    values: dict[str, object] = {}
    for name, value in subject.named_arguments().items():
        if isinstance(value, torch.Size):
            values[name] = spread_numbers(draw, real(), math.prod(value)).reshape(value)
        elif isinstance(value, torch.Tensor):
            values[name] = value.detach().clone()
    return Case(values=values, seed=seed)


def _sizes(subject: GradientEstimator, draw: DrawFn, axes: set[str]) -> tuple[dict[str, int], int]:
    assert subject.law is not None
    known = subject.law.specification.sizes
    fewest = subject.memory.get("fewest", subject.fewest or 1)
    samples = draw(st.sampled_from([n for n in known["samples"] if n >= fewest] or [fewest]))
    sizes = {axis: draw(st.sampled_from(known.get(axis, (1, 2)))) for axis in sorted(axes)}
    if subject.law.continuous and samples * sizes.get("dim", 1) > 3:
        samples = max(fewest, 1)  # a product rule over more coordinates is beyond any budget of a check
    return sizes, samples


def _bound(subject: GradientEstimator) -> list[tuple[Argument, Form]]:
    assert subject.match is not None
    passed = (Role.DRAW, Role.OPTION)
    return [(b.argument, b.form) for b in subject.match.bound if b.argument.role not in passed]


@draws_cases("gradient_estimator")
def estimator_cases(subject: GradientEstimator, run: Run) -> SearchStrategy[Case]:
    """Generic cases, for expectations: simple ones (equal rewards, say) would hide a bias."""

    @st.composite
    def cases(draw: DrawFn) -> Case:
        if subject.law is None:
            return _declared(subject, draw)
        layout, dtype = subject.memory["layout"], subject.memory["dtype"]
        axes = {axis for argument, _ in _bound(subject) for axis in layout.axes(argument)}
        sizes, samples = _sizes(subject, draw, axes)
        values: dict[str, object] = {}
        for place, (argument, form) in enumerate(_bound(subject)):
            if argument.role is Role.SIZE:
                values[argument.name] = sizes[argument.axes]
                continue
            shape = tuple(sizes[axis] for axis in layout.axes(argument))
            raw = spread_numbers(draw, form.domain, math.prod(shape), place)
            values[argument.name] = form.domain.make(raw, shape, dtype)
        values["#samples"], values["#layout"] = samples, layout.name
        return Case(values=values, seed=draw(st.integers(0, 3)))

    return cases()


@draws_cases("gradient_estimator", "plain")
def plain_cases(subject: GradientEstimator, run: Run) -> SearchStrategy[Case]:
    """Any cases, for single estimates: equal and repeated values, large ones, one sample."""

    @st.composite
    def cases(draw: DrawFn) -> Case:
        if subject.law is None:
            return _declared(subject, draw, draw(st.integers(0, 64)))
        layout, dtype = subject.memory["layout"], subject.memory["dtype"]
        axes = {axis for argument, _ in _bound(subject) for axis in layout.axes(argument)}
        sizes, samples = _sizes(subject, draw, axes)
        equal = draw(st.booleans())
        values: dict[str, object] = {}
        for argument, form in _bound(subject):
            if argument.role is Role.SIZE:
                values[argument.name] = sizes[argument.axes]
                continue
            shape = tuple(sizes[axis] for axis in layout.axes(argument))
            count, domain = math.prod(shape), form.domain
            grid = st.integers(0, 16).map(lambda i, d=domain: d.low + (d.high - d.low) * i / 16)
            drawn = [draw(grid)] * count if equal else draw(st.lists(grid, min_size=count, max_size=count))
            values[argument.name] = domain.make(torch.tensor(drawn, dtype=torch.float64), shape, dtype)
        values["#samples"], values["#layout"] = samples, layout.name
        return Case(values=values, seed=draw(st.integers(0, 64)))

    return cases()
