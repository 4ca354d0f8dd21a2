"""A subject declared in words: a kind, and its fields as the command line spells them."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import sys
from collections.abc import Iterable, Mapping, Sequence
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin

import torch
from torch import nn

from genverify.adapters.adapter import Adapter, adapters_for, guess_kind
from genverify.errors import UsageError, nearest
from genverify.rooms import files_of
from genverify.subjects.loading import load
from genverify.subjects.subject import Subject

__all__ = ["declare", "fields_of", "kinds", "literal"]

_OWN = ("f", "name", "reference")


def kinds() -> dict[str, type[Subject]]:
    """Every kind of subject by name: the classes of the room `subjects`, and those that loaded code defines."""
    files_of("genverify.subjects")
    found: dict[str, type[Subject]] = {}
    left = list(Subject.__subclasses__())
    while left:
        one = left.pop(0)
        left += one.__subclasses__()
        if "kind" in vars(one):
            found.setdefault(one.kind, one)
    return dict(sorted(found.items()))


def fields_of(kind: type[Subject]) -> dict[str, Any]:
    """What can be claimed of this kind of subject: field name → type (a string where it cannot be resolved)."""
    found = {}
    for field in dataclasses.fields(kind):
        if field.init and field.repr and field.name not in _OWN:
            found[field.name] = _resolved(kind, field.name)
    return found


def declare(target: str, kind: str | None, words: Iterable[tuple[str, str]]) -> Subject:
    """The subject that a target, a kind and its fields in words describe.

    Args:
        target: ``package.module:attr`` or ``path/to/file.py:attr``.
        kind: The kind of subject; by default what the target is itself, or what it evidently is.
        words: Field → text, as they stood on the command line; a field may come several times where it is a mapping.

    Raises:
        UsageError: The target, the kind or a field cannot be understood.
    """
    found = load(target)
    words = list(words)
    if isinstance(found, Subject):
        return _ready(found, target, kind, words)
    known = kinds()
    kind = kind.replace("-", "_") if kind else _named_by(known, words) or _guessed(found, target, known, words)
    if kind not in known:
        raise UsageError(given=f"kind {kind!r}", expected="a kind of subject (--as)", do=nearest(kind, known))
    made = known[kind]
    fields = _fields(made, words)
    moved = {name: fields.pop(name) for name in ("device", "dtype") if name not in fields_of(made) and name in fields}
    thing = _instance(found, target, kind)
    _refuse_missing(made, fields)
    return made(_moved(thing, target, moved), reference=target, **fields)


def _refuse_missing(made: type[Subject], fields: Mapping[str, Any]) -> None:
    missing = [name for name in _required(made) if name != "f" and name not in fields]
    if missing:
        raise UsageError(
            given=f"--as {made.kind} without --{missing[0].replace('_', '-')}",
            expected=f"what {made.__name__} must declare: {', '.join(missing)}",
            do=f"add --{missing[0].replace('_', '-')} …",
        )  # fmt: skip


def _ready(found: Subject, target: str, kind: str | None, words: list[tuple[str, str]]) -> Subject:
    if kind is not None and kind.replace("-", "_") != found.kind:
        raise UsageError(
            given=f"{target}, a subject of kind {found.kind!r}, as {kind!r}",
            expected="the kind that it declares itself",
            do="leave out --as",
        )  # fmt: skip
    if not found.name and not found.reference:
        found = dataclasses.replace(found, reference=target)
    return dataclasses.replace(found, **_fields(type(found), words)) if words else found


def _guessed(found: object, target: str, known: Mapping[str, type[Subject]], words: list[tuple[str, str]]) -> str:
    kind = guess_kind(found)
    if kind is None and inspect.isclass(found):
        kind = guess_kind(_without_arguments(found))
    if kind is None:
        kind = _kind_with_fields(known, [name for name, _ in words])
    if kind is not None:
        return kind
    tried = "; ".join(one.name for one in adapters_for() if one.guesses) or "none"
    raise UsageError(
        given=f"{target}, of type {type(found).__module__}.{type(found).__qualname__}, without its kind",
        expected=f"a subject, or an object that an adapter knows by itself (tried: {tried})",
        do=f"say what it is with --as: {', '.join(known)}",
    )  # fmt: skip


def _named_by(known: Mapping[str, type[Subject]], words: Sequence[tuple[str, str]]) -> str | None:
    """The kind among whose own names (``own_names``) is what --like says: a step's, which no formula has."""
    said = [text for word, text in words if word == "like"]
    return next((kind for kind, made in known.items() if {*said} & {*getattr(made, "own_names", ())}), None)


