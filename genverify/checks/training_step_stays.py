"""The networks that a step is to leave alone have the same parameters afterwards."""

from __future__ import annotations

from genverify.checks.check import check
from genverify.checks.training_step_runs import run_once
from genverify.subjects.budget import Run
from genverify.subjects.case import Case
from genverify.subjects.training_observation import Observed
from genverify.subjects.training_step import TrainingStep
from genverify.verdict import Judgement, failed, not_applicable, passed

__all__ = ["stays"]


@check(
    "training_step.stays",
    statement="the parameters of the other networks are the same after the step, bit for bit",
    source="Goodfellow et al. 2014, algorithm 1: one network moves at a time",
    searched=False,
    requires=lambda subject: None if subject.staying else "nothing is claimed to stay (stays=)",
)
def stays(subject: TrainingStep, case: Case, run: Run) -> Judgement:
    """Parameters before and after; buffers that move and gradients that are left behind are named."""
    seen = run_once(subject, case)
    notes = list(subject.calls.notes)
    examined = 0
    for role in subject.staying:
        if role not in seen.end:
            continue
        examined += sum(v.numel() for v in seen.end[role].values())
        worst, where = 0.0, ""
        for name, value in seen.end[role].items():
            away = float((value - seen.start[role][name]).abs().max()) if value.numel() else 0.0
            if not away <= worst:
                worst, where = away, name
        if seen.moved(role):
            return failed(
                examined=examined, quantity=f"change of {role}.{where}", observed=worst, allowed=0.0,
                notes=tuple(notes), message=f"{role} moves, too: {_why(seen, role)}",
            )  # fmt: skip
        if seen.buffers[role]:
            notes.append(f"buffers of {role} move with its forward pass: {', '.join(seen.buffers[role][:3])}")
        if any(bool(g.any()) for g in seen.grads[role].values()):
            notes.append(f"{role} is left with a gradient, which its own step has to clear first")
    if not examined:
        return not_applicable(f"no network {' or '.join(subject.staying)} takes part in the step")
    return passed(examined=examined, quantity="change of the parameters", observed=0.0, allowed=0.0, notes=tuple(notes))


def _why(seen: Observed, role: str) -> str:
    held = [one for one in seen.updates if role in one.holds]
    if held and len(held[0].holds) > 1:
        return f"one optimizer holds {' and '.join(held[0].holds)}"
    return "its own optimizer is asked to step" if held else "its parameters are written to"
