"""Evaluations that refute a bias of a thousandth.

``python -m tests.benchmarks.evaluations_table`` measures anew, and writes the page with ``--write``.

For each problem: how often genverify evaluates the estimator until it says FAIL of one that is a thousandth too large
(and PASS of the right one, or nothing against it), and what three tests by sampling need for the same, at error rates
of one in a million either way:

- a distribution-free test by the inequality of Dvoretzky, Kiefer, Wolfowitz and Massart, which rests on a range r:
  n = (√(ln(2/α)/2) + √(ln(2/β)/2))² (r/δ)² (the sample size that TensorFlow Probability's `statistical_testing` asks
  for); none where there is no range;
- a t-test of fixed size, which rests on means being normal: n = (z_{α/2} + z_β)² (σ/δ)²;
- our sequential test of a mean (`statistics.MeanTest`), as forecast by `planned_samples`: it settles within so many
  draws in nine of ten runs.
"""

from __future__ import annotations

import argparse
import math
import platform
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import NormalDist
from typing import Any

import torch
from torch import Tensor

import genverify as gv
from genverify.statistics import Normal, planned_samples
from genverify.subjects.budget import BUDGETS, Budget
from genverify.subjects.estimator import GradientEstimator

PAGE = Path(__file__).resolve().parents[2] / "specs" / "evaluations.md"
RATE, BIAS = 1e-6, 1e-3
DOUBLE = torch.float64
KINKS = ("1 normal, ReLU", "2 normals, ReLU", "2 normals, a layer of 8 ReLU", "6 normals, ReLU")
_DEAREST = BUDGETS["thorough"].evaluations
_WEIGHTS = torch.tensor([0.3, -0.2, 0.25, 0.15, -0.1, 0.2], dtype=DOUBLE)
_PROBS = torch.linspace(0.2, 0.7, 20, dtype=DOUBLE)
_BIT_WEIGHTS = torch.arange(1.0, 21.0, dtype=DOUBLE) / 20
_SHIFTS = torch.tensor([0.3, -0.2, 0.5, 0.1, -0.4, 0.2, 0.0, 0.6], dtype=DOUBLE)
_LAYER = torch.tensor(
    [[-0.2, 0.1], [0.7, -0.5], [-1.6, -0.7], [0.7, 0.9], [0.1, -0.8], [1.6, -0.3], [0.5, 1.1], [-0.1, 0.6]],
    dtype=DOUBLE,
)


