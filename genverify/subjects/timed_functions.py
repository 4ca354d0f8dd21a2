"""A function of a sample and of a time or noise level, called in the ways in which networks are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

__all__ = ["TimedWaves"]


@dataclass(frozen=True)
class TimedWaves:
    """A smooth field, ``f(x, t) = Σ_h a_h sin(b_h · x + t/(h + 1)) + ¼ cos(t) x``: a denoiser, a score or a velocity.

    Its Jacobian is dense and not symmetric, and t enters it. The numbers are [2, hidden, event]: b and a. A sample may
    have any axes after the batch; a time is one number for all rows or one for each, with or without further axes of
    size one. The order of the two is found from their sizes, keywords have any name, a last column may be the time, and
    what else is given (labels, masks) is not looked at. Without a time it is that of t = 0.

    >>> field = TimedWaves(torch.ones(2, 1, 2))
    >>> field(torch.zeros(1, 2), torch.tensor([0.0])), field(torch.zeros(3, 1, 1, 2), 0.5).shape
    (tensor([[0., 0.]]), torch.Size([3, 1, 1, 2]))
    """

    weight: torch.Tensor

    def __call__(self, *given: Any, **named: Any) -> torch.Tensor:  # noqa: ANN401 - however strangers call it
        """The value at each row.

        Raises:
            ValueError: There is no sample of this many numbers a row, or the times are neither one nor one a row.
        """
        everything = (*given, *named.values())
        x, t = self._told_apart([one for one in everything if isinstance(one, (torch.Tensor, int, float))])
        rows = x.reshape(len(x), -1) if x.dim() > 1 else x[None]
        time = torch.as_tensor(t, dtype=x.dtype).reshape(-1, 1)
        if len(time) not in (1, len(rows)):
            raise ValueError(f"expected one time, or one for each of {len(rows)} rows; got {len(time)}")
        inner, outer = self.weight.to(x.dtype)
        slowness = torch.arange(1, len(inner) + 1, dtype=x.dtype)
        value = torch.sin(rows @ inner.mT + time / slowness) @ outer + torch.cos(time) * rows / 4
        return value.reshape(x.shape)

    def _told_apart(self, given: list[Any]) -> tuple[torch.Tensor, Any]:
        """The sample, and the time: the first other one; zero where there is none."""
        event = self.weight.shape[-1]

        def columns(one: Any) -> int:  # noqa: ANN401
            return one[0].numel() if isinstance(one, torch.Tensor) and one.dim() > 1 and len(one) else 0

        wide = [place for place, one in enumerate(given) if columns(one) == event]
        if not wide:
            joined = [one for one in given if columns(one) == event + 1 and one.dim() == 2]
            if joined:
                return joined[0][:, :-1], joined[0][:, -1]
            wide = [place for place, one in enumerate(given) if getattr(one, "shape", None) == (event,)]
            if len(wide) != 1:
                raise ValueError(f"expected a sample [batch, …] of {event} numbers a row, or one row of these")
        others = [one for place, one in enumerate(given) if place != wide[0]]
        return given[wide[0]], others[0] if others else 0.0

    def to_data(self) -> dict[str, Any]:
        """The numbers that define it."""
        return {"weight": self.weight}

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> TimedWaves:
        """The function that these numbers define."""
        return cls(data["weight"])
