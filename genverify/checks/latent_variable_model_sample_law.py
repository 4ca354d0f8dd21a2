"""The law of z: drawn apart for each row, with noise in every direction, and the same that the KL term speaks of."""

from __future__ import annotations

import torch
from torch import Tensor

from genverify.checks.check import check
from genverify.checks.latent_variable_model_identity import identify
from genverify.checks.latent_variable_model_look import Law, Look, Source, fed, latents, look, outputs, rows_of_case
from genverify.checks.latent_variable_model_slips import kl_reading
from genverify.checks.latent_variable_model_stated import reading_of_spread, stated_pairs, statements
from genverify.checks.latent_variable_model_terms import READINGS
from genverify.numerics.rounding import gamma
from genverify.subjects.budget import Run
from genverify.subjects.case import Case
from genverify.subjects.latent_observation import observe, tensors_of
from genverify.subjects.latent_variable_model import LatentVariableModel
from genverify.verdict import Judgement, Rung, failed, not_applicable, passed

__all__ = ["rows_of_latents", "sample_law"]


@check(
    "latent_variable_model.sample_law",
    statement="z = m(x) + A(x) ε with noise of its own for each row and in each direction, as the KL term reads it",
    source="Kingma & Welling 2014, section 2.4; Rezende, Mohamed & Wierstra 2014, section 3",
    rung=Rung.EXACT,
    searched=False,
    family="several rows",
    before=identify,
)
def sample_law(subject: LatentVariableModel, case: Case, run: Run) -> Judgement:
    """The joint law of all z of a batch, found by feeding the draws."""
    seen = look(subject, *rows_of_case(subject, case))
    evidence = {"rung": Rung.EXACT, "notes": subject.calls.notes}
    wrong = _without_noise(seen) or _uniform(seen) or _seeded(subject, seen) or _not_decoded(seen)
    if wrong:
        return failed(**evidence, examined=1, message=wrong)
    if seen.law is None:
        return not_applicable(seen.unlike)
    wrong = _still(seen) or _shared(subject, seen) or _other_reading(subject, seen)
    if wrong:
        return failed(**evidence, examined=1, message=wrong)
    reading = reading_of_spread(seen)
    notes = subject.calls.notes
    if reading is not None:
        notes = (*notes, f"{stated_pairs(seen)[reading[1]].where} states (mean, {reading[0]}) of q(z|x)")
    return passed(rung=Rung.EXACT, examined=seen.law.mean.numel(), quantity="numbers of z", notes=notes)


def _without_noise(seen: Look) -> str:
    """Nothing drawn, nothing to draw, or nothing that moves with what is drawn."""
    draws = seen.runs[0].tape.draws
    if not draws:
        return "the loss draws no noise, in evaluation mode or in training mode: z is a function of x"
    if not any(draw.value.numel() for draw in draws):
        return "what is drawn has no numbers: the latent dimension is 0"
    if not seen.noise.shape[1]:
        return ""
    for zero, moved in zip(seen.runs[0].events, seen.runs[-1].events, strict=False):
        for a, b in zip(tensors_of(zero.output), tensors_of(moved.output), strict=False):
            if a.shape != b.shape or not torch.equal(a, b):
                return ""
    z = seen.runs[0].loss, seen.runs[-1].loss
    return "" if not torch.equal(*z) else "noise is drawn, and nothing that the model makes moves with it: σ = 0"


def _uniform(seen: Look) -> str:
    """Z = μ + σ u with u uniform on (0, 1): `rand` for `randn`."""
    run = seen.runs[0]
    draws = [draw for draw in run.tape.draws if draw.law == "uniform" and draw.standardised is not None]
    if seen.noise.shape[1] or not draws:
        return ""
    u = torch.cat([draw.standardised.reshape(-1) for draw in draws if draw.standardised is not None])
    drawn = [Source(role="latent", name=e.site.name) for e in run.of("latent")]
    drawn += [Source(role="decoder", name=e.site.name) for e in outputs(run)[:1]]
    for z in (latents(run, source) for source in drawn):
        for stated in statements(run) if z is not None and z.numel() == u.numel() else ():
            mean, second = stated.parts(stated.leaves)
            for reading in ("log σ²", "log σ"):
                std = READINGS[reading](second)
                if mean.numel() != u.numel() or z is None:
                    continue
                gap = (z.detach().double() - mean - std * u).abs()
                if bool((gap <= gamma(64, z.dtype) * (mean.abs() + std)).all()):
                    return (
                        f"z = μ + σ u with u uniform on (0, 1), where {stated.where} states {reading}: rand for randn"
                    )
    return ""


