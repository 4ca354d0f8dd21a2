"""A run on the terminal: progress while it lasts, the report at its end, files written whole."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console

from genverify.cli.supervision import Listener
from genverify.cli.together import together
from genverify.errors import UsageError
from genverify.report import Report
from genverify.report.files import require_writable, write
from genverify.report.table import closing, show, style, subjects, troubles
from genverify.report.words import measured, outcome_word
from genverify.verdict import Verdict

__all__ = ["carry_out", "show_report"]


def carry_out(
    request: Mapping[str, Any],
    *,
    json: str = "",
    html: str = "",
    allow_inconclusive: bool = False,
    timeout: float = 300.0,
    by_subject: bool = False,
    across: bool = False,
    command: str = "",
    jobs: int = 1,
) -> int:
    """Runs a request in a child process, shows and writes its report; returns the exit status.

    Raises:
        UsageError: The request cannot be carried out, or a report cannot be written there; nothing was run.
    """
    for path, suffix in ((json, ".json"), (html, ".html")):
        if path:
            require_writable(path)
        if path and Path(path).suffix not in ("", suffix):
            raise UsageError(
                given=f"--{suffix[1:]} {path}",
                expected=f"a file ending in {suffix}",
                do=f"write --{suffix[1:]} {Path(path).with_suffix(suffix)}",
            )
    with _Progress() as progress:
        answer = together(request, jobs=jobs, timeout=timeout, listener=progress.heard)
    assert answer.report is not None
    report = answer.report
    if command:
        report = replace(report, settings={**report.settings, "command": command})
    if json:
        write(json, report.to_json())
    if html:
        write(html, report.to_html())
    show_report(report, by_subject=by_subject, across=across)
    return report.exit_status(allow_inconclusive)


def show_report(report: Report, *, by_subject: bool = False, across: bool = False) -> None:
    """Prints a report: on a terminal in its width and colours, in a pipe as plain lines; of executions as a matrix."""
    console = Console() if sys.stdout.isatty() else Console(width=160, color_system=None)
    if across:
        from genverify.parity.matrix import matrix

        console.print(matrix(report))
        for part in [*troubles(report), *closing(report)]:
            console.print(part, soft_wrap=True)
    elif by_subject and len({(v.subject, v.kind) for v in report}) > 1:
        console.print(subjects(report))
        for part in [*troubles(report), *closing(report)]:
            console.print(part, soft_wrap=True)
    else:
        show(report, console)


class _Progress:
    """A bar on a terminal; in a pipe one plain line for each verdict."""

    def __init__(self) -> None:
        self._bar: Any = None
        self._task: Any = None

    def __enter__(self) -> _Progress:
        if sys.stderr.isatty() and sys.stdout.isatty():
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

            columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("{task.description}"))
            self._bar = Progress(*columns, console=Console(stderr=True), transient=True)
            self._bar.start()
            self._task = self._bar.add_task("loading", total=None)
        return self

    def __exit__(self, *error: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    @property
    def heard(self) -> Listener:
        """What is called after each verdict."""
        return self._on_terminal if self._bar is not None else self._in_pipe

    def _on_terminal(self, verdict: Verdict, done: int, planned: int) -> None:
        self._bar.update(self._task, completed=done, total=planned, description=f"{verdict.subject} {verdict.check}")
        if style(verdict) not in ("green", "dim"):
            from rich.text import Text

            self._bar.console.print(
                Text(f"{outcome_word(verdict)} {verdict.subject} {verdict.check}", style=style(verdict))
            )

    def _in_pipe(self, verdict: Verdict, done: int, planned: int) -> None:
        why = " ".join(measured(verdict).split())[:120]
        line = f"[{done}/{planned}] {outcome_word(verdict)} {verdict.subject} {verdict.check}"
        print(f"{line}: {why}" if why else line, flush=True)
