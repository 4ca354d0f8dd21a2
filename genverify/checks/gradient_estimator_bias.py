"""The expectation of an estimator over its own draws, against the exact gradient."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from genverify.checks.check import check
from genverify.checks.gradient_estimator_call import Unreadable, canonical, estimate, exact, samples_of, witness
from genverify.checks.gradient_estimator_identity import aligned, identify
from genverify.checks.independent_draws import IndependentDraws
from genverify.errors import UsageError
from genverify.noise import Expectation, expectation
from genverify.noise.generators import preserved_generators
from genverify.numerics import gamma
from genverify.statistics import MeanTest
from genverify.subjects.budget import Run
from genverify.subjects.case import Case
from genverify.subjects.estimator import GradientEstimator
from genverify.verdict import Judgement, Rung, failed, inconclusive, passed

__all__ = ["RESOLUTION", "Integral", "bias", "declared_variance", "integral"]

# Roundings of one estimate: a softmax, a baseline, a product with the score, a mean over a few samples.
_OPERATIONS = 256
# Roundings of a target that was handed over in a narrow dtype.
_TARGET_OPERATIONS = 16
# What quadrature is asked for, relative to the root mean square of the estimate, and what is excused of it: its error
# is measured, by adding nodes, and that far the measurement is trusted. So a bias below a millionth of one estimate's
# size is missed there, which a run of 1e12 draws would first notice (σ²/δ² draws for a bias of one standard error); one
# that comes from enumeration is judged by rounding alone, and missed below about 256 half units.
RESOLUTION = 1e-6


class Integral:
    """The expectation of an estimator at a case, flattened, and the target in the same order."""

    def __init__(self, subject: GradientEstimator, case: Case, run: Run, f: Callable[..., Any] | None = None) -> None:
        self.subject, self.case, self.f = subject, case, f
        self.dtype = torch.float64
        self.target = self._target()
        confidence = 1.0 - run.alpha / max(1, self.target.numel())
        self.found: Expectation = expectation(
            self.one, max_evaluations=run.budget.evaluations, rtol=RESOLUTION, confidence=confidence, seed=run.seed
        )

    def one(self) -> Tensor:
        """One estimate, flattened, in float64."""
        made = estimate(self.subject, self.case, self.f)
        flat = torch.cat([part.to(torch.float64).reshape(-1) for part in made.parts])
        self.dtype = max(self.dtype, made.dtype, key=lambda one: torch.finfo(one).eps)
        return flat

    def _target(self) -> Tensor:
        samples = samples_of(self.case)
        with preserved_generators(self.case.seed):
            parts = estimate(self.subject, self.case, self.f).parts
        wanted = exact(self.subject, self.case)
        fitted = aligned(parts, wanted, samples)
        if fitted is None:
            shapes = ", ".join(str(tuple(part.shape)) for part in parts)
            raise Unreadable(
                f"returned {shapes} where the target is {', '.join(str(tuple(part.shape)) for part in wanted)}"
            )
        return self.subject.scale_at(samples) * torch.cat([part.reshape(-1) for part in fitted])

    @property
    def size(self) -> Tensor:
        """The root mean square of each component."""
        return (self.found.variance + self.found.mean.square()).sqrt()

    @property
    def rounding(self) -> Tensor:
        """What rounding inside an estimate may do to its mean."""
        magnitude = 1.0  # without a law nothing is known of what cancels inside; parameters are of the size of one
        if self.subject.law is not None:
            magnitude = self.subject.law.magnitude(canonical(self.subject, self.case))
        inside = gamma(_OPERATIONS, self.dtype) * (self.size.max() + magnitude + self.target.abs())
        return inside + gamma(_TARGET_OPERATIONS, _given_dtype(self.subject)) * self.target.abs()

    @property
    def allowed(self) -> Tensor:
        """The difference that is excused: integration, to what it was asked for, and rounding."""
        asked = RESOLUTION * self.size if "quadrature" in self.found.method or "grid" in self.found.method else 0.0
        return self.found.error + asked + self.rounding


def _given_dtype(subject: GradientEstimator) -> torch.dtype:
    """The precision in which a target was handed over."""
    parts = subject.target if isinstance(subject.target, (tuple, list)) else (subject.target,)
    widths = [part.dtype for part in parts if isinstance(part, Tensor) and part.is_floating_point()]
    return max(widths, key=lambda one: torch.finfo(one).eps, default=torch.float64)


def integral(
    subject: GradientEstimator, case: Case, run: Run, f: Callable[..., Any] | None = None
) -> Integral | Judgement:
    """The expectation over the draws; a FAIL where what the subject returns is no estimate of the target."""
    try:
        return Integral(subject, case, run, f)
    except Unreadable as error:
        return failed(examined=1, rung=Rung.EXACT, message=str(error), witness=witness(subject, case))


@check(
    "gradient_estimator.bias",
    statement="the expectation over the estimator's own draws is the exact gradient (or value), as it claims",
    source="Williams 1992, section 3; Mohamed, Rosca, Figurnov & Mnih 2020, Monte Carlo Gradient Estimation",
    rung=Rung.EXACT,
    statistical=True,
    before=identify,
    requires=lambda subject: (
        None if subject.unbiased else "it is claimed to be biased, and not by how much (see scale=)"
    ),
)
def bias(subject: GradientEstimator, case: Case, run: Run) -> Judgement:
    """Exact by enumeration or quadrature; else, as something is assumed, by a sequential test or quasi-Monte Carlo."""
    made = integral(subject, case, run)
    if isinstance(made, Judgement):
        return made
    found = made.found
    if found.uncontrolled:
        return inconclusive("draws that cannot be controlled: " + ", ".join(found.uncontrolled), rung=Rung.EXACT)
    if not bool(torch.isfinite(found.mean).all()):
        message = "the expectation is not finite: some outcome of the draws gives an infinite or undefined estimate"
        return failed(examined=1, rung=Rung.EXACT, message=message, witness=witness(subject, case))
    if found.converged and found.confidence is None:
        return _judge_exact(made)
    return _judge_statistically(made, run)


def _figures(made: Integral) -> dict[str, Any]:
    return {
        "evaluations": made.found.evaluations,
        "method": made.found.method,
        "variance": float(made.found.variance.sum()),
        "samples": samples_of(made.case),
    }


def _notes(subject: GradientEstimator) -> tuple[str, ...]:
    notes = []
    if subject.memory.get("surrogate"):
        notes.append("the result is a loss, and was differentiated")
    if subject.fewest is None and subject.memory.get("fewest", 1) > 1:
        notes.append(f"no estimate from fewer than {subject.memory['fewest']} samples")
    return tuple(notes)


def _worst(made: Integral, allowed: Tensor) -> tuple[float, float, int, float]:
    gap = (made.found.mean - made.target).abs()
    ratio = torch.where(gap == 0, torch.zeros_like(gap), gap / allowed)
    place = int(ratio.nan_to_num(nan=torch.inf).argmax())
    return float(gap[place]), float(allowed[place]), place, float(ratio[place])


def _judge_exact(made: Integral) -> Judgement:
    observed, allowed, _, ratio = _worst(made, made.allowed)
    how = (
        "every outcome of the draws was enumerated"
        if made.found.method == "enumeration"
        else (
            f"the draws were integrated out by {made.found.method}; the last nodes added moved the mean by less than "
            f"{RESOLUTION:g} of its root mean square"
        )
    )
    evidence: dict[str, Any] = {
        "rung": Rung.EXACT,
        "examined": 1,
        "quantity": "|E estimate - exact|",
        "observed": observed,
        "allowed": allowed,
        "unit": str(made.dtype).removeprefix("torch."),
        "figures": _figures(made),
        "guarantee": how,
        "notes": _notes(made.subject),
    }
    if ratio <= 1:
        return passed(**evidence)
    return failed(**evidence, message=explain(made), witness=witness(made.subject, made.case))


def explain(made: Integral) -> str:
    """What the expectation is instead, in words, with the probable slip."""
    mean, target, samples = made.found.mean, made.target, samples_of(made.case)
    values = f"the estimate has mean {_short(mean)} where {_short(target)} is exact"
    norm = float(target @ target)
    if norm == 0:
        return values
    ratio = float(mean @ target) / norm
    near = torch.finfo(torch.float32).eps * (1 + abs(ratio))  # to recognise a slip, not to judge
    if float((mean - ratio * target).norm()) > near * norm**0.5:
        return f"{values}: another direction, so a term is missing or of the wrong parameter"
    if abs(ratio) <= near:
        return f"{values}: no gradient at all (a missing score, or everything detached)"
    known = (
        (-1.0, "the sign is that of a loss; if it is one, say scale=-1"),
        (1 - 1 / samples, f"exactly 1 - 1/n of it at n = {samples}: the baseline sees the sample's own reward"),
        (float(samples), f"the sum over the {samples} samples, not their mean"),
        (1 / samples, "a mean taken twice"),
        (2.0, "a term is counted twice"),
    )
    slips = [slip for value, slip in known if abs(ratio - value) <= near and value != 1.0]
    if slips:
        return f"{values}: " + ", or ".join(slips)
    return f"{values}: {ratio:.6g} times it"


def _short(values: Tensor) -> str:
    return "[" + ", ".join(f"{value:.4g}" for value in values[:4].tolist()) + (", …]" if values.numel() > 4 else "]")


def _judge_statistically(made: Integral, run: Run) -> Judgement:
    subject, found = made.subject, made.found
    resolution = subject.resolution * made.size
    if subject.assumption is not None:
        return _in_sequence(made, run, resolution)
    blind = "cannot integrate" in found.reason
    if found.confidence is not None and not blind and bool(torch.isfinite(found.error).all()):
        allowed = found.error + made.rounding
        observed, limit, _, ratio = _worst(made, allowed)
        evidence: dict[str, Any] = {
            "rung": Rung.STATISTICAL,
            "examined": 1,
            "quantity": "|E estimate - exact|",
            "observed": observed,
            "allowed": limit,
            "figures": {**_figures(made), "alpha": run.alpha, "resolution": float(resolution.max())},
            "assumption": "the means of 16 independent scramblings of a quasi-Monte Carlo net are about normal",
            "notes": _notes(subject),
            "guarantee": f"at level 1 - {run.alpha:g}; exact integration: {found.reason}",
        }
        if ratio > 1:
            return failed(**evidence, message=explain(made), witness=witness(subject, made.case))
        if bool((found.error <= resolution).all()):
            return passed(**evidence)
    return inconclusive(
        f"the integral over the draws has not converged ({found.reason}), and no assumption= allows a test",
        rung=Rung.EXACT,
        figures=_figures(made),
    )


def _in_sequence(made: Integral, run: Run, resolution: Tensor) -> Judgement:
    subject = made.subject
    test = MeanTest(
        target=made.target,
        resolution=resolution.clamp_min(torch.finfo(torch.float64).tiny),
        alpha=run.alpha,
        beta=run.alpha,
        assumption=subject.assumption,
        max_samples=run.budget.samples,
    )
    try:
        result = test.run(IndependentDraws(made.one, run.seed))
    except UsageError as error:
        return inconclusive(f"the estimates could not be sampled: {error}", rung=Rung.STATISTICAL)
    worst = result.worst
    evidence: dict[str, Any] = {
        "rung": Rung.STATISTICAL,
        "examined": 1,
        "quantity": "|mean - exact|",
        "observed": float((result.estimate - result.target).abs()[worst]),
        "allowed": float(result.margin.reshape(-1)[worst]),
        "figures": {"n": result.n, "alpha": run.alpha, "resolution": float(resolution.max())},
        "assumption": result.assumption,
        "guarantee": result.power,
        "notes": _notes(subject),
    }
    if result.outcome == "no bias":
        return passed(**evidence)
    if result.outcome == "bias":
        message = f"the mean is about {_short(result.estimate)} where {_short(result.target)} is exact"
        return failed(**evidence, message=message, witness=witness(subject, made.case))
    return inconclusive(result.reason, **(evidence | {"observed": None, "allowed": None}))


def declared_variance(subject: GradientEstimator) -> str | None:
    """Why the variance is not judged, or None where something is claimed of it."""
    claimed = subject.variance_at_most is not None or subject.lower_variance_than is not None
    return None if claimed else "nothing is claimed of its variance; the check of the bias reports it"
