"""Every test of a spec proves, supports or refutes a registered claim; its status is shown beside its outcome."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from genverify.formulas.catalogue import find_claim

_HERE = Path(__file__).parent


def _claim(item: pytest.Item) -> str | None:
    return getattr(getattr(item, "function", None), "proves", None)


def pytest_itemcollected(item: pytest.Item) -> None:
    """Gives the test its claim and status, so that they reach every reporter, JUnit's too."""
    name = _claim(item)
    if name is not None:
        item.user_properties += [("claim", name), ("status", str(find_claim(name).status))]


def pytest_runtest_setup(item: pytest.Item) -> None:
    """A test of a spec that names no claim fails: specs hold nothing else."""
    if _claim(item) is None and item.path.parent == _HERE and item.path.name != "test_index.py":
        pytest.fail("this test proves no claim: decorate it with @proves('topic.name')", pytrace=False)


def pytest_report_teststatus(report: pytest.CollectReport | pytest.TestReport) -> tuple[str, str, str] | None:
    """The letter and word of a claim's own status instead of a plain dot."""
    status = dict(getattr(report, "user_properties", ())).get("status")
    if status is None or report.when != "call" or not report.passed:
        return None
    return "passed", str(status)[0], f"PASSED {status}"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """How many claims of each status hold."""
    shown = [dict(report.user_properties) for report in terminalreporter.stats.get("passed", ())]
    claims = {properties["claim"]: properties["status"] for properties in shown if "claim" in properties}
    if claims:
        counts = Counter(claims.values())
        words = ", ".join(f"{count} {status}" for status, count in sorted(counts.items()))
        terminalreporter.write_line(f"{len(claims)} claims: {words}")
