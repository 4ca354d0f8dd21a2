"""A penalty on the critic's slope moves the critic: its gradient has a term of second order."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import torch

from genverify.checks.check import check
from genverify.checks.training_step_critic import not_by_sample
from genverify.checks.training_step_fit import first_fit, penalty_fit
from genverify.checks.training_step_named import side_of
from genverify.checks.training_step_replay import Unplayable, replayer
from genverify.checks.training_step_runs import flat_gradient, run_once
from genverify.subjects.budget import Run
from genverify.subjects.case import Case
from genverify.subjects.training_step import LossFamily, TrainingStep
from genverify.verdict import Judgement, Outcome, failed, inconclusive, not_applicable, passed

__all__ = ["second_order"]


def _claims(subject: TrainingStep) -> str | None:
    if side_of(subject) == "discriminator":
        return None
    return "only a discriminator's step has a penalty on its slope"


@check(
    "training_step.second_order",
    statement="where the critic is called between real and generated samples, the penalty reaches its weights",
    source="Gulrajani et al. 2017, algorithm 1",
    searched=False,
    requires=_claims,
)
def second_order(subject: TrainingStep, case: Case, run: Run) -> Judgement:
    """The gradient as that of a loss and of a penalty beside it."""
    judged = _judge(subject, case)
    other = subject.calls.alternative
    if judged.outcome in (Outcome.PASS, Outcome.NOT_APPLICABLE) or other is None:
        return judged
    again = _judge(replace(subject, prepared=other), case, logarithmic=True)
    return again if again.outcome is Outcome.PASS else judged


def _judge(subject: TrainingStep, case: Case, logarithmic: bool = False) -> Judgement:
    role, notes = subject.trained[0], subject.calls.notes
    seen = run_once(subject, case)
    observed = flat_gradient(seen, role)
    try:
        play = replayer(subject, case, seen, role)
        played = play()
        between = "between" in played.points
    except Unplayable as why:
        if not subject.second_order:
            return not_applicable(f"no penalty was seen: {why}")
        return inconclusive(f"the gradient cannot be followed: {why}", notes=notes)
    if not between and not subject.second_order:
        return not_applicable("the critic is called on samples of the data and on generated ones alone")
    oracles = subject.against
    chosen = oracles.probability_families if subject.calls.probabilities else oracles.families
    families = [
        one for one in chosen
        if one.side == "discriminator" and " with " not in one.name and (one.name == "minimax" or not logarithmic)
    ]  # fmt: skip
    evidence = {"examined": observed.numel(), "notes": notes, "quantity": "|gradient − of the loss|"}
    without = first_fit(observed, play, families, subject.calls.dtype)
    if without:
        return failed(
            **evidence, message=f"the gradient is that of {without[0].said} alone: the penalty adds nothing to it "
            "(create_graph=True is missing, the slope is detached, or the term is not added to the loss)",
        )  # fmt: skip
    shared = not_by_sample(seen, played)
    if shared:
        return inconclusive(shared, notes=notes)
    found = penalty_fit(observed, play, families, dict(oracles.penalties), subject.calls.dtype)
    if found is None:
        return inconclusive("the gradient is that of no loss and penalty of the catalogue", notes=notes)
    one, penalty, weight = found
    other = _weight_elsewhere(subject, case, families)
    if other is not None and not math.isclose(other, weight, rel_tol=math.sqrt(torch.finfo(subject.calls.dtype).eps)):
        return failed(
            **evidence, figures={"weight": weight, "weight on another batch": other},
            message=f"the weight of the penalty is {weight:.4g} on one batch and {other:.4g} on another of that size: "
            "it is no mean over samples (a norm of the whole batch?)",
        )  # fmt: skip
    if weight <= 0:
        return failed(**evidence, message=f"the penalty has weight {weight:.4g}: it rewards steep slopes")
    return passed(**{**evidence, "notes": (*notes, f"{weight:.4g} times {penalty}")}, observed=one.residual,
                  allowed=one.allowed)  # fmt: skip


def _weight_elsewhere(subject: TrainingStep, case: Case, families: Sequence[LossFamily]) -> float | None:
    """The weight of the penalty on other data and other networks; None where it is not found there."""
    moved = {name: 0.5 * value if isinstance(value, torch.Tensor) else value for name, value in case.values.items()}
    there = Case(values={**moved, "#network": int(case.values.get("#network", 0)) + 1}, seed=case.seed + 1)
    seen = run_once(subject, there)
    role = subject.trained[0]
    observed = flat_gradient(seen, role)
    try:
        play = replayer(subject, there, seen, role)
        found = penalty_fit(observed, play, families, dict(subject.against.penalties), subject.calls.dtype)
    except Unplayable:
        return None
    return None if found is None else found[2]
