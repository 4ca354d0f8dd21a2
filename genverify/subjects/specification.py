"""What a named formula says of itself: arguments with their aliases, dialects, oracle and source.

A specification is declarative: a file of `genverify.formulas` makes one, and the mechanism that matches a stranger's
arguments, draws cases, finds the dialect and judges knows nothing of any particular formula.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import torch

from genverify.subjects.domains import Domain

__all__ = ["Argument", "Axis", "Dialect", "Form", "Layout", "Option", "Role", "Specification"]


class Role(StrEnum):
    """What an argument is to the formula."""

    VALUE = "value"
    DRAW = "draw"
    FUNCTION = "function"
    OPTION = "option"


def _same(value: Any) -> Any:  # noqa: ANN401
    return value


@dataclass(frozen=True, kw_only=True)
class Form:
    """One parametrisation of an argument, with the names that people give it.

    Attributes:
        name: For messages and explicit mappings, for example ``"log_variance"``.
        aliases: Usual argument names; case and underscores do not count.
        domain: The legal values in this parametrisation.
        canonical: This parametrisation → the one that the oracle takes; differentiable.
    """

    name: str
    aliases: tuple[str, ...]
    domain: Domain
    canonical: Callable[[Any], Any] = _same


@dataclass(frozen=True, kw_only=True)
class Argument:
    """One argument of a formula.

    Attributes:
        name: The oracle's name for it.
        forms: The parametrisations, the canonical one first.
        axes: Named axes, for example ``"batch latent"``; empty for a scalar.
        role: What it is to the formula.
        group: Arguments that are told apart by a suffix (``mu_q, mu_p``): "first", "second", or "".
        differentiable: Whether the gradient with respect to it is claimed.
        normwise: Whether roundings scale with its largest entry (a matrix that is factorised).
        default: The oracle's value when the subject has no such argument; REQUIRED when it must have one.
        law: For a draw, the law of its standardised value.
    """

    name: str
    forms: tuple[Form, ...]
    axes: str = ""
    role: Role = Role.VALUE
    group: str = ""
    differentiable: bool = True
    normwise: bool = False
    default: Any = ...
    law: str = ""


@dataclass(frozen=True, kw_only=True)
class Option:
    """One way in which a formula is written.

    Attributes:
        name: In words; empty for the unmarked way.
        keywords: What the oracle is told.
        accepted: Whether it is citable under the formula's very name.
        note: Where it is legitimate, or what the slip is.
    """

    name: str
    keywords: Mapping[str, Any] = field(default_factory=dict)
    accepted: bool = True
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Axis:
    """A direction in which dialects differ: a reduction over a named axis of the output, or an option of the oracle.

    Attributes:
        name: The output axis that is reduced, or a name for the choice.
        options: The ways there are; for a reduction their names are sum, mean and none.
        reduces: Whether it is a reduction.
    """

    name: str
    options: tuple[Option, ...]
    reduces: bool = False


@dataclass(frozen=True, kw_only=True)
class Dialect:
    """One choice on every axis."""

    choices: tuple[tuple[Axis, Option], ...] = ()

    @property
    def accepted(self) -> bool:
        """Whether every choice is citable under the formula's name."""
        return all(option.accepted for _, option in self.choices)

    @property
    def keywords(self) -> dict[str, Any]:
        """What the oracle is told."""
        return {k: v for axis, option in self.choices if not axis.reduces for k, v in option.keywords.items()}

    @property
    def reductions(self) -> dict[str, str]:
        """Output axis → sum, mean or none."""
        return {axis.name: option.name for axis, option in self.choices if axis.reduces}

    @property
    def note(self) -> str:
        """What is to be said of the choices that are not accepted."""
        return "; ".join(option.note for _, option in self.choices if option.note and not option.accepted)

    def __str__(self) -> str:
        """The choices in words."""
        words = []
        for axis, option in self.choices:
            if axis.reduces:
                words.append(f"{option.name} over {axis.name}" if option.name != "none" else f"per {axis.name}")
            elif option.name:
                words.append(option.name)
        return ", ".join(words) or "as written"

    def apply(self, terms: torch.Tensor, axes: tuple[str, ...]) -> torch.Tensor:
        """The reduction of this dialect over the named axes of a tensor; other dimensions stay."""
        for position in range(len(axes) - 1, -1, -1):
            how = self.reductions.get(axes[position], "none")
            if how == "sum":
                terms = terms.sum(position)
            elif how == "mean":
                terms = terms.mean(position)
        return terms


