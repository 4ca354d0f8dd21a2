"""The only composer: subject → strategies → checks → report."""

from __future__ import annotations

import io
import math
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from genverify.checks.check import Check, checks_for, find_check
from genverify.errors import SubjectRaised, UsageError, nearest
from genverify.preparation import prepare, refuse_undeclared
from genverify.report import Report
from genverify.strategies.registry import cases_for, fixed_for
from genverify.strategies.search import fixed_cases, search
from genverify.subjects.budget import Budget, Run
from genverify.subjects.budget import budget as find_budget
from genverify.subjects.case import Case
from genverify.subjects.preservation import Preservation, preserved
from genverify.subjects.snippet import snippet
from genverify.subjects.subject import Subject
from genverify.subjects.token import Token
from genverify.verdict import Evidence, Judgement, Outcome, Verdict, inconclusive

__all__ = ["replay", "run_check", "verify"]

Progress = Callable[[Verdict, int, int], None]


def verify(
    subjects: Subject | Iterable[Subject],
    *,
    checks: Sequence[str] | None = None,
    budget: str | Budget = "standard",
    alpha: float = 1e-6,
    seed: int = 0,
    expected_failures: Mapping[str, str] | None = None,
    progress: Progress | None = None,
    statistical: int = 0,
) -> Report:
    """Runs every check that applies to the subjects, and reports.

    Args:
        subjects: One subject, or several.
        checks: Names of the checks to run; all of the subject's kind by default.
        budget: quick, standard or thorough, or a `Budget` of your own; counted in evaluations.
        alpha: False-alarm probability of the whole run, split over its statistical checks.
        seed: Same subject, budget and seed: same report.
        expected_failures: Check name → reason. Such a FAIL is expected; such a PASS is a FAIL (stale expectation).
        progress: Called after each verdict with the verdict, how many are done and how many are planned.
        statistical: How many statistical checks share alpha, where this call is a part of a larger run; those of this
            call by default.

    Raises:
        UsageError: The request cannot be understood; nothing was run.
    """
    settings = find_budget(budget)
    if not 0 < alpha < 1:
        raise UsageError(given=f"alpha={alpha}", expected="a probability between 0 and 1", do="for example alpha=1e-6")
    expected = dict(expected_failures or {})
    for name in [*(checks or ()), *expected]:
        find_check(name)
    chosen = list(subjects) if isinstance(subjects, Iterable) and not isinstance(subjects, Subject) else [subjects]
    for one in chosen:
        refuse_undeclared(one)
    _refuse_misplaced(checks, {one.kind for one in chosen})
    plan = [
        (declared, made, one) for declared in chosen for made in [prepare(declared)] for one in _select(made, checks)
    ]
    sharing = max(1, statistical, sum(one.statistical for _, _, one in plan))
    run = Run(budget=settings, alpha=alpha / sharing, seed=seed)
    verdicts: list[Verdict] = []
    drawn: dict[int, dict[Any, list[Case]]] = {id(prepared): {} for _, prepared, _ in plan}
    for declared, prepared, one in plan:
        found = run_check(prepared, one, run, drawn[id(prepared)])
        verdict = _shown(declared, _expect(found, expected.get(one.name, "")))
        verdicts.append(verdict)
        if progress is not None:
            progress(verdict, len(verdicts), len(plan))
    return Report(
        verdicts=tuple(verdicts), planned=len(plan),
        settings={"budget": settings.name, "alpha": alpha, "seed": seed, "torch": str(torch.__version__)},
    )  # fmt: skip


def _shown(declared: Subject, verdict: Verdict) -> Verdict:
    """The verdict with text that shows it when pasted, where there is a case to replay."""
    return replace(verdict, snippet=snippet(declared, verdict.replay)) if verdict.replay else verdict


def _select(subject: Any, names: Sequence[str] | None) -> list[Check]:  # noqa: ANN401
    return [one for one in checks_for(subject.kind) if names is None or one.name in names]


def _refuse_misplaced(names: Sequence[str] | None, kinds: set[str]) -> None:
    for name in names or ():
        if find_check(name).kind not in kinds:
            known = sorted(one.name for kind in kinds for one in checks_for(kind))
            raise UsageError(
                given=f"check {name!r} for a subject of kind {', '.join(sorted(kinds))}",
                expected="a check of that kind",
                do=nearest(name, known),
            )


def _expect(verdict: Verdict, reason: str) -> Verdict:
    if not reason:
        return verdict
    if verdict.outcome is Outcome.PASS:
        message = f"expected to fail ({reason}), but it passes: the expectation is stale; remove it"
        return replace(verdict, outcome=Outcome.FAIL, evidence=replace(verdict.evidence, message=message))
    return replace(verdict, expected=reason) if verdict.outcome is Outcome.FAIL else verdict


