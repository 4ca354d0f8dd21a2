"""What an optimizer does with special gradients: zero, absent, negated, computed by a closure."""

from __future__ import annotations

from dataclasses import replace

import torch

from genverify.checks.check import check
from genverify.checks.optimizer_parameters import agreement
from genverify.checks.optimizer_trajectory import judge_against_rule, refused
from genverify.subjects.budget import Run
from genverify.subjects.calling import subject_code
from genverify.subjects.case import Case
from genverify.subjects.optimizer import Optimizer
from genverify.subjects.optimizer_run import Stream, Trajectory, continued, drive, start
from genverify.verdict import Judgement, failed, inconclusive, passed

__all__ = []


def _zeros(stream: Stream) -> Stream:
    return replace(stream, gradients=tuple(torch.zeros_like(g) for g in stream.gradients))


def _without_decay(case: Case) -> Case:
    options = {name: value for name, value in case["options"].items() if name != "weight_decay"}
    return Case(values={**case.values, "options": options}, seed=case.seed)


def _standing_still(subject: Optimizer) -> str | None:
    assert subject.law is not None
    return "the declared weight decay moves parameters without a gradient" if subject.law.decays({}) else None


@check(
    "optimizer.zero_gradient",
    statement="where the gradient is zero from the start and nothing decays, the parameters stay exactly as they are",
    source="every rule of the catalogue: 0 / (0 + ε) = 0 for ε > 0",
    requires=_standing_still,
    family="short",
)
def zero_gradient(subject: Optimizer, case: Case, run: Run) -> Judgement:
    """The case's parameters under gradients of zero."""
    case = _without_decay(case)
    declined = refused(subject, case)
    if declined is not None:
        return declined
    trajectory = drive(subject, _zeros(Stream.of(case)), case["options"])
    assert subject.law is not None
    moved = (trajectory.observed - trajectory.observed[0]).abs()
    moved = torch.where(torch.isnan(moved), torch.inf, moved)
    if float(moved.max()) == 0:
        return passed(examined=moved[1:].numel(), observed=0.0, allowed=0.0, message="nothing moves")
    if not bool(torch.isfinite(subject.law.allowance(trajectory, case["options"])).all()):  # type: ignore[attr-defined]
        return inconclusive("the rule itself divides zero by zero (ε = 0)")
    step = int((moved > 0).any(dim=1).to(torch.int8).argmax())
    flat = int(moved[step].argmax())
    return failed(
        examined=moved[1:].numel(),
        quantity="|θ - θ₀|",
        observed=float(moved.max()),
        allowed=0.0,
        message=f"at step {step} {trajectory.stream.where(flat)} goes "
        f"from {float(trajectory.observed[0, flat]):.6g} to "
        f"{float(trajectory.observed[step, flat]):.6g} although every gradient so far was zero",
    )


def _skips(subject: Optimizer) -> str | None:
    assert subject.convention is not None
    assert subject.law is not None
    if subject.law.wants in ("all gradients", "iterates"):
        return "the rule moves parameters without a gradient, too"
    return (
        None if "none" in subject.convention.capabilities else "it is not a torch.optim.Optimizer: no gradient is None"
    )


@check(
    "optimizer.none_gradient_skipped",
    statement="a parameter whose gradient is None stays as it is, and goes on by the rule when its gradient is there",
    source="torch.optim.Optimizer: parameters without a gradient are skipped",
    requires=_skips,
    family="gaps",
)
def none_gradient_skipped(subject: Optimizer, case: Case, run: Run) -> Judgement:
    """Two or more parameters; the first is sometimes absent. One step count for all is accepted, and named."""
    declined = refused(subject, case)
    if declined is not None:
        return declined
    stream = Stream.of(case)
    absent = ~stream.flat_present()
    if not bool(absent.any()):
        return inconclusive("every gradient is present")
    trajectory = drive(subject, stream, case["options"])
    lost = torch.isnan(trajectory.observed[1:]) & torch.isnan(trajectory.observed[:-1])
    moved = (trajectory.observed[1:] != trajectory.observed[:-1]) & ~lost & absent
    if bool(moved.any()):
        step = int(moved.any(dim=1).to(torch.int8).argmax())
        flat = int(moved[step].to(torch.int8).argmax())
        before, after = trajectory.observed[step, flat], trajectory.observed[step + 1, flat]
        return failed(
            examined=int(absent.sum()),
            quantity="|θ - θ before|",
            observed=float((after - before).abs()),
            allowed=0.0,
            message=f"at step {step + 1} {stream.where(flat)} moved "
            f"from {float(before):.6g} to {float(after):.6g} although "
            "its gradient is None",
        )
    return judge_against_rule(subject, case)


