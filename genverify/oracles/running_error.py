"""Values with a running bound on the error that a sensible implementation may have made in computing them.

Every operation of a formula is carried out twice: on the value, and on a radius e that bounds how far an
implementation in the subject's dtype may be from that value,

    x + y:  e_x + e_y + ρ (|x| + |y|)              x · y:  |x| e_y + |y| e_x + e_x e_y + ρ |x y| + η
    x / y:  (e_x + |x / y| e_y) / (|y| - e_y) + ρ |x / y| + η          √x:  √(x + e_x) - √(x - e_x)₊ + ρ √x

with ρ = K (u + u₆₄): K roundings of the subject's dtype for each operation of the formula, since code may order it
differently (γ_K of Higham 2002, lemma 3.1, to first order; the oracle's own float64 rounding is the second term), and
η = K times the spacing of subnormal numbers. A sum is charged for the magnitude of its terms, not of its value, so that
`m + (1 - β)(g - m)` is as sensible as `β m + (1 - β) g`. Where a radius is not finite nothing is claimed.

Source: Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed. 2002, section 3.3 (running error analysis).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from genverify.numerics.rounding import subnormal_spacing, unit_roundoff

__all__ = ["ROUNDINGS", "Ball", "running_error_arithmetic"]

# Roundings that an implementation may spend on what the formula writes as one operation.
ROUNDINGS = 4


class Ball:
    """A value in float64 and the radius around it in which an implementation's value may lie.

    >>> third = Ball.exact(1.0, torch.float32) / 3.0
    >>> 0 < float(third.radius) < 1e-6
    True
    """

    __slots__ = ("eta", "radius", "rho", "value")

    def __init__(self, value: Tensor, radius: Tensor, rho: float, eta: float) -> None:
        self.value, self.radius, self.rho, self.eta = value, radius, rho, eta

    @classmethod
    def exact(cls, value: Tensor | float, dtype: torch.dtype) -> Ball:
        """A number that an implementation of that dtype holds exactly."""
        tensor = torch.as_tensor(value, dtype=torch.float64)
        rho = ROUNDINGS * (unit_roundoff(dtype) + unit_roundoff(torch.float64))
        return cls(tensor, torch.zeros_like(tensor), rho, ROUNDINGS * subnormal_spacing(dtype))

    @classmethod
    def rounded(cls, value: Tensor | float, dtype: torch.dtype) -> Ball:
        """A constant that an implementation may have rounded once to its dtype."""
        ball = cls.exact(value, dtype)
        ball.radius = unit_roundoff(dtype) * ball.value.abs()
        return ball

    def _of(self, value: Tensor, radius: Tensor) -> Ball:
        return Ball(value, radius, self.rho, self.eta)

    def _constant(self, value: float) -> Ball:
        tensor = torch.as_tensor(value, dtype=torch.float64)
        return self._of(tensor, torch.zeros_like(tensor))

    def __neg__(self) -> Ball:
        return self._of(-self.value, self.radius)

    def __add__(self, other: Ball | Tensor | float) -> Ball:
        if isinstance(other, Ball):
            magnitude, radius = self.value.abs() + other.value.abs(), self.radius + other.radius
            return self._of(self.value + other.value, radius + self.rho * magnitude)
        magnitude = self.value.abs() + abs(other)
        return self._of(self.value + other, self.radius + self.rho * magnitude)

    __radd__ = __add__

    def __sub__(self, other: Ball | Tensor | float) -> Ball:
        return self + (-other)

    def __rsub__(self, other: Tensor | float) -> Ball:
        return (-self) + other

    def __mul__(self, other: Ball | Tensor | float) -> Ball:
        value = self.value * (other.value if isinstance(other, Ball) else other)
        if isinstance(other, Ball):
            radius = self.value.abs() * other.radius + self.radius * (other.value.abs() + other.radius)
        else:
            radius = self.radius * abs(other)
        return self._of(value, radius + self.rho * value.abs() + self.eta)

    __rmul__ = __mul__

    def __truediv__(self, other: Ball | Tensor | float) -> Ball:
        if not isinstance(other, Ball):
            value = self.value / other
            return self._of(value, self.radius / abs(other) + self.rho * value.abs() + self.eta)
        value = self.value / other.value
        room = (other.value.abs() - other.radius).clamp_min(0.0)
        radius = (self.radius + value.abs() * other.radius) / room
        return self._of(value, radius + self.rho * value.abs() + self.eta)

    def __rtruediv__(self, other: Tensor | float) -> Ball:
        one = torch.as_tensor(other, dtype=torch.float64)
        return self._of(one, torch.zeros_like(one)) / self

    def __pow__(self, exponent: Ball | Tensor | float) -> Ball:
        if isinstance(exponent, (int, float)) and exponent == 2:
            return self * self
        n = exponent.value if isinstance(exponent, Ball) else exponent
        value = self.value**n
        # |b|^n changes relatively by n e_b / |b|, and n multiplications round n times.
        relative = torch.where(self.value == 0, torch.zeros_like(self.value), self.radius / self.value.abs())
        return self._of(value, value.abs() * (abs(n) * (relative + self.rho) + self.rho) + self.eta)

    def sqrt(self) -> Ball:
        """The root; nothing is claimed where cancellation may have made the argument negative."""
        value = self.value.clamp_min(0.0).sqrt()
        lower = (self.value - self.radius).clamp_min(0.0).sqrt()
        radius = torch.maximum((self.value + self.radius).sqrt() - value, value - lower) + self.rho * value
        cancelled = (self.value < self.radius) & (self.radius > 2.0**20 * self.eta)
        return self._of(value, torch.where(cancelled, math.inf, radius))


def _maximum(*balls: Ball | float) -> Ball:
    (first, second) = balls
    if not isinstance(first, Ball):
        first, second = second, first
    assert isinstance(first, Ball)
    other = second if isinstance(second, Ball) else first._constant(second)
    value, radius = torch.maximum(first.value, other.value), torch.maximum(first.radius, other.radius)
    return Ball(value, radius, first.rho, first.eta)


def _absolute(ball: Ball) -> Ball:
    return Ball(ball.value.abs(), ball.radius, ball.rho, ball.eta)


def _at_first(t: Tensor, first: Ball, later: Ball) -> Ball:
    """`first` in the elements whose step count is 1, `later` in the others."""
    now = t == 1
    value = torch.where(now, first.value, later.value)
    return Ball(value, torch.where(now, first.radius, later.radius), first.rho, first.eta)


def running_error_arithmetic() -> Mapping[str, Callable[..., Any]]:
    """The functions that a recurrence is compiled with to run on balls."""
    return {"sqrt": Ball.sqrt, "Max": _maximum, "Abs": _absolute, "at_first": _at_first}
