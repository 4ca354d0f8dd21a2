"""Simulated error rates and sample numbers of the sequential mean test.

Run it with `python tests/statistics/simulation_error_rates.py`, or as a test with `pytest -m slow tests/statistics`.
Replicates are the coordinates of one mean bound, so that the code that is simulated is the code that is shipped, and
each replicate has its own stopping time. Rates that can be counted come with Clopper-Pearson bounds. A rate of 1e-6
cannot be counted: draws are made under an exponentially tilted law, where the error is common, and each error is
weighted by the likelihood ratio of the whole path, which makes the mean weight an unbiased estimate of the rate.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
import torch
from scipy.stats import beta as beta_law
from scipy.stats import norm
from torch import Tensor

from genverify.statistics import Bounded, KurtosisBound, Normal, SubGaussian
from genverify.statistics.assumptions import Assumption
from genverify.statistics.looks import first_look, look_sizes
from genverify.statistics.mean_test import Settled, mean_bound
from genverify.statistics.normal_mean import NormalMean


@dataclass(kw_only=True)
class Law:
    """A law of draws with mean ``mean``; ``step`` draws [n, r] and returns them and their log-likelihood ratios.

    ``tilted`` says under which mean the draws are made; the log ratios [r] weigh them back to ``mean``.
    """

    mean: float
    tilted: float | None = None
    state: dict = field(default_factory=dict)

    def step(self, rng: np.random.Generator, n: int, r: int) -> tuple[Tensor, Tensor]:
        raise NotImplementedError


class NormalLaw(Law):
    """Normal with variance 1."""

    def step(self, rng, n, r):
        made = self.mean if self.tilted is None else self.tilted
        x = torch.from_numpy(rng.standard_normal((n, r))) + made
        return x, self.weigh(x.sum(0), n)

    def weigh(self, total, n):
        if self.tilted is None:
            return torch.zeros_like(total)
        return (self.mean - self.tilted) * total - 0.5 * n * (self.mean**2 - self.tilted**2)


class TwoPointLaw(Law):
    """Two points, the larger with probability ``share`` at mean 0, shifted in probability to the mean asked for.

    Its points are low = -sqrt(share / (1 - share)), high = sqrt((1 - share) / share): variance 1 at mean 0.
    """

    share = 0.5

    @property
    def points(self):
        return -math.sqrt(self.share / (1 - self.share)), math.sqrt((1 - self.share) / self.share)

    def step(self, rng, n, r):
        low, high = self.points
        p = (self.mean - low) / (high - low)
        q = p if self.tilted is None else (self.tilted - low) / (high - low)
        hit = torch.from_numpy(rng.random((n, r)) < q)
        count = hit.sum(0).double()
        ratio = count * math.log(p / q) + (n - count) * math.log((1 - p) / (1 - q))
        return torch.where(hit, high, low).double(), ratio


class RareHighLaw(TwoPointLaw):
    """One draw in ten is high: skewed, kurtosis 8.1 at mean 0."""

    share = 0.1


class RareLowLaw(TwoPointLaw):
    """One draw in ten is low."""

    share = 0.9


class ExponentialLaw(Law):
    """Exponential with variance 1, shifted: kurtosis 9."""

    def step(self, rng, n, r):
        return torch.from_numpy(rng.standard_exponential((n, r))) - 1.0 + self.mean, torch.zeros(r, dtype=torch.float64)


@dataclass(frozen=True, kw_only=True)
class Paths:
    """Where each replicate stopped: its size, its outcome, and the weight of its path."""

    n: Tensor
    biased: Tensor
    clear: Tensor
    log_weight: Tensor


def simulate(
    assumption: Assumption,
    law: Law,
    *,
    resolution: float,
    alpha: float,
    beta: float,
    replicates: int,
    seed: int,
    last: int,
) -> Paths:
    """Run independent tests of mean 0 in one dimension, as ``MeanTest`` would, until all have stopped."""
    rng = np.random.default_rng(seed)
    d = torch.full((replicates,), resolution, dtype=torch.float64)
    level = min(alpha / 2, beta)
    first = first_look(level)
    bound = mean_bound(assumption, target=torch.zeros_like(d), resolution=d, level=level, first=first, last=last)
    settled = Settled(d, alpha / 2, beta)
    grain = torch.zeros_like(d)
    done, biased, clear = (torch.zeros(replicates, dtype=torch.bool) for _ in range(3))
    size, weight, ratio = torch.full_like(d, last), torch.zeros_like(d), torch.zeros_like(d)
    drawn = 0
    for n in look_sizes(first, last):
        k, drawn = n - drawn, n
        if isinstance(bound, NormalMean) and isinstance(law, NormalLaw):  # only moments matter: draw those
            made = law.mean if law.tilted is None else law.tilted
            mean = torch.from_numpy(rng.standard_normal(replicates)) / math.sqrt(k) + made
            squares = torch.from_numpy(rng.chisquare(k - 1, replicates)) if k > 1 else torch.zeros_like(d)
            ratio = ratio + law.weigh(k * mean, k)
            bound.update_moments(k, mean, squares, grain)
        else:
            x, log_ratio = law.step(rng, k, replicates)
            ratio = ratio + log_ratio
            bound.update(x, grain)
        settled.look(bound)
        new = ~done & (settled.biased | settled.clear)
        biased |= new & settled.biased
        clear |= new & ~settled.biased
        size, weight = torch.where(new, float(n), size), torch.where(new, ratio, weight)
        done |= new
        if bool(done.all()):
            break
    return Paths(n=size, biased=biased, clear=clear, log_weight=torch.where(done, weight, ratio))


def clopper_pearson(count: int, trials: int, level: float) -> tuple[float, float]:
    """Bounds of a probability, each of which is wrong with probability at most ``level``."""
    low = float(beta_law.ppf(level, count, trials - count + 1)) if count else 0.0
    high = float(beta_law.isf(level, count + 1, trials - count)) if count < trials else 1.0
    return low, high


def weighted_rate(errors: Tensor, log_weight: Tensor, level: float) -> tuple[float, float, float]:
    """Estimate and bounds (central limit) of a rate from weighted errors."""
    w = torch.where(errors, log_weight.exp(), 0.0)
    half = norm.isf(level) * (w.std() / math.sqrt(w.numel())).item()
    return w.mean().item(), w.mean().item() - half, w.mean().item() + half


def wald_number(alpha: float, beta: float, resolution: float) -> tuple[float, float]:
    """Wald's expected sample numbers of the test of mean 0 against mean = resolution, variance 1 known, at 0 and there.

    Wald 1945: E n = [p log(beta / (1 - alpha)) + (1 - p) log((1 - beta) / alpha)] / E z, excess neglected.
    """
    a, b, drift = math.log((1 - beta) / alpha), math.log(beta / (1 - alpha)), resolution**2 / 2
    return ((1 - alpha) * b + alpha * a) / -drift, (beta * b + (1 - beta) * a) / drift


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line of the table: an error rate that was promised, and the one that was simulated."""

    assumption: str
    law: str
    error: str
    promised: float
    rate: float
    low: float
    high: float
    replicates: int
    mean_n: float
    undecided: float

    def __str__(self) -> str:
        return (
            f"{self.assumption:14s} {self.law:15s} {self.error:12s} {self.promised:8.0e} {self.rate:10.3e} "
            f"[{self.low:9.2e}, {self.high:9.2e}] {self.replicates:8d} {self.mean_n:9.1f}"
        )


