"""A generator's loss with other terms beside that of the game: the part that runs through the discriminator is judged.

Pix2pix, CycleGAN or SRGAN add an L1, cycle or perceptual term. By the slope c in the discriminator's results s
(`training_step_results`) the two are told apart, whatever lies between the networks:

    a = g − g₀,   g₀ the gradient with c cut;      ‖a‖² = ⟨c, (∂s/∂θ) a⟩,

the second measured by moving θ along ± a: it says that c is indeed what made a. Then c is to be the slope of the loss.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from genverify.checks.training_step_fit import is_near
from genverify.checks.training_step_named import asked, fits_of, is_good, plain_families
from genverify.checks.training_step_replay import Flags, Played, Unplayable, by_side, flags_of, shift_generated
from genverify.checks.training_step_results import Results
from genverify.checks.training_step_runs import flat_gradient, run_once
from genverify.subjects.case import Case
from genverify.subjects.training_observation import Observed
from genverify.subjects.training_step import LossFamily, TrainingStep, World
from genverify.verdict import Judgement, failed, inconclusive, passed

__all__ = ["UNKNOWN", "composite"]

UNKNOWN = "the gradient is that of no loss of the catalogue: state it by loss=, a function of the results of D"
# (slope, result, sides of its rows) of one call of the discriminator.
_Slopes = list[tuple[Tensor, Tensor, Flags]]


def composite(subject: TrainingStep, case: Case, families: Sequence[LossFamily], why: str = "") -> Judgement:
    """The slope that a generator's loss has in the discriminator's results, apart from all its other terms.

    Args:
        subject: A generator's step.
        case: Where.
        families: The losses of its side.
        why: Why its whole gradient cannot be followed, where that is so.
    """
    unknown = inconclusive(f"the gradient cannot be followed: {why}" if why else UNKNOWN, notes=subject.calls.notes)
    if not {"D", "G"} <= {*subject.calls.world(case).networks}:
        return unknown
    results, cut = Results(), Results(cut=True)
    seen, without = run_once(subject, case, results), run_once(subject, case, cut)
    if not results.understood or len(results.calls) != len(seen.of("D")):
        return unknown
    whole = flat_gradient(seen, "G")
    part = whole - flat_gradient(without, "G")
    if not bool(part.any()):
        return _absent(subject, case, seen) or unknown
    try:
        slopes = _slopes(subject, case, seen, results, part)
    except Unplayable as reason:
        return inconclusive(f"the gradient cannot be followed: {reason}", notes=subject.calls.notes)
    if not slopes:
        return unknown
    return _judged(subject, slopes, families, float(part.norm() / whole.norm())) or unknown


def _absent(subject: TrainingStep, case: Case, seen: Observed) -> Judgement | None:
    """Nothing comes back from the discriminator's results; None where it may come another way, or cannot come."""
    whole = flat_gradient(seen, "G")
    other, moved = run_once(subject, case, _other_discriminator), run_once(subject, case, shift_generated)
    answers = any(
        one.output is not None and again.output is not None and not torch.equal(one.output, again.output)
        for one, again in zip(seen.of("D"), moved.of("D"), strict=False)
    )
    if not answers or not torch.equal(flat_gradient(other, "G"), whole):
        return None
    return failed(
        examined=whole.numel(), quantity="|gradient through D|", observed=0.0, notes=subject.calls.notes,
        message="nothing of G's gradient comes through the discriminator: it is the same whatever D is (D's result or "
        "what D is given is detached, or that loss has no weight), and other terms alone train G",
    )  # fmt: skip


def _other_discriminator(world: World) -> None:
    with torch.no_grad():
        for index, p in enumerate(world.networks["D"].parameters()):
            steps = torch.arange(1, p.numel() + 1, dtype=p.dtype, device=p.device)
            p.add_((0.25 * torch.sin(steps * 1.7 + index)).reshape(p.shape))


