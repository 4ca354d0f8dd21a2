"""A kind of subject whose checks have every outcome: a function of an integer, claimed to be its square.

`registered` adds it to the house and takes it out again, so that no other test meets it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import ClassVar

from hypothesis import strategies as st

from genverify.checks import check as room_of_checks
from genverify.checks.check import check
from genverify.strategies import registry
from genverify.strategies.registry import draws_cases
from genverify.subjects.calling import subject_code
from genverify.subjects.case import Case
from genverify.subjects.subject import Subject
from genverify.verdict import failed, inconclusive, not_applicable, passed


@dataclass(frozen=True)
class Toy(Subject):
    """A function that is claimed to square integers."""

    kind: ClassVar[str] = "toy"

    event_shape: tuple[int, ...] = field(default=(), kw_only=True)
    slope: float | None = field(default=None, kw_only=True)
    settings: dict[str, str] = field(default_factory=dict, kw_only=True)


def _integers(subject, run):
    return st.builds(lambda n, seed: Case(values={"x": n}, seed=seed), st.integers(-100, 100), st.integers(0, 9))


def _square(subject, case, run):
    with subject_code():
        y = subject.f(case["x"])
    error = float(abs(y - case["x"] ** 2))
    judge = failed if error else passed
    return judge(observed=error, allowed=0.0, unit="int", examined=1, message="not the square" if error else "")


def _slope(subject, case, run):
    with subject_code():
        slope = (subject.f(1) - subject.f(-1)) / 2
    return passed(examined=1) if slope == subject.slope else failed(examined=1, observed=slope, allowed=subject.slope)


def _half(subject, case, run):
    return passed(examined=1) if case["x"] > 0 else inconclusive("x is saturated")


def _saturated(subject, case, run):
    return inconclusive("every case was saturated")


def _fault(subject, case, run):
    raise RuntimeError("a bug of ours")


def _vacuous(subject, case, run):
    return passed(examined=0)


def _mean(subject, case, run):
    return passed(examined=1, figures={"alpha": run.alpha})


def _never(subject, case, run):
    return not_applicable("no case has what this needs")


def _wanted(name):
    return lambda subject: None if name in subject.settings else f"{name} was not asked for"


def _claims_slope(subject):
    return None if subject.slope is not None else "the subject claims no slope; declare slope="


_CHECKS = [
    ("toy.square", _square, {"statement": "f(x) = x²", "source": "Euclid, Elements, II.4"}),
    ("toy.slope", _slope, {"requires": _claims_slope}),
    ("toy.half", _half, {"requires": _wanted("half")}),
    ("toy.saturated", _saturated, {"requires": _wanted("saturated")}),
    ("toy.fault", _fault, {"requires": _wanted("fault")}),
    ("toy.vacuous", _vacuous, {"requires": _wanted("vacuous")}),
    ("toy.mean", _mean, {"statistical": True, "requires": _wanted("mean")}),
    ("toy.mean_again", _mean, {"statistical": True, "requires": _wanted("mean")}),
    ("toy.never", _never, {"requires": _wanted("never")}),
]


def register():
    """Adds the kind for good: for a process that judges nothing else."""
    draws_cases("toy")(_integers)
    for name, judge, rest in _CHECKS:
        check(name, **{"statement": f"{name} holds", "source": "-", **rest})(judge)


@contextmanager
def registered() -> Iterator[None]:
    """Adds the kind, and takes it out again."""
    register()
    try:
        yield
    finally:
        for name, _, _ in _CHECKS:
            room_of_checks._REGISTRY.pop(name)
        registry._MAKERS.pop(("toy", "cases"))


def square(x):
    return x * x


def wrong_from_seven(x):
    return x * x if x < 7 else 0


def raises_from_seven(x):
    if x >= 7:
        raise OverflowError("too large")
    return x * x
