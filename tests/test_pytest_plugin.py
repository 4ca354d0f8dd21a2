"""The pytest plugin, in real pytest runs: options, alpha, summary, report, pytest-xdist."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from genverify.report import Report
from genverify.verdict import Outcome

pytest_plugins = ["pytester"]

# An installed genverify is loaded through its entry point; a checkout names the plugin.
INSTALLED = any(point.name == "genverify" for point in entry_points(group="pytest11"))
LOAD = () if INSTALLED else ("-p", "genverify.pytest_plugin")

MODELS = """
    import pytest
    from genverify.parametrize import parametrize_with_checks
    from tests.toy_kind import Toy, register, square, wrong_from_seven

    register()

    @parametrize_with_checks(
        [
            Toy(square, name="right", settings={"mean": "1"}),
            Toy(wrong_from_seven, settings={"saturated": "1"}),
            Toy(square, name="faulty", settings={"fault": "1"}),
        ],
        checks=["toy.square", "toy.saturated", "toy.fault", "toy.mean", "toy.mean_again"],
    )
    def test_my_models(subject, check):
        check(subject)
"""


@pytest.fixture
def run(pytester, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).resolve().parent.parent))
    pytester.makeini("[pytest]\naddopts = -p no:cacheprovider\n")

    def run(source, *options):
        pytester.makepyfile(source)
        # A process of its own: the toy kind must not stay behind in this one.
        return pytester.runpytest_subprocess(*LOAD, *options)

    return run


def test_one_test_for_each_check_of_each_subject_and_every_outcome(run, pytester):
    result = run(MODELS, "-v", "--genverify-budget", "quick", "--genverify-alpha=1e-3", "--genverify-report=r.json")
    result.assert_outcomes(passed=4, failed=3, skipped=8)
    result.stdout.fnmatch_lines(
        [
            "*::test_my_models?right-toy.square? PASSED*",
            "*::test_my_models?wrong_from_seven-toy.square? FAILED*",
            "*FAIL toy.square: |error| 4.9e+01 > 0.0e+00 allowed (int) at x=7*",
            "* genverify *",
            "15 planned, 7 run: 4 passed, 1 failed, 1 error, 1 inconclusive, 8 not applicable (only 7 of the 15 *",
            "worst: wrong_from_seven toy.square*",
            "report: r.json",
        ]
    )
    report = Report.from_json((pytester.path / "r.json").read_text())
    assert report.settings == {"budget": "quick", "alpha": 1e-3, "seed": 0}
    means = [v for v in report if v.check.startswith("toy.mean") and v.outcome is Outcome.PASS]
    # Six statistical checks were collected; whether they apply is known when they run. Each has two cases.
    assert [v.evidence.figures["alpha"] for v in means] == [1e-3 / 6 / 2] * 2


def test_expected_failures_are_xfails_and_stale_ones_fail(run):
    source = """
        from genverify.parametrize import parametrize_with_checks
        from tests.toy_kind import Toy, register, square, wrong_from_seven

        register()

        @parametrize_with_checks(
            [Toy(wrong_from_seven), Toy(square)], checks=["toy.square"], expected_failures={"toy.square": "issue 7"}
        )
        def test_all(subject, check):
            check(subject)

        @parametrize_with_checks(
            [Toy(wrong_from_seven), Toy(square)], checks=["toy.square"],
            expected_failures=lambda subject: {"toy.square": "issue 7"} if subject.f is wrong_from_seven else {},
        )
        def test_each(subject, check):
            check(subject)
    """
    result = run(source, "--genverify-budget=quick", "-rx")
    result.assert_outcomes(xfailed=2, passed=1, failed=1)
    result.stdout.fnmatch_lines(
        ["*expectation is stale*", "*4 planned, 4 run: 1 passed, 1 failed, 2 expected failures*"]
    )


def test_workers_hand_their_verdicts_to_the_one_that_reports(run, pytester):
    pytest.importorskip("xdist")
    result = run(MODELS, "-n", "1", "--genverify-budget=quick", "--genverify-report=r.html")
    result.assert_outcomes(passed=4, failed=3, skipped=8)
    result.stdout.fnmatch_lines(["*15 planned, 7 run: 4 passed*"])
    assert "wrong_from_seven" in (pytester.path / "r.html").read_text()


def test_bad_options_are_refused_before_anything_runs(run, pytester):
    for options, words in (
        (["--genverify-budget=quik"], "*invalid choice: 'quik'*"),
        (["--genverify-alpha=2"], "*a probability between 0 and 1*"),
        (["--genverify-report=report.txt"], "*ending in .json or .html*"),
        (["--genverify-report=missing/report.json"], "*report path 'missing/report.json'*"),
    ):
        result = run("def test_nothing(): raise SystemExit", *options)
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        result.stderr.fnmatch_lines([words])


def test_a_run_without_subjects_imports_no_torch_and_says_nothing(run):
    result = run("import sys\ndef test_nothing(): assert 'torch' not in sys.modules")
    result.assert_outcomes(passed=1)
    result.stdout.no_fnmatch_line("* genverify *")


def test_importing_genverify_imports_neither_pytest_nor_torch():
    code = "import genverify, sys; sys.exit('pytest' in sys.modules or 'torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
