"""The derivatives that autograd reports are those of the values, with respect to the input and to every parameter."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace

import torch
from torch import Tensor
from torch.autograd import forward_ad

from genverify.checks.check import check
from genverify.checks.map_slope import Line, judge_line, wave
from genverify.errors import GenverifyError
from genverify.numerics.forward_mode import load_forward_mode
from genverify.subjects.budget import Run
from genverify.subjects.case import Case
from genverify.subjects.map import Map
from genverify.subjects.map_evaluation import MapEvaluation, evaluated
from genverify.subjects.region import Region
from genverify.verdict import Judgement, not_applicable

__all__ = ["gradient", "parameter_gradient"]

# The first step of the differences, and how far off a failure is confirmed, in units of the scale of x.
_REACH, _ASIDE = 0.125, 0.375


def _claimed(subject: Map) -> str | None:
    return None if subject.gradient else "the gradient is declared to be a surrogate (gradient=False)"


def _with_parameters(subject: Map) -> str | None:
    if not subject.calls.parameters:
        return "there is no trainable parameter of a module that could be copied"
    return _claimed(subject)


@check(
    "map.gradient",
    statement="backward and forward-mode derivatives with respect to the input are those of the values",
    source="definition of the derivative; Griewank & Walther 2008, chapter 3: vᵀ(Ju) = (vᵀJ)u",
    derivation="gradient_flow.adjoint",
    requires=_claimed,
    family="directions",
)
def gradient(subject: Map, case: Case, run: Run) -> Judgement:
    """vᵀJu along one direction of x: the backward pass, forward mode and extrapolated differences."""
    at, number = evaluated(subject, case), int(case.values.get("direction", 0))
    if not _carries_graph(at, at.x.detach().clone().requires_grad_(True)):
        return not_applicable("the result carries no gradient (computed without a graph, or detached)", notes=at.notes)
    line = _line_of_input(at, number)
    return judge_line(line, lambda side: _line_of_input(_aside(at, side), number))


@check(
    "map.parameter_gradient",
    statement="the gradient of every parameter is that of the values",
    source="definition of the derivative; Rumelhart, Hinton & Williams 1986",
    derivation="gradient_flow.adjoint",
    requires=_with_parameters,
    family="directions",
)
def parameter_gradient(subject: Map, case: Case, run: Run) -> Judgement:
    """All trainable parameters along one direction; where that fails, the first parameter that does."""
    at, number = evaluated(subject, case), int(case.values.get("direction", 0))
    parameters = subject.calls.parameters
    if not _carries_graph(at, at.x):
        return not_applicable("the result carries no gradient to a parameter", notes=at.notes)

    def judged(chosen: Mapping[str, Tensor], name: str) -> Judgement:
        line = _line_of_parameters(at, chosen, number, name)
        return judge_line(line, lambda side: _line_of_parameters(_aside(at, side), chosen, number, name))

    found = judged(parameters, "the parameters")
    if found.outcome == "FAIL" and len(parameters) > 1:
        for name, one in parameters.items():
            alone = judged({name: one}, name)
            if alone.outcome == "FAIL":
                return alone
    return found


def _carries_graph(at: MapEvaluation, x: Tensor) -> bool:
    with torch.enable_grad():
        return at(x).requires_grad


def _line_of_input(at: MapEvaluation, number: int) -> Line:
    x = at.x.detach()
    direction, reach = _inside(x, wave(x.shape, number, x), at.subject.where)

    def leaves() -> tuple[Tensor, list[Tensor]]:
        with torch.enable_grad():
            leaf = x.clone().requires_grad_(True)
            return at(leaf), [leaf]

    def forward() -> Tensor | None:
        load_forward_mode()
        try:
            with forward_ad.dual_level():
                # It asks for a gradient, too, as in the backward pass: what differentiates inside may look at that.
                y = at(forward_ad.make_dual(x.clone().requires_grad_(True), direction))
                tangent = forward_ad.unpack_dual(y).tangent
                return None if tangent is None else tangent.detach()
        except (GenverifyError, RuntimeError, NotImplementedError):
            return None

    return Line(
        at=at, value=lambda t: at(x + t * direction), leaves=leaves, directions=[direction], reach=reach,
        forward=forward, name="the input", without_forward=("it has no forward-mode derivative; judged by its values",),
    )  # fmt: skip


def _inside(x: Tensor, direction: Tensor, where: Region) -> tuple[Tensor, float]:
    """The direction and a reach along which x stays in its domain."""
    if where.simplex:
        return x * (direction - (x * direction).sum(-1, keepdim=True)), _REACH
    if where.whole:
        return direction, _REACH
    room = torch.minimum(x - where.low, where.high - x)
    reach = _REACH * min(1.0, where.high - where.low)
    return direction * (room / (2.0 * reach)).clamp(max=1.0), reach


def _aside(at: MapEvaluation, side: float) -> MapEvaluation:
    """Generic points at some distance, past any kink that the differences could straddle."""
    direction, reach = _inside(at.x, wave(at.x.shape, 11, at.x), at.subject.where)
    return replace(at, x=at.x + side * min(_ASIDE, reach) * direction)


def _line_of_parameters(at: MapEvaluation, parameters: Mapping[str, Tensor], number: int, name: str) -> Line:
    chosen = list(parameters.values())
    directions = [wave(p.shape, number + k, p.detach()) * _size(p) for k, p in enumerate(chosen)]

    def value(t: float) -> Tensor:
        with _moved(chosen, directions, t):
            return at(at.x).detach()

    def leaves() -> tuple[Tensor, list[Tensor]]:
        with torch.enable_grad():
            return at(at.x), chosen

    return Line(
        at=at, value=value, leaves=leaves, directions=directions, reach=_REACH,
        forward=lambda: None, name=name,
    )  # fmt: skip


def _size(p: Tensor) -> float:
    """A parameter's own scale, and 1 where it is zero throughout."""
    found = float(p.detach().double().square().mean().sqrt()) if p.numel() else 0.0
    return found or 1.0


@contextmanager
def _moved(parameters: list[Tensor], directions: list[Tensor], t: float) -> Iterator[None]:
    """The parameters of the copy at p + t u, and back."""
    kept = [p.detach().clone() for p in parameters]
    try:
        for p, u in zip(parameters, directions, strict=True):
            p.data.add_(u, alpha=t)
        yield
    finally:
        for p, was in zip(parameters, kept, strict=True):
            p.data.copy_(was)
