"""What one run of each check costs, on one case, against the size of an event, the rows of a batch, and the layers."""

from __future__ import annotations

from dataclasses import replace

import pytest

from genverify.checks.check import checks_for, find_check
from genverify.verdict import Outcome
from tests.benchmarks.check_costs import LEFT_OUT, MAKERS, Size, introduced, measured, ready

_ROUNDS = 3
# Rows from two: what can go wrong between rows needs two of them.
_SIZES = {"d": (4, 16, 64, 256), "batch": (2, 8, 32, 128), "depth": (1, 4, 16, 64)}
# A formula's cases are small in a verification, too: the whole Jacobian of the formula is formed.
_FORMULA_SIZES = {"d": (1, 2, 4, 8), "batch": (1, 2, 4, 8)}
_MEASURED = {kind: measured(kind) for kind in MAKERS}


def _every():
    for kind, checks in _MEASURED.items():
        for axis, sizes in (_FORMULA_SIZES if kind == "formula" else _SIZES).items():
            yield from ((name, axis, size) for name in checks for size in sizes)


@pytest.mark.parametrize(("name", "axis", "size"), list(_every()))
def test_cost(benchmark, name, axis, size):
    one = find_check(name)
    at = replace(Size(), **{axis: size})
    benchmark.group = f"Checks of a {one.kind} against {axis}"
    sizes = {"d": at.d, "batch": at.batch} | ({} if one.kind == "formula" else {"depth": at.depth})
    benchmark.extra_info.update(label=name.partition(".")[2], **sizes)
    with ready(one, _MEASURED[one.kind][name], at) as judge:
        judgement = judge()
        assert judgement.outcome is Outcome.PASS, judgement.evidence.message
        assert judgement.evidence.examined
        benchmark.pedantic(judge, rounds=_ROUNDS)


@pytest.mark.parametrize("kind", MAKERS)
def test_cost_once(benchmark, kind):
    """Before any check: the adapter, and what a formula's checks learn of it, its dialect first of all."""
    make = MAKERS[kind][0]
    benchmark.group = "Once for each subject, before its first check"
    benchmark.extra_info["label"] = kind
    benchmark.pedantic(introduced, setup=lambda: ((make(Size()), kind), {}), rounds=_ROUNDS, warmup_rounds=1)


def test_every_check_of_these_kinds_is_measured():
    named = {one.name for kind in MAKERS for one in checks_for(kind)}
    assert {name for checks in _MEASURED.values() for name in checks} | set(LEFT_OUT) == named
