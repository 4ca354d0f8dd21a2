"""Every transform that torch, nflows, normflows and zuko export: what is found is what the table says."""

from __future__ import annotations

import math

import pytest

from genverify.verdict import Outcome
from tests.third_party import flows_table
from tests.third_party.flow_judgement import BRIEF
from tests.third_party.flow_transforms import FLOWS, LIBRARIES

pytestmark = pytest.mark.filterwarnings("ignore")

_STALE = "run python -m tests.third_party.flows_table --write"
# Of rounding errors, what another machine's library of functions or order of summation may change.
_BINADES = 4


@pytest.fixture(scope="module")
def told():
    """(library, transform) to the cells of its row on the page."""
    rows = [one.strip("| ").split(" | ") for one in flows_table.PAGE.read_text(encoding="utf-8").splitlines()]
    return {(cells[0], cells[1]): cells for cells in rows if len(cells) >= 9}


@pytest.mark.parametrize("name", LIBRARIES)
def test_the_table_forgets_nothing_that_is_exported(name):
    """Each export is a subject, or named with a reason why it is none."""
    library = LIBRARIES[name]
    judged = {flow.export for flow in library.FLOWS}
    assert judged | set(library.NO_SUBJECTS) == library.exports()
    assert not judged & set(library.NO_SUBJECTS)
    assert all(library.NO_SUBJECTS.values())


@pytest.mark.parametrize("flow", FLOWS, ids=str)
def test_a_transform_is_what_the_table_says(flow, told):
    """Each failure has a reason, each reason a failure, and the row is that of the page."""
    row = flows_table.measured(flow, BRIEF)
    verdicts = [one for found in row.verdicts for one in found]
    assert not [str(one) for one in verdicts if one.outcome is Outcome.ERROR]
    open_ones = [one for one in verdicts if one.outcome in (Outcome.FAIL, Outcome.INCONCLUSIVE)]
    assert {one.check for one in open_ones} == set(flow.expected), "\n".join(str(one) for one in open_ones)
    at_ends = {end for found in row.ends for end, outcomes in found.items() if Outcome.FAIL in outcomes}
    assert at_ends == set(flow.at_ends)
    assert any(one.outcome is Outcome.PASS for one in verdicts) or flow.checks is not None

    found, was = flows_table.cells(flow, row), told[flow.library, flow.name]
    assert was[2:6] == found[2:6], _STALE
    for before, now in zip(was[6:9], found[6:9], strict=True):
        for one, other in zip(before.split(", "), now.split(", "), strict=True):
            assert one == other or abs(_binades(one) - _binades(other)) <= _BINADES, _STALE


def _binades(text):
    known = {"·": math.nan, "∞": math.inf, "0": 0.0}
    return known[text] if text in known else float(text[2:]) if text.startswith("2^") else math.log2(float(text))


def test_the_page_has_a_row_for_each_transform(told):
    expected = {(flow.library, flow.name) for flow in FLOWS}
    assert len(expected) == len(FLOWS)
    assert expected == set(told) - {("library", "transform")}, _STALE
