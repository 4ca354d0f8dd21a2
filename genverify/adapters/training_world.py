"""The world of one run of a training step: copies of what is the user's, made parts for the rest, wired together."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from genverify.adapters.latent_rebinding import rebound
from genverify.adapters.training_networks import Plan, made_network
from genverify.adapters.training_reach import copied, reach_of
from genverify.adapters.training_roles import role_of
from genverify.errors import UsageError
from genverify.subjects.case import Case
from genverify.subjects.training_step import TrainingStep, World

__all__ = ["WorldMaker", "key", "parameters_of", "tensors_of"]

_RATE = 0.1
_CLIP, _ROUNDS, _WEIGHT, _UNROLLED, _INNER = 0.05, 2, 10.0, 3, 0.25
_FIXED = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


def key(name: str) -> str:
    """G and D for their many names; any other name as it is."""
    role = role_of(name)
    return role if role in ("G", "D") else name


def parameters_of(f: Any) -> list[inspect.Parameter]:  # noqa: ANN401 - any callable
    """The parameters that a step has to be given, or may be."""
    try:
        found = inspect.signature(f).parameters.values()
    except (TypeError, ValueError):
        return []
    return [one for one in found if one.kind not in _FIXED]


class WorldMaker:
    """Makes worlds for a subject under a plan; `kind` says whether a batch is a tensor, or a pair with labels."""

    def __init__(self, subject: TrainingStep, plan: Plan, kind: str) -> None:
        self.subject, self.plan, self.kind = subject, plan, kind
        self.reach = reach_of(subject.f, subject.beside)
        self.taken = parameters_of(subject.f)
        self._given = {key(name): net for name, net in subject.modules.items()}
        also = parameters_of(subject.beside) if subject.beside is not None else []
        wanted = {role_of(p.name) for p in (*self.taken, *also) if p.name not in subject.arguments}
        held = {*self._given, *self.reach.networks}
        self.made_roles = tuple(role for role in ("G", "D") if role in wanted and role not in held)
        # What computes with a generator's attributes (its latent size) is given the same attributes.
        self.makes_networks = bool(self.made_roles)
        self.makes = self.makes_networks or any(self._slot(p) for p in self.taken)

    def _slot(self, p: inspect.Parameter) -> str:
        """The role of a parameter for which something is made; empty where it is given, or keeps its default."""
        if p.name in self.subject.arguments or key(p.name) in self._given or p.name in self.subject.optimizers:
            return ""
        role = role_of(p.name)
        if role == "real" and self.subject.batch is not None:
            return ""
        return role

    def probabilities(self) -> bool:
        """Whether the discriminator is known to end in a sigmoid."""
        if "D" in self.made_roles:
            return self.plan.probability
        net = {**self.reach.networks, **self._given}.get("D")
        last = list(net.modules())[-1] if isinstance(net, nn.Module) else None
        return isinstance(last, nn.Sigmoid)

    def roles(self) -> tuple[str, ...]:
        """The networks that there are."""
        return tuple(dict.fromkeys((*self.made_roles, *self._given, *self.reach.networks)))

    def bound(self) -> dict[str, str]:
        """Parameter → what it is taken for."""
        return {p.name: role for p in self.taken if (role := self._slot(p))}

    def notes(self) -> tuple[str, ...]:
        """What was taken for what."""
        said = ", ".join(f"{name}: {role}" for name, role in self.bound().items() if role != name)
        return (f"arguments were taken as {said}",) if said else ()

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Role → shape of one event, of the tensors of a case."""
        events = {"real": self.plan.event, "noise": self.plan.latent, "fake": self.plan.event}
        also = parameters_of(self.subject.beside) if self.subject.beside is not None else []
        roles = {self._slot(p) for p in (*self.taken, *also)}
        return {role: event for role, event in events.items() if role in roles}

    def clip(self) -> float | None:
        """The bound of the weights: as stated, as the parameter's default, or as it is passed."""
        if self.subject.clip is not None:
            return self.subject.clip
        ends = []
        for p in self.taken:
            if role_of(p.name) in ("clip", "clip upper", "clip lower"):
                given = self.subject.arguments.get(p.name, p.default if p.default is not p.empty else _CLIP)
                lower = role_of(p.name) == "clip lower" and isinstance(given, (int, float))
                ends.append(_bound(abs(given) if lower else given))
        return max((one for one in ends if one is not None), default=None)

    def unroll(self) -> int | None:
        """How many steps are unrolled: as stated, as the parameter's default, or as it is passed."""
        if self.subject.unroll is not None or self.subject.claimed is None or not self.subject.claimed.unrolled:
            return self.subject.unroll
        for p in self.taken:
            if role_of(p.name) in ("unrolled", "rounds"):
                made = _UNROLLED if role_of(p.name) == "unrolled" else _ROUNDS
                given = self.subject.arguments.get(p.name, p.default if p.default is not p.empty else made)
                return given if isinstance(given, int) else None
        return None

    def case(self, number: int) -> Case:
        """A plain case, for trying."""
        values: dict[str, Any] = {"#network": number}
        for index, (role, event) in enumerate(self.shapes().items()):
            count = self.plan.rows * torch.Size(event).numel()
            wave = torch.sin(1.3 * torch.arange(count, dtype=torch.float64) ** 1.1 + index)
            values[role] = wave.reshape(self.plan.rows, *event)
        return Case(values=values)

    def world(self, case: Case) -> World:
        """A fresh world at a case."""
        subject, plan = self.subject, self.plan
        given = {
            **{f"modules {n}": m for n, m in subject.modules.items()},
            **{f"optimizers {n}": o for n, o in subject.optimizers.items()},
            **{f"arguments {n}": a for n, a in subject.arguments.items()},
        }
        if subject.batch is not None:
            given["batch"] = subject.batch
        step, copies = copied(subject.f, self.reach, given)

        def of(thing: Any) -> Any:  # noqa: ANN401
            return copies.get(id(thing), thing)

        networks = {role: of(net) for role, net in {**self.reach.networks, **self._given}.items()}
        networks |= {role: made_network(role, plan, int(case.values.get("#network", 0))) for role in self.made_roles}
        networks = {role: networks[role] for role in sorted(networks)}
        reached = [of(one) for one in (*self.reach.optimizers, *subject.optimizers.values())]
        for thing in (*networks.values(), *reached):
            _cast(thing, plan.dtype)
        tensors = {role: _tensor(case[role], plan.dtype) for role in self.shapes() if role in case}
        if subject.batch is not None:
            tensors["real"] = _cast_all(of(subject.batch), plan.dtype)
        parts = _Parts(self, networks, tensors, of, reached)
        arguments = parts.arguments(self.taken)
        world = World(
            networks=networks, optimizers=tuple(parts.optimizers), call=lambda: step(**arguments),
            batch=tuple(tensors_of(tensors.get("real"))), fakes=tuple(tensors_of(tensors.get("fake"))), parts=parts,
            copies=copies,
        )  # fmt: skip
        return world

    def beside(self, world: World) -> Callable[[], Any]:
        """The other step in a world, on the same networks and optimizers."""
        assert self.subject.beside is not None
        other = rebound(self.subject.beside, world.copies)
        arguments = world.parts.arguments(parameters_of(self.subject.beside))
        return lambda: other(**arguments)