@dataclass(frozen=True, kw_only=True)
class Problem:
    """An estimator of one number; its mean and deviation, the range of the estimates where there is one."""

    name: str
    one: Callable[[], Tensor]
    exact: float
    deviation: float
    span: float = math.inf
    least: int = 64


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line of the table; `seen` is the relative bias that would have been refuted, where this one was not."""

    problem: str
    evaluations: int
    budget: str
    method: str
    seen: float | None
    distribution_free: float
    fixed: float
    sequential: float


def _along_a_line(f: Callable[[Tensor], Tensor], mean: float, std: float) -> tuple[float, float]:
    """Mean and deviation of f(μ + σε) by the trapezoid rule, which converges geometrically on the whole line."""
    e = torch.linspace(-12, 12, 4_001, dtype=DOUBLE)
    density = torch.exp(-e.square() / 2) / math.sqrt(2 * math.pi)
    values = f(mean + std * e)
    first, second = (float(torch.trapezoid(values**k * density, e)) for k in (1, 2))
    return first, math.sqrt(second - first**2)


def _rectified(mean: float, std: float) -> tuple[float, float]:
    """Of max(0, μ + σε): E = μ Φ(μ/σ) + σ φ(μ/σ), and E of its square = (μ² + σ²) Φ(μ/σ) + μσ φ(μ/σ)."""
    law = NormalDist()
    mass, density = law.cdf(mean / std), law.pdf(mean / std)
    first = mean * mass + std * density
    return first, math.sqrt((mean**2 + std**2) * mass + mean * std * density - first**2)


def _network(z: Tensor) -> Tensor:
    """A layer of eight ReLU, summed: [..., 2] → [...]."""
    return torch.relu(z @ _LAYER.mT + _SHIFTS).sum(-1)


def _network_moments() -> tuple[float, float]:
    """The mean by the formula of one unit; the deviation by the trapezoid rule in the plane, to three digits."""
    mean = sum(_rectified(float(b), float(w.norm()))[0] for b, w in zip(_SHIFTS, _LAYER, strict=True))
    e = torch.linspace(-8, 8, 1_001, dtype=DOUBLE)
    density = torch.exp(-e.square() / 2) / math.sqrt(2 * math.pi)
    values = _network(torch.stack(torch.meshgrid(e, e, indexing="ij"), -1)).square()
    second = torch.trapezoid(torch.trapezoid(values * density, e) * density, e)
    return mean, math.sqrt(float(second) - mean**2)


def _bits_moments() -> tuple[float, float]:
    """Of (Σ w_j b_j)², every outcome counted; the mean from means and variances."""
    total, mass = torch.zeros(1, dtype=DOUBLE), torch.ones(1, dtype=DOUBLE)
    for w, p in zip(_BIT_WEIGHTS, _PROBS, strict=True):
        total, mass = torch.cat([total, total + w]), torch.cat([mass * (1 - p), mass * p])
    mean = float((_BIT_WEIGHTS @ _PROBS) ** 2 + (_BIT_WEIGHTS.square() * _PROBS * (1 - _PROBS)).sum())
    return mean, math.sqrt(float(mass @ total**4) - mean**2)


def _named(name: str, moments: tuple[float, float], one: Callable[[], Tensor], **rest: Any) -> Problem:
    return Problem(name=name, exact=moments[0], deviation=moments[1], one=one, **rest)


def _normal(n: int) -> Tensor:
    return torch.randn(n, dtype=DOUBLE)


def _smooth_problems() -> Iterator[Problem]:
    yield _named("1 normal, a polynomial", (2.0, math.sqrt(3.0)), lambda: (z := _normal(1)[0]) ** 2 + z + 1)
    yield _named(
        "2 normals through tanh", _along_a_line(torch.tanh, 0.4, 0.5 * math.sqrt(2)),
        lambda: torch.tanh(0.4 + 0.5 * _normal(2).sum()), span=2.0,
    )  # fmt: skip
    square = float(_WEIGHTS.square().sum())
    yield _named(
        "6 normals, smooth", (math.exp(square / 2), math.exp(square / 2) * math.sqrt(math.expm1(square))),
        lambda: (_WEIGHTS @ _normal(6)).exp(),
    )  # fmt: skip


def _kinked_problems() -> Iterator[Problem]:
    yield _named(KINKS[0], _rectified(0.3, 1.0), lambda: torch.relu(0.3 + _normal(1)[0]))
    yield _named(
        KINKS[1], _rectified(0.3, math.sqrt(1.25)),
        lambda: torch.relu(0.3 + (_normal(2) * torch.tensor([1.0, 0.5], dtype=DOUBLE)).sum()),
    )  # fmt: skip
    yield _named(KINKS[2], _network_moments(), lambda: _network(_normal(2)))
    yield _named(
        KINKS[3], _rectified(0.3, float(_WEIGHTS.norm())), lambda: torch.relu(0.3 + _WEIGHTS @ _normal(6)), least=1_024
    )
    mass = NormalDist().cdf(0.3)
    yield _named(
        "1 normal, a step (the slope of ReLU)", (mass, math.sqrt(mass * (1 - mass))),
        lambda: (0.3 + _normal(1)[0] > 0).to(DOUBLE), span=1.0,
    )  # fmt: skip


def problems() -> Iterator[Problem]:
    """What the table holds."""

    def bits() -> Tensor:
        return (torch.bernoulli(_PROBS) @ _BIT_WEIGHTS).square()

    yield from _smooth_problems()
    yield from _kinked_problems()
    yield _named("20 Bernoulli draws", _bits_moments(), bits, span=10.5**2, least=1_024)
    yield _named("20 Bernoulli draws, every outcome", _bits_moments(), bits, span=10.5**2, least=4_096)
    yield _named(
        "300 normals", _along_a_line(torch.tanh, 0.5, 1.0),
        lambda: torch.tanh(0.5 + _normal(300).sum() / math.sqrt(300)), span=2.0, least=65_536,
    )  # fmt: skip


def refuted(problem: Problem, factor: float, evaluations: int) -> gv.Verdict:
    """The verdict on the estimator times a factor, within so many evaluations (of one at a time)."""
    limit = Budget(name="table", cases=1, fixed_cases=1, evaluations=evaluations, samples=2, steps=1, shrinks=0)
    subject = GradientEstimator(
        lambda: (factor * problem.one()).reshape(1), target=torch.tensor([problem.exact], dtype=DOUBLE)
    )
    (found,) = gv.verify(subject, checks=["gradient_estimator.bias"], budget=limit, alpha=RATE)
    return found


def distribution_free(span: float, bias: float, alpha: float = RATE, beta: float = RATE) -> float:
    """Samples of the test by the inequality of Dvoretzky, Kiefer, Wolfowitz and Massart; infinite without a range."""
    reach = math.sqrt(math.log(2 / alpha) / 2) + math.sqrt(math.log(2 / beta) / 2)
    return (reach * span / bias) ** 2


def fixed_size(deviation: float, bias: float, alpha: float = RATE, beta: float = RATE) -> float:
    """Samples of a two-sided test of a mean of known deviation."""
    law = NormalDist()
    return ((law.inv_cdf(1 - alpha / 2) + law.inv_cdf(1 - beta)) * deviation / bias) ** 2


def first_refuted(problem: Problem) -> tuple[gv.Verdict, int]:
    """The verdict on an estimator that is a thousandth too large, and the least budget that refutes it.

    Budgets are doubled each time; where none does, it is the verdict at the dearest.
    """
    budget = problem.least
    while (found := refuted(problem, 1 + BIAS, budget)).outcome is not gv.Outcome.FAIL and budget < _DEAREST:
        budget *= 2
    return found, budget


def measure(problem: Problem) -> Row:
    """One line; the right one must not be refuted at the same budget."""
    bias = BIAS * abs(problem.exact)
    wrong, budget = first_refuted(problem)
    right = refuted(problem, 1.0, budget)
    assert right.outcome is not gv.Outcome.FAIL, str(right)
    figures = wrong.evidence.figures
    return Row(
        problem=problem.name,
        evaluations=int(figures["evaluations"]),
        budget=next(name for name, one in BUDGETS.items() if one.evaluations >= budget),
        method=str(figures["method"]),
        seen=None if wrong.outcome is gv.Outcome.FAIL else float(wrong.evidence.allowed or math.inf) / problem.exact,
        distribution_free=distribution_free(problem.span, bias),
        fixed=fixed_size(problem.deviation, bias),
        sequential=planned_samples(bias, RATE, RATE, Normal(), deviation=problem.deviation),
    )


_HEAD = """\
# Evaluations that refute a bias of a thousandth

