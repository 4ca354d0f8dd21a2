"""Modules and objects that map both ways: ``forward(x) → (y, logabsdet)`` with an inverse by method or by flag."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from genverify.adapters.adapter import adapter
from genverify.adapters.bijection_maps import Raw, call, prepare_maps, signature_names
from genverify.subjects.bijection import Bijection

__all__ = ["flow_module"]

_INVERSES = ("inverse", "reverse", "inv", "backward", "invert", "inverse_transform", "_inverse")
_FLAGS = {"rev": True, "reverse": True, "inverse": True, "invert": True, "inv": True, "mode": "inverse"}
_LOGS = ("log_abs_det_jacobian", "forward_log_det_jacobian", "logabsdet")


def _is_flow(thing: Any) -> bool:  # noqa: ANN401
    return isinstance(thing, nn.Module) or (
        not isinstance(thing, type) and callable(getattr(thing, "forward", None)) and _inverse_name(thing) is not None
    )


def _inverse_name(thing: Any) -> str | None:  # noqa: ANN401
    return next((name for name in _INVERSES if callable(getattr(thing, name, None))), None)


def _convention(thing: Any) -> tuple[Raw, Raw | None]:  # noqa: ANN401
    forward = thing if isinstance(thing, nn.Module) else thing.forward
    log = next((getattr(thing, name) for name in _LOGS if callable(getattr(thing, name, None))), None)

    def there(x: Tensor, context: Tensor | None) -> Any:  # noqa: ANN401
        kept = x.clone() if log is not None else x
        y = call(forward, x, context)
        if log is None or not isinstance(y, Tensor):
            return y
        return y, log(kept, y) if len(signature_names(log)) > 1 else log(kept)

    name = _inverse_name(thing)
    if name is not None:
        method: Callable[..., Any] = getattr(thing, name)
        return there, lambda y, c: call(method, y, c)
    flag = next((n for n in signature_names(forward) if n in _FLAGS), None)
    if flag is None:
        return there, None
    value = _FLAGS[flag]

    def back(y: Tensor, context: Tensor | None) -> Any:  # noqa: ANN401
        return call(_flagged(forward, flag, value), y, context)

    return there, back


def _flagged(forward: Callable[..., Any], flag: str, value: Any) -> Callable[..., Any]:  # noqa: ANN401
    import functools

    target = forward.forward if isinstance(forward, nn.Module) else forward
    return functools.partial(target, **{flag: value})


@adapter("module with forward(x) → (y, logabsdet)", "bijection", _is_flow, rank=60)
def flow_module(subject: Bijection) -> Bijection:
    """nflows, normflows, FrEIA, Glow and RealNVP in the forms that people write them."""
    return prepare_maps(subject, _convention)
