"""What a row is mapped to depends on that row alone."""

from __future__ import annotations

import torch
from torch import Tensor

from genverify.checks.check import check
from genverify.checks.map_comparison import agreement, as_rows
from genverify.numerics.jacobian import cross_batch_dependence
from genverify.subjects.budget import Run
from genverify.subjects.case import Case
from genverify.subjects.map import Map
from genverify.subjects.map_evaluation import MapEvaluation, evaluated
from genverify.verdict import Judgement, failed, inconclusive

__all__ = ["batch_independence"]


def _claimed(subject: Map) -> str | None:
    if not subject.batch_independent:
        return "the map is declared to see its whole batch (batch_independent=False)"
    return "its noise is drawn for the whole batch at once" if subject.stochastic else None


@check(
    "map.batch_independence",
    statement="row i of the image depends on row i of the input alone",
    source="a batch is a list of independent evaluations; Ioffe & Szegedy 2015, for what is not one",
    requires=_claimed,
    searched=False,
    family="several rows",
)
def batch_independence(subject: Map, case: Case, run: Run) -> Judgement:
    """No derivative across rows, and a row by itself gives the same numbers."""
    at = evaluated(subject, case)
    image = at(at.x)
    if image.ndim == 0 or len(image) != at.rows:
        return inconclusive("the image has another batch size; see map.output_shape", notes=at.notes)
    leak = _leak(at)
    if leak:
        return failed(examined=at.rows, message=leak, notes=at.notes)
    alone = at.one_row(0)(at.x[:1])
    if tuple(alone.shape) != (1, *image.shape[1:]):
        return failed(
            examined=1, notes=at.notes,
            message=f"a batch of one has an image of shape {tuple(alone.shape)}, a larger one {tuple(image.shape)}",
        )  # fmt: skip

    def together_and_alone() -> tuple[Tensor, Tensor]:
        rows = [at.one_row(row)(at.x[row : row + 1]) for row in range(at.rows)]
        return as_rows(at(at.x), at.rows), as_rows(torch.cat(rows), at.rows)

    size = as_rows(image.detach(), at.rows).double().abs().nan_to_num(0.0, 0.0, 0.0).amax(1)
    return agreement(
        at, together_and_alone, quantity="|row in a batch − row alone|", scale=size,
        message=lambda row: f"row {row} gives other numbers in a batch than alone: a statistic over the batch",
    )  # fmt: skip


def _leak(at: MapEvaluation) -> str:
    """Which row depends on another one, in words; empty when none does, or none that autodiff sees."""
    try:
        found = cross_batch_dependence(lambda x: as_rows(at(x), at.rows), at.x)
    except Exception:  # it cannot be differentiated: the rows by themselves are compared still
        return ""
    if not found.leaks or not found.finite or found.witness is None:
        return ""
    i, j = found.witness
    return (
        f"row {i} of the image depends on row {j} of the input (largest derivative across rows {found.largest:.3g}): "
        "a sum or a statistic over the batch; where that is meant, declare batch_independent=False"
    )
