"""A map that claims to be invertible, and to know its log-determinant."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from torch import Tensor

from genverify.errors import UsageError
from genverify.subjects.region import Region, region
from genverify.subjects.subject import Subject

__all__ = ["Bijection", "BijectionMaps"]

# (points, context or None) → (images, logabsdet as the subject returned it or None)
Direction = Callable[[Tensor, Tensor | None], tuple[Tensor, Any]]


@dataclass(frozen=True, kw_only=True)
class BijectionMaps:
    """A bijection as its checks call it, whatever convention it follows.

    Attributes:
        forward: (x, context) → (y, logabsdet or None).
        inverse: (y, context) → (x, logabsdet or None); None where the subject has no inverse.
        dtype: In which the two are called: float64 where the subject can be moved there, else its own.
        own_forward: As `forward`, of the untouched subject.
        own_dtypes: The dtypes in which the untouched subject is meant to run.
        mixed: Whether the untouched subject has no floating dtype of its own, or several.
        image_event: The shape of the image of one event, where the subject declares one of another size (a manifold).
        parameters: The floating tensors that a copy of the subject may vary; empty unless `vary_parameters`.
        notes: What a reader should know of how it is called.
    """

    forward: Direction
    inverse: Direction | None = None
    dtype: torch.dtype = torch.float64
    own_forward: Direction | None = None
    own_dtypes: tuple[torch.dtype, ...] = ()
    mixed: bool = True
    image_event: tuple[int, ...] | None = None
    parameters: tuple[Tensor, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Bijection(Subject):
    """A bijection of events; in which of its directions data become noise does not matter.

    ``f`` may be a module whose ``forward(x)`` returns ``(y, logabsdet)`` with its ``inverse`` beside it, a
    ``torch.distributions.Transform``, a transform or flow of nflows, normflows or zuko, or a plain function. What
    it does not carry itself can be given: ``inverse``, ``logabsdet``.

    Attributes:
        event_shape: Shape of one event, without the batch; found by trying when it is not given.
        inverse: y → x, or y → (x, logabsdet), where `f` does not carry it.
        logabsdet: x → log|det ∂f/∂x|, or (x, y) → it, where `f` does not return it.
        inverse_logabsdet: The same of the inverse: y → it, or (y, x) → it.
        domain: Where x lives: (low, high), or a constraint of torch.distributions; all of space by default.
        image: Where y lives, likewise.
        context_shape: Shape of one row of context, for a conditional flow: ``f(x, context)``.
        autoregressive: Claims that y_i depends on x_1, …, x_i alone, so that the Jacobian is lower triangular.
        monotone: Claims that each y_i increases with x_i.
        elementwise: The logabsdet has the shape of the event, and its sum is meant.
        accuracy: Stated relative accuracy of what is found by iteration, integration or a truncated series (an inverse,
            an image, a logabsdet); 0 claims rounding error.
        stochastic: The logabsdet is a random estimate; it is not held against the Jacobian, draw by draw.
        batched: Whether `f` takes a batch of events; if not, it is called row by row.
        vary_parameters: Judges the map at other parameters, too: each trainable parameter of a copy is moved by a
            fifth of its size. Off by default, since parameters may obey constraints that nobody declared.
        maps: How the checks call it; filled in by an adapter.
    """

    kind: ClassVar[str] = "bijection"

    event_shape: tuple[int, ...] | int | None = field(default=None, kw_only=True)
    inverse: Callable[..., Any] | None = field(default=None, kw_only=True)
    logabsdet: Callable[..., Any] | None = field(default=None, kw_only=True)
    inverse_logabsdet: Callable[..., Any] | None = field(default=None, kw_only=True)
    domain: Any = field(default=None, kw_only=True)
    image: Any = field(default=None, kw_only=True)
    context_shape: tuple[int, ...] | int | None = field(default=None, kw_only=True)
    autoregressive: bool = field(default=False, kw_only=True)
    monotone: bool = field(default=False, kw_only=True)
    elementwise: bool = field(default=False, kw_only=True)
    accuracy: float = field(default=0.0, kw_only=True)
    stochastic: bool = field(default=False, kw_only=True)
    batched: bool = field(default=True, kw_only=True)
    vary_parameters: bool = field(default=False, kw_only=True)
    maps: BijectionMaps | None = field(default=None, kw_only=True, repr=False, compare=False)

    def __post_init__(self) -> None:
        for name in ("event_shape", "context_shape"):
            object.__setattr__(self, name, shape(name, getattr(self, name)))
        region(self.domain)
        region(self.image)
        if not 0.0 <= self.accuracy < 1.0:
            raise UsageError(
                given=f"accuracy={self.accuracy}", expected="a relative accuracy from 0 up to 1",
                do="for example accuracy=1e-6 for a bisection that stops there",
            )  # fmt: skip

    @property
    def where(self) -> Region:
        """The domain as a region."""
        return region(self.domain)

    @property
    def onto(self) -> Region:
        """The image as a region."""
        return region(self.image)

    @property
    def event(self) -> tuple[int, ...]:
        """The shape of one event; the adapters have settled it by the time that a check asks."""
        assert isinstance(self.event_shape, tuple)
        return self.event_shape

    @property
    def calls(self) -> BijectionMaps:
        """How the checks call it.

        Raises:
            UsageError: No adapter has prepared the subject.
        """
        return self.settled(self.maps)


def shape(name: str, given: Any) -> tuple[int, ...] | None:  # noqa: ANN401 - what a person typed
    """A shape as a tuple of positive integers; a bare integer is one axis.

    Raises:
        UsageError: It is not a shape, or an axis is empty.

    >>> shape("event_shape", 3), shape("event_shape", [1, 4])
    ((3,), (1, 4))
    """
    if given is None:
        return None
    axes = [given] if isinstance(given, int) and not isinstance(given, bool) else given
    if not isinstance(axes, (tuple, list)) or not all(isinstance(n, int) and n > 0 for n in axes):
        raise UsageError(
            given=f"{name}={given!r}", expected="a tuple of positive integers, without the batch axis",
            do=f"for example {name}=(2,), or (3, 8, 8) for images",
        )  # fmt: skip
    return tuple(axes)
