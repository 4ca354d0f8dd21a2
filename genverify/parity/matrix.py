"""`genverify.parity`: subjects × executions, as a report that shows itself as a matrix."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from rich.console import Group
from rich.table import Table
from rich.text import Text

from genverify.errors import SubjectRaised, UsageError
from genverify.parity.comparison import Comparison
from genverify.parity.execution import Execution, executions
from genverify.parity.program import cases_of, program_of
from genverify.preparation import prepare, refuse_undeclared
from genverify.report import Report
from genverify.report.table import STYLES, closing, troubles
from genverify.report.words import outcome_word
from genverify.subjects.budget import Budget
from genverify.subjects.budget import budget as find_budget
from genverify.subjects.preservation import preserved
from genverify.subjects.subject import Subject
from genverify.verdict import Evidence, Judgement, Outcome, Rung, Verdict, not_applicable

if TYPE_CHECKING:
    from rich.console import RenderableType

__all__ = ["ParityReport", "parity", "processor"]

Progress = Callable[[Verdict, int, int], None]
_STATEMENT = "the same numbers as in float64 on the CPU, with the same draws, up to what rounding may do"
_SOURCE = "Parker 1997 (Monte Carlo arithmetic); Higham 2002, lemma 3.1"
_CHECK = "parity."
# Cases that are compared, and runs that are timed, by the cases that a budget has.
_REPEATS = 5


@dataclass(frozen=True, kw_only=True)
class ParityReport(Report):
    """A report whose checks are executions; it prints as a matrix."""

    def __rich__(self) -> RenderableType:
        """What a rich console shows."""
        return Group(matrix(self), *troubles(self), *closing(self))

    def __str__(self) -> str:
        """The same as plain text."""
        import io

        from rich.console import Console

        out = io.StringIO()
        console = Console(file=out, width=160, color_system=None, force_terminal=False, legacy_windows=False)
        console.print(matrix(self))
        for part in [*troubles(self), *closing(self)]:
            console.print(part, soft_wrap=True)
        return "\n".join(line.rstrip() for line in out.getvalue().splitlines())


def parity(
    subjects: Subject | Iterable[Subject],
    *,
    executions: Sequence[Execution] | None = None,
    device: str = "",
    compiled: bool = True,
    budget: str | Budget = "quick",
    seed: int = 0,
    progress: Progress | None = None,
) -> ParityReport:
    """Runs each subject in each execution on the same numbers and draws, and holds it against float64 on the CPU.

    Compared are its results, their gradients by inputs and parameters, and the parameters after one step of gradient
    descent; of an optimizer where its parameters go, of a training step what it moves. What is allowed is what
    Monte Carlo arithmetic in the execution's unit roundoff does to the float64 program; see
    `genverify.numerics.virtual_precision`. FAIL is more than that, INCONCLUSIVE that no digit is promised, or that no
    compiled code ran; executions that this machine or this subject does not have are NOT_APPLICABLE. Times, and with
    them `speed` (how many times as fast as the float64 run), are those of this run and this machine.

    Args:
        subjects: One subject, or several.
        executions: What is run; by default all that `genverify.parity.execution.executions` names.
        device: Only executions on this device.
        compiled: Whether `torch.compile` is tried, which costs seconds for each subject.
        budget: quick for one case, standard for two, thorough for four.
        seed: Same subject, seed and machine: same numbers.
        progress: Called after each verdict with the verdict, how many are done and how many are planned.

    Raises:
        UsageError: The request cannot be understood.

    >>> from genverify.subjects.map import Map
    >>> float32 = Execution(dtype=torch.float32)
    >>> report = parity(Map(torch.nn.Linear(3, 2)), executions=[float32])
    >>> [(verdict.check, verdict.outcome.value) for verdict in report]
    [('parity.cpu.float32', 'PASS')]
    """
    settings = find_budget(budget)
    count = {"quick": 1, "standard": 2}.get(settings.name, 4)
    chosen = list(subjects) if isinstance(subjects, Iterable) and not isinstance(subjects, Subject) else [subjects]
    for one in chosen:
        refuse_undeclared(one)
    tried = list(executions) if executions is not None else list(_executions(device, compiled))
    if not tried:
        raise UsageError(given="no execution", expected="at least one", do="leave out executions=")
    verdicts: list[Verdict] = []
    planned = len(chosen) * len(tried)
    for declared in chosen:
        for verdict in _of_subject(declared, tried, count, seed):
            verdicts.append(verdict)
            if progress is not None:
                progress(verdict, len(verdicts), planned)
    return ParityReport(
        verdicts=tuple(verdicts), planned=planned,
        settings={
            "budget": settings.name, "seed": seed, "torch": str(torch.__version__), "processor": processor(),
            "threads": torch.get_num_threads(),
        },
    )  # fmt: skip


def _executions(device: str, compiled: bool) -> Sequence[Execution]:
    return executions(device, compiled=compiled)


def _of_subject(declared: Subject, tried: Sequence[Execution], count: int, seed: int) -> Iterable[Verdict]:
    maker = program_of(declared.kind)
    with preserved(declared):
        prepared, comparisons, absent = None, [], ""
        try:
            prepared = prepare(declared)
            if maker is None:
                absent = f"nothing is known of how to run a subject of kind {declared.kind!r}"
            else:
                made = cases_of(maker, prepared, count, seed)
                comparisons = [Comparison(prepared, maker, case, _REPEATS) for case in made]
                absent = "" if comparisons else "no case of it is known"
        except SubjectRaised as raised:
            absent = f"nothing to compare with: in float64 on the CPU {raised}"
        for execution in tried:
            found = [not_applicable(absent)] if absent else [one.judge(execution) for one in comparisons]
            yield _concluded(declared, execution, found)


def _concluded(declared: Subject, execution: Execution, found: list[Judgement]) -> Verdict:
    """The worst of several cases; of passes the one that came closest to what is allowed."""
    order = (Outcome.FAIL, Outcome.ERROR, Outcome.INCONCLUSIVE, Outcome.PASS, Outcome.NOT_APPLICABLE)
    outcome = next(outcome for outcome in order if any(one.outcome is outcome for one in found))
    chosen = [one for one in found if one.outcome is outcome]
    evidence = max(chosen, key=lambda one: one.evidence.ratio).evidence
    if outcome is Outcome.PASS:
        evidence = replace(evidence, examined=sum(one.evidence.examined for one in chosen))
    return Verdict(
        check=_CHECK + execution.name, subject=declared.label, kind=declared.kind, outcome=outcome,
        evidence=replace(evidence, rung=Rung.SEARCHED), statement=_STATEMENT, source=_SOURCE,
    )  # fmt: skip


def matrix(report: Report) -> Table:
    """Executions down the side, for one subject; for several a line each, and executions across."""
    subjects = list(dict.fromkeys((v.subject, v.kind) for v in report))
    return _of_one(report) if len(subjects) == 1 else _of_many(report, subjects)


def _of_one(report: Report) -> Table:
    made = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    made.add_column("execution", no_wrap=True)
    made.add_column("outcome", no_wrap=True)
    for name in ("ULPs", "of what rounding may do", "speed"):
        made.add_column(name, justify="right", no_wrap=True)
    made.add_column("", overflow="fold")
    for v in report:
        e = v.evidence
        measured = e.observed is not None and e.allowed is not None
        made.add_row(
            Text(v.check.removeprefix(_CHECK)), Text(outcome_word(v), style=STYLES[v.outcome]),
            _figure(e, "ulps"), f"{e.ratio:.2g}" if measured else "", _speed(e),
            Text("" if v.outcome is Outcome.PASS else e.message),
        )  # fmt: skip
    return made


def _of_many(report: Report, subjects: Sequence[tuple[str, str]]) -> Table:
    names = [name for name in dict.fromkeys(v.check for v in report)]
    there = [n for n in names if any(v.check == n and v.outcome is not Outcome.NOT_APPLICABLE for v in report)]
    made = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    made.add_column("subject", overflow="fold")
    for name in there:
        made.add_column(name.removeprefix(_CHECK).replace(".", "\n"), no_wrap=True, justify="right")
    known: Mapping[tuple[str, str, str], Verdict] = {(v.subject, v.kind, v.check): v for v in report}
    for subject, kind in subjects:
        cells = [_cell(known.get((subject, kind, name))) for name in there]
        made.add_row(Text(subject), *cells)
    return made


def _cell(verdict: Verdict | None) -> Text:
    """ULPs and speed of a pass; the outcome of anything else."""
    if verdict is None or verdict.outcome is Outcome.NOT_APPLICABLE:
        return Text("·", style="dim")
    if verdict.outcome is not Outcome.PASS:
        return Text(outcome_word(verdict), style=STYLES[verdict.outcome])
    return Text(f"{_figure(verdict.evidence, 'ulps')} {_speed(verdict.evidence)}".strip())


def _figure(evidence: Evidence, name: str) -> str:
    value = evidence.figures.get(name)
    return f"{value:.2g}" if isinstance(value, (int, float)) else ""


def _speed(evidence: Evidence) -> str:
    found = _figure(evidence, "speed")
    return f"{found}×" if found else ""


def processor() -> str:
    """The model of the processor, and nothing else of the machine."""
    path = Path("/proc/cpuinfo")
    if path.is_file():
        for line in path.read_text("utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
