"""The budget gives out no more than there is, once to each name, and survives a round trip."""

from __future__ import annotations

from fractions import Fraction

import pytest

from genverify.errors import UsageError
from genverify.statistics import AlphaBudget


@pytest.mark.parametrize(("total", "checks", "cases"), [(1e-6, 3, 7), (0.1, 1, 10), (0.3, 11, 13), (1e-6, 1, 1)])
def test_all_shares_of_a_split_can_be_spent_and_no_more(total, checks, cases):
    budget = AlphaBudget(total)
    share = budget.split(checks, cases)
    for i in range(checks * cases):
        budget.spend(share, f"case {i}")
    assert sum(map(Fraction, budget.ledger.values())) <= Fraction(total)
    with pytest.raises(UsageError, match="left of"):
        budget.spend(share, "one more")


def test_a_test_is_not_rerun_until_it_passes():
    budget = AlphaBudget(1e-6)
    budget.spend(1e-9, "bias")
    with pytest.raises(UsageError, match="a second time"):
        budget.spend(1e-9, "bias")
    assert budget.ledger == {"bias": 1e-9}


def test_the_ledger_round_trips_exactly():
    budget = AlphaBudget(0.1)
    budget.spend(budget.split(3), "a")
    again = AlphaBudget.from_json(budget.to_json())
    assert again == budget
    assert again.left == budget.left


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"total": 2, "ledger": {}}', '{"total": 0.1, "ledger": {"a": 0.2}}'])
def test_foreign_text_is_refused(text):
    with pytest.raises(UsageError):
        AlphaBudget.from_json(text)


@pytest.mark.parametrize("total", [0.0, 1.0, -1.0, float("nan")])
def test_a_total_is_a_probability(total):
    with pytest.raises(UsageError, match=r"\(0, 1\)"):
        AlphaBudget(total)
