r"""A three-valued sequential test of a vector mean.

**Promise.** With d coordinates, target t, resolutions :math:`\delta_j`, and an assumption that holds,

- P("bias" | mean = t) ≤ alpha,
- P("no bias" | some :math:`|\mathrm{mean}_j - t_j| \ge \delta_j`) ≤ beta,

whatever the sample size turns out to be. Between the two hypotheses either may come out; when the draws end first the
outcome is "undecided".

**Proof.** The test looks at one-sided confidence sequences (``looks.MeanBound``) of each coordinate. It says "bias"
at the first look where some bound of level alpha/(2d) excludes t; if the mean is t, one of 2d bounds has failed,
probability at most alpha. It says "no bias" only when every coordinate has, at some looks, had an upper bound of
level beta at or below :math:`t_j + \delta_j` and a lower one at or above :math:`t_j - \delta_j`; if
:math:`|\mathrm{mean}_j - t_j| \ge \delta_j` for one j, one known bound of that j has failed, probability at most beta
(no union: all coordinates must agree). ∎

The interval that a result reports holds at every look, so at the last one, for all coordinates together with
probability at least 1 - alpha.

Source: Wald 1945 and Sobel & Wald 1949 (three decisions); Darling & Robbins 1967 (confidence sequences); the bounds
name theirs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from genverify.errors import UsageError
from genverify.statistics.assumptions import Assumption, Bounded, KurtosisBound, Normal, SubGaussian, describe
from genverify.statistics.bounded_mean import BoundedMean
from genverify.statistics.kurtosis_mean import KurtosisMean
from genverify.statistics.looks import MeanBound, first_look, look_sizes
from genverify.statistics.mean_test_result import MeanTestResult
from genverify.statistics.normal_mean import NormalMean
from genverify.statistics.subgaussian_mean import SubGaussianMean

__all__ = ["MeanTest", "Settled", "mean_bound"]

_ROOM = 2**22  # draws x coordinates asked for at once: 32 MB in float64


@dataclass(frozen=True, kw_only=True)
class MeanTest:
    """Does a sampler have the mean ``target``, at a resolution, with stated error rates?

    Args:
        target: the claimed mean, a number or a tensor of any shape.
        resolution: the smallest bias that must be seen, in the units of the draws; a number, or one for each
        coordinate. alpha: probability of "bias" when the mean is the target; take it from an ``AlphaBudget``. beta:
        probability of "no bias" when some coordinate is off by its resolution or more. assumption: what the draws are
        trusted to obey; ``None`` is undecided by rule. max_samples: where the test gives up.

    Raises:
        UsageError: rates outside (0, 1), a resolution that is not positive, fewer than two samples allowed.

    Example:
        >>> generator = torch.Generator().manual_seed(0)
        >>> test = MeanTest(target=0.0, resolution=0.25, alpha=1e-6, beta=1e-6, assumption=Normal(), max_samples=10_000)
        >>> test.run(lambda n: torch.randn(n, generator=generator)).outcome
        'no bias'
        >>> test.run(lambda n: 0.5 + torch.randn(n, generator=generator)).outcome
        'bias'
    """

    target: Tensor | float | int
    resolution: Tensor | float | int
    alpha: float
    beta: float
    assumption: Assumption | None
    max_samples: int

    def __post_init__(self) -> None:
        for name, rate in (("alpha", self.alpha), ("beta", self.beta)):
            if not 0.0 < rate < 1.0:
                raise UsageError(given=f"{name}={rate}", expected="a rate in (0, 1)", do="take it from an AlphaBudget")
        if self.max_samples < 2:
            raise UsageError(given=f"max_samples={self.max_samples}", expected="at least 2", do="see planned_samples")
        target, resolution = _double(self.target), _double(self.resolution)
        if target.numel() == 0 or not bool(target.isfinite().all()):
            raise UsageError(given="an empty or non-finite target", expected="finite numbers", do="check the claim")
        if resolution.numel() not in (1, target.numel()):
            raise UsageError(
                given=f"{resolution.numel()} resolutions for {target.numel()} coordinates",
                expected="one, or one for each coordinate",
                do="pass a number or a tensor shaped like the target",
            )
        if not bool(((resolution > 0) & resolution.isfinite()).all()):
            raise UsageError(
                given="a resolution that is not positive and finite",
                expected="the smallest bias that must be seen",
                do="an infinitely sharp test needs infinitely many draws; choose a positive bias",
            )

    def run(self, sample: Callable[[int], Tensor]) -> MeanTestResult:
        """Draw until settled: ``sample(n)`` returns n new independent draws [n, *target.shape] ([n] for a number).

        Raises:
            UsageError: draws of another shape, or complex ones.
        """
        run = _Run(self)
        if self.assumption is None:
            return run.result("undecided", "no assumption: " + describe(None))
        drawn = 0
        for n in look_sizes(first_look(run.smallest), self.max_samples):
            while drawn < n:
                size = min(n - drawn, max(2, _ROOM // run.target.numel()))
                drawn += size
                contradiction = run.take(sample(size), size)
                if contradiction:
                    return run.result("undecided", contradiction)
                outcome = run.settled.look(run.bound)
                if outcome:
                    return run.result(outcome, "")
        return run.result("undecided", run.why_undecided())


class Settled:
    """What has been shown of each coordinate so far, at side levels ``alpha`` and ``beta``."""

    def __init__(self, resolution: Tensor, alpha: float, beta: float) -> None:
        self.resolution, self.alpha, self.beta = resolution, alpha, beta
        self.biased, self.not_above, self.not_below = (torch.zeros_like(resolution, dtype=torch.bool) for _ in range(3))

    def look(self, bound: MeanBound) -> str:
        """Note what the bounds of this look show: "bias", "no bias", or "" for not yet."""
        lower, upper = bound.bounds(self.alpha)
        self.biased |= (lower >= 0) | (upper <= 0)
        lower, upper = bound.bounds(self.beta)
        self.not_above |= upper <= self.resolution
        self.not_below |= lower >= -self.resolution
        if bool(self.biased.any()):
            return "bias"
        return "no bias" if bool(self.clear.all()) else ""

    @property
    def clear(self) -> Tensor:
        """Coordinates [d] whose bias was shown to be smaller than the resolution."""
        return self.not_above & self.not_below


def mean_bound(
    assumption: Assumption, *, target: Tensor, resolution: Tensor, level: float, first: int, last: int
) -> MeanBound:
    """The confidence sequence that an assumption allows; ``level`` is the smallest that it will be asked for."""
    match assumption:
        case Normal():
            return NormalMean(resolution, level)
        case SubGaussian(scale=scale):
            return SubGaussianMean(resolution, scale)
        case Bounded(low=low, high=high):
            return BoundedMean(resolution, low - target, high - target)
        case KurtosisBound(kappa=kappa):
            return KurtosisMean(resolution, kappa, level, first, last)
    raise UsageError(
        given=f"assumption {assumption!r}",
        expected="Normal, Bounded, KurtosisBound, SubGaussian or None",
        do="import one of them from genverify.statistics",
    )


class _Run:
    """One run in progress: flattened draws, their bounds, and what they have shown."""

    def __init__(self, test: MeanTest) -> None:
        self.test = test
        self.shape = _double(test.target).shape
        self.target = _double(test.target).flatten()
        self.resolution = _double(test.resolution).flatten().expand_as(self.target).clone()
        self.side = test.alpha / (2 * self.target.numel())
        self.smallest = min(self.side, test.beta)
        self.settled = Settled(self.resolution, self.side, test.beta)
        self.grain = torch.zeros_like(self.target)
        self.n, self.sum = 0, torch.zeros_like(self.target)
        if test.assumption is not None:
            first = min(first_look(self.smallest), test.max_samples)
            self.bound = mean_bound(
                test.assumption,
                target=self.target,
                resolution=self.resolution,
                level=self.smallest,
                first=first,
                last=test.max_samples,
            )

    def take(self, draws: Tensor, n: int) -> str:
        """Take n draws; the reason why they contradict the assumption, or nothing."""
        x = self._flat(draws, n)
        self.n += n
        deviations = x - self.target
        self.sum += deviations.sum(0)
        if not bool(x.isfinite().all()):
            return "assumption contradicted: a draw is not finite"
        assumption = self.test.assumption
        if isinstance(assumption, Bounded):
            low, high = x.min().item(), x.max().item()
            if low < assumption.low or high > assumption.high:
                worst = low if low < assumption.low else high
                return f"assumption contradicted: drew {worst!r}, outside [{assumption.low:g}, {assumption.high:g}]"
        kind = draws.dtype if draws.is_floating_point() else torch.float64
        self.grain = torch.maximum(self.grain, torch.finfo(kind).eps * x.abs().amax(0))
        self.bound.update(deviations, self.grain)
        if bool((self.bound.degenerate & ~self.settled.clear).all()):
            return self.why_undecided()
        return ""

    def why_undecided(self) -> str:
        """Why the test could not settle."""
        stuck = (self.bound.degenerate & ~self.settled.clear).nonzero().flatten().tolist()
        if stuck:
            return f"zero sample variance in {_coordinates(stuck, self.target.numel())}: it proves nothing"
        left = (~self.settled.clear).nonzero().flatten().tolist()
        where = _coordinates(left, self.target.numel())
        return f"{self.n} draws did not settle {where}; allow more, or a larger resolution"

    def result(self, outcome: str, reason: str) -> MeanTestResult:
        """The result at this point."""
        inf = torch.full_like(self.target, torch.inf)
        lower, upper = self.bound.bounds(self.side) if self.n else (-inf, inf)
        return MeanTestResult(
            outcome=outcome,
            reason=reason,
            n=self.n,
            alpha=self.test.alpha,
            beta=self.test.beta,
            target=self.target.reshape(self.shape),
            estimate=(self.target + self.sum / self.n if self.n else torch.nan * inf).reshape(self.shape),
            lower=(self.target + lower.nan_to_num(nan=-torch.inf, neginf=-torch.inf)).reshape(self.shape),
            upper=(self.target + upper.nan_to_num(nan=torch.inf, posinf=torch.inf)).reshape(self.shape),
            resolution=self.resolution.reshape(self.shape),
            biased=self.settled.biased.reshape(self.shape),
            assumption=describe(self.test.assumption),
        )

    def _flat(self, draws: Tensor, n: int) -> Tensor:
        expected = (n, *self.shape)
        if not isinstance(draws, Tensor) or draws.is_complex():
            raise UsageError(
                given=f"draws of type {draws.dtype if isinstance(draws, Tensor) else type(draws).__name__}",
                expected="a real tensor",
                do="return torch.view_as_real(...) or a tensor",
            )
        if tuple(draws.shape) != expected and not (self.target.numel() == 1 and tuple(draws.shape) in ((n,), (n, 1))):
            raise UsageError(
                given=f"draws of shape {tuple(draws.shape)}",
                expected=f"{expected}: n = {n} draws of the target's shape",
                do="return n independent draws along the first axis",
            )
        return draws.detach().to(device="cpu", dtype=torch.float64).reshape(n, -1)


def _coordinates(indices: list[int], d: int) -> str:
    if d == 1:
        return "the mean"
    shown = ", ".join(map(str, indices[:4])) + (", ..." if len(indices) > 4 else "")
    return f"{len(indices)} of {d} coordinates ({shown})"


def _double(value: Tensor | float | int) -> Tensor:
    return torch.as_tensor(value).detach().to(device="cpu", dtype=torch.float64)
