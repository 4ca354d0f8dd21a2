"""Which ELBO the loss is: its weights are positive, the same ELBO for every batch size, and those that are claimed."""

from __future__ import annotations

import torch

from genverify.checks.check import check
from genverify.checks.latent_variable_model_identity import THRESHOLD, Identity, identify
from genverify.checks.latent_variable_model_look import outputs
from genverify.checks.latent_variable_model_terms import Term
from genverify.checks.latent_variable_model_words import described, number
from genverify.numerics.rounding import gamma
from genverify.subjects.budget import Run
from genverify.subjects.case import Case
from genverify.subjects.latent_observation import tensors_of
from genverify.subjects.latent_variable_model import LatentVariableModel
from genverify.verdict import Judgement, Rung, failed, not_applicable, passed

__all__ = ["dialect"]

_LOGITS = "Bernoulli cross-entropy of logits"
# Steps of autograd that only lay numbers out anew.
_LAYOUT = (
    "View",
    "Unsafe",
    "Reshape",
    "Transpose",
    "Permute",
    "Squeeze",
    "Unsqueeze",
    "Clone",
    "Alias",
    "Copy",
    "Flatten",
)
_SQUASHED = ("Sigmoid", "Softmax")


@check(
    "latent_variable_model.dialect",
    statement="L = a E[−log p(x|z)] + b KL + c with a, b > 0 that make one and the same bound for every batch size",
    source="Kingma & Welling 2014, eq. 3; Higgins et al. 2017, eq. 4, for β",
    rung=Rung.EXACT,
    searched=False,
    before=identify,
)
def dialect(subject: LatentVariableModel, case: Case, run: Run) -> Judgement:
    """The weights that were fitted, against each other and against what is claimed."""
    found = identify(subject)
    if found.threshold:
        return not_applicable(THRESHOLD)
    if not found.candidates:
        return not_applicable(f"the loss is not understood: {found.problem}")
    notes = _notes(subject, found)
    evidence = {"rung": Rung.EXACT, "examined": len(found.weights), "notes": notes, "figures": _figures(found)}
    wrong = _sigmoid_twice(found) or _signs(found) or _unequal(found) or _claims(subject, found)
    if wrong:
        return failed(message=wrong, **evidence)
    return passed(**evidence)


def _notes(subject: LatentVariableModel, found: Identity) -> tuple[str, ...]:
    notes = [*subject.calls.notes, described(subject, found)]
    if found.narrow:
        notes.append("it holds to the digits of float32 only: a constant such as log(σ² + 1e-8)?")
    if found.beside:
        notes.append("it holds a function of x alone beside its terms, such as a normaliser of the likelihood")
    if found.prior:
        notes.append(f"p(z) is what the model keeps as {found.prior!r}: say prior={found.prior!r} to claim it")
    if _collapsed(found):
        notes.append("the decoder's result does not move with z: the posterior has collapsed, or z is ignored")
    return tuple(notes)


def _collapsed(found: Identity) -> bool:
    looks = next(iter(found.looks.values()))
    for seen in looks:
        of_runs = [[t for e in outputs(run) for t in tensors_of(e.output)] for run in seen.runs]
        if any(not torch.equal(a, b) for a, b in zip(of_runs[0], of_runs[-1], strict=False)):
            return False
    return True


def _figures(found: Identity) -> dict[str, float | int | str]:
    named = [
        (rows, name, w) for rows, made in found.weights.items() for name, w in zip("ab", made.weights, strict=False)
    ]
    return {f"{name}, batch of {rows}": w for rows, name, w in named}


def _unknown(found: Identity) -> set[int]:
    """The weights (0 of the reconstruction term, 1 of the KL term) that nothing tells: their term never moved."""
    return {
        index for index in (0, 1) for made in found.weights.values() if not made.error[index] < abs(made.weights[index])
    }  # fmt: skip


