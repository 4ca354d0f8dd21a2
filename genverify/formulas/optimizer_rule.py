"""The type of an optimizer rule: its hyperparameters, the axes of its dialects, and what may stand under its name."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from genverify.errors import UsageError, nearest

__all__ = ["Axis", "Dialect", "Hyper", "Rule", "Value", "accepted", "recognised", "slip"]


@dataclass(frozen=True, kw_only=True)
class Value:
    """One value of an axis.

    `standing` is accepted (citable under the rule's name), recognised (legitimate elsewhere) or slip (legitimate
    nowhere).
    """

    name: str
    standing: str
    words: str
    source: str = ""


def accepted(name: str, words: str, source: str = "") -> Value:
    """A value that is citable under the rule's own name."""
    return Value(name=name, standing="accepted", words=words, source=source)


def recognised(name: str, words: str, source: str = "") -> Value:
    """A value that is legitimate elsewhere and wrong under the rule's name."""
    return Value(name=name, standing="recognised", words=words, source=source)


def slip(name: str, words: str, source: str = "") -> Value:
    """A value that is a known mistake."""
    return Value(name=name, standing="slip", words=words, source=source)


@dataclass(frozen=True, kw_only=True)
class Axis:
    """A convention in which implementations of one rule differ. The first value is the rule's own.

    `needs` names the hyperparameter without which the values cannot be told apart. A flag of the code may itself say
    which value is meant (`decoupled_weight_decay`): of two axes of one name, one is there `unless` the flag is set, the
    other `once` it is.
    """

    name: str
    values: tuple[Value, ...]
    needs: str = ""
    unless: str = ""
    once: str = ""

    def heeded(self, hyper: Mapping[str, Any]) -> bool:
        """Whether the values differ under these hyperparameters."""
        wanted = [name for name in (self.needs, self.once) if name]
        return all(hyper.get(name) for name in wanted) and not hyper.get(self.unless)


