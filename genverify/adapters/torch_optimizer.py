"""Optimizers that hold their parameters: `torch.optim.Optimizer` and everything with a `step()`."""

from __future__ import annotations

import copy
import functools
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from genverify.adapters.adapter import adapter
from genverify.errors import UsageError
from genverify.subjects.optimizer import Convention, Optimizer

__all__ = [
    "COUNT_NAMES",
    "GRADIENT_NAMES",
    "PARAMETER_NAMES",
    "RATE_NAMES",
    "HeldParameters",
    "carried",
    "signature_of",
]

PARAMETER_NAMES = frozenset(
    "params parameters param parameter p ps w weights weight theta thetas x xs model_params model_parameters variables "
    "var named_parameters".split()
)
GRADIENT_NAMES = frozenset("g grad grads gradient gradients gs dw dx d_p dtheta grad_w".split())
COUNT_NAMES = frozenset("t step steps step_count iteration iterations n_step k count counter it i".split())
RATE_NAMES = ("lr", "learning_rate", "step_size", "eta", "alpha")


class HeldParameters:
    """A session of an optimizer that was given parameters and is told to step."""

    def __init__(self, parameters: Sequence[Tensor], build: Callable[[list[nn.Parameter]], Any]) -> None:
        self.parameters: list[nn.Parameter] = [nn.Parameter(p) for p in parameters]
        self.optimizer = build(self.parameters)
        self.feeding = _feeding(self.optimizer)

    def step(self, gradients: Sequence[Tensor | None]) -> None:
        """Sets each parameter's gradient, and steps; where it asks for gradients again, it gets the same ones."""
        self.put(gradients)
        if self.feeding == "step":
            self.optimizer.step()
        else:
            self.ask(lambda: self._again(gradients))

    def ask(self, evaluate: Callable[[], Tensor]) -> None:
        """One step of an optimizer that has the gradients evaluated, perhaps several times."""
        if self.feeding == "two calls":
            self.optimizer.first_step()
            evaluate()
            self.optimizer.second_step()
        else:
            self.optimizer.step(evaluate)

    def put(self, gradients: Sequence[Tensor | None]) -> None:
        """Sets each parameter's gradient, laid out as autograd lays it out, and into the tensor that is there.

        So does backward() after zero_grad(set_to_none=False): who keeps a reference to .grad keeps what comes next.
        """
        for parameter, gradient in zip(self.parameters, gradients, strict=True):
            if gradient is None or gradient.layout is not torch.strided:
                parameter.grad = gradient
            elif parameter.grad is not None and parameter.grad.layout is torch.strided:
                with torch.no_grad():
                    parameter.grad.copy_(gradient)
            else:
                parameter.grad = torch.empty_like(parameter).copy_(gradient)

    def given(self) -> list[Tensor | None]:
        """The gradients as they are now."""
        return [p.grad for p in self.parameters]

    def _again(self, gradients: Sequence[Tensor | None]) -> Tensor:
        self.put([None if g is None else g.clone() for g in gradients])
        return torch.zeros(())

    def set_rate(self, rate: float) -> None:
        """Does what a scheduler does: writes the learning rate into the groups."""
        for group in self.optimizer.param_groups:
            group[next(name for name in RATE_NAMES if name in group)] = rate

    def buffers(self) -> Iterator[Tensor]:
        """The tensors of its state."""
        yield from _tensors(getattr(self.optimizer, "state", None), 3)
        yield from _tensors({k: v for k, v in _attributes(self.optimizer).items() if k not in _OWN}, 2)


def _feeding(optimizer: object) -> str:
    """How an optimizer gets its gradients: they are there ("step"), from a closure, or between two calls."""
    if callable(getattr(optimizer, "first_step", None)) and callable(getattr(optimizer, "second_step", None)):
        return "two calls"
    required, _, _ = signature_of(getattr(optimizer, "step", None))
    return "closure" if "closure" in required else "step"


_OWN = {"state", "param_groups", "params", "parameters", "defaults"}


def _tensors(one: object, depth: int) -> Iterator[Tensor]:
    if isinstance(one, nn.Parameter) or depth < 0:
        return
    if isinstance(one, Tensor):
        yield one
    elif isinstance(one, Mapping):
        for name, value in one.items():
            if name not in COUNT_NAMES:  # a step count may be a float32 scalar beside wide buffers
                yield from _tensors(value, depth - 1)
    elif isinstance(one, (list, tuple)):
        for value in one:
            yield from _tensors(value, depth - 1)


