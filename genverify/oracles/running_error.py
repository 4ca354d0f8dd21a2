"""Values with a running bound on the error that a sensible implementation may have made in computing them.

Every operation of a formula is carried out twice: on the value, and on a radius e that bounds how far an
implementation in the subject's dtype may be from that value,

    x + y:  e_x + e_y + ρ (|x| + |y|)              x · y:  |x| e_y + |y| e_x + e_x e_y + ρ |x y| + η
    x / y:  (e_x + |x / y| e_y) / (|y| - e_y) + ρ |x / y| + η          √x:  √(x + e_x) - √(x - e_x)₊ + ρ √x

(a product with an exact zero is an exact zero), with ρ = K (u + u₆₄): K roundings of the subject's dtype for each
operation of the formula, since code may order it differently (γ_K of Higham 2002, lemma 3.1, to first order; the
oracle's own float64 rounding is the second term), and
η = K times the spacing of subnormal numbers. A sum is charged for the magnitude of its terms, not of its value, so that
`m + (1 - β)(g - m)` is as sensible as `β m + (1 - β) g`. Where a radius is not finite nothing is claimed; where a sign
is not settled by its radius, both sides of a case are within the result's radius.

Hyperparameters, and what is made of them alone, are numbers of float32 at least: 0.999 in bfloat16 is 1.

Source: Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed. 2002, section 3.3 (running error analysis).
"""

from __future__ import annotations

import functools
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

    __slots__ = ("_magnitude", "_vanishes", "eta", "radius", "rho", "value")

    def __init__(self, value: Tensor, radius: Tensor, rho: float, eta: float) -> None:
        self.value, self.radius, self.rho, self.eta = value, radius, rho, eta
        self._magnitude: Tensor | None = None
        self._vanishes: Tensor | None = None

    @property
    def magnitude(self) -> Tensor:
        """|value|, which every operation on the ball asks for."""
        if self._magnitude is None:
            self._magnitude = self.value.abs()
        return self._magnitude

    @classmethod
    def exact(cls, value: Tensor | float, dtype: torch.dtype) -> Ball:
        """A number that an implementation of that dtype holds exactly."""
        tensor = torch.as_tensor(value, dtype=torch.float64)
        rho = ROUNDINGS * (unit_roundoff(dtype) + unit_roundoff(torch.float64))
        return cls(tensor, torch.zeros_like(tensor), rho, ROUNDINGS * subnormal_spacing(dtype))

    @classmethod
    def rounded(cls, value: Tensor | float, dtype: torch.dtype) -> Ball:
        """A constant that an implementation may have rounded once to its dtype, or to float32 if that is finer."""
        dtype = _of_scalars(dtype)
        ball = cls.exact(value, dtype)
        ball.radius = unit_roundoff(dtype) * ball.value.abs()
        return ball

    @classmethod
    def count(cls, value: Tensor, dtype: torch.dtype) -> Ball:
        """A number of steps: whole, and kept beside the constants."""
        return cls.exact(value, _of_scalars(dtype))

    def like(self, value: Tensor, radius: Tensor, *others: Ball | Tensor | float) -> Ball:
        """A value and radius, in the coarsest arithmetic among those of self and others."""
        rho, eta = self.rho, self.eta
        for one in others:
            if isinstance(one, Ball):
                rho, eta = max(rho, one.rho), max(eta, one.eta)
        return Ball(value, radius, rho, eta)

    def _of(self, value: Tensor, radius: Tensor) -> Ball:
        return Ball(value, radius, self.rho, self.eta)

    def _constant(self, value: float) -> Ball:
        tensor = torch.as_tensor(value, dtype=torch.float64)
        return self._of(tensor, torch.zeros_like(tensor))

    def __neg__(self) -> Ball:
        return self._of(-self.value, self.radius)

    def __add__(self, other: Ball | Tensor | float) -> Ball:
        if isinstance(other, Ball):
            found = self.like(self.value + other.value, self.radius + other.radius, other)
            found.radius = found.radius + found.rho * (self.magnitude + other.magnitude)
            return found
        magnitude = self.magnitude + abs(other)
        return self._of(self.value + other, self.radius + self.rho * magnitude)

    __radd__ = __add__

    def __sub__(self, other: Ball | Tensor | float) -> Ball:
        return self + (-other)

    def __rsub__(self, other: Tensor | float) -> Ball:
        return (-self) + other

    def __mul__(self, other: Ball | Tensor | float) -> Ball:
        if isinstance(other, Ball):
            found = self.like(self.value * other.value, self.radius, other)
            error = self.magnitude * other.radius + self.radius * (other.magnitude + other.radius)
            rounded = error + found.rho * found.magnitude + found.eta
            found.radius = torch.where(self.vanishes() | other.vanishes(), 0.0, rounded)
            return found
        value = self.value * other
        radius = self.radius * abs(other) + self.rho * value.abs() + self.eta
        return self._of(value, torch.where(self.vanishes(), 0.0, radius))

    __rmul__ = __mul__

    def vanishes(self) -> Tensor:
        """Where it is zero in any arithmetic."""
        if self._vanishes is None:
            self._vanishes = (self.magnitude + self.radius) == 0
        return self._vanishes

    def __truediv__(self, other: Ball | Tensor | float) -> Ball:
        if not isinstance(other, Ball):
            value = self.value / other
            return self._of(value, self.radius / abs(other) + self.rho * value.abs() + self.eta)
        found = self.like(self.value / other.value, self.radius, other)
        room = (other.magnitude - other.radius).clamp_min(0.0)
        radius = (self.radius + found.magnitude * other.radius) / room
        rounded = radius + found.rho * found.magnitude + found.eta
        found.radius = torch.where(self.vanishes() & (room > 0), 0.0, rounded)
        return found

    def __rtruediv__(self, other: Tensor | float) -> Ball:
        one = torch.as_tensor(other, dtype=torch.float64)
        return self._of(one, torch.zeros_like(one)) / self

    def __pow__(self, exponent: Ball | Tensor | float) -> Ball:
        if isinstance(exponent, (int, float)) and exponent == 2:
            return self * self
        n = exponent.value if isinstance(exponent, Ball) else exponent
        found = self.like(self.value**n, self.radius, exponent)
        # |b|^n changes relatively by n e_b / |b|, and n multiplications round n times.
        relative = torch.where(self.value == 0, torch.zeros_like(self.value), self.radius / self.value.abs())
        change = abs(n) * (relative + found.rho) + found.rho
        if isinstance(exponent, Ball):  # and by |log b| e_n
            change = change + torch.where(exponent.radius > 0, self.value.abs().log().abs() * exponent.radius, 0.0)
        found.radius = found.value.abs() * change + found.eta
        return found

    def __rpow__(self, base: Tensor | float) -> Ball:
        """A number to a power that is itself uncertain: the power's error counts |log base| times."""
        one = torch.as_tensor(base, dtype=torch.float64)
        return self._of(one, torch.zeros_like(one)) ** self

    def sqrt(self) -> Ball:
        """The root; nothing is claimed where cancellation may have made the argument negative."""
        value = self.value.clamp_min(0.0).sqrt()
        lower = (self.value - self.radius).clamp_min(0.0).sqrt()
        radius = torch.maximum((self.value + self.radius).sqrt() - value, value - lower) + self.rho * value
        cancelled = (self.value < self.radius) & (self.radius > 2.0**20 * self.eta)
        return self._of(value, torch.where(cancelled, math.inf, radius))


