"""A function, method, callable object or module that computes a named formula."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import torch

from genverify.subjects.subject import Subject

if TYPE_CHECKING:
    from genverify.subjects.specification import Argument, Form, Layout, Specification

__all__ = ["Bound", "Formula", "Match"]


@dataclass(frozen=True, kw_only=True)
class Bound:
    """One parameter of the subject, matched to an argument of the formula.

    Attributes:
        parameter: The subject's own name for it.
        argument: What it is to the formula.
        form: The parametrisation that its name fixes.
        constructor: Whether it is a parameter of the class and not of the call.
        keyword: Whether it is passed by name.
        default: The subject's own default, `...` when it has none.
    """

    parameter: str
    argument: Argument
    form: Form
    constructor: bool = False
    keyword: bool = True
    default: Any = ...


@dataclass(frozen=True, kw_only=True)
class Match:
    """How the subject's parameters were understood.

    Attributes:
        bound: The matched parameters in the subject's order.
        left: Parameters that keep the subject's own default, with that default.
        inside: Draws of the formula that the subject makes itself.
    """

    bound: tuple[Bound, ...]
    left: tuple[tuple[str, Any], ...] = ()
    inside: tuple[Argument, ...] = ()

    def __str__(self) -> str:
        """What was matched, for a verdict."""
        words = []
        for one in self.bound:
            as_form = "" if one.form.name == one.argument.name else f" as {one.form.name}"
            words.append(f"{one.parameter} → {one.argument.name}{as_form}")
        words += [f"{name} left at {value!r}" for name, value in self.left]
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
        output: The result → the tensor (or tuple) that the formula is about.
        in_place: Parameters that the subject is meant to overwrite.
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
    specification: Specification | None = field(default=None, kw_only=True, repr=False)
    match: Match | None = field(default=None, kw_only=True, repr=False)
    memory: dict[str, Any] = field(default_factory=dict, kw_only=True, repr=False, compare=False)

    def layouts(self) -> tuple[Layout, ...]:
        """The layouts that may be tried."""
        assert self.specification is not None
        return tuple(one for one in self.specification.layouts if not self.layout or one.name == self.layout)
