"""The two terms of the loss at drawn batches: what moves with the draw, and what is left."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from genverify.checks.check import check
from genverify.checks.latent_variable_model_contradiction import mispaired, misweighed
from genverify.checks.latent_variable_model_encoders import settled
from genverify.checks.latent_variable_model_equations import Candidate, Equations, equations, tried_fit
from genverify.checks.latent_variable_model_fit import Fit
from genverify.checks.latent_variable_model_identity import THRESHOLD, Identity, identify
from genverify.checks.latent_variable_model_look import look, rows_of_case
from genverify.checks.latent_variable_model_slips import slip_of_kl, slip_of_reconstruction
from genverify.numerics.rounding import gamma
from genverify.subjects.budget import Run
from genverify.subjects.case import Case
from genverify.subjects.latent_variable_model import LatentVariableModel
from genverify.verdict import Judgement, Rung, failed, inconclusive, not_applicable, passed

__all__ = ["kl_term", "reconstruction_term"]


def _unseen(subject: LatentVariableModel) -> Judgement | None:
    found = identify(subject)
    if found.blame in ("law", "sight"):
        return not_applicable(f"the law of z is not known: {found.problem}" if found.blame == "law" else found.problem)
    return None


@check(
    "latent_variable_model.reconstruction_term",
    statement="as the draw changes, the loss moves by a multiple of −log p(x|z) of a known likelihood",
    source="Kingma & Welling 2014, eq. 3 and appendix C",
    rung=Rung.EXACT,
    before=identify,
)
def reconstruction_term(subject: LatentVariableModel, case: Case, run: Run) -> Judgement:
    """Differences of the loss between draws at one batch, against those of the likelihood."""
    found = identify(subject)
    skipped = _unseen(subject)
    if skipped is not None:
        return skipped
    if found.blame == "reconstruction" or (found.problem and not found.blame):
        if "unknown" not in subject.memory:  # the same at every batch
            subject.memory["unknown"] = _nothing_fits(subject, found)
        return subject.memory["unknown"]
    seen = look(subject, *rows_of_case(subject, case))
    given = equations(
        subject, [seen], only=found.candidates or ([found.nearest[0]] if found.nearest is not None else None)
    )
    readings = [(one, _weights(found, one, len(seen.x))) for one in found.candidates]
    if found.blame == "batch":
        return not_applicable(found.problem)
    if not readings:
        assert found.nearest is not None
        readings = [(found.nearest[0], found.nearest[1].weights)] if len(seen.x) == found.rows else []
    return _judged(subject, found, given, readings, differences=True)


@check(
    "latent_variable_model.kl_term",
    statement="the rest of the loss is a multiple of KL(q(z|x) ‖ p(z)), with q the law that z is seen to follow",
    source="Kingma & Welling 2014, eq. 3 and appendix B",
    rung=Rung.EXACT,
    before=identify,
)
def kl_term(subject: LatentVariableModel, case: Case, run: Run) -> Judgement:
    """The loss at a batch, against a R + b KL + c with the weights that other batches of its size gave."""
    found = identify(subject)
    skipped = _unseen(subject)
    if skipped is not None:
        return skipped
    if found.blame == "batch":
        return failed(rung=Rung.EXACT, examined=1, notes=subject.calls.notes, message=found.problem)
    if found.threshold:
        return not_applicable(THRESHOLD)
    if found.blame == "kl":
        return _no_kl(subject, found)
    if not found.candidates:
        return not_applicable(f"the reconstruction term is not understood: {found.problem}")
    if any(made.error[1] == float("inf") for made in found.weights.values()):
        return not_applicable("KL(q ‖ p) is the same at every x that was tried: it cannot be told from a constant")
    if found.beside:
        return _beside(subject, found, case)
    seen = look(subject, *rows_of_case(subject, case))
    given = equations(subject, [seen], only=found.candidates)
    readings = [(one, _weights(found, one, len(seen.x))) for one in found.candidates]
    return _judged(subject, found, given, readings, differences=False)


def _no_kl(subject: LatentVariableModel, found: Identity) -> Judgement:
    assert found.nearest is not None
    slip = slip_of_kl(subject, found)
    if subject.conditional and subject.prior is None and not slip.startswith(":"):
        return inconclusive(
            f"{found.problem} of the law that z follows to a standard normal prior: where the prior depends on the "
            "condition, say prior=lambda model, condition: … (a torch distribution)", rung=Rung.EXACT,
        )  # fmt: skip
    return failed(
        rung=Rung.EXACT, examined=1, quantity="|loss − (a R + b KL + c)|", notes=subject.calls.notes,
        message=f"the loss moves with the draw as {found.nearest[0].term.name} does, but {found.problem} of the "
        f"law that z follows{slip}",
    )  # fmt: skip


def _beside(subject: LatentVariableModel, found: Identity, case: Case) -> Judgement:
    """At each batch by itself, under several encoders: a function of x alone stays."""
    x, condition = rows_of_case(subject, case)
    evidence = {"rung": Rung.EXACT, "examined": len(x), "quantity": "|loss − (a R + b KL + c(x))|"}
    notes = (*subject.calls.notes, "the loss holds a function of x alone beside its terms")
    if settled(subject, x, condition, found.candidates) is not None:
        return passed(**evidence, notes=notes)
    return inconclusive("what is left of the loss beside a function of x could not be told", notes=notes)


def _nothing_fits(subject: LatentVariableModel, found: Identity) -> Judgement:
    """Wrong where that can be shown of any likelihood, or of the one that is declared; else a likelihood not known."""
    evidence = {"rung": Rung.EXACT, "examined": 1, "notes": subject.calls.notes}
    if not found.blame:
        return failed(**evidence, message=f"{found.problem} at an event of moderate size")
    looks = found.looks[found.rows]
    most = max(found.looks)
    shown = mispaired(subject, found.looks[most][0]) or misweighed(subject, looks, found.given[found.rows])
    nearest = slip_of_reconstruction(found)
    if shown:
        return failed(**evidence, message=f"{found.problem}: {shown}")
    if subject.likelihood is not None:
        return failed(**evidence, message=f"{found.problem}, that which is declared neither{nearest}")
    return inconclusive(
        f"{found.problem}{nearest}; of a likelihood that is none of the usual ones, say likelihood=lambda out, x: "
        "−log p(x|z), by numbers or rows", rung=Rung.EXACT, notes=subject.calls.notes,
    )  # fmt: skip


def _weights(found: Identity, one: Candidate, rows: int) -> tuple[float, ...]:
    """The weights of a reading for that batch size; none where it was not fitted."""
    if one == found.candidates[0]:
        return found.weights[rows].weights if rows in found.weights else ()
    made = tried_fit(found.given[rows], one, torch.float64) if rows in found.looks else None
    return made.weights if made is not None else ()


def _judged(
    subject: LatentVariableModel, found: Identity, given: Equations,
    readings: Sequence[tuple[Candidate, tuple[float, ...]]], *, differences: bool,
) -> Judgement:  # fmt: skip
    best: Judgement | None = None
    for one, weights in readings:
        made = _compared(subject, found, given, one, weights, differences=differences)
        if made is None:
            continue
        if made.outcome == "PASS":
            return made
        best = best or made
    return best or inconclusive("nothing could be compared at this batch", rung=Rung.EXACT)


def _compared(
    subject: LatentVariableModel, found: Identity, given: Equations, one: Candidate, weights: tuple[float, ...], *,
    differences: bool,
) -> Judgement | None:  # fmt: skip
    term, kl = given.terms.get((one.where, one.term)), given.drawn if one.at_draw else given.kl
    if term is None or not weights or not torch.isfinite(torch.tensor(given.losses)).all():
        return None
    a = weights[0]
    b, c = (weights[1], weights[2]) if found.candidates else (0.0, 0.0)
    values, sizes = torch.tensor(term, dtype=torch.float64)
    losses = torch.tensor(given.losses, dtype=torch.float64)
    if kl is None:
        if not differences or one.at_draw:
            return None
        kl = ([0.0] * len(losses), [0.0] * len(losses))
    if one.term.whole:
        b = 0.0
    klv, kls = torch.tensor(kl, dtype=torch.float64)
    rest = losses - a * values - b * klv - c
    size = losses.abs() + abs(a) * sizes + abs(b) * kls + abs(c)
    if differences:
        rest = rest - rest[0]
    width = torch.float32 if found.narrow or subject.calls.dtype == torch.float64 else subject.calls.dtype
    own = gamma(given.operations, subject.calls.dtype) * size.max()
    wide = gamma(given.operations, width) * size.max()
    observed = float(rest.abs().max())
    # The weights come from a fit of other batches, each good to its own rounding.
    own = float(own) * 4.0 + _blur(found, values, klv)
    narrow = observed > own
    allowed = float(wide) * 4.0 + _blur(found, values, klv) if narrow and subject.calls.dtype == torch.float64 else own
    evidence = {
        "rung": Rung.EXACT, "examined": len(losses), "observed": observed, "allowed": allowed,
        "quantity": "|change of the loss − a × change of −log p(x|z)|" if differences else "|loss − (a R + b KL + c)|",
        "unit": str(torch.float32 if narrow else subject.calls.dtype).removeprefix("torch."),
        "notes": subject.calls.notes,
    }  # fmt: skip
    if observed <= allowed:
        return passed(**evidence)
    what = "as the draw changes, the loss does not move by" if differences else "the loss is not"
    return failed(**evidence, message=f"{what} what other batches of that size show: {one.term.name} and the KL term")


def _blur(found: Identity, values: torch.Tensor, kl: torch.Tensor) -> float:
    """How far the error of the weights moves the loss."""
    worst = 0.0
    for made in found.weights.values():
        error: Fit = made
        spread = error.error[0] * float(values.abs().max()) + error.error[1] * float(kl.abs().max()) + error.error[2]
        worst = max(worst, spread if spread < float("inf") else 0.0)
    return worst