class _Parts:
    """The parts of a world from which arguments are made, each once."""

    def __init__(
        self, maker: WorldMaker, networks: Mapping[str, nn.Module], tensors: Mapping[str, Any],
        of: Callable[[Any], Any], reached: list[torch.optim.Optimizer],
    ) -> None:  # fmt: skip
        self.maker, self.networks, self.tensors, self.of = maker, networks, tensors, of
        self.optimizers = reached
        self._over: dict[str, torch.optim.Optimizer] = {}

    def arguments(self, taken: list[inspect.Parameter]) -> dict[str, Any]:
        """Parameter → what it is given; those that keep their defaults are left out.

        Raises:
            UsageError: A parameter without a default is none of the known ones.
        """
        subject = self.maker.subject
        found: dict[str, Any] = {}
        for p in taken:
            role = role_of(p.name)
            if p.name in subject.arguments:
                found[p.name] = _cast_all(self.of(subject.arguments[p.name]), self.maker.plan.dtype)
            elif p.name in subject.optimizers:
                found[p.name] = self.of(subject.optimizers[p.name])
            elif key(p.name) in self.networks:
                found[p.name] = self.networks[key(p.name)]
            elif role.startswith("optimizer"):
                found[p.name] = self._optimizer(role)
            elif role in self.tensors:
                found[p.name] = self._batch(role)
            elif p.default is not p.empty:
                continue
            else:
                found[p.name] = self._made(p, role)
        return found

    def _batch(self, role: str) -> Any:  # noqa: ANN401 - as the step takes it
        value = self.tensors[role]
        if role == "real" and self.maker.kind == "pair" and isinstance(value, Tensor):
            return (value, torch.arange(len(value)) % 2)
        return value

    def _optimizer(self, role: str) -> torch.optim.Optimizer:
        """One that was declared for that role, or plain gradient descent on the network of that name."""
        subject = self.maker.subject
        owner = role.partition(" ")[2] or "+".join(subject.trained)
        for name, one in subject.optimizers.items():
            if role_of(name) == role or key(name) == owner:
                return self.of(one)
        if owner not in self._over:
            nets = [self.networks[one] for one in owner.split("+") if one in self.networks]
            made = torch.optim.SGD([p for net in nets for p in net.parameters()], lr=_RATE)
            self._over[owner] = made
            self.optimizers.append(made)
        return self._over[owner]

    def _made(self, p: inspect.Parameter, role: str) -> Any:  # noqa: ANN401
        plan = self.maker.plan
        rows = next((len(t) for t in self.tensors.values() if isinstance(t, Tensor)), plan.rows)
        labels = (rows, 1) if plan.column else (rows,)
        known: dict[str, Callable[[], Any]] = {
            "batch size": lambda: rows,
            "latent size": lambda: plan.latent[0],
            "clip": lambda: _CLIP,
            "clip upper": lambda: _CLIP,
            "clip lower": lambda: -_CLIP,
            "rounds": lambda: _ROUNDS,
            "unrolled": lambda: _UNROLLED,
            "inner rate": lambda: _INNER,
            "device": lambda: torch.device("cpu"),
            "criterion": lambda: nn.BCELoss() if plan.probability else nn.BCEWithLogitsLoss(),
            "penalty weight": lambda: _WEIGHT,
            "ones": lambda: torch.ones(labels, dtype=plan.dtype),
            "zeros": lambda: torch.zeros(labels, dtype=plan.dtype),
        }
        if role not in known:
            raise UsageError(
                given=f"{self.maker.subject.label} with a parameter {p.name!r}, of which nothing is known",
                expected="a name for a network, an optimizer, noise or data",
                do=f"give it: arguments={{{p.name!r}: …}}, or modules={{{p.name!r}: …}} for a network",
            )  # fmt: skip
        return known[role]()


