"""How long it takes to refute a mutant by its own check: a sample of each family, or all with --all-mutants.

Each round is another mutant, so quartiles and the 95th percentile are those of mutants and not of repetitions. A
witness is made as small as a user gets it. What survives fails the benchmark, however long it took.
"""

from __future__ import annotations

import importlib
import math
import random

import pytest

import genverify as gv
from tests.mutants.matrix import families

_SAMPLE, _SEED, _LATE = 2, 0, 0.95


def _kinds():
    """Kind of subject → (family, mutants of that kind), in the order of the families."""
    found: dict[str, list[tuple[str, list]]] = {}
    for family in families():
        by_kind: dict[str, list] = {}
        for mutant in importlib.import_module(f"tests.mutants.{family}").MUTANTS:
            by_kind.setdefault(mutant.killed_by.partition(".")[0], []).append(mutant)
        for kind, mutants in by_kind.items():
            found.setdefault(kind, []).append((family, mutants))
    return found


_KINDS = _kinds()


def chosen(kind: str, everything: bool) -> list:
    """All mutants of the kind, or of each family as many as the sample has: the same ones each time."""
    found = []
    for family, mutants in _KINDS[kind]:
        draw = random.Random(f"{_SEED} {family} {kind}")
        found += mutants if everything else draw.sample(mutants, min(_SAMPLE, len(mutants)))
    return found


def late(seconds: list[float]) -> float:
    """The 95th percentile: no more than a twentieth took longer."""
    return sorted(seconds)[math.ceil(_LATE * len(seconds)) - 1]


@pytest.mark.parametrize("kind", sorted(_KINDS))
def test_refuting(benchmark, request, kind):
    mutants = chosen(kind, request.config.getoption("--all-mutants", default=False))
    left, survivors = iter(mutants), []

    def refute(mutant, subject):
        (verdict,) = gv.verify(subject, checks=[mutant.killed_by])
        if verdict.outcome is not gv.Outcome.FAIL:
            survivors.append(f"{mutant.name}: {mutant.killed_by} says {verdict.outcome.value}")

    def setup():
        mutant = next(left)
        return (mutant, mutant.make()), {}

    benchmark.group = "Refuting a mutant by its own check"
    benchmark.pedantic(refute, setup=setup, rounds=len(mutants))
    assert not survivors, "\n".join(survivors)
    assert next(left, None) is None or not benchmark.enabled
    benchmark.extra_info.update(label=kind, families=len(_KINDS[kind]))
    if benchmark.enabled:
        seconds = benchmark.stats.stats.data
        slowest = mutants[seconds.index(max(seconds))]
        benchmark.extra_info.update(p95=late(seconds), slowest=slowest.name)


def test_the_sample_has_mutants_of_every_family_and_is_the_same_each_time():
    names = [one.name for kind in _KINDS for one in chosen(kind, False)]
    assert names == [one.name for kind in _KINDS for one in chosen(kind, False)]
    sampled = {family for kind in _KINDS for family, mutants in _KINDS[kind] if mutants}
    assert sampled == {f for f in families() if importlib.import_module(f"tests.mutants.{f}").MUTANTS}
    assert all({one.name for one in mutants} & set(names) for kind in _KINDS for _, mutants in _KINDS[kind])


def test_no_more_than_a_twentieth_is_later():
    assert late([float(n) for n in range(1, 101)]) == 95.0
    assert late([3.0]) == 3.0
