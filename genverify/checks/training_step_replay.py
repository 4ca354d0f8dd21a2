"""The networks' calls of a run, made again by copies: the discriminator's results as functions of the weights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from genverify.checks.training_step_runs import run_once
from genverify.subjects.case import Case
from genverify.subjects.training_observation import NetworkCall, Observed, in_dtype
from genverify.subjects.training_step import TrainingStep, World

__all__ = [
    "Flags", "Played", "Unplayable", "by_side", "called", "flags_of", "from_generator", "leaves_of", "replayer",
    "shift_generated",
]  # fmt: skip

# Which rows are data, which generated, which between the two.
Flags = tuple[Tensor, Tensor, Tensor]


class Unplayable(Exception):
    """Why the calls cannot be made again."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Played:
    """The discriminator's results in a phase of a step, with their graph.

    Attributes:
        real: On samples of the data, flat.
        fake: On generated samples, flat.
        leaves: Parameter of the network that is trained → the leaf that stands for it.
        points: Where a penalty may be taken (real, generated, between): samples, and what is given with each of them,
            such as its class; where the discriminator is trained.
        critics: Under the same names, rows of these → results, by those leaves.
    """

    real: Tensor
    fake: Tensor
    leaves: dict[str, Tensor]
    points: dict[str, tuple[Tensor, ...]] = field(default_factory=dict)
    critics: dict[str, Callable[..., Tensor]] = field(default_factory=dict)


def _given(call: NetworkCall) -> dict[int | str, Any]:
    """What a network was given, by place or by name."""
    return {**dict(enumerate(call.args)), **call.kwargs}


def _place(call: NetworkCall) -> int | str | None:
    """Under which place or name it was given its samples: the first numbers that have rows."""
    for place, value in _given(call).items():
        if isinstance(value, Tensor) and value.is_floating_point() and value.dim():
            return place
    return None


def _input(call: NetworkCall) -> Tensor | None:
    place = _place(call)
    return None if place is None else _given(call)[place]


def _shift_data(world: World) -> None:
    for index, t in enumerate(world.batch):
        steps = torch.arange(1, t.numel() + 1, dtype=t.dtype, device=t.device)
        t.add_((0.25 * torch.cos(steps + index)).reshape(t.shape))


def shift_generated(world: World) -> None:
    """Generated samples are others."""

    def hook(module: nn.Module, args: object, output: object) -> object:
        return output + 0.125 if isinstance(output, Tensor) else output

    if "G" in world.networks:
        world.networks["G"].register_forward_hook(hook)
    for t in world.fakes:
        t.add_(0.125)


def _moved_rows(call: NetworkCall, other: NetworkCall) -> Tensor:
    a, b = _input(call), _input(other)
    if a is None or b is None or a.shape != b.shape:
        raise Unplayable("a network takes something else when the data are others")
    return (a.reshape(len(a), -1) != b.reshape(len(b), -1)).any(1)


def flags_of(subject: TrainingStep, case: Case, seen: Observed, count: int) -> dict[int, Flags]:
    """Place of a call of the discriminator → which of its rows are data, which generated, which between the two.

    Raises:
        Unplayable: The calls are not understood.
    """
    calls = seen.calls[:count]
    moved = []
    for shift in (_shift_data, shift_generated):
        other = run_once(subject, case, shift)
        if len(other.calls) < count or any(a.role != b.role for a, b in zip(calls, other.calls, strict=False)):
            raise Unplayable("other calls are made when the data are others")
        moved.append([_moved_rows(a, b) for a, b in zip(calls, other.calls, strict=False)])
    wanted = [(k, call) for k, call in enumerate(calls) if call.role == "D" and call.recorded]
    if not wanted:
        raise Unplayable("the discriminator is never called where gradients are recorded")
    if any(call.output is None for _, call in wanted):
        raise Unplayable("the discriminator returns something else than a tensor")
    own = not seen.world.batch
    flags = {}
    for k, _ in wanted:
        data, made = moved[0][k], moved[1][k]
        flags[k] = (~made if own else data & ~made, made & ~data, made & data)
    return flags


def replayer(subject: TrainingStep, case: Case, seen: Observed, role: str, first: int = 0) -> Callable[[], Played]:
    """A function that plays the phase of a run that led to the first gradient of `role`.

    Args:
        subject: Whose.
        case: Where.
        seen: The run.
        role: Of the network that is trained.
        first: How many of the discriminator's calls are left out, from the first.

    Raises:
        Unplayable: The calls cannot be made again, or are not understood.
    """
    count = seen.phase(role)
    calls = list(seen.calls[:count])
    flags = flags_of(subject, case, seen, count)
    wanted = [(k, calls[k]) for k in flags][first:]
    nets = {name: net for name, net in subject.calls.world(case).networks.items() if name in ("D", "G")}
    if role == "D":
        return lambda: _play_d(subject, nets, wanted, flags)
    return lambda: _play_g(subject, nets, calls, wanted, flags)


def leaves_of(calls: list[NetworkCall], net: nn.Module) -> dict[str, Tensor]:
    """Leaves that stand for a network's parameters, which are the same in all these calls.

    Raises:
        Unplayable: They change.
    """
    first = calls[0].state
    names = [name for name, _ in net.named_parameters()]
    for call in calls[1:]:
        if any(not torch.equal(call.state[name], first[name]) for name in names):
            raise Unplayable("its parameters change before the gradient is complete")
    return {name: first[name].clone().requires_grad_(True) for name in names}


