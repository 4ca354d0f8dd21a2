"""The variance of an estimator, against a bound or against another estimator of the same thing."""

from __future__ import annotations

import math
from typing import Any

from genverify.checks.check import check
from genverify.checks.gradient_estimator_bias import RESOLUTION, Integral, declared_variance, integral
from genverify.checks.gradient_estimator_call import witness
from genverify.checks.gradient_estimator_identity import identify
from genverify.errors import SubjectRaised
from genverify.subjects.budget import Run
from genverify.subjects.case import Case
from genverify.subjects.estimator import GradientEstimator
from genverify.verdict import Judgement, Rung, failed, inconclusive, passed

__all__ = ["variance"]

# A variance is a second moment: where the mean is known to the resolution, half of its digits are asked for.
_SETTLED = RESOLUTION**0.5


@check(
    "gradient_estimator.variance",
    statement="the variance, summed over the components, is at most what is claimed: a bound, or another estimator's",
    source="Mohamed, Rosca, Figurnov & Mnih 2020, section 3 (no order between estimators holds in general)",
    rung=Rung.EXACT,
    searched=False,
    before=identify,
    requires=declared_variance,
)
def variance(subject: GradientEstimator, case: Case, run: Run) -> Judgement:
    """Both variances by exact integration; inconclusive where that has not converged."""
    made = integral(subject, case, run)
    if isinstance(made, Judgement):
        return made
    if not made.found.converged or made.found.confidence is not None:
        return inconclusive(f"the integral over the draws has not converged: {made.found.reason}", rung=Rung.EXACT)
    total, error = _total(made)
    if error > _SETTLED * float(made.size.square().sum()):
        return inconclusive(f"the variance is known to {error:.2g} only, at {total:.4g}", rung=Rung.EXACT)
    limit, slack = subject.variance_at_most, 0.0
    words = "the bound that is claimed"
    if subject.lower_variance_than is not None:
        other = _rival(subject, case, run)
        if isinstance(other, Judgement):
            return inconclusive(f"the estimator to compare with: {other.evidence.message}", rung=Rung.EXACT)
        if other.target.numel() != made.target.numel():
            return inconclusive(
                f"{made.target.numel()} components are estimated, and {other.target.numel()} by the estimator to "
                "compare with", rung=Rung.EXACT,
            )  # fmt: skip
        if not other.found.converged or other.found.confidence is not None:
            return inconclusive(
                f"the variance to compare with has not converged: {other.found.reason}", rung=Rung.EXACT
            )
        limit, slack = _total(other)
        words = "that of the estimator it is claimed to improve on"
    assert limit is not None
    if not math.isfinite(limit):
        return inconclusive("the estimator to compare with is not finite, or has no variance", rung=Rung.EXACT)
    evidence: dict[str, Any] = {
        "rung": Rung.EXACT,
        "examined": 1,
        "quantity": "variance",
        "observed": total,
        "allowed": limit + error + slack,
        "figures": {"evaluations": made.found.evaluations, "method": made.found.method, "claimed": float(limit)},
    }
    if total <= limit + error + slack:
        return passed(**evidence)
    message = f"the variance is {total:.6g}, above {words} ({limit:.6g})"
    return failed(**evidence, message=message, witness=witness(subject, case))


def _rival(subject: GradientEstimator, case: Case, run: Run) -> Integral | Judgement:
    """The estimator that the subject is claimed to improve on, at the same case; what it raises is its own."""
    other = subject.lower_variance_than
    try:
        if not isinstance(other, GradientEstimator):
            return integral(subject, case, run, other)
        identify(other)
        return integral(other, case, run)
    except SubjectRaised as raised:
        return inconclusive(str(raised))


def _total(made: Integral) -> tuple[float, float]:
    """The variance summed over the components, and its error from integration and rounding."""
    spread = made.found.variance_error + 2.0 * made.size * made.rounding + made.rounding.square()
    return float(made.found.variance.sum()), float(spread.sum())
