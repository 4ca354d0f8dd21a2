"""A report as HTML: escaped by jinja2, self-contained, without a script."""

from __future__ import annotations

from importlib import resources
from typing import TYPE_CHECKING

from genverify.report.words import TROUBLE, counts_line, details, examined, measured, outcome_word, worst_line
from genverify.verdict import Verdict

if TYPE_CHECKING:
    import jinja2

    from genverify.report.report import Report

__all__ = ["fragment", "page"]


def page(report: Report) -> str:
    """The whole report as one file."""
    return _render(report, whole=True)


def fragment(report: Report) -> str:
    """The report as a part of somebody else's page, a notebook's say."""
    return _render(report, whole=False)


def _render(report: Report, *, whole: bool) -> str:
    groups: list[tuple[str, str, list[Verdict]]] = []
    for verdict in report:
        if not groups or groups[-1][:2] != (verdict.subject, verdict.kind):
            groups.append((verdict.subject, verdict.kind, []))
        groups[-1][2].append(verdict)
    found = [verdict for outcome in TROUBLE for verdict in report if verdict.outcome is outcome]
    return _template().render(
        report=report, whole=whole, groups=groups, troubles=found, counts=counts_line(report),
        worst=worst_line(report), details=lambda verdict: details(verdict, report.settings), measured=measured,
        examined=examined, word=outcome_word,
    )  # fmt: skip


def _template() -> jinja2.Template:
    import jinja2

    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    source = resources.files("genverify.report").joinpath("report.html.j2").read_text("utf-8")
    return environment.from_string(source)
