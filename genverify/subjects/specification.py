"""What a named formula says of itself: arguments with their aliases, dialects, oracle and source.

A specification is declarative: a file of `genverify.formulas` makes one, and the mechanism that matches a stranger's
arguments, draws cases, finds the dialect and judges knows nothing of any particular formula.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from genverify.subjects.dialect import Axis, Dialect, Option
from genverify.subjects.domains import Domain

__all__ = [
    "BATCHED",
    "CALL",
    "SINGLE",
    "Argument",
    "Axis",
    "Constraint",
    "Dialect",
    "Form",
    "Layout",
    "Option",
    "Role",
    "Specification",
]

# The axis over which a subject with a state is called one slice after the other.
CALL = "call"


class Role(StrEnum):
    """What an argument is to the formula.

    A SIZE is the size of the axis that it names, for constructors such as ``Linear(in_features, out_features)``; a STEP
    is the small number of an approximation, which the oracle, being the limit, does not take; a MODE is the word
    "train" or "eval" for each call along the axis ``call``, which the oracle is told and a module is put in.
    """

    VALUE = "value"
    DRAW = "draw"
    FUNCTION = "function"
    OPTION = "option"
    SIZE = "size"
    STEP = "step"
    MODE = "mode"


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
        without: Axes of the argument that a value in this parametrisation does not have: an index of a class stands
            for a row of as many numbers as there are classes.
        by_name: Whether a parameter called like the form itself may mean it, and not only one called like an alias.
        otherwise: The form in which the value is given to a subject that raises on all of this one: flags of type bool,
            where numbers of 0 and 1 are no index.
    """

    name: str
    aliases: tuple[str, ...]
    domain: Domain
    canonical: Callable[[Any], Any] = _same
    without: tuple[str, ...] = ()
    by_name: bool = True
    otherwise: str = ""


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
        laws: For a draw, the other laws by which a subject may make it → the map from their standardised values: a
            Gumbel number comes from a uniform or from an exponential one.
        in_grad: The value is a gradient: the subject is given a parameter (or a list of them) that has it in `.grad`,
            and what it leaves there is the result.
        of_instance: Every instance of a class draws its own: then an instance has to be declared, and not its class.
        follows: Another argument, and what this one is where that one is known in its canonical form: who is given both
            as whole tables is given tables that belong together, and who has both needs to be asked for one.
        narrowly: The canonical parametrisation, by name, in which a table that a subject has in single
            precision is told: that of which it may have a rounded copy, whose rounding is then allowed for.
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
    laws: Mapping[str, Callable[[Any], Any]] = field(default_factory=dict, hash=False)
    in_grad: bool = False
    of_instance: bool = False
    follows: tuple[str, Callable[[Any], Any]] | None = field(default=None, hash=False)
    narrowly: str = ""


@dataclass(frozen=True, kw_only=True)
class Layout:
    """Which axes the arguments have: the whole formula, or without the batch, or with shared parameters.

    Attributes:
        name: In words.
        drop: Axes that no argument has.
        shared: Arguments that are given once for the whole batch.
        shapes: Argument (or ``"return"``) → the axes in which the subject takes it, as in `Formula.shapes`: a weight
            that is kept as [in, out], say. Tried when an earlier layout is refused or gives other values.
        instead: Arguments → the axes that they have in this layout instead of their own, where these are of other
            sizes: values at one state more than there are rewards, say. The oracle sees them so.
        needs: Arguments that the call must be given for this layout to be tried.
        last_resort: Whether it is tried only where the subject raises in every earlier one: a layout that is large.
        first_with_number: Whether it is tried before all others where the subject's own default of a shared argument is
            a plain number: a noise level ``sigma=0.5`` is one for the whole batch.
    """

    name: str
    drop: tuple[str, ...] = ()
    shared: tuple[str, ...] = ()
    shapes: Mapping[str, str] = field(default_factory=dict)
    instead: Mapping[str, str] = field(default_factory=dict)
    needs: tuple[str, ...] = ()
    last_resort: bool = False
    first_with_number: bool = False

    def axes(self, argument: Argument) -> tuple[str, ...]:
        """The axes of an argument in this layout."""
        gone = {*self.drop, *(("batch",) if argument.name in self.shared else ())}
        own = self.instead.get(argument.name, argument.axes)
        return tuple(axis for axis in own.split() if axis not in gone)


