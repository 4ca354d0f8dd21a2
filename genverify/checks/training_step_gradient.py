"""The gradient that the trained network gets is that of a loss of its side, and which."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from genverify.checks.check import check
from genverify.checks.training_step_composite import UNKNOWN, composite
from genverify.checks.training_step_critic import not_by_sample, results_each
from genverify.checks.training_step_fit import Fit, columns_of, fitted, gradient_of, penalty_fit
from genverify.checks.training_step_lost import lost_before
from genverify.checks.training_step_named import (
    asked,
    families_of,
    fits_of,
    is_good,
    is_named,
    plain_families,
    side_of,
)
from genverify.checks.training_step_replay import Played, Unplayable, replayer
from genverify.checks.training_step_runs import flat_gradient, run_once
from genverify.subjects.budget import Run
from genverify.subjects.case import Case
from genverify.subjects.training_observation import Observed
from genverify.subjects.training_step import LossFamily, TrainingStep
from genverify.verdict import Judgement, Outcome, failed, inconclusive, not_applicable, passed

__all__ = ["gradient"]


def _claims(subject: TrainingStep) -> str | None:
    if subject.claimed is not None and subject.claimed.unrolled:
        return "the gradient goes through steps of the discriminator: see training_step.unrolled"
    return None if side_of(subject) else "no loss of an adversarial game is claimed (like=, loss=)"


@check(
    "training_step.gradient",
    statement="the gradient is that of a loss of the game in the discriminator's results, through the networks; a "
    "generator's may have other terms beside it",
    source="Goodfellow et al. 2014, algorithm 1; the losses of gan.* and wgan.*",
    searched=False,
    requires=_claims,
)
def gradient(subject: TrainingStep, case: Case, run: Run) -> Judgement:
    """On networks that end in logits, and in probabilities where the step takes both."""
    judged = _judge(subject, case)
    other = subject.calls.alternative
    if judged.outcome is Outcome.PASS or other is None or "factor" in judged.evidence.figures:
        return judged
    # A step that takes both is one of probabilities only where its loss has their logarithms.
    again = _judge(replace(subject, prepared=other), case, logarithmic=True)
    return again if again.outcome is Outcome.PASS else judged


@dataclass(frozen=True, kw_only=True, eq=False)
class _Followed:
    """A gradient whose calls can be made again: what it is held against."""

    subject: TrainingStep
    case: Case
    seen: Observed
    observed: Tensor
    play: Callable[[], Played]
    played: Played
    families: Sequence[LossFamily]

    @property
    def discriminates(self) -> bool:
        """Whether it is a discriminator's."""
        return side_of(self.subject) == "discriminator"


def _judge(subject: TrainingStep, case: Case, logarithmic: bool = False) -> Judgement:
    role, notes = subject.trained[0], subject.calls.notes
    seen = run_once(subject, case)
    observed = flat_gradient(seen, role)
    if not bool(torch.isfinite(observed).all()):
        return inconclusive("the gradient is not finite", notes=notes)
    if not observed.any() and not seen.updates and seen.moved(role):
        return not_applicable(f"{role} moves without an optimizer of torch, and is left without its gradient")
    families = families_of(subject, logarithmic)
    try:
        play = replayer(subject, case, seen, role)
        played = play()
    except Unplayable as why:
        if not bool(observed.any()):
            return failed(examined=observed.numel(), notes=notes, message=f"{role} gets no gradient")
        if side_of(subject) == "generator":
            return composite(subject, case, families, str(why))
        return inconclusive(f"the gradient cannot be followed: {why}", notes=notes)
    if not bool(observed.any()):
        return failed(
            examined=observed.numel(), notes=notes, message=f"{role} gets no gradient from the discriminator's results"
        )
    one = _Followed(
        subject=subject, case=case, seen=seen, observed=observed, play=play, played=played, families=families
    )
    if one.discriminates and not (played.real.numel() and played.fake.numel()):
        if len([each for each in seen.updates if role in each.holds]) > 1:
            return not_applicable("samples of the data and generated ones have updates of their own")
        unseen = "samples of the data" if played.fake.numel() else "generated samples"
        return failed(examined=observed.numel(), notes=notes, message=f"the discriminator is not called on {unseen}")
    return _stated(one) if callable(subject.loss) else _compared(one)