def _signs(found: Identity) -> str:
    for made in found.weights.values():
        a, b = (found.sign * w for w in made.weights[:2])
        da, db = made.error[:2]
        if a < -da and b < -db:
            return "this is the bound itself, and minimising it drives it to −∞: negate it, or declare it by elbo="
        if b < -db:
            return (
                f"the KL term has weight {b:.4g}: with a minus sign the loss is unbounded below "
                "(the variance of q grows without end)"
            )
        if a < -da:
            return f"the reconstruction term has weight {a:.4g}: its sign is reversed"
        if abs(a) <= da and da < 1e-3 * abs(b):
            return "the reconstruction term has no weight"
        if abs(b) <= db and db < abs(a):
            return (
                "the KL term has no weight: this is an autoencoder with noise, not a bound (where the terms are "
                "returned apart, declare their sum)"
            )
    return ""


def _ratio(made_weights: tuple[float, ...]) -> float:
    return made_weights[1] / made_weights[0]


def _unequal(found: Identity) -> str:
    """β must not depend on the batch size."""
    known = {rows: made for rows, made in found.weights.items() if made.weights[0]}
    if len(known) < 2 or _unknown(found):
        return ""
    (first, one), *others = known.items()
    for rows, other in others:
        beta, again = _ratio(one.weights), _ratio(other.weights)
        blur = sum(
            abs(_ratio(m.weights)) * (m.error[0] / abs(m.weights[0]) + m.error[1] / abs(m.weights[1]))
            for m in (one, other)
        )  # fmt: skip
        if abs(beta - again) > blur + gamma(64, torch.float32) * abs(beta):
            return (
                f"the weight of the KL term against the reconstruction term is {number(beta)} for a batch of {first} "
                f"and {number(again)} for {rows}: one is summed over the batch where the other is averaged, so β "
                "changes with the batch size"
            )
    return ""


def _claims(subject: LatentVariableModel, found: Identity) -> str:
    """The declared β and variance."""
    if (subject.beta is None and subject.decoder_variance is None) or _unknown(found):
        return ""
    term = found.candidates[0].term
    made = next(iter(found.weights.values()))
    ratio = _ratio(made.weights)
    if term.gaussian and subject.decoder_variance is None:
        return ""  # a squared error has some variance at every β: which, is said
    beta = 1.0 if subject.beta is None else float(subject.beta)
    wanted = 2.0 * float(subject.decoder_variance or 1.0) * beta if term.gaussian else beta
    blur = abs(ratio) * (made.error[0] / abs(made.weights[0]) + made.error[1] / abs(made.weights[1]))
    if abs(ratio - wanted) <= blur + gamma(256, torch.float32) * wanted:
        return ""
    claimed = f"β = {beta:g}"
    if term.gaussian:
        claimed += f" and a Gaussian decoder of variance {subject.decoder_variance:g}"
    return f"declared is {claimed}, but {described(subject, found)}{_hint(ratio / wanted, term)}"


def _hint(times: float, term: Term) -> str:
    near = gamma(256, torch.float32)
    if abs(times - 2) <= near and not term.gaussian:
        return " (twice as much: a factor ½ of the KL term is missing?)"
    if abs(times - 0.5) <= near:
        return " (half as much: the ½ of (x − x̂)²/2σ² is missing, or the KL term is halved twice)"
    return ""


def _sigmoid_twice(found: Identity) -> str:
    """Cross-entropy of logits, of what a sigmoid made."""
    one = found.candidates[0]
    twice = one.term.name == _LOGITS and one.where.startswith("the decoder's output")
    if not twice and not one.where.startswith("the sigmoid of the decoder's output"):
        return ""
    for event in outputs(next(iter(found.looks.values()))[0].runs[0]):
        for tensor in tensors_of(event.output):
            step = tensor.grad_fn
            while step is not None and step.name().startswith(_LAYOUT):
                step = step.next_functions[0][0] if step.next_functions else None
            if step is not None and step.name().startswith(_SQUASHED):
                return (
                    "the decoder ends in a sigmoid, and the loss takes its result for logits: the sigmoid is applied "
                    "twice, and no probability leaves (0.5, 0.73)"
                )
    return ""
