"""What a schedule may be given: steps from the first one on, lengths of at least one step, rates that are rates."""

from __future__ import annotations

__all__ = ["require"]


def require(step: float, *, first: int = 0, lengths: dict[str, float], rates: dict[str, float]) -> None:
    """Refuses a step before the first one, a length below one step, a negative rate, and NaN in any of them.

    Raises:
        ValueError: It says what was given, what was expected, and what to do.

    >>> require(0, lengths={"total": 0}, rates={})
    Traceback (most recent call last):
        ...
    ValueError: got total=0; expected a length of at least 1 step; leave out a phase that has no steps
    """
    if not step >= first:
        raise ValueError(f"got step={step}; expected a step of at least {first}; count the steps from {first}")
    for name, length in lengths.items():
        if not length >= 1:
            raise ValueError(
                f"got {name}={length}; expected a length of at least 1 step; leave out a phase that has no steps"
            )
    for name, rate in rates.items():
        if not rate >= 0:
            raise ValueError(
                f"got {name}={rate}; expected a rate of at least 0; to ascend, change the sign of the objective"
            )
