"""A stranger's diffusion process: an object, a module, or a mapping of tables and functions, with the usual names."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import ModuleType
from typing import Any

import torch
from torch import nn

from genverify.adapters.adapter import adapter
from genverify.adapters.diffusion_binding import bound_roles, tried
from genverify.adapters.diffusion_roles import FUNCTIONS, NETWORKS, STATEMENTS, TABLES, predicted
from genverify.adapters.diffusion_schedule import part_of, rates_of, table_of, tables_of
from genverify.errors import UsageError, nearest
from genverify.subjects.diffusion_network import Network
from genverify.subjects.diffusion_process import DiffusionCalls, DiffusionProcess, Role

__all__ = ["diffusion_process", "in_words"]

_EVENTS = ((1, 2, 2), (2,), (1, 2), (2, 2))


def _is_process(thing: object) -> bool:
    """Whether it has a schedule and noise that is added to data, under usual names."""
    if isinstance(thing, type) or hasattr(thing, "set_timesteps"):
        return False
    tables = ("betas", "alphas_cumprod", "alpha_bar", "alpha_hat", "alpha_bars")
    if not any(table_of(part_of(thing, name)) is not None for name in tables):
        return False
    return any(callable(part_of(thing, name)) for name in FUNCTIONS["q_sample"][0])


@adapter("diffusion process by its usual names", "diffusion_process", _is_process, rank=50, guesses=True)
def diffusion_process(subject: DiffusionProcess) -> DiffusionProcess:
    """Whatever has a schedule, or is given one.

    Raises:
        UsageError: There is no schedule, or nothing that could be judged by it.
    """
    _refuse_unknown(subject)
    thing, network = _with_network(subject.f)
    tables = tables_of(subject)
    alphas, origin, unit = rates_of(subject, tables)
    roles, notes = bound_roles(subject, thing, network)
    event, dtype, roles = _tried(subject, roles, network, len(alphas))
    stated = next((word for name in STATEMENTS if (word := predicted(part_of(subject.f, name)))), "")
    if not roles and len(tables) < 2:
        raise UsageError(
            given=f"{subject.label}, of which {origin} alone was recognised",
            expected="at least one more table, or a function such as q_sample or p_sample",
            do="say what its parts are: roles={'q_sample': …}",
        )  # fmt: skip
    unit = min((unit, dtype), key=lambda one: -torch.finfo(one).eps)
    calls = DiffusionCalls(
        tables={role: table for role, (_, table) in tables.items()}, alphas=alphas, origin=origin, unit=unit,
        roles=roles, network=network, event=event, dtype=dtype, stated=stated,
        notes=in_words(tables, roles, notes, unit),
    )  # fmt: skip
    return replace(subject, prepared=calls)


@adapter("functions by role, or an object whose parts are named", "diffusion_process", lambda thing: True, rank=90)
def declared_parts(subject: DiffusionProcess) -> DiffusionProcess:
    """Whatever is declared by roles=.

    Raises:
        UsageError: It is a class, or there is no schedule.
    """
    if isinstance(subject.f, type):
        raise UsageError(
            given=f"{subject.label}, a class", expected="an instance, whose schedule is made",
            do=f"construct it: DiffusionProcess({subject.label}(…))",
        )  # fmt: skip
    return diffusion_process(subject)


def in_words(
    tables: Mapping[str, tuple[str, Any]], roles: Mapping[str, Role], notes: Sequence[str], unit: torch.dtype
) -> tuple[str, ...]:
    """What was taken for what."""
    said = [one.spelt for one in roles.values()]
    said += [f"{name} is {role}" for role, (name, _) in tables.items() if name != role]
    found = (f"taken as: {'; '.join(said)}",) if said else ()
    if unit != torch.float64:
        found += (f"judged in {str(unit).removeprefix('torch.')}, in which the schedule is reckoned",)
    return (*found, *notes)


def _refuse_unknown(subject: DiffusionProcess) -> None:
    known = [*FUNCTIONS, *TABLES]
    for role in subject.roles:
        if role not in known:
            raise UsageError(
                given=f"roles= with {role!r}", expected=f"parts of a process: {', '.join(known)}",
                do=nearest(role, known),
            )  # fmt: skip


def _with_network(thing: Any) -> tuple[Any, Network]:  # noqa: ANN401
    """A copy of the process in which what it calls for a network is ours; and that."""
    if isinstance(thing, (Mapping, torch.jit.ScriptModule, ModuleType)) or not hasattr(thing, "__dict__"):
        return thing, Network()
    names = [name for name in NETWORKS if callable(vars(thing).get(name)) or name in getattr(thing, "_modules", ())]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            copied = copy.deepcopy(thing)
    except Exception:  # a stranger's object may refuse in any way
        copied = copy.copy(thing)
    if isinstance(copied, nn.Module):
        copied.eval()
    network = Network(getattr(thing, names[0]) if names else None)
    network.replaced = bool(names)
    for name in names:
        setattr(copied, name, network)
    return copied, network


def _events(subject: DiffusionProcess) -> list[tuple[int, ...]]:
    if isinstance(subject.event_shape, tuple):
        return [subject.event_shape]
    side = next((s for n in ("image_size", "img_size", "size") if (s := part_of(subject.f, n)) is not None), None)
    channels = next((c for n in ("channels", "in_channels") if isinstance(c := part_of(subject.f, n), int)), 1)
    sides = (side, side) if isinstance(side, int) else tuple(side) if isinstance(side, (tuple, list)) else ()
    own = [(channels, *sides)] if sides and all(isinstance(one, int) for one in sides) else []
    return [*own, *_EVENTS]


def _tried(
    subject: DiffusionProcess, roles: Mapping[str, Role], network: Network, steps: int
) -> tuple[tuple[int, ...], torch.dtype, dict[str, Role]]:
    """The first kind of sample that the most functions take, and the functions as they take it.

    Raises:
        UsageError: None runs, whatever it is given.
    """
    best: tuple[int, tuple[int, ...], torch.dtype, dict[str, Role], bool] | None = None
    for event in _events(subject):
        for dtype in (torch.float64, torch.float32):
            network.doubled = False
            with torch.no_grad():
                made = {name: tried(one, event, dtype, steps - 1, network) for name, one in roles.items()}
            broken = sum(bool(one.broken) for one in made.values())
            if best is None or broken < best[0]:
                best = (broken, event, dtype, made, network.doubled)
            if not broken:
                break
        if best is not None and not best[0]:
            break
    assert best is not None
    network.doubled = best[4]
    network.seen.clear()
    network.given.clear()
    judged = [one for one in best[3].values() if one.name not in ("p_loop", "ddim_loop")]
    if judged and all(one.broken for one in judged) and subject.event_shape is None:
        raise UsageError(
            given=f"{subject.label}, whose {judged[0].spelt.partition(' is ')[0]} raises {judged[0].broken}",
            expected="functions of samples [batch, …] and steps", do="say event_shape=, or arguments=",
        )  # fmt: skip
    return best[1], best[2], best[3]
