"""A report as HTML: escaped by jinja2, self-contained, without a script."""

from __future__ import annotations

from importlib import resources
from typing import TYPE_CHECKING

from genverify.report import words

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
    found = [verdict for outcome in words.TROUBLE for verdict in report if verdict.outcome is outcome]
    return _template().render(
        report=report, whole=whole, groups=words.by_subject(report), troubles=found, counts=words.counts_line(report),
        worst=words.worst_line(report), details=lambda verdict: words.details(verdict, report.settings),
        measured=words.measured, examined=words.examined, word=words.outcome_word,
        notes=words.remarks(report),
    )  # fmt: skip


def _template() -> jinja2.Template:
    import jinja2

    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    source = resources.files("genverify.report").joinpath("report.html.j2").read_text("utf-8")
    return environment.from_string(source)
