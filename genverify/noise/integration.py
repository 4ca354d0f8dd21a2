"""The search for the strongest method that integrates a program: exact first, an interval last."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from genverify.noise.enumeration import BudgetSpent, Rule, Tree
from genverify.noise.evaluator import Evaluator, Varies
from genverify.noise.integrand import Integrand
from genverify.noise.laws import LAWS, TAIL
from genverify.noise.levels import Family, product_moments, sparse_levels
from genverify.noise.moments import Moments
from genverify.noise.panels import TooManyPanels, panels
from genverify.noise.probe import Probe
from genverify.noise.quadrature import double_exponential, gauss
from genverify.noise.quasi_monte_carlo import Estimate, quasi_monte_carlo

__all__ = ["Result", "Search"]

_RESERVE = 4  # a quarter of the evaluations is kept for quasi-Monte Carlo
_SPARSE = range(3, 17)  # dimensions for which a sparse grid is worth trying
_HOPELESS = 4.0  # a level that does not cut the error at least so many times is not converging geometrically
_HOPELESS_SPARSE = 1.5  # the same for a sparse grid, whose levels are smaller steps
_WITNESS = 16 * 32  # points of the cross-check of a sparse grid, one at a time
_INTERVAL = 64  # rows of quasi-Monte Carlo that count as one evaluation: its error falls but slowly
_LARGEST = 1 << 25  # coordinates of all its points together
_WITNESS_ROWS = 16  # the same, in rows
_SURE = 1e-6  # probability with which the cross-check refuses a right grid
_FEWEST_LEVELS = 3
_PANELLED = 2  # coordinates that panels are tried on
_FEWEST_PANELLED = 119  # evaluations of a coordinate, at least

Level = tuple[Moments, dict[str, str]]


@dataclass(frozen=True, kw_only=True)
class Result:
    """Moments, how well they are known, and the method that found them."""

    moments: Moments
    error: Tensor
    variance_error: Tensor
    method: str
    converged: bool
    reason: str = ""


class Search:
    """Tries the exact methods in order of strength, then quasi-Monte Carlo."""

    def __init__(
        self, integrand: Integrand, *, budget: int, rtol: float, ladder: Sequence[int], confidence: float, seed: int
    ) -> None:
        self.integrand, self.budget, self.rtol = integrand, budget, rtol
        self.ladder, self.confidence, self.seed = ladder, confidence, seed
        self.notes: list[str] = []
        self.shift: Tensor | None = None
        self.nearly: Result | None = None
        self.nearly_units = math.inf
        self.reproducible = True
        self.evaluator: Evaluator | None = None
        self.rough: Tensor | None = None

    @property
    def rows(self) -> Evaluator:
        """Evaluates tables of coordinates."""
        assert self.evaluator is not None
        return self.evaluator

    def left(self) -> int:
        """The evaluations that may still be spent."""
        return self.budget - self.integrand.alone

    def run(self) -> Result:
        """The result of the strongest method that works."""
        probe = self._probe()
        self.evaluator = Evaluator(self.integrand, probe, self.seed, self.budget)
        if probe.position == 0 and not self.integrand.blind:
            return self._exact(self._point(), "deterministic")
        if self.integrand.blind:
            for what in self.integrand.blind:
                self.note(f"cannot integrate {what}")
        else:
            exact = self._quadrature(probe, len(probe.bases)) if probe.bases else self._enumerate(probe)
            if exact is not None:
                return exact
            if probe.bases and (exact := self._panels(probe)) is not None:
                return exact
            # Rows buy an interval that means something; a grid that is only on its way does not.
            if self.nearly is not None and not self.rows.in_rows and self._witnessed(probe, self.nearly):
                return self.nearly
        return self._quasi_monte_carlo(probe)

    def note(self, what: str) -> None:
        """Keep a reason, once."""
        if what not in self.notes:
            self.notes.append(what)

    def _probe(self) -> Probe:
        """One path, twice: what is drawn, and whether the draws decide the result."""
        probes = [Probe(self.seed) for _ in range(2)]
        outputs = [self.integrand(probe) for probe in probes]
        self.shift = outputs[0]
        same = torch.equal(outputs[0].nan_to_num(), outputs[1].nan_to_num()) and probes[0].values == probes[1].values
        self.reproducible = same or bool(self.integrand.blind)
        if not self.reproducible:
            self.note("two evaluations on the same draws gave different results")
        return probes[0]

    def _rounding(self, moments: Moments) -> Tensor:
        """What the last operation of an evaluation and the summation lose, on the scale of each element."""
        double = torch.finfo(torch.float64).eps
        steps = math.log2(moments.count + 1)
        if self.evaluator is not None and self.evaluator.checked:  # products of weights, and sums within a table
            steps += 2 * len(self.rows.axes) + min(moments.count, self.rows.size)
        return (self.integrand.eps + double * steps) * moments.size()

    def _exact(self, moments: Moments, method: str) -> Result:
        rounding = self._rounding(moments)
        spread = rounding * moments.size()
        converged = self.reproducible and bool(torch.isfinite(moments.mean()).all())
        return Result(
            moments=moments, error=rounding, variance_error=spread, method=method, converged=converged, reason=""
        )

    def settled(self, moments: Moments, error: Tensor) -> tuple[bool, float]:
        """Whether every element is known to the resolution asked for, and the worst error in those units."""
        size = moments.size()
        if not bool(torch.isfinite(size).all()) or not bool(torch.isfinite(error).all()):
            return False, math.inf  # also an element that never varied under quasi-Monte Carlo
        allowed = self._allowed(size)
        ratio = torch.where(error > 0, error / allowed, torch.zeros_like(error))
        worst = float(ratio.max()) if ratio.numel() else 0.0
        return self.reproducible and worst <= 1.0, worst

    def _allowed(self, size: Tensor) -> Tensor:
        """The resolution asked for, of outputs of that size."""
        # Rounding inside the program is on the scale of its largest output, and of more than one operation.
        floor = self.integrand.eps.clamp_min(torch.finfo(torch.float64).eps) ** 0.75
        return torch.maximum(self.rtol * size, floor * size.max())

    def _walk(self, tree: Tree) -> Moments:
        moments = Moments(self.shift)
        for weight, output, _ in tree.walk():
            moments.add(weight, output)
        return moments

    def _enumerate(self, probe: Probe) -> Result | None:
        if self.rows.worth(probe.discrete_paths) and probe.discrete_paths <= self.rows.left():
            moments = product_moments(self.rows, self.shift, None, 0)
            if abs(moments.weight - 1.0) <= torch.finfo(torch.float64).eps * (moments.count + len(self.rows.axes)):
                return self._exact(moments, "enumeration")
            self.note("probabilities do not sum to one")
            return None
        if probe.discrete_paths > self.left():
            self.note(f"enumeration needs {probe.discrete_paths:.3g} evaluations")
            return None
        tree = Tree(self.integrand, _same_rule(gauss, self.ladder[0]), self.left())
        try:
            moments = self._walk(tree)
        except BudgetSpent:
            self.note(f"enumeration is not complete after {tree.budget} evaluations")
            return None
        if max(tree.continuous_counts) > 0:
            return self._quadrature(probe, max(tree.continuous_counts))
        if any(LAWS[request.law].truncated for request in self.integrand.requests):
            return self._truncated(moments)
        return self._exact(moments, "enumeration")

    def _truncated(self, moments: Moments) -> Result | None:
        """Where outcomes are infinitely many: how far those left out matter, seen by leaving out more."""
        token = TAIL.set(TAIL.get() ** 0.75)
        try:
            shorter = self._walk(Tree(self.integrand, _same_rule(gauss, self.ladder[0]), self.left()))
        except BudgetSpent:
            self.note("there are too few evaluations to see whether the outcomes left out matter")
            return None
        finally:
            TAIL.reset(token)
        rounding = self._rounding(moments)
        error = (moments.mean() - shorter.mean()).abs() + rounding
        spread = (moments.variance() - shorter.variance()).abs() + rounding * moments.size()
        exists = bool((spread <= moments.size().square() * self.rtol**0.5).all())
        if not exists or not self.settled(moments, error)[0]:
            self.note("outcomes of a probability that rounding would drop still matter")
            return None
        return Result(
            moments=moments, error=error, variance_error=spread, method="enumeration", converged=self.reproducible
        )

    def _quadrature(self, probe: Probe, dimensions: int) -> Result | None:
        families: list[Family] = [gauss]
        if any(base != "normal" for base in probe.bases) or not probe.bases:
            families.append(double_exponential)
        mixed = "enumeration and " if probe.discrete_paths > 1 else ""
        first = dimensions in _SPARSE and dimensions > _SPARSE.start and self.rows.worth(math.inf)
        if first and (found := self._sparse(probe, mixed)) is not None:
            return found
        for family in families:
            result = self._climb(self._tensor_levels(family, probe, dimensions), f"{mixed}quadrature")
            if result is not None and (len(families) == 1 or family is not gauss or self._to_the_ends(probe, result)):
                return result
        if first or dimensions not in _SPARSE or any("decide" in note for note in self.notes):
            return None
        return self._sparse(probe, mixed)

    def _to_the_ends(self, probe: Probe, result: Result) -> bool:
        """Whether a rule whose nodes crowd at the ends agrees: a jump there is in a gap of every Gauss rule."""
        levels = self._tensor_levels(double_exponential, probe, len(probe.bases))
        other = self._climb(levels, "quadrature to the ends")
        if other is None:
            return self._witnessed(probe, result)
        apart = (other.moments.mean() - result.moments.mean()).abs()
        agrees = bool((apart <= other.error + result.error + self._allowed(result.moments.size())).all())
        if not agrees:
            self.note("quadrature misses what happens at the ends of a range")
        return agrees

    def _panels(self, probe: Probe) -> Result | None:
        """Where Gauss rules have not converged: panels that close in on kinks, over few coordinates."""
        if len(probe.bases) > _PANELLED or "exponential" in probe.bases or self.rough is None:
            return None
        if any("decide" in note for note in self.notes):
            return None
        allowed = self._allowed(self.rough)
        assert self.shift is not None
        mixed = "enumeration and " if probe.discrete_paths > 1 else ""
        self.rows.worth(math.inf)
        limit = self.rows.left(1 - 1 / _RESERVE / 2)
        if probe.discrete_paths * _FEWEST_PANELLED ** len(probe.bases) > limit or not bool(
            torch.isfinite(allowed).all()
        ):
            return None
        try:
            moments, error, second = panels(self.rows, self.shift, allowed, limit)
        except (TooManyPanels, Varies):
            self.note("panels that close in on kinks would take more evaluations")
            return None
        rounding = self._rounding(moments)
        spread = second + 2 * error * (moments.mean() - self.shift).abs() + rounding * moments.size()
        if not self.settled(moments, error + rounding)[0]:
            self.note("panels have not converged")
            return None
        return Result(
            moments=moments, error=error + rounding, variance_error=spread, method=f"{mixed}panel quadrature",
            converged=True,
        )  # fmt: skip

    def _sparse(self, probe: Probe, mixed: str) -> Result | None:
        levels = sparse_levels(self.rows, self.shift, probe.discrete_paths, 1 - 1 / _RESERVE)
        result = self._climb(((moments, {}) for moments in levels), f"{mixed}sparse grid", _HOPELESS_SPARSE)
        return result if result is None or self._witnessed(probe, result) else None

    def _tensor_levels(self, family: Family, probe: Probe, dimensions: int) -> Iterator[Level]:
        for nodes in self.ladder:
            cost = probe.discrete_paths * nodes**dimensions
            share = 1 - 1 / _RESERVE if dimensions < _SPARSE.start else (1 - 1 / _RESERVE) / 2
            if self.rows.worth(cost) and cost <= self.rows.left(share):
                yield product_moments(self.rows, self.shift, family, nodes), {}
                continue
            available = self.left() - self.budget // _RESERVE
            if cost > (available if dimensions < _SPARSE.start else available // 2):
                return
            tree = Tree(self.integrand, _same_rule(family, nodes), available)
            yield self._walk(tree), tree.decided_by_nodes

    def _climb(self, levels: Iterator[Level], method: str, hopeless: float = _HOPELESS) -> Result | None:
        """Add nodes until, on the third level or later, the change is within the resolution; else None."""
        before: Moments | None = None
        error = spread = torch.empty(0)
        worst: list[float] = []
        try:
            for number, (moments, decided) in enumerate(levels, start=1):
                if decided:
                    self.note("continuous draws decide what is drawn next: " + "; ".join(decided))
                    return None
                if before is not None:
                    rounding = self._rounding(moments)
                    error = (moments.mean() - before.mean()).abs() + rounding
                    spread = (moments.variance() - before.variance()).abs() + rounding * moments.size()
                    done, units = self.settled(moments, error)
                    worst.append(units)
                    if done and number >= _FEWEST_LEVELS:
                        return Result(
                            moments=moments, error=error, variance_error=spread, method=method, converged=True
                        )
                    if _stalled(worst, hopeless):
                        break
                before = moments
                self.rough = moments.size()
        except (BudgetSpent, Varies):
            self.note(f"{method} did not finish within its evaluations")
            return None
        if worst:
            if _geometric(worst) and before is not None and worst[-1] < self.nearly_units:
                self.nearly_units = worst[-1]
                self.nearly = Result(
                    moments=before,
                    error=error,
                    variance_error=spread,
                    method=method,
                    converged=False,
                )
            self.note(
                f"{method} has not converged: the last added nodes changed the mean by {worst[-1]:.2g} times the "
                "resolution asked for"
            )
        return None

    def _witnessed(self, probe: Probe, result: Result) -> bool:
        """Whether an independent interval agrees: low levels of a sparse grid can all miss a product of coordinates."""
        assert self.shift is not None
        witness = quasi_monte_carlo(
            self.integrand,
            probe.position,
            budget=min(_WITNESS * (_WITNESS_ROWS if self.rows.in_rows else 1), self.rows.left()),
            confidence=1 - _SURE,
            seed=self.seed,
            shift=self.shift,
            settled=lambda estimate: False,
            rows=self.rows if self.rows.in_rows else None,
        )
        if witness is None:
            return False
        apart = (witness.moments.mean() - result.moments.mean()).abs()
        # By Markov's inequality a mean of squares is seldom so much too large.
        claimed = torch.maximum(result.moments.size(), self._allowed(result.moments.size()))
        larger = witness.moments.size().square() > claimed.square() / _SURE
        agrees = bool((apart <= witness.error + result.error).all()) and not bool(larger.any())
        if not agrees:
            self.note(f"{result.method} disagrees with quasi-Monte Carlo")
        return agrees

    def _quasi_monte_carlo(self, probe: Probe) -> Result:
        assert self.shift is not None
        estimate = quasi_monte_carlo(
            self.integrand,
            probe.position,
            budget=self._points(),
            confidence=self.confidence,
            seed=self.seed,
            shift=self.shift,
            settled=lambda e: self.settled(e.moments, e.error)[0],
            rows=self.rows if self.rows.in_rows else None,
        )
        if self.rows.why_not:
            self.note(f"evaluated one at a time: {self.rows.why_not}")
        if estimate is None:
            self.note(f"{self.budget} evaluations are too few")
            return self.nothing()
        return self._interval(estimate)

    def _points(self) -> int:
        """The points that quasi-Monte Carlo may take."""
        left = max(self.left(), 0)
        return min(_INTERVAL * left, _LARGEST // max(1, len(self.rows.axes))) if self.rows.worth(math.inf) else left

    def _interval(self, estimate: Estimate) -> Result:
        done, worst = self.settled(estimate.moments, estimate.error)
        clean = not any("decide" in note or "cannot integrate" in note for note in self.notes)
        if not done:
            self.note(f"the interval is {worst:.2g} times the resolution asked for")
        return Result(
            moments=estimate.moments,
            error=estimate.error,
            variance_error=estimate.variance_error,
            method="qmc",
            converged=done and clean,
        )

    def _point(self) -> Moments:
        moments = Moments(self.shift)
        assert self.shift is not None
        moments.add(1.0, self.shift)
        return moments

    def nothing(self) -> Result:
        """Too few evaluations even for one interval: one path is no estimate, and says so."""
        assert self.shift is not None
        unknown = torch.full_like(self.shift, math.inf)
        return Result(moments=self._point(), error=unknown, variance_error=unknown, method="qmc", converged=False)


def _stalled(worst: Sequence[float], hopeless: float) -> bool:
    """Two levels in a row that did not cut the error as geometric convergence would."""
    return len(worst) >= 3 and worst[-1] > 1 and all(worst[-i] * hopeless > worst[-i - 1] for i in (1, 2))


def _geometric(worst: Sequence[float]) -> bool:
    """Two levels in a row that cut the error as geometric convergence does: slow, but no kink."""
    return len(worst) >= 3 and all(worst[-i] * _HOPELESS <= worst[-i - 1] for i in (1, 2))


def _same_rule(rule: Family, nodes: int) -> Rule:
    return lambda position, base: rule(base, nodes)
