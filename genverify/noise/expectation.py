"""The expectation and the variance of a program over its own random draws."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from genverify.errors import UsageError
from genverify.noise.enumeration import Branch, BudgetSpent, NotReproducible, Rule, Tree
from genverify.noise.foreign import ForeignRandomness
from genverify.noise.generators import preserved_generators
from genverify.noise.integrand import Integrand
from genverify.noise.laws import Base
from genverify.noise.moments import Moments
from genverify.noise.quadrature import LADDER, double_exponential, gauss
from genverify.noise.quasi_monte_carlo import Estimate, quasi_monte_carlo
from genverify.noise.sparse_grid import SparseGrid

__all__ = ["Expectation", "expectation"]

_RESERVE = 4  # a quarter of the evaluations is kept for quasi-Monte Carlo
_SPARSE = range(3, 17)  # dimensions for which a sparse grid is worth trying
_HOPELESS = 4.0  # a level that does not cut the error at least so many times is not converging geometrically


@dataclass(frozen=True, kw_only=True, eq=False)
class Expectation:
    """Moments of a program over its draws, with how well they are known.

    `mean`, `variance`, `error` and `variance_error` have the structure of the program's output, in float64. What
    `error` means depends on the method: rounding alone for "deterministic" and "enumeration"; for quadrature and sparse
    grids, the change when nodes were added, which estimates the error and does not bound it; for "qmc", the half
    width of an interval of level `confidence` for each element separately. `converged` says that the error is within
    the resolution asked for (rtol times the root mean square of the element). Where it is not, `reason` says why.
    """

    mean: Any
    variance: Any
    error: Any
    variance_error: Any
    method: str
    converged: bool
    evaluations: int
    draws: tuple[str, ...]
    reason: str
    uncontrolled: tuple[str, ...]
    confidence: float | None
    _covariance: Tensor | None

    def covariance(self) -> Tensor:
        """The covariance matrix of the flattened output.

        Raises:
            UsageError: the output is too long for its covariance to have been kept.
        """
        if self._covariance is None:
            raise UsageError(
                given="an output of more than 512 numbers",
                expected="at most 512 for a covariance matrix",
                do="use .variance, or return fewer numbers",
            )
        return self._covariance


@dataclass(frozen=True, kw_only=True)
class _Result:
    moments: Moments
    error: Tensor
    variance_error: Tensor
    method: str
    converged: bool
    reason: str = ""


class _Search:
    """Tries the exact methods in order of strength, then quasi-Monte Carlo."""

    def __init__(
        self, integrand: Integrand, *, budget: int, rtol: float, ladder: Sequence[int], confidence: float, seed: int
    ) -> None:
        self.integrand, self.budget, self.rtol = integrand, budget, rtol
        self.ladder, self.confidence, self.seed = ladder, confidence, seed
        self.notes: list[str] = []
        self.shift: Tensor | None = None

    def left(self) -> int:
        return self.budget - self.integrand.evaluations

    def run(self) -> _Result:
        probe = self._probe()
        if probe.position == 0 and not self.integrand.blind:
            moments = Moments(self.shift)
            assert probe.output is not None
            moments.add(1.0, probe.output)
            return self._exact(moments, "deterministic")
        if self.integrand.blind:
            self.notes += [f"cannot integrate {what}" for what in self.integrand.blind]
        else:
            exact = self._quadrature(probe, len(probe.bases)) if probe.bases else self._enumerate(probe)
            if exact is not None:
                return exact
        return self._quasi_monte_carlo(probe)

    def _probe(self) -> Branch:
        """One path, twice: what is drawn, and whether the draws decide the result."""
        branches = []
        for _ in range(2):
            branches.append(Tree(self.integrand, _same_rule(gauss, self.ladder[0]), 1).first())
        first, second = branches
        assert first.output is not None
        assert second.output is not None
        self.shift = first.output
        same = torch.equal(first.output.nan_to_num(), second.output.nan_to_num()) and first.values == second.values
        self.reproducible = same or bool(self.integrand.blind)
        if not self.reproducible:
            self.notes.append("two evaluations on the same draws gave different results")
        return first

    def _rounding(self, moments: Moments) -> Tensor:
        """What the last operation of an evaluation and the summation lose, on the scale of each element."""
        double = torch.finfo(torch.float64).eps
        return (self.integrand.eps + double * math.log2(moments.count + 1)) * moments.size()

    def _exact(self, moments: Moments, method: str) -> _Result:
        rounding = self._rounding(moments)
        spread = rounding * moments.size()
        converged = self.reproducible and bool(torch.isfinite(moments.mean()).all())
        return _Result(
            moments=moments, error=rounding, variance_error=spread, method=method, converged=converged, reason=""
        )

    def settled(self, moments: Moments, error: Tensor) -> tuple[bool, float]:
        """Whether every element is known to the resolution asked for, and the worst error in those units."""
        size = moments.size()
        if not bool(torch.isfinite(size).all()) or not bool(torch.isfinite(error).all()):
            return False, math.inf
        # Rounding inside the program is on the scale of its largest output, and of more than one operation.
        floor = self.integrand.eps.clamp_min(torch.finfo(torch.float64).eps) ** 0.75
        allowed = torch.maximum(self.rtol * size, floor * size.max())
        ratio = torch.where(error > 0, error / allowed, torch.zeros_like(error))
        worst = float(ratio.max()) if ratio.numel() else 0.0
        return self.reproducible and worst <= 1.0, worst

    def _walk(self, tree: Tree) -> Moments:
        moments = Moments(self.shift)
        for weight, output, _ in tree.walk():
            moments.add(weight, output)
        return moments

    def _enumerate(self, probe: Branch) -> _Result | None:
        if probe.discrete_paths > self.left():
            self.notes.append(f"enumeration needs {probe.discrete_paths:.3g} evaluations")
            return None
        tree = Tree(self.integrand, _same_rule(gauss, self.ladder[0]), self.left())
        try:
            moments = self._walk(tree)
        except BudgetSpent:
            self.notes.append(f"enumeration is not complete after {tree.budget} evaluations")
            return None
        if max(tree.continuous_counts) > 0:
            return self._quadrature(probe, max(tree.continuous_counts))
        return self._exact(moments, "enumeration")

    def _quadrature(self, probe: Branch, dimensions: int) -> _Result | None:
        rules: list[Callable[[Base, int], tuple[Sequence[float], Sequence[float]]]] = [gauss]
        if any(base != "normal" for base in probe.bases) or not probe.bases:
            rules.append(double_exponential)
        mixed = "enumeration and " if probe.discrete_paths > 1 else ""
        for rule in rules:
            result = self._climb(self._tensor_levels(rule, probe, dimensions), f"{mixed}quadrature", fewest=3)
            if result is not None:
                return result
        if dimensions in _SPARSE:
            return self._climb(self._sparse_levels(probe, dimensions), f"{mixed}sparse grid", fewest=3)
        return None

    def _tensor_levels(
        self,
        rule: Callable[[Base, int], tuple[Sequence[float], Sequence[float]]],
        probe: Branch,
        dimensions: int,
    ) -> Iterator[tuple[Moments, dict[str, str], str]]:
        for nodes in self.ladder:
            cost = probe.discrete_paths * nodes**dimensions
            available = self.left() - self.budget // _RESERVE
            # With three dimensions or more a sparse grid does better than the last level of a product.
            if cost > (available if dimensions < _SPARSE.start else available // 2):
                return
            tree = Tree(self.integrand, _same_rule(rule, nodes), available)
            yield self._walk(tree), tree.decided_by_nodes, f"{nodes} nodes a coordinate"

    def _sparse_levels(self, probe: Branch, dimensions: int) -> Iterator[tuple[Moments, dict[str, str], str]]:
        assert self.shift is not None
        grid = SparseGrid(self.integrand, dimensions, probe.discrete_paths, self.shift)
        for level in range(1, 64):
            available = self.left() - self.budget // _RESERVE
            if grid.cost(level) > available:
                return
            yield grid.run(level, available), grid.decided_by_nodes, f"a sparse grid of level {level}"

    def _climb(
        self, levels: Iterator[tuple[Moments, dict[str, str], str]], method: str, *, fewest: int
    ) -> _Result | None:
        """Add nodes until two changes in a row are within the resolution; None when they do not get there."""
        before: Moments | None = None
        worst: list[float] = []
        try:
            for number, (moments, decided, what) in enumerate(levels, start=1):
                if decided:
                    self.notes.append("continuous draws decide what is drawn next: " + "; ".join(decided))
                    return None
                if before is not None:
                    change = (moments.mean() - before.mean()).abs()
                    error = change + self._rounding(moments)
                    done, units = self.settled(moments, error)
                    worst.append(units)
                    if done and number >= fewest and worst[-2] <= max(1 / self.rtol, 1.0):
                        spread = (moments.variance() - before.variance()).abs()
                        spread = spread + self._rounding(moments) * moments.size()
                        return _Result(
                            moments=moments, error=error, variance_error=spread, method=method, converged=True
                        )
                    if len(worst) >= 3 and worst[-1] > 1 and worst[-1] * _HOPELESS > worst[-2] > worst[-3] / _HOPELESS:
                        break
                before = moments
        except BudgetSpent:
            self.notes.append(f"{method} did not finish within its evaluations")
            return None
        if worst:
            self.notes.append(f"{method} has not converged: the last added nodes changed the mean by {worst[-1]:.2g} "
                              f"times the resolution asked for")
        return None

    def _quasi_monte_carlo(self, probe: Branch) -> _Result:
        assert self.shift is not None
        estimate = quasi_monte_carlo(
            self.integrand,
            probe.position,
            budget=max(self.left(), 0),
            confidence=self.confidence,
            seed=self.seed,
            shift=self.shift,
            settled=lambda e: self.settled(e.moments, e.error)[0],
        )
        if estimate is None:
            return self._nothing(probe)
        return self._interval(estimate)

    def _interval(self, estimate: Estimate) -> _Result:
        done, worst = self.settled(estimate.moments, estimate.error)
        clean = not any("decide" in note or "cannot integrate" in note for note in self.notes)
        if not done:
            self.notes.append(f"the interval is {worst:.2g} times the resolution asked for")
        return _Result(
            moments=estimate.moments,
            error=estimate.error,
            variance_error=estimate.variance_error,
            method="qmc",
            converged=done and clean,
        )

    def _nothing(self, probe: Branch) -> _Result:
        """Too few evaluations even for one interval: one path is no estimate, and says so."""
        moments = Moments(self.shift)
        assert probe.output is not None
        moments.add(1.0, probe.output)
        unknown = torch.full_like(probe.output, math.inf)
        self.notes.append(f"{self.budget} evaluations are too few")
        return _Result(moments=moments, error=unknown, variance_error=unknown, method="qmc", converged=False)


def _same_rule(rule: Callable[[Base, int], tuple[Sequence[float], Sequence[float]]], nodes: int) -> Rule:
    return lambda position, base: rule(base, nodes)


def expectation(
    f: Callable[[], Any],
    *,
    max_evaluations: int = 10_000,
    rtol: float = 1e-6,
    nodes: Sequence[int] = LADDER,
    confidence: float = 0.999,
    seed: int = 0,
) -> Expectation:
    r"""Integrate a program over every random draw that it makes.

        $$ E[f] = \int f(\omega)\, dP(\omega), \qquad \operatorname{Var}[f] = E[(f - E f)^2] . $$

    Discrete draws are enumerated with the weights of their own parameters, path by path; continuous draws are fed Gauss
    nodes as `mean + std * node`, so pathwise derivatives are what they would be on a real draw. Convergence is
    measured by adding nodes (the levels of `nodes`). Where that fails, scrambled Sobol points give an interval of level
    `confidence` for each element; it rests on the means of 16 replicates being about normal.

    `f` takes nothing, and returns a real tensor or a tuple, list or dict of them; it is called up to `max_evaluations`
    times, and may call `backward`. Torch's generators stay where they were, also when `f` raises.

    Raises:
        UsageError: `f` returns something else than tensors, or outputs whose shape depends on the draws.

    >>> square = expectation(lambda: torch.randn(1, dtype=torch.float64) ** 2)
    >>> square.method, round(square.mean.item(), 9), round(square.variance.item(), 9)
    ('quadrature', 1.0, 2.0)
    """
    foreign = ForeignRandomness()
    integrand = Integrand(f)
    search = _Search(
        integrand, budget=max_evaluations, rtol=rtol, ladder=nodes, confidence=confidence, seed=seed
    )
    with preserved_generators(seed):
        try:
            result = search.run()
        except NotReproducible:
            search.reproducible = False
            search.notes.append("the same draws led to different draws")
            result = search._nothing(Tree(integrand, _same_rule(gauss, nodes[0]), 1).first())
    uncontrolled = [*foreign.moved(), *([integrand.unseen] if integrand.unseen else [])]
    if not search.reproducible and not uncontrolled:
        uncontrolled.append("something that neither torch nor a global generator drew (the results differ on equal draws)")
    uncontrolled += [f"{what}" for what in integrand.blind if "unknown" in what]
    return Expectation(
        mean=integrand.unflatten(result.moments.mean()),
        variance=integrand.unflatten(result.moments.variance()),
        error=integrand.unflatten(result.error),
        variance_error=integrand.unflatten(result.variance_error),
        method=result.method,
        converged=result.converged and not uncontrolled,
        evaluations=integrand.evaluations,
        draws=tuple(str(request) for request in integrand.requests),
        reason="; ".join(search.notes) if not (result.converged and not uncontrolled) else "",
        uncontrolled=tuple(uncontrolled),
        confidence=confidence if result.method == "qmc" else None,
        _covariance=result.moments.covariance(),
    )