def _seeded(subject: LatentVariableModel, seen: Look) -> str:
    """The same noise in every call: a generator that is seeded where it draws."""
    state = torch.get_rng_state()
    drawn = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        tape = observe(subject.calls, seen.x, seen.condition).tape
        drawn.append([d.value for d in tape.draws if d.law == "normal" and d.value.numel()])
    torch.set_rng_state(state)
    first, second = drawn
    if not first or len(first) != len(second) or not all(torch.equal(a, b) for a, b in zip(*drawn, strict=True)):
        return ""
    return "the noise is the same in every call, whatever the random state: it is seeded where it is drawn"


def _not_decoded(seen: Look) -> str:
    """What was drawn moves, and nothing that the decoder is given does: it is called with the mean."""
    first, last = seen.runs[0], seen.runs[-1]
    if seen.source is None or seen.source.role != "latent" or not outputs(first):
        return ""
    calls = [[e for e in run.events if e.site.role == "decoder"] for run in (first, last)]
    given = [[t for e in of_run for t in tensors_of(list(e.inputs))] for of_run in calls]
    if not given[0] or any(a.shape != b.shape or not torch.equal(a, b) for a, b in zip(*given, strict=False)):
        return ""
    return f"{seen.source.name} draws z, and what the decoder is given does not move with it: is that the mean?"


def _still(seen: Look) -> str:
    """Numbers of z that do not move with the noise."""
    law = seen.law
    assert law is not None
    still = law.std <= law.error
    if not bool(still.any()):
        return ""
    return f"{int(still.sum())} of {still.numel()} numbers of z do not move with the noise: σ = 0 there"


def _shared(subject: LatentVariableModel, seen: Look) -> str:
    """Rows that draw the same noise, and directions that do."""
    law = seen.law
    assert law is not None
    if law.elementwise:
        return ""
    owner = rows_of_latents(subject, seen)
    covariance, size = law.covariance(), law.std[:, None] * law.std[None, :]
    linked = covariance.abs() > gamma(64 * len(covariance), subject.calls.dtype) * size
    apart = (owner[:, None] != owner[None, :]) & (owner[:, None] >= 0) & (owner[None, :] >= 0)
    if bool((linked & apart).any()):
        return "the rows of a batch share their noise: z of one row is not independent of z of another"
    return _rank(law, owner, subject.calls.dtype)


def _rank(law: Law, owner: Tensor, dtype: torch.dtype) -> str:
    alive = law.std > law.error
    for row in owner.unique().tolist():
        block = law.matrix[(owner == row) & alive]
        if not len(block):
            continue
        scaled = block / block.norm(dim=1, keepdim=True)
        values = torch.linalg.svdvals(scaled)
        rank = int((values > gamma(1024, dtype) * len(block)).sum())
        if rank < len(block):
            return (
                f"the {len(block)} numbers of z of one row have noise in {rank} direction{'s' if rank != 1 else ''} "
                "only: ε has the wrong shape, and is broadcast"
            )
    return ""


def rows_of_latents(subject: LatentVariableModel, seen: Look) -> Tensor:
    """The row of the batch on which the mean of each number of z depends; −1 for none, −2 for several."""
    assert seen.law is not None
    assert seen.source is not None
    owner = torch.full((seen.law.mean.numel(),), -1)
    for row in range(len(seen.x)):
        x = seen.x.clone()
        x[row] = x[row].flip(0) * 0.5 + 0.25 if subject.calls.data != "binary" else 1.0 - x[row]
        other = observe(subject.calls, x, seen.condition, fed(seen.runs[0].tape, seen.noise[0]))
        z = latents(other, seen.source)
        if z is None or z.numel() != owner.numel():
            continue
        moved = z.detach().double() != seen.law.mean
        owner = torch.where(moved, torch.where(owner == -1, row, -2), owner)
    if bool((owner == -1).all()) and owner.numel() % len(seen.x) == 0:
        # q(z|x) does not depend on x: rows as they are usually laid out.
        owner = torch.arange(len(seen.x)).repeat_interleave(owner.numel() // len(seen.x))
    return owner


def _other_reading(subject: LatentVariableModel, seen: Look) -> str:
    """The draw and the KL term read the encoder's spread alike."""
    drawn, claimed = reading_of_spread(seen), kl_reading(subject, identify(subject))
    if drawn is None or claimed is None or drawn[0] == claimed[0]:
        return ""
    return (
        f"z is drawn as if the encoder's second result were {drawn[0]}, while the KL term of the loss reads "
        f"{claimed[0]}: the two speak of different distributions"
    )