def _attributes(one: object) -> dict[str, Any]:
    return dict(getattr(one, "__dict__", {}))


def signature_of(f: Any) -> tuple[list[str], dict[str, Any], bool]:  # noqa: ANN401 - anything callable
    """(names of required arguments, names of the others with their defaults, whether it takes any keyword)."""
    try:
        found = inspect.signature(f).parameters.values()
    except (TypeError, ValueError):
        return [], {}, True
    named = [one for one in found if one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD)]
    required = [one.name for one in named if one.default is one.empty]
    optional = {one.name: one.default for one in named if one.default is not one.empty}
    return required, optional, any(one.kind is one.VAR_KEYWORD for one in found)


def _plain(value: object) -> bool:
    numbers = value if isinstance(value, (tuple, list)) else (value,)
    return all(isinstance(x, (bool, int, float, str)) or x is None for x in numbers)


def carried(optimizer: object) -> dict[str, Any]:
    """The hyperparameters that a built optimizer shows: in its groups, its defaults or its attributes."""
    found = {k: v for k, v in _attributes(optimizer).items() if not k.startswith("_") and _plain(v)}
    found.update({k: v for k, v in (getattr(optimizer, "defaults", None) or {}).items()})
    groups = getattr(optimizer, "param_groups", None)
    if isinstance(groups, (list, tuple)) and groups and isinstance(groups[0], Mapping):
        found.update({k: v for k, v in groups[0].items() if k not in ("params", "param_names", "initial_lr")})
    found = {k: v.item() if isinstance(v, Tensor) and v.numel() == 1 else v for k, v in found.items()}
    return {k: v for k, v in found.items() if _plain(v)}


def _capabilities(kind: Any) -> frozenset[str]:  # noqa: ANN401 - a class
    found = set()
    if isinstance(kind, type) and issubclass(kind, torch.optim.Optimizer):
        found |= {"groups", "none", "rate"}
    if hasattr(kind, "state_dict") and hasattr(kind, "load_state_dict"):
        found.add("state")
    step = getattr(kind, "step", None)
    required, optional, _ = signature_of(step)
    if step is not torch.optim.Optimizer.step and "closure" in (*required, *optional):
        found.add("closure")
    return frozenset(found)


def _holds_parameters(f: object) -> bool:
    if isinstance(f, functools.partial):
        return _holds_parameters(f.func)
    if not inspect.isclass(f) or not callable(getattr(f, "step", None)):
        return False
    required, optional, _ = signature_of(f)
    first = next(iter([*required, *optional]), "")
    return issubclass(f, torch.optim.Optimizer) or first in PARAMETER_NAMES


def _steps(f: object) -> bool:
    if inspect.isclass(f) or inspect.isfunction(f) or not callable(getattr(f, "step", None)):
        return False
    required, _, _ = signature_of(getattr(f, "step"))  # noqa: B009 - f is anything
    return isinstance(f, torch.optim.Optimizer) or not {*required} - {"closure"}


def _is_factory(f: object) -> bool:
    if inspect.isclass(f) or not callable(f) or hasattr(f, "step"):
        return False
    required, optional, _ = signature_of(f)
    return not any(name in GRADIENT_NAMES for name in (*required, *optional))


@adapter(
    "an optimizer class: torch.optim.Optimizer, or any class with step() built from parameters",
    "optimizer",
    _holds_parameters,
    rank=10,
)
def optimizer_class(subject: Optimizer) -> Optimizer:
    """Builds the class on fresh parameters for each case."""
    kind = subject.f
    required, optional, open_ended = signature_of(kind)
    arguments = {**dict.fromkeys(required[1:]), **{k: v for k, v in optional.items() if k not in PARAMETER_NAMES}}
    bare = kind.func if isinstance(kind, functools.partial) else kind
    fixed = dict(kind.keywords) if isinstance(kind, functools.partial) else {}
    return _with(subject, "class", kind, arguments, _capabilities(bare), fixed=fixed, open_ended=open_ended)