def _compared(one: _Followed) -> Judgement:
    """The gradient against those of the catalogue's losses, alone and with a penalty; else what it is instead."""
    subject, notes, numbers = one.subject, one.subject.calls.notes, one.observed.numel()
    fits = fits_of(one.observed, one.play, one.families, subject.calls.dtype)
    good = [fit for fit in fits if is_good(subject, fit)]
    if good:
        names = " or ".join(dict.fromkeys(fit.said for fit in good[:2] if fit.residual <= fit.allowed))
        return passed(
            examined=numbers, quantity="|gradient − of the loss|", observed=good[0].residual, allowed=good[0].allowed,
            notes=(*notes, *_particular(one.played), f"the loss: {names}"),
        )  # fmt: skip
    if one.discriminates and (beside := _penalised(one)) is not None:
        return beside
    if not one.discriminates and not fits:
        return composite(subject, one.case, one.families)
    return _wrong(one, fits) if fits else _otherwise(one)


def _particular(played: Played) -> tuple[str, ...]:
    """What a reader should know of the discriminator's results and of what it is given."""
    said = ()
    each = results_each(played)
    if each > 1:
        said += (f"D returns {each} numbers for each sample: the loss is a mean over all of them",)
    (made, *_) = played.points.get("generated", (None,))
    if made is not None and len(made) > 1 and bool((made == made[:1]).all()):
        said += (f"the {len(made)} generated samples are one and the same: their mean is over a single draw",)
    return said


def _penalised(one: _Followed) -> Judgement | None:
    """A loss with a penalty on the slope beside it; None where there is none, or it is not known."""
    subject, notes = one.subject, one.subject.calls.notes
    if not (subject.second_order or any(call.differentiable for call in one.seen.of("D"))):
        return None
    if "between" in one.played.points and (shared := not_by_sample(one.seen, one.played)):
        return inconclusive(shared, notes=notes)
    named = [family for family in plain_families(one.families) if is_named(subject, family.name)]
    beside = penalty_fit(one.observed, one.play, named, dict(subject.against.penalties), subject.calls.dtype)
    if beside is None or not beside[0].accepted:
        return None
    fit, penalty, weight = beside
    said = f"{fit.said}, with {weight:.4g} times {penalty}"
    judge = passed if weight > 0 else failed
    return judge(
        examined=one.observed.numel(), quantity="|gradient − of the loss|", observed=fit.residual, allowed=fit.allowed,
        message=f"the loss is {said}", notes=(*notes, f"the loss: {said}"),
    )  # fmt: skip


def _wrong(one: _Followed, fits: Sequence[Fit]) -> Judgement:
    """A loss that it must not be."""
    wrong = next((fit for fit in fits if not fit.accepted), fits[0])
    instead = "" if not wrong.accepted else f", and not {asked(one.subject)}"
    return failed(
        examined=one.observed.numel(), notes=one.subject.calls.notes, figures={"factor": wrong.coefficients[0]},
        message=f"the gradient is that of {wrong.said}{instead}",
    )  # fmt: skip


def _stated(one: _Followed) -> Judgement:
    """The loss that the user gave, as a function of the results."""
    subject, notes = one.subject, one.subject.calls.notes

    def columns(played: Played) -> list[Tensor]:
        value = subject.loss(played.real, played.fake) if one.discriminates else subject.loss(played.fake)
        return [gradient_of(value.sum(), played)]

    made = fitted(one.observed, one.play, columns, subject.calls.dtype)
    if made is None and not one.discriminates:
        beside = composite(subject, one.case, one.families)
        if beside.outcome is not Outcome.INCONCLUSIVE:
            return beside
    if made is None or made[0][0] <= 0:
        return failed(examined=one.observed.numel(), notes=notes, message="the gradient is not that of the stated loss")
    said = f"the gradient is {made[0][0]:.4g} times that of the stated loss"
    return passed(
        examined=one.observed.numel(), quantity="|gradient − of the loss|", observed=made[2], allowed=made[3],
        notes=(*notes, said),
    )  # fmt: skip


def _otherwise(one: _Followed) -> Judgement:
    """What a discriminator's is instead: of one side's samples alone, with different weights, or of a part of them."""
    subject, numbers, notes = one.subject, one.observed.numel(), one.subject.calls.notes
    parts = {
        "real": "only the samples of the data enter it, and no generated ones",
        "fake": "only generated samples enter it, and none of the data",
        "apart": "samples of the data and generated ones have different weights",
    }
    for part, words in parts.items():
        for family in plain_families(one.families):
            if fitted(one.observed, one.play, columns_of(family, part), subject.calls.dtype) is not None:
                return failed(examined=numbers, notes=notes, message=f"of a loss like {family.name}, {words}")
    lost = lost_before(subject, one.case, one.observed, one.families)
    if lost:
        return failed(examined=numbers, notes=notes, message=lost)
    if asked(subject):
        return failed(examined=numbers, notes=notes, message=f"the gradient is not that of {asked(subject)}")
    return inconclusive(UNKNOWN, notes=notes)
