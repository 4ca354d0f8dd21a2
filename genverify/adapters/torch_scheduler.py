"""Schedulers that hold an optimizer: torch.optim.lr_scheduler, and every class or function whose first argument is one.

Such a scheduler becomes a function of the step: for each case one is built on a small optimizer, the two are stepped in
turn, optimizer first, and the rate is read off the optimizer; or its momentum, for a formula that is one of momentum.
"""

from __future__ import annotations

import copy
import functools
import inspect
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from genverify.adapters.adapter import adapter
from genverify.errors import UsageError
from genverify.subjects.formula import Formula
from genverify.subjects.functions import Table

__all__ = ["TOPIC", "Steps", "refused", "signature_with", "torch_scheduler"]

TOPIC = "schedule."
_OPTIMIZER = frozenset("optimizer opt optim optimiser wrapped_optimizer".split())
_OWN_RATE = frozenset("lr base_lr max_lr initial_lr init_lr learning_rate peak_lr base lr0 eta_max".split())
_NOT_OURS = frozenset("last_epoch verbose".split())
# OneCycleLR takes its length as a product, too; it must be given one way or the other.
_NEEDED = frozenset({"total_steps"})


def signature_with(names: Mapping[str, Any], *ours: tuple[str, Any]) -> inspect.Signature:
    """The signature (step, …): the parameters of a constructor with their defaults, and those that are ours."""
    empty = inspect.Parameter.empty
    parameters = [inspect.Parameter("step", inspect.Parameter.POSITIONAL_OR_KEYWORD)]
    for name, default in (*names.items(), *ours):
        kept = empty if default is ... else default
        parameters.append(inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=kept))
    return inspect.Signature(parameters)


def refused(error: Exception) -> bool:
    """Whether an exception says that there is no next step, and not that the arithmetic failed."""
    arithmetic = isinstance(error, ValueError) and "math" in str(error)
    return isinstance(error, (ValueError, IndexError, StopIteration, AssertionError)) and not arithmetic


def plain_value(value: Any) -> Any:  # noqa: ANN401 - an argument of a case
    """An argument as a scheduler takes it: a list for a tuple, a function of a plain number for a table."""
    if isinstance(value, Table):
        return lambda t: float(value(torch.tensor(t)))
    return list(value) if isinstance(value, tuple) else value


class Steps:
    """The rate after `step` steps, as a function; with `beyond`, after so many more, as far as it will go.

    `resumed` stops half way, and goes on with a new scheduler and a new optimizer that have loaded the states; `read`
    is what the optimizer's group is asked for.
    """

    def __init__(
        self, make: Callable[..., Any], names: Mapping[str, Any], label: str, *, rate: bool, read: str = "lr"
    ) -> None:
        self.make, self.rate, self.read, self.__qualname__ = make, rate, read, label
        ours = [("lr", ...)] if rate else []
        self.__signature__ = signature_with(names, *ours, ("beyond", 0), ("resumed", False))

    def __call__(self, *args: Any, **kwargs: Any) -> float:  # noqa: ANN401 - what a scheduler takes
        """The rate, or the momentum, that the optimizer has."""
        given = self.__signature__.bind(*args, **kwargs)
        given.apply_defaults()
        own = {name: plain_value(value) for name, value in given.arguments.items()}
        step, beyond, resumed = int(own.pop("step")), int(own.pop("beyond")), own.pop("resumed")
        start = float(own.pop("lr")) if self.rate else 1.0
        optimizer, scheduler = self._build(start, own)
        for index in range(step + beyond):
            if resumed and index == step // 2 and hasattr(scheduler, "load_state_dict"):
                states = copy.deepcopy((optimizer.state_dict(), scheduler.state_dict()))
                optimizer, scheduler = self._build(start, own)
                optimizer.load_state_dict(states[0])
                scheduler.load_state_dict(states[1])
            optimizer.step()
            try:
                scheduler.step()
            except Exception as error:
                if index >= step and refused(error):
                    break
                raise
        return float(optimizer.param_groups[0][self.read])

    def _build(self, start: float, own: Mapping[str, Any]) -> tuple[torch.optim.Optimizer, Any]:
        # Momentum, since some schedulers cycle it and refuse an optimizer without.
        optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=start, momentum=0.9)
        return optimizer, self.make(optimizer, **own)


