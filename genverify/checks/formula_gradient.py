"""A formula's gradient with respect to each argument against the oracle's."""

from __future__ import annotations

import math
from dataclasses import replace

import torch

from genverify.checks.check import check
from genverify.checks.formula_call import Call, Unreadable, call, layout_of, witness
from genverify.checks.formula_comparison import compare
from genverify.checks.formula_gradients import Gradients, gradients_of
from genverify.checks.formula_identity import identify, identity_of
from genverify.checks.formula_kink import at_a_kink
from genverify.checks.formula_undrawn import called
from genverify.errors import SubjectRaised
from genverify.numerics.rounding import Allowance, unit_roundoff
from genverify.subjects.budget import Run
from genverify.subjects.calling import subject_code
from genverify.subjects.case import Case
from genverify.subjects.formula import Bound, Formula
from genverify.subjects.formula_shapes import arrangement
from genverify.subjects.specification import Dialect, Role
from genverify.verdict import Judgement, failed, inconclusive, not_applicable, passed, withheld

__all__ = ["gradient", "no_number"]

# Half the digits of float32: beside a point, and still at it for anything smooth.
_STEP = math.sqrt(torch.finfo(torch.float32).eps)


def _claimed(subject: Formula) -> str | None:
    assert subject.specification is not None
    if subject.accuracy is not None or subject.order is not None:
        return "an approximation of the value claims nothing of the gradient"
    return None if subject.specification.gradient else f"no gradient is claimed of {subject.like}"


@check(
    "formula.gradient",
    statement="the gradient with respect to each argument is the formula's",
    source="the formula's own; see `genverify explain`",
    before=identify,
    requires=_claimed,
)
def gradient(subject: Formula, case: Case, run: Run) -> Judgement:
    """Differentiates a fixed combination of the results, and compares within the allowance of the gradient's terms."""
    found = identity_of(subject, case)
    if not found.accepted:
        return inconclusive("the value follows no accepted dialect, so the gradient has nothing to be held against")
    try:
        made = called(subject, case, gradients=True)
    except Unreadable as error:
        return inconclusive(str(error))
    except SubjectRaised as raised:
        if "numpy" not in str(raised):
            raise
        return not_applicable(f"the subject leaves torch for NumPy, which carries no gradient: {raised}")
    if made.undrawn:
        return inconclusive("the subject draws nothing there, and the value does not depend on it: its slope may")
    leaves = {n: t for n, t in made.inputs.items() if t.requires_grad}
    if not leaves:
        return not_applicable("no argument of the subject is differentiable")
    assert subject.specification is not None
    lost = not any(out.requires_grad for out in made.outputs)
    if lost and subject.specification.surrogate is not None and made.returned_tensor:
        return failed(
            examined=1, witness=witness(subject, case),
            message=f"the result carries no gradient, and that of {subject.like} is specified apart from its value"
            + _of_a_slope(subject),
        )  # fmt: skip
    if lost and not (subject.specification.trains and made.returned_tensor):
        return not_applicable("the result carries no gradient (computed without a graph, or returned as a number)")
    judged: list[Judgement] = []
    for index, out in enumerate(made.outputs):
        if out.is_floating_point():  # beside a result with a graph, one without has lost its own
            judged += _one_output(subject, case, made, found.accepted, index, leaves)
    wrong = next((one for one in judged if one.outcome == "FAIL"), None)
    if wrong is not None and lost:
        message = f"the result has no gradient at all (detach, .data or no_grad), and {subject.like} is to train with"
        return replace(wrong, evidence=replace(wrong.evidence, message=f"{message}; {wrong.evidence.message}"))
    if wrong is not None:
        slip = _slip(subject, case, made, found.accepted[0], leaves)
        if slip is not None:
            message = f"{wrong.evidence.message}; it is that of {slip}, which is wrong under this name: {slip.note}"
            return replace(wrong, evidence=replace(wrong.evidence, message=message))
        return _with_kink(subject, case, found.accepted, wrong)
    unweighed = next((one for one in judged if one.withholds), None)
    if unweighed is not None:
        return unweighed
    good = [one for one in judged if one.outcome == "PASS"]
    if not good:
        return inconclusive("the gradient overflows or is not determined there")
    return max(good, key=lambda one: one.evidence.ratio)


