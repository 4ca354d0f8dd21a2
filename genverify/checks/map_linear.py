"""A linear or affine map: f(ax + bz) = a f(x) + b f(z), of f or of f − f(0)."""

from __future__ import annotations

import torch
from torch import Tensor

from genverify.checks.check import check
from genverify.checks.map_comparison import agreement, as_rows
from genverify.subjects.budget import Run
from genverify.subjects.case import Case
from genverify.subjects.map import Map
from genverify.subjects.map_evaluation import MapEvaluation, evaluated
from genverify.verdict import Judgement, failed

__all__ = ["affine", "linear"]


@check(
    "map.linear",
    statement="f(ax + bz) = a f(x) + b f(z) for all points and numbers",
    source="definition of a linear map",
    requires=lambda subject: None if subject.linear else "the map does not claim to be linear; declare linear=True",
    family="combinations",
)
def linear(subject: Map, case: Case, run: Run) -> Judgement:
    """Superposition at two batches; and nothing at zero."""
    at = evaluated(subject, case)
    at_zero = at(torch.zeros_like(at.x))
    if bool((at_zero != 0).any()):
        return failed(
            examined=at.rows, quantity="|f(0)|", observed=float(at_zero.detach().double().abs().max()), allowed=0.0,
            message="f(0) is not zero: a bias, or a part that does not scale; declare affine=True where that is meant",
            notes=at.notes,
        )  # fmt: skip
    return _superposed(at, case, offset=False)


@check(
    "map.affine",
    statement="f − f(0) is linear",
    source="definition of an affine map",
    requires=lambda subject: None if subject.affine else "the map does not claim to be affine; declare affine=True",
    family="combinations",
)
def affine(subject: Map, case: Case, run: Run) -> Judgement:
    """Superposition of f − f(0) at two batches."""
    return _superposed(evaluated(subject, case), case, offset=True)


def _superposed(at: MapEvaluation, case: Case, *, offset: bool) -> Judgement:
    z, a, b = case["z"].to(at.x), float(case["a"]), float(case["b"])

    def sides() -> tuple[Tensor, Tensor]:
        c = 1.0 - a - b if offset else 0.0
        together = at(a * at.x + b * z)
        apart = a * at(at.x) + b * at(z)
        apart = apart + c * at(torch.zeros_like(at.x)) if c else apart
        return as_rows(together, at.rows), as_rows(apart, at.rows)

    f = "f(ax + bz) − f(0)" if offset else "f(ax + bz)"
    parts = "a (f(x) − f(0)) + b (f(z) − f(0))" if offset else "a f(x) + b f(z)"
    return agreement(
        at, sides, quantity=f"|{f} − [{parts}]|",
        message=lambda row: f"{f} is not {parts} for a = {a:g}, b = {b:g}, in row {row}",
    )  # fmt: skip
