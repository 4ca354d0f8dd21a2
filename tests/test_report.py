"""Counts, exit status, JSON, HTML and text of a report."""

from __future__ import annotations

import io
import json
import math
import re
from html.parser import HTMLParser

import jsonschema
import pytest
import rich.console
from hypothesis import given
from hypothesis import strategies as st

import genverify as gv
from genverify.report import Report
from genverify.report.data import schema
from genverify.report.files import require_writable, write
from genverify.report.words import by_subject
from genverify.verdict import Evidence, Outcome, Rung, Verdict

WORDS = st.text(max_size=8)
NUMBERS = st.floats() | st.integers(-(10**20), 10**20)
FIGURES = st.dictionaries(WORDS, NUMBERS | WORDS, max_size=3)
EVIDENCE = st.builds(
    Evidence, rung=st.sampled_from(Rung), examined=st.integers(0, 9), quantity=WORDS, observed=st.none() | st.floats(),
    allowed=st.none() | st.floats(), unit=WORDS, message=WORDS, witness=st.dictionaries(WORDS, WORDS, max_size=2),
    guarantee=WORDS, assumption=WORDS, figures=FIGURES, notes=st.lists(WORDS, max_size=2).map(tuple),
)  # fmt: skip
VERDICTS = st.builds(
    Verdict, check=WORDS, subject=WORDS, kind=WORDS, outcome=st.sampled_from(Outcome), evidence=EVIDENCE,
    statement=WORDS, source=WORDS, replay=WORDS, snippet=WORDS, expected=WORDS,
)  # fmt: skip
REPORTS = st.builds(
    Report, verdicts=st.lists(VERDICTS, max_size=3).map(tuple), planned=st.integers(0, 9), settings=FIGURES,
    notes=st.lists(WORDS, max_size=2).map(tuple),
)  # fmt: skip


def verdict(outcome, *, subject="flow", check="bijection.logabsdet", expected="", replay="", **evidence):
    return Verdict(
        check=check, subject=subject, kind="bijection", outcome=outcome, evidence=Evidence(**evidence),
        statement="the logabsdet is that of the Jacobian", source="Rezende & Mohamed 2015", expected=expected,
        replay=replay, snippet="import genverify as gv\nprint(1)" if replay else "",
    )  # fmt: skip


PASS, FAIL, ERROR = verdict(Outcome.PASS, examined=3), verdict(Outcome.FAIL), verdict(Outcome.ERROR)
UNSETTLED, ABSENT = verdict(Outcome.INCONCLUSIVE), verdict(Outcome.NOT_APPLICABLE, message="no inverse")
XFAIL = verdict(Outcome.FAIL, expected="issue 7")
FOUND = verdict(
    Outcome.FAIL, observed=0.031, allowed=4.2e-12, unit="float64", message="summed over the batch",
    witness={"x": "[[0., 0.]]"}, replay="gv1.token",
)  # fmt: skip


@pytest.mark.parametrize(
    ("verdicts", "status", "allowing"),
    [
        ([PASS, ABSENT], 0, 0),
        ([PASS, FAIL, ERROR, UNSETTLED], 1, 1),
        ([PASS, ERROR, UNSETTLED], 3, 3),
        ([PASS, UNSETTLED], 4, 0),
        ([PASS, XFAIL], 0, 0),
        ([XFAIL], 0, 0),
        ([], 4, 4),
        ([ABSENT], 4, 4),
        ([UNSETTLED], 4, 4),
    ],
)
def test_exit_status(verdicts, status, allowing):
    report = Report(verdicts=tuple(verdicts), planned=len(verdicts))
    assert report.exit_status() == status
    assert report.exit_status(allow_inconclusive=True) == allowing
    if status:
        with pytest.raises(AssertionError):
            report.raise_for_failures()
    else:
        report.raise_for_failures()


def test_counts_say_what_did_not_run():
    report = Report(verdicts=(PASS, FAIL, XFAIL, ABSENT, UNSETTLED, ERROR), planned=8)
    assert report.counts == {
        "planned": 8, "run": 5, "passed": 1, "failed": 1, "error": 1, "inconclusive": 1, "not_applicable": 1,
        "expected_failures": 1, "not_reached": 2,
    }  # fmt: skip
    text = str(report)
    assert "8 planned, 5 run" in text
    assert "2 never reached" in text
    assert "only 5 of the 8 planned checks ran" in text
    assert "only" not in str(Report(verdicts=(PASS,), planned=1))


def test_a_failure_reads_observed_allowed_where_replay_source_and_ends_in_a_snippet():
    report = Report(verdicts=(FOUND,), planned=1, settings={"command": "genverify check flows:flow"})
    with pytest.raises(AssertionError) as caught:
        report.raise_for_failures()
    text = str(caught.value)
    parts = [
        "FAIL bijection.logabsdet: |error| 3.1e-02 > 4.2e-12 allowed (float64) at x=[[0., 0.]]",
        "summed over the batch", "replay: genverify check flows:flow --check bijection.logabsdet --replay gv1.token",
        "source: Rezende & Mohamed 2015", "\nimport genverify as gv\nprint(1)",
    ]  # fmt: skip
    places = [text.index(part) for part in parts]
    assert places == sorted(places)


