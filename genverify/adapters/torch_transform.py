"""``torch.distributions.Transform``, and the transforms of zuko, which are such."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from torch.distributions import Distribution
from torch.distributions.transforms import Transform

from genverify.adapters.adapter import adapter
from genverify.adapters.bijection_maps import Raw, prepare_maps
from genverify.errors import UsageError
from genverify.subjects.bijection import Bijection

__all__ = ["torch_transform", "transform_convention"]


def _is_transform(thing: Any) -> bool:  # noqa: ANN401
    return isinstance(thing, Transform)


def transform_convention(thing: Transform) -> tuple[Raw, Raw | None]:
    """Both directions of a transform, its logabsdet summed to the event."""

    def there(x: Tensor, context: Tensor | None) -> Any:  # noqa: ANN401
        return _with_log(thing, x)

    def back(y: Tensor, context: Tensor | None) -> Any:  # noqa: ANN401
        return _with_log(thing.inv, y)

    return there, back


def _with_log(transform: Transform, x: Tensor) -> Any:  # noqa: ANN401
    if hasattr(transform, "call_and_ladj"):
        y, log = transform.call_and_ladj(x)  # type: ignore[attr-defined]
    else:
        y = transform(x)
        try:
            log = transform.log_abs_det_jacobian(x, y)
        except NotImplementedError:
            return y
    # One number for each event of the transform, of which an event of the subject may hold several.
    batch = tuple(x.shape[: x.ndim - transform.domain.event_dim])
    if isinstance(log, Tensor) and log.ndim > 1 and tuple(log.shape) == batch:
        log = log.reshape(log.shape[0], -1).sum(1)
    return y, log


@adapter("torch.distributions.Transform", "bijection", _is_transform, rank=20, guesses=True)
def torch_transform(subject: Bijection) -> Bijection:
    """A transform, judged on the domain and the image that it declares.

    Raises:
        UsageError: The transform says of itself that it is not bijective.
    """
    thing = subject.f
    if not thing.bijective:
        raise UsageError(
            given=f"{subject.label}, which says bijective=False", expected="a bijective transform",
            do="leave it out: it has no inverse and no log-determinant",
        )  # fmt: skip
    filled = replace(
        subject,
        domain=thing.domain if subject.domain is None else subject.domain,
        image=_image(thing) if subject.image is None else subject.image,
    )
    if filled.event_shape is None and thing.domain.event_dim == 0:
        filled = replace(filled, event_shape=(2,))
    # A transform is no module: its dtype is that of the tensors that it, and what it is made of, keep.
    kept = tuple(dict.fromkeys(_dtypes(thing, set())))
    return _with_image_event(prepare_maps(filled, transform_convention, kept))


def _dtypes(thing: Any, seen: set[int]) -> Iterator[torch.dtype]:  # noqa: ANN401
    if id(thing) in seen:
        return
    seen.add(id(thing))
    if isinstance(thing, Tensor):
        # A number that a transform made a tensor of has no dimensions, and does not widen what it is added to.
        if thing.is_floating_point() and thing.ndim:
            yield thing.dtype
    elif isinstance(thing, (tuple, list)):
        for one in thing:
            yield from _dtypes(one, seen)
    elif isinstance(thing, (Transform, Distribution)):
        yield from _dtypes(list(vars(thing).values()), seen)


def _with_image_event(subject: Bijection) -> Bijection:
    """Torch maps some events onto manifolds in larger spaces: a simplex, a Cholesky factor of a correlation matrix."""
    event = tuple(subject.f.forward_shape((1, *subject.event)))[1:]
    if math.prod(event) == math.prod(subject.event) or subject.maps is None:
        return subject
    return replace(subject, maps=replace(subject.maps, image_event=event))


def _image(thing: Transform) -> Any:  # noqa: ANN401
    """The codomain, where it is a simplex; of a composition it may be larger than the image, so it is not used."""
    return thing.codomain if type(thing.codomain).__name__.lstrip("_") == "Simplex" else None
