"""A function, method, callable object or module that computes a named formula."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import product
from typing import TYPE_CHECKING, Any, ClassVar

import torch

from genverify.subjects.subject import Subject

if TYPE_CHECKING:
    from genverify.subjects.specification import Argument, Form, Layout, Specification

__all__ = ["Bound", "Formula", "Match", "Place"]


class Place(StrEnum):
    """Where an argument is given: in the call, when the subject is made, or as a tensor that the module holds.

    What is KEPT is not given at all: a value that the subject has for good, such as a stride, and tells.
    """

    CALL = "call"
    CONSTRUCTOR = "constructor"
    HELD = "held"
    KEPT = "kept"


@dataclass(frozen=True, kw_only=True)
class Bound:
    """One parameter of the subject, matched to an argument of the formula.

    Attributes:
        parameter: The subject's own name for it.
        argument: What it is to the formula.
        form: The parametrisation that its name fixes.
        place: Where it is given.
        keyword: Whether it may be passed by name.
        default: The subject's own default, `...` when it has none; of what is kept, the value.
    """

    parameter: str
    argument: Argument
    form: Form
    place: Place = Place.CALL
    keyword: bool = True
    default: Any = ...

    @property
    def description(self) -> str:
        """The parameter as it was understood, for example ``logvar → std as log_variance``."""
        as_form = f" as {self.form.name}" if len(self.argument.forms) > 1 else ""
        where = "" if self.place is Place.CALL else f" ({self.place})"
        return f"{self.parameter} → {self.argument.name}{as_form}{where}"


@dataclass(frozen=True, kw_only=True)
class Match:
    """How the subject's parameters were understood.

    Attributes:
        bound: The matched parameters in the subject's order.
        left: Parameters that keep the subject's own default, with that default.
        inside: Draws of the formula that the subject makes itself.
        order: The names that the call takes by position, in order; fixed ones and options among them.
        either: Whether the subject makes some of these draws, and not all.
    """

    bound: tuple[Bound, ...]
    left: tuple[tuple[str, Any], ...] = ()
    inside: tuple[Argument, ...] = ()
    order: tuple[str, ...] = ()
    either: bool = False

    def __str__(self) -> str:
        """What was matched, for a verdict."""
        words = [one.description for one in self.bound]
        words += [f"{name} left at {value!r}" for name, value in self.left]
        if self.either and self.inside:
            words.append(f"drawn inside: {' or '.join(one.name for one in self.inside if one.law)}")
        else:
            words += [f"{one.name} drawn inside" for one in self.inside]
        return ", ".join(words)


@dataclass(frozen=True)
class Formula(Subject):
    """An implementation of a named formula of the catalogue.

    Args:
        f: A function, method, callable object, module, or a class whose instances are callable.
        like: The formula's name, for example ``"kl.diagonal_to_standard_normal"``; see ``genverify list formulas``.
        arguments: The subject's parameter → the formula's argument or parametrisation (``{"s": "log_variance"}``), or
            the sequence of these in positional order; by default parameters are matched by name and alias.
        fixed: Parameter → value that every call passes.
        dialect: Words that the accepted or recognised dialect must contain (``"mean over batch"``); by default found.
        layout: The layout it is claimed for; by default the first that the subject takes.
        dtype: The only dtype it is claimed for.
        output: Which of several results the formula is about: a place, a name, or a function of the result to the
            tensor (or tuple); by default found.
        in_place: Parameters that the subject is meant to overwrite; the result when it returns nothing.
        options: Parameter → values, the subject's own default first; every combination is verified.
        shapes: Parameter (or ``"return"``) → the axes in which the subject takes it, where they are not the formula's:
            reordered, with axes of size ``one``, or with new axes that together make the one axis left out
            (``{"pred": "batch one", "x": "batch channel height width"}``).
        accuracy: The error that the subject itself states for its values, relative where they exceed one; the gradient
            is then not judged.
        ulps: The error that the subject states for its values in units of the last place, over its dtype's whole range.
        order: The order in its step to which the subject approximates the formula.
        mode: Puts a module in "train" or "eval" mode for the call.
        default_dtype: torch's default dtype during the call.
        undecided: Options of dialects, by name, that its calling convention leaves open, and that are accepted of it:
            whether the first call of an object gives the first value or the second, say. Adapters know.
    """

    kind: ClassVar[str] = "formula"
    catalogue: ClassVar[str] = "catalogue"

    like: str = field(default="", kw_only=True)
    arguments: Mapping[str, str] | Sequence[str] | None = field(default=None, kw_only=True)
    fixed: Mapping[str, Any] = field(default_factory=dict, kw_only=True)
    dialect: str = field(default="", kw_only=True)
    layout: str = field(default="", kw_only=True)
    dtype: torch.dtype | None = field(default=None, kw_only=True)
    output: Any = field(default=None, kw_only=True)
    in_place: tuple[str, ...] = field(default=(), kw_only=True)
    options: Mapping[str, Sequence[Any]] = field(default_factory=dict, kw_only=True)
    shapes: Mapping[str, str] = field(default_factory=dict, kw_only=True)
    accuracy: float | None = field(default=None, kw_only=True)
    ulps: float | None = field(default=None, kw_only=True)
    order: int | None = field(default=None, kw_only=True)
    mode: str = field(default="", kw_only=True)
    default_dtype: torch.dtype | None = field(default=None, kw_only=True)
    undecided: tuple[str, ...] = field(default=(), kw_only=True, repr=False)
    specification: Specification | None = field(default=None, kw_only=True, repr=False)
    match: Match | None = field(default=None, kw_only=True, repr=False)
    memory: dict[str, Any] = field(default_factory=dict, kw_only=True, repr=False, compare=False)

    def layouts(self) -> tuple[Layout, ...]:
        """The layouts that may be tried."""
        assert self.specification is not None
        return tuple(one for one in self.specification.layouts if not self.layout or one.name == self.layout)

    def combinations(self) -> list[dict[str, Any]]:
        """Every combination of the declared options, the first values first.

        >>> Formula(abs, options={"reduction": ("sum", "mean"), "full": (False,)}).combinations()
        [{'reduction': 'sum', 'full': False}, {'reduction': 'mean', 'full': False}]
        """
        return [dict(zip(self.options, chosen, strict=True)) for chosen in product(*self.options.values())]