def _bound(given: Any) -> float | None:  # noqa: ANN401 - what a step takes for a clip
    if isinstance(given, (tuple, list)) and given:
        given = max(abs(float(one)) for one in given)
    if not isinstance(given, (int, float)):
        return None
    if not 0 < given < float("inf"):
        raise UsageError(
            given=f"a bound {given} for the weights", expected="a positive bound",
            do="a critic clipped to 0 is constant; give the c of [−c, c]",
        )  # fmt: skip
    return float(given)


def _cast(thing: Any, dtype: torch.dtype) -> None:  # noqa: ANN401
    """Parameters keep their identity, so that optimizers still hold them; what an optimizer remembers is cast, too."""
    if isinstance(thing, nn.Module):
        thing.to(dtype)
    elif isinstance(thing, torch.optim.Optimizer):
        for state in thing.state.values():
            for name, value in state.items():
                if isinstance(value, Tensor) and value.is_floating_point() and value.dim():
                    state[name] = value.to(dtype)


def _cast_all(value: Any, dtype: torch.dtype) -> Any:  # noqa: ANN401
    if isinstance(value, Tensor):
        return _tensor(value, dtype)
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return value
    if isinstance(value, (tuple, list)):
        return type(value)(_cast_all(one, dtype) for one in value)
    if isinstance(value, dict):
        return {name: _cast_all(one, dtype) for name, one in value.items()}
    return value


def _tensor(value: Tensor, dtype: torch.dtype) -> Tensor:
    return value.detach().clone().to(dtype) if value.is_floating_point() else value.clone()


def tensors_of(value: Any) -> list[Tensor]:  # noqa: ANN401
    """The tensors of real numbers in a batch, however it is put together."""
    if isinstance(value, Tensor):
        return [value] if value.is_floating_point() else []
    if isinstance(value, dict):
        value = tuple(value.values())
    return [t for one in value for t in tensors_of(one)] if isinstance(value, (tuple, list)) else []
