"""A program at the rows of a table: many rows at once where that agrees with one at a time, else one at a time."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from genverify.noise.axis import Axis, Table
from genverify.noise.draw import Request
from genverify.noise.integrand import Integrand, Traced
from genverify.noise.laws import Base
from genverify.noise.moments import Moments
from genverify.noise.probe import Probe
from genverify.noise.rows import evaluate

__all__ = ["ROWS", "Evaluator", "Varies"]

ROWS = 256
"""Evaluations in rows that count as one: about what they cost."""
_WORTH = 48  # evaluations from which rows pay for their being checked
_CHECKED = 4  # rows that must agree with single evaluations
_NUMBERS = 1 << 21  # in one table, coordinates and outputs together
_FEWEST_ROWS = 256


class Varies(Exception):
    """What the program draws next depends on what it drew."""


class _Row(Traced):
    """One row of a table, answered one coordinate after the other."""

    def __init__(self, axes: Sequence[Axis], values: Sequence[float]) -> None:
        self.axes, self.values, self.position, self.weight = axes, values, 0, 1.0

    def begin(self, request: Request) -> None:
        """Draws need no marking here."""

    def finish(self) -> None:
        if self.position != len(self.axes):
            raise Varies

    def _next(self, base: Base | None) -> float:
        if self.position >= len(self.axes) or self.axes[self.position].base != base:
            raise Varies
        self.position += 1
        return self.values[self.position - 1]

    def nodes(self, base: Base, count: int) -> Tensor:
        return torch.tensor([self._next(base) for _ in range(count)], dtype=torch.float64)

    def choose(self, probabilities: Sequence[float]) -> int:
        outcomes = self.axes[self.position].outcomes if self.position < len(self.axes) else ()
        outcome = int(self._next(None))
        if any(p > 0 and k not in outcomes for k, p in enumerate(probabilities)):
            raise Varies
        self.weight *= probabilities[outcome] if outcome < len(probabilities) else 0.0
        return outcome

    def choose_evenly(self, count: int) -> int:
        outcome = int(self._next(None))
        self.weight /= count
        return outcome


class Evaluator:
    """Evaluates one program whose draws are always the same in number and kind."""

    def __init__(self, integrand: Integrand, probe: Probe, seed: int, budget: int) -> None:
        self.integrand, self.probe, self.seed, self.budget = integrand, probe, seed, budget
        self.axes = tuple(probe.axes)
        self.why_not = ""
        self._fresh: bool | None = None  # as `rows.evaluate` takes it; None: not in rows
        self.checked = False

    @property
    def in_rows(self) -> bool:
        """Whether many rows may be evaluated at once; seen on a few, the first time it is asked."""
        if not self.checked:
            self.checked = True
            self._check()
        return self._fresh is not None

    def left(self, share: float = 1.0) -> int:
        """The evaluations that may still be spent: single ones, or rows."""
        alone = self.budget - self.integrand.alone
        return int(share * alone) if not self.in_rows else int(share * (ROWS * self.budget - self.integrand.in_rows))

    def worth(self, count: float) -> bool:
        """Whether rows pay for so many evaluations, and work."""
        return count >= _WORTH and self.in_rows

    @property
    def size(self) -> int:
        """Rows of one table."""
        width = len(self.axes) + self.integrand.eps.numel()
        return max(_FEWEST_ROWS, _NUMBERS // max(1, width)) if self.in_rows else _FEWEST_ROWS

    def _check(self) -> None:
        if self.integrand.blind:
            self.why_not = "a draw cannot be fed"
            return
        probes = [Probe(self.seed + 1 + index) for index in range(_CHECKED)]
        single = [self.integrand(probe) for probe in probes]
        if any(tuple(probe.axes) != self.axes for probe in probes):
            self.why_not = "what is drawn depends on earlier draws"
            return
        rows = torch.tensor([probe.row for probe in probes], dtype=torch.float64)
        table, wanted = Table(axes=self.axes, columns=rows), torch.stack(single)
        # Rounding inside the program is on the scale of its largest output, and of more than one operation.
        allowed = self.integrand.eps.clamp_min(torch.finfo(torch.float64).eps) ** 0.75 * wanted.abs().max()
        for fresh in (True, False):
            try:
                _, found = evaluate(self.integrand.leaves, table, fresh=fresh)
            except Exception as error:
                self.why_not = (
                    self.why_not or f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
                )
                continue
            agree = found.shape == wanted.shape and bool(
                (((found - wanted).abs() <= allowed) | (found.isnan() & wanted.isnan()) | (found == wanted)).all()
            )
            if agree:
                self._fresh, self.why_not = fresh, ""
                return
            self.why_not = "rows evaluated at once do not agree with single evaluations"

    def __call__(self, table: Table) -> tuple[Tensor, Tensor]:
        """Weights of the discrete outcomes [rows], and outputs [rows, numbers].

        Raises:
            Varies: One at a time, the program drew otherwise than its probe.
        """
        if self._fresh is not None:
            self.integrand.count_rows(len(table.columns))
            return evaluate(self.integrand.leaves, table, fresh=self._fresh)
        weights, outputs = [], []
        for values in table.columns.tolist():
            row = _Row(table.axes, values)
            outputs.append(self.integrand(row))
            weights.append(row.weight)
        return torch.tensor(weights, dtype=torch.float64), torch.stack(outputs)

    def add(self, moments: Moments, weights: Tensor, table: Table) -> None:
        """Add all rows of a table, with these weights times those of its outcomes, to the moments."""
        for begin in range(0, len(table.columns), self.size):
            part = slice(begin, begin + self.size)
            mass, outputs = self(Table(axes=table.axes, columns=table.columns[part], choices=table.choices))
            moments.add_rows(weights[part] * mass, outputs)
