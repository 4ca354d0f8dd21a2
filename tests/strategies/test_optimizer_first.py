"""What is examined of an optimizer before anything is drawn, and how a failing case of it is made smaller."""

from __future__ import annotations

from itertools import combinations

import torch
from hypothesis import strategies as st

import genverify as gv
from genverify.preparation import prepare
from genverify.strategies.pairwise import every_pair, every_value
from genverify.strategies.registry import Fixed, fixed_for
from genverify.strategies.search import search
from genverify.subjects.budget import Run
from genverify.subjects.case import Case
from genverify.subjects.optimizer_stream import revealing, revealing_rows
from genverify.verdict import failed, passed
from tests.mutants.optimizer import AmsgradNotStored, _Adam

TRIALS = {"a": [0, 1], "b": [0, 1, 2], "c": [False, True], "d": [0, 1]}


def test_every_two_values_meet_unless_the_rule_forbids_them():
    legal = lambda options: not (options.get("a") and options.get("c"))  # noqa: E731
    rows = every_pair(TRIALS, legal)
    items = [(name, value) for name, values in TRIALS.items() for value in values[1:]]
    for one, other in combinations(items, 2):
        if one[0] != other[0] and {one[0], other[0]} != {"a", "c"}:
            assert any(row.get(one[0]) == one[1] and row.get(other[0]) == other[1] for row in rows), (one, other)
    assert all(legal(row) for row in rows)
    assert len(rows) < 5


def test_an_option_that_needs_another_gets_it():
    assert every_value({"m": [0, 0.9], "n": [False, True]}, lambda o: bool(o.get("m")) or not o.get("n")) == [
        {"m": 0.9},
        {"n": True, "m": 0.9},
    ]


def test_the_stream_differs_from_step_to_step():
    stream = revealing()
    flat = stream.flat_gradients()
    assert stream.steps > 20
    assert not bool((flat[1:] == flat[:-1]).all(dim=0).any())
    assert float(flat.abs().max()) > 500
    assert 0 < float(flat[:, 2].abs().max()) < 1e-7
    assert bool((flat[1:, 0].abs() <= flat[:-1, 0].abs()).all())
    assert not bool(revealing_rows().flat_present().all())


def test_a_fault_of_one_option_is_found_at_quick_and_made_small():
    subject = gv.Optimizer(AmsgradNotStored, rule="adam", lr=1e-3)
    failure = gv.verify(subject, budget="quick", checks=["optimizer.trajectory"]).failures[0]
    assert "the maximum of v is not kept" in failure.evidence.message
    assert failure.evidence.witness["options"] == '{"amsgrad": true}'
    assert "nan" not in failure.evidence.witness["parameters"]
    assert gv.replay(failure.replay, subject).outcome is gv.Outcome.FAIL


def test_all_options_of_a_class_are_examined():
    subject = prepare(gv.Optimizer(torch.optim.Adam, rule="adam"))
    seen = [case["options"] for case in fixed_for(subject, Run()).cases]
    assert {} in seen
    assert {name for options in seen for name in options} == set(subject.law.trials)
    assert all(subject.law.legal(options) for options in seen)
    assert len(seen) < 30


def test_what_is_fixed_counts_and_one_that_fails_is_made_smaller():
    first = Fixed(
        cases=[Case(values={"x": 5}), Case(values={"x": 64})],
        smaller=lambda case: (Case(values={"x": x}) for x in (case["x"] // 2, case["x"] - 1)),
    )
    strategy = st.builds(lambda n: Case(values={"x": n}), st.integers(0, 4))
    found = search(
        strategy, lambda c: failed(examined=1) if c["x"] > 9 else passed(examined=1), cases=9, seed=0, fixed=first
    )
    assert found.failing is not None
    assert found.failing[0]["x"] == 10
    assert [case["x"] for case, _ in found.judgements] == [5]
    calm = search(strategy, lambda c: passed(examined=1), cases=9, seed=0, fixed=first)
    assert [case["x"] for case, _ in calm.judgements][:2] == [5, 64]
    assert len(calm.judgements) <= 9


class AdamWrongAfterTen(_Adam):
    def corrections(self, t, b1, b2):
        return 1 - b1 ** min(t, 10), 1 - b2 ** min(t, 10)


def test_a_witness_says_the_same_after_it_is_made_smaller():
    failure = gv.verify(gv.Optimizer(AdamWrongAfterTen, rule="adam"), budget="quick", checks=["optimizer.trajectory"])
    assert "at step 11" in failure.failures[0].evidence.message


class AdamDriftsInFloat32(_Adam):
    def held(self, p, v, state, group):
        return super().held(p, v, state, group) * (1 + 1e-4 * (p.dtype is torch.float32))


def test_a_fault_of_float32_alone_is_not_lost_in_the_parameters_digits():
    wrong = gv.Optimizer(AdamDriftsInFloat32, rule="adam")
    failures = gv.verify(wrong, budget="quick", checks=["optimizer.trajectory"]).failures
    assert failures
    assert failures[0].evidence.unit == "float32"
