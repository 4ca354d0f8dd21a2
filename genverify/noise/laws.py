"""The laws of random draws: how each is built from standard coordinates and from choices among outcomes.

A law is written once, as a small program over a `Coordinates` object. What answers decides what is computed: a path of
a tree (enumeration and Gauss quadrature), or a point of the unit cube (quasi-Monte Carlo).
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from genverify.noise.draw import Parameter

__all__ = ["LAWS", "TAIL", "Base", "Coordinates", "Law"]

Base = Literal["normal", "uniform", "exponential"]
Parameters = Mapping[str, Parameter]


class Coordinates(ABC):
    """What a law is built from."""

    @abstractmethod
    def nodes(self, base: Base, count: int) -> Tensor:
        """`count` standard coordinates of one base law, float64 on the CPU."""

    @abstractmethod
    def choose(self, probabilities: Sequence[float]) -> int:
        """The index of one outcome; the probabilities sum to one."""

    @abstractmethod
    def choose_evenly(self, count: int) -> int:
        """The index of one of `count` equally likely outcomes."""


@dataclass(frozen=True, kw_only=True)
class Law:
    """One law: its standard form, and its construction from coordinates (None: replayed but not integrated).

    `truncated` says that its outcomes are infinitely many, and that those beyond `TAIL` are left out.
    """

    name: str
    generate: Callable[[Parameters, tuple[int, ...], Coordinates], Tensor] | None = None
    realise: Callable[[Parameters, Tensor], Tensor] | None = None
    standardise: Callable[[Parameters, Tensor], Tensor] | None = None
    why_not: str = ""
    truncated: bool = False


def _exactly(parameter: Parameter) -> Tensor:
    """A parameter in float64 on the CPU: every float dtype of torch embeds in it without rounding."""
    if isinstance(parameter, Tensor):
        return parameter.detach().to("cpu", torch.float64)
    return torch.tensor(float(parameter), dtype=torch.float64)


def _ratio(numerator: Tensor, denominator: Tensor) -> Tensor:
    """Numerator over denominator, and 0 where the scale is 0: there every standard value gives the same draw."""
    return torch.where(denominator == 0, torch.zeros_like(numerator), numerator / denominator)


def _continuous(
    name: str,
    base: Base,
    realise: Callable[[Parameters, Tensor], Tensor],
    standardise: Callable[[Parameters, Tensor], Tensor],
) -> Law:
    def generate(parameters: Parameters, shape: tuple[int, ...], coordinates: Coordinates) -> Tensor:
        return realise(parameters, coordinates.nodes(base, math.prod(shape)).reshape(shape))

    return Law(name=name, generate=generate, realise=realise, standardise=standardise)


def _affine(parameters: Parameters, eps: Tensor) -> Tensor:
    return _exactly(parameters["mean"]) + _exactly(parameters["std"]) * eps


def _affine_back(parameters: Parameters, value: Tensor) -> Tensor:
    return _ratio(value - _exactly(parameters["mean"]), _exactly(parameters["std"]).expand_as(value))


def _stretch(parameters: Parameters, u: Tensor) -> Tensor:
    low, high = _exactly(parameters["low"]), _exactly(parameters["high"])
    return low + (high - low) * u


def _stretch_back(parameters: Parameters, value: Tensor) -> Tensor:
    low, high = _exactly(parameters["low"]), _exactly(parameters["high"])
    return _ratio(value - low, (high - low).expand_as(value))


def _cauchy(parameters: Parameters, u: Tensor) -> Tensor:
    return _exactly(parameters["median"]) + _exactly(parameters["sigma"]) * torch.tan(math.pi * (u - 0.5))


def _cauchy_back(parameters: Parameters, value: Tensor) -> Tensor:
    return torch.atan(_affine_back({"mean": parameters["median"], "std": parameters["sigma"]}, value)) / math.pi + 0.5


def _elementwise(parameter: Parameter, shape: tuple[int, ...]) -> list[float]:
    return _exactly(parameter).expand(shape).reshape(-1).tolist()


def _bernoulli(parameters: Parameters, shape: tuple[int, ...], coordinates: Coordinates) -> Tensor:
    values = [coordinates.choose((1.0 - p, p)) for p in _elementwise(parameters["p"], shape)]
    return torch.tensor(values, dtype=torch.float64).reshape(shape)


def _integers(parameters: Parameters, shape: tuple[int, ...], coordinates: Coordinates) -> Tensor:
    low, high = int(parameters["low"]), int(parameters["high"])
    values = [low + coordinates.choose_evenly(high - low) for _ in range(math.prod(shape))]
    return torch.tensor(values, dtype=torch.int64).reshape(shape)


def _permutation(parameters: Parameters, shape: tuple[int, ...], coordinates: Coordinates) -> Tensor:
    left = list(range(int(parameters["n"])))
    return torch.tensor([left.pop(coordinates.choose_evenly(len(left))) for _ in range(len(left))], dtype=torch.int64)


def _rows(parameters: Parameters) -> list[list[float]]:
    weights = _exactly(parameters["weights"])
    return weights.reshape(-1, weights.shape[-1]).tolist()


def _normalised(weights: list[float]) -> list[float]:
    total = math.fsum(weights)
    return [weight / total for weight in weights]


def _categorical(parameters: Parameters, shape: tuple[int, ...], coordinates: Coordinates) -> Tensor:
    chosen = [coordinates.choose(_normalised(row)) for row in _rows(parameters) for _ in range(shape[-1])]
    return torch.tensor(chosen, dtype=torch.int64).reshape(shape)


def _ordered_subset(parameters: Parameters, shape: tuple[int, ...], coordinates: Coordinates) -> Tensor:
    chosen = []
    for row in _rows(parameters):
        left = list(row)
        for _ in range(shape[-1]):
            index = coordinates.choose(_normalised(left))
            chosen.append(index)
            left[index] = 0.0
    return torch.tensor(chosen, dtype=torch.int64).reshape(shape)


def _binomial(parameters: Parameters, shape: tuple[int, ...], coordinates: Coordinates) -> Tensor:
    values = []
    for count, p in zip(_elementwise(parameters["count"], shape), _elementwise(parameters["p"], shape), strict=True):
        n = int(count)
        values.append(coordinates.choose([math.comb(n, k) * p**k * (1 - p) ** (n - k) for k in range(n + 1)]))
    return torch.tensor(values, dtype=torch.float64).reshape(shape)


TAIL = ContextVar("TAIL", default=2.0**-60)
"""The probability that is left out beyond the last outcome of a law with infinitely many."""
_LONGEST = 4096


def _counted(first: float, following: Callable[[int, float], float]) -> list[float]:
    """Probabilities of 0, 1, 2, … until what is left is small, by the first and a recursion; scaled to sum to one."""
    found, falling = [first], first == 1.0
    # Past the mode the probabilities fall at least geometrically, so the last one measures what is left.
    while (not falling or found[-1] > TAIL.get()) and len(found) < _LONGEST:
        found.append(following(len(found), found[-1]))
        falling = found[-1] < found[-2]
    return _normalised(found)


def _poisson(parameters: Parameters, shape: tuple[int, ...], coordinates: Coordinates) -> Tensor:
    values = [
        coordinates.choose(_counted(math.exp(-rate), lambda k, before, rate=rate: before * rate / k))
        for rate in _elementwise(parameters["rate"], shape)
    ]
    return torch.tensor(values, dtype=torch.float64).reshape(shape)


def _geometric(parameters: Parameters, shape: tuple[int, ...], coordinates: Coordinates) -> Tensor:
    """Trials up to the first success, as torch counts them: from one."""
    values = [
        1 + coordinates.choose(_counted(p, lambda k, before, p=p: before * (1.0 - p)))
        for p in _elementwise(parameters["p"], shape)
    ]
    return torch.tensor(values, dtype=torch.float64).reshape(shape)


LAWS: Mapping[str, Law] = {
    law.name: law
    for law in (
        _continuous("normal", "normal", _affine, _affine_back),
        _continuous("uniform", "uniform", _stretch, _stretch_back),
        _continuous(
            "exponential",
            "exponential",
            lambda parameters, e: e / _exactly(parameters["rate"]),
            lambda parameters, value: value * _exactly(parameters["rate"]),
        ),
        _continuous(
            "log_normal",
            "normal",
            lambda parameters, eps: torch.exp(_affine(parameters, eps)),
            lambda parameters, value: _affine_back(parameters, torch.log(value)),
        ),
        Law(name="cauchy", realise=_cauchy, standardise=_cauchy_back, why_not="a Cauchy law has no mean"),
        Law(name="bernoulli", generate=_bernoulli),
        Law(name="integers", generate=_integers),
        Law(name="permutation", generate=_permutation),
        Law(name="categorical", generate=_categorical),
        Law(name="ordered subset", generate=_ordered_subset),
        Law(name="binomial", generate=_binomial),
        Law(name="geometric", generate=_geometric, truncated=True),
        Law(name="poisson", generate=_poisson, truncated=True),
        Law(name="gamma", why_not="its quantiles have no closed form in torch"),
        Law(name="dirichlet", why_not="its quantiles have no closed form in torch"),
        Law(name="complex normal", why_not="complex draws are replayed, not integrated"),
        Law(name="unknown", why_not="its law is not known"),
    )
}
