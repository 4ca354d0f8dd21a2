"""The weights of a clipped critic lie in [−c, c] after its step."""

from __future__ import annotations

import torch

from genverify.checks.check import check
from genverify.checks.training_step_runs import present, run_once, updates_of
from genverify.subjects.budget import Run
from genverify.subjects.case import Case
from genverify.subjects.training_observation import Observed
from genverify.subjects.training_step import TrainingStep
from genverify.verdict import Judgement, failed, inconclusive, passed

__all__ = ["clipped"]


def _claims(subject: TrainingStep) -> str | None:
    named = subject.claimed is not None and subject.claimed.clipped
    return None if named or subject.clip is not None else "weights are not claimed to be clipped (clip=)"


@check(
    "training_step.clipped",
    statement="every parameter of the critic lies in [−c, c] after the step, and is as the update made it inside; of "
    "several updates in one step, each but the first starts from there",
    source="Arjovsky et al. 2017, algorithm 1: w ← clip(w, −c, c), after the update",
    searched=False,
    requires=_claims,
)
def clipped(subject: TrainingStep, case: Case, run: Run) -> Judgement:
    """The largest parameter after the step; and the update, clipped by us."""
    bound = subject.calls.clip
    if bound is None:
        return inconclusive("the bound of the weights is not known: state it by clip=", notes=subject.calls.notes)
    seen = run_once(subject, case)
    worst, where, examined = 0.0, "", 0
    limit = float(torch.tensor(bound, dtype=subject.calls.dtype))
    for role in present(subject, seen):
        for name, value in seen.end[role].items():
            examined += value.numel()
            size = float(value.abs().max()) if value.numel() else 0.0
            if not size <= worst:
                worst, where = size, f"{role}.{name}"
    evidence = {
        "examined": examined, "quantity": f"max |w| ({where})", "observed": worst, "allowed": limit,
        "notes": subject.calls.notes,
    }  # fmt: skip
    started = _starts(subject, seen)
    if not worst <= limit:
        if (
            started and started[-1] <= limit
        ):  # as the authors' own code does: every forward pass but the generator's sees clipped weights
            note = f"clips before the optimizer steps: weights are then up to {worst:.4g}, an update beyond {limit:g}"
            evidence |= {"observed": limit, "notes": (*subject.calls.notes, note)}
            return passed(**evidence, message=note)
        return failed(
            **evidence, message="weights are beyond the bound after the step: nothing clips all of them to the bound"
        )
    beyond = next((k for k, size in enumerate(started) if k and not size <= limit), None)
    if beyond is not None and subject.claimed is not None and subject.claimed.clipped:
        evidence |= {"quantity": f"max |w| before update {beyond + 1}", "observed": started[beyond]}
        return failed(
            **evidence, message=f"update {beyond + 1} of {len(started)} starts from weights beyond the bound: they are "
            "clipped after the last one alone, where the algorithm clips after each (the clip belongs inside the loop)",
        )  # fmt: skip
    other = _otherwise(subject, seen, limit)
    if other:
        return failed(**evidence, message=f"{other} is no longer what the update made of it, though within the bound")
    return passed(**evidence)


def _starts(subject: TrainingStep, seen: Observed) -> list[float]:
    """The largest parameter before each update."""
    return [
        max(float(v.abs().max()) for role in present(subject, seen) for v in one.before[role].values() if v.numel())
        for one in updates_of(subject, seen)
    ]


def _otherwise(subject: TrainingStep, seen: Observed, limit: float) -> str:
    """A parameter that is not its updated value, clipped."""
    last = updates_of(subject, seen)
    if not last:
        return ""
    for role in present(subject, seen):
        for name, value in last[-1].after[role].items():
            if not torch.equal(value.clamp(-limit, limit), seen.end[role][name]):
                return f"{role}.{name}"
    return ""
