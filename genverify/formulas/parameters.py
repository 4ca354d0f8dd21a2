"""What a stranger's callable takes: the parameters of its call, of its constructor, and the tensors that it holds."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import nn

from genverify.subjects.calling import entry_of
from genverify.subjects.formula import Place

__all__ = ["Parameter", "Taken", "taken_by"]


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """One thing that the subject can be given.

    Attributes:
        name: Its own name for it.
        default: Its own default, `...` when it has none.
        keyword: Whether it may be passed by name.
        place: Where it is given.
    """

    name: str
    default: Any = ...
    keyword: bool = True
    place: Place = Place.CALL


@dataclass(frozen=True, kw_only=True)
class Taken:
    """Everything that the subject can be given.

    Attributes:
        parameters: Of constructor and call, in their order.
        order: The names of the call that may be passed by position, in order; `fixed` ones are among them.
        open: Whether the call takes any further keyword.
        variadic: Whether the call takes any further positional argument.
        held: Parameters and buffers of a module, by dotted path.
    """

    parameters: tuple[Parameter, ...]
    order: tuple[str, ...] = ()
    open: bool = False
    variadic: bool = False
    held: tuple[str, ...] = ()


def taken_by(f: object, fixed: Mapping[str, Any]) -> Taken | None:
    """What the subject can be given, apart from what is fixed; None when Python cannot say."""
    stages: list[tuple[Any, Place]] = [(f, Place.CALL)]
    held: tuple[str, ...] = ()
    if inspect.isclass(f):
        stages = [(f, Place.CONSTRUCTOR), (entry_of(f), Place.CALL)]
    elif isinstance(f, nn.Module):
        stages = [(entry_of(f), Place.CALL)]
        held = tuple(name for name, _ in (*f.named_parameters(), *f.named_buffers()))
    found: list[Parameter] = []
    order: list[str] = []
    loose = variadic = False
    for stage, place in stages:
        listed = _listed(stage)
        if listed is None:
            return None
        if inspect.isclass(f) and place is Place.CALL:
            listed = listed[1:]  # self
        for one in listed:
            if one.kind is one.VAR_POSITIONAL:
                variadic = variadic or place is Place.CALL
                continue
            if one.kind is one.VAR_KEYWORD:
                loose = loose or place is Place.CALL
                continue
            if place is Place.CALL and one.kind is not one.KEYWORD_ONLY:
                order.append(one.name)
            if one.name in fixed:
                continue
            default = ... if one.default is one.empty else one.default
            keyword = one.kind is not one.POSITIONAL_ONLY
            found.append(Parameter(name=one.name, default=default, keyword=keyword, place=place))
    return Taken(parameters=tuple(found), order=tuple(order), open=loose, variadic=variadic, held=held)


def _listed(stage: Any) -> list[inspect.Parameter] | None:  # noqa: ANN401 - any callable
    schema = getattr(stage, "schema", None)  # a function or method that TorchScript compiled
    if schema is not None and hasattr(schema, "arguments"):
        return [
            inspect.Parameter(
                one.name, inspect.Parameter.POSITIONAL_OR_KEYWORD,
                default=one.default_value if one.has_default_value() else inspect.Parameter.empty,
            )
            for one in schema.arguments
            if one.name != "self"
        ]  # fmt: skip
    try:
        return list(inspect.signature(stage).parameters.values())
    except (TypeError, ValueError):
        return None
