"""A program that draws, seen as a function of its draws: coordinates in, one float64 vector out."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from genverify.errors import UsageError
from genverify.noise.draw import Draw, Request
from genverify.noise.foreign import unseen_torch_draw
from genverify.noise.interception import Interception, Source
from genverify.noise.laws import LAWS, Coordinates

__all__ = ["Integrand", "Traced"]


class Traced(Coordinates):
    """Coordinates that are told where one draw ends and the next begins."""

    @abstractmethod
    def begin(self, request: Request) -> None:
        """A draw begins: all coordinates until the next call belong to it."""

    @abstractmethod
    def finish(self) -> None:
        """The program has returned."""


class _Feeder(Source):
    """Answers draws from coordinates; laws that have no construction are really drawn, and remembered by name."""

    def __init__(self, coordinates: Traced, wants_sites: bool) -> None:
        self.coordinates, self.wants_sites = coordinates, wants_sites
        self.requests: list[Request] = []
        self.blind: dict[str, str] = {}

    def feed(self, request: Request) -> Tensor | None:
        if self.wants_sites:
            self.requests.append(request)
        law = LAWS[request.law]
        if law.generate is None:
            self.blind.setdefault(f"{request.law} by {request.op}: {law.why_not}", str(request))
            return None
        self.coordinates.begin(request)
        return law.generate(request.parameters, request.shape, self.coordinates)

    def drawn(self, draw: Draw) -> None:
        """A blind draw was made."""


class Integrand:
    """Evaluates a zero-argument program at given coordinates and counts how often it did."""

    def __init__(self, f: Callable[[], Any]) -> None:
        self.f = f
        self.evaluations = 0
        self.in_rows = 0
        self.blind: dict[str, str] = {}
        self.requests: list[Request] = []
        self.unseen: str | None = None
        self._spec: Any = None
        self._shapes: list[torch.Size] = []
        self.eps = torch.empty(0, dtype=torch.float64)

    def __call__(self, coordinates: Traced) -> Tensor:
        """All outputs of one evaluation, flattened and joined, float64 on the CPU."""
        feeder = _Feeder(coordinates, wants_sites=not self.evaluations)
        state = torch.get_rng_state()
        with Interception(feeder, own_generators=False):
            output = self.f()
        coordinates.finish()
        if not feeder.blind and self.unseen is None:
            self.unseen = unseen_torch_draw(state, torch.get_rng_state())
        self.evaluations += 1
        self.requests = feeder.requests or self.requests
        self.blind.update(feeder.blind)
        return self._flat(output)

    @property
    def alone(self) -> int:
        """Evaluations made one at a time."""
        return self.evaluations - self.in_rows

    def count_rows(self, rows: int) -> None:
        """Many evaluations were made at once."""
        self.evaluations += rows
        self.in_rows += rows

    def leaves(self) -> list[Tensor]:
        """The program's outputs, as it returns them."""
        return pytree.tree_leaves(self.f())

    def _flat(self, output: object) -> Tensor:
        leaves, spec = pytree.tree_flatten(output)
        if not leaves or not all(isinstance(leaf, Tensor) and not leaf.is_complex() for leaf in leaves):
            kinds = ", ".join(sorted({type(leaf).__name__ for leaf in leaves})) or "nothing"
            raise UsageError(
                given=f"a function that returns {kinds}",
                expected="a real tensor, or a tuple, list or dict of real tensors",
                do="return the numbers to be averaged as tensors",
            )
        shapes = [leaf.shape for leaf in leaves]
        if self._spec is None:
            self._spec, self._shapes = spec, shapes
            self.eps = torch.cat(
                [torch.full((leaf.numel(),), _eps(leaf.dtype), dtype=torch.float64) for leaf in leaves]
            )
        elif spec != self._spec or shapes != self._shapes:
            raise UsageError(
                given=f"outputs of shapes {[tuple(s) for s in self._shapes]}, then {[tuple(s) for s in shapes]}",
                expected="outputs of the same shapes whatever is drawn",
                do="pad or reduce them to one shape",
            )
        return torch.cat([leaf.detach().to("cpu", torch.float64).reshape(-1) for leaf in leaves])

    def unflatten(self, vector: Tensor) -> pytree.PyTree:
        """A vector back in the shape of the program's output, float64."""
        sizes = [shape.numel() for shape in self._shapes]
        parts = [part.reshape(shape) for part, shape in zip(vector.split(sizes), self._shapes, strict=True)]
        return pytree.tree_unflatten(parts, self._spec)


def _eps(dtype: torch.dtype) -> float:
    return torch.finfo(dtype).eps if dtype.is_floating_point else 0.0
