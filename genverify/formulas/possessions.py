"""What a subject has for good and is not given: its weights, its stride, what is fixed in every call."""

from __future__ import annotations

import dis
import functools
import inspect
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from genverify.errors import UsageError, nearest
from genverify.formulas.pairing import Meaning, by_names
from genverify.formulas.parameters import Parameter, Taken
from genverify.subjects.formula import Place
from genverify.subjects.specification import Argument, Form, Role, Specification

__all__ = ["exemplar", "with_anatomy", "with_fixed", "with_held", "with_kept", "with_tables"]

# Pairwise different sizes, so that no two axes of the exemplar are confused.
_EXEMPLARY = (2, 3, 4, 5)


def _covered(meant: Mapping[str, Meaning]) -> set[str]:
    return {argument.name for argument, _ in meant.values()}


def with_fixed(
    taken: Taken, meant: dict[str, Meaning], specification: Specification, fixed: Mapping[str, Any], own: set[str]
) -> Taken:
    """What every call is passed, and the formula knows, is told to the oracle: ``fixed={"stride": 2}``.

    What the call does not take, and the subject has inside (``fixed={"warmup": 100}``), is told to the oracle alone.

    Raises:
        UsageError: A name is neither the subject's nor the formula's.
    """
    added = []
    covered = _covered(meant)
    for name, one in by_names(list(fixed), specification).items():
        if one[0].name not in covered and one[0].role in (Role.VALUE, Role.OPTION) and name not in meant:
            covered.add(one[0].name)
            meant[name] = one
            added.append(Parameter(name=name, default=fixed[name], place=Place.KEPT))
    known = {one.name for one in added} | set(meant) | {*taken.order} | own
    unknown = next((name for name in fixed if name not in known), None)
    if unknown is not None and not taken.open:
        raise UsageError(
            given=f"fixed={{{unknown!r}: …}}", expected="a parameter of the subject, or an argument of the formula",
            do=nearest(unknown, sorted(known | {one.name for one in specification.arguments})),
        )  # fmt: skip
    return replace(taken, parameters=(*taken.parameters, *added))


def exemplar(
    f: object,
    taken: Taken,
    meant: Mapping[str, Meaning],
    specification: Specification,
    fixed: Mapping[str, Any],
    *,
    alike: bool = False,
) -> nn.Module | None:
    """The module itself, or one made of its class with small sizes, to see which tensors its instances hold.

    The sizes are pairwise different, or with `alike` the same.
    """  # fmt: skip
    if isinstance(f, nn.Module):
        return f
    if not (inspect.isclass(f) and issubclass(f, nn.Module)):
        return None
    names = set(inspect.signature(f).parameters)
    given = {name: value for name, value in fixed.items() if name in names}
    sizes: dict[str, int] = {}
    for one in taken.parameters:
        if one.place is not Place.CONSTRUCTOR or one.name not in meant:
            continue
        argument, form = meant[one.name]
        if argument.role is Role.SIZE:
            known = specification.sizes.get(argument.axes, _EXEMPLARY)
            free = [max(_EXEMPLARY)] if alike else [size for size in known if size not in sizes.values()]
            given[one.name] = sizes.setdefault(argument.axes, (free or list(known))[0])
        elif one.default is ... and not argument.axes:
            raw = torch.tensor([float(form.domain.simple)], dtype=torch.float64)
            given[one.name] = form.domain.make(raw, (), torch.float64)
    try:
        with torch.random.fork_rng(devices=[]):
            return f(**given)
    except Exception:  # the cases will show why it cannot be made
        return None


