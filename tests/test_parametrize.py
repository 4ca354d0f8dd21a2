"""`parametrize_with_checks` by itself: ids, outcomes as pytest knows them, bad requests."""

from __future__ import annotations

import pytest

import genverify as gv
from genverify.parametrize import CheckOfSubject, parametrize_with_checks
from tests.toy_kind import Toy, raises_from_seven, registered, square, wrong_from_seven


@pytest.fixture(autouse=True)
def _toys():
    with registered():
        yield


def test_ids_name_the_subject_and_the_check():
    mark = parametrize_with_checks([Toy(square), Toy(square, name="twice")], checks=["toy.square", "toy.slope"])
    names, params = mark.mark.args
    assert names == ("subject", "check")
    assert [one.id for one in params] == [
        "square-toy.slope", "square-toy.square", "twice-toy.slope", "twice-toy.square"
    ]  # fmt: skip


def test_every_check_of_the_kind_is_taken_by_default_and_one_subject_needs_no_list():
    params = parametrize_with_checks(Toy(square)).mark.args[1]
    assert len(params) == 9
    assert {one.values[1].siblings for one in params} == {2}


def test_a_check_is_silent_raises_or_skips():
    CheckOfSubject(name="toy.square")(Toy(square))
    with pytest.raises(AssertionError, match=r"FAIL toy\.square"):
        CheckOfSubject(name="toy.square")(Toy(wrong_from_seven))
    with pytest.raises(AssertionError, match="OverflowError: too large"):
        CheckOfSubject(name="toy.square")(Toy(raises_from_seven))
    with pytest.raises(AssertionError, match=r"INCONCLUSIVE toy\.saturated"):
        CheckOfSubject(name="toy.saturated")(Toy(square, settings={"saturated": "1"}))
    with pytest.raises(AssertionError, match=r"ERROR toy\.fault"):
        CheckOfSubject(name="toy.fault")(Toy(square, settings={"fault": "1"}))
    with pytest.raises(pytest.skip.Exception, match="declare slope="):
        CheckOfSubject(name="toy.slope")(Toy(square))
    with pytest.raises(pytest.xfail.Exception, match="issue 7"):
        CheckOfSubject(name="toy.square", expected={"toy.square": "issue 7"})(Toy(wrong_from_seven))


def test_bad_requests_are_refused_when_the_test_is_written():
    with pytest.raises(gv.UsageError, match=r"did you mean 'toy.square'\?"):
        parametrize_with_checks([Toy(square)], checks=["toy.squaer"])
    with pytest.raises(gv.UsageError, match=r"did you mean 'toy.square'\?"):
        parametrize_with_checks([Toy(square)], expected_failures={"toy.squaer": "-"})
    with pytest.raises(gv.UsageError, match="at least one check"):
        parametrize_with_checks([])
