"""Schedules that keep their own count: classes with step() and no optimizer, and generators of rates.

Such a schedule becomes a function of the step: for each case one is made and stepped. Where step() returns a number, or
a generator yields one, that of the t-th call, counted from zero, is taken, and whether the count begins with the first
rate or with the second is its own affair. Where step() returns nothing, the rate that the object shows (`lr`,
`get_lr()`) is read after t steps.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from torch import nn

from genverify.adapters.adapter import adapter
from genverify.adapters.torch_scheduler import TOPIC, plain_value, refused, signature_with
from genverify.errors import UsageError
from genverify.subjects.formula import Formula

__all__ = ["rate_generator", "stepped_rate"]

_SHOWN = (
    "get_last_lr", "get_lr", "lr", "rate", "value", "current", "learning_rate", "get_rate", "get_value", "current_lr",
    "last_lr", "beta", "weight", "get_beta", "get",
)  # fmt: skip
# Steps to look ahead for a rate that moves; longer than the plateaus of the cases.
_LOOK = 8


class Rates:
    """The rate at a step, as a function: of a new object for each call, which is stepped as often as is asked for."""

    def __init__(self, make: Callable[..., Any], label: str, rates: Callable[[Any], Iterator[Any]]) -> None:
        self.make, self.rates, self.__qualname__ = make, rates, label
        found = inspect.signature(make).parameters.values()
        names = {
            one.name: ... if one.default is one.empty else one.default
            for one in found
            if one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD)
        }
        self.__signature__ = signature_with(names, ("beyond", 0))

    def __call__(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - a number
        """The rate at a step, or the last one before the object refused to go on."""
        given = self.__signature__.bind(*args, **kwargs)
        given.apply_defaults()
        own = {name: plain_value(value) for name, value in given.arguments.items()}
        step, beyond = int(own.pop("step")), int(own.pop("beyond"))
        rates = self.rates(lambda: self.make(**own))
        rate: Any = None
        for index in range(step + beyond + 1):
            try:
                rate = next(rates)
            except Exception as error:
                if index <= step or not refused(error):
                    # Inside a generator, or for one that ends too soon, StopIteration is an error like any other.
                    raise RuntimeError(f"{type(error).__name__} at step {index}: {error}") from error
                break
        return rate


def _shown(made: Any) -> dict[str, Any]:  # noqa: ANN401
    """The rates that an object may be showing, by the names under which it does."""
    found = {}
    for name in _SHOWN:
        value = getattr(made, name, None)
        if callable(value):
            try:
                if any(p.default is p.empty for p in inspect.signature(value).parameters.values()):
                    continue
            except (TypeError, ValueError):
                continue
            value = value()
        value = _number(value)
        if _is_number(value):
            found[name] = value
    return found


def _reading(make: Callable[[], Any]) -> str:
    """The name under which an object shows its rate: the first that moves, since `lr` may be where it began.

    Empty where step() returns numbers, or nothing is shown.
    """
    scout = make()
    before = _shown(scout)
    for _ in range(_LOOK):
        try:
            if _is_number(_number(scout.step())):
                return ""
        except Exception as error:
            if refused(error):
                break
            raise
        after = _shown(scout)
        moved = [name for name in before if name in after and bool(after[name] != before[name])]
        if moved:
            return moved[0]
    return next(iter(before), "")


def _number(value: Any) -> Any:  # noqa: ANN401
    return value[0] if isinstance(value, (list, tuple)) and value else value


def _is_number(value: Any) -> bool:  # noqa: ANN401
    return isinstance(value, (int, float)) or hasattr(value, "item")


def _stepped(make: Callable[[], Any]) -> Iterator[Any]:
    """The rates that step() returns; or else those that an object shows, stepped in between."""
    name, made = _reading(make), make()
    if not name:
        while True:
            yield _number(made.step())
    while True:
        yield _shown(made)[name]
        made.step()


def _keeps_count(thing: Any) -> bool:  # noqa: ANN401
    bare = thing.func if isinstance(thing, functools.partial) else thing
    return inspect.isclass(bare) and callable(getattr(bare, "step", None)) and not issubclass(bare, nn.Module)


@adapter("a class with step() that gives or shows a rate", "formula", _keeps_count, rank=30)
def stepped_rate(subject: Formula) -> Formula:
    """Makes and steps an object for each case."""
    if not subject.like.startswith(TOPIC):
        return subject
    return _as_rates(subject, _stepped)


@adapter("a generator of rates", "formula", inspect.isgeneratorfunction, rank=30)
def rate_generator(subject: Formula) -> Formula:
    """Makes a generator for each case, and takes its t-th value."""
    if not subject.like.startswith(TOPIC):
        return subject
    return _as_rates(subject, lambda make: iter(make()))


def _as_rates(subject: Formula, rates: Callable[[Any], Iterator[Any]]) -> Formula:
    try:
        made = Rates(subject.f, subject.label, rates)
    except (TypeError, ValueError) as error:
        raise UsageError(
            given=f"{subject.label}, whose parameters Python cannot list", expected="a signature",
            do="wrap it in a function with named parameters",
        ) from error  # fmt: skip
    return replace(subject, f=made, undecided=(*subject.undecided, "counted from one"))
