"""The pytest plugin: options, the session's alpha, a summary and a report of every check that ran.

It imports nothing of genverify, and no torch, before a test uses them.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from genverify.report import Report
    from genverify.verdict import Verdict

__all__ = ["Settings", "record", "settings"]

_REPORTED = "genverify_verdicts"


@dataclass(eq=False)
class Settings:
    """The session's options, and what is known of it so far.

    Attributes:
        budget: quick, standard or thorough.
        alpha: False-alarm probability of the whole session.
        seed: Same subject, budget and seed: same verdict.
        path: Where the report goes; empty for nowhere.
        statistical: How many of the collected tests spend a share of alpha.
        planned: How many checks were collected.
        current: Verdicts of the test that is running, as data.
        verdicts: Verdicts of the tests that have run, as data.
    """

    budget: str = "standard"
    alpha: float = 1e-6
    seed: int = 0
    path: str = ""
    statistical: int = 0
    planned: int = 0
    current: list[dict[str, Any]] = field(default_factory=list)
    verdicts: list[dict[str, Any]] = field(default_factory=list)


_KEY = pytest.StashKey[Settings]()
# A session may run inside another one (pytester does this): the innermost is the one that asks.
_SESSIONS: list[Settings] = []


def settings() -> Settings:
    """The settings of the session that is running; the defaults where the plugin is switched off."""
    return _SESSIONS[-1] if _SESSIONS else Settings()


def record(verdict: Verdict) -> None:
    """Remembers a verdict of the test that is running, for the summary and the report."""
    from genverify.report.data import verdict_to_data

    settings().current.append(verdict_to_data(verdict))


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options of a run."""
    group = parser.getgroup("genverify", "verdicts on models, optimizers and estimators")
    group.addoption(
        "--genverify-budget", choices=("quick", "standard", "thorough"), default="standard",
        help="evaluations that a check may spend (default: %(default)s)",
    )  # fmt: skip
    group.addoption(
        "--genverify-alpha", type=float, default=1e-6, metavar="P",
        help="false-alarm probability of the whole session (default: %(default)s)",
    )  # fmt: skip
    group.addoption("--genverify-seed", type=int, default=0, metavar="N", help="seed of every check (default: 0)")
    group.addoption("--genverify-report", default="", metavar="PATH", help="write a report to PATH (.json or .html)")


def pytest_configure(config: pytest.Config) -> None:
    """Reads the options, and refuses what cannot work before anything runs."""
    given = config.option
    made = Settings(
        budget=given.genverify_budget, alpha=given.genverify_alpha, seed=given.genverify_seed,
        path=given.genverify_report,
    )  # fmt: skip
    if not 0 < made.alpha < 1:
        raise pytest.UsageError(f"--genverify-alpha: got {made.alpha}; expected a probability between 0 and 1")
    if made.path:
        _refuse_path(made.path)
    config.stash[_KEY] = made
    _SESSIONS.append(made)


def _refuse_path(path: str) -> None:
    from genverify.errors import UsageError
    from genverify.report.files import require_writable

    if Path(path).suffix not in (".json", ".html"):
        raise pytest.UsageError(f"--genverify-report: got {path!r}; expected a file ending in .json or .html")
    try:
        require_writable(path)
    except UsageError as error:
        raise pytest.UsageError(f"--genverify-report: {error}") from error


def pytest_unconfigure(config: pytest.Config) -> None:
    """The session is over."""
    made = config.stash.get(_KEY, None)
    if made is not None and made in _SESSIONS:
        _SESSIONS.remove(made)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Alpha is split over the statistical checks that were collected."""
    made = session.config.stash[_KEY]
    checks = [item.callspec.params.get("check") for item in session.items if hasattr(item, "callspec")]  # type: ignore[attr-defined]
    found = [one for one in checks if type(one).__name__ == "CheckOfSubject"]
    made.planned = len(found)
    made.statistical = sum(one.statistical for one in found)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Hands the verdicts to the test's report: it is what reaches the main process under pytest-xdist."""
    report = yield
    made = item.config.stash[_KEY]
    if call.when == "call" and made.current:
        setattr(report, _REPORTED, list(made.current))
        made.current.clear()
    return report


class _Collector:
    """Keeps what the tests' reports bring, in the process that prints the summary."""

    def __init__(self, made: Settings) -> None:
        self._made = made

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keeps the verdicts of one test."""
        self._made.verdicts += getattr(report, _REPORTED, [])

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:  # noqa: ANN401 - a type of pytest-xdist
        """Learns from a worker how many checks there were."""
        planned = getattr(node, "workeroutput", {}).get(_REPORTED, 0)
        self._made.planned = max(self._made.planned, planned)


@pytest.hookimpl(tryfirst=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    """Begins to keep verdicts."""
    session.config.pluginmanager.register(_Collector(session.config.stash[_KEY]), "genverify-collector")


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Writes the report; a worker of pytest-xdist only says how many checks it knew."""
    made = session.config.stash[_KEY]
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput[_REPORTED] = made.planned  # type: ignore[attr-defined]
    elif made.path:
        from genverify.report.files import write

        report = _report(made)
        write(made.path, report.to_html() if made.path.endswith(".html") else report.to_json())


def _report(made: Settings) -> Report:
    from genverify.report import Report
    from genverify.report.data import verdict_from_data

    return Report(
        verdicts=tuple(verdict_from_data(one) for one in made.verdicts), planned=max(made.planned, len(made.verdicts)),
        settings={"budget": made.budget, "alpha": made.alpha, "seed": made.seed},
    )  # fmt: skip


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """The counts, the worst measurement, and where the report is."""
    made = config.stash[_KEY]
    if not made.verdicts and not made.planned:
        return
    from genverify.report.words import counts_line, worst_line

    report = _report(made)
    terminalreporter.section("genverify")
    terminalreporter.line(counts_line(report))
    if worst_line(report):
        terminalreporter.line(worst_line(report))
    if made.path:
        terminalreporter.line(f"report: {made.path}")
