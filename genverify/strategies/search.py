"""Hypothesis outside pytest: look for a case that is judged FAIL, and make it small."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from genverify.strategies.reduction import reduced
from genverify.strategies.registry import Fixed
from genverify.strategies.steady_draws import steady_draws
from genverify.subjects.case import Case
from genverify.verdict import Judgement, Outcome

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn, SearchStrategy

__all__ = ["Found", "fixed_cases", "search"]


def _every_health_check() -> Any:  # noqa: ANN401 - Hypothesis types the members of its enum as their metaclass
    from hypothesis import HealthCheck

    return list(HealthCheck)


class _Refuted(Exception):
    pass


class _Enough(BaseException):
    """Ends the search at once: Hypothesis lets pass what is no Exception."""


# Draws for each case that is judged while a failing one is made smaller: most are thrown away where few are legal.
_DRAWS = 2


@dataclass
class Found:
    """What a search met.

    Attributes:
        judgements: One for each case that did not fail, in the order drawn, with its case.
        failing: The smallest failing case, with its judgement.
        evaluations: How many cases were judged in all, shrinking included.
    """

    judgements: list[tuple[Case, Judgement]] = field(default_factory=list)
    failing: tuple[Case, Judgement] | None = None
    evaluations: int = 0


def search(
    strategy: SearchStrategy[Case],
    judge: Callable[[Case], Judgement],
    *,
    cases: int,
    seed: int,
    shrinks: int = 400,
    fixed: Fixed | None = None,
    drawn: list[Case] | None = None,
) -> Found:
    """Judges up to `cases` cases; at the first FAIL (or ERROR) tries up to `shrinks` smaller ones.

    What is `fixed` counts among the cases, of which at least half are drawn nevertheless.
    Deterministic: the same strategy, judge and seed give the same answer. It says nothing beyond what it met.

    A list `drawn` that is empty gets what was drawn, if nothing failed. One that is not is what the same strategy drew
    under the same seed for another judge, and it is judged instead: Hypothesis would draw it again. It is drawn anew
    where one of these cases fails, since a search makes it smaller.
    """
    fixed = fixed or Fixed()
    left = max(cases - len(fixed.cases), cases // 2)
    found = Found()
    parts = [
        lambda: _examined(fixed, judge, shrinks, found),
        lambda: _drawn(strategy, judge, found, cases=left, seed=seed, shrinks=shrinks, drawn=drawn),
    ]
    for part in reversed(parts) if fixed.last else parts:
        if found.failing is None:
            part()
    return found


def _drawn(
    strategy: SearchStrategy[Case],
    judge: Callable[[Case], Judgement],
    found: Found,
    *,
    cases: int,
    seed: int,
    shrinks: int,
    drawn: list[Case] | None,
) -> None:
    """Adds to `found` what Hypothesis meets."""
    import hypothesis
    from hypothesis import Phase, Verbosity, settings
    from hypothesis import strategies as st
    from hypothesis.errors import Flaky

    before, fails = _again(drawn or [], judge)
    found.evaluations += len(before)
    if before and fails is None:
        found.judgements += before
        return
    limit, draws, fresh = 0, 0, []

    @st.composite
    def patient(draw: DrawFn) -> Case:
        nonlocal draws
        if found.failing is not None:
            draws += 1
            if draws > _DRAWS * shrinks:
                raise _Enough
        return draw(strategy)

    def attempt(case: Case) -> None:
        nonlocal limit
        if found.failing is not None and found.evaluations >= limit:
            raise _Enough
        found.evaluations += 1
        if drawn is not None and found.failing is None:
            fresh.append(copy.deepcopy(case))
        judgement = judge(case)
        if judgement.outcome in (Outcome.FAIL, Outcome.ERROR):
            if found.failing is None or found.failing[1].outcome is judgement.outcome:
                limit = limit or found.evaluations + shrinks
                found.failing = (case, judgement)
                raise _Refuted
            return
        if found.failing is None:
            found.judgements.append((case, judgement))

    phases = (Phase.explicit, Phase.generate, Phase.shrink) if shrinks else (Phase.explicit, Phase.generate)
    runner = settings(
        max_examples=cases, database=None, deadline=None, derandomize=False, phases=phases, print_blob=False,
        verbosity=Verbosity.quiet, suppress_health_check=_every_health_check(), report_multiple_bugs=False,
    )(hypothesis.seed(seed)(hypothesis.given(patient())(attempt)))  # fmt: skip
    try:
        with steady_draws():
            runner()
    except (_Refuted, _Enough, Flaky):
        # Flaky: the subject answered differently to the same case; the failing answer stands as the witness.
        if found.failing is None:
            raise
    # A subject that failed, and did not when it was asked again, has failed.
    found.failing = found.failing or fails
    if drawn is not None and found.failing is None:
        drawn[:] = fresh


def _again(
    drawn: list[Case], judge: Callable[[Case], Judgement]
) -> tuple[list[tuple[Case, Judgement]], tuple[Case, Judgement] | None]:
    """The judgements of cases that were drawn before, and the first that failed."""
    judged = []
    for kept in drawn:
        case = copy.deepcopy(kept)  # each judge has its own, as if it had just been drawn
        judgement = judge(case)
        if judgement.outcome in (Outcome.FAIL, Outcome.ERROR):
            return judged, (case, judgement)
        judged.append((case, judgement))
    return judged, None


def _examined(fixed: Fixed, judge: Callable[[Case], Judgement], shrinks: int, found: Found) -> None:
    """Adds to `found` the fixed cases up to the first that fails, which is made smaller."""

    def judged(case: Case) -> Judgement:
        found.evaluations += 1
        return judge(case)

    for case in fixed.cases:
        judgement = judged(case)
        if judgement.outcome in (Outcome.FAIL, Outcome.ERROR):
            found.failing = reduced((case, judgement), judged, fixed.smaller, limit=shrinks)
            return
        found.judgements.append((case, judgement))


def fixed_cases(strategy: SearchStrategy[Case], *, cases: int, seed: int) -> list[Case]:
    """The first cases that the strategy draws under this seed; drawn before anything is judged, never shrunk."""
    import hypothesis
    from hypothesis import Phase, Verbosity, settings

    drawn: list[Case] = []

    def collect(case: Case) -> None:
        if len(drawn) < cases:
            drawn.append(case)

    runner = settings(
        max_examples=cases, database=None, deadline=None, phases=(Phase.generate,), verbosity=Verbosity.quiet,
        suppress_health_check=_every_health_check(),
    )(hypothesis.seed(seed)(hypothesis.given(strategy)(collect)))  # fmt: skip
    with steady_draws():
        runner()
    return drawn
