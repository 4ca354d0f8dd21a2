"""A stranger's variational autoencoder: its parts found by the names that people give them, copied to float64."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from genverify.adapters.adapter import adapter
from genverify.adapters.float64_copy import carry
from genverify.adapters.latent_loss import call_model, loss_of
from genverify.adapters.latent_rebinding import rebound
from genverify.adapters.latent_roles import DECODERS, ENCODERS, LATENTS, LOSSES
from genverify.errors import GenverifyError, UsageError, nearest
from genverify.noise import record
from genverify.subjects.latent_events import sample_condition, sample_events
from genverify.subjects.latent_variable_model import DATA, LatentCalls, LatentVariableModel, Site

__all__ = ["latent_model"]


@adapter("class or function", "latent_variable_model", callable, rank=90)
def no_model(subject: LatentVariableModel) -> LatentVariableModel:
    """Anything else that can be called.

    Raises:
        UsageError: Always: an instance of a module is needed.
    """
    made = f"{subject.label}(…)" if isinstance(subject.f, type) else "model"
    raise UsageError(
        given=f"{subject.label}, a {type(subject.f).__name__}", expected="an instance of torch.nn.Module",
        do=f"construct it, or gather encoder, decoder and loss in a module: LatentVariableModel({made}, event_shape=…)",
    )  # fmt: skip


_ROLES = {"encoder": ENCODERS, "decoder": DECODERS, "latent": LATENTS}


@adapter(
    "module with an encoder, a decoder and a loss",
    "latent_variable_model",
    lambda thing: isinstance(thing, nn.Module),
    rank=50,
)
def latent_model(subject: LatentVariableModel) -> LatentVariableModel:
    """Modules with an encoder, a decoder and a loss.

    Raises:
        UsageError: There is no loss, no decoder, or it raises on events of that shape.
    """
    model = subject.f
    carrier = carry(model)
    problem: Exception | None = None
    tried = [(carrier.wide, torch.float64)] if carrier.wide is not None else []
    own = next((d for d in carrier.dtypes if d != torch.float64), torch.float64)
    tried.append((carrier.own, own))
    for move, dtype in tried:
        assert move is not None
        copied = move(model)
        try:
            calls = _calls(subject, model, copied, dtype)
        except UsageError:
            raise
        except Exception as error:  # a stranger's code may raise anything; its own dtype is tried next
            problem = problem or error
            continue
        if dtype != torch.float64 and problem is not None:
            why = f"judged in {str(dtype).removeprefix('torch.')} with its wider allowance: not in float64"
            calls = replace(calls, notes=(*calls.notes, why))
        return replace(subject, prepared=calls)
    assert problem is not None
    raise UsageError(
        given=f"{subject.label} on events of shape {subject.event_shape}, which raises {type(problem).__name__}: "
        + str(problem).strip().partition("\n")[0][:200],
        expected="a loss of (x) or (x, condition)", do="check event_shape=, condition_shape= or classes=, and fixed=",
    ) from problem  # fmt: skip


def _calls(subject: LatentVariableModel, model: nn.Module, copied: nn.Module, dtype: torch.dtype) -> LatentCalls:
    sites = _sites(subject, copied)
    pairs = {id(a): b for a, b in zip(model.modules(), copied.modules(), strict=True)}
    target, label, maximised = _target(subject, copied, pairs)
    loss = loss_of(subject, target, copied, sites, label)
    mode = _modes(copied, active=subject.training, plain=subject.training)
    mode(False)
    drawn, data = _tried(subject, copied, loss, dtype, mode, active=subject.training)
    notes: tuple[str, ...] = ()
    quiet = not drawn
    if quiet and not subject.training:
        # Many a model returns the mean instead of a draw in evaluation mode.
        mode = _modes(copied, active=True, plain=False)
        drawn, data = _tried(subject, copied, loss, dtype, mode, active=True)
        notes = ("judged in training mode, where it draws; dropout and normalisation in evaluation mode",)
    parameters = {name: p for name, p in copied.named_parameters() if p.requires_grad and p.dtype == dtype}
    return LatentCalls(
        loss=loss, forward=lambda x, c: call_model(copied, (x, c), subject), sites=sites, dtype=dtype, module=copied,
        parameters=parameters, maximised=maximised, data=data, mode=mode, draws_in_evaluation=not quiet, notes=notes,
    )  # fmt: skip


def _modes(copied: nn.Module, *, active: bool, plain: bool) -> Callable[[bool], None]:
    """On → the mode in which the loss is judged: evaluation mode, or training but for dropout and normalisation."""
    modules = list(copied.modules())
    flags = [
        active and (plain or not ("Norm" in type(one).__name__ or "Dropout" in type(one).__name__)) for one in modules
    ]

    def mode(on: bool) -> None:
        for one, flag in zip(modules, flags, strict=True):
            one.training = on and flag

    return mode


def _tried(
    subject: LatentVariableModel, model: nn.Module, loss: Callable[..., Tensor], dtype: torch.dtype,
    mode: Callable[[bool], None], *, active: bool,
) -> tuple[bool, str]:  # fmt: skip
    """Whether the loss draws noise, and the first kind of data that it takes without an exception."""
    problem: Exception | None = None
    for data in (subject.data,) if subject.data is not None else DATA:
        x, condition = sample_events(subject, data, 3, dtype), sample_condition(subject, 3, dtype)
        state = torch.get_rng_state()
        mode(active)
        try:
            with record() as recorder, torch.enable_grad():
                found = loss(x, condition)
        except GenverifyError:
            raise
        except Exception as error:
            problem = problem or error
            continue
        finally:
            mode(False)
            torch.set_rng_state(state)
        if found.dtype != dtype:
            raise TypeError(f"the loss is {found.dtype} where the model is {dtype}")
        foreign = recorder.tape.uncontrolled
        if foreign and not recorder.tape.draws:
            raise UsageError(
                given=f"{subject.label}, whose noise is none of torch's ({'; '.join(foreign)})",
                expected="draws that can be fed: torch.randn, torch.randn_like, Normal.rsample, …",
                do="draw with torch where the model draws z",
            )  # fmt: skip
        return bool(recorder.tape.draws), data
    assert problem is not None
    if _runs(subject, model, sample_events(subject, "unit", 2, dtype), sample_condition(subject, 2, dtype)):
        return True, subject.data or DATA[0]  # the model takes them: what the loss raises is its own fault
    raise problem


def _runs(subject: LatentVariableModel, model: nn.Module, x: Tensor, condition: Tensor | None) -> bool:
    """Whether the model itself takes such events."""
    state = torch.get_rng_state()
    try:
        call_model(model, (x, condition), subject)
    except Exception:
        return False
    finally:
        torch.set_rng_state(state)
    return True


def _sites(subject: LatentVariableModel, copied: nn.Module) -> tuple[Site, ...]:
    scripted = isinstance(copied, torch.jit.ScriptModule)
    found = [] if scripted else [Site(name="forward", role="forward", owner=copied, module=copied)]
    for role, names in _ROLES.items():
        stated = getattr(subject, role)
        if stated is not None:
            found.append(_stated(subject, role, stated, copied))
            continue
        found += _known(role, names, copied)
    if not any(site.role == "decoder" for site in found):
        raise UsageError(
            given=f"{subject.label} without a part that is called as decoders are ({', '.join(DECODERS[:6])}, …)",
            expected="the name of its decoder", do=f"say decoder=…; it has {', '.join(_callables(copied)[:16])}",
        )  # fmt: skip
    if not any(site.role == "latent" for site in found):
        found += _parts(copied)  # z is what one of them is given
    return tuple(found)


def _parts(copied: nn.Module) -> list[Site]:
    """The layers of the model, in order."""
    layers = [(name, one) for name, one in copied.named_modules() if not list(one.children())]
    return [
        Site(name=name, role="part", owner=copied, module=one)
        for name, one in layers
        if not isinstance(one, torch.jit.ScriptModule)
    ]


def _known(role: str, names: Sequence[str], copied: nn.Module) -> list[Site]:
    """The sites of a role that the model has under a usual name, or that one of its networks has."""
    found = []
    networks = [getattr(copied, name, None) for name in (*ENCODERS, *DECODERS)]
    for owner in (copied, *(one for one in networks if isinstance(one, nn.Module))):
        for name in names:
            thing = getattr(owner, name, None)
            if callable(thing) and not isinstance(thing, type):
                found.append(_site(role, name, owner, thing))
    seen: dict[tuple[int, str], Site] = {(id(site.owner), site.name): site for site in reversed(found)}
    return list(reversed(seen.values()))


def _site(role: str, name: str, owner: object, thing: object) -> Site:
    # A scripted module takes no hooks: the name under which it is called is shadowed, as that of a method is.
    hooked = isinstance(thing, nn.Module) and not isinstance(thing, torch.jit.ScriptModule)
    return Site(name=name, role=role, owner=owner, module=thing if hooked else None)  # type: ignore[arg-type]


def _stated(subject: LatentVariableModel, role: str, stated: Any, copied: nn.Module) -> Site:  # noqa: ANN401
    """The site that a name, a submodule or a method of the model says."""
    if not isinstance(stated, str):
        names = [name for name, part in subject.f.named_modules() if part is stated]
        names += [stated.__name__] if getattr(stated, "__self__", None) is subject.f else []
        if not names:
            raise UsageError(
                given=f"{role}={stated!r}, which is no part of {subject.label}",
                expected="the name of an attribute, a submodule or a method", do=f"for example {role}='{role}'",
            )  # fmt: skip
        stated = names[0]
    owner: Any = copied
    *path, name = stated.split(".")
    for part in path:
        owner = getattr(owner, part, None)
    thing = getattr(owner, name, None)
    if not callable(thing):
        raise UsageError(
            given=f"{role}={stated!r}", expected=f"a module or method of {subject.label}",
            do=nearest(stated, _callables(copied)),
        )  # fmt: skip
    return _site(role, name, owner, thing)


def _callables(copied: nn.Module) -> list[str]:
    """What the model has of its own that can be called."""
    plain = set(dir(nn.Module))
    names = [name for name in dir(copied) if name not in plain and not name.startswith("__")]
    return [name for name in names if callable(getattr(copied, name, None))]


def _target(subject: LatentVariableModel, copied: nn.Module, pairs: dict[int, Any]) -> tuple[Any, str, bool | None]:
    """The loss to be called, how messages call it, and whether it is to be maximised (None: as its sign says)."""
    stated = subject.loss if subject.loss is not None else subject.elbo
    maximised = subject.elbo is not None
    if isinstance(stated, str):
        found: Any = copied
        for part in stated.split("."):
            found = getattr(found, part, None)
        if not callable(found):
            raise UsageError(
                given=f"loss={stated!r}",
                expected=f"a method of {subject.label}",
                do=nearest(stated, _callables(copied)),
            )
        return found, stated, maximised
    if stated is not None:
        if not callable(stated):
            raise UsageError(
                given=f"loss={stated!r}", expected="the name of a method, or a callable", do="for example loss='loss'"
            )
        name = getattr(stated, "__name__", type(stated).__name__)
        return rebound(stated, pairs), name, maximised
    for name in LOSSES:
        found = getattr(copied, name, None)
        if callable(found) and not isinstance(found, type):
            return found, name, None if "elbo" in name.lower() or "bound" in name else False
    return copied, "forward", None
