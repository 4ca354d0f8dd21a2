"""Single estimates: finite, of the parameter's shape, and made without touching their arguments."""

from __future__ import annotations

import torch

from genverify.checks.check import check
from genverify.checks.gradient_estimator_call import Estimate, Unreadable, estimate, exact, samples_of, witness
from genverify.checks.gradient_estimator_identity import aligned, identify
from genverify.noise.generators import preserved_generators
from genverify.subjects.budget import Run
from genverify.subjects.case import Case
from genverify.subjects.estimator import GradientEstimator
from genverify.verdict import Judgement, failed, passed

__all__ = ["finite", "inputs_untouched"]


def _one(subject: GradientEstimator, case: Case) -> Estimate | Judgement:
    try:
        with preserved_generators(case.seed):
            return estimate(subject, case)
    except Unreadable as error:
        return failed(examined=1, quantity="result", message=str(error), witness=witness(subject, case))


@check(
    "gradient_estimator.finite",
    statement="every estimate is finite, and has the shape of what it estimates, from the fewest legal samples on",
    source="genverify",
    family="plain",
    before=identify,
)
def finite(subject: GradientEstimator, case: Case, run: Run) -> Judgement:
    """One estimate from real draws, at any legal parameters: equal rewards and few samples among them."""
    made = _one(subject, case)
    if isinstance(made, Judgement):
        return made
    wanted = exact(subject, case)
    if aligned(made.parts, wanted, samples_of(case)) is None:
        found = ", ".join(str(tuple(part.shape)) for part in made.parts)
        expected = ", ".join(str(tuple(part.shape)) for part in wanted)
        message = f"returned {found} where the target has {expected}"
        return failed(examined=1, quantity="shape", message=message, witness=witness(subject, case))
    if not all(bool(torch.isfinite(part).all()) for part in made.parts):
        message = f"an estimate from {samples_of(case)} samples is infinite or NaN"
        return failed(examined=1, quantity="finiteness", message=message, witness=witness(subject, case))
    return passed(examined=1, quantity="finiteness")


@check(
    "gradient_estimator.inputs_untouched",
    statement="the arguments that are passed are not overwritten",
    source="genverify",
    family="plain",
    before=identify,
)
def inputs_untouched(subject: GradientEstimator, case: Case, run: Run) -> Judgement:
    """Compares the floating arguments before and after one call."""
    made = _one(subject, case)
    if isinstance(made, Judgement):
        return made
    if made.changed:
        words = f"overwrote its argument {', '.join(made.changed)}"
        return failed(examined=1, quantity="change", message=words, witness=witness(subject, case))
    return passed(examined=1, quantity="change")
