"""The log-density of a row is one number, and depends on that row alone."""

from __future__ import annotations

import torch
from torch import Tensor

from genverify.checks.bijection_comparison import compare
from genverify.checks.check import check
from genverify.numerics.jacobian import cross_batch_dependence
from genverify.subjects.budget import Run
from genverify.subjects.calling import subject_code
from genverify.subjects.case import Case
from genverify.subjects.density import Density
from genverify.verdict import Judgement, failed, inconclusive, passed

__all__ = ["batch_independence"]


@check(
    "density.batch_independence",
    statement="log_prob returns one number a row, which depends on that row alone",
    source="a batch is a list of independent evaluations",
    searched=False,
)
def batch_independence(subject: Density, case: Case, run: Run) -> Judgement:
    """No derivative across rows, and a row by itself gives the same number."""
    call, notes = subject.prepared, subject.prepared.notes
    x = case["x"].to(call.dtype)
    context = case["context"].to(call.dtype) if "context" in case else None

    def log_prob(points: Tensor, rows: slice = slice(None)) -> Tensor:
        with subject_code():
            return call.log_prob(points.clone(), None if context is None else context[rows].clone())

    found = log_prob(x)
    if not isinstance(found, Tensor) or found.numel() != len(x) or found.ndim == 0 or len(found) != len(x):
        shape = tuple(found.shape) if isinstance(found, Tensor) else type(found).__name__
        return failed(
            examined=1, notes=notes,
            message=f"log_prob of {len(x)} events {subject.event} is {shape}; one number a row is expected",
        )  # fmt: skip
    try:
        leak = cross_batch_dependence(lambda p: log_prob(p).reshape(len(x), 1), x)
    except (RuntimeError, NotImplementedError, TypeError, ValueError):
        leak = None
    if leak is not None and leak.leaks and leak.finite and leak.witness is not None:
        i, j = leak.witness
        return failed(examined=1, message=f"log p of row {i} depends on row {j} of the input", notes=notes)
    compared = compare(
        lambda: (
            log_prob(x).detach().reshape(-1),
            torch.cat([log_prob(x[i : i + 1], slice(i, i + 1)).detach().reshape(-1) for i in range(len(x))]),
        )
    )
    if not compared.examined:
        return inconclusive(compared.problem or "log p is not finite at any of the points", notes=notes)
    evidence = {
        "examined": compared.examined, "quantity": "|row in a batch − row alone|", "observed": compared.observed,
        "allowed": compared.allowed, "unit": compared.unit, "notes": notes,
    }  # fmt: skip
    if compared.agrees:
        return passed(**evidence)
    return failed(**evidence, message=f"row {compared.row} has another log-density in a batch than alone")