@dataclass(frozen=True, kw_only=True)
class Layout:
    """Which axes the arguments have: the whole formula, or without the batch, or with shared parameters.

    Attributes:
        name: In words.
        drop: Axes that no argument has.
        shared: Arguments that are given once for the whole batch.
    """

    name: str
    drop: tuple[str, ...] = ()
    shared: tuple[str, ...] = ()

    def axes(self, argument: Argument) -> tuple[str, ...]:
        """The axes of an argument in this layout."""
        gone = {*self.drop, *(("batch",) if argument.name in self.shared else ())}
        return tuple(axis for axis in argument.axes.split() if axis not in gone)


BATCHED = Layout(name="batched")
SINGLE = Layout(name="one sample at a time", drop=("batch",))


@dataclass(frozen=True, kw_only=True)
class Specification:
    """A named formula.

    Attributes:
        name: ``topic.formula``.
        statement: The formula in one line.
        source: Author, year, equation.
        arguments: In the order in which the field writes them.
        oracle: Canonical arguments by name (and the dialect's keywords) → additive terms: a tensor or a tuple of them,
            with the axes `output`; computed in float64.
        output: Named axes of the terms.
        outputs: Names of the results when there are several; the oracle then returns one entry for each.
        dialects: The axes along which legitimate ways of writing it differ.
        layouts: Tried in this order; a later one only when the subject raises on the earlier.
        operations: Roundings on the longest path from an input to an element of the terms.
        surrogate: Like `oracle`, for the gradient, where gradient and value are specified apart (straight-through, …).
        gradient: Whether gradients are claimed at all.
        sizes: The sizes that a named axis takes in cases; batch is 1 and more.
        constraint: Axis sizes → whether they are legal together.
        kinks: Whether the formula is differentiable only almost everywhere.
        derivation: Name of the claim that derives it; the spec that holds it is named in ``explain``.
        oracle_is_reference: The oracle is our reference itself, so the reference cannot be held against it.
    """

    name: str
    statement: str
    source: str
    arguments: tuple[Argument, ...]
    oracle: Callable[..., Any]
    output: str = "batch"
    outputs: tuple[str, ...] = ()
    dialects: tuple[Axis, ...] = ()
    layouts: tuple[Layout, ...] = (BATCHED, SINGLE)
    operations: int = 32
    surrogate: Callable[..., Any] | None = None
    gradient: bool = True
    sizes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    constraint: Callable[[Mapping[str, int]], bool] | None = None
    kinks: bool = False
    derivation: str = ""
    oracle_is_reference: bool = False

    @property
    def topic(self) -> str:
        """The part of the name before the first dot."""
        return self.name.partition(".")[0]

    def argument(self, name: str) -> Argument:
        """The argument of that name; a KeyError when there is none."""
        for argument in self.arguments:
            if argument.name == name:
                return argument
        raise KeyError(name)

    def all_dialects(self) -> list[Dialect]:
        """Every combination of choices, accepted ones first."""
        made = [Dialect()]
        for axis in self.dialects:
            made = [Dialect(choices=(*one.choices, (axis, option))) for one in made for option in axis.options]
        return sorted(made, key=lambda one: not one.accepted)

    def signature(self) -> str:
        """The arguments as text, each with its parametrisations."""
        parts = []
        for argument in self.arguments:
            forms = "|".join(form.name for form in argument.forms)
            axes = f"[{argument.axes.replace(' ', ', ')}]" if argument.axes else ""
            parts.append(f"{argument.name}{axes}" + (f" as {forms}" if forms != argument.name else ""))
        return ", ".join(parts)
