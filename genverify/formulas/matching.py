"""Which of a stranger's parameters is which argument of a formula: by name and alias, or as they say themselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from genverify.errors import UsageError, nearest
from genverify.formulas.pairing import Meaning, by_names
from genverify.formulas.parameters import Parameter, Taken, taken_by
from genverify.formulas.possessions import exemplar, with_anatomy, with_fixed, with_held, with_kept, with_tables
from genverify.subjects.formula import Bound, Match, Place
from genverify.subjects.specification import Role, Specification

__all__ = ["match"]


def match(
    f: object,
    specification: Specification,
    arguments: Mapping[str, str] | Sequence[str] | None,
    fixed: Mapping[str, Any],
    options: Sequence[str] = (),
    *,
    held: bool = False,
    mode: str = "",
) -> Match:
    """The subject's parameters matched to the formula's arguments.

    What `options` names gets its values elsewhere; with `held`, what a subject has for good (the tensors of a module,
    its stride) may stand for arguments, too; `mode` is that in which a module will be called.

    Raises:
        UsageError: A parameter is not understood, two mean the same, or the formula lacks one; the message says which.
    """
    taken = taken_by(f, {**fixed, **dict.fromkeys(options)})
    if taken is not None and not held:
        taken = replace(taken, held=())
    if isinstance(arguments, str):
        arguments = (arguments,)
    if isinstance(arguments, Mapping):
        explicit, taken = _mapped(arguments, specification, taken)
    elif arguments is not None:
        explicit, taken = _in_order(arguments, specification, taken)
    else:
        explicit = {}
    if taken is None:
        raise UsageError(
            given="a callable whose parameters Python cannot list", expected="a signature",
            do="pass arguments=(…) in positional order: " + specification.signature(),
        )  # fmt: skip
    rest = [one.name for one in taken.parameters if one.name not in explicit]
    claimed = {argument.name for argument, _ in explicit.values()}
    numbers = [one.name for one in taken.parameters if type(one.default) in (int, float)]
    named = by_names(rest, specification, numbers=numbers)
    read = {name: one for name, one in named.items() if one[0].name not in claimed}
    flags = {
        one.name for one in taken.parameters
        if one.place is Place.CONSTRUCTOR and isinstance(one.default, bool)
        and one.name in read and read[one.name][0].role is Role.VALUE
    }  # fmt: skip
    # Whether there is a bias, and not the bias itself: such a flag keeps its default.
    taken = replace(taken, parameters=tuple(one for one in taken.parameters if one.name not in flags))
    meant = {**{name: one for name, one in read.items() if name not in flags}, **explicit}
    if not held:
        return _assemble(taken, meant, specification)
    everything = taken_by(f, {})
    own = {one.name for one in everything.parameters} if everything is not None else set(fixed)
    taken = with_fixed(taken, meant, specification, fixed, own)
    instance = exemplar(f, taken, meant, specification, fixed)
    taken = with_anatomy(taken, meant, specification, instance, f, mode)
    taken = with_held(taken, meant, specification, instance)
    taken = with_kept(taken, meant, specification, f)
    taken = with_tables(taken, meant, f)
    return _assemble(taken, meant, specification)


def _mapped(
    arguments: Mapping[str, str], specification: Specification, taken: Taken | None
) -> tuple[dict[str, Meaning], Taken]:
    """The meanings that the user states by name; names that only the user knows are taken at their word."""
    explicit = {name: _named(word, specification) for name, word in arguments.items()}
    taken = taken or Taken(parameters=(), open=True)
    known = {one.name for one in taken.parameters}
    added = []
    for name in explicit:
        if name in known:
            continue
        if name not in taken.held and not taken.open:
            raise UsageError(
                given=f"a mapping for parameter {name!r}", expected="a parameter of the subject",
                do=nearest(name, [*known, *taken.held]),
            )  # fmt: skip
        added.append(Parameter(name=name, place=Place.HELD if name in taken.held else Place.CALL))
    return explicit, replace(taken, parameters=(*taken.parameters, *added))


def _in_order(
    arguments: Sequence[str], specification: Specification, taken: Taken | None
) -> tuple[dict[str, Meaning], Taken]:
    """The meanings that the user states in positional order, whether or not Python knows the names."""
    roles = [_named(word, specification) for word in arguments]
    if taken is None or len(taken.parameters) < len(roles):
        if taken is not None and not taken.variadic:
            names = ", ".join(one.name for one in taken.parameters)
            raise UsageError(
                given=f"{len(roles)} arguments in positional order", do="leave out those that it does not take",
                expected=f"at most the {len(taken.parameters)} parameters of the subject ({names})",
            )  # fmt: skip
        unnamed = tuple(Parameter(name=f"#{i}", keyword=False) for i in range(len(roles)))
        taken = Taken(parameters=unnamed, order=tuple(one.name for one in unnamed))
    return {one.name: role for one, role in zip(taken.parameters, roles, strict=False)}, taken


def _named(word: str, specification: Specification) -> Meaning:
    """The argument or parametrisation that an explicit mapping names: argument, form, or argument:form."""
    known: list[str] = []
    found: list[Meaning] = []
    for argument in specification.arguments:
        known.append(argument.name)
        if word == argument.name:
            return argument, argument.forms[0]
        for form in argument.forms:
            known += [f"{argument.name}:{form.name}", form.name]
            if word == f"{argument.name}:{form.name}":
                return argument, form
            if word == form.name:
                found.append((argument, form))
    if len(found) == 1:
        return found[0]
    written = [f"{argument.name}:{form.name}" for argument, form in found]
    raise UsageError(
        given=f"argument {word!r} for {specification.name}" + (", which has several such" if found else ""),
        expected=f"one of its arguments ({specification.signature()})",
        do=f"say which: {' or '.join(written)}" if found else nearest(word, dict.fromkeys(known)),
    )


def _assemble(taken: Taken, meant: dict[str, Meaning], specification: Specification) -> Match:
    bound: list[Bound] = []
    left: list[tuple[str, Any]] = []
    owner: dict[str, str] = {}
    for one in taken.parameters:
        if one.name not in meant:
            if one.default is ...:
                raise UsageError(
                    given=f"parameter {one.name!r}, which is no argument of {specification.name}",
                    expected=f"its arguments or their aliases: {specification.signature()}",
                    do=f"say what it is: arguments={{{one.name!r}: …}}, or pass fixed={{{one.name!r}: value}}",
                )
            left.append((one.name, one.default))
            continue
        argument, form = meant[one.name]
        if argument.name in owner:
            raise UsageError(
                given=f"parameters {owner[argument.name]!r} and {one.name!r}, which both look like {argument.name}",
                expected=f"one parameter for each argument of {specification.name}",
                do=f"say which is which: arguments={{{one.name!r}: …}}",
            )
        owner[argument.name] = one.name
        bound.append(
            Bound(
                parameter=one.name, argument=argument, form=form, place=one.place, keyword=one.keyword,
                default=one.default,
            )
        )  # fmt: skip
    inside = _not_passed(taken, owner, specification)
    return Match(
        bound=tuple(bound), left=tuple(left), inside=inside, order=taken.order, either=bool(specification.drawn)
    )  # fmt: skip


def _not_passed(taken: Taken, owner: dict[str, str], specification: Specification) -> tuple[Any, ...]:
    """The draws that the subject makes itself; everything else that the formula needs must be among the parameters."""
    missing = [a for a in specification.arguments if a.name not in owner and a.default is ...]
    absent = [a for a in missing if a.role not in (Role.DRAW, Role.SIZE, Role.MODE)]
    if absent and absent[0].role is Role.FUNCTION:
        name, rest = absent[0].name, ", ".join(one.name for one in taken.parameters)
        raise UsageError(
            given=f"parameters {rest or '(none)'}, and no {name}",
            expected=f"a parameter for the {name}, since {specification.name} is judged on functions that genverify "
            f"makes: {specification.signature()}",
            do=f"where the subject has its own, let it be given: Formula(lambda {name}, {rest}: …), which puts it in "
            f"place; where it goes by another name, arguments={{…: {name!r}}}",
        )  # fmt: skip
    if absent:
        raise UsageError(
            given=f"parameters {', '.join(one.name for one in taken.parameters) or '(none)'}",
            expected=f"the arguments of {specification.name}: {specification.signature()}",
            do=f"say which parameter is {absent[0].name}: arguments={{…: {absent[0].name!r}}}",
        )
    return tuple(a for a in missing if a.role is Role.DRAW)
