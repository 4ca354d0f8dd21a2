"""What a row is mapped to depends on that row alone."""

from __future__ import annotations

import torch
from torch import Tensor

from genverify.checks.bijection_comparison import compare
from genverify.checks.check import check
from genverify.numerics.jacobian import cross_batch_dependence
from genverify.subjects.bijection import Bijection
from genverify.subjects.budget import Run
from genverify.subjects.case import Case
from genverify.subjects.evaluation import Evaluation, evaluated
from genverify.verdict import Judgement, failed, inconclusive, passed

__all__ = ["batch_independence"]


@check(
    "bijection.batch_independence",
    statement="row i of the image and of the logabsdet depends on row i of the input alone",
    source="a batch is a list of independent evaluations; Papamakarios et al. 2021, section 2.1",
    searched=False,
    family="several rows",
)
def batch_independence(subject: Bijection, case: Case, run: Run) -> Judgement:
    """No derivative across rows, and a row by itself gives the same numbers."""
    with evaluated(subject, case) as at:
        y, raw = at.forward(at.x)
        if y.ndim == 0 or len(y) != at.rows:
            return inconclusive("the image has another batch size; see bijection.shape")
        log = None if raw is None or subject.stochastic else at.read(raw, at.x).values
        # What steps until all rows are accurate enough couples them, within the accuracy that it states.
        leak = "" if subject.accuracy else _leak(at, with_log=log is not None)
        if leak:
            return failed(examined=1, message=leak, notes=subject.calls.notes)
        return _alone(at, with_log=log is not None)


def _leak(at: Evaluation, *, with_log: bool) -> str:
    """Which output depends on another row, in words; empty when none does, or none that autodiff sees."""
    direction = at.subject.calls.forward

    def context() -> Tensor | None:
        return None if at.context is None else at.context.clone()

    def images(x: Tensor) -> Tensor:
        return direction(x, context())[0].reshape(len(x), -1)

    def logs(x: Tensor) -> Tensor:
        values = at.read(direction(x, context())[1], x).values
        return x.new_zeros(len(x), 1) if values is None else values.reshape(len(x), 1)

    for name, f in [("the image", images), *([("logabsdet", logs)] if with_log else [])]:
        try:
            found = cross_batch_dependence(f, at.x)
        except (RuntimeError, NotImplementedError, TypeError, ValueError):
            continue  # it cannot be differentiated: the rows by themselves are compared still
        if found.leaks and found.finite and found.witness is not None:
            i, j = found.witness
            return (
                f"row {i} of {name} depends on row {j} of the input (largest derivative across rows "
                f"{found.largest:.3g}): a sum or a statistic over the batch"
            )
    return ""


def _alone(at: Evaluation, *, with_log: bool) -> Judgement:
    def together_and_alone() -> tuple[Tensor, Tensor]:
        return _outputs(at, at.x, with_log), torch.cat([_row(at, row, with_log) for row in range(at.rows)])

    first, second = _outputs(at, at.x, with_log), _row(at, 0, with_log)
    if first[:1].shape != second.shape:
        return failed(
            examined=1, notes=at.subject.calls.notes,
            message=f"a batch of one gives {second[0].numel()} numbers, a row of a larger batch {first[0].numel()}",
        )  # fmt: skip
    accuracy = 4.0 * at.subject.accuracy * (1.0 + first.detach().double().abs().amax(1))
    compared = compare(together_and_alone, extra=accuracy)
    if not compared.examined:
        return inconclusive(compared.problem or "nothing finite to compare", notes=at.subject.calls.notes)
    evidence = {
        "examined": compared.examined, "quantity": "|row in a batch − row alone|", "observed": compared.observed,
        "allowed": compared.allowed, "unit": compared.unit, "notes": at.subject.calls.notes,
    }  # fmt: skip
    if compared.agrees:
        return passed(**evidence)
    return failed(
        **evidence, message=f"row {compared.row} gives other numbers in a batch than alone: a statistic over the batch"
    )


def _outputs(at: Evaluation, x: Tensor, with_log: bool) -> Tensor:
    """Image and logabsdet of each row, side by side."""
    y, raw = at.forward(x)
    flat = y.reshape(len(x), -1) if y.ndim and len(y) == len(x) else y.reshape(1, -1)
    log = at.read(raw, x).values if with_log else None
    return flat if log is None else torch.cat([flat, log.reshape(len(x), 1).to(flat)], 1)


def _row(at: Evaluation, row: int, with_log: bool) -> Tensor:
    one = at.one_row(row)
    return _outputs(one, one.x, with_log)
