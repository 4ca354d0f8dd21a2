"""Moving averages of a whole model: ``EMA(model, decay).update(model)``, ``update(ema_model, model, decay)``.

The average is that of a small model with two parameters, of which the second must not be forgotten, and whose values
are overwritten in place between the making of the average and its update, as an optimizer does.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from genverify.adapters.adapter import adapter
from genverify.subjects.formula import Formula

__all__ = ["averaged_model"]

_TOPIC = "ema.weights"
_MODELS = frozenset(
    "model net network module online_model source_model current_model student online policy_net".split()
)
_AVERAGES = frozenset(
    "ema_model model_ema target_model target_net target_network averaged_model average_model shadow_model teacher "
    "teacher_model ma_model avg_model ema_net net_ema target_policy".split()
)
_UPDATES = ("update", "update_model_average", "step", "update_parameters", "update_params", "ema_update", "__call__")
_KEPT = ("shadow", "ema_model", "shadow_params", "ema_params", "module", "ema", "averaged_model", "model_ema", "avg",
         "average", "shadow_model", "averages", "params", "state", "ema_state_dict")  # fmt: skip
# An average that warms up has counted none of its updates yet, or one: its convention says which, not its signature.
_COUNTS = ("first of a warm-up", "first of a warm-up, counted from one")


class _Halves(nn.Module):
    """A model with two parameters, or one where there is but one number."""

    def __init__(self, values: Tensor) -> None:
        super().__init__()
        self.weight = nn.Parameter(values[: max(1, len(values) // 2)].clone())
        self.bias = nn.Parameter(values[max(1, len(values) // 2) :].clone())

    @torch.no_grad()
    def set(self, values: Tensor) -> None:
        """Overwrites the parameters in place."""
        self.weight.copy_(values[: len(self.weight)])
        self.bias.copy_(values[len(self.weight) :])

    def values(self) -> Tensor:
        """All numbers, one after the other."""
        return torch.cat([self.weight.detach(), self.bias.detach()])


class Averaged:
    """(average, weights, …) → the new average, made of a function of two models or of a class that keeps an average."""

    def __init__(self, f: Callable[..., Any], label: str) -> None:
        self.f, self.__qualname__ = f, label
        names = list(inspect.signature(f).parameters.values())
        rest = [one for one in names if one.name not in _MODELS | _AVERAGES | {"self"}]
        first = [inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD) for name in ("average", "weights")]
        self.__signature__ = inspect.Signature(
            [*first, *(one for one in rest if one.name not in ("average", "weights"))]
        )

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - the decay that the object of a method has
        owner = getattr(self.__dict__.get("f"), "__self__", None)
        if name.startswith("__") or owner is None:
            raise AttributeError(name)
        return getattr(owner, name)

    def __call__(self, *args: Any, **kwargs: Any) -> Tensor:  # noqa: ANN401 - what the stranger's code takes
        """The average after one update."""
        given = self.__signature__.bind(*args, **kwargs).arguments
        average, weights = given.pop("average"), given.pop("weights")
        return self._by_class(average, weights, given) if inspect.isclass(self.f) else self._by_pair(
            average, weights, given
        )  # fmt: skip

    def _by_pair(self, average: Tensor, weights: Tensor, rest: Mapping[str, Any]) -> Tensor:
        old, new = _Halves(average), _Halves(weights)
        models = {name: old if name in _AVERAGES else new for name in inspect.signature(self.f).parameters
                  if name in _MODELS | _AVERAGES}  # fmt: skip
        self.f(**models, **rest)
        return old.values()

    def _by_class(self, average: Tensor, weights: Tensor, rest: Mapping[str, Any]) -> Tensor:
        model = _Halves(average)
        name = next(one for one in inspect.signature(self.f).parameters if one in _MODELS)
        keeper = self.f(**{name: model}, **rest)
        model.set(weights)
        update = _update(self.f)
        assert update is not None
        takes = [one for one in inspect.signature(getattr(keeper, update)).parameters if one in _MODELS]
        getattr(keeper, update)(*([model] if takes else []))
        return torch.cat([one.detach().reshape(-1) for one in _kept(keeper, model)])


def _kept(keeper: Any, model: nn.Module) -> Iterator[Tensor]:  # noqa: ANN401 - a stranger's object
    """The averages that it keeps, in the order of the model's parameters."""
    names = [name for name, _ in model.named_parameters()]
    for attribute in _KEPT:
        found = getattr(keeper, attribute, None)
        if found is model or found is None:
            continue
        if isinstance(found, nn.Module):
            found = dict(found.named_parameters())
        if isinstance(found, Mapping) and set(names) <= set(found):
            yield from (found[name] for name in names)
            return
        if isinstance(found, (list, tuple)) and len(found) == len(names):
            yield from found
            return
    raise AttributeError(f"keeps no average under a usual name ({', '.join(_KEPT)})")


def _update(f: Any) -> str | None:  # noqa: ANN401 - a stranger's class
    """The method that updates the average: of no argument, or of a model."""
    for name in _UPDATES:
        method = getattr(f, name, None) if name in dir(f) else None
        if not inspect.isfunction(method):
            continue
        required = [one for one in list(inspect.signature(method).parameters.values())[1:] if one.default is one.empty]
        if all(one.name in _MODELS or one.kind in (one.VAR_POSITIONAL, one.VAR_KEYWORD) for one in required):
            return name
    return None


def _recognised(thing: Any) -> bool:  # noqa: ANN401
    if not callable(thing) or isinstance(thing, nn.Module):
        return False
    try:
        names = set(inspect.signature(thing).parameters)
    except (TypeError, ValueError):
        return False
    if inspect.isclass(thing):
        return bool(names & _MODELS) and _update(thing) is not None
    return bool(names & _MODELS) and bool(names & _AVERAGES)


@adapter("a moving average of a model", "formula", _recognised, rank=30)
def averaged_model(subject: Formula) -> Formula:
    """Keeps the average of a small model."""
    if subject.like != _TOPIC:
        return subject
    return replace(
        subject, f=Averaged(subject.f, subject.label), undecided=_COUNTS if inspect.isclass(subject.f) else ()
    )
