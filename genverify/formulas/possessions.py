"""What a subject has for good and is not given: its weights, its stride, what is fixed in every call."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from genverify.formulas.pairing import Meaning, by_names
from genverify.formulas.parameters import Parameter, Taken
from genverify.subjects.formula import Place
from genverify.subjects.specification import Argument, Form, Role, Specification

__all__ = ["exemplar", "with_anatomy", "with_fixed", "with_held", "with_kept"]

# Pairwise different sizes, so that no two axes of the exemplar are confused.
_EXEMPLARY = (2, 3, 4, 5)


def _covered(meant: Mapping[str, Meaning]) -> set[str]:
    return {argument.name for argument, _ in meant.values()}


def with_fixed(
    taken: Taken, meant: dict[str, Meaning], specification: Specification, fixed: Mapping[str, Any]
) -> Taken:
    """What every call is passed, and the formula knows, is told to the oracle: ``fixed={"stride": 2}``."""
    added = []
    covered = _covered(meant)
    for name, one in by_names(list(fixed), specification).items():
        if one[0].name not in covered and one[0].role in (Role.VALUE, Role.OPTION) and name not in meant:
            covered.add(one[0].name)
            meant[name] = one
            added.append(Parameter(name=name, default=fixed[name], place=Place.KEPT))
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
    """What the formula's own reading of a module's layers says of them."""
    if specification.anatomy is None or instance is None:
        return taken
    training = mode == "train" if mode else instance.training
    covered, added = _covered(meant), []
    tensors = dict([*instance.named_parameters(), *instance.named_buffers()])
    parts = dict(specification.anatomy(instance, training))
    if inspect.isclass(f):  # whether an instance has what it could do without shows where all sizes agree
        other = exemplar(f, taken, meant, specification, {}, alike=True)
        if other is not None:
            seen = specification.anatomy(other, training)
            parts |= {name: found for name, found in seen.items() if isinstance(found, bool)}
    for name, found in parts.items():
        argument = specification.argument(name)
        if name in covered:
            continue
        if isinstance(found, str) and found in tensors:
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
    """Attributes of an object stand for what it is neither given nor holds: a stride, a computed or frozen weight."""
    if inspect.isroutine(f) or inspect.isclass(f):
        return taken
    covered, added = _covered(meant), []
    for argument in specification.arguments:
        if argument.name in covered or argument.role not in (Role.VALUE, Role.OPTION):
            continue
        found = _attribute(f, argument)
        if found is not None:
            name, form, value = found
            meant[name] = (argument, form)
            added.append(Parameter(name=name, default=value, place=Place.KEPT))
    return replace(taken, parameters=(*taken.parameters, *added))


def _attribute(f: object, argument: Argument) -> tuple[str, Form, Any] | None:
    """(name, parametrisation, value) of the attribute that is called like the argument, exactly."""
    for form in argument.forms:
        for alias in (form.name, *form.aliases):
            name = alias.removeprefix("=")
            value = getattr(f, name, None)
            plain = isinstance(value, (int, float, str)) or (
                isinstance(value, tuple) and all(isinstance(one, (int, float)) for one in value)
            )
            if argument.role is Role.OPTION and plain:
                return name, form, value
            if argument.role is Role.VALUE and (isinstance(value, torch.Tensor) or isinstance(value, float)):
                if isinstance(value, torch.Tensor) and value.dim() != len(argument.axes.split()):
                    continue
                return name, form, value.detach() if isinstance(value, torch.Tensor) else value
    return None
