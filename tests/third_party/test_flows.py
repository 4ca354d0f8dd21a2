"""Densities of torch, zuko and normflows; their transforms stand in test_flows_table.py."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch.distributions import Normal, VonMises

import genverify as gv
from genverify.subjects.density import Density

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what they warn of when imported is not ours to judge
    normflows = pytest.importorskip("normflows")
    zuko = pytest.importorskip("zuko")

pytestmark = pytest.mark.filterwarnings("ignore")

_ROWS: list[str] = []


def seeded(make: Callable[[], Any]) -> Any:
    """What `make` makes under a fixed seed; the global random state stays."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        return make()


def mlp(*sizes: int) -> torch.nn.Module:
    """A conditioner of normflows."""
    return normflows.nets.MLP(list(sizes), init_zeros=False)


SMALL = {"transforms": 1, "hidden_features": (4,)}
DENSITIES = {
    "torch Normal": (lambda: Normal(0.5, 2.0), {}),
    "torch VonMises": (lambda: VonMises(0.0, 2.0), {"support": (-math.pi, math.pi)}),
    "zuko MAF": (lambda: zuko.flows.MAF(2, 0, **SMALL), {"event_shape": 2}),
    "normflows NormalizingFlow": (
        lambda: normflows.NormalizingFlow(
            normflows.distributions.DiagGaussian(2), [normflows.flows.AffineCouplingBlock(mlp(1, 4, 2))]
        ),
        {"event_shape": 2},
    ),
}


@pytest.mark.parametrize("name", DENSITIES)
def test_a_density_of_a_library_has_mass_one(name: str) -> None:
    """Total mass one, and rows on their own."""
    make, claims = DENSITIES[name]
    report = gv.verify(Density(seeded(make), name=name, **claims), budget="quick")
    _ROWS.append(_row(name, report))
    assert {v.outcome for v in report} == {gv.Outcome.PASS}, str(report)


def test_the_support_that_torch_declares_for_von_mises_is_too_large() -> None:
    """Its support is said to be the real line, over which a periodic density has no finite integral."""
    reason = {"density.integrates_to_one": "torch declares the real line as the support of a density on the circle"}
    report = gv.verify(Density(VonMises(0.0, 2.0)), expected_failures=reason)
    (verdict,) = report.expected_failures
    assert "between -4 and 4 alone the density integrates to 1.02" in verdict.evidence.message
    assert not report.failures


def test_the_table_of_verdicts_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    """What was judged so far in this process."""
    with capsys.disabled():
        print("\n" + "\n".join(_ROWS))


def _row(name: str, report: Any) -> str:
    counts = {str(outcome): report.count(outcome) for outcome in gv.Outcome if report.count(outcome)}
    expected = "; ".join(sorted({v.expected for v in report.expected_failures}))
    words = ", ".join(f"{count} {outcome}" for outcome, count in counts.items())
    return f"{name:56s} {words}" + (f"   expected: {expected}" if expected else "")