@dataclass(frozen=True, kw_only=True)
class Hyper:
    """A hyperparameter: its aliases in people's code, the value when nothing can be read, and values worth drawing."""

    name: str
    aliases: tuple[str, ...] = ()
    default: float | bool | None = None
    trials: tuple[Any, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Dialect:
    """A choice on every axis, or a slip that stands on none.

    `distinct` names what is not accepted or, in an accepted dialect, not the rule's own first choice; `ignored` are
    hyperparameters that it does not heed.
    """

    choices: Mapping[str, str]
    standing: str
    words: str
    make: Callable[[Mapping[str, Any]], Any]
    shared_clock: bool = False
    source: str = ""
    distinct: str = ""
    ignored: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Rule:
    """A named rule.

    Attributes:
        name: ``optimizer.adam``, say.
        aliases: Other names by which people ask for it.
        statement: The update in words and symbols.
        source: Author, year, equation.
        hypers: Its hyperparameters.
        axes: The conventions that its implementations differ in.
        build: (axis → value, flags) → recurrence: a `Recurrence`, or anything with its `follow`.
        implied: Flags that the name itself switches on (`amsgrad`), under their canonical names.
        legal: Which values may stand together.
        tuples: Arguments that hold several hyperparameters in a tuple → their names.
        decaying: Hyperparameters that move the parameters without a gradient.
        elementwise: Whether no entry of a parameter influences another.
        wants: What its implementations must be fed: "" (any gradients), "matrices", "sparse" (rows), "closure" (two
            gradients a step, the second where the first has led), or "iterates" (a function to minimise).
    """

    name: str
    statement: str
    source: str
    hypers: tuple[Hyper, ...]
    axes: tuple[Axis, ...]
    build: Callable[[Mapping[str, str], Mapping[str, Any]], Any]
    aliases: tuple[str, ...] = ()
    implied: Mapping[str, Any] = field(default_factory=dict)
    legal: Callable[[Mapping[str, Any]], bool] = lambda hyper: True
    tuples: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: {"betas": ("beta1", "beta2")})
    decaying: tuple[str, ...] = ("weight_decay",)
    elementwise: bool = True
    wants: str = ""

    def hyper(self, name: str) -> Hyper:
        """The hyperparameter of that canonical name; a KeyError when there is none."""
        return {one.name: one for one in self.hypers}[name]

    def canonical(self, raw: str) -> str | None:
        """The canonical name of an argument in somebody's code, or None."""
        for one in self.hypers:
            if raw == one.name:
                return one.name
        for one in self.hypers:
            if raw in one.aliases:
                return one.name
        return None

    def active(self, hyper: Mapping[str, Any]) -> tuple[Axis, ...]:
        """The axes whose values differ under these hyperparameters."""
        return tuple(axis for axis in self.axes if axis.heeded(hyper))

    def declared(self, words: Mapping[str, str]) -> dict[str, str]:
        """A declared dialect as axis → value.

        Raises:
            UsageError: There is no such axis or value.
        """
        found: dict[str, str] = {}
        for axis_name, word in words.items():
            axes = [one for one in self.axes if axis_name in ("", one.name)]
            if not axes:
                raise UsageError(
                    given=f"dialect axis {axis_name!r} of rule {self.name!r}",
                    expected="one of its axes",
                    do=nearest(axis_name, [one.name for one in self.axes]),
                )
            known = {v.name: a.name for a in axes for v in a.values if v.standing != "slip"}
            if word not in known:
                raise UsageError(
                    given=f"dialect {word!r} of rule {self.name!r}",
                    expected="a convention that stands under that name",
                    do=nearest(word, sorted(known)),
                )
            found[known[word]] = word
        return found

    def dialects(
        self, hyper: Mapping[str, Any], declared: Mapping[str, str], *, whole: bool = False
    ) -> Iterator[Dialect]:
        """The dialects that differ under these hyperparameters: accepted ones first, then one or (whole) more away.

        A declared value is accepted, and the others of its axis are then merely recognised.
        """
        axes = self.active(hyper)
        options: list[list[tuple[Axis, Value, str]]] = []
        for axis in axes:
            chosen = declared.get(axis.name)
            ranked = [(axis, v, _standing(v, chosen)) for v in axis.values]
            options.append(sorted(ranked, key=lambda one: one[2]))
        good = [[one for one in values if one[2] == "accepted"] for values in options]
        for combination in itertools.product(*good):
            yield self._dialect(combination, hyper)
        away = []
        for combination in itertools.product(*options):
            departures = sum(standing != "accepted" for _, _, standing in combination)
            if departures == 1 or (whole and departures > 1):
                away.append((departures, self._dialect(combination, hyper)))
        yield from (one for _, one in sorted(away, key=lambda pair: (pair[0], pair[1].standing)))

    def _dialect(self, combination: tuple[tuple[Axis, Value, str], ...], hyper: Mapping[str, Any]) -> Dialect:
        standings = [standing for _, _, standing in combination]
        worst = "slip" if "slip" in standings else "recognised" if "recognised" in standings else "accepted"
        choices = {axis.name: value.name for axis, value, _ in combination}
        away = [value for _, value, standing in combination if standing == "recognised"]
        strange = [v for _, v, standing in combination if standing != "accepted"]
        if not strange:
            strange = [v for axis, v, _ in combination if v is not axis.values[0]]
        return Dialect(
            choices=choices,
            standing=worst,
            words=", ".join(v.words for _, v, _ in combination if v.words),
            make=lambda flags: self.build(choices, {**hyper, **flags}),
            source="; ".join(v.source for v in away if v.source),
            distinct=", ".join(v.words for v in strange if v.words),
        )


def _standing(value: Value, chosen: str | None) -> str:
    if chosen is None:
        return value.standing
    if value.name == chosen:
        return "accepted"
    return "recognised" if value.standing == "accepted" else value.standing