def with_anatomy(
    taken: Taken,
    meant: dict[str, Meaning],
    specification: Specification,
    instance: nn.Module | None,
    f: object,
    mode: str,
) -> Taken:
    """What the formula's own reading of a module's layers says of them.

    Raises:
        UsageError: A class is given where every instance has a state of its own.
    """
    own = next((one.name for one in specification.arguments if one.of_instance), None)
    if own is not None and inspect.isclass(f):
        raise UsageError(
            given=f"the class {f.__name__} for {specification.name}",
            expected=f"an instance: each has a {own} of its own, which nobody could know",
            do=f"construct it: Formula({f.__name__}(…), like={specification.name!r})",
        )  # fmt: skip
    if specification.anatomy is None or instance is None:
        return taken
    training = mode == "train" if mode else instance.training
    covered, added = _covered(meant), []
    tensors = dict([*instance.named_parameters(), *instance.named_buffers()])
    try:
        parts = dict(specification.anatomy(instance, training))
    except UsageError:
        needed = [one for one in specification.arguments if one.role is Role.VALUE and one.default is ...]
        if any(one.name not in covered for one in needed):
            raise
        return taken  # everything is mapped by hand
    if inspect.isclass(f):  # whether an instance has what it could do without shows where all sizes agree
        other = exemplar(f, taken, meant, specification, {}, alike=True)
        if other is not None:
            seen = specification.anatomy(other, training)
            parts |= {name: found for name, found in seen.items() if isinstance(found, bool)}
    for name, found in parts.items():
        argument = specification.argument(name)
        if name in covered:
            continue
        if isinstance(found, str) and found in tensors and isinstance(instance, torch.jit.ScriptModule):
            # What TorchScript compiled cannot be called with other weights than its own.
            one = Parameter(name=found, default=tensors[found].detach(), place=Place.KEPT)
        elif isinstance(found, str) and found in tensors:
            one = Parameter(name=found, place=Place.HELD)
        elif isinstance(found, torch.Tensor) and inspect.isclass(f):
            continue  # a tensor of the exemplar is not that of another instance
        else:
            one = Parameter(name=name, default=found, place=Place.KEPT)
        meant[one.name] = (argument, argument.forms[0])
        added.append(one)
    return replace(taken, parameters=(*taken.parameters, *added))


def with_held(
    taken: Taken, meant: dict[str, Meaning], specification: Specification, instance: nn.Module | None
) -> Taken:
    """A module's own tensors stand for the arguments that its call does not take (``weight``, ``bias``)."""
    # A module that TorchScript compiled cannot be called with other weights than its own: these are kept.
    if instance is None or isinstance(instance, torch.jit.ScriptModule):
        return taken
    covered, added = _covered(meant), []
    held = [name for name, _ in (*instance.named_parameters(), *instance.named_buffers())]
    for path, one in by_names([p for p in held if p not in meant], specification).items():
        if one[0].name not in covered and one[0].role is Role.VALUE:
            covered.add(one[0].name)
            meant[path] = one
            added.append(Parameter(name=path, place=Place.HELD))
    return replace(taken, parameters=(*taken.parameters, *added))


def with_kept(taken: Taken, meant: dict[str, Meaning], specification: Specification, f: object) -> Taken:
    """What a subject has stands for what it is neither given nor holds: a stride, a frozen weight, a captured rate."""
    if inspect.isclass(f):
        return taken
    covered, added = _covered(meant), []
    has, state = _own(f)

    def own(name: str) -> Any:  # noqa: ANN401 - whatever it is; settings at the top of a script are in capitals
        found = has(name)
        return found if found is not None or isinstance(f, nn.Module) or len(name) == 1 else has(name.upper())

    for argument in specification.arguments:
        if argument.name in covered or argument.role not in (Role.VALUE, Role.OPTION):
            continue
        found = _possession(own, state, argument)
        if found is not None:
            name, form, value = found
            meant[name] = (argument, form)
            added.append(Parameter(name=name, default=value, place=Place.KEPT))
    return replace(taken, parameters=(*taken.parameters, *added))


def with_tables(taken: Taken, meant: dict[str, Meaning], f: object) -> Taken:
    """The tables that a subject has for good, as they belong together.

    One that follows from another is not asked for beside it; where the two do not agree it is told as it is, since the
    first entry of a table of earlier levels is a matter of taste. One in single precision is told in the
    parametrisation that inherits its rounding.
    """
    if inspect.isclass(f):
        return taken
    tensors = dict([*f.named_parameters(), *f.named_buffers()]) if isinstance(f, nn.Module) else {}
    tables: dict[str, tuple[Parameter, torch.Tensor]] = {}
    for one in taken.parameters:
        value = tensors.get(one.name, one.default) if one.place in (Place.HELD, Place.KEPT) else None
        if one.name in meant and isinstance(value, torch.Tensor) and value.dim() and value.is_floating_point():
            tables[meant[one.name][0].name] = one, value.detach()
    own, _ = _own(f)
    changed: dict[str, Parameter | None] = {}
    for one, value in tables.values():
        source, follow = meant[one.name][0].follows or ("", None)
        if follow is not None and source in tables and tables[source][1].shape == value.shape:
            there, known = tables[source]
            expected = follow(meant[there.name][1].canonical(known.to(torch.float64)))
            slack = value.numel() * torch.finfo(torch.float32).eps
            same = bool(((value.to(expected) - expected).abs() <= slack).all())
            changed[one.name] = None if same else replace(one, default=value, place=Place.KEPT)
        elif meant[one.name][0].narrowly and one.place is Place.KEPT and _is_narrow(value):
            meant[one.name], level = _narrowly(meant[one.name], value, own)
            changed[one.name] = replace(one, default=level)
    for name, found in changed.items():
        if found is None:
            del meant[name]
    kept = [changed.get(one.name, one) for one in taken.parameters]
    return replace(taken, parameters=tuple(one for one in kept if one is not None))


