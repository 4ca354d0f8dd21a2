"""Modules, methods and plain functions x → y as the checks of a map call them: copied to float64, and tried once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from genverify.adapters.adapter import adapter
from genverify.adapters.bijection_maps import call, interior
from genverify.adapters.float64_copy import Carrier, carry, module_of
from genverify.errors import UsageError
from genverify.subjects.map import Function, Map, MapCalls
from genverify.subjects.region import Region

__all__ = ["map_calls"]

_OTHERS = ("adjoint", "equals", "residual_of")
_SIZES = ("in_features", "features", "input_dim", "in_dim", "dim", "num_inputs", "input_size")
_SIDE = 8
Moved = Callable[[Any], Any]


@adapter("module or function x → y", "map", callable, rank=50)
def map_calls(subject: Map) -> Map:
    """Modules, functions, methods and callable objects.

    Raises:
        UsageError: A class was given; no event shape is known, or another one is taken; the result is no tensor.
    """
    if isinstance(subject.f, type):
        raise UsageError(
            given=f"the class {subject.label}", expected="an instance, or a function",
            do=f"construct it: Map({subject.label}(…), event_shape=…)",
        )  # fmt: skip
    carrier = carry(subject.f, *(getattr(subject, name) for name in _OTHERS))
    own_dtypes = carrier.dtypes or (torch.float32, torch.float64)
    own_f = _function(subject, _mode(subject, carrier.own)(subject.f))
    subject = _with_event_shape(subject, own_f, own_dtypes[0])
    moved, dtype, notes = _judged(subject, carrier, own_f, own_dtypes)
    f = _function(subject, moved(subject.f))
    module = module_of(moved(subject.f))
    copied = module is not None and module is not module_of(subject.f)
    state = _state(module) if subject.training and copied else ()
    calls = MapCalls(
        f=f, dtype=dtype, device=_device(subject), output_event=_output_event(subject, f, dtype, state),
        others={name: _other(name, moved, subject) for name in _OTHERS if getattr(subject, name) is not None},
        own=own_f, own_dtypes=own_dtypes, mixed=len(carrier.dtypes) != 1,
        parameters=_trainable(module, dtype) if copied else {}, state=state,
        module=module if copied else None,
        notes=(*(n for n in carrier.notes if not (subject.training and "evaluation mode" in n)), *notes),
    )  # fmt: skip
    return replace(subject, prepared=calls, memory={})


def _mode(subject: Map, moved: Moved) -> Moved:
    """The same copies, in training mode where that is declared; the subject's own module stays as it is."""

    def in_mode(thing: Any) -> Any:  # noqa: ANN401
        found = moved(thing)
        module = module_of(found)
        if subject.training and module is not None and module is not module_of(thing):
            module.train()
        return found

    return in_mode


def _function(subject: Map, f: Any) -> Function:  # noqa: ANN401
    def of_batch(x: Tensor, context: Tensor | None) -> Tensor:
        return _tensor(subject, call(f, x, context))

    def row_by_row(x: Tensor, context: Tensor | None) -> Tensor:
        return torch.stack([of_batch(x[i], None if context is None else context[i]) for i in range(len(x))])

    return of_batch if subject.batched else row_by_row


def _other(name: str, moved: Moved, subject: Map) -> Function:
    """A further function of the declaration; what stands beside an adjoint's cotangent is no context of its own."""
    made = moved(getattr(subject, name))
    several = replace(subject, output=None) if name == "adjoint" else subject
    return _function(several, made)


def _tensor(subject: Map, returned: Any) -> Tensor:  # noqa: ANN401
    """The image among what was returned; a complex one as real and imaginary parts along a last axis.

    Raises:
        UsageError: It is no tensor, and no `output` says which part of it is.
    """
    found = returned
    if subject.output is not None:
        try:
            found = returned[subject.output]
        except (KeyError, IndexError, TypeError) as error:
            if isinstance(subject.output, str) and isinstance(getattr(returned, subject.output, None), Tensor):
                return _tensor(replace(subject, output=None), getattr(returned, subject.output))
            raise UsageError(
                given=f"output={subject.output!r} of {subject.label}, which returns {type(returned).__name__}",
                expected="the index or key of one of its results", do="leave it out where it returns a tensor",
            ) from error  # fmt: skip
    elif isinstance(returned, (tuple, list)) and len(returned) == 1:
        found = returned[0]
    if not isinstance(found, Tensor):
        raise UsageError(
            given=f"{subject.label}, which returns {type(found).__name__}", expected="a tensor",
            do="say which result is meant by output=0 (an index or a key), or wrap the map",
        )  # fmt: skip
    return torch.view_as_real(found.resolve_conj()) if found.is_complex() else found


