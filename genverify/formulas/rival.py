"""The estimator that another is claimed to improve on: it must be one, and take what the other is given."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from genverify.errors import UsageError
from genverify.subjects.estimator import GradientEstimator
from genverify.subjects.specification import Role

__all__ = ["with_rival"]

_INHERITED = ("target", "at", "like", "arguments", "fixed", "wrt", "scale", "output")


def with_rival(
    subject: GradientEstimator, introduce: Callable[[GradientEstimator], GradientEstimator]
) -> GradientEstimator:
    """The estimator with the one to compare it with introduced as well; a plain function stays as it is.

    A `GradientEstimator` that says nothing of what it estimates is taken to estimate the same.

    Raises:
        UsageError: It is no estimator, or one of something else, or of other parameters; a bound that is no variance.
    """
    bound, other = subject.variance_at_most, subject.lower_variance_than
    if bound is not None and not (math.isfinite(bound) and bound >= 0):
        raise UsageError(
            given=f"variance_at_most={bound}", expected="a variance, finite and not negative",
            do="give the bound of the variance, summed over the components",
        )  # fmt: skip
    if other is None or (callable(other) and not isinstance(other, (type, GradientEstimator))):
        return subject
    if not isinstance(other, GradientEstimator):
        raise UsageError(
            given=f"lower_variance_than={other!r}",
            expected="another estimator: a function with the same parameters, or a GradientEstimator",
            do="for a bound that is a number say variance_at_most=",
        )
    if other.target is None and not other.like:
        other = replace(other, **{name: getattr(subject, name) for name in _INHERITED})
    made = introduce(replace(other, lower_variance_than=None))
    gap = _difference(subject, made)
    if gap:
        raise UsageError(
            given=f"lower_variance_than an estimator of {gap}",
            expected=f"one of the same, given the same: {_described(subject)}",
            do="compare estimators of one target, in one parametrisation",
        )
    return replace(subject, lower_variance_than=made)


def _difference(subject: GradientEstimator, other: GradientEstimator) -> str:
    """What the other estimates, or is given, that the subject does not; empty where they can be compared."""
    if (subject.like or other.like) and subject.like != other.like:
        return _described(other)
    if subject.wrt != other.wrt:
        return f"the gradient in {', '.join(other.wrt) or 'all parameters'}"
    given, wanted = _given(subject), _given(other)
    return "" if all(given.get(name) == form for name, form in wanted.items()) else _described(other)


def _given(subject: GradientEstimator) -> dict[str, Any]:
    """What is handed over besides the draws: argument → parametrisation."""
    if subject.match is None:
        return dict.fromkeys(subject.named_arguments(), "")
    return {b.argument.name: b.form.name for b in subject.match.bound if b.argument.role not in (Role.DRAW, Role.OPTION)
            and b.argument.name != "n"}  # fmt: skip


def _described(subject: GradientEstimator) -> str:
    words = [name if form in ("", name) else f"{name} as {form}" for name, form in _given(subject).items()]
    return f"{subject.like or 'a declared target'} given {', '.join(words) or 'nothing'}"
