"""Evaluations that refute a bias of a thousandth; ``python -m tests.benchmarks.evaluations_table`` measures anew.

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

import math
import platform
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import NormalDist

import torch
from torch import Tensor

import genverify as gv
from genverify.noise import expectation
from genverify.statistics import Normal, planned_samples
from genverify.subjects.budget import Budget
from genverify.subjects.estimator import GradientEstimator

PAGE = Path(__file__).resolve().parents[2] / "specs" / "evaluations.md"
RATE, BIAS = 1e-6, 1e-3
DOUBLE = torch.float64
_DEAREST = 4_096
_WEIGHTS = torch.tensor([0.3, -0.2, 0.25, 0.15, -0.1, 0.2], dtype=DOUBLE)
_PROBS = torch.linspace(0.2, 0.7, 20, dtype=DOUBLE)


@dataclass(frozen=True, kw_only=True)
class Problem:
    """An estimator of one number, the number, the range of the estimates where there is one, the budget begun with."""

    name: str
    one: Callable[[], Tensor]
    exact: float
    span: float = math.inf
    least: int = 64


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line of the table."""

    problem: str
    evaluations: int
    method: str
    distribution_free: float
    fixed: float
    sequential: float


def _normal_cdf(x: float) -> float:
    return NormalDist().cdf(x)


def _relu_mean(mean: float, std: float) -> float:
    """E max(0, μ + σ ε) = μ Φ(μ/σ) + σ φ(μ/σ)."""
    return mean * _normal_cdf(mean / std) + std * NormalDist().pdf(mean / std)


def _tanh_mean(mean: float, std: float) -> float:
    """By a trapezoid rule, which converges geometrically on the whole line."""
    z = torch.linspace(-12, 12, 4_001, dtype=DOUBLE)
    density = torch.exp(-z.square() / 2) / math.sqrt(2 * math.pi)
    return float(torch.trapezoid(torch.tanh(mean + std * z) * density, z))


def _bits_mean() -> float:
    """E (Σ w_j b_j)² from means and variances."""
    w = torch.arange(1.0, 21.0, dtype=DOUBLE) / 20
    return float((w @ _PROBS) ** 2 + (w.square() * _PROBS * (1 - _PROBS)).sum())


def _bits() -> Tensor:
    return (torch.bernoulli(_PROBS) @ (torch.arange(1.0, 21.0, dtype=DOUBLE) / 20)).square()


def problems() -> Iterator[Problem]:
    """What the table holds."""
    yield Problem(
        name="1 normal, a polynomial",
        exact=2.0,
        one=lambda: (z := torch.randn((), dtype=DOUBLE)) ** 2 + z + 1,
    )
    yield Problem(
        name="2 normals through tanh",
        exact=_tanh_mean(0.4, 0.5 * math.sqrt(2)),
        span=2.0,
        one=lambda: torch.tanh(0.4 + 0.5 * torch.randn(2, dtype=DOUBLE).sum()),
    )
    yield Problem(
        name="6 normals, smooth",
        exact=math.exp(float(_WEIGHTS.square().sum()) / 2),
        one=lambda: (_WEIGHTS @ torch.randn(6, dtype=DOUBLE)).exp(),
    )
    yield Problem(
        name="1 normal, ReLU",
        exact=_relu_mean(0.3, 1.0),
        one=lambda: torch.relu(0.3 + torch.randn((), dtype=DOUBLE)),
    )
    yield Problem(
        name="2 normals, ReLU",
        exact=_relu_mean(0.3, math.sqrt(1.25)),
        one=lambda: torch.relu(0.3 + (torch.randn(2, dtype=DOUBLE) * torch.tensor([1.0, 0.5], dtype=DOUBLE)).sum()),
    )
    yield Problem(
        name="1 normal, a step (the slope of ReLU)",
        exact=_normal_cdf(0.3),
        span=1.0,
        one=lambda: (0.3 + torch.randn((), dtype=DOUBLE) > 0).to(DOUBLE),
    )
    yield Problem(name="20 Bernoulli draws", exact=_bits_mean(), span=10.5**2, one=_bits, least=1_024)
    yield Problem(name="20 Bernoulli draws, every outcome", exact=_bits_mean(), span=10.5**2, one=_bits, least=4_096)
    yield Problem(
        name="300 normals", least=2_048, exact=_tanh_mean(0.5, 1.0), span=2.0,
        one=lambda: torch.tanh(0.5 + torch.randn(300, dtype=DOUBLE).sum() / math.sqrt(300)),
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


def _seen(found: gv.Verdict) -> float:
    """The bias that would have been refuted."""
    return float(found.evidence.allowed or math.inf)


def measure(problem: Problem) -> Row:
    """One line: the budget is doubled until the wrong one is refuted, and the right one must never be."""
    bias = BIAS * abs(problem.exact)
    deviation = math.sqrt(float(expectation(problem.one, max_evaluations=1_024).variance))
    budget = problem.least
    while budget <= _DEAREST:
        wrong, right = (refuted(problem, factor, budget) for factor in (1 + BIAS, 1.0))
        assert right.outcome is not gv.Outcome.FAIL, str(right)
        if wrong.outcome is gv.Outcome.FAIL:
            break
        budget *= 2
    figures = wrong.evidence.figures
    seen = "" if wrong.outcome is gv.Outcome.FAIL else f"; not refuted, sees {_seen(wrong) / problem.exact:.1g}"
    return Row(
        problem=problem.name,
        evaluations=int(figures["evaluations"]),
        method=str(figures["method"]) + seen,
        distribution_free=distribution_free(problem.span, bias),
        fixed=fixed_size(deviation, bias),
        sequential=planned_samples(bias, RATE, RATE, Normal(), deviation=deviation),
    )


_HEAD = """\
# Evaluations that refute a bias of a thousandth

<!-- Written by `python -m tests.benchmarks.evaluations_table`; a test fails when a problem is missing or dearer. -->

How often an estimator is evaluated until one that is a thousandth too large is refuted, beside what tests by sampling
need, at error rates of one in a million either way. Exact methods have no error rate: what is left is the error of
integration, which is measured. Quasi-Monte Carlo has one, and its interval rests on sixteen means being about normal.
A distribution-free test needs a range (– where there is none), the others a normal mean. Evaluations in rows (many
draws in one call) are counted one by one: a million take about a second.

| problem | genverify | by | distribution-free | t-test of fixed size | sequential test |
| --- | --- | --- | --- | --- | --- |
"""


def write(rows: list[Row]) -> str:
    """The page."""

    def shown(number: float) -> str:
        return "–" if math.isinf(number) else f"{number:.2g}"

    lines = [
        f"| {r.problem} | {r.evaluations:,} | {r.method} | {shown(r.distribution_free)} | {shown(r.fixed)} | "
        f"{shown(r.sequential)} |"
        for r in rows
    ]
    where = f"Measured with torch {torch.__version__} on {platform.machine()}, Python {platform.python_version()}."
    return _HEAD + "\n".join(lines) + f"\n\n{where}\n"


def read(text: str) -> dict[str, int]:
    """Problem → evaluations, from the page."""
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if line.startswith("| ")]
    return {row[0]: int(row[1].replace(",", "")) for row in cells[2:]}


def main() -> None:
    """Measures, and writes the page."""
    PAGE.write_text(write([measure(problem) for problem in problems()]), encoding="utf-8")


if __name__ == "__main__":
    main()
