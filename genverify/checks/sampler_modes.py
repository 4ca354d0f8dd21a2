"""What a sampler with modes does beside drawing: evaluation, the ends of its range, and the gradient of one call."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from genverify.checks.check import check
from genverify.checks.sampler_call import (
    Drawn,
    call,
    canonical_parameters,
    identify,
    law_of_raw,
    raw_parameters,
    witness,
)
from genverify.errors import SubjectRaised
from genverify.noise.generators import preserved_generators
from genverify.numerics import gamma
from genverify.subjects.budget import Run
from genverify.subjects.case import Case
from genverify.subjects.modes import has_mode
from genverify.subjects.sampler import Sampler
from genverify.verdict import Judgement, Rung, failed, not_applicable, passed

__all__ = ["ends", "evaluation", "gradient"]

# Roundings of a scale, a product and a sum, and of the constants in them.
_OPERATIONS = 16


def _has_evaluation(subject: Sampler) -> str | None:
    assert subject.named is not None
    if subject.named.evaluation is None:
        return "the law has no mode of evaluation"
    if not subject.modes:
        return "it is declared to draw in every mode"
    made = isinstance(subject.f, type) and issubclass(subject.f, torch.nn.Module)
    if "flag" not in subject.memory and not made and not has_mode(subject.f):
        return "it has no mode: neither a module nor a function with a flag"
    return None


@check(
    "sampler.evaluation",
    statement="in evaluation mode nothing is drawn, and the output is what the law says of that mode",
    source="the law's own",
    rung=Rung.EXACT,
    requires=_has_evaluation,
    before=identify,
)
def evaluation(subject: Sampler, case: Case, run: Run) -> Judgement:
    """The output of one call in evaluation mode, number by number."""
    assert subject.named is not None
    assert subject.named.evaluation is not None
    with preserved_generators(case.seed):
        drawn = call(subject, case, training=False)
    given = canonical_parameters(subject, case, raw_parameters(subject, case))
    found = _compare(drawn, subject.named.evaluation(**given).to(torch.float64), subject, case)
    if found.outcome != "FAIL":
        return found
    for other in subject.named.recognised:
        if other.evaluation is not None:
            wanted = other.evaluation(**given).to(torch.float64)
            if _compare(drawn, wanted, subject, case).outcome == "PASS":
                name = other.specification.name
                return _compare(drawn, subject.named.evaluation(**given).to(torch.float64), subject, case,
                                f"this is the evaluation of {name!r}: {other.specification.statement}")  # fmt: skip
    return found


def _compare(drawn: Drawn, wanted: Tensor, subject: Sampler, case: Case, words: str = "") -> Judgement:
    output = drawn.output.detach()
    if not output.is_floating_point() or output.numel() != wanted.numel():
        return failed(examined=1, quantity="shape", message=f"{tuple(output.shape)} of {output.dtype} is returned")
    gap = (output.to(torch.float64).reshape(wanted.shape) - wanted).abs()
    allowed = gamma(_OPERATIONS, output.dtype) * wanted.abs()
    ratio = torch.where(gap == 0, torch.zeros_like(gap), gap / allowed)
    place = int(ratio.nan_to_num(nan=torch.inf).argmax())
    evidence: dict[str, Any] = {
        "rung": Rung.EXACT, "examined": 1, "quantity": "|output − expected|", "observed": float(gap.reshape(-1)[place]),
        "allowed": float(allowed.reshape(-1)[place]), "unit": str(output.dtype).removeprefix("torch."),
    }  # fmt: skip
    if bool((ratio <= 1).all()):
        return passed(**evidence)
    shown, expected = float(output.reshape(-1)[place]) + 0.0, float(wanted.reshape(-1)[place])
    words = words or "is the noise switched off there (F.dropout(x, p, self.training))?"
    message = f"evaluation mode gives {shown:.4g} where {expected:.4g} is expected: {words}"
    return failed(**evidence, message=message, witness=witness(subject, case))


def _has_ends(subject: Sampler) -> str | None:
    assert subject.named is not None
    assert subject.match is not None
    names = {bound.argument.name for bound in subject.match.bound}
    if not names & set(subject.named.ends):
        return "it takes no parameter with ends at which its law is a point"
    return None


@check(
    "sampler.ends",
    statement="at the ends of the range of its rate, where the law is a point, the output is that point, or a refusal",
    source="the law's own, as a limit",
    rung=Rung.EXACT,
    requires=_has_ends,
    before=identify,
)
def ends(subject: Sampler, case: Case, run: Run) -> Judgement:
    """The rate at each of its ends: what is returned, unless it is refused by an exception."""
    assert subject.named is not None
    assert subject.match is not None
    judged: list[Judgement] = []
    refused: list[str] = []
    for bound in subject.match.bound:
        name = bound.argument.name
        for end in subject.named.ends.get(name, ()):
            raw = next(value for value in (end, 1.0 - end) if bound.form.canonical(value) == end)
            here = Case(values={**case.values, name: raw}, seed=case.seed)
            try:
                with preserved_generators(case.seed):
                    drawn = call(subject, here)
            except SubjectRaised as raised:
                refused.append(f"{bound.parameter}={raw:g} is refused: {raised}")
                continue
            if not bool(torch.isfinite(drawn.output.detach()).all()):
                # Where 1/(1 − p) is infinite most code has no guard, and nobody goes there: said, and not accused.
                refused.append(f"{bound.parameter}={raw:g} gives no numbers: 1/(1 − p) is infinite there")
                continue
            law = law_of_raw(subject, here, raw_parameters(subject, here))
            assert law.mean is not None
            words = f"at {bound.parameter} = {raw:g} every number is " + ("kept" if end == 0 else "dropped")
            found = _at_end(drawn, law.mean, words, subject, here)
            if found.outcome == "FAIL":
                return found
            judged.append(found)
    if not judged:
        return not_applicable("; ".join(refused))
    worst = max(judged, key=lambda one: one.evidence.ratio).evidence
    return passed(
        rung=Rung.EXACT, examined=1, quantity=worst.quantity, observed=worst.observed, allowed=worst.allowed,
        unit=worst.unit, notes=tuple(refused),
    )  # fmt: skip


def _at_end(drawn: Drawn, mean: Tensor, words: str, subject: Sampler, case: Case) -> Judgement:
    output = drawn.output.detach().to(torch.float64).reshape(-1)
    if output.numel() != mean.numel():
        return failed(examined=1, quantity="shape", message=f"returned shape {tuple(drawn.output.shape)} {words}")
    gap = (output - mean).abs()
    # A uniform number may round to its end, and α' is given by its digits: absolute on the scale of the input.
    size = max((float(v.abs().max()) for _, v in case.tensors() if v.is_floating_point() and v.numel()), default=1.0)
    allowed = gamma(_OPERATIONS, drawn.output.dtype) * (mean.abs() + size)
    worst = int(gap.nan_to_num(nan=torch.inf).argmax())
    evidence: dict[str, Any] = {
        "rung": Rung.EXACT, "examined": 1, "quantity": "|output − limit|", "observed": float(gap[worst]),
        "allowed": float(allowed[worst]), "unit": str(drawn.output.dtype).removeprefix("torch."),
    }  # fmt: skip
    if bool((gap <= allowed).all()):
        return passed(**evidence)
    shown = float(output[worst])
    message = f"{words}, so that {float(mean[worst]) + 0.0:.4g} is expected, and {shown:.4g} is returned"
    return failed(**evidence, message=message, witness=witness(subject, case))


def _has_slopes(subject: Sampler) -> str | None:
    assert subject.named is not None
    return None if subject.named.evaluation is not None else "the law does not tell the slope from the output"


@check(
    "sampler.gradient",
    statement="the gradient of one call is that of the branch on which its output is: the backward pass has the mask "
    "of the forward pass",
    source="the chain rule on y = x m / (1 − p): ∂y/∂x = m / (1 − p) with the same m",
    rung=Rung.EXACT,
    requires=_has_slopes,
    before=identify,
)
def gradient(subject: Sampler, case: Case, run: Run) -> Judgement:
    """⟨c, y⟩ backwards through one call; nothing is drawn in between but what the subject draws itself."""
    law = law_of_raw(subject, case, raw_parameters(subject, case))
    if law.slopes is None:
        return not_applicable("the law does not tell the slope from the output")
    with preserved_generators(case.seed):
        drawn = call(subject, case, gradients=True)
        if not drawn.output.requires_grad or drawn.output.numel() != math.prod(law.shape):
            return not_applicable("the output carries no gradient")
        along = 0.5 + (torch.arange(1, drawn.output.numel() + 1, dtype=torch.float64) * 0.6180339887498949) % 1.0
        cotangent = along.reshape(drawn.output.shape).to(drawn.output)
        names = list(drawn.leaves)
        try:
            parts = torch.autograd.grad(drawn.output, [drawn.leaves[n] for n in names], cotangent, allow_unused=True)
        except Exception as error:  # a backward pass of the subject's own
            raise SubjectRaised(error) from error
    flat = drawn.output.detach().to(torch.float64).reshape(-1)
    if law.possible is not None and not law.possible(flat[None]):
        return not_applicable("the output is none that the law can give: there is no branch to compare with")
    wanted = law.slopes(flat)
    allowed, observed, examined = 0.0, 0.0, 0
    for name, part in zip(names, parts, strict=True):
        if name not in wanted:
            continue
        slope = cotangent.detach().to(torch.float64).reshape(-1) * wanted[name]
        found = torch.zeros_like(slope) if part is None else part.to(torch.float64).reshape(-1)
        told = ~slope.isnan()
        gap, limit = (found - slope).abs()[told], gamma(_OPERATIONS, drawn.output.dtype) * slope.abs()[told]
        examined += int(told.sum())
        if bool((gap <= limit).all()):
            if gap.numel() and float(gap.max()) >= observed:
                observed, allowed = float(gap.max()), float(limit[int(gap.argmax())])
            continue
        place = int(torch.where(gap <= limit, -1.0, gap.nan_to_num(nan=torch.inf)).argmax())
        of, at = float(found[told][place]), float(slope[told][place])
        why = "a mask of its own in the backward pass?" if of in (0.0,) or at == 0.0 else "scaled otherwise backwards?"
        return failed(
            rung=Rung.EXACT, examined=1, quantity="|gradient − exact|", observed=float(gap[place]),
            allowed=float(limit[place]), unit=str(drawn.output.dtype).removeprefix("torch."),
            message=f"the gradient in {name} is {of:.4g} where the output's own branch has {at:.4g}: {why}",
            witness=witness(subject, case),
        )  # fmt: skip
    if not examined:
        return not_applicable("no number of the output tells on which branch it is")
    return passed(rung=Rung.EXACT, examined=1, quantity="|gradient − exact|", observed=observed, allowed=allowed)