<!-- Written by `python -m tests.benchmarks.evaluations_table --write`; tests hold every column against it. -->

How often an estimator is evaluated until one that is a thousandth too large is refuted, and the least budget at which
it is; beside it what tests by sampling need, at error rates of one in a million either way. Exact methods (quadrature,
sparse grid, enumeration) have no error rate: what is left is the error of integration, which is measured. Quasi-Monte
Carlo (qmc) has one, and its interval rests on sixteen means being about normal. A distribution-free test needs a range
(– where there is none), the others a normal mean; the sequential test settles within so many draws in nine of ten runs.
Evaluations in rows (many draws in one call) are counted one by one: a million take about a second.

| problem | genverify | budget | by | distribution-free | t-test of fixed size | sequential test |
| --- | --- | --- | --- | --- | --- | --- |
"""

_KINKED = """\
Kinked integrands take more. Gauss rules converge slowly across a kink, so up to two draws are split into panels at
the kinks that are found: {0:,} evaluations for one draw, {1:,} for two, {2:,} for a layer of eight units. Beyond
that it is quasi-Monte Carlo: {3:,} for six draws, at `budget="{4}"`. Fewer leave the verdict
INCONCLUSIVE, or PASS at the resolution that it states (`resolution=`, one hundredth of the estimate's size by default).
"""


def write(rows: list[Row]) -> str:
    """The page."""

    def shown(number: float) -> str:
        return "–" if math.isinf(number) else f"{number:.2g}"

    lines = [
        f"| {r.problem} | {r.evaluations:,} | {r.budget if r.seen is None else '–'} | "
        f"{r.method}{'' if r.seen is None else f'; not refuted, sees {r.seen:.1g}'} | "
        f"{shown(r.distribution_free)} | {shown(r.fixed)} | {shown(r.sequential)} |"
        for r in rows
    ]
    known = {r.problem: r for r in rows}
    kinked = _KINKED.format(*(known[name].evaluations for name in KINKS), known[KINKS[3]].budget)
    where = f"Measured with torch {torch.__version__} on {platform.machine()}, Python {platform.python_version()}."
    return _HEAD + "\n".join([*lines, "", kinked, where, ""])


def read(text: str) -> dict[str, list[str]]:
    """Problem → its other cells, from the page."""
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if line.startswith("| ")]
    return {row[0]: row[1:] for row in cells[2:]}


def main() -> int:
    """Prints the page, or writes it with --write."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--write", action="store_true", help="write specs/evaluations.md")
    page = write([measure(problem) for problem in problems()])
    if parser.parse_args().write:
        PAGE.write_text(page, encoding="utf-8")
    else:
        print(page)
    return 0


if __name__ == "__main__":
    sys.exit(main())