def _ascends(subject: Optimizer) -> str | None:
    assert subject.convention is not None
    assert subject.law is not None
    return None if "maximize" in subject.law.trials else "it has no option maximize that is left free"


@check(
    "optimizer.maximize",
    statement="maximize=True with gradients g moves as maximize=False with gradients -g",
    source="torch.optim: maximize the objective with respect to the parameters",
    requires=_ascends,
    family="short",
)
def maximize(subject: Optimizer, case: Case, run: Run) -> Judgement:
    """The same stream up and, negated, down."""
    options = {name: value for name, value in case["options"].items() if name != "maximize"}
    up = Case(values={**case.values, "options": {**options, "maximize": True}}, seed=case.seed)
    down = Case(values={**case.values, "options": {**options, "maximize": False}}, seed=case.seed)
    declined = refused(subject, up) or refused(subject, down)
    if declined is not None:
        return declined
    stream = Stream.of(case)
    negated = replace(stream, gradients=tuple(-g for g in stream.gradients))
    ascent, descent = drive(subject, stream, up["options"]), drive(subject, negated, down["options"])
    return agreement(
        subject,
        up,
        ascent,
        descent.observed,
        words="maximize is not minimize of the negative",
        what="maximize is minimize of the negative",
    )


def _takes_closure(subject: Optimizer) -> str | None:
    assert subject.convention is not None
    assert subject.law is not None
    if subject.law.wants in ("iterates", "function"):
        return "the rule may evaluate the closure as often as it likes"
    return None if "closure" in subject.convention.capabilities else "its step takes no closure"


@check(
    "optimizer.closure",
    statement="step(closure) calls the closure with gradients enabled, uses its gradients, and returns its loss",
    source="torch.optim.Optimizer.step",
    requires=_takes_closure,
    family="short",
)
def closure(subject: Optimizer, case: Case, run: Run) -> Judgement:
    """One step whose gradient is computed in a closure, against one step whose gradient is already there."""
    declined = refused(subject, case)
    if declined is not None:
        return declined
    assert subject.law is not None
    options, whole = case["options"], Stream.of(case)
    stream = whole.until(1)
    session = start(subject, stream.parameters, subject.law.arguments(options))
    asks_twice = subject.law.wants == "closure"
    if asks_twice:  # some take the first gradients as they are
        session.put(stream.at(0))  # type: ignore[attr-defined]
    enabled: list[bool] = []
    losses: list[torch.Tensor] = []

    def evaluate() -> torch.Tensor:
        enabled.append(torch.is_grad_enabled())
        session.put(stream.at(0))  # type: ignore[attr-defined]
        losses.append(torch.tensor(float(len(losses) + 1), dtype=stream.dtype))
        return losses[-1]

    before = torch.cat([p.detach().reshape(-1).to(torch.float64) for p in session.parameters])
    with subject_code():
        returned = session.optimizer.step(evaluate)  # type: ignore[attr-defined]
    if not enabled:
        return failed(examined=1, message="step(closure) never calls the closure")
    if not enabled[0]:
        return failed(
            examined=1,
            message="step(closure) calls the closure without gradients enabled: wrap it in torch.enable_grad()",
        )
    calls = 2 if asks_twice else 1
    if len(enabled) > calls:
        return failed(
            examined=1, message=f"step(closure) calls the closure {len(enabled)} times, where {calls} would do"
        )
    known = any(torch.equal(torch.as_tensor(returned).to(loss), loss) for loss in losses if returned is not None)
    if not known and not (asks_twice and returned is None):
        return failed(
            examined=1, message=f"step(closure) returns {returned!r}, not the closure's loss {float(losses[0]):.6g}"
        )
    after = torch.cat([p.detach().reshape(-1).to(torch.float64) for p in session.parameters])
    given = continued(start(subject, stream.parameters, subject.law.arguments(options)), stream)
    observed = Trajectory(stream=stream, observed=torch.stack([before, after]), narrow=given.narrow)
    return agreement(
        subject,
        case,
        observed,
        given.observed,
        words="step(closure) moves otherwise than step() with the same gradients",
        what="the closure's gradients are used, and its loss is returned",
    )