def run_check(
    subject: Any,  # noqa: ANN401 - any kind of subject
    one: Check,
    run: Run,
    drawn: dict[Any, list[Case]] | None = None,
) -> Verdict:
    """One check on one prepared subject: the verdict over all the cases it examined.

    Checks that draw alike from what they know of the subject share the cases that are `drawn` under this run.
    """
    missing = one.requires(subject)
    if missing is not None:
        return _verdict(subject, one, Outcome.NOT_APPLICABLE, Evidence(rung=one.rung, message=missing))
    printed = io.StringIO()
    with preserved(subject) as keeper, redirect_stdout(printed), redirect_stderr(printed):
        judge = _guarded(subject, one, run, keeper)
        try:
            if one.before is not None:
                keeper.watch_globals()
                one.before(subject)
                keeper.restore()
            strategy = cases_for(subject, run, one.family)
            if one.searched:
                fixed = fixed_for(subject, run, one.family)
                found = search(
                    strategy, judge, cases=_cases(subject, run), seed=run.seed, shrinks=_shrinks(subject, run),
                    fixed=fixed, drawn=None if drawn is None else drawn.setdefault((one.family, one.before), []),
                )  # fmt: skip
                judged, failing = found.judgements, found.failing
            else:
                cases = fixed_cases(strategy, cases=run.budget.fixed_cases, seed=run.seed)
                share = replace(run, alpha=run.alpha / max(1, len(cases)))
                judge, run = _guarded(subject, one, share, keeper), share
                judged = [(case, judge(case)) for case in cases]
                failing = next((pair for pair in judged if pair[1].outcome in (Outcome.FAIL, Outcome.ERROR)), None)
        except UsageError:
            raise
        except SubjectRaised as raised:
            return _verdict(subject, one, Outcome.FAIL, Evidence(rung=one.rung, examined=1, message=str(raised)))
        except Exception as error:  # genverify's own fault, or a strategy's: said, never hidden
            return _verdict(subject, one, Outcome.ERROR, Evidence(rung=one.rung, message=_own_fault(error)))
    verdict = _conclude(subject, one, run, judged, failing)
    notes = [f"changed and put back: {change}" for change in keeper.changes]
    if printed.getvalue().strip():
        notes.append(f"the subject printed {printed.getvalue().strip().splitlines()[0][:80]!r}")
    if not notes:
        return verdict
    return replace(verdict, evidence=replace(verdict.evidence, notes=(*verdict.evidence.notes, *notes)))


def _cases(subject: Any, run: Run) -> int:  # noqa: ANN401
    """How many cases are drawn: of a bijection of many dimensions fewer, each of which has the whole Jacobian."""
    return max(run.budget.fixed_cases, int(run.budget.cases * _share(subject)))


