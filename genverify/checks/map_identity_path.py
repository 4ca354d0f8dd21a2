"""A block that claims an identity path carries differences of its input through unchanged."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from genverify.checks.check import check
from genverify.checks.map_comparison import agreement, as_rows, refuse_shape
from genverify.subjects.budget import Run
from genverify.subjects.case import Case
from genverify.subjects.map import Map
from genverify.subjects.map_evaluation import evaluated
from genverify.verdict import Judgement, inconclusive

__all__ = ["identity_path"]


def _claimed(subject: Map) -> str | None:
    return None if subject.identity_path else "no identity path is claimed; declare identity_path=True"


@check(
    "map.identity_path",
    statement="y = c x + F(x), so that f(x) − f(z) = c (x − z) once the parameters of the branch F are zero",
    source="He et al. 2016b, eqs. 3–5",
    derivation="gradient_flow.depth",
    requires=_claimed,
    family="combinations",
)
def identity_path(subject: Map, case: Case, run: Run) -> Judgement:
    """Differences of two images, with all parameters of a copy at zero."""
    at, factor = evaluated(subject, case), float(subject.identity_path)
    module = subject.calls.module
    if module is None or not list(module.parameters()):
        return inconclusive(
            "it has no parameters that could be set to zero in a copy; give the branch as residual_of=…",
            notes=at.notes,
        )  # fmt: skip
    z = case["z"].to(at.x)
    refused = refuse_shape(at, at(at.x), at.x, "f(x) and x")
    if refused is not None:
        return refused

    def sides() -> tuple[Tensor, Tensor]:
        with _zeroed(module):
            difference = at(at.x) - at(z)
        return as_rows(difference, at.rows), as_rows(factor * (at.x - z), at.rows)

    size = as_rows(at.x.double().abs() + z.double().abs(), at.rows).amax(1)
    return agreement(
        at, sides, quantity=f"|f(x) − f(z) − {factor:g} (x − z)|", scale=size,
        message=lambda row: f"with all parameters at zero, f(x) − f(z) is not {factor:g} (x − z) in row {row}: the "
        "skip is missing, scaled, or cut by an activation after the addition",
    )  # fmt: skip


@contextmanager
def _zeroed(module: torch.nn.Module) -> Iterator[None]:
    """The parameters of a copy at zero, and back."""
    kept = [(p, p.detach().clone()) for p in module.parameters()]
    try:
        for p, _ in kept:
            p.data.zero_()
        yield
    finally:
        for p, was in kept:
            p.data.copy_(was)
