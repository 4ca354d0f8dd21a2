"""A training step at work: which network saw what, which gradients each update was made of, what was left behind."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.optimizer import register_optimizer_step_post_hook, register_optimizer_step_pre_hook

from genverify.subjects.calling import subject_code
from genverify.subjects.training_step import StepCalls, World

__all__ = ["AfterUpdate", "NetworkCall", "Observed", "Update", "in_dtype", "observe", "snapshot"]

Numbers = dict[str, dict[str, Tensor]]
# What is done to a world right after an update: (world, optimizer, number of the update).
AfterUpdate = Callable[[World, torch.optim.Optimizer, int], None]


@dataclass(frozen=True, kw_only=True, eq=False)
class NetworkCall:
    """One call of a network.

    Attributes:
        role: Whose.
        args: What it was given, as it was then.
        kwargs: The same, by name.
        output: What it returned, as it was then, if that is a tensor.
        state: Its parameters and buffers before the call.
        rng: Torch's random state before the call.
        training: Whether it was in training mode.
        recorded: Whether gradients were recorded.
        differentiable: Whether what it was given could be differentiated by, as a penalty on the slope has to.
        updates: How many updates had been made before.
    """

    role: str
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    output: Tensor | None
    state: Mapping[str, Tensor]
    rng: Tensor
    training: bool
    recorded: bool
    differentiable: bool
    updates: int


@dataclass(frozen=True, kw_only=True, eq=False)
class Update:
    """One step of an optimizer.

    Attributes:
        optimizer: Which.
        holds: Roles some of whose parameters it holds.
        grads: Role → parameter → gradient before it (zero where there is none).
        before: Role → parameter → value before it.
        after: The same after it.
        calls: How many calls of networks had been made before.
    """

    optimizer: torch.optim.Optimizer
    holds: tuple[str, ...]
    grads: Numbers
    before: Numbers
    after: Numbers = field(default_factory=dict)
    calls: int = 0


@dataclass(frozen=True, kw_only=True, eq=False)
class Observed:
    """One run of a step.

    Attributes:
        world: In which it ran, as it is afterwards.
        start: Role → parameter → value before.
        end: The same afterwards.
        grads: Role → parameter → gradient afterwards (zero where there is none).
        updates: The optimizers' steps, in order.
        calls: The calls of the networks, in order.
        returned: What it returned.
        closed: Whether genverify made the backward pass of what was returned.
        buffers: Names of the buffers that changed, by role.
        rng: Torch's random state afterwards.
        global_changes: Settings of torch that it left changed.
    """

    world: World
    start: Numbers
    end: Numbers
    grads: Numbers
    updates: tuple[Update, ...]
    calls: tuple[NetworkCall, ...]
    returned: Any
    closed: bool
    buffers: Mapping[str, tuple[str, ...]]
    rng: Tensor
    global_changes: tuple[str, ...]

    def of(self, role: str) -> tuple[NetworkCall, ...]:
        """The calls of one network."""
        return tuple(call for call in self.calls if call.role == role)

    def moved(self, role: str) -> bool:
        """Whether any parameter of a network is another number now."""
        return any(not torch.equal(value, self.start[role][name]) for name, value in self.end[role].items())

    def gradient(self, role: str) -> dict[str, Tensor]:
        """The gradient of a network's first update, or the one it was left with where there was none."""
        for update in self.updates:
            if role in update.holds:
                return update.grads[role]
        return self.grads[role]

    def phase(self, role: str) -> int:
        """How many calls of networks led to that gradient."""
        return next((update.calls for update in self.updates if role in update.holds), len(self.calls))


def snapshot(networks: Mapping[str, nn.Module], of: Callable[[Tensor], Tensor]) -> Numbers:
    """Role → parameter → a number taken of it, as it is now."""
    return {role: {name: of(p) for name, p in net.named_parameters()} for role, net in networks.items()}


def _value(p: Tensor) -> Tensor:
    return p.detach().clone()


def _grad(p: Tensor) -> Tensor:
    return torch.zeros_like(p) if p.grad is None else p.grad.detach().clone()


