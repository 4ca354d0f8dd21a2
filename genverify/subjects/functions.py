"""Functions as arguments: rewards, critics and test functions given by a few numbers, so that cases can hold them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

from genverify.subjects.contractions import Contraction
from genverify.subjects.finite_law import FiniteLaw
from genverify.subjects.smooth_functions import Basins, CoupledWaves, Diffeomorphism, Waves, WaveSum
from genverify.subjects.timed_functions import TimedWaves

__all__ = [
    "Critic",
    "Discriminator",
    "LinearMap",
    "Quadratic",
    "Sine",
    "Table",
    "by_name",
    "name_of",
    "numbers_of",
    "widened",
    "with_numbers",
]


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


@dataclass(frozen=True)
class LinearMap:
    """A linear map of the last axis, ``f(x) = W x``: a matrix-vector product, or a linear denoiser.

    >>> LinearMap(torch.tensor([[1.0, 0.0], [1.0, 1.0]]))(torch.tensor([[2.0, 3.0]]))
    tensor([[2., 5.]])
    """

    matrix: torch.Tensor

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """The image of each row."""
        return x @ self.matrix.to(x.dtype).mT

    def to_data(self) -> dict[str, Any]:
        """The numbers that define it."""
        return {"matrix": self.matrix}

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> LinearMap:
        """The function that these numbers define."""
        return cls(data["matrix"])


@dataclass(frozen=True)
class Critic:
    """A smooth scalar function of a vector, ``C(x) = Σ_h tanh(w_h · x)``: a critic or an energy, one number a row.

    >>> Critic(torch.tensor([[1.0, 1.0]]))(torch.tensor([[0.0, 0.0]]))
    tensor([0.])
    """

    weight: torch.Tensor

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """The value at each row."""
        return torch.tanh(x @ self.weight.to(x.dtype).mT).sum(-1)

    def to_data(self) -> dict[str, Any]:
        """The numbers that define it."""
        return {"weight": self.weight}

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Critic:
        """The function that these numbers define."""
        return cls(data["weight"])


@dataclass(frozen=True)
class Discriminator:
    """A critic of samples of any shape, ``C(x) = Σ_h arctan(w_h · vec x)``; one number a row, or a column of these.

    Its slope 1/(1 + z²) loses no digit on the way, in any dtype: that of tanh, computed as 1 − tanh², is what rounding
    has left of it where tanh is near one, and a penalty on slopes would be judged by the critic's own roundings.

    >>> Discriminator(torch.tensor([[1.0, 1.0]]), column=True)(torch.zeros(3, 1, 1, 2)).shape
    torch.Size([3, 1])
    """

    weight: torch.Tensor
    column: bool = False

    def __call__(self, x: torch.Tensor, *unused: Any) -> torch.Tensor:  # noqa: ANN401 - labels, a step, a resolution
        """The value at each row."""
        value = torch.atan(x.flatten(1) @ self.weight.to(x.dtype).mT).sum(-1)
        return value[:, None] if self.column else value

    def to_data(self) -> dict[str, Any]:
        """The numbers that define it."""
        return {"weight": self.weight, "column": self.column}

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Discriminator:
        """The function that these numbers define."""
        return cls(**data)


_KNOWN: dict[str, Any] = {
    "table": Table, "quadratic": Quadratic, "sine": Sine, "linear_map": LinearMap, "critic": Critic,
    "waves": Waves, "wave_sum": WaveSum, "coupled_waves": CoupledWaves, "diffeomorphism": Diffeomorphism,
    "basins": Basins, "finite_law": FiniteLaw, "discriminator": Discriminator,
    "timed_waves": TimedWaves, "contraction": Contraction,
}  # fmt: skip


def widened(function: Any) -> Any:  # noqa: ANN401 - any value of a case
    """The function with its numbers in float64, as oracles take it; anything else as it is."""
    if type(function) not in _KNOWN.values():
        return function
    numbers = {
        name: value.double() if isinstance(value, torch.Tensor) else value for name, value in function.to_data().items()
    }
    return type(function).from_data(numbers)


def numbers_of(function: Any) -> dict[str, torch.Tensor]:  # noqa: ANN401 - any value of a case
    """The tensors that define a function of a case, by name; none for what is no such function."""
    if type(function) not in _KNOWN.values():
        return {}
    return {name: value for name, value in function.to_data().items() if isinstance(value, torch.Tensor)}


def with_numbers(function: Any, numbers: Mapping[str, torch.Tensor]) -> Any:  # noqa: ANN401
    """The function with other tensors in place of its own."""
    return type(function).from_data({**function.to_data(), **numbers})


def by_name(name: str) -> Any:  # noqa: ANN401 - a class with from_data
    """The class of functions of that name; a KeyError when there is none."""
    return _KNOWN[name]


def name_of(function: object) -> str:
    """The name under which a case writes this function."""
    return next(name for name, known in _KNOWN.items() if type(function) is known)