COUNTED = (
    (Normal(), NormalLaw),
    (SubGaussian(1.0), NormalLaw),
    (Bounded(-1.0, 1.0), TwoPointLaw),
    (Bounded(-1 / 3, 3.0), RareHighLaw),
    (Bounded(-3.0, 1 / 3), RareLowLaw),
    (KurtosisBound(3.0), NormalLaw),
    (KurtosisBound(9.0), ExponentialLaw),
)
TILTED = COUNTED[:6]
RESOLUTION = 0.25  # in standard deviations
BOUND_LEVEL = 1e-3  # each Clopper-Pearson bound of the table is wrong with this probability


def error_row(
    assumption: Assumption,
    law: Callable[..., Law],
    at: float,
    rate: float,
    *,
    resolution: float,
    replicates: int,
    seed: int,
    tilt: bool = False,
    last: int = 200_000,
) -> Row:
    """Simulate the error that can be made at mean ``at``: bias when it is 0, no bias when it is the resolution."""
    false_alarm = at == 0.0
    made = None
    if tilt:
        made = resolution if false_alarm else 0.0
    paths = simulate(
        assumption,
        law(mean=at, tilted=made),
        resolution=resolution,
        alpha=rate,
        beta=rate,
        replicates=replicates,
        seed=seed,
        last=last,
    )
    errors = paths.biased if false_alarm else paths.clear
    if tilt:
        estimate, low, high = weighted_rate(errors, paths.log_weight, BOUND_LEVEL)
        # A false alarm can be in two directions and the tilt makes only one of them common. The other is counted by the
        # mirrored law; the promise for one direction is half.
        promised = rate / 2 if false_alarm else rate
    else:
        count = int(errors.sum())
        estimate, promised = count / replicates, rate
        low, high = clopper_pearson(count, replicates, BOUND_LEVEL)
    undecided = 1.0 - (paths.biased | paths.clear).double().mean().item()
    return Row(
        assumption=type(assumption).__name__,
        law=law.__name__,
        promised=promised,
        rate=estimate,
        low=low,
        high=high,
        error=("bias | 0" if false_alarm else "no bias | d") + (" *" if tilt else ""),
        replicates=replicates,
        mean_n=paths.n.mean().item(),
        undecided=undecided,
    )