def _names(make: Any) -> dict[str, Any] | None:  # noqa: ANN401
    """The parameters after the optimizer, with their defaults; None when the first is no optimizer."""
    try:
        found = list(inspect.signature(make).parameters.values())
    except (TypeError, ValueError):
        return None
    if not found or found[0].name not in _OPTIMIZER:
        return None
    named = [one for one in found[1:] if one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD)]
    kept = [one for one in named if one.name not in _NOT_OURS]
    return {one.name: ... if one.default is one.empty or _must_be_given(one) else one.default for one in kept}


def _must_be_given(parameter: inspect.Parameter) -> bool:
    return parameter.default is None and parameter.name in _NEEDED


def _makes_schedulers(thing: Any) -> bool:  # noqa: ANN401
    return callable(thing) and not isinstance(thing, nn.Module) and _names(thing) is not None


def _is_scheduler(thing: Any) -> bool:  # noqa: ANN401
    return isinstance(thing, torch.optim.lr_scheduler.LRScheduler)


@adapter("a scheduler class or factory: optimizer, … -> an object with step()", "formula", _makes_schedulers, rank=20)
def torch_scheduler(subject: Formula) -> Formula:
    """Builds the scheduler on an optimizer of its own for each case.

    Raises:
        UsageError: Its `step` needs more than the step itself.
    """
    if not subject.like.startswith(TOPIC):
        return subject
    names = _names(subject.f)
    assert names is not None
    bare = subject.f.func if isinstance(subject.f, functools.partial) else subject.f
    if inspect.isclass(bare):
        _refuse_metrics(bare, subject.label)
    return _as_steps(subject, subject.f, names, resumable=inspect.isclass(bare) and hasattr(bare, "load_state_dict"))


@adapter("a scheduler: torch.optim.lr_scheduler.LRScheduler", "formula", _is_scheduler, rank=10)
def torch_scheduler_instance(subject: Formula) -> Formula:
    """Reads the instance's settings, which become defaults, and builds others of its class; it is never stepped.

    Raises:
        UsageError: Its class cannot be built again from what it keeps.
    """
    original, kind = subject.f, type(subject.f)
    names = _names(kind)
    if names is None or not subject.like.startswith(TOPIC):
        return subject
    kept = {name: _kept(original, name, default) for name, default in names.items()}
    lost = [name for name, value in kept.items() if value is ...]
    if lost:
        raise UsageError(
            given=f"an instance of {kind.__name__}, which does not keep its {lost[0]}",
            expected="the class, or a factory",
            do="pass a function optimizer, … -> scheduler that builds it",
        )  # fmt: skip
    start = original.optimizer.param_groups[0].get("initial_lr", original.optimizer.param_groups[0]["lr"])
    made = _as_steps(subject, kind, kept, resumable=hasattr(kind, "load_state_dict"))
    if made.f.rate:
        parameters = [
            p.replace(default=start) if p.name == "lr" else p for p in made.f.__signature__.parameters.values()
        ]
        made.f.__signature__ = inspect.Signature(parameters)
    return made


def _kept(original: Any, name: str, default: Any) -> Any:  # noqa: ANN401
    value = getattr(original, name, default)
    value = tuple(sorted(value.elements())) if isinstance(value, Counter) else value
    plain = value is None or isinstance(value, (bool, int, float, str, tuple, list))
    return value if plain else default


def _refuse_metrics(kind: type, label: str) -> None:
    parameters = list(inspect.signature(getattr(kind, "step")).parameters.values())[1:]  # noqa: B009 - any class
    needed = [p.name for p in parameters if p.default is p.empty and p.kind is p.POSITIONAL_OR_KEYWORD]
    if needed:
        raise UsageError(
            given=f"{label}, whose step() needs {', '.join(needed)}",
            expected="a schedule whose rate is a function of the step alone",
            do="nothing of this kind can be said of it",
        )  # fmt: skip


def _as_steps(subject: Formula, make: Callable[..., Any], names: Mapping[str, Any], *, resumable: bool) -> Formula:
    read = "momentum" if subject.like.endswith("_momentum") else "lr"
    steps = Steps(make, names, subject.label, rate=read == "lr" and not _OWN_RATE & names.keys(), read=read)
    options = {"resumed": (False, True), **subject.options} if resumable else subject.options
    return replace(subject, f=steps, options=options)