def _slip(
    subject: Formula, case: Case, made: Call, accepted: Dialect, leaves: dict[str, torch.Tensor]
) -> Dialect | None:
    """The recognised dialect of the same value whose gradient this is; the one that it was before is tried first."""
    assert subject.specification is not None
    known: list[Dialect] = subject.memory.setdefault("slips", [])
    for one in [*known, *subject.specification.all_dialects()]:
        alike = one.reductions == accepted.reductions and not one.accepted
        if not alike:
            continue
        compared = compare(subject, case, made, one, identity_of(subject, case).accuracy)
        if not compared.agrees or not compared.examined:
            continue
        judged = [
            judgement
            for index, out in enumerate(made.outputs)
            if out.is_floating_point()
            for judgement in _one_output(subject, case, made, (one,), index, leaves)
        ]
        outcomes = {judgement.outcome for judgement in judged}
        if "FAIL" not in outcomes and "PASS" in outcomes:
            known[:] = [one]
            return one
    return None


def _with_kink(subject: Formula, case: Case, dialects: tuple[Dialect, ...], wrong: Judgement) -> Judgement:
    """Says it when the gradient is right on both sides of the point: it is the code that has a kink there."""
    for side in (1.0, -1.0):
        moved = {
            name: value + side * _STEP * (1.0 + value.abs()) if _moves(subject, name, value) else value
            for name, value in case.values.items()
        }
        beside = replace(case, values=moved)
        try:
            made = call(subject, beside, gradients=True)
        except (Unreadable, SubjectRaised):
            return wrong
        leaves = {n: t for n, t in made.inputs.items() if t.requires_grad}
        for index in range(len(made.outputs)):
            if any(one.outcome == "FAIL" for one in _one_output(subject, beside, made, dialects, index, leaves)):
                return wrong
    message = f"{wrong.evidence.message}; beside this point it is right: abs, clamp, max or where have a kink at it"
    return replace(wrong, evidence=replace(wrong.evidence, message=f"{message}, {subject.like} has none"))


def _moves(subject: Formula, name: str, value: object) -> bool:
    assert subject.match is not None
    bound = next((one for one in subject.match.bound if one.argument.name == name), None)
    return (
        isinstance(value, torch.Tensor) and value.is_floating_point()
        and bound is not None and bound.argument.differentiable and bound.form.domain.tangent is None
    )  # fmt: skip


def no_number(subject: Formula, case: Case, dialect: Dialect) -> Judgement | None:
    """A FAIL where the gradient is NaN or infinite and the formula's is a number that counts; else None.

    Where the formula's is lost in rounding against one, as in the tails of a sigmoid, 1/(1 + e⁻ˣ) may do as it likes.
    """
    if _claimed(subject) is not None:
        return None
    try:
        made = called(subject, case, gradients=True)
    except (Unreadable, SubjectRaised):
        return None  # what it raises is said by formula.gradient
    leaves = {n: t for n, t in made.inputs.items() if t.requires_grad and not made.undrawn}
    for index, out in enumerate(made.outputs):
        if not out.requires_grad or not leaves:
            continue
        with subject_code():
            grads = torch.autograd.grad(out.sum(), list(leaves.values()), retain_graph=True, allow_unused=True)
        for name, grad in zip(leaves, grads, strict=True):
            if grad is not None and not bool(torch.isfinite(grad).all()):
                return _lost(subject, case, made, dialect, index, name, grad)
    return None