def sample_number(
    resolution: float, rate: float, at: float, *, replicates: int, seed: int
) -> tuple[float, float, float]:
    """Mean sample number of the test with unknown variance, its standard error, and its ratio to Wald's number."""
    paths = simulate(
        Normal(),
        NormalLaw(mean=at),
        resolution=resolution,
        alpha=rate,
        beta=rate,
        replicates=replicates,
        seed=seed,
        last=math.ceil(400 / resolution**2),
    )
    mean = paths.n.mean().item()
    wald = wald_number(rate, rate, resolution)[0 if at == 0.0 else 1]
    return mean, paths.n.std().item() / math.sqrt(replicates), mean / wald


def rate_rows(scale: float) -> Iterator[Row]:
    """The rows of the table: counted rates, then the tilted ones."""
    for rate, replicates in ((0.05, 20_000), (0.01, 40_000), (1e-3, 40_000)):
        for index, (assumption, law) in enumerate(COUNTED):
            for at in (0.0, RESOLUTION):
                count = math.ceil(replicates * scale * (5 if index == 0 else 1))
                yield error_row(assumption, law, at, rate, resolution=RESOLUTION, replicates=count, seed=index)
    for index, (assumption, law) in enumerate(TILTED):
        for at in (0.0, RESOLUTION):
            count = math.ceil(scale * (200_000 if index == 0 else 10_000))
            yield error_row(assumption, law, at, 1e-6, resolution=RESOLUTION, replicates=count, seed=index, tilt=True)


def main(scale: float = 1.0) -> tuple[list[Row], list[float]]:
    """Print the table, and return its rows and the ratios to Wald's number; ``scale`` multiplies the replicates."""
    start = time.perf_counter()
    rows, ratios = [], []
    print("error rates, resolution = sigma/4; bounds are one-sided 1e-3 each; * tilted, one direction")
    print("assumption     law             error        promised       rate  [bounds]                 runs    mean n")
    for row in rate_rows(scale):
        rows.append(row)
        print(row, flush=True)
    print("\nsample numbers at 1e-6/1e-6, normal, variance unknown, over Wald's test of 0 against d, variance known")
    for inverse in (4, 5, 6, 8, 16, 64):
        for at in (0.0, 1 / inverse):
            n, error, ratio = sample_number(1 / inverse, 1e-6, at, replicates=math.ceil(20_000 * scale), seed=inverse)
            ratios.append(ratio)
            where = "0" if at == 0 else "d"
            print(f"d = sigma/{inverse:<3d} mean = {where}: E n = {n:10.1f} +- {error:6.1f}, ratio {ratio:.3f}")
    print(f"{time.perf_counter() - start:.0f} s")
    return rows, ratios


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 1.0)
