"""The gradient that the trained network gets is that of a loss of its side, and which."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from genverify.checks.check import check
from genverify.checks.training_step_critic import not_by_sample, results_each
from genverify.checks.training_step_fit import columns_of, first_fit, fitted, gradient_of, is_near, penalty_fit
from genverify.checks.training_step_replay import Played, Unplayable, replayer
from genverify.checks.training_step_runs import run_once
from genverify.subjects.budget import Run
from genverify.subjects.case import Case
from genverify.subjects.training_step import LossFamily, TrainingStep
from genverify.verdict import Judgement, Outcome, failed, inconclusive, not_applicable, passed

__all__ = ["gradient", "is_named", "side_of"]

_ALIASES = {
    "bce": "minimax", "vanilla": "minimax", "ns": "nonsaturating", "lsgan": "leastsquares", "mse": "leastsquares",
    "wgan": "wasserstein", "w": "wasserstein", "rgan": "relativistic", "ragan": "relativisticaverage",
}  # fmt: skip


def side_of(subject: TrainingStep) -> str:
    """Whose losses are meant, by what is trained; empty where it is neither a generator nor a discriminator alone."""
    if subject.claimed is not None and subject.trained == subject.claimed.moves:
        return subject.claimed.side
    if subject.loss is None:
        return ""
    return {"D": "discriminator", "G": "generator"}.get("+".join(subject.trained), "")


def _claims(subject: TrainingStep) -> str | None:
    if subject.claimed is not None and subject.claimed.unrolled:
        return "the gradient goes through steps of the discriminator: see training_step.unrolled"
    return None if side_of(subject) else "no loss of an adversarial game is claimed (like=, loss=)"


def plain(name: str) -> str:
    """A name of a loss without what people write differently."""
    made = "".join(c for c in name.lower() if c.isalpha())
    return _ALIASES.get(made, made)


def _base(name: str) -> str:
    """The loss, whatever stands inside its logarithm."""
    return plain(name.partition(" with ")[0])


@check(
    "training_step.gradient",
    statement="the gradient is that of a loss of the game in the discriminator's results, through the networks",
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


def _judge(subject: TrainingStep, case: Case, logarithmic: bool = False) -> Judgement:
    role = subject.trained[0]
    seen = run_once(subject, case)
    found = seen.gradient(role)
    notes = subject.calls.notes
    numbers = sum(g.numel() for g in found.values())
    observed = torch.cat([g.double().reshape(-1) for g in found.values()])
    if not bool(torch.isfinite(observed).all()):
        return inconclusive("the gradient is not finite", notes=notes)
    if not observed.any() and not seen.updates and seen.moved(role):
        return not_applicable(f"{role} moves without an optimizer of torch, and is left without its gradient")
    try:
        play = replayer(subject, case, seen, role)
        played = play()
    except Unplayable as why:
        if not bool(observed.any()):
            return failed(examined=numbers, notes=notes, message=f"{role} gets no gradient")
        return inconclusive(f"the gradient cannot be followed: {why}", notes=notes)
    if not bool(observed.any()):
        return failed(
            examined=numbers, notes=notes, message=f"{role} gets no gradient from the discriminator's results"
        )
    if side_of(subject) == "discriminator" and not (played.real.numel() and played.fake.numel()):
        if len([one for one in seen.updates if role in one.holds]) > 1:
            return not_applicable("samples of the data and generated ones have updates of their own")
        unseen = "samples of the data" if played.fake.numel() else "generated samples"
        return failed(examined=numbers, notes=notes, message=f"the discriminator is not called on {unseen}")
    if callable(subject.loss):
        return _stated(subject, observed, play, numbers)
    families = [one for one in _families(subject) if not logarithmic or _base(one.name) in _LOGARITHMS]
    fits = first_fit(observed, play, _plain(families), subject.calls.dtype)
    if not fits and is_near(observed, play, _plain(families)):
        fits = first_fit(observed, play, [one for one in families if one not in _plain(families)], subject.calls.dtype)
    good = [one for one in fits if one.accepted and is_named(subject, one.name)]
    slopes = subject.second_order or any(call.differentiable for call in seen.of("D"))
    penalised = not good and slopes and side_of(subject) == "discriminator" and "between" in played.points
    if penalised and (shared := not_by_sample(seen, played)):
        return inconclusive(shared, notes=notes)
    if not good and slopes and side_of(subject) == "discriminator":
        named = [one for one in _plain(families) if is_named(subject, one.name)]
        beside = penalty_fit(observed, play, named, dict(subject.against.penalties), subject.calls.dtype)
        if beside is not None and beside[0].accepted:
            one, penalty, weight = beside
            said = f"{one.said}, with {weight:.4g} times {penalty}"
            judge = passed if weight > 0 else failed
            return judge(
                examined=numbers, quantity="|gradient − of the loss|", observed=one.residual, allowed=one.allowed,
                message=f"the loss is {said}", notes=(*notes, f"the loss: {said}"),
            )  # fmt: skip
    if good:
        each = results_each(played)
        if each > 1:
            notes = (*notes, f"D returns {each} numbers for each sample: the loss is a mean over all of them")
        names = " or ".join(dict.fromkeys(one.said for one in good[:2] if one.residual <= one.allowed))
        return passed(
            examined=numbers, quantity="|gradient − of the loss|", observed=good[0].residual, allowed=good[0].allowed,
            notes=(*notes, f"the loss: {names}"),
        )  # fmt: skip
    if fits:
        wrong = next((one for one in fits if not one.accepted), fits[0])
        asked = "" if not wrong.accepted else f", and not {_asked(subject)}"
        return failed(examined=numbers, notes=notes, figures={"factor": wrong.coefficients[0]},
                      message=f"the gradient is that of {wrong.said}{asked}")  # fmt: skip
    return _otherwise(subject, observed, play, played, families, numbers)


def _asked(subject: TrainingStep) -> str:
    claimed = subject.claimed.losses if subject.claimed is not None else ()
    return str(subject.loss or " or ".join(claimed))


def is_named(subject: TrainingStep, name: str) -> bool:
    """Whether a loss is the one that is claimed."""
    claimed = [subject.loss] if subject.loss is not None else (subject.claimed.losses if subject.claimed else ())
    if not claimed:
        return True
    own = _base(name)
    for one in claimed:
        asked = plain(one)
        if asked == own or (side_of(subject) == "generator" and (asked, own) in _SAME):
            return True
    return False


_LOGARITHMS = ("minimax", "nonsaturating", "saturating")
# A generator's word for a loss that is another's.
_SAME = {("hinge", "wasserstein"), ("minimax", "saturating"), ("minimax", "nonsaturating")}


def _families(subject: TrainingStep) -> tuple[LossFamily, ...]:
    oracles = subject.against
    chosen = oracles.probability_families if subject.calls.probabilities else oracles.families
    return tuple(one for one in chosen if one.side == side_of(subject))


def _plain(families: Sequence[LossFamily]) -> list[LossFamily]:
    return [one for one in families if " with " not in one.name]


def _stated(subject: TrainingStep, observed: Tensor, play: Callable[[], Played], numbers: int) -> Judgement:
    """The loss that the user gave, as a function of the results."""

    def columns(played: Played) -> list[Tensor]:
        own = side_of(subject) == "discriminator"
        value = subject.loss(played.real, played.fake) if own else subject.loss(played.fake)
        return [gradient_of(value.sum(), played)]

    made = fitted(observed, play, columns, subject.calls.dtype)
    notes = subject.calls.notes
    if made is None or made[0][0] <= 0:
        return failed(examined=numbers, notes=notes, message="the gradient is not that of the stated loss")
    said = (f"the gradient is {made[0][0]:.4g} times that of the stated loss",)
    return passed(examined=numbers, quantity="|gradient − of the loss|", observed=made[2], allowed=made[3],
                  notes=(*notes, *said))  # fmt: skip


def _otherwise(
    subject: TrainingStep, observed: Tensor, play: Callable[[], Played], played: Played,
    families: Sequence[LossFamily], numbers: int,
) -> Judgement:  # fmt: skip
    """What it is instead: of one side's samples alone, or of the two with different weights."""
    notes = subject.calls.notes
    parts = {
        "real": "only the samples of the data enter it, and no generated ones",
        "fake": "only generated samples enter it, and none of the data",
        "apart": "samples of the data and generated ones have different weights",
    }
    if side_of(subject) == "discriminator" and played.real.numel() and played.fake.numel():
        for part, words in parts.items():
            for family in _plain(families):
                if fitted(observed, play, columns_of(family, part), subject.calls.dtype) is not None:
                    return failed(examined=numbers, notes=notes, message=f"of a loss like {family.name}, {words}")
    if subject.loss is not None or (subject.claimed is not None and subject.claimed.losses):
        return failed(examined=numbers, notes=notes, message=f"the gradient is not that of {_asked(subject)}")
    return inconclusive(
        "the gradient is that of no loss of the catalogue: state it by loss=, a function of the results of D",
        notes=notes,
    )  # fmt: skip
