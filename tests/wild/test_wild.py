"""Each wild pair, declared as a stranger would: the wrong one FAILs with a witness that explains it, the right one PASSes."""

from __future__ import annotations

import importlib
from dataclasses import replace
from pathlib import Path

import pytest
from tests.wild.pair import Pair

import genverify as gv
from genverify.subjects.budget import BUDGETS

_LARGE = replace(BUDGETS["quick"], shrinks=0)
_FAMILIES = sorted(p.stem for p in Path(__file__).parent.glob("*.py") if p.stem not in ("pair", "test_wild"))
PAIRS: list[Pair] = [p for family in _FAMILIES for p in importlib.import_module(f"tests.wild.{family}").PAIRS]


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair.name)
def test_the_wrong_one_fails_with_a_witness(pair: Pair) -> None:
    report = gv.verify(pair.wrong(), budget=_LARGE)
    failures = report.failures
    assert failures, str(report)
    assert any(verdict.evidence.witness and verdict.evidence.message for verdict in failures)
    assert report.count(gv.Outcome.ERROR) == 0, str(report)


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair.name)
def test_the_right_one_passes(pair: Pair) -> None:
    report = gv.verify(pair.right(), budget="quick")
    bad = [str(verdict) for verdict in report if verdict.outcome not in (gv.Outcome.PASS, gv.Outcome.NOT_APPLICABLE)]
    assert not bad, "\n".join(bad)
    assert report.count(gv.Outcome.PASS)
