"""What must be true of the draws before a test of their mean can promise anything.

No test of an unbounded mean is valid for every law: whatever the data, a law that puts a tiny mass far away has the
same sample and another mean (Bahadur & Savage 1956). So every test here names the class of laws that it
trusts and where that trust comes from; with ``None`` it is undecided by rule.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from genverify.errors import UsageError

__all__ = ["Assumption", "Bounded", "KurtosisBound", "Normal", "SubGaussian", "describe"]


@dataclass(frozen=True)
class Normal:
    """Draws are exactly normal with unknown variance; a vector of them is jointly normal.

    Holds for a subject that is affine in normal noise.

    >>> Normal(origin="the subject is affine in its normal draws").describe()
    'draws are independent and jointly normal, variance unknown (the subject is affine in its normal draws)'
    """

    origin: str = field(default="declared", kw_only=True)

    def describe(self) -> str:
        """The assumption in plain words."""
        return f"draws are independent and jointly normal, variance unknown ({self.origin})"


@dataclass(frozen=True)
class Bounded:
    """Every draw lies in ``[low, high]``; nothing else is assumed of the law.

    >>> Bounded(-1, 1, origin="a cosine").describe()
    'draws are independent and lie in [-1, 1] (a cosine)'
    """

    low: float | int
    high: float | int
    origin: str = field(default="declared", kw_only=True)

    def __post_init__(self) -> None:
        if not (math.isfinite(self.low) and math.isfinite(self.high) and self.low < self.high):
            raise UsageError(
                given=f"Bounded({self.low}, {self.high})",
                expected="finite low < high",
                do="declare a range that contains every draw",
            )

    def describe(self) -> str:
        """The assumption in plain words."""
        return f"draws are independent and lie in [{self.low:g}, {self.high:g}] ({self.origin})"


@dataclass(frozen=True)
class KurtosisBound:
    r"""The fourth central moment is at most ``kappa`` variances squared: :math:`E(x-m)^4 \le \kappa\,\mathrm{Var}^2`.

    Kurtosis is 1.8 for a uniform law, 3 for a normal, 6 for a Laplace, 9 for an exponential.

    >>> KurtosisBound(9, origin="exponential noise").describe()
    'draws are independent with E(x - m)^4 <= 9 Var(x)^2 in every coordinate (exponential noise)'
    """

    kappa: float | int
    origin: str = field(default="declared", kw_only=True)

    def __post_init__(self) -> None:
        if not (math.isfinite(self.kappa) and self.kappa >= 1.0):
            raise UsageError(
                given=f"KurtosisBound({self.kappa})",
                expected="a finite number of at least 1",
                do="no law has kurtosis below 1; a normal law has 3",
            )

    def describe(self) -> str:
        """The assumption in plain words."""
        return f"draws are independent with E(x - m)^4 <= {self.kappa:g} Var(x)^2 in every coordinate ({self.origin})"


@dataclass(frozen=True)
class SubGaussian:
    r"""Tails are no heavier than those of a normal law: :math:`E e^{u(x-m)} \le e^{u^2 s^2/2}` for all real u.

    ``scale`` is s, in the units of the draws; it bounds the standard deviation from above.

    >>> SubGaussian(0.5).describe()
    'draws are independent with E exp(u(x - m)) <= exp(u^2 0.5^2 / 2), all u, in every coordinate (declared)'
    """

    scale: float | int
    origin: str = field(default="declared", kw_only=True)

    def __post_init__(self) -> None:
        if not (math.isfinite(self.scale) and self.scale > 0.0):
            raise UsageError(
                given=f"SubGaussian({self.scale})",
                expected="a finite positive scale",
                do="declare a variance proxy in the units of the draws",
            )

    def describe(self) -> str:
        """The assumption in plain words."""
        law = f"E exp(u(x - m)) <= exp(u^2 {self.scale:g}^2 / 2), all u,"
        return f"draws are independent with {law} in every coordinate ({self.origin})"


Assumption = Normal | Bounded | KurtosisBound | SubGaussian


def describe(assumption: Assumption | None) -> str:
    """The assumption in plain words, or that there is none.

    >>> describe(None)
    'none: no test of an unbounded mean is valid for every law (Bahadur & Savage 1956)'
    """
    if assumption is None:
        return "none: no test of an unbounded mean is valid for every law (Bahadur & Savage 1956)"
    return assumption.describe()