def _is_narrow(table: torch.Tensor) -> bool:
    """Whether it is a table of rates in single precision; what is none, or has fewer digits, is refused as it is."""
    return table.dtype is torch.float32 and bool(((table >= 0) & (table <= 1)).all())


def _narrowly(meaning: Meaning, value: torch.Tensor, own: Callable[[str], Any]) -> tuple[Meaning, torch.Tensor]:
    """The table in the parametrisation that inherits its rounding: the subject's own, or computed from what it has."""
    argument, form = meaning
    target = next(one for one in argument.forms if one.name == argument.narrowly)
    for name in (target.name, *target.aliases):
        found = own(name)
        if isinstance(found, torch.Tensor) and found.shape == value.shape and found.is_floating_point():
            return (argument, target), found.detach()
    return (argument, target), form.canonical(value.to(torch.float64))


def _own(f: object) -> tuple[Callable[[str], Any], bool]:
    """Name → what the subject has under it, or None; and whether that may be a state that changes over calls.

    A function has the variables that it captures and the globals that it reads (``def get_lr(it)`` in a script with
    its settings at the top), a partial what it has bound, a method what its object has.
    """
    if isinstance(f, functools.partial):
        inner, state = _own(f.func)
        try:
            bound = inspect.signature(f.func).bind_partial(*f.args).arguments if f.args else {}
        except (TypeError, ValueError):
            bound = {}
        return (lambda name: bound.get(name, inner(name))), state
    if inspect.isfunction(f):
        try:
            seen = inspect.getclosurevars(f)
        except ValueError:  # a variable that is captured, and not yet set
            return (lambda name: None), False
        # Among the names of the code are attributes, too (x.mean is no global mean); and what it sets is a state.
        steps = [(one.opname, one.argval) for one in dis.get_instructions(f)]
        read = {name for opname, name in steps if opname == "LOAD_GLOBAL"} | set(seen.nonlocals)
        kept = read - {name for opname, name in steps if opname in ("STORE_GLOBAL", "STORE_DEREF")}
        found = {name: value for name, value in {**seen.globals, **seen.nonlocals}.items() if name in kept}
        return found.get, False
    owner = f.__self__ if inspect.ismethod(f) else f
    if inspect.isroutine(owner):
        return (lambda name: None), False
    return (lambda name: getattr(owner, name, None)), True


def _possession(own: Callable[[str], Any], state: bool, argument: Argument) -> tuple[str, Form, Any] | None:
    """(name, parametrisation, value) of what is called like the argument, exactly."""
    for form in argument.forms:
        for alias in (form.name, *form.aliases):
            name = alias.removeprefix("=")
            value = own(name)
            number = isinstance(value, (int, float)) and not isinstance(value, bool)
            plain = isinstance(value, (int, float, str)) or (
                isinstance(value, tuple) and all(isinstance(one, (int, float)) for one in value)
            )
            if argument.role is Role.OPTION and plain:
                return name, form, value
            if argument.role is not Role.VALUE or value is None:
                continue
            if isinstance(value, torch.Tensor) and value.dim() == len(argument.axes.split()):
                return name, form, value.detach()
            # An integer that an object has, and the formula does not need, may be its count of calls.
            counts = state and form.domain.integral and argument.default is not ...
            if isinstance(value, float) or (number and not argument.axes and not counts):
                return name, form, value
    return None
