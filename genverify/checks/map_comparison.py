"""Two ways to the images of a map, compared row by row, and the verdict on them."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from genverify.checks.bijection_comparison import compare
from genverify.subjects.map_evaluation import MapEvaluation
from genverify.verdict import Judgement, failed, inconclusive, passed

__all__ = ["agreement", "as_rows", "refuse_shape", "stated"]


def as_rows(y: Tensor, rows: int) -> Tensor:
    """Images as floating numbers, [rows, outputs]; one row where the rows of the input are not kept."""
    y = y if y.is_floating_point() else y.double()
    return y.reshape(rows, -1) if y.ndim and len(y) == rows else y.reshape(1, -1)


def refuse_shape(at: MapEvaluation, left: Tensor, right: Tensor, what: str) -> Judgement | None:
    """A failure where two results that should agree have different shapes; None where they have the same."""
    if left.shape == right.shape:
        return None
    return failed(
        examined=1, notes=at.notes,
        message=f"{what}: the shapes are {tuple(left.shape)} and {tuple(right.shape)}",
    )  # fmt: skip


def stated(at: MapEvaluation, images: Tensor) -> Tensor | float:
    """What the stated accuracy allows in each row."""
    accuracy = at.subject.accuracy
    return 0.0 if not accuracy else accuracy * as_rows(images.detach(), at.rows).double().abs().amax(1)


def agreement(
    at: MapEvaluation,
    compute: Callable[[], tuple[Tensor, Tensor]],
    *,
    quantity: str,
    message: Callable[[int], str],
    extra: Tensor | float = 0.0,
    scale: Tensor | float = 0.0,
    notes: tuple[str, ...] = (),
) -> Judgement:
    """PASS where the two tensors [rows, …] that `compute` makes agree to rounding, FAIL with the worst row if not.

    Args:
        at: The evaluation that both are made with.
        compute: Makes the two; it is run again under perturbed arithmetic where they differ visibly.
        quantity: What is measured.
        message: Row → what is wrong there.
        extra: A further allowance per row.
        scale: The size per row to which rounding is relative where the numbers compared are smaller.
        notes: Beside those of the subject.
    """
    notes = (*at.notes, *notes)
    first = compute()
    if first[0].numel() == 0:
        return inconclusive("there are no numbers to compare", notes=notes)
    bad = torch.isnan(first[0]) != torch.isnan(first[1])
    if bool(bad.any()):
        row = int(bad.reshape(len(bad), -1).any(1).nonzero()[0])
        return failed(examined=len(bad), message=f"{message(row)}; one of the two is NaN", notes=notes)
    with torch.no_grad():
        compared = compare(compute, first=first, extra=extra, scale=scale)
    if not compared.examined:
        return inconclusive(compared.problem or "nothing finite to compare", notes=notes)
    evidence = {
        "examined": compared.examined, "quantity": quantity, "observed": compared.observed,
        "allowed": compared.allowed, "unit": compared.unit, "notes": notes,
    }  # fmt: skip
    return passed(**evidence) if compared.agrees else failed(**evidence, message=message(compared.row))
