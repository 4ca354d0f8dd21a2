"""The networks that a step is to update have other parameters afterwards."""

from __future__ import annotations

import torch

from genverify.checks.check import check
from genverify.checks.training_step_runs import run_once
from genverify.subjects.budget import Run
from genverify.subjects.case import Case
from genverify.subjects.training_observation import Observed
from genverify.subjects.training_step import TrainingStep
from genverify.verdict import Judgement, failed, passed

__all__ = ["moves"]


@check(
    "training_step.moves",
    statement="the networks that are trained get a gradient, and are updated by it unless that is left to the caller",
    source="Goodfellow et al. 2014, algorithm 1: θ ← θ − η ∇L(θ)",
    searched=False,
    requires=lambda subject: None if subject.trained else "nothing is claimed to move (moves=, gradient_only=)",
)
def moves(subject: TrainingStep, case: Case, run: Run) -> Judgement:
    """Parameters and gradients before and after."""
    seen = run_once(subject, case)
    notes = list(subject.calls.notes)
    if seen.closed:
        notes.append("it returns its loss without a backward pass, which was made here as its caller would")
    examined = 0
    for role in subject.trained:
        gradient = seen.gradient(role)
        size = max((float(g.abs().max()) for g in gradient.values() if g.numel()), default=0.0)
        examined += sum(g.numel() for g in gradient.values())
        evidence = {"examined": examined, "quantity": f"|gradient of {role}|", "observed": size, "notes": tuple(notes)}
        if not all(bool(torch.isfinite(v).all()) for v in seen.end[role].values()):
            return failed(**evidence, message=f"{role} has NaN or infinite parameters after the step")
        why = _why_not(subject, seen, role, size)
        if why:
            return failed(**evidence, message=why)
        if not seen.moved(role):
            notes.append(f"{role} gets its gradient; the update is left to the caller")
    return passed(examined=examined, quantity="|gradient|", notes=tuple(dict.fromkeys(notes)))


def _why_not(subject: TrainingStep, seen: Observed, role: str, size: float) -> str:
    """Why a network is not trained; empty where it is."""
    held = [one for one in seen.updates if role in one.holds]
    reachable = {id(p) for p in seen.world.networks[role].parameters()}
    holders = [o for o in seen.world.optimizers if any(id(p) in reachable for g in o.param_groups for p in g["params"])]
    if role in subject.gradient_only:
        if seen.moved(role):
            return f"{role} moves, though the step is claimed to leave the update to its caller"
        return "" if size else f"{role} gets no gradient: {_lost(role)}"
    if seen.moved(role):
        return ""
    left = max((float(g.abs().max()) for g in seen.grads[role].values() if g.numel()), default=0.0)
    if held and not size and left:
        return f"{role} does not move: the optimizer steps before the backward pass has made a gradient"
    if held and not size:
        return (
            f"{role} does not move: at the optimizer's step its gradient is zero (cleared after the backward pass, or "
            f"{_lost(role)})"
        )
    if held:
        return f"{role} has a gradient and its optimizer is asked, but no parameter moves"
    if not size:
        return f"{role} gets no gradient: {_lost(role)}"
    if seen.updates:
        return f"{role} has a gradient, but the optimizer that steps holds none of its parameters"
    if holders:
        return (
            f"{role} has a gradient, but its optimizer is never asked to step; where the caller does that, declare "
            f"gradient_only=({role!r},)"
        )
    return ""


def _lost(role: str) -> str:
    return f"what {role} makes is detached, made under no_grad, or the backward pass is missing"
