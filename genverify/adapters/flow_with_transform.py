"""Whole flows of nflows, normflows and zuko: a transform with a base distribution, of which the transform is judged."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from torch.distributions.transforms import Transform

from genverify.adapters.adapter import adapter
from genverify.adapters.bijection_maps import Raw, call, prepare_maps
from genverify.adapters.torch_transform import transform_convention
from genverify.subjects.bijection import Bijection

__all__ = ["flow_with_both_directions", "lazy_transform", "nflows_flow"]


def _has_inner_transform(thing: Any) -> bool:  # noqa: ANN401
    inner = getattr(thing, "_transform", None)
    return isinstance(thing, nn.Module) and isinstance(inner, nn.Module) and hasattr(thing, "log_prob")


@adapter("flow with a _transform (nflows.flows.Flow)", "bijection", _has_inner_transform, rank=30)
def nflows_flow(subject: Bijection) -> Bijection:
    """The transform of a flow: data → noise."""

    def convention(thing: Any) -> tuple[Raw, Raw | None]:  # noqa: ANN401
        inner = thing._transform
        return (lambda x, c: call(inner, x, c)), (lambda y, c: call(inner.inverse, y, c))

    return prepare_maps(subject, convention)


def _has_both_directions(thing: Any) -> bool:  # noqa: ANN401
    return all(callable(getattr(thing, name, None)) for name in ("forward_and_log_det", "inverse_and_log_det"))


@adapter("flow with forward_and_log_det (normflows)", "bijection", _has_both_directions, rank=30, guesses=True)
def flow_with_both_directions(subject: Bijection) -> Bijection:
    """Noise → data, by the two methods that also return the log-determinant."""

    def convention(thing: Any) -> tuple[Raw, Raw | None]:  # noqa: ANN401
        return (
            lambda x, c: call(thing.forward_and_log_det, x, c),
            lambda y, c: call(thing.inverse_and_log_det, y, c),
        )

    return prepare_maps(subject, convention)


def _is_lazy_transform(thing: Any) -> bool:  # noqa: ANN401
    if not isinstance(thing, nn.Module):
        return False
    names = [f"{base.__module__}.{base.__qualname__}" for base in type(thing).__mro__]
    return any(n in ("zuko.lazy.LazyTransform", "zuko.lazy.Flow") for n in names)


@adapter("zuko.lazy.LazyTransform or Flow", "bijection", _is_lazy_transform, rank=25, guesses=True)
def lazy_transform(subject: Bijection) -> Bijection:
    """A module that makes a transform of a context: made anew for each call, as its owner does."""

    def convention(thing: Any) -> tuple[Raw, Raw | None]:  # noqa: ANN401
        def made(context: Tensor | None) -> Transform:
            lazy = getattr(thing, "transform", thing)
            return lazy(context) if context is not None else lazy()

        def there(x: Tensor, context: Tensor | None) -> Any:  # noqa: ANN401
            return transform_convention(made(context))[0](x, None)

        def back(y: Tensor, context: Tensor | None) -> Any:  # noqa: ANN401
            inverse = transform_convention(made(context))[1]
            assert inverse is not None
            return inverse(y, None)

        return there, back

    return prepare_maps(subject, convention)
