"""A default that was left in place, and that the formula knows under another name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import islice, permutations

from genverify.errors import UsageError
from genverify.subjects.formula import Bound, Formula, Place
from genverify.subjects.specification import Argument, Role

__all__ = ["ask_about_leftovers", "may_ask", "silent"]

# Few numbers are left, and few arguments are free; beyond that the reader has to say what is what.
_READINGS = 24


def ask_about_leftovers(subject: Formula, fits: Callable[[Formula], bool]) -> None:
    """Asks what a parameter is, rather than accuse, where its default as an argument makes the formula of the values.

    ``initial_lrate=0.1`` stands under no known name, so the formula was asked for its own default, η₀ = 1.

    Raises:
        UsageError: With these numbers as arguments of the formula the values fit.
    """
    for reading, candidate in islice(_readings(subject), _READINGS):
        try:
            right = fits(candidate)
        except UsageError:  # a number that this argument cannot be
            continue
        if right:
            names = ", ".join(f"{name}={value!r}" for name, value, _ in reading)
            typed = " ".join(f"--arg {name}={argument.name}" for name, _, argument in reading)
            meant = ", ".join(f"{name!r}: {argument.name!r}" for name, _, argument in reading)
            raise UsageError(
                given=f"{names}, which stands under no name that {subject.like} knows",
                expected=f"to be told: with {' and '.join(argument.name for *_, argument in reading)} read from it the "
                "values are the formula's",
                do=f"say arguments={{{meant}}}, or {typed}",
            )  # fmt: skip


def may_ask(subject: Formula) -> bool:
    """Whether there is a number that could be asked about, so that it is asked before anything is run."""
    return next(_readings(subject), None) is not None


def _readings(subject: Formula) -> Iterator[tuple[list[tuple[str, float, Argument]], Formula]]:
    """Every way to take the numbers that were left for the arguments that the subject has under no name."""
    assert subject.match is not None
    left = [(name, value) for name, value in subject.match.left if _number(value)]
    free = _free(subject)
    for count in range(1, min(len(left), len(free)) + 1):
        for numbers in permutations(left, count):
            for arguments in permutations(free, count):
                if [name for name, _ in numbers] != sorted((name for name, _ in numbers)):
                    continue
                reading = [(name, value, one) for (name, value), one in zip(numbers, arguments, strict=True)]
                bound = [
                    Bound(parameter=name, argument=one, form=one.forms[0], place=Place.KEPT, default=value)
                    for name, value, one in reading
                ]
                match = replace(subject.match, bound=(*subject.match.bound, *bound))
                yield reading, replace(subject, match=match, memory={})


def _free(subject: Formula) -> list[Argument]:
    """The numbers of the formula that it takes at its own default, since the subject has none under a known name."""
    assert subject.match is not None
    assert subject.specification is not None
    taken = {bound.argument.name for bound in subject.match.bound}
    return [
        one for one in subject.specification.arguments
        if one.name not in taken and one.default is not ... and one.role is Role.VALUE and not one.axes
    ]  # fmt: skip


def silent(subject: Formula) -> tuple[str, ...]:
    """A note on these arguments: the subject may have them inside, under no name that can be read."""
    assert subject.specification is not None
    free = [one for one in _free(subject) if _number(one.default)]
    if not free:
        return ()
    taken = ", ".join(f"{one.name} = {one.default:g}" for one in free)
    return (f"taken at the formula's own default: {taken}; say fixed={{{free[0].name!r}: …}} for another inside",)


def _number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