def called(net: nn.Module, call: NetworkCall, state: dict[str, Tensor], args: tuple, kwargs: dict) -> Tensor:
    """A network's result with these parameters, in the mode and with the random state of that call."""
    if net.training != call.training:
        net.train(call.training)
    torch.set_rng_state(call.rng)
    made = functional_call(net, state, args, kwargs)
    if not isinstance(made, Tensor):
        raise Unplayable("a network returns something else than a tensor")
    return made


def by_side(parts: list[tuple[Tensor, Flags]]) -> tuple[Tensor, Tensor]:
    """(results on the data, on generated samples), flat, in the order of the calls."""
    found = []
    for which in (0, 1):
        chosen = []
        for output, flags in parts:
            if len(output) != len(flags[which]):
                raise Unplayable("the discriminator does not return a result for each sample")
            chosen.append(output[flags[which]].reshape(-1))
        found.append(torch.cat(chosen))
    return found[0], found[1]


def _play_d(subject: TrainingStep, nets: dict, wanted: list, flags: dict) -> Played:
    net = nets["D"]
    leaves = leaves_of([call for _, call in wanted], net)
    parts = []
    with torch.random.fork_rng(devices=[]), in_dtype(subject.calls.dtype):
        for k, call in wanted:
            buffers = {name: t.clone() for name, t in call.state.items() if name not in leaves}
            parts.append((called(net, call, {**buffers, **leaves}, call.args, dict(call.kwargs)), flags[k]))
    real, fake = by_side(parts)
    last = wanted[-1][1]
    state = {**{name: t.clone() for name, t in last.state.items() if name not in leaves}, **leaves}
    points, critics = {}, {}
    for side, name in enumerate(("real", "generated", "between")):
        chosen = [(call, flags[k][side]) for k, call in wanted if bool(flags[k][side].any())]
        if len({_place(call) for call, _ in chosen}) == 1:
            rows = _joined([_at(call, of) for call, of in chosen], [int(of.sum()) for _, of in chosen])
            if rows:
                points[name] = tuple(rows.values())
                critics[name] = _critic(net, state, _given(chosen[-1][0]), list(rows))
    return Played(real=real, fake=fake, leaves=leaves, points=points, critics=critics)


def _at(call: NetworkCall, rows: Tensor) -> dict[int | str, Tensor]:
    """Of what a call was given with a row for each sample, these rows: the samples first."""
    given = {
        place: value.detach()[rows] for place, value in _given(call).items()
        if isinstance(value, Tensor) and value.dim() and len(value) == len(rows)
    }  # fmt: skip
    own = _place(call)
    return {place: given[place] for place in sorted(given, key=lambda place: place != own)}


def _joined(parts: list[dict[int | str, Tensor]], rows: list[int]) -> dict[int | str, Tensor]:
    """The rows of several calls, one below the other; nothing where they do not fit."""
    places = list(parts[-1])
    shapes = [[part[place].shape[1:] for place in places if place in part] for part in parts]
    if any(list(part) != places for part in parts) or any(shape != shapes[0] for shape in shapes) or not sum(rows):
        return {}
    return {place: torch.cat([part[place] for part in parts]) for place in places}


def _critic(
    net: nn.Module, state: dict[str, Tensor], given: dict[int | str, Any], places: list[int | str]
) -> Callable[..., Tensor]:
    def critic(*rows: Tensor) -> Tensor:
        here = {**given, **dict(zip(places, rows, strict=True))}
        args = tuple(value for key, value in here.items() if isinstance(key, int))
        return functional_call(net, state, args, {key: value for key, value in here.items() if isinstance(key, str)})

    return critic


def _play_g(subject: TrainingStep, nets: dict, calls: list, wanted: list, flags: dict) -> Played:
    made = [call for call in calls if call.role == "G"]
    if not made or "G" not in nets:
        raise Unplayable("the generator is not called")
    leaves = leaves_of(made, nets["G"])
    outputs: list[tuple[Tensor, Tensor]] = []
    parts = []
    with torch.random.fork_rng(devices=[]), in_dtype(subject.calls.dtype):
        for call in calls:
            if call.role == "G" and call.output is not None:
                buffers = {name: t.clone() for name, t in call.state.items() if name not in leaves}
                again = called(nets["G"], call, {**buffers, **leaves}, call.args, dict(call.kwargs))
                outputs.append((call.output, again))
        for k, call in wanted:
            args = tuple(from_generator(value, outputs) for value in call.args)
            kwargs = {name: from_generator(value, outputs) for name, value in call.kwargs.items()}
            found = called(nets["D"], call, {name: t.clone() for name, t in call.state.items()}, args, kwargs)
            if not found.requires_grad and bool(flags[k][1].any()):
                raise Unplayable("between generator and discriminator the samples are transformed")
            parts.append((found, flags[k]))
    real, fake = by_side(parts)
    return Played(real=real.detach(), fake=fake, leaves=leaves)


def from_generator(value: object, outputs: list[tuple[Tensor, Tensor]]) -> object:
    """What a generator's copy returned, where the value is what the generator returned."""
    if isinstance(value, Tensor):
        for seen, again in outputs:
            if seen.numel() == value.numel() and torch.equal(seen.reshape(-1), value.detach().reshape(-1)):
                return again.reshape(value.shape)
    return value