def _lost(
    subject: Formula, case: Case, made: Call, dialect: Dialect, index: int, name: str, grad: torch.Tensor
) -> Judgement | None:
    assert subject.specification is not None
    out, got = made.outputs[index], _in_the_formulas_shape(subject, case, name, grad)
    held = gradients_of(subject, case, made, dialect, index, torch.ones(out.shape, dtype=torch.float64), (name,))
    bound = held.quick(name, made.dtype)
    if bound is None:
        return None
    at = ~torch.isfinite(got) & bound.examined & (bound.value.abs() > unit_roundoff(made.dtype))
    if not bool(at.any()):
        return None
    judged = _judge(subject, case, made, bound, name, got)
    message = f"{judged.evidence.message}: 0 · ∞ on the way back, behind a torch.where or a clamp perhaps"
    return replace(judged, evidence=replace(judged.evidence, message=message))


def _of_a_slope(subject: Formula) -> str:
    """What may be missing where the formula differentiates a function that the subject is given."""
    assert subject.match is not None
    taken = [b.parameter for b in subject.match.bound if b.argument.role is Role.FUNCTION and b.argument.differentiable]
    if not taken:
        return ""
    return f": nothing reaches the weights of {taken[0]} (create_graph=True is missing, or its slope is detached)"


def _one_output(
    subject: Formula, case: Case, made: Call, dialects: tuple[Dialect, ...], index: int, leaves: dict[str, torch.Tensor]
) -> list[Judgement]:
    out = made.outputs[index]
    cotangent = (1.0 + 0.25 * torch.arange(out.numel(), dtype=torch.float64)).reshape(out.shape)
    grads: tuple[torch.Tensor | None, ...] = (None,) * len(leaves)
    if out.requires_grad:
        with subject_code():
            grads = torch.autograd.grad(
                out, list(leaves.values()), cotangent.to(out.dtype), retain_graph=True, allow_unused=True
            )
    judged = []
    got = {
        name: _in_the_formulas_shape(subject, case, name, torch.zeros_like(leaf) if grad is None else grad)
        for (name, leaf), grad in zip(leaves.items(), grads, strict=True)
    }
    held = [gradients_of(subject, case, made, one, index, cotangent, tuple(got)) for one in dialects]
    for name in got:
        candidates = [_compare(subject, case, made, index, name, one, got) for one in held]
        judged.append(min(candidates, key=lambda one: (one.outcome == "FAIL", one.evidence.ratio)))
    return judged


def _in_the_formulas_shape(subject: Formula, case: Case, name: str, grad: torch.Tensor) -> torch.Tensor:
    bound, layout = _bound(subject, name), layout_of(subject, case)
    arranged = arrangement(subject, bound.parameter, layout.axes(bound.argument), layout)
    return grad if arranged is None else arranged.to_formula(grad, case["#sizes"])


def _bound(subject: Formula, name: str) -> Bound:
    assert subject.match is not None
    return next(b for b in subject.match.bound if b.argument.name == name.partition("[")[0])


def _compare(
    subject: Formula, case: Case, made: Call, index: int, name: str, held: Gradients, got: dict[str, torch.Tensor]
) -> Judgement:
    accuracy = identity_of(subject, case).accuracy or made.dtype
    judged = _within(subject, case, made, name, held, got, accuracy)
    assert subject.specification is not None
    if judged.outcome == "FAIL" and subject.specification.kinks and at_a_kink(subject, case, made, held.dialect, index):
        return inconclusive("the formula has a kink there: any subgradient will do")
    if judged.outcome == "FAIL" and accuracy is torch.float64:
        # Narrowness is reported, not accused: see formula.value.
        narrow = _within(subject, case, made, name, held, got, torch.float32)
        if narrow.outcome == "PASS":
            note = "accurate to float32 only at some inputs: a guard such as log(x + 1e-8)?"
            return replace(narrow, evidence=replace(narrow.evidence, unit="float32", notes=(note,)))
    return judged


