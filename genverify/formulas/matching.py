"""Which of a stranger's parameters is which argument of a formula: by name and alias, or as they say themselves."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import nn

from genverify.errors import UsageError, nearest
from genverify.subjects.formula import Bound, Match
from genverify.subjects.specification import Argument, Form, Role, Specification

__all__ = ["match"]

# Suffixes that tell the first argument of a pair from the second, whatever the order of the parameters.
_ORDER = {
    "": 0, "0": 1, "1": 2, "2": 3, "a": 1, "b": 2, "post": 1, "posterior": 1, "prior": 9, "x": 1, "y": 2,
    "approx": 1, "true": 2, "source": 1, "target": 2, "first": 1, "second": 2, "from": 1, "to": 2,
}  # fmt: skip
# KL(q‖p) and KL(p‖q) are both written; of these two the one that is named first is meant to be the first.
_BY_APPEARANCE = {"p", "q"}


@dataclass(frozen=True)
class _Parameter:
    name: str
    default: Any
    keyword: bool
    constructor: bool


def _plain(name: str) -> str:
    return name.replace("_", "")


def _parameters(f: object, fixed: Mapping[str, Any]) -> list[_Parameter] | None:
    """The parameters of the call (and of the class, for a class); None when Python cannot say."""
    stages: list[tuple[Any, bool]] = [(f, False)]
    if inspect.isclass(f):
        call = f.forward if issubclass(f, nn.Module) else getattr(f, "__call__", None)  # noqa: B004
        stages = [(f, True), (call, False)]
    elif isinstance(f, nn.Module):
        stages = [(f.forward, False)]
    found: list[_Parameter] = []
    for stage, constructor in stages:
        try:
            signature = inspect.signature(stage)
        except (TypeError, ValueError):
            return None
        names = list(signature.parameters.values())
        if inspect.isclass(f) and not constructor:
            names = names[1:]  # self
        for one in names:
            if one.kind in (one.VAR_POSITIONAL, one.VAR_KEYWORD) or one.name in fixed:
                continue
            default = ... if one.default is one.empty else one.default
            found.append(_Parameter(one.name, default, one.kind is not one.POSITIONAL_ONLY, constructor))
    return found


def _candidates(parameter: str, specification: Specification) -> list[tuple[Argument, Form, str | None]]:
    """(argument, form, suffix) for everything that the name may mean; the suffix is None outside pairs."""
    exact, loose = [], []
    for argument in specification.arguments:
        for form in argument.forms:
            for alias in (form.name, *form.aliases):
                for found, wanted, name in ((exact, alias, parameter), (loose, alias.lower(), parameter.lower())):
                    plain, target = _plain(name), _plain(wanted).removeprefix("=")
                    if not argument.group or wanted.startswith("="):
                        if plain == target:
                            found.append((argument, form, None))
                        continue
                    if plain.startswith(target) and _is_suffix(plain[len(target) :]):
                        found.append((argument, form, plain[len(target) :]))
                    elif plain.endswith(target) and _is_suffix(plain[: -len(target)]):
                        found.append((argument, form, plain[: -len(target)]))
    return list(dict.fromkeys(exact)) or list(dict.fromkeys(loose))


def _is_suffix(text: str) -> bool:
    return text.lower() in _ORDER or text.lower() in _BY_APPEARANCE


def _by_names(parameters: list[_Parameter], specification: Specification) -> dict[str, tuple[Argument, Form]]:
    options = {one.name: _candidates(one.name, specification) for one in parameters}
    suffixes = list(
        dict.fromkeys(suffix.lower() for one in parameters for _, _, suffix in options[one.name] if suffix is not None)
    )
    second = _second(suffixes)
    found: dict[str, tuple[Argument, Form]] = {}
    for name, candidates in options.items():
        kept = []
        for argument, form, suffix in candidates:
            if suffix is not None and len(suffixes) > 1:
                if (argument.group == "second") != (suffix.lower() == second):
                    continue
            elif suffix is not None and argument.group == "second":
                continue
            kept.append((argument, form))
        if kept:
            found[name] = kept[0]
    return found


def _second(suffixes: list[str]) -> str | None:
    """Of the two suffixes that were met, the one of the second argument of a pair."""
    if len(suffixes) < 2:
        return None
    pair = suffixes[:2]
    if set(pair) == _BY_APPEARANCE:
        return pair[1]
    ranks = [_ORDER.get(one, 5) for one in pair]
    return pair[1] if ranks[0] <= ranks[1] else pair[0]


def _named(word: str, specification: Specification) -> tuple[Argument, Form]:
    """The argument or parametrisation that an explicit mapping names: argument, form, or argument:form."""
    head, _, tail = word.partition(":")
    known = []
    for argument in specification.arguments:
        for form in argument.forms:
            known += [argument.name, f"{argument.name}:{form.name}", form.name]
            if word in (f"{argument.name}:{form.name}", form.name) or (word == argument.name and not tail):
                unique = word != form.name or head == argument.name or _unique(word, specification)
                if unique:
                    return argument, form
    raise UsageError(
        given=f"argument {word!r} for {specification.name}",
        expected=f"one of its arguments ({specification.signature()})", do=nearest(word, dict.fromkeys(known)),
    )  # fmt: skip


def _unique(form_name: str, specification: Specification) -> bool:
    return sum(form.name == form_name for a in specification.arguments for form in a.forms) == 1


def match(
    f: object,
    specification: Specification,
    arguments: Mapping[str, str] | Sequence[str] | None,
    fixed: Mapping[str, Any],
) -> Match:
    """The subject's parameters matched to the formula's arguments.

    Raises:
        UsageError: A parameter is not understood, two mean the same, or the formula lacks one; the message says which.
    """
    parameters = _parameters(f, fixed)
    explicit: dict[str, tuple[Argument, Form]] = {}
    if isinstance(arguments, Mapping):
        explicit = {name: _named(word, specification) for name, word in arguments.items()}
        if parameters is None:
            parameters = [_Parameter(name, ..., True, False) for name in arguments]
        unknown = [name for name in explicit if name not in {one.name for one in parameters}]
        if unknown:
            raise UsageError(
                given=f"a mapping for parameter {unknown[0]!r}", expected="a parameter of the subject",
                do=nearest(unknown[0], [one.name for one in parameters]),
            )  # fmt: skip
    elif arguments is not None:
        roles = [_named(word, specification) for word in arguments]
        if parameters is None or len(parameters) < len(roles):
            parameters = [_Parameter(f"#{i}", ..., False, False) for i in range(len(roles))]
        explicit = {one.name: role for one, role in zip(parameters, roles, strict=False)}
    if parameters is None:
        raise UsageError(
            given="a callable whose parameters Python cannot list", expected="a signature",
            do="pass arguments=(…) in positional order: " + specification.signature(),
        )  # fmt: skip
    rest = [one for one in parameters if one.name not in explicit]
    meant = {**_by_names(rest, specification), **explicit}
    return _assemble(parameters, meant, specification)


def _assemble(
    parameters: list[_Parameter], meant: dict[str, tuple[Argument, Form]], specification: Specification
) -> Match:
    bound: list[Bound] = []
    left: list[tuple[str, Any]] = []
    taken: dict[str, str] = {}
    for one in parameters:
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
        if argument.name in taken:
            raise UsageError(
                given=f"parameters {taken[argument.name]!r} and {one.name!r}, which both look like {argument.name}",
                expected=f"one parameter for each argument of {specification.name}",
                do=f"say which is which: arguments={{{one.name!r}: …}}",
            )
        taken[argument.name] = one.name
        bound.append(
            Bound(
                parameter=one.name, argument=argument, form=form, constructor=one.constructor, keyword=one.keyword,
                default=one.default,
            )
        )  # fmt: skip
    missing = [a for a in specification.arguments if a.name not in taken and a.default is ...]
    inside = tuple(a for a in missing if a.role is Role.DRAW)
    absent = [a for a in missing if a.role is not Role.DRAW]
    if absent:
        raise UsageError(
            given=f"parameters {', '.join(one.name for one in parameters) or '(none)'}",
            expected=f"the arguments of {specification.name}: {specification.signature()}",
            do=f"say which parameter is {absent[0].name}: arguments={{…: {absent[0].name!r}}}",
        )
    return Match(bound=tuple(bound), left=tuple(left), inside=inside)
