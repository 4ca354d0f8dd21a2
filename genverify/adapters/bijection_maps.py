"""From a stranger's callables to the maps that checks call: copied to float64, tried once, and described."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from genverify.adapters.float64_copy import Carrier, carry
from genverify.errors import UsageError
from genverify.subjects.bijection import Bijection, BijectionMaps, Direction
from genverify.subjects.region import Region

__all__ = ["Convention", "call", "prepare_maps", "split"]

# An object of some convention → (forward, inverse or None), each (x, context) → what the object returned.
Raw = Callable[[Tensor, Tensor | None], Any]
Convention = Callable[[Any], tuple[Raw, Raw | None]]

_CONTEXT_NAMES = ("context", "cond", "condition", "conditions", "cond_inputs", "conditioning", "c", "ctx")
_SIZE_NAMES = ("features", "dim", "data_dim", "input_dim", "num_inputs", "in_features", "d", "D", "n_dim")
_NOT_AVAILABLE = ("NotImplementedError", "InverseNotAvailable")


def call(f: Callable[..., Any], x: Tensor, context: Tensor | None) -> Any:  # noqa: ANN401
    """f(x), or f(x, context) with the context under the name that `f` gives it."""
    if context is None:
        return f(x)
    names = signature_names(f)
    name = next((n for n in _CONTEXT_NAMES if n in names), None)
    return f(x, **{name: context}) if name is not None else f(x, context)


def signature_names(f: Callable[..., Any]) -> list[str]:
    """The names of the parameters of a callable; empty where it does not tell."""
    target = f.forward if isinstance(f, torch.nn.Module) else f
    try:
        return list(inspect.signature(target).parameters)
    except (TypeError, ValueError):
        return []


def split(returned: Any) -> tuple[Tensor, Any]:  # noqa: ANN401
    """What a direction returned as (points, logabsdet or None): a tensor, or a pair of the two.

    Raises:
        UsageError: It is neither.
    """
    if isinstance(returned, Tensor):
        return returned, None
    if isinstance(returned, (tuple, list)) and returned:
        first = returned[0]
        if isinstance(first, (tuple, list)) and len(first) == 1:
            first = first[0]
        if isinstance(first, Tensor):
            return first, returned[1] if len(returned) > 1 else None
    raise UsageError(
        given=f"a map that returns {type(returned).__name__}",
        expected="a tensor, or a pair (tensor, logabsdet)",
        do="wrap it: Bijection(lambda x: …, inverse=lambda y: …, logabsdet=lambda x: …)",
    )


def prepare_maps(subject: Bijection, convention: Convention, kept: tuple[torch.dtype, ...] = ()) -> Bijection:
    """The subject with its maps: from `f` by the convention, overridden by what was given explicitly.

    `kept` are the floating dtypes of the tensors that an object keeps which is no module.

    Raises:
        UsageError: No event shape was given and none could be found, or the map is not one of tensors.
    """
    carrier = carry(subject.f, subject.inverse, subject.logabsdet, subject.inverse_logabsdet)
    own = _Attempt.of(subject, convention, carrier.own)
    known = carrier.dtypes or kept
    own_dtypes = known or (torch.float32, torch.float64)
    subject = _with_event_shape(subject, own, own_dtypes)
    for attempt in (own, None if carrier.wide is None else _Attempt.of(subject, convention, carrier.wide)):
        if attempt is not None:
            _warm_up(subject, attempt, own_dtypes[0] if attempt is own else torch.float64)
    chosen, dtype, notes = _judged(subject, convention, carrier, own, own_dtypes)
    inverse, missing = _available(subject, chosen, dtype)
    varied = _free_parameters(carrier, dtype) if subject.vary_parameters else ()
    if subject.vary_parameters and not varied:
        notes = (*notes, "no parameter could be varied")
    maps = BijectionMaps(
        forward=chosen.forward, inverse=inverse, dtype=dtype, own_forward=own.forward, own_dtypes=own_dtypes,
        mixed=len(known) != 1,
        parameters=varied, notes=(*carrier.notes, *notes, *missing),
    )  # fmt: skip
    return replace(subject, maps=maps)


@dataclass(frozen=True)
class _Attempt:
    """The two directions made of one copy of the subject."""

    forward: Direction
    inverse: Direction | None

    @classmethod
    def of(cls, subject: Bijection, convention: Convention, moved: Callable[[Any], Any]) -> _Attempt:
        forward, inverse = convention(moved(subject.f))
        if subject.inverse is not None:
            given = moved(subject.inverse)
            inverse = lambda y, c: call(given, y, c)  # noqa: E731
        log, inverse_log = moved(subject.logabsdet), moved(subject.inverse_logabsdet)
        made = _direction(forward, log, subject.batched)
        return cls(made, None if inverse is None else _direction(inverse, inverse_log, subject.batched))


def _direction(raw: Raw, log: Callable[..., Any] | None, batched: bool) -> Direction:
    def of_batch(x: Tensor, context: Tensor | None) -> tuple[Tensor, Any]:
        kept = x.clone() if log is not None else x
        y, found = split(raw(x, context))
        return y, found if log is None else _logabsdet(log, kept, y, context)

    def row_by_row(x: Tensor, context: Tensor | None) -> tuple[Tensor, Any]:
        rows = [of_batch(x[i], None if context is None else context[i]) for i in range(len(x))]
        logs = [found for _, found in rows]
        if all(found is None for found in logs):
            return torch.stack([y for y, _ in rows]), None
        stacked = torch.stack([torch.as_tensor(found, dtype=x.dtype, device=x.device) for found in logs])
        return torch.stack([y for y, _ in rows]), stacked

    return of_batch if batched else row_by_row


def _logabsdet(log: Callable[..., Any], x: Tensor, y: Tensor, context: Tensor | None) -> Any:  # noqa: ANN401
    """log(x), log(x, context), log(x, y) or log(x, y, context), by what the function takes."""
    arguments = [x] if context is None else [x, context]
    try:
        required = [
            p for p in inspect.signature(log).parameters.values()
            if p.default is p.empty and p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)
        ]  # fmt: skip
    except (TypeError, ValueError):
        return log(*arguments)
    if len(required) > len(arguments):
        arguments.insert(1, y)
    return log(*arguments[: max(1, len(required))])


def interior(region: Region, shape: tuple[int, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    """Irregular points well inside a region."""
    count = math.prod(shape)
    t = (0.5 + 0.4 * torch.sin(torch.arange(1, count + 1, dtype=torch.float64) * 1.7)).reshape(shape)
    if region.simplex:
        t = t / t.sum(-1, keepdim=True)
    elif region.whole:
        t = 2.0 * t - 1.0
    elif math.isinf(region.high):
        t = region.low + 2.0 * t
    else:
        t = region.high - 2.0 * t if math.isinf(region.low) else region.low + (region.high - region.low) * t
    return t.to(device=device, dtype=dtype)


def device_of(subject: Bijection) -> torch.device:
    """Where the tensors of the subject are; the CPU when it has none."""
    from genverify.adapters.float64_copy import module_of

    module = module_of(subject.f)
    if module is None:
        return torch.device("cpu")
    return next((t.device for t in [*module.parameters(), *module.buffers()]), torch.device("cpu"))


def _try(subject: Bijection, direction: Direction, region: Region, dtype: torch.dtype) -> tuple[Tensor, Any]:
    device = device_of(subject)
    x = interior(region, (2, *subject.event), dtype, device)
    shape = subject.context_shape
    context = None if shape is None else interior(Region(), (2, *shape), dtype, device)  # type: ignore[misc]
    state = torch.get_rng_state()
    try:
        return direction(x, context)
    finally:
        torch.set_rng_state(state)


def _with_event_shape(subject: Bijection, attempt: _Attempt, dtypes: tuple[torch.dtype, ...]) -> Bijection:
    """The subject with the shape of its events: as declared, if the subject takes that; else found by trying.

    Raises:
        UsageError: The subject raises on events of the declared shape and takes those of another; or no shape is found.
    """
    if subject.event_shape is None:
        found = _found_shape(subject, attempt, dtypes[0])
        if found is None:
            raise UsageError(
                given=f"{subject.label} without event_shape", expected="the shape of one event, without the batch axis",
                do="for example Bijection(flow, event_shape=(2,))",
            )  # fmt: skip
        return found
    try:
        _try(subject, attempt.forward, subject.where, dtypes[0])
    except UsageError:
        raise
    except Exception as error:
        other = _found_shape(subject, attempt, dtypes[0])
        if other is not None:
            raise UsageError(
                given=f"event_shape={subject.event_shape}, on which {subject.label} raises {type(error).__name__}",
                expected="the shape of one event, without the batch axis",
                do=f"event_shape={other.event_shape} is taken",
            ) from error
        # It takes nothing that was tried: that is the subject's own fault, and the checks will show it.
    return subject


def _found_shape(subject: Bijection, attempt: _Attempt, dtype: torch.dtype) -> Bijection | None:
    sizes = [getattr(subject.f, name, None) for name in _SIZE_NAMES]
    candidates = [(n,) for n in sizes if isinstance(n, int) and not isinstance(n, bool) and n > 0]
    candidates += [tuple(n) for n in sizes if isinstance(n, (tuple, list)) and all(isinstance(k, int) for k in n)]
    for event in [*candidates, (2,), (3,), (4,), (1,), (5,), (6,), (8,), (3, 4, 4), (4, 4, 4)]:
        guess = replace(subject, event_shape=event)
        try:
            y, _ = _try(guess, attempt.forward, guess.where, dtype)
        except Exception:  # another shape is tried next
            continue
        if y.ndim > 0 and len(y) == 2 and bool(torch.isfinite(y).all()):
            return guess
    return None


def _warm_up(subject: Bijection, attempt: _Attempt, dtype: torch.dtype) -> None:
    """A first call, on the copy: layers that initialise themselves from their first batch have it behind them."""
    try:
        _try(subject, attempt.forward, subject.where, dtype)
    except Exception:  # the checks will meet it again, and say so
        return


def _judged(
    subject: Bijection, convention: Convention, carrier: Carrier, own: _Attempt, dtypes: tuple[torch.dtype, ...]
) -> tuple[_Attempt, torch.dtype, tuple[str, ...]]:
    """The copy that is judged: the float64 one if it computes in float64, else the subject's own dtype."""
    wide = own if carrier.wide is None else _Attempt.of(subject, convention, carrier.wide)
    if carrier.wide is not None or not carrier.dtypes or torch.float64 in carrier.dtypes:
        try:
            y, _ = _try(subject, wide.forward, subject.where, torch.float64)
            if y.dtype == torch.float64:
                return wide, torch.float64, ()
            why = f"it returns {_short(y.dtype)} for float64"
        except Exception as error:
            why = f"in float64 it raises {type(error).__name__}"
    else:
        why = "it cannot be copied"
    narrow = next((d for d in dtypes if d != torch.float64), torch.float32)
    try:
        _try(subject, own.forward, subject.where, narrow)
    except UsageError:
        raise
    except Exception:  # it runs in neither: let the checks show the exception in the better dtype
        return wide, torch.float64, ()
    return own, narrow, (f"judged in {_short(narrow)} with its wider allowance: {why}",)


def _short(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def _available(subject: Bijection, chosen: _Attempt, dtype: torch.dtype) -> tuple[Direction | None, tuple[str, ...]]:
    """The inverse, unless it says that it is not there."""
    if chosen.inverse is None:
        return None, ()
    try:
        y, _ = _try(subject, chosen.forward, subject.where, dtype)
        context_shape = subject.context_shape
        context = (
            None if context_shape is None else interior(Region(), (2, *context_shape), dtype, y.device)  # type: ignore[misc]
        )
        chosen.inverse(y.detach(), context)
    except Exception as error:
        if type(error).__name__ in _NOT_AVAILABLE:
            return None, (f"its inverse raises {type(error).__name__}; only the forward map is judged",)
    return chosen.inverse, ()


def _free_parameters(carrier: Carrier, dtype: torch.dtype) -> tuple[Tensor, ...]:
    if dtype != torch.float64 or carrier.wide is None:
        return ()
    return tuple(p for module in carrier.modules for p in module.parameters() if p.requires_grad)
