"""Is the average of the iterates, which averaged gradient descent keeps beside them, their average?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from genverify.checks.check import check
from genverify.checks.optimizer_trajectory import refused
from genverify.numerics.rounding import subnormal_spacing, unit_roundoff
from genverify.subjects.budget import Run
from genverify.subjects.case import Case
from genverify.subjects.optimizer import Optimizer
from genverify.subjects.optimizer_run import Stream, continued, start
from genverify.verdict import Judgement, failed, inconclusive, not_applicable, passed

__all__ = []

# What implementations call it, and the step after which it is told to begin, so that it does within a short stream.
_NAMES, _BEGINS = ("ax", "a", "avg", "average", "averaged", "param_avg", "polyak"), 2
# The weight of the newest iterate may be made a step early or late; torch makes it a step late, as it does its rate.
_LAGS = (0, 1, -1)


def _averages(subject: Optimizer) -> str | None:
    assert subject.convention is not None
    assert subject.law is not None
    if subject.law.rule.rpartition(".")[2] != "asgd":
        return "the rule keeps no average"
    return None if "state" in subject.convention.capabilities else "its state cannot be read"


def _kept(state: Mapping[str, Any], p: Tensor) -> Tensor | None:
    found = next((state[name] for name in _NAMES if name in state), None)
    return found.detach().double().clone() if isinstance(found, Tensor) and found.shape == p.shape else None


@check(
    "optimizer.average",
    statement="a ← a + (θ − a)/max(1, t − t₀), step by step, beside the iterates θ",
    source="Polyak & Juditsky 1992; torch.optim.ASGD",
    requires=_averages,
    family="interrupted",
)
def average(subject: Optimizer, case: Case, run: Run) -> Judgement:
    """Each average from the one before it and from the subject's own iterate, with t₀ = 2."""
    declined = refused(subject, case)
    if declined is not None:
        return declined
    assert subject.law is not None
    stream, options = Stream.of(case), {**case["options"], "t0": float(_BEGINS)}
    session = start(subject, stream.parameters, subject.law.arguments(options))
    states = getattr(getattr(session, "optimizer", None), "state", None)
    if not isinstance(states, Mapping):
        return not_applicable("its state cannot be read")
    rate = float(options.get("lr", subject.law.rate))
    before: list[Tensor | None] = [None for _ in stream.parameters]
    counts, excess = [0 for _ in stream.parameters], dict.fromkeys(_LAGS, 0.0)
    examined, step = 0, stream.steps
    for k in range(stream.steps):
        continued(session, stream, first=k, last=k + 1, rate=rate)
        for i, p in enumerate(session.parameters):
            last, kept = before[i], _kept(states.get(p, {}), p)
            before[i] = kept
            if kept is None or not bool(stream.present[i][k].all()):
                continue
            counts[i] += 1
            if last is None or counts[i] <= _BEGINS + 1 or not bool(torch.isfinite(kept + last).all()):
                continue
            examined += kept.numel()
            found = _excess(p.detach(), last, kept, counts[i])
            excess = {lag: max(excess[lag], found[lag]) for lag in _LAGS}
            step = min(step, k) if min(excess.values()) > 1 else step
    if all(one is None for one in before):
        return not_applicable(f"it keeps no average under a usual name ({', '.join(_NAMES)})")
    if not examined:
        return inconclusive("the stream is too short to average")
    evidence = {
        "examined": examined, "quantity": "|a − its average| / allowance", "observed": min(excess.values()),
        "allowed": 1.0, "unit": str(stream.dtype).removeprefix("torch."),
    }  # fmt: skip
    if min(excess.values()) <= 1:
        return passed(**evidence)
    return failed(**evidence, message=f"at step {step + 1} what is kept beside the parameters is not their average")


def _excess(p: Tensor, last: Tensor, kept: Tensor, count: int) -> dict[int, float]:
    """For each lag, how many allowances the average is off; the weight may be a number of float32."""
    unit, theta = unit_roundoff(p.dtype), p.double()
    gap = theta - last
    allowed = 4.0 * unit * (last.abs() + theta.abs() + kept.abs()) + 2.0 * unit_roundoff(torch.float32) * gap.abs()
    allowed = allowed + subnormal_spacing(p.dtype)
    return {
        lag: float(((last + gap / max(1, count - _BEGINS - lag) - kept).abs() / allowed).nan_to_num(0.0).max())
        if p.numel() else 0.0
        for lag in _LAGS
    }  # fmt: skip