@dataclass(frozen=True, kw_only=True)
class Constraint:
    """What must hold between arguments, each legal by itself.

    Attributes:
        statement: In words, for example ``"s < t"``.
        holds: The arguments by name, in the subject's parametrisation (a default where it has none) → whether it holds.
    """

    statement: str
    holds: Callable[[Mapping[str, Any]], bool]


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
        labels: The words in which a result is given, synonyms together; the oracle's value is the place of a word here.
        dialects: The axes along which legitimate ways of writing it differ.
        layouts: Tried in this order; a later one only when the subject raises on the earlier.
        operations: Roundings on the longest path from an input to an element of the terms.
        surrogate: Like `oracle`, for the gradient, where gradient and value are specified apart (straight-through, …).
        gradient: Whether gradients are claimed at all.
        trains: Whether it is there to be differentiated, as a loss or a penalty is: a result without any gradient is
            then as wrong as one with a wrong gradient, and not a value that somebody looks at.
        gradient_at_extremes: Whether they are claimed to be finite up to the extremes of the domain.
        sizes: The sizes that a named axis takes in cases; batch is 1 and more.
        constraint: Axis sizes → whether they are legal together.
        constraints: What must hold between the values of several arguments.
        settle: (Axis sizes as drawn, options and sizes that the subject is given, by name, under ``given`` the names of
            all its arguments and under ``held`` of those that it has for good) → the sizes that are legal with these:
            channels for a number of groups, an image that is not smaller than the kernel.
        reach: (What a function has for good, by argument name) → argument to the domain in which it is then drawn: the
            steps of a schedule go as far as its own number of them.
        anatomy: (Module, whether it trains) → argument to the dotted path of the tensor that stands for it, or to its
            value: for blocks that are made of layers, whose names say nothing.
        modes: For a module that is called slice by slice along the axis ``call``: the mode ("train" or "eval") of each
            call, the last one for the last call, the first for all that are left over; empty to leave its mode alone,
            or where an argument of the role MODE has them in any order.
        kinks: Whether the formula is differentiable only almost everywhere.
        measured: Whether the rounding allowance is measured on the oracle as it runs, and not bounded from its terms:
            in a chain of layers roundings arise between the arguments and the result as well.
        derivation: Name of the claim that derives it; the spec that holds it is named in ``explain``.
        oracle_is_reference: The oracle is our reference itself, so the reference cannot be held against it.
        invariant: (One result of the subject, the canonical arguments by name) → the quantity that all right results
            have in common, and that the oracle computes, where the result itself is not determined: of an index among
            equally near codes the distance, of a direction that is so up to its sign the projector. None for what
            cannot be a result. Gradients are then not claimed.
        namesakes: Formulas that go by the same name in the field, tried where the values follow no dialect of this one:
            the focal loss of a sigmoid, and that of a softmax.
        drawn: The sets of draws of which a subject makes (or is given) one, where there are several ways to draw what
            the formula needs; a draw that is in none of them is always made. The oracle is given None for the others.
        exact: The arguments of one element (of one row, as a list, where there is an axis "class"), by place → the
            value in mpmath, to more digits than float64 has, before any reduction; None where there is no such form.
    """

    name: str
    statement: str
    source: str
    arguments: tuple[Argument, ...]
    oracle: Callable[..., Any]
    output: str = "batch"
    outputs: tuple[str, ...] = ()
    labels: tuple[tuple[str, ...], ...] = ()
    dialects: tuple[Axis, ...] = ()
    layouts: tuple[Layout, ...] = (BATCHED, SINGLE)
    operations: int = 32
    surrogate: Callable[..., Any] | None = None
    gradient: bool = True
    trains: bool = False
    gradient_at_extremes: bool = False
    sizes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    constraint: Callable[[Mapping[str, int]], bool] | None = None
    constraints: tuple[Constraint, ...] = ()
    settle: Callable[[Mapping[str, int], Mapping[str, Any]], Mapping[str, int]] | None = None
    reach: Callable[[Mapping[str, Any]], Mapping[str, Domain]] | None = None
    anatomy: Callable[[Any, bool], Mapping[str, Any]] | None = None
    modes: tuple[str, ...] = ()
    kinks: bool = False
    measured: bool = False
    derivation: str = ""
    oracle_is_reference: bool = False
    invariant: Callable[..., Any] | None = None
    namesakes: tuple[str, ...] = ()
    drawn: tuple[tuple[str, ...], ...] = ()
    exact: Callable[..., Any] | None = None

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
            parts.append(f"{argument.name}{axes}" + (f" as {forms}" if len(argument.forms) > 1 else ""))
        return ", ".join(parts)
