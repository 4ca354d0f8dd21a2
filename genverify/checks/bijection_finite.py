"""Legal points of moderate size have finite images."""

from __future__ import annotations

import torch
from torch import Tensor

from genverify.checks.bijection_jacobian import jacobian_logabsdet, neighbours
from genverify.checks.check import check
from genverify.subjects.bijection import Bijection
from genverify.subjects.budget import Run
from genverify.subjects.case import Case
from genverify.subjects.evaluation import Evaluation, evaluated
from genverify.verdict import Judgement, failed, inconclusive, passed

__all__ = ["finite"]


@check(
    "bijection.finite",
    statement="image and logabsdet are finite at interior points of moderate size (|x| ≤ 4)",
    source="a diffeomorphism is defined, and its Jacobian regular, at every point of its domain",
)
def finite(subject: Bijection, case: Case, run: Run) -> Judgement:
    """NaN anywhere, or infinities that the Jacobian does not explain."""
    with evaluated(subject, case) as at:
        notes = subject.calls.notes
        y, log = _outputs(at, at.x)
        nan = bool(torch.isnan(y).any()) or (log is not None and bool(torch.isnan(log).any()))
        if nan:
            where = "the image" if bool(torch.isnan(y).any()) else "logabsdet"
            return failed(examined=1, message=f"{where} is NaN at a legal point", notes=notes)
        infinite = bool(torch.isinf(y).any()) or (log is not None and bool(torch.isinf(log).any()))
        if not infinite:
            return passed(examined=len(at.x), quantity="finite numbers", notes=notes)
        if subject.calls.dtype != torch.float64:
            return inconclusive("an infinity, in a dtype of small range", notes=notes)
        return _infinite(at, y, log, notes)


def _infinite(at: Evaluation, y: Tensor, log: Tensor | None, notes: tuple[str, ...]) -> Judgement:
    truth = jacobian_logabsdet(at, at.x)
    if truth is not None and log is not None and bool(torch.isinf(truth[torch.isinf(log)]).any()):
        return inconclusive("the Jacobian is singular at this point", notes=notes)
    for near in neighbours(at.x, at.subject.where):
        there, there_log = _outputs(at, near)
        if bool(torch.isfinite(there).all()) and (there_log is None or bool(torch.isfinite(there_log).all())):
            return inconclusive("infinite at this point, finite next to it", notes=notes)
    what = "the image" if bool(torch.isinf(y).any()) else "logabsdet"
    return failed(examined=1, message=f"{what} is infinite at a legal point, and around it", notes=notes)


def _outputs(at: Evaluation, x: Tensor) -> tuple[Tensor, Tensor | None]:
    y, raw = at.forward(x)
    return y.detach(), raw.detach() if isinstance(raw, Tensor) and raw.is_floating_point() else None
