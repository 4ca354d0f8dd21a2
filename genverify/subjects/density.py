"""A log-density that claims to be normalised."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from torch import Tensor

from genverify.errors import UsageError
from genverify.subjects.bijection import shape
from genverify.subjects.region import Region, region
from genverify.subjects.subject import Subject

__all__ = ["Density", "DensityCall"]

# What a mass is resolved to by default: by quadrature, up to three dimensions, and beyond, by sampling.
_QUADRATURE, _RESOLUTIONS = 3, (1e-3, 2e-2)


@dataclass(frozen=True, kw_only=True)
class DensityCall:
    """A log-density as its checks call it.

    Attributes:
        log_prob: (x, context or None) → log p(x), as the subject returns it.
        dtype: In which it is called: float64 where the subject can be moved there, else its own.
        notes: What a reader should know of how it is called.
        sample: How many, context or None → draws, as the subject returns them, where it has any: where the mass is.
    """

    log_prob: Callable[[Tensor, Tensor | None], Any]
    dtype: torch.dtype = torch.float64
    notes: tuple[str, ...] = ()
    sample: Callable[[int, Tensor | None], Any] | None = None


@dataclass(frozen=True)
class Density(Subject):
    """A log-density: a function x → log p(x), a module or flow with ``log_prob``, or a torch distribution.

    Attributes:
        event_shape: Shape of one event, without the batch.
        support: Where the density lives, in each coordinate: (low, high), or a constraint of torch.distributions.
        context_shape: Shape of one row of context, for a conditional density: ``log_prob(x, context)``.
        around: (center, scale): where the mass is and how wide it is, when that is far from (0, 1).
        resolution: The smallest error of the total mass that is looked for; coarser knowledge is INCONCLUSIVE. 1e-3
            unless stated, and 2e-2 beyond three dimensions, where the mass is sampled.
        call: How the checks call it; filled in by an adapter.
    """

    kind: ClassVar[str] = "density"

    event_shape: tuple[int, ...] | int | None = field(default=None, kw_only=True)
    support: Any = field(default=None, kw_only=True)
    context_shape: tuple[int, ...] | int | None = field(default=None, kw_only=True)
    around: tuple[float, float] = field(default=(0.0, 1.0), kw_only=True)
    resolution: float | None = field(default=None, kw_only=True)
    call: DensityCall | None = field(default=None, kw_only=True, repr=False, compare=False)

    def __post_init__(self) -> None:
        scalar = self.event_shape == () or self.event_shape == []
        object.__setattr__(self, "event_shape", () if scalar else shape("event_shape", self.event_shape))
        object.__setattr__(self, "context_shape", shape("context_shape", self.context_shape))
        region(self.support)
        if not self.around[1] > 0.0:
            raise UsageError(
                given=f"around={self.around}", expected="(center, scale) with a positive scale",
                do="for example around=(100.0, 0.1)",
            )  # fmt: skip

    @property
    def finest(self) -> float:
        """The smallest error of the total mass that is looked for."""
        if self.resolution is not None:
            return self.resolution
        return _RESOLUTIONS[math.prod(self.event) > _QUADRATURE]

    @property
    def where(self) -> Region:
        """The support as a region."""
        return region(self.support)

    @property
    def event(self) -> tuple[int, ...]:
        """The shape of one event; the adapters have settled it by the time that a check asks."""
        assert isinstance(self.event_shape, tuple)
        return self.event_shape

    @property
    def prepared(self) -> DensityCall:
        """How the checks call it.

        Raises:
            UsageError: No adapter has prepared the subject.
        """
        return self.settled(self.call)
