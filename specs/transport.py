"""Wasserstein distances that are known: samples on the line, and normal laws.

A critic estimates a Wasserstein distance from below. Where the distance is known its estimate can be judged: on the
line sorting finds the best coupling, and for normal laws the coupling of equal quantiles is linear.

Sources: Villani 2003, "Topics in optimal transportation"; Dowson & Landau 1982, "The Fréchet distance between
multivariate normal distributions"; Givens & Shortt 1984, "A class of Wasserstein metrics for probability
distributions".
"""

from __future__ import annotations

import itertools

import pytest
import sympy
import torch
from scipy.optimize import linprog
from scipy.stats import wasserstein_distance

import genverify as gv
from genverify.claims import proves
from genverify.oracles import transport as oracle
from genverify.reference.adversarial import transport as reference


def passes(f, like: str, **how) -> bool:
    """Whether its values are those of the formula."""
    report = gv.verify(gv.Formula(f, like=like, **how), budget="quick", checks=["formula.dialect", "formula.value"])
    outcomes = {v.outcome for v in report}
    return gv.Outcome.PASS in outcomes <= {gv.Outcome.PASS, gv.Outcome.NOT_APPLICABLE}


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# On the line no pairing is cheaper than that of equal ranks; for p = 1 its cost is ∫ |F − G|.
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# Two pairs that cross, x₁ ≤ x₂ with y₁ ≤ y₂, cost at least as much as the two that do not:
#   (x₁ − y₂)² + (x₂ − y₁)² − (x₁ − y₁)² − (x₂ − y₂)² = 2 (x₂ − x₁)(y₂ − y₁) ≥ 0,
# and |·| likewise in each of the six orders of the four points. So every pairing can be sorted at no cost.


def _in_order() -> list[tuple[sympy.Expr, ...]]:
    """x₁ ≤ x₂ and y₁ ≤ y₂ in each of their six orders, by gaps that are not negative."""
    gaps = sympy.symbols("a b c", nonnegative=True)
    places = [sympy.Integer(0), gaps[0], gaps[0] + gaps[1], gaps[0] + gaps[1] + gaps[2]]
    return [
        (*(places[i] for i in chosen), *(places[i] for i in range(4) if i not in chosen))
        for chosen in itertools.combinations(range(4), 2)
    ]


@proves("transport.wasserstein_1d.sorted")
def test_sorting_is_the_best_coupling():
    """The exchange for both costs; ∫ |F − G| is the same; the reference agrees, and with a linear programme."""
    x, z, y, w = sympy.symbols("x1 x2 y1 y2", real=True)
    gain = (x - w) ** 2 + (z - y) ** 2 - (x - y) ** 2 - (z - w) ** 2
    assert sympy.expand(gain - 2 * (z - x) * (w - y)) == 0
    for one, two, three, four in _in_order():
        straight = abs(one - three) + abs(two - four)
        assert (abs(one - four) + abs(two - three) - straight).simplify().is_nonnegative
        ends = sorted({one, two, three, four}, key=lambda place: len(place.free_symbols))
        area = sympy.Integer(0)
        for i, (low, high) in enumerate(itertools.pairwise(ends), start=1):
            below = [sum(place in ends[:i] for place in pair) for pair in ((one, two), (three, four))]
            area += (high - low) * abs(below[0] - below[1])
        assert sympy.expand(area - straight) == 0
    assert passes(
        reference.wasserstein_1d, "transport.wasserstein_1d", layout="samples of any sizes", options={"p": (1.0,)}
    )
    a = torch.tensor([0.3, -1.0, 2.0, 0.7], dtype=torch.float64)
    b = torch.tensor([1.5, -0.2, 0.1], dtype=torch.float64)
    found = float(reference.wasserstein_1d(a, b))
    assert found == pytest.approx(wasserstein_distance(a.numpy(), b.numpy()), rel=1e-12)
    assert found == pytest.approx(_by_programme(a, b), rel=1e-9)


def _by_programme(a: torch.Tensor, b: torch.Tensor) -> float:
    """The least cost of a coupling, by its definition."""
    n, m = len(a), len(b)
    rows = torch.eye(n).repeat_interleave(m, 1)
    columns = torch.eye(m).repeat(1, n)
    right = [1 / n] * n + [1 / m] * m
    cost = (a[:, None] - b[None]).abs().reshape(-1)
    return float(linprog(cost.numpy(), A_eq=torch.cat([rows, columns]).numpy(), b_eq=right).fun)


# ── Claim, as it is coded ────────────────────────────────────────────────────────────────────────────────────────────
# The mean of |x_i − y_i| is the Wasserstein distance of two samples.
#
# ── Counterexample, and what holds ───────────────────────────────────────────────────────────────────────────────────


@proves("transport.wasserstein_1d.unsorted")
def test_without_a_sort_it_is_the_cost_of_one_coupling():
    """Equal samples at the distance 1; never less than the distance, since it is the cost of a coupling; FAIL."""
    x, y = torch.tensor([0.0, 1.0]), torch.tensor([1.0, 0.0])

    def as_they_come(x, y):
        return (x - y).abs().mean()

    assert float(as_they_come(x, y)) == 1.0
    assert float(reference.wasserstein_1d(x, y)) == 0.0
    for one, two, three, four in _in_order():
        crossed = abs(one - four) + abs(two - three)
        assert (crossed - abs(one - three) - abs(two - four)).simplify().is_nonnegative
    report = gv.verify(
        gv.Formula(as_they_come, like="transport.wasserstein_1d"), budget="quick", checks=["formula.dialect"]
    )
    assert report.count(gv.Outcome.FAIL) == 1


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# Equal quantiles of two normal laws are μ + σz and ν + τz: W₂² = (μ − ν)² + (σ − τ)².


@proves("transport.wasserstein_normals.quantiles")
def test_normal_laws_by_their_quantiles():
    """Both integrals over z, run by SymPy; the reference; Fréchet's formula for diagonal matrices is the same."""
    assert [one.title for one in oracle.normals_squared.derivation.steps] == ["equal quantiles"]
    assert [one.title for one in oracle.normals_first.derivation.steps] == ["the two signs"]
    assert passes(reference.wasserstein_normals, "transport.wasserstein_normals")
    s, t = sympy.symbols("s t", positive=True)
    assert sympy.simplify(s**2 + t**2 - 2 * sympy.sqrt(s**2 * t**2) - (s - t) ** 2) == 0
    z = (torch.arange(20000, dtype=torch.float64) + 0.5) / 20000
    z = torch.special.ndtri(z)
    shifted = (1.0 - 0.25 + (2.0 - 0.5) * z).abs().mean()
    exact = oracle.normals_first(torch.tensor(0.75, dtype=torch.float64), torch.tensor(1.5, dtype=torch.float64))
    assert float(shifted) == pytest.approx(float(exact), rel=1e-3)
