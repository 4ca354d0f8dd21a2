"""Expectations of bounded functions of a sampler's draws: integrated where that converges, else tested in sequence."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from genverify.checks.independent_draws import IndependentDraws
from genverify.checks.sampler_call import call
from genverify.checks.sampler_steps import steps
from genverify.errors import UsageError
from genverify.noise import Tape, expectation
from genverify.numerics import gamma
from genverify.statistics import LawTest, MeanTestResult, characteristic_test, random_frequencies
from genverify.subjects.budget import Run
from genverify.subjects.case import Case
from genverify.subjects.sampler import JointLaw, Sampler
from genverify.verdict import Judgement, Rung, failed, inconclusive, passed

__all__ = ["judge_counted", "judge_functions"]

_FREQUENCIES = 8
# Roundings of a squashing function, a running product over a handful of numbers, and their sum.
_OPERATIONS = 64
_SEED = 20
# More numbers than these take a product rule beyond any budget of a check.
_INTEGRABLE = 3


def judge_counted(subject: Sampler, case: Case, run: Run, claimed: JointLaw, tape: Tape) -> Judgement:
    """The joint probability of every outcome of a call."""
    assert claimed.probabilities is not None
    expected = _joint_probabilities(claimed.probabilities.detach())
    cells = len(expected)

    def indicator() -> Tensor:
        return _one_hot_cell(call(subject, case).output, claimed, cells)

    stepped = steps(subject, case, tape)
    target = torch.cat([expected, torch.zeros(1, dtype=torch.float64)])
    if stepped is not None:
        found = stepped.mean(lambda output: _one_hot_cell(output, claimed, cells))
        return _compare_counts(found, target, _rounding(case, target) + stepped.error, stepped.evaluations, _unit(case))
    if not tape.uncontrolled and not any(draw.law in ("normal", "uniform", "exponential") for draw in tape.draws):
        found = expectation(indicator, max_evaluations=run.budget.evaluations)
        if found.method in ("enumeration", "deterministic") and found.converged:
            allowed = found.error + _rounding(case, target)
            return _compare_counts(found.mean, target, allowed, found.evaluations, _unit(case))
    test = LawTest(
        functions=lambda values: values,
        expectations=target,
        low=0,
        high=1,
        resolution=subject.resolution,
        alpha=run.alpha,
        beta=run.alpha,
        max_samples=run.budget.samples,
    )
    return _in_sequence(test.run, indicator, run, tape, lambda k: f"P(outcome {k})")


def _dtype(case: Case) -> torch.dtype:
    return next((value.dtype for _, value in case.tensors()), torch.float64)


def _unit(case: Case) -> str:
    return str(_dtype(case)).removeprefix("torch.")


def _rounding(case: Case, target: Tensor) -> Tensor:
    largest = max((float(value.abs().max()) for _, value in case.tensors() if value.is_floating_point()), default=1.0)
    return gamma(_OPERATIONS, _dtype(case)) * (1.0 + largest) * torch.ones_like(target)


def _joint_probabilities(each: Tensor) -> Tensor:
    joint = torch.ones(1, dtype=torch.float64)
    for row in each:
        joint = (joint[:, None] * row).reshape(-1)
    return joint


def _one_hot_cell(output: Tensor, claimed: JointLaw, cells: int) -> Tensor:
    """The joint outcome as a one-hot vector; the last entry stands for anything that is no outcome of the law."""
    assert claimed.probabilities is not None
    count, outcomes = claimed.probabilities.shape
    found = torch.zeros(cells + 1, dtype=torch.float64)
    values = output.detach().to(torch.float64)
    if values.numel() == count * outcomes and values.numel() != count:
        codes = values.reshape(count, outcomes)
        values = codes.argmax(-1).to(torch.float64)
        if not torch.equal(codes, torch.nn.functional.one_hot(values.long(), outcomes).to(codes)):
            values = torch.full_like(values, -1.0)
    values = values.reshape(-1)
    cell = 0
    for value in values.tolist():
        if value not in range(outcomes):
            cell = cells
            break
        cell = cell * outcomes + int(value)
    found[cell] = 1.0
    return found


def _compare_counts(found: Tensor, target: Tensor, allowed: Tensor, evaluations: int, unit: str) -> Judgement:
    gap = (found - target).abs()
    ratio = gap / allowed
    place = int(ratio.argmax())
    evidence: dict[str, Any] = {
        "rung": Rung.EXACT,
        "examined": 1,
        "quantity": "|probability - claimed|",
        "observed": float(gap[place]),
        "allowed": float(allowed[place]),
        "unit": unit,
        "figures": {"evaluations": evaluations},
        "guarantee": "every outcome was enumerated",
    }
    if bool((ratio <= 1).all()):
        return passed(**evidence)
    if place == len(target) - 1:
        return failed(**evidence, message="a value was drawn that is no outcome of the law")
    words = f"joint outcome {place} has probability {found[place]:.4g} where {target[place]:.4g} is claimed"
    return failed(**evidence, message=words)


def judge_functions(subject: Sampler, case: Case, run: Run, claimed: JointLaw, tape: Tape) -> Judgement:
    """The characteristic function at fixed frequencies, and the first two moments where they can be integrated."""
    assert claimed.characteristic is not None
    size = int(torch.Size(claimed.shape).numel())
    w = random_frequencies(_FREQUENCIES, size, spread=claimed.spread, seed=_SEED)
    waves = claimed.characteristic(w).detach()
    target = torch.cat([waves.real, waves.imag])

    def wave(output: Tensor) -> Tensor:
        angle = w @ output.detach().to(torch.float64).reshape(-1)
        return torch.cat([angle.cos(), angle.sin()])

    dtype = call(subject, case).output.dtype
    if (stepped := steps(subject, case, tape)) is not None:
        found = stepped.mean(wave)
        error = stepped.error * torch.ones_like(found)
        return _compare_waves(found, error, target, dtype, stepped.evaluations, "thresholds of uniform draws")
    numbers = sum(draw.value.numel() for draw in tape.draws)
    counted = all(draw.law == "bernoulli" for draw in tape.draws)
    few = 2**numbers <= run.budget.evaluations if counted else numbers <= _INTEGRABLE
    if not tape.uncontrolled and 0 < numbers and few:
        got = expectation(lambda: wave(call(subject, case).output), max_evaluations=run.budget.evaluations)
        if got.converged and got.confidence is None:
            return _compare_waves(got.mean, got.error, target, dtype, got.evaluations, got.method)
    test = characteristic_test(
        claimed.characteristic,
        w,
        resolution=subject.resolution,
        alpha=run.alpha,
        beta=run.alpha,
        max_samples=run.budget.samples,
    )
    names: Callable[[int], str] = lambda k: f"E {'cos' if k < len(w) else 'sin'}⟨w, x⟩ at frequency {k % len(w)}"  # noqa: E731
    return _in_sequence(test.run, lambda: call(subject, case).output.detach().reshape(-1), run, tape, names)


def _compare_waves(
    found: Tensor, error: Tensor, target: Tensor, dtype: torch.dtype, evaluations: int, method: str
) -> Judgement:
    # Where adding nodes has stopped to move the mean, its last change bounds what a further one would do.
    allowed = error + gamma(_OPERATIONS, dtype if dtype.is_floating_point else torch.float64)
    allowed = allowed + 1e-6 * torch.ones_like(target)  # what `expectation` was asked for, in units of the bound 1
    gap = (found - target).abs()
    place = int((gap / allowed).argmax())
    evidence: dict[str, Any] = {
        "rung": Rung.EXACT,
        "examined": 1,
        "quantity": "|E exp(i⟨w, x⟩) - claimed|",
        "observed": float(gap[place]),
        "allowed": float(allowed[place]),
        "unit": "absolute",
        "figures": {"evaluations": evaluations, "method": method},
        "guarantee": f"the characteristic function at {len(target) // 2} fixed frequencies, by {method}; laws "
        "that agree there and differ elsewhere are not told apart",
    }
    if bool((gap <= allowed).all()):
        return passed(**evidence)
    message = f"a characteristic function of {found[place]:.4g} where the law has {target[place]:.4g}"
    return failed(**evidence, message=message)


def _in_sequence(
    run_test: Callable[[Callable[[int], Tensor]], MeanTestResult],
    draw: Callable[[], Tensor],
    run: Run,
    tape: Tape,
    name: Callable[[int], str],
) -> Judgement:
    try:
        result = run_test(IndependentDraws(draw, run.seed))
    except UsageError as error:
        return inconclusive(f"the draws could not be sampled: {error}", rung=Rung.STATISTICAL)
    worst = result.worst
    gap = float((result.estimate - result.target).abs().reshape(-1)[worst])
    evidence: dict[str, Any] = {
        "rung": Rung.STATISTICAL,
        "examined": 1,
        "quantity": f"|{name(worst)} - claimed|",
        "observed": gap,
        "allowed": float(result.margin.reshape(-1)[worst]),
        "unit": "absolute",
        "assumption": result.assumption,
        "guarantee": result.power,
        "figures": {"n": result.n, "alpha": result.alpha, "resolution": float(result.resolution.reshape(-1)[worst])},
        "notes": tuple(f"drawn by {what}, which cannot be replayed" for what in tape.uncontrolled),
    }
    if result.outcome == "no bias":
        return passed(**evidence)
    if result.outcome == "bias":
        found, claimed = result.estimate.reshape(-1)[worst], result.target.reshape(-1)[worst]
        return failed(**evidence, message=f"{name(worst)} is about {found:.3g} where the law has {claimed:.3g}")
    return inconclusive(result.reason, **(evidence | {"observed": None, "allowed": None}))