@adapter(
    "an optimizer instance: torch.optim.Optimizer, or any object with step()",
    "optimizer",
    _steps,
    rank=20,
    guesses=True,
)
def optimizer_instance(subject: Optimizer) -> Optimizer:
    """Reads the instance's hyperparameters and builds others of its class; the instance is never stepped."""
    original = subject.f
    shown = carried(original)
    required, optional, open_ended = signature_of(type(original))
    names = [name for name in (*required[1:], *optional) if name in shown]
    kept = {name: shown[name] for name in names}
    if isinstance(original, torch.optim.Optimizer) and open_ended:
        kept = {name: value for name, value in original.defaults.items() if _plain(value)}

    def build(parameters: list[nn.Parameter], **_: Any) -> Any:  # noqa: ANN401
        try:
            return type(original)(parameters, **kept)
        except TypeError:
            return _emptied(original, parameters)

    fixed = {**shown, **kept}
    return _with(subject, "instance", build, {}, _capabilities(type(original)), fixed=fixed)


def _emptied(original: Any, parameters: list[nn.Parameter]) -> Any:  # noqa: ANN401
    """A copy of an optimizer whose constructor cannot be called again: other parameters, no state."""
    if not isinstance(original, torch.optim.Optimizer):
        raise UsageError(
            given=f"an instance of {type(original).__name__}, whose constructor cannot be called again",
            expected="an instance that keeps its arguments in attributes of the same names",
            do="pass the class, or a function params -> optimizer",
        )
    copied = copy.copy(original)
    copied.state = type(original.state)(dict) if hasattr(original.state, "default_factory") else {}  # type: ignore[assignment]
    copied.param_groups = [{**original.param_groups[0], "params": parameters}]
    return copied


@adapter("a factory: parameters -> optimizer", "optimizer", _is_factory, rank=90)
def optimizer_factory(subject: Optimizer) -> Optimizer:
    """Calls the factory on fresh parameters for each case, and reads what the optimizer that it makes carries."""
    required, optional, open_ended = signature_of(subject.f)
    arguments = {**dict.fromkeys(required[1:]), **optional}
    try:
        made = subject.f(
            [nn.Parameter(torch.zeros(2, 2))], **{k: v for k, v in subject.hyper.items() if k in arguments}
        )
    except Exception as error:
        raise UsageError(
            given=f"{subject.label}, which raised {type(error).__name__}: {error} on a list of parameters",
            expected="a function parameters -> optimizer, or an update function (w, g, state) -> w",
            do="name its arguments as their roles, for example params, grads, state, lr",
        ) from error
    if not callable(getattr(made, "step", None)):
        raise UsageError(
            given=f"{subject.label}, which gave back {type(made).__name__} when it was given a list of parameters",
            expected="an object with step()",
            do="return the optimizer, or pass an update function (w, g, state) -> w",
        )
    fixed = {k: v for k, v in carried(made).items() if k not in arguments}
    return _with(
        subject, "factory", subject.f, arguments, _capabilities(type(made)), fixed=fixed, open_ended=open_ended
    )


def _with(
    subject: Optimizer,
    name: str,
    build: Callable[..., Any],
    arguments: Mapping[str, Any],
    capabilities: frozenset[str],
    *,
    fixed: Mapping[str, Any],
    open_ended: bool = False,
) -> Optimizer:
    def begin(parameters: Sequence[Tensor], chosen: Mapping[str, Any]) -> HeldParameters:
        return HeldParameters(parameters, lambda held: build(held, **chosen))

    def begin_groups(
        parameters: Sequence[Tensor], overrides: Sequence[Mapping[str, Any]], chosen: Mapping[str, Any]
    ) -> HeldParameters:
        def with_groups(held: list[nn.Parameter]) -> Any:  # noqa: ANN401
            return build([{"params": [p], **own} for p, own in zip(held, overrides, strict=True)], **chosen)

        return HeldParameters(parameters, with_groups)

    def read(chosen: Mapping[str, Any]) -> dict[str, Any]:
        return carried(begin([torch.zeros(2, 2)], chosen).optimizer)

    convention = Convention(
        name=name,
        start=begin,
        grouped=begin_groups if "groups" in capabilities else None,
        read=read,
        arguments=arguments,
        fixed=fixed,
        open_ended=open_ended,
        capabilities=capabilities,
    )
    return replace(subject, convention=convention)