def _device(subject: Map) -> torch.device:
    """Where the tensors of the subject are; the CPU when it has none."""
    module = module_of(subject.f)
    tensors = [] if module is None else [*module.parameters(), *module.buffers()]
    return tensors[0].device if tensors else torch.device("cpu")


def _try(subject: Map, f: Function, dtype: torch.dtype) -> Tensor:
    device = _device(subject)
    x = interior(subject.where, (2, *subject.event), dtype, device)
    shape = subject.context_shape
    context = interior(Region(), (2, *shape), dtype, device) if isinstance(shape, tuple) else None
    state = torch.get_rng_state()
    try:
        return f(x, context)
    finally:
        torch.set_rng_state(state)


def _with_event_shape(subject: Map, f: Function, dtype: torch.dtype) -> Map:
    """The subject with the shape of its events: as declared, if it takes that.

    Raises:
        UsageError: It raises on events of the declared shape and takes those of another; or no shape is known.
    """
    problem: Exception | None = None
    if subject.event_shape is not None:
        try:
            _try(subject, f, dtype)
        except UsageError:
            raise
        except Exception as error:
            problem = error
        else:
            return subject
    for event in _candidates(subject):
        guess = replace(subject, event_shape=event)
        try:
            _try(guess, f, dtype)
        except UsageError:
            raise
        except Exception:  # another shape is tried next
            continue
        if problem is None:
            return guess
        raise UsageError(
            given=f"event_shape={subject.event_shape}, on which {subject.label} raises {type(problem).__name__}: "
            + str(problem).strip().partition("\n")[0][:160],
            expected="the shape of one event that it takes, without the batch axis", do=f"{event} is taken",
        ) from problem  # fmt: skip
    if subject.event_shape is None:
        raise UsageError(
            given=f"{subject.label} without event_shape", expected="the shape of one event, without the batch axis",
            do="for example Map(net, event_shape=(3, 8, 8))",
        )  # fmt: skip
    return subject  # it takes nothing that was tried: that is its own fault, and the checks will show it


def _candidates(subject: Map) -> list[tuple[int, ...]]:
    """Shapes that the first layer asks for: its features, or its channels and as many axes as its kernel has."""
    module = module_of(subject.f)
    if module is None:
        return []
    for part in module.modules():
        channels, weight = getattr(part, "in_channels", None), getattr(part, "kernel_size", None)
        if isinstance(channels, int) and isinstance(weight, tuple):
            return [(channels, *[side] * len(weight)) for side in (_SIDE, 4 * _SIDE)]
        for name in _SIZES:
            size = getattr(part, name, None)
            if isinstance(size, int) and not isinstance(size, bool) and size > 0:
                return [(size,)]
    return []


def _judged(
    subject: Map, carrier: Carrier, own_f: Function, dtypes: tuple[torch.dtype, ...]
) -> tuple[Moved, torch.dtype, tuple[str, ...]]:
    """The copy that is judged: the float64 one if it computes in float64, else the subject's own dtype."""
    own = _mode(subject, carrier.own)
    wide = own if carrier.wide is None else _mode(subject, carrier.wide)
    if carrier.wide is not None or not carrier.dtypes or torch.float64 in carrier.dtypes:
        try:
            y = _try(subject, _function(subject, wide(subject.f)), torch.float64)
            if y.dtype == torch.float64 or not y.is_floating_point():
                return wide, torch.float64, ()
            why = f"it returns {_short(y.dtype)} for float64"
        except Exception as error:
            why = f"in float64 it raises {type(error).__name__}"
    else:
        why = "it cannot be copied"
    narrow = next((d for d in dtypes if d != torch.float64), torch.float32)
    try:
        _try(subject, own_f, narrow)
    except UsageError:
        raise
    except Exception:  # it runs in neither: let the checks show the exception in the better dtype
        return wide, torch.float64, ()
    return own, narrow, (f"judged in {_short(narrow)} with its wider allowance: {why}",)


def _short(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def _state(module: nn.Module | None) -> tuple[tuple[Tensor, Tensor], ...]:
    return () if module is None else tuple((b, b.detach().clone()) for b in module.buffers())


def _trainable(module: nn.Module | None, dtype: torch.dtype) -> Mapping[str, Tensor]:
    if module is None:
        return {}
    return {name: p for name, p in module.named_parameters() if p.requires_grad and p.dtype == dtype}


def _output_event(
    subject: Map, f: Function, dtype: torch.dtype, state: tuple[tuple[Tensor, Tensor], ...]
) -> tuple[int, ...] | None:
    try:
        y = _try(subject, f, dtype)
    except UsageError:
        raise
    except Exception:  # the checks will meet it again, and say so
        return None
    for live, kept in state:
        live.data.copy_(kept)
    return tuple(y.shape[1:]) if y.ndim and len(y) == 2 else None