def test_what_raises_tells_errors_and_unsettled_checks_too():
    with pytest.raises(AssertionError, match=r"(?s)FAIL .*ERROR .*INCONCLUSIVE "):
        Report(verdicts=(UNSETTLED, ERROR, FAIL), planned=3).raise_for_failures()
    with pytest.raises(AssertionError, match="nothing passed"):
        Report(verdicts=(ABSENT,), planned=1).raise_for_failures()


@given(REPORTS)
def test_json_is_strict_follows_its_schema_and_comes_back_exactly(report):
    text = report.to_json()
    data = json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    jsonschema.validate(data, schema())
    again = Report.from_json(text)
    assert again.to_json() == text
    if "nan" not in text:
        assert again == report


def test_the_schema_is_a_schema_and_refuses_what_is_no_report():
    jsonschema.Draft202012Validator.check_schema(schema())
    data = json.loads(Report(verdicts=(PASS,), planned=1).to_json())
    data["verdicts"][0]["outcome"] = "MAYBE"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(data, schema())


def changed(**parts):
    return json.dumps({**json.loads(Report(verdicts=(PASS,), planned=1).to_json()), **parts})


@pytest.mark.parametrize(
    "text",
    [
        "", "[]", "{}", "NaN", "[" * 100_000, changed(schema="other"), changed(version=2), changed(planned="1"),
        changed(planned=True), changed(verdicts=[{}]), changed(verdicts={}), changed(notes=[1]),
        changed(settings={"a": [1]}), changed(settings={"a": {"float": "1"}}), changed().replace("PASS", "MAYBE"),
        changed().replace("{", "", 1),
    ],
    ids=range(16),
)  # fmt: skip
def test_what_is_no_report_is_refused_in_words(text):
    with pytest.raises(gv.UsageError, match="expected a report that this version of genverify wrote"):
        Report.from_json(text)


class _Elements(HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags, self.links = [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.links += [value for name, value in attrs if name in ("src", "href")]


def test_html_escapes_everything_and_needs_nothing_from_elsewhere():
    evil = "<script>alert(1)</script>"
    page = Report(
        verdicts=(verdict(Outcome.FAIL, subject=evil, check=evil, message=evil, witness={evil: evil}, notes=(evil,)),),
        planned=1, settings={evil: evil}, notes=(evil,),
    ).to_html()  # fmt: skip
    read = _Elements()
    read.feed(page)
    assert "script" not in read.tags
    assert not read.links
    assert not re.search(r"url\(|@import|https?://", page)
    assert page.count("&lt;script&gt;") >= 6
    assert page.startswith("<!doctype html>")


def test_a_notebook_gets_a_fragment_and_the_page_says_everything():
    report = Report(verdicts=(FOUND, PASS, XFAIL), planned=3)
    assert "<html" not in report._repr_html_()
    for words in ("summed over the batch", "gv1.token", "FAIL, expected", "3 planned, 3 run", "[[0., 0.]]"):
        assert words in report.to_html()


def test_plain_text_has_no_colours_and_a_terminal_has():
    report = Report(verdicts=(FOUND, PASS), planned=2)
    assert "\x1b" not in str(report)
    out = io.StringIO()
    rich.console.Console(file=out, force_terminal=True, width=200).print(report)
    assert "\x1b[" in out.getvalue()


def test_a_long_token_is_not_broken_into_lines():
    token = "gv1." + "A" * 500
    assert token in str(Report(verdicts=(verdict(Outcome.FAIL, replay=token),), planned=1))


def test_the_worst_measurement_is_named():
    near = verdict(Outcome.PASS, check="bijection.shape", observed=0.9, allowed=1.0, examined=1)
    assert "worst: flow bijection.shape" in str(Report(verdicts=(PASS, near), planned=2))
    assert math.isinf(verdict(Outcome.PASS, observed=math.nan, allowed=1.0).evidence.ratio)


def test_a_report_is_written_whole_or_not_at_all(tmp_path):
    path = tmp_path / "report.json"
    write(path, "old")
    with pytest.raises(UnicodeEncodeError):
        write(path, "\ud800")
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["report.json"]


def test_a_path_that_cannot_be_written_is_known_before_the_run(tmp_path):
    for path in (tmp_path, tmp_path / "missing" / "report.json"):
        with pytest.raises(gv.UsageError, match="report path"):
            require_writable(path)
    require_writable(tmp_path / "report.json")
    assert not list(tmp_path.iterdir())


def test_notes_of_a_pass_are_told_once_for_a_subject():
    note = ("changed and put back: torch's default dtype",)
    twice = (verdict(Outcome.PASS, notes=note, examined=1), verdict(Outcome.PASS, check="b", notes=note, examined=1))
    report = Report(verdicts=twice, planned=2)
    assert str(report).count("torch's default dtype") == 1
    assert "note: flow: changed and put back: torch's default dtype (in 2 checks)" in str(report)
    assert "in 2 checks" in report.to_html()


def test_two_subjects_of_one_name_are_told_apart():
    report = Report(verdicts=(PASS, PASS, verdict(Outcome.PASS, check="bijection.shape", examined=1)), planned=3)
    assert [len(group) for group in by_subject(report)] == [1, 2]
    assert report.to_html().count("<h2>flow") == 2
