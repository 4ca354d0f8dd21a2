"""Every mutant is killed by its own check; every twin is spared by all."""

from __future__ import annotations

import importlib
from dataclasses import replace

import pytest

import genverify as gv
from genverify.subjects.budget import BUDGETS
from tests.mutants.matrix import families
from tests.mutants.mutant import Mutant, Twin

# A witness need not be small to kill: the search's own tests, and the matrix, shrink. Most die at the least budget.
SIZES = [replace(BUDGETS[name], shrinks=0) for name in ("quick", "standard")]
_MODULES = [importlib.import_module(f"tests.mutants.{family}") for family in families()]
MUTANTS: list[Mutant] = [mutant for module in _MODULES for mutant in module.MUTANTS]
TWINS: list[Twin] = [twin for module in _MODULES for twin in module.TWINS]


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_the_mutant_is_killed_by_its_check(mutant: Mutant) -> None:
    for size in SIZES:
        (verdict,) = gv.verify(mutant.make(), checks=[mutant.killed_by], budget=size)
        if verdict.outcome is gv.Outcome.FAIL:
            break
    assert verdict.outcome is gv.Outcome.FAIL, str(verdict)
    assert verdict.evidence.message


@pytest.mark.parametrize("twin", TWINS, ids=lambda twin: twin.name)
def test_the_twin_is_spared(twin: Twin) -> None:
    # At standard budget in the matrix: tox -e mutants.
    report = gv.verify(twin.make(), budget="quick")
    bad = [str(v) for v in report if v.outcome not in (gv.Outcome.PASS, gv.Outcome.NOT_APPLICABLE)]
    assert not bad, "\n".join(bad)
    assert report.count(gv.Outcome.PASS)
