"""The search: finds, shrinks, repeats under its seed, and stops."""

from __future__ import annotations

import importlib

import pytest
import torch
from hypothesis import strategies as st
from hypothesis.internal.conjecture.providers import HypothesisProvider

from genverify.strategies.registry import Fixed
from genverify.strategies.search import fixed_cases, search
from genverify.strategies.steady_draws import steady_draws
from genverify.subjects.case import Case
from genverify.verdict import Outcome, failed, inconclusive, passed

INTEGERS = st.builds(lambda n: Case(values={"x": n}), st.integers(-1000, 1000))


def judged_by(rule):
    return lambda case: failed(examined=1) if rule(case["x"]) else passed(examined=1)


def test_the_smallest_failing_case_is_found():
    found = search(INTEGERS, judged_by(lambda x: x > 41), cases=60, seed=0)
    assert found.failing is not None
    case, judgement = found.failing
    assert case["x"] == 42
    assert judgement.outcome is Outcome.FAIL


def test_tensors_shrink_in_size_and_value():
    numbers = st.lists(st.floats(-10, 10), min_size=1, max_size=6)
    strategy = st.builds(lambda xs: Case(values={"x": torch.tensor(xs, dtype=torch.float64)}), numbers)
    found = search(strategy, judged_by(lambda x: bool((x > 2).any())), cases=60, seed=0)
    assert found.failing is not None
    assert found.failing[0]["x"].tolist() == [3.0]


def test_without_shrinking_the_first_failure_stands():
    small = search(INTEGERS, judged_by(lambda x: x > 41), cases=60, seed=0)
    first = search(INTEGERS, judged_by(lambda x: x > 41), cases=60, seed=0, shrinks=0)
    assert small.failing is not None
    assert first.failing is not None
    assert first.failing[0]["x"] >= small.failing[0]["x"]
    assert first.evaluations < small.evaluations


def test_every_judgement_that_did_not_fail_is_kept():
    found = search(INTEGERS, lambda case: inconclusive("saturated"), cases=25, seed=0)
    assert found.failing is None
    assert len(found.judgements) == found.evaluations == 25


def test_the_same_seed_gives_the_same_cases_and_another_seed_others():
    def drawn(seed):
        return [case["x"] for case, _ in search(INTEGERS, judged_by(lambda x: False), cases=30, seed=seed).judgements]

    assert drawn(1) == drawn(1)
    assert drawn(1) != drawn(2)


def test_what_one_search_drew_is_judged_again_by_the_next_and_found_as_if_drawn_anew():
    drawn = []
    strategy = st.builds(lambda n: Case(values={"x": torch.tensor([n])}), st.integers(-1000, 1000))

    def spoils(case):
        case["x"].zero_()
        return passed(examined=1)

    search(strategy, spoils, cases=30, seed=1, drawn=drawn)
    assert len(drawn) == 30
    calm = judged_by(lambda x: False)
    again, anew = (search(strategy, calm, cases=30, seed=1, drawn=known) for known in (drawn, None))
    assert [case["x"] for case, _ in again.judgements] == [case["x"] for case, _ in anew.judgements]
    strict = judged_by(lambda x: int(x) > 41)
    again, anew = (search(strategy, strict, cases=30, seed=1, drawn=known) for known in (drawn, None))
    assert again.failing is not None
    assert anew.failing is not None
    assert again.failing[0]["x"] == anew.failing[0]["x"] == 42


def test_a_failure_among_what_was_drawn_stands_though_it_is_not_met_again():
    drawn = [Case(values={"x": 7})]
    found = search(INTEGERS, judged_by(lambda x: x == 7), cases=3, seed=0, shrinks=0, drawn=drawn)
    assert found.failing is not None
    assert found.failing[0]["x"] == 7


def test_a_subject_that_answers_differently_each_time_keeps_its_witness():
    calls = []

    def fickle(case):
        calls.append(case)
        return failed(examined=1) if len(calls) == 5 else passed(examined=1)

    found = search(INTEGERS, fickle, cases=30, seed=0)
    assert found.failing is not None


def test_our_own_exception_is_not_swallowed():
    def broken(case):
        raise KeyError("ours")

    with pytest.raises(KeyError, match="ours"):
        search(INTEGERS, broken, cases=10, seed=0)


def test_shrinking_stops_when_its_patience_ends():
    calls = []
    big = st.builds(lambda xs: Case(values={"x": xs}), st.lists(st.integers(0, 10**9), min_size=40, max_size=60))

    def slow_to_shrink(case):
        calls.append(1)
        return failed(examined=1) if sum(case["x"]) > 10**9 else passed(examined=1)

    found = search(big, slow_to_shrink, cases=20, seed=0)
    assert found.failing is not None
    assert sum(found.failing[0]["x"]) > 10**9
    assert len(calls) <= 20 + 400


def test_fixed_cases_are_drawn_before_anything_is_judged_and_repeat():
    first = [case["x"] for case in fixed_cases(INTEGERS, cases=6, seed=3)]
    assert len(first) == 6
    assert first == [case["x"] for case in fixed_cases(INTEGERS, cases=6, seed=3)]
    assert len(fixed_cases(st.just(Case()), cases=6, seed=3)) == 1  # there is only one


def test_the_same_seed_draws_the_same_whatever_is_loaded(tmp_path, monkeypatch):
    strange = "\n".join(f"x{k} = {k}.{k}{k}e{k % 9}" for k in range(1, 200))
    (tmp_path / "a_strange_module.py").write_text(strange)
    monkeypatch.syspath_prepend(tmp_path)

    def drawn():
        strategy = st.lists(st.floats(-1e9, 1e9), min_size=20, max_size=20)
        found = search(strategy.map(lambda x: Case(values={"x": x})), lambda case: passed(examined=1), cases=40, seed=3)
        return [case["x"] for case, _ in found.judgements]

    before = drawn()
    importlib.import_module("a_strange_module")
    assert drawn() == before


def test_a_users_own_tests_draw_as_before():
    own = HypothesisProvider._maybe_draw_constant
    with steady_draws():
        assert HypothesisProvider._maybe_draw_constant is not own
    assert HypothesisProvider._maybe_draw_constant is own


def test_what_is_examined_last_leaves_the_smallest_case_to_what_is_drawn():
    fixed = Fixed(cases=[Case(values={"x": 5000})], last=True)
    found = search(INTEGERS, judged_by(lambda x: x > 41), cases=60, seed=0, fixed=fixed)
    assert found.failing is not None
    assert found.failing[0]["x"] == 42
    found = search(INTEGERS, judged_by(lambda x: x > 1000), cases=60, seed=0, fixed=fixed)
    assert found.failing is not None
    assert found.failing[0]["x"] == 5000
    assert len(found.judgements) == 59
