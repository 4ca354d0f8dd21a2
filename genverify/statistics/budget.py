"""One false-alarm probability for the whole run, and a ledger of who spent it."""

from __future__ import annotations

import json
import math
from fractions import Fraction

from genverify.errors import UsageError

__all__ = ["AlphaBudget"]


class AlphaBudget:
    """The probability with which a whole run may accuse correct code, and its ledger.

    By the union bound a run that spends ``alpha_1, alpha_2, ...`` accuses anything wrongly with probability at most
    ``sum(alpha_i) <= total``. Sums are taken exactly (as fractions), so rounding never overspends. A name is spent
    once: a test that may be repeated until it passes has no error rate.

    Raises:
        UsageError: a total outside (0, 1), a share outside (0, total], an overspent budget, a name spent twice.

    Example:
        >>> budget = AlphaBudget(1e-6)
        >>> share = budget.split(checks=5, cases=2)
        >>> budget.spend(share, "estimator.bias[0]")
        1e-07
        >>> budget.spend(1e-6, "greedy")
        Traceback (most recent call last):
        ...
        genverify.errors.UsageError: got 1e-06 for 'greedy'; expected at most 9e-07, which is left of 1e-06; \
split the budget over all checks and cases beforehand
    """

    def __init__(self, total: float = 1e-6) -> None:
        self.total = _probability(total, "the total of an alpha budget")
        self._ledger: dict[str, float] = {}

    @property
    def ledger(self) -> dict[str, float]:
        """What was spent, by name, in the order of spending (a copy)."""
        return dict(self._ledger)

    @property
    def spent(self) -> float:
        """The probability given out so far."""
        return float(self._exact())

    @property
    def left(self) -> float:
        """The probability that can still be given out, rounded down."""
        exact = Fraction(self.total) - self._exact()
        rounded = float(exact)
        return rounded if Fraction(rounded) <= exact else math.nextafter(rounded, 0.0)

    def split(self, checks: int, cases: int = 1) -> float:
        """The share of each case: ``total / (checks * cases)``, rounded down so that all of them can be spent."""
        if checks < 1 or cases < 1:
            raise UsageError(
                given=f"checks={checks}, cases={cases}",
                expected="at least one check and one case",
                do="count the statistical checks before splitting",
            )
        share = self.total / (checks * cases)
        return share if Fraction(share) * checks * cases <= Fraction(self.total) else math.nextafter(share, 0.0)

    def spend(self, alpha: float, name: str) -> float:
        """Enter ``alpha`` in the ledger under ``name`` and return it."""
        _probability(alpha, f"alpha for {name!r}")
        if name in self._ledger:
            raise UsageError(
                given=f"{name!r} a second time",
                expected="each test to spend once",
                do="give a new case a new name; a test is not rerun until it passes",
            )
        if self._exact() + Fraction(alpha) > Fraction(self.total):
            raise UsageError(
                given=f"{alpha:g} for {name!r}",
                expected=f"at most {self.left:g}, which is left of {self.total:g}",
                do="split the budget over all checks and cases beforehand",
            )
        self._ledger[name] = alpha
        return alpha

    def to_json(self) -> str:
        """The budget and its ledger as JSON text; floats survive exactly."""
        return json.dumps({"total": self.total, "ledger": self._ledger})

    @classmethod
    def from_json(cls, text: str) -> AlphaBudget:
        """The budget that ``to_json`` wrote; everything in it is checked again."""
        try:
            data = json.loads(text)
            total, entries = float(data["total"]), [(str(k), float(v)) for k, v in data["ledger"].items()]
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise UsageError(
                given=f"text that is no budget ({type(error).__name__})",
                expected='JSON like {"total": 1e-06, "ledger": {"name": 1e-07}}',
                do="pass what AlphaBudget.to_json returned",
            ) from error
        budget = cls(total)
        for name, alpha in entries:
            budget.spend(alpha, name)
        return budget

    def _exact(self) -> Fraction:
        return sum((Fraction(a) for a in self._ledger.values()), Fraction(0))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, AlphaBudget) and (self.total, self._ledger) == (other.total, other._ledger)

    __hash__ = None  # type: ignore[assignment]  # it changes as it is spent

    def __repr__(self) -> str:
        return f"AlphaBudget(total={self.total!r}, spent={self.spent:g}, tests={len(self._ledger)})"


def _probability(value: float, name: str) -> float:
    if not (isinstance(value, (int, float)) and 0.0 < value < 1.0):
        raise UsageError(
            given=f"{value!r} as {name}",
            expected="a number in (0, 1)",
            do="choose an error rate, e.g. 1e-6",
        )
    return float(value)