@contextmanager
def in_dtype(dtype: torch.dtype) -> Iterator[None]:
    """What the step makes by itself is of this dtype; gradients are recorded."""
    kept = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        with torch.enable_grad():
            yield
    finally:
        torch.set_default_dtype(kept)


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Every generator starts from the seed; those of Python and NumPy are put back."""
    python, numpy = random.getstate(), np.random.get_state()  # noqa: NPY002 - the global generator is what is guarded
    torch.manual_seed(seed)
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002 - the global generator is what a subject may draw from
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)  # noqa: NPY002 - as above


class _Watch:
    """Hooks on the networks of a world and on every optimizer, as long as a run lasts."""

    def __init__(self, world: World, after_update: AfterUpdate | None = None) -> None:
        self.world, self.after_update = world, after_update
        self.calls: list[NetworkCall] = []
        self.updates: list[Update] = []
        self._open: list[dict[str, Any]] = []
        self._handles: list[Any] = []

    def __enter__(self) -> _Watch:
        for role, net in self.world.networks.items():
            self._handles += [
                net.register_forward_pre_hook(self._entering(role), with_kwargs=True),
                net.register_forward_hook(self._leaving(role)),
            ]
        self._handles += [
            register_optimizer_step_pre_hook(self._stepping), register_optimizer_step_post_hook(self._stepped)
        ]  # fmt: skip
        return self

    def __exit__(self, *exception: object) -> None:
        for handle in self._handles:
            handle.remove()

    def _entering(self, role: str) -> Callable[..., None]:
        def hook(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            kept = {"args": _kept(args), "kwargs": _kept(kwargs), "rng": torch.get_rng_state()}
            named = (*module.named_parameters(), *module.named_buffers())
            state = {name: _plain(t).detach().clone() for name, t in named}
            by = any(isinstance(one, Tensor) and one.requires_grad for one in (*args, *kwargs.values()))
            self._open.append(
                {"role": role, "state": state, "training": module.training, "recorded": torch.is_grad_enabled(),
                 "differentiable": by, **kept}
            )  # fmt: skip

        return hook

    def _leaving(self, role: str) -> Callable[..., None]:
        def hook(module: nn.Module, args: tuple[Any, ...], output: object) -> None:
            while self._open and self._open[-1]["role"] != role:
                self._open.pop()
            kept = _plain(output).detach().clone() if isinstance(output, Tensor) else None
            self.calls.append(NetworkCall(output=kept, updates=len(self.updates), **self._open.pop()))

        return hook

    def _stepping(self, optimizer: torch.optim.Optimizer, args: object, kwargs: object) -> None:
        held = {id(p) for group in optimizer.param_groups for p in group["params"]}
        nets = self.world.networks
        holds = tuple(role for role, net in nets.items() if any(id(p) in held for p in net.parameters()))
        self.updates.append(
            Update(optimizer=optimizer, holds=holds, grads=snapshot(nets, _grad), before=snapshot(nets, _value),
                   calls=len(self.calls))
        )  # fmt: skip

    def _stepped(self, optimizer: torch.optim.Optimizer, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        nets = self.world.networks
        self.updates[-1].after.update(snapshot(nets, _value))
        if any(callable(one) for one in (*args[1:], *kwargs.values())):
            # A closure made the gradient, within the optimizer's step.
            self.updates[-1] = replace(self.updates[-1], grads=snapshot(nets, _grad), calls=len(self.calls))
        if self.after_update is not None:
            self.after_update(self.world, optimizer, len(self.updates) - 1)


def _plain(value: Tensor) -> Tensor:
    """The tensor itself, of what stands for it within `torch.func.grad`."""
    return torch.func.debug_unwrap(value)


def _kept(value: Any) -> Any:  # noqa: ANN401 - whatever a network is given
    if isinstance(value, Tensor):
        value = _plain(value)
        made = value.detach().clone()
        return made.requires_grad_() if value.requires_grad and value.is_leaf else made
    if isinstance(value, (tuple, list)):
        return type(value)(_kept(one) for one in value) if type(value) in (tuple, list) else value
    if isinstance(value, dict):
        return {name: _kept(one) for name, one in value.items()}
    return value


def _scalars(value: Any) -> list[Tensor]:  # noqa: ANN401 - whatever a step returns
    """The numbers among what was returned that can still be differentiated."""
    if isinstance(value, Tensor):
        return [value] if value.numel() == 1 and value.requires_grad else []
    if isinstance(value, dict):
        loss = value.get("loss")
        return _scalars(loss) if isinstance(loss, Tensor) else [t for one in value.values() for t in _scalars(one)]
    if isinstance(value, (tuple, list)):
        return [t for one in value for t in _scalars(one)]
    return []


def observe(
    calls: StepCalls, world: World, *, seed: int = 0, call: Callable[[], Any] | None = None,
    roles: tuple[str, ...] = (), after_update: AfterUpdate | None = None,
) -> Observed:  # fmt: skip
    """Runs the step once in a world, and says what happened there.

    A step that returns its loss and leaves the backward pass to the caller has it made here: where `roles` are to be
    trained, no network has a gradient, no optimizer was asked, and one number was returned that has a graph.
    `after_update` interferes after each update, to see what depends on it.
    """
    nets = world.networks
    start = snapshot(nets, _value)
    buffers = {role: {n: b.detach().clone() for n, b in net.named_buffers()} for role, net in nets.items()}
    closed = False
    left: tuple[str, ...] = ()
    with _seeded(seed), in_dtype(calls.dtype), _Watch(world, after_update) as watch:
        with subject_code():
            returned = (call or world.call)()
        if not torch.is_grad_enabled():
            left += ("gradients are no longer recorded",)
        if torch.get_default_dtype() != calls.dtype:
            left += (f"torch's default dtype is {torch.get_default_dtype()}",)
        rng = torch.get_rng_state()
        torch.set_grad_enabled(True)
        if roles and not watch.updates and not any(_any(net) for net in nets.values()):
            numbers = _scalars(returned)
            if len(numbers) == 1:
                with subject_code():
                    numbers[0].backward()
                closed = True
    changed = {
        role: tuple(n for n, b in net.named_buffers() if n in buffers[role] and not torch.equal(b, buffers[role][n]))
        for role, net in nets.items()
    }
    return Observed(
        world=world, start=start, end=snapshot(nets, _value), grads=snapshot(nets, _grad), updates=tuple(watch.updates),
        calls=tuple(watch.calls), returned=returned, closed=closed, buffers=changed, rng=rng, global_changes=left,
    )  # fmt: skip


def _any(net: nn.Module) -> bool:
    """Whether some parameter has a gradient."""
    return any(p.grad is not None for p in net.parameters())