def _shrinks(subject: Any, run: Run) -> int:  # noqa: ANN401
    """How often a failing case may be made smaller: a case whose allowance has to be measured costs as much as ten."""
    dear = getattr(getattr(subject, "specification", None), "measured", False)
    return max(1, int((run.budget.shrinks // 10 if dear else run.budget.shrinks) * _share(subject) ** 2))


def _share(subject: Any) -> float:  # noqa: ANN401
    """How much less a case of many dimensions may cost than it does, against what a budget counts on."""
    size = math.prod(subject.event) if subject.kind == "bijection" else 0
    return min(1.0, _EVERY_CASE / size) if size else 1.0


def _own_fault(error: Exception) -> str:
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"genverify itself failed: {type(error).__name__}: {error} ({Path(last.filename).name}:{last.lineno})"


def _guarded(subject: Any, one: Check, run: Run, keeper: Preservation) -> Callable[[Case], Judgement]:  # noqa: ANN401
    """The check's judge with what every case gets: its seed, the subject as it was, exceptions told apart."""

    def judge(case: Case) -> Judgement:
        keeper.watch_globals(case.seed)
        try:
            made = one.judge(subject, case, run)
            if made.outcome is Outcome.FAIL and "#apart" in case and not math.isfinite(made.evidence.observed or 0.0):
                return inconclusive(f"the subject has no number at {case['#apart']}")
            return made
        except SubjectRaised as raised:
            if "#apart" in case:  # legal in the formula, and an implementation may still refuse it
                return inconclusive(f"the subject refuses {case['#apart']}")
            evidence = Evidence(rung=one.rung, examined=1, message=str(raised), witness=_witness(subject, case))
            return Judgement(outcome=Outcome.FAIL, evidence=evidence)
        except UsageError:
            raise
        except Exception as error:
            return Judgement(outcome=Outcome.ERROR, evidence=Evidence(message=_own_fault(error)))
        finally:
            keeper.restore()

    return judge


def _witness(subject: Any, case: Case) -> dict[str, str]:  # noqa: ANN401
    """The case as text, under the names that the subject has for its arguments."""
    match = getattr(subject, "match", None)
    own = {} if match is None else {bound.argument.name: bound.parameter for bound in match.bound}
    shown = {own.get(name, name): text for name, text in case.rendered().items()}
    if "#options" in case:
        shown.update({name: repr(value) for name, value in subject.combinations()[case["#options"]].items()})
    return shown


def _conclude(
    subject: Any,  # noqa: ANN401
    one: Check,
    run: Run,
    judged: list[tuple[Case, Judgement]],
    failing: tuple[Case, Judgement] | None,
) -> Verdict:
    if failing is not None:
        case, judgement = failing
        evidence = judgement.evidence
        if not evidence.witness:
            evidence = replace(evidence, witness=_witness(subject, case))
        token = Token(check=one.name, case=case, alpha=run.alpha, seed=run.seed, budget=run.budget.name).write()
        return _verdict(subject, one, judgement.outcome, evidence, replay=token)
    passes = [j for _, j in judged if j.outcome is Outcome.PASS]
    unsettled = [j for _, j in judged if j.outcome is Outcome.INCONCLUSIVE]
    absent = [j for _, j in judged if j.outcome is Outcome.NOT_APPLICABLE]
    withheld = [j for j in unsettled if j.withholds]
    if unsettled and (withheld or not passes or not one.searched):
        return _verdict(subject, one, Outcome.INCONCLUSIVE, (withheld or unsettled)[0].evidence)
    if absent and not passes:
        return _verdict(subject, one, Outcome.NOT_APPLICABLE, absent[0].evidence)
    examined = sum(j.evidence.examined for j in passes)
    if not examined:
        nothing = Evidence(rung=one.rung, message="no case could be examined")
        return _verdict(subject, one, Outcome.INCONCLUSIVE, nothing)
    worst = max(passes, key=lambda j: j.evidence.ratio).evidence
    notes = tuple(dict.fromkeys(note for j in passes for note in j.evidence.notes))
    if unsettled:
        notes += (f"{len(unsettled)} of {len(judged)} cases were not judged: {unsettled[0].evidence.message}",)
    return _verdict(subject, one, Outcome.PASS, replace(worst, examined=examined, notes=notes))


def _verdict(subject: Any, one: Check, outcome: Outcome, evidence: Evidence, replay: str = "") -> Verdict:  # noqa: ANN401
    return Verdict(
        check=one.name, subject=subject.label, kind=subject.kind, outcome=outcome, evidence=evidence,
        statement=one.statement, source=one.source, replay=replay,
    )  # fmt: skip


# Dimensions up to which a bijection is examined in as many cases as the budget says.
_EVERY_CASE = 512
# Kinds that are called on a batch, of which each row is judged.
_OF_ROWS = ("bijection", "density", "formula", "map")


def _refuse_nothing(case: Case, kind: str) -> None:
    """Of no rows there is nothing to judge: neither a PASS nor what the subject makes of them says anything."""
    empty = [f"{name} of shape {tuple(tensor.shape)}" for name, tensor in case.tensors() if not tensor.numel()]
    if kind in _OF_ROWS and empty:
        raise UsageError(
            given=f"a case in which there is nothing to judge ({', '.join(empty)})",
            expected="at least one row, and one number in it",
            do="replay a token from a report of this version of genverify",
        )


def replay(token: str, subject: Subject) -> Verdict:
    """Judges the case of a replay token again, on this subject.

    Raises:
        UsageError: The token is corrupt or foreign, its check is of another kind of subject, or its case has no rows.
    """
    read = Token.read(token)
    one = find_check(read.check)
    prepared = prepare(subject)
    if one.kind != prepared.kind:
        raise UsageError(
            given=f"a token of the check {one.name!r} for a subject of kind {prepared.kind!r}",
            expected=f"a subject of kind {one.kind!r}", do=f"replay it with --as {one.kind}",
        )  # fmt: skip
    _refuse_nothing(read.case, prepared.kind)
    run = Run(budget=find_budget(read.budget), alpha=read.alpha, seed=read.seed)
    with preserved(prepared) as keeper:
        judgement = _guarded(prepared, one, run, keeper)(read.case)
    failing = (read.case, judgement) if judgement.outcome in (Outcome.FAIL, Outcome.ERROR) else None
    return _shown(subject, _conclude(prepared, one, run, [(read.case, judgement)], failing))
