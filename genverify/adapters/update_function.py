"""Update functions as people write them: ``step(w, g, state, lr=…) → w``, or with the moments as arguments."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from genverify.adapters.adapter import adapter
from genverify.adapters.torch_optimizer import COUNT_NAMES, GRADIENT_NAMES, PARAMETER_NAMES, carried, signature_of
from genverify.errors import UsageError
from genverify.subjects.optimizer import Convention, Optimizer

__all__ = ["UpdatedParameters"]

_STATE_NAMES = frozenset("state s cache opt_state memory buffers st".split())
_MOMENT_NAMES = frozenset(
    "m v b u h r s1 s2 m1 m2 mu nu buf buffer velocity vel momentum_buffer exp_avg exp_avg_sq exp_avg_sqs exp_avgs "
    "first "
    "second first_moment second_moment mean_square square_avg accumulator acc accum sum_sq g2 v_max vmax v_hat vhat "
    "max_v max_exp_avg_sq m_t v_t m_prev v_prev moment1 moment2 G mt vt".split()
)


def _callable_of(f: Any) -> Any:  # noqa: ANN401 - a function, or an object with step(params, grads)
    for name in ("step", "update", "apply_gradients"):
        method = getattr(f, name, None)
        if callable(method) and not inspect.isfunction(f):
            required, _, _ = signature_of(method)
            if len([one for one in required if one != "self"]) >= 2:
                return method
    return f


def _updates(f: object) -> bool:
    target = _callable_of(f)
    if not callable(target):
        return False
    required, optional, _ = signature_of(target)
    return any(name in GRADIENT_NAMES for name in (*required, *optional))


class UpdatedParameters:
    """A session of an update function: what it returns (or moves in place) are the next parameters.

    An argument named in the plural takes the list of all tensors; otherwise the function is called once for each
    parameter, with a state of its own. A moment argument begins at zeros. A step count counts from 1, unless the
    function gives the count back: then it begins at 0 and is the function's own affair.
    """

    def __init__(self, f: Any, parameters: Sequence[Tensor], chosen: Mapping[str, Any]) -> None:  # noqa: ANN401
        made = f(**chosen) if inspect.isclass(f) else f if inspect.isroutine(f) else copy.deepcopy(f)
        self.call = _callable_of(made)
        self.chosen = {} if inspect.isclass(f) else dict(chosen)
        self.parameters: list[Tensor] = list(parameters)
        required, optional, _ = signature_of(self.call)
        roles = [*required, *(name for name, default in optional.items() if not _is_hyper(name, default))]
        self.names = [name for name in roles if name not in self.chosen and name != "self"]
        self.plural = any(name.endswith("s") and len(name) > 2 for name in self.names if _role(name) in ("w", "g"))
        self.memory: list[dict[str, Any]] = [{} for _ in (parameters if not self.plural else [None])]
        self.returned: dict[str, Any] = {}
        self.counts = False
        self.counts = any(_role(name) == "count" for name in self.names) and self._gives_the_count_back()

    def step(self, gradients: Sequence[Tensor | None]) -> None:
        """Calls the function for each parameter, or once for all."""
        if self.plural:
            self.parameters = list(self._one(list(self.parameters), list(gradients), self.memory[0]))
        else:
            pairs = zip(self.parameters, gradients, self.memory, strict=True)
            self.parameters = [self._one(w, g, memory) for w, g, memory in pairs]

    def _one(self, w: Any, g: Any, memory: dict[str, Any]) -> Any:  # noqa: ANN401
        given: dict[str, Any] = {}
        for name in self.names:
            role = _role(name)
            if role == "w":
                given[name] = w
            elif role == "g":
                given[name] = g
            elif role == "state":
                given[name] = memory.setdefault(name, {})
            elif role == "moment":
                given[name] = memory.setdefault(name, _zeros(w))
            elif role == "count":
                given[name] = memory.setdefault(name, 0 if self.counts else 1)
        moved = _moved(self.call, given, self.chosen)
        return self._keep(moved, given, w, memory)

    def _gives_the_count_back(self) -> bool:
        """Whether the function advances the step count itself, tried on copies."""
        memory: dict[str, Any] = {name: 7 for name in self.names if _role(name) == "count"}
        counts = list(memory)
        copies = [p.clone() for p in self.parameters]
        w = copies if self.plural else copies[0]
        try:
            self._one(w, [torch.ones_like(p) for p in copies] if self.plural else torch.ones_like(copies[0]), memory)
        except Exception:  # it will say so again when it is judged
            return False
        return self.returned.get(counts[0]) == 8

    def _keep(self, result: Any, given: Mapping[str, Any], w: Any, memory: dict[str, Any]) -> Any:  # noqa: ANN401
        carried = [name for name in given if _role(name) in ("moment", "state", "count")]
        for name in carried:
            if _role(name) == "count" and not self.counts:
                memory[name] = given[name] + 1
        if result is None:
            return w
        whole = isinstance(w, list) and not (isinstance(result, tuple) and len(result) > len(w))
        if isinstance(result, Tensor) or (whole and not (isinstance(result, tuple) and isinstance(result[0], list))):
            return result
        first, *rest = result
        names = carried if len(rest) == len(carried) else [n for n in carried if _role(n) != "count"]
        self.returned = dict(zip(names, rest, strict=False))
        for name, value in self.returned.items():
            if _role(name) != "count" or self.counts:
                memory[name] = value
        return first

    def buffers(self) -> Iterator[Tensor]:
        """The tensors that are carried from step to step."""
        for memory in self.memory:
            for value in memory.values():
                inner = value if isinstance(value, Mapping) else {"": value}
                yield from (x for name, x in inner.items() if isinstance(x, Tensor) and name not in COUNT_NAMES)


def _is_hyper(name: str, default: object) -> bool:
    """Whether an argument with a default is a hyperparameter: ``mu=0.9`` is, ``mu=None`` is a moment."""
    return not _role(name) or (_role(name) == "moment" and isinstance(default, (int, float)))


def _moved(call: Any, given: Mapping[str, Any], chosen: Mapping[str, Any]) -> Any:  # noqa: ANN401
    with torch.no_grad():
        return call(**given, **chosen)


def _zeros(w: Any) -> Any:  # noqa: ANN401
    return [torch.zeros_like(one) for one in w] if isinstance(w, list) else torch.zeros_like(w)


def _role(name: str) -> str:
    if name in PARAMETER_NAMES:
        return "w"
    if name in GRADIENT_NAMES:
        return "g"
    if name in _STATE_NAMES:
        return "state"
    if name in COUNT_NAMES:
        return "count"
    return "moment" if name in _MOMENT_NAMES else ""


@adapter("an update function (w, g, state) -> w, or an object with step(params, grads)", "optimizer", _updates, rank=30)
def update_function(subject: Optimizer) -> Optimizer:
    """Calls the function on fresh tensors for each case."""
    target = _callable_of(subject.f)
    required, optional, open_ended = signature_of(target)
    if inspect.isclass(subject.f):
        wanted, free, open_ended = signature_of(subject.f)
    else:
        wanted, free = [n for n in required if not _role(n)], {n: v for n, v in optional.items() if _is_hyper(n, v)}
    if not any(_role(name) == "w" for name in (*required, *optional)):
        raise UsageError(
            given=f"{subject.label}({', '.join((*required, *optional))})",
            expected="an argument that is the parameter (w, params, theta, …) and one that is its gradient (g, …)",
            do="wrap it: lambda w, g, state: ...",
        )

    def begin(parameters: Sequence[Tensor], chosen: Mapping[str, Any]) -> UpdatedParameters:
        return UpdatedParameters(subject.f, parameters, chosen)

    def read(chosen: Mapping[str, Any]) -> dict[str, Any]:
        return carried(subject.f(**chosen) if inspect.isclass(subject.f) else subject.f)

    convention = Convention(
        name="update function",
        start=begin,
        read=read,
        arguments={**dict.fromkeys(wanted), **free},
        open_ended=open_ended,
    )
    return replace(subject, convention=convention)
