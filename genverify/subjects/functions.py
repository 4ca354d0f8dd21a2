"""Functions as arguments: rewards, critics and test functions given by a few numbers, so that cases can hold them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

__all__ = ["Quadratic", "Sine", "Table", "by_name", "name_of"]


@dataclass(frozen=True)
class Table:
    """A function of an integer, by its values: ``table(k) = entries[k]``.

    >>> Table(torch.tensor([5.0, 7.0]))(torch.tensor([1, 0, 1]))
    tensor([7., 5., 7.])
    """

    entries: torch.Tensor

    def __call__(self, index: torch.Tensor) -> torch.Tensor:
        """The entries at these indices; a binary float tensor is read as indices, too."""
        return self.entries[index.to(torch.int64)]

    def to_data(self) -> dict[str, Any]:
        """The numbers that define it."""
        return {"entries": self.entries}

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Table:
        """The function that these numbers define."""
        return cls(data["entries"])


@dataclass(frozen=True)
class Quadratic:
    """``f(z) = a z² + b z + c`` in each element, summed over the last axis when there is one."""

    a: float
    b: float
    c: float

    def __call__(self, z: torch.Tensor) -> torch.Tensor:
        """The value, one for each row."""
        value = self.a * z * z + self.b * z + self.c
        return value.sum(-1) if value.dim() > 1 else value

    def to_data(self) -> dict[str, Any]:
        """The numbers that define it."""
        return {"a": self.a, "b": self.b, "c": self.c}

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Quadratic:
        """The function that these numbers define."""
        return cls(**data)


@dataclass(frozen=True)
class Sine:
    """``f(z) = sin(ω z + φ)``, summed over the last axis when there is one: smooth and bounded."""

    frequency: float
    phase: float = 0.0

    def __call__(self, z: torch.Tensor) -> torch.Tensor:
        """The value, one for each row."""
        value = torch.sin(self.frequency * z + self.phase)
        return value.sum(-1) if value.dim() > 1 else value

    def to_data(self) -> dict[str, Any]:
        """The numbers that define it."""
        return {"frequency": self.frequency, "phase": self.phase}

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Sine:
        """The function that these numbers define."""
        return cls(**data)


_KNOWN: dict[str, Any] = {"table": Table, "quadratic": Quadratic, "sine": Sine}


def by_name(name: str) -> Any:  # noqa: ANN401 - a class with from_data
    """The class of functions of that name; a KeyError when there is none."""
    return _KNOWN[name]


def name_of(function: object) -> str:
    """The name under which a case writes this function."""
    return next(name for name, known in _KNOWN.items() if type(function) is known)
