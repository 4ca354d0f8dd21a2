"""Weighted first and second moments of a vector, accumulated in float64 about a shift."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["COVARIANCE_LIMIT", "Moments"]

COVARIANCE_LIMIT = 512
_ROWS = 256


class Moments:
    r"""Accumulates $\sum w$, $\sum w (x - s)$ and $\sum w (x - s)^2$, with the outer products when x is short.

    The shift s is the first vector unless given; it keeps the variance free of cancellation when the mean is large.
    """

    def __init__(self, shift: Tensor | None = None) -> None:
        self.shift = shift
        self.weight = 0.0
        self.count = 0
        self._first = self._second = self._outer = None
        self._rows: list[Tensor] = []
        self._weights: list[float] = []

    @classmethod
    def of_sums(cls, shift: Tensor, count: int, first: Tensor, second: Tensor) -> Moments:
        """From integrals of x - shift and of its squares (or of all products of two, flattened); their weight is 1."""
        made = cls(shift)
        made.weight, made.count, made._first = 1.0, count, first
        if len(second) == len(first) and len(first) > 1:
            made._second = second
        else:
            made._outer = second.reshape(len(first), len(first))
            made._second = made._outer.diagonal()
        return made

    def add(self, weight: float, x: Tensor) -> None:
        """One vector with its weight."""
        if self.shift is None:
            self.shift = x.clone()
        self._rows.append(x - self.shift)
        self._weights.append(weight)
        self.count += 1
        if len(self._rows) >= _ROWS:
            self._flush()

    def add_rows(self, weights: Tensor, rows: Tensor) -> None:
        """Many vectors [rows, numbers] with their weights [rows]; weight zero does not count, whatever the row."""
        self._flush()
        rows, weights = rows[weights != 0], weights[weights != 0]
        if self.shift is None:
            self.shift = rows[0].clone()
        self.count += len(rows)
        self._take(rows - self.shift, weights)

    def merge(self, other: Moments, factor: float) -> None:
        """Add another accumulation about the same shift, times a factor."""
        self._flush()
        other._flush()
        assert self.shift is not None
        assert other.shift is not None
        assert torch.equal(self.shift, other.shift)
        self.weight += factor * other.weight
        self.count += other.count
        self._first = _plus(self._first, other._first, factor)
        self._second = _plus(self._second, other._second, factor)
        self._outer = _plus(self._outer, other._outer, factor)

    def _flush(self) -> None:
        if not self._rows:
            return
        self._take(torch.stack(self._rows), torch.tensor(self._weights, dtype=torch.float64))
        self._rows, self._weights = [], []

    def _take(self, rows: Tensor, weights: Tensor) -> None:
        self.weight += float(weights.sum())
        self._first = _plus(self._first, weights @ rows, 1.0)
        self._second = _plus(self._second, weights @ rows.square(), 1.0)
        if rows.shape[1] <= COVARIANCE_LIMIT:
            self._outer = _plus(self._outer, rows.T @ (weights[:, None] * rows), 1.0)

    def mean(self) -> Tensor:
        """The weighted mean."""
        self._flush()
        assert self.shift is not None
        assert self._first is not None
        return self.shift + self._first / self.weight

    def variance(self) -> Tensor:
        """The weighted variance of each element (no Bessel correction: the weights are probabilities)."""
        self._flush()
        assert self._first is not None
        assert self._second is not None
        return (self._second / self.weight - (self._first / self.weight).square()).clamp_min(0.0)

    def covariance(self) -> Tensor | None:
        """The weighted covariance matrix, or None where the vector is too long to keep it."""
        self._flush()
        if self._outer is None or self._first is None:
            return None
        first = self._first / self.weight
        return self._outer / self.weight - torch.outer(first, first)

    def size(self) -> Tensor:
        """The root mean square of each element: the scale on which its error is judged."""
        return (self.variance() + self.mean().square()).sqrt()


def _plus(total: Tensor | None, term: Tensor | None, factor: float) -> Tensor | None:
    if term is None:
        return total
    return factor * term if total is None else total + factor * term