def _kind_with_fields(known: Mapping[str, type[Subject]], names: Sequence[str]) -> str | None:
    """The kind that these fields speak of: the only one that has them all, or the only one that they begin."""
    if not names:
        return None
    able = [kind for kind, made in known.items() if all(_field_name(fields_of(made), name) for name in names)]
    first = [
        kind for kind in able if _field_name(fields_of(known[kind]), names[0]) == next(iter(fields_of(known[kind])))
    ]
    return next((found[0] for found in (able, first) if len(found) == 1), None)


def _instance(found: Any, target: str, kind: str) -> Any:  # noqa: ANN401
    """The object itself, or an instance where only instances of it can be verified."""
    known = adapters_for(kind)
    if not inspect.isclass(found) or not known:
        return found
    made = _without_arguments(found)
    as_it_is, as_object = _rank(known, found), _rank(known, made) if made is not None else None
    if as_it_is is not None and (as_object is None or as_it_is <= as_object):
        return found
    if made is None:
        needed = ", ".join(_required(found))
        raise UsageError(
            given=f"class {target}, which needs arguments ({needed})",
            expected="an object, or a class without required arguments",
            do=f"make one at module level, for example `model = {found.__name__}({needed})`, and name that",
        )  # fmt: skip
    return made


def _rank(known: Sequence[Adapter], thing: object) -> int | None:
    """How specific the first adapter is that knows a thing."""
    return next((one.rank for one in known if one.recognises(thing)), None)


def _required(cls: type) -> list[str]:
    try:
        parameters = inspect.signature(cls).parameters.values()
    except (TypeError, ValueError):
        return []
    fixed = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return [p.name for p in parameters if p.default is p.empty and p.kind not in fixed]


def _without_arguments(cls: type) -> object | None:
    if _required(cls):
        return None
    try:
        return cls()
    except Exception as error:  # the class is a stranger's
        raise UsageError(
            given=f"class {cls.__qualname__}, which raises {type(error).__name__}: {error} when it is made",
            expected="a class that can be made without arguments", do="make an object at module level, and name that",
        ) from error  # fmt: skip


def _moved(thing: Any, target: str, to: Mapping[str, Any]) -> Any:  # noqa: ANN401
    """A module on another device or in another dtype; the process is ours, so the user's object is not touched."""
    if not to:
        return thing
    if not isinstance(thing, nn.Module):
        raise UsageError(
            given=f"--{' and --'.join(to)} for {target}, which is no torch.nn.Module",
            expected="a module, or a kind with such a field",
            do="leave it out, or make the object there yourself",
        )  # fmt: skip
    try:
        device = torch.device(to["device"]) if "device" in to else None
        torch.empty(0, device=device)  # a module without parameters would go anywhere
        return thing.to(device=device, dtype=_dtype(str(to["dtype"])) if "dtype" in to else None)
    except UsageError:
        raise
    except Exception as error:  # torch raises RuntimeError, AssertionError or NotImplementedError here
        raise UsageError(
            given=f"device {to.get('device')!r} ({str(error).splitlines()[0]})", expected="a device of this machine",
            do="choose cpu" + (", cuda" if torch.cuda.is_available() else ""),
        ) from error  # fmt: skip