def _of_scalars(dtype: torch.dtype) -> torch.dtype:
    """The type in which code keeps its numbers beside tensors of `dtype`: they are Python's, or float32 at least."""
    return torch.float32 if unit_roundoff(dtype) > unit_roundoff(torch.float32) else dtype


def _extremum(choose: Callable[[Tensor, Tensor], Tensor], one: Ball | float, other: Ball | float) -> Ball:
    first, second = (one, other) if isinstance(one, Ball) else (other, one)
    assert isinstance(first, Ball), "of two numbers SymPy takes the greater itself"
    second = second if isinstance(second, Ball) else first._constant(second)
    value = choose(first.value, second.value)
    return first.like(value, torch.maximum(first.radius, second.radius), second)


def _maximum(*balls: Ball | float) -> Ball | float:
    return functools.reduce(lambda a, b: _extremum(torch.maximum, a, b), balls)


def _minimum(*balls: Ball | float) -> Ball | float:
    return functools.reduce(lambda a, b: _extremum(torch.minimum, a, b), balls)


def _absolute(ball: Ball) -> Ball:
    return ball._of(ball.value.abs(), ball.radius)


def _sign(ball: Ball) -> Ball:
    """-1, 0 or 1; all three are within the radius where the sign is not settled."""
    value = ball.value.sign()
    settled = (ball.value.abs() > ball.radius) | ball.vanishes()
    return ball._of(value, torch.where(settled, 0.0, 1.0 + value.abs()))


def _at_first(t: Ball, first: Ball, later: Ball) -> Ball:
    """`first` in the elements whose step count is 1, `later` in the others."""
    return _either(t.value == 1, torch.ones_like(t.value, dtype=torch.bool), first, later)


def _if_positive(ball: Ball, then: Ball | float, otherwise: Ball | float) -> Ball:
    """`then` where the ball is > 0, `otherwise` where it is ≤ 0, and both where that is not settled."""
    settled = (ball.value.abs() > ball.radius) | ball.vanishes()
    return _either(ball.value > 0, settled, then, otherwise, ball)


def _either(
    choice: Tensor, settled: Tensor, then: Ball | float, otherwise: Ball | float, like: Ball | None = None
) -> Ball:
    model = next(one for one in (then, otherwise, like) if isinstance(one, Ball))
    one, other = (x if isinstance(x, Ball) else model._constant(x) for x in (then, otherwise))
    value = torch.where(choice, one.value, other.value)
    radius = torch.where(choice, one.radius, other.radius)
    both = (one.value - other.value).abs() + torch.maximum(one.radius, other.radius)
    return one.like(value, torch.where(settled, radius, both), other)


def _single(ball: Ball) -> Ball:
    """What is held as a float32 number, whatever the dtype of the parameters."""
    return ball._of(ball.value, ball.radius + unit_roundoff(torch.float32) * (ball.value.abs() + ball.radius))


def running_error_arithmetic() -> Mapping[str, Callable[..., Any]]:
    """The functions that a recurrence is compiled with to run on balls."""
    return {
        "sqrt": Ball.sqrt,
        "Max": _maximum,
        "Min": _minimum,
        "Abs": _absolute,
        "sign_of": _sign,
        "at_first": _at_first,
        "if_positive": _if_positive,
        "single": _single,
    }