def _slopes(subject: TrainingStep, case: Case, seen: Observed, results: Results, part: Tensor) -> _Slopes:
    """What was handed back to the discriminator's results; nothing where that is not what made `part`."""
    flags = flags_of(subject, case, seen, seen.phase("G"))
    places = [place for place, call in enumerate(seen.calls) if call.role == "D"]
    eps, size = torch.finfo(subject.calls.dtype).eps, float(part.norm())
    start = torch.cat([value.double().reshape(-1) for value in seen.start["G"].values()])
    reach = eps ** (1 / 3) * max(float(start.norm()), eps)
    ends = []
    for by in (reach / size, -reach / size):
        made = Results()
        run_once(subject, case, lambda world, by=by, made=made: (_move(world, by * part), made(world))[1])
        ends.append([one.output.double() for one in made.calls])
    outputs = [one.output for one in results.calls]
    if any([t.shape for t in one] != [t.shape for t in outputs] for one in ends):
        return []
    for chosen in ([one.whole for one in results.calls], [one.last for one in results.calls]):
        rate = sum(float((c.double() * (a - b)).sum()) for c, a, b in zip(chosen, *ends, strict=True)) / (2 * reach)
        # A difference over the cube root of eps keeps two thirds of the digits; a quarter of them tells a slope.
        if abs(rate - size) <= eps**0.25 * size:
            return [(c, s, flags[k]) for c, s, k in zip(chosen, outputs, places, strict=True) if k in flags]
    return []


def _move(world: World, by: Tensor) -> None:
    """The generator's parameters, elsewhere."""
    first = 0
    with torch.no_grad():
        for p in world.networks["G"].parameters():
            p.add_(by[first : first + p.numel()].reshape(p.shape).to(p))
            first += p.numel()


def _judged(subject: TrainingStep, slopes: _Slopes, families: Sequence[LossFamily], share: float) -> Judgement | None:
    """The slope in the results on generated samples against those of the named losses; None where nothing is known."""
    # A generator has no points between the two: what both move is generated, from the data.
    sides = [(data, made | between, between) for _, _, (data, made, between) in slopes]
    _, observed = by_side([(c.double(), one) for (c, _, _), one in zip(slopes, sides, strict=True)])
    real, fake = by_side([(s, one) for (_, s, _), one in zip(slopes, sides, strict=True)])
    if not bool(observed.any()) or not bool(torch.isfinite(observed).all()):
        return None

    def play() -> Played:
        leaf = fake.clone().requires_grad_(True)
        return Played(real=real, fake=leaf, leaves={"the results": leaf})

    families = [_stated(subject)] if callable(subject.loss) else families
    dtype = subject.calls.dtype
    # One minus a sigmoid loses as many digits as it is small.
    lost = torch.finfo(dtype).eps * (1.0 + float(fake.abs().max().exp()))
    fits = fits_of(observed, play, families, dtype, min(16.0 * lost, lost**0.5) * float(observed.abs().max()))
    evidence = {"examined": observed.numel(), "quantity": "|slope in D's results − of the loss|"}
    notes = subject.calls.notes
    said = f"other terms stand beside the loss of the game, which makes {share:.2g} of the gradient"
    for good in fits:
        if good.accepted and (callable(subject.loss) or is_good(subject, good)):
            notes = (*notes, f"the loss: {good.said}", said)
            return passed(**evidence, observed=good.residual, allowed=good.allowed, notes=notes)
    notes = (*notes, said)
    if fits:
        wrong = next((one for one in fits if not one.accepted), fits[0])
        instead = f", and not {asked(subject)}" if wrong.accepted else ""
        return failed(**evidence, notes=notes, message=f"in D's results the slope is that of {wrong.said}{instead}")
    if asked(subject) and not is_near(observed, play, plain_families(families)):
        return failed(**evidence, notes=notes, message=f"in D's results the slope is not that of {asked(subject)}")
    return None


def _stated(subject: TrainingStep) -> LossFamily:
    """The loss that the user gave, as a family of one."""

    def columns(real: Tensor, fake: Tensor) -> list[tuple[Tensor, Tensor]]:
        at = fake.detach().requires_grad_(True)
        with torch.enable_grad():
            (slope,) = torch.autograd.grad(subject.loss(at).sum(), at)
        return [(torch.zeros_like(real), slope)]

    return LossFamily(
        name="the stated loss", side="generator", columns=columns,
        reading=lambda found: (found[0] > 0, "" if found[0] > 0 else "it goes up this loss"),
    )  # fmt: skip
