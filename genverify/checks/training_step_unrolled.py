"""The generator's gradient goes through the discriminator's steps: as many as are declared, down its own loss."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from genverify.checks.check import check
from genverify.checks.training_step_fit import Fit, first_fit
from genverify.checks.training_step_named import is_named
from genverify.checks.training_step_replay import Played, Unplayable
from genverify.checks.training_step_runs import flat_gradient, run_once
from genverify.checks.training_step_unrolling import HELD, SLOPES, THROUGH, Unrolling, inner_fits, unrolling
from genverify.subjects.budget import Run
from genverify.subjects.case import Case
from genverify.subjects.training_step import LossFamily, TrainingStep
from genverify.verdict import Judgement, Outcome, failed, inconclusive, passed

__all__ = ["unrolled"]


def _claims(subject: TrainingStep) -> str | None:
    named = subject.claimed is not None and subject.claimed.unrolled
    return None if named else "steps of the discriminator are not claimed to be unrolled (like='gan.unrolled_step')"


@check(
    "training_step.unrolled",
    statement="G's gradient is that of its loss at D after K steps down D's own loss, through these steps",
    source="Metz et al. 2017, eq. 3 to 7",
    searched=False,
    requires=_claims,
)
def unrolled(subject: TrainingStep, case: Case, run: Run) -> Judgement:
    """On networks that end in logits, and in probabilities where the step takes both."""
    judged = _judge(subject, case)
    other = subject.calls.alternative
    if judged.outcome is not Outcome.INCONCLUSIVE or other is None:
        return judged
    again = _judge(replace(subject, prepared=other), case)
    return judged if again.outcome is Outcome.INCONCLUSIVE else again


def _judge(subject: TrainingStep, case: Case) -> Judgement:
    seen = run_once(subject, case)
    observed = flat_gradient(seen, "G")
    numbers, notes = observed.numel(), subject.calls.notes
    if not bool(torch.isfinite(observed).all()):
        return inconclusive("the gradient is not finite", notes=notes)
    if not bool(observed.any()):
        return failed(examined=numbers, notes=notes, message="G gets no gradient from the discriminator's results")
    try:
        one = unrolling(subject, case, seen)
        return _compared(subject, one, observed, numbers)
    except Unplayable as why:
        return inconclusive(f"the gradient cannot be followed: {why}", notes=notes)


def _compared(subject: TrainingStep, one: Unrolling, observed: Tensor, numbers: int) -> Judgement:
    chosen = subject.against.probability_families if subject.calls.probabilities else subject.against.families
    plain = [family for family in chosen if " with " not in family.name]
    mine = [family for family in plain if family.side == "generator" and is_named(subject, family.name)]
    values = [_value_of(family) for family in plain if family.side == "discriminator"]
    dtype = subject.calls.dtype

    def fit(play: Callable[[], Played], accuracy: torch.dtype = dtype) -> Fit | None:
        found = first_fit(observed, play, [*mine, *values], accuracy)
        return next((each for each in found if each.accepted), found[0] if found else None)

    evidence = {
        "examined": numbers, "quantity": "|gradient − of the unrolled loss|", "figures": {"steps": float(one.steps)},
        "notes": subject.calls.notes,
    }  # fmt: skip
    if not one.steps:
        return failed(**evidence, message="D takes no step before it is asked: this is gan.generator_step")
    held = fit(lambda: one.outer(HELD, ()))
    inner = inner_fits(one, [family for family in plain if family.side == "discriminator"])
    known = [each for each in inner if each is not None]
    if held is not None:
        if _may_be_lost(one, known, fit):
            return inconclusive("what goes through D's steps is lost in rounding: are they very small?", **evidence)
        return failed(
            **evidence,
            message=f"the gradient is that of {held.said}, at D after {_count(one.steps)} and held there: the "
            "derivative does not go through these steps (optimizer.step() or .data between them, create_graph=True "
            "missing, or their generated samples detached), so that G does not know how D will answer",
        )  # fmt: skip
    sides = [(played.real.numel(), played.fake.numel()) for played in map(one.inner, range(one.steps))]
    if not all(real and generated for real, generated in sides):
        what = "generated samples" if any(not real for real, _ in sides) else "samples of the data"
        return failed(**evidence, message=f"D's steps are made of {what} alone: that is not D's own loss")
    if len(known) < one.steps:
        place = next(k for k, each in enumerate(inner) if each is None)
        return inconclusive(
            f"step {place + 1} of D is no step of gradient descent on a loss of the catalogue (another optimizer, "
            "momentum, a penalty?), so that the derivative through it is not known", **evidence,
        )  # fmt: skip
    wrong = next((each for each in known if not each.accepted), None)
    if wrong is not None:
        return failed(**evidence, message=f"D's steps are of {wrong.said}")
    return _through(subject, one, known, fit, evidence)


def _may_be_lost(one: Unrolling, known: Sequence[Fit], fit: Callable[..., Fit | None]) -> bool:
    """Whether the derivative through D's steps may be smaller than rounding.

    Where their losses are known, whether it is; else it is taken for large enough in float64 where D moves by more than
    half of the digits.
    """
    if len(known) == one.steps:
        return fit(lambda: one.outer(THROUGH, known)) is not None
    dtype = one.subject.calls.dtype
    return dtype is not torch.float64 or one.reach <= math.sqrt(torch.finfo(dtype).eps)


def _through(
    subject: TrainingStep, one: Unrolling, known: Sequence[Fit], fit: Callable[..., Fit | None],
    evidence: dict[str, object],
) -> Judgement:  # fmt: skip
    found, narrow = fit(lambda: one.outer(THROUGH, known)), False
    if found is None:
        lost = _lost(one, known, fit, evidence)
        if lost.outcome is Outcome.FAIL or fit(lambda: one.outer(HELD, ()), torch.float32) is not None:
            return lost
        found, narrow = fit(lambda: one.outer(THROUGH, known), torch.float32), True
        if found is None:
            return lost
    said = f"{found.said}, at D after {_count(one.steps)} of {known[0].said} at rate {known[0].coefficients[0]:.4g}"
    if not found.accepted:
        return failed(**evidence, message=f"the gradient is that of {said}")
    declared = subject.calls.unroll
    if declared is not None and declared != one.steps:
        return failed(
            **{**evidence, "observed": float(one.steps), "allowed": float(declared), "quantity": "steps of D"},
            message=f"the derivative goes through {_count(one.steps)} of D, where {declared} are declared",
        )  # fmt: skip
    notes = (*subject.calls.notes, f"the loss: {said}")
    if narrow:
        notes += ("accurate to float32 only: BCELoss, for one, adds 1e-12 in its second derivative",)
    return passed(**{**evidence, "notes": notes}, observed=found.residual, allowed=found.allowed)


def _lost(
    one: Unrolling, known: Sequence[Fit], fit: Callable[..., Fit | None], evidence: dict[str, object]
) -> Judgement:
    """Which part of the derivative is missing."""
    if one.steps > 1 and (found := fit(lambda: one.outer(SLOPES, known))) is not None:
        return failed(
            **evidence, message=f"the gradient is that of {found.said} through each of D's steps by itself: their "
            "parameters are held where the slopes are taken, so that no step acts through the next",
        )  # fmt: skip
    for first in range(1, one.steps):
        if (found := fit(lambda first=first: one.outer(THROUGH, known, first))) is not None:
            last = one.steps - first
            return failed(
                **evidence, message=f"the gradient is that of {found.said} through D's last "
                f"{'step' if last == 1 else f'{last} steps'} alone, where D takes {one.steps}",
            )  # fmt: skip
    return inconclusive(
        "the gradient is that of no loss of the catalogue through D's steps: state it by loss=", **evidence
    )


def _value_of(family: LossFamily) -> LossFamily:
    """The whole value of the game, which the generator lowers: D's loss, the other way up, the data's part with it."""

    def reading(coefficients: Sequence[float]) -> tuple[bool, str]:
        accepted, words = family.reading([-one for one in coefficients])
        said = "the value of the game, Metz et al. 2017, eq. 5"
        if accepted:
            return True, f"{said}, {words}" if words else said
        return False, "it goes down D's own loss: G helps D" if coefficients[0] > 0 else words

    return replace(family, side="generator", reading=reading)


def _count(steps: int) -> str:
    return "one step" if steps == 1 else f"{steps} steps"