def _fields(made: type[Subject], words: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """The fields of a kind, each parsed by its type."""
    known = fields_of(made)
    loose = any(p.kind is p.VAR_KEYWORD for p in inspect.signature(made).parameters.values())
    found: dict[str, Any] = {}
    for word, text in words:
        name = _field_name(known, word)
        if name is None and (loose or word in ("device", "dtype")):
            found[word] = text if word in ("device", "dtype") else literal(text)
            continue
        if name is None:
            raise UsageError(
                given=f"--{word.replace('_', '-')} for a subject of kind {made.kind!r}",
                expected=f"a field of {made.__name__} or an option of genverify check", do=nearest(word, sorted(known)),
            )  # fmt: skip
        value = _parsed(text, known[name], word)
        if isinstance(value, dict) and isinstance(found.get(name), dict):
            value = {**found[name], **value}
        found[name] = value
    return found


def _field_name(known: Mapping[str, Any], word: str) -> str | None:
    """The field of that name, or the only one that begins so (``--arg`` for ``arguments``)."""
    if word in known:
        return word
    longer = [name for name in known if name.startswith(word)]
    return longer[0] if len(longer) == 1 else None


def _resolved(kind: type[Subject], name: str) -> Any:  # noqa: ANN401 - a type
    """The type that the constructor takes for a field; it may be wider than what the field holds."""
    hint = inspect.signature(kind).parameters[name].annotation
    if not isinstance(hint, str):
        return hint
    owner = next((base for base in kind.__mro__ if name in vars(base).get("__annotations__", {})), kind)
    try:
        return eval(hint, vars(sys.modules[owner.__module__]))  # our own annotation, not a user's text
    except Exception:  # a name that exists for type checkers only
        return hint


def _parsed(text: str, hint: Any, word: str) -> Any:  # noqa: ANN401 - whatever the field holds
    """A field's text as a value of the field's type; the first alternative that takes it."""
    options = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
    for option in options:
        try:
            return _as(text, option)
        except (ValueError, SyntaxError, TypeError):
            continue
    names = " or ".join(getattr(option, "__name__", str(option)) for option in options)
    raise UsageError(given=f"--{word.replace('_', '-')} {text!r}", expected=names, do=_example(options))


def _example(options: Sequence[Any]) -> str:
    if any(get_origin(o) is tuple or o is tuple for o in options):
        return "write numbers with commas, for example 2,3"
    if any(_is_mapping(o) for o in options):
        return "write name=value, once for each name"
    return "see genverify check --help"


def _is_mapping(option: Any) -> bool:  # noqa: ANN401
    origin = get_origin(option) or option
    return inspect.isclass(origin) and issubclass(origin, Mapping)


def _as(text: str, option: Any) -> Any:  # noqa: ANN401 - one case for each type that a field may have
    origin = get_origin(option) or option
    if option in (None, NoneType):
        if text.lower() != "none":
            raise ValueError(text)
        return None
    if option is bool:
        return text.lower() in ("true", "yes") if _is_bool(text) else _no(text)
    if option in (int, float, str):
        return option(text)
    if option is torch.dtype:
        return _dtype(text)
    if option is torch.device:
        return torch.device(text)
    if origin is tuple:
        inner = (get_args(option) or (Any,))[0]
        return tuple(_as(part.strip(), inner) for part in text.strip("()[] ").split(",") if part.strip())
    if _is_mapping(option):
        name, equals, value = text.partition("=")
        inner = (get_args(option) or (str, Any))[1]
        return {name.strip(): _as(value.strip(), inner)} if equals else _no(text)
    if inspect.isclass(origin) and issubclass(origin, Sequence):
        inner = (get_args(option) or (Any,))[0]
        return [_as(part.strip(), inner) for part in text.split(",") if part.strip()]
    return literal(text)


def _is_bool(text: str) -> bool:
    return text.lower() in ("true", "yes", "false", "no")


def _no(text: str) -> Any:  # noqa: ANN401 - never returns
    raise ValueError(text)


def _dtype(text: str) -> torch.dtype:
    found = getattr(torch, text.removeprefix("torch."), None)
    if not isinstance(found, torch.dtype):
        raise UsageError(
            given=f"dtype {text!r}", expected="a dtype of torch",
            do=nearest(text, ["float64", "float32", "float16", "bfloat16"]),
        )  # fmt: skip
    return found


def literal(text: str) -> Any:  # noqa: ANN401
    """A Python literal, an object named ``module:attr``, or the text itself."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        pass
    if ":" in text and text.rpartition(":")[2].isidentifier():
        return load(text)
    return text
