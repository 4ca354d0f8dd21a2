"""What an optimizer may not mix: parameters with each other, and entries with their neighbours."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from genverify.checks.check import check
from genverify.checks.optimizer_trajectory import refused
from genverify.subjects.budget import Run
from genverify.subjects.case import Case
from genverify.subjects.optimizer import Optimizer
from genverify.subjects.optimizer_run import Stream, Trajectory, drive
from genverify.verdict import Judgement, failed, inconclusive, passed

__all__ = ["agreement"]


def agreement(subject: Optimizer, case: Case, one: Trajectory, other: Tensor, *, words: str, what: str) -> Judgement:
    """Two trajectories that should be one: each may be off by the rule's allowance at every step, and these add up.

    Shapes: `other` [T + 1, n], in the order of `one.observed`.
    """
    assert subject.law is not None
    unit = str(one.dtype).removeprefix("torch.")
    if torch.equal(one.observed[1:], other[1:]) and one.observed[1:].numel():  # NaN is never equal
        examined = one.observed[1:].numel()
        return passed(examined=examined, quantity="|difference|", observed=0.0, allowed=0.0, unit=unit, message=what)
    allowed = 2.0 * subject.law.allowance(one, case["options"]).cumsum(0)  # type: ignore[attr-defined]
    error = (one.observed[1:] - other[1:]).abs()
    same = (one.observed[1:] == other[1:]) | (torch.isnan(one.observed[1:]) & torch.isnan(other[1:]))
    error = torch.where(same, 0.0, torch.where(torch.isnan(error), torch.inf, error))
    judged = torch.isfinite(allowed) & torch.isfinite(one.observed[1:])
    if not bool(judged.any()):
        return inconclusive("every increment is lost in rounding, or overflows")
    excess = torch.where(judged & ~same, error / allowed, torch.zeros_like(error))
    if not bool((excess > 1).any()):
        return passed(
            examined=int(judged.sum()),
            quantity="|difference| / allowance",
            observed=float(excess.max()),
            allowed=1.0,
            unit=unit,
            message=what,
        )
    step = int((excess > 1).any(dim=1).to(torch.int8).argmax())
    flat = int(excess[step].argmax())
    return failed(
        examined=int(judged.sum()),
        quantity="|difference|",
        observed=float(error[step, flat]),
        allowed=float(allowed[step, flat]),
        unit=unit,
        message=f"{words}: at step {step + 1} {one.stream.where(flat)} is {float(one.observed[step + 1, flat]):.6g}, "
        f"and {float(other[step + 1, flat]):.6g} otherwise",
        figures={"step": step + 1},
    )


def _elementwise(subject: Optimizer) -> str | None:
    assert subject.law is not None
    if subject.law.wants == "sparse":
        return "its gradients come by rows"
    return None if subject.law.partition == "entries" else "the rule mixes the entries of a parameter"


def _apart(subject: Optimizer) -> str | None:
    assert subject.law is not None
    return "the rule treats all parameters as one vector" if subject.law.partition == "everything" else None


@check(
    "optimizer.parameters_independent",
    statement="a parameter moves as it would if it were alone: no state is shared between parameters",
    source="every rule of the catalogue keeps a state for each parameter; met in PennyLaneAI/pennylane#1928 (Adagrad)",
    requires=_apart,
    family="several",
)
def parameters_independent(subject: Optimizer, case: Case, run: Run) -> Judgement:
    """All parameters together against each by itself."""
    declined = refused(subject, case)
    if declined is not None:
        return declined
    stream = Stream.of(case)
    together = drive(subject, stream, case["options"])
    alone = [drive(subject, stream.only(i), case["options"]).observed for i in range(len(stream.parameters))]
    return agreement(
        subject,
        case,
        together,
        torch.cat(alone, dim=1),
        words="parameters share state",
        what="each parameter moves as it does alone",
    )


@check(
    "optimizer.permutation_equivariance",
    statement="reversing the entries of parameters and gradients reverses the trajectory: the rule is elementwise",
    source="every line of an elementwise rule",
    requires=_elementwise,
    family="wide",
)
def permutation_equivariance(subject: Optimizer, case: Case, run: Run) -> Judgement:
    """The entries in reverse order, as vectors, against the parameters as they are."""
    declined = refused(subject, case)
    if declined is not None:
        return declined
    stream = Stream.of(case)
    if all(p.numel() < 2 for p in stream.parameters):
        return inconclusive("no parameter has two entries")
    reversed_stream = replace(
        stream,
        parameters=tuple(p.reshape(-1).flip(0) for p in stream.parameters),
        gradients=tuple(g.reshape(stream.steps, -1).flip(1) for g in stream.gradients),
    )
    plain = drive(subject, stream, case["options"])
    turned = drive(subject, reversed_stream, case["options"]).observed
    back = torch.cat([part.flip(1) for part in turned.split([p.numel() for p in stream.parameters], dim=1)], dim=1)
    return agreement(
        subject,
        case,
        plain,
        back,
        words="entries of a parameter influence each other",
        what="the trajectory is reversed with the entries",
    )
