"""A report in the terminal: a table by subject, what went wrong, the counts."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from genverify.report import words
from genverify.report.words import TROUBLE, counts_line, details, remarks, worst_line
from genverify.verdict import Outcome, Verdict

if TYPE_CHECKING:
    from genverify.report.report import Report

__all__ = ["closing", "renderable", "show", "style", "subjects", "table", "text", "troubles"]

STYLES = {
    Outcome.PASS: "green", Outcome.FAIL: "bold red", Outcome.ERROR: "bold magenta", Outcome.INCONCLUSIVE: "yellow",
    Outcome.NOT_APPLICABLE: "dim",
}  # fmt: skip
_WIDTH = 120


def style(verdict: Verdict) -> str:
    """The colour of a verdict; an expected failure is no alarm."""
    return "yellow" if verdict.expected else STYLES[verdict.outcome]


def table(report: Report) -> Table:
    """One line for each verdict, one block for each subject."""
    made = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    made.add_column("subject", overflow="fold")
    made.add_column("check", no_wrap=True)
    made.add_column("outcome", no_wrap=True)
    made.add_column("evidence", no_wrap=True)
    made.add_column("observed and allowed, or why not", overflow="fold")
    for verdicts in words.by_subject(report):
        for verdict in verdicts:
            made.add_row(
                Text(verdict.subject if verdict is verdicts[0] else ""), Text(verdict.check),
                Text(words.outcome_word(verdict), style=style(verdict)), Text(words.examined(verdict), style="dim"),
                Text(_one_line(words.measured(verdict))),
            )  # fmt: skip
    return made


def subjects(report: Report) -> Table:
    """One line for each subject: how many of its checks came out how."""
    made = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    made.add_column("subject", overflow="fold")
    made.add_column("kind")
    for outcome in Outcome:
        made.add_column(outcome.value.replace("_", " "), justify="right", no_wrap=True)
    made.add_column("worst", overflow="fold")
    for verdicts in words.by_subject(report):
        numbers = [sum(v.outcome is outcome for v in verdicts) for outcome in Outcome]
        cells = [Text(str(n or "·"), style=STYLES[o] if n else "dim") for o, n in zip(Outcome, numbers, strict=True)]
        ratio = max((v.evidence.ratio for v in verdicts), default=0.0)
        made.add_row(
            Text(verdicts[0].subject),
            Text(verdicts[0].kind),
            *cells,
            Text(f"{ratio:.2g} of what is allowed" if ratio else ""),
        )
    return made


def _one_line(long: str, limit: int = 160) -> str:
    line = " ".join(long.split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


def troubles(report: Report) -> list[Text]:
    """Every FAIL, ERROR and INCONCLUSIVE in full, the worst kind first."""
    found = [v for outcome in TROUBLE for v in report if v.outcome is outcome]
    return [_told(verdict, details(verdict, report.settings)) for verdict in found]


def _told(verdict: Verdict, words_of_it: str) -> Text:
    """The verdict in full, its outcome in colour: what is to be copied stays plain."""
    told = Text("\n" + words_of_it)
    told.highlight_words([f"{verdict.outcome.value} {verdict.check}"], style=style(verdict))
    return told


def closing(report: Report) -> list[Text]:
    """Notes, the worst measurement and the counts."""
    worst = worst_line(report)
    notes = [Text(f"note: {note}") for note in remarks(report)]
    return [Text(""), *notes, *([Text(worst)] if worst else []), Text(counts_line(report), style="bold")]


def renderable(report: Report) -> Group:
    """The whole report for a rich console."""
    return Group(table(report), *troubles(report), *closing(report))


def show(report: Report, console: Console) -> None:
    """Prints the whole report; what a reader copies, a token or a snippet, is never broken into lines."""
    if report.verdicts:
        console.print(table(report))
    for part in [*troubles(report), *closing(report)]:
        console.print(part, soft_wrap=True)


def text(report: Report) -> str:
    """The whole report as plain text."""
    out = io.StringIO()
    show(report, Console(file=out, width=_WIDTH, color_system=None, force_terminal=False, legacy_windows=False))
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines())
