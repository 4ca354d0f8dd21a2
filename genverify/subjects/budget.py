"""How much work a run may do, counted in evaluations and never in seconds: same seed, same report."""

from __future__ import annotations

from dataclasses import dataclass

from genverify.errors import UsageError, nearest

__all__ = ["BUDGETS", "Budget", "Run"]


@dataclass(frozen=True, kw_only=True)
class Budget:
    """Evaluations that a check may spend.

    Attributes:
        name: quick, standard or thorough.
        cases: Cases that a searched check draws.
        fixed_cases: Cases that a check draws whose verdict is statistical or costly; nothing shrinks on these.
        evaluations: Evaluations of the subject that one exact expectation may spend.
        samples: Samples that one sequential test may draw.
        steps: Steps of an optimizer's trajectory.
        shrinks: Cases that are judged once more, at most, to make a failing one smaller: that is for the reader's eye,
            and past so many a smaller witness is not worth the wait.
    """

    name: str
    cases: int
    fixed_cases: int
    evaluations: int
    samples: int
    steps: int
    shrinks: int = 400


BUDGETS = {
    "quick": Budget(name="quick", cases=12, fixed_cases=2, evaluations=1_024, samples=20_000, steps=50, shrinks=100),
    "standard": Budget(name="standard", cases=60, fixed_cases=4, evaluations=4_096, samples=200_000, steps=200),
    "thorough": Budget(name="thorough", cases=400, fixed_cases=12, evaluations=65_536, samples=5_000_000, steps=1_000),
}


@dataclass(frozen=True, kw_only=True)
class Run:
    """What a check may know of the run it is part of.

    Attributes:
        budget: The evaluations it may spend.
        alpha: This case's share of the run's false-alarm probability.
        seed: The run's seed; a check derives any generator of its own from it.
    """

    budget: Budget = BUDGETS["standard"]
    alpha: float = 1e-6
    seed: int = 0


def budget(name: str | Budget) -> Budget:
    """The budget of that name; a budget of the caller's own as it is.

    Raises:
        UsageError: There is no such budget.
    """
    if isinstance(name, Budget):
        return name
    if name not in BUDGETS:
        raise UsageError(given=f"budget {name!r}", expected="quick, standard or thorough", do=nearest(name, BUDGETS))
    return BUDGETS[name]