def _within(
    subject: Formula, case: Case, made: Call, name: str, held: Gradients, gots: dict[str, torch.Tensor],
    accuracy: torch.dtype,
) -> Judgement:  # fmt: skip
    assert subject.specification is not None
    if held.weight is None:
        message = f"the result has shape {held.returned} where {held.dialect} has {held.shape}"
        return failed(examined=1, quantity="shape", message=message, witness=witness(subject, case))
    got = gots[name]
    if subject.specification.measured:
        judged = _judge(subject, case, made, held.measured(accuracy, gots)[name], name, got)
        if judged.outcome != "INCONCLUSIVE":
            return judged
        quick = held.quick(name, accuracy)
        if quick is None or _judge(subject, case, made, quick, name, got).outcome != "FAIL":
            return judged
        return withheld(
            "the gradient differs from the formula's, and how far rounding may move it could not be measured there",
            witness=witness(subject, case),
        )  # fmt: skip
    quick = held.quick(name, accuracy)
    if quick is not None:
        judged = _judge(subject, case, made, quick, name, got)
        # Within the rounding of the gradient itself, whatever its conditioning; or no number where it is one.
        if judged.outcome == "PASS" or bool((~torch.isfinite(got) & quick.examined).any()):
            return judged
    return _judge(subject, case, made, held.conditioned(name, accuracy), name, got)


def _judge(subject: Formula, case: Case, made: Call, bound: Allowance, name: str, got: torch.Tensor) -> Judgement:
    parameter = _bound(subject, name)
    bound, got = _determined(parameter, case, name, bound, got.detach())
    ratios = bound.excess(got.detach().to(torch.float64))
    seen = ~torch.isnan(ratios)
    unit = str(made.dtype).removeprefix("torch.")
    if not bool(seen.any()):
        return inconclusive("the gradient overflows or is not determined there")
    at = int(torch.where(seen, ratios, torch.full_like(ratios, -1.0)).argmax())
    want, have = float(bound.value.reshape(-1)[at]), float(got.reshape(-1)[at])
    error, allowed = abs(want - have), float(bound.allowed.reshape(-1)[at])
    called = parameter.parameter + name[len(parameter.argument.name) :]
    quantity = f"|error of ∂/∂{called}|"
    if not float(ratios.reshape(-1)[at]) > 1:
        return passed(examined=1, quantity=quantity, observed=error, allowed=allowed, unit=unit)
    message = f"claimed ∂/∂{called} is {have:.6g}; that of {subject.like} is {want:.6g}"
    if have == 0:
        message += "; the gradient is lost (a detach, a missing graph or a rounding step in the way?)"
    return failed(
        examined=1, quantity=quantity, observed=error, allowed=allowed, unit=unit, message=message,
        witness=witness(subject, case),
    )  # fmt: skip


def _determined(
    parameter: Bound, case: Case, name: str, bound: Allowance, got: torch.Tensor
) -> tuple[Allowance, torch.Tensor]:
    """Only what the domain determines: a symmetric matrix has one free number for two entries, for instance.

    The projection is linear, so the error of the projected gradient is at most |P| times the allowance.
    """
    tangent = parameter.form.domain.tangent
    if tangent is None:
        return bound, got
    whole, entry, index = name.partition("[")
    at = case[whole][int(index.rstrip("]"))] if entry else case[whole]
    at = at.to(torch.float64)

    def project(gradient: torch.Tensor) -> torch.Tensor:
        return tangent(gradient.to(torch.float64), at)

    basis = torch.eye(at.numel(), dtype=torch.float64).reshape(-1, *at.shape)
    columns = torch.stack([project(one) for one in basis]).abs().reshape(at.numel(), -1)
    allowed = bound.allowed.reshape(-1)
    # An entry of which nothing is promised promises nothing of those that it is mixed with.
    spread = torch.where(columns > 0, columns * allowed[:, None], torch.zeros_like(columns)).sum(0).reshape(at.shape)
    return replace(bound, value=project(bound.value), allowed=spread), project(got)
