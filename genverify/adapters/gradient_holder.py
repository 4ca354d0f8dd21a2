"""Clipping and unscaling of gradients that are given as a model, or as themselves, and not as parameters.

``clip(model, …)`` is given a module that holds the parameters; ``clip(grads, …)`` the gradients, which it changes in
place or gives back changed.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from genverify.adapters.adapter import adapter
from genverify.subjects.formula import Formula

__all__ = ["gradient_holder"]

_TOPICS = ("clipping.global_norm", "clipping.value", "accumulation.loss_scaling")
_MODEL = frozenset("model net module network".split())
_GRADIENTS = frozenset("grads gradients grad gradient g gs gradient_list grad_list".split())


class ByParameters:
    """A function of parameters that have gradients, made of one that takes a model or the gradients themselves."""

    def __init__(self, f: Callable[..., Any], first: str, label: str) -> None:
        self.f, self.first, self.__qualname__ = f, first, label
        parameters = list(inspect.signature(f).parameters.values())
        renamed = parameters[0].replace(name="parameters")
        self.__signature__ = inspect.Signature([renamed, *(p for p in parameters[1:] if p.name != "parameters")])

    def __call__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - what the stranger's function takes
        """Leaves the result in `.grad`."""
        given = self.__signature__.bind(*args, **kwargs)
        parameters: Any = given.arguments.pop("parameters")
        if isinstance(parameters, torch.Tensor):
            result = self.f(parameters.grad, **given.arguments)
            parameters.grad = result if isinstance(result, torch.Tensor) else parameters.grad
            return
        if self.first in _MODEL:
            self._by_model(parameters, given.arguments)
            return
        gradients = [p.grad for p in parameters]
        result = self.f(gradients, **given.arguments)
        result = result[0] if isinstance(result, tuple) and isinstance(result[0], (list, tuple)) else result
        changed = result if isinstance(result, (list, tuple)) else gradients
        for p, gradient in zip(parameters, changed, strict=True):
            p.grad = gradient

    def _by_model(self, parameters: Sequence[torch.Tensor], rest: dict[str, Any]) -> None:
        model = nn.ParameterList([nn.Parameter(p.detach()) for p in parameters])
        for held, p in zip(model, parameters, strict=True):
            held.grad = p.grad
        self.f(model, **rest)
        for held, p in zip(model, parameters, strict=True):
            p.grad = held.grad


def _first(thing: Any) -> str:  # noqa: ANN401
    if not callable(thing) or inspect.isclass(thing) or isinstance(thing, nn.Module):
        return ""
    try:
        return next(iter(inspect.signature(thing).parameters), "")
    except (TypeError, ValueError):
        return ""


@adapter(
    "a function of a model or of gradients", "formula", lambda thing: _first(thing) in _MODEL | _GRADIENTS, rank=40
)
def gradient_holder(subject: Formula) -> Formula:
    """Gives it the model, or the gradients, of parameters."""
    if subject.like not in _TOPICS:
        return subject
    return replace(subject, f=ByParameters(subject.f, _first(subject.f), subject.label))
