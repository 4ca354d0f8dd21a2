"""The draws of many rows of a program at once: each column of a table answers one coordinate in every row.

The order of coordinates is that of one evaluation, which a probe has written down as a list of axes; so this is for
programs whose draws do not depend on each other in number, kind or shape. Weights may: a discrete outcome counts with
its probability under the parameters of its own row.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from genverify.noise.axis import Axis, Table
from genverify.noise.draw import Draw, Parameter, Request
from genverify.noise.interception import Interception, Source
from genverify.noise.laws import LAWS, Base
from genverify.noise.vectorised import NotRowwise, in_rows

__all__ = ["evaluate"]

_WIDEST = 1024  # outcomes of one choice


class _Feeder(Source):
    """Answers each draw of the program with the next columns, in every row."""

    wants_sites = False

    def __init__(self, table: Table) -> None:
        self.table, self.rows, self.position = table, len(table.columns), 0
        self.weight = torch.ones(self.rows, dtype=torch.float64)

    def feed(self, request: Request) -> Tensor | None:
        if not request.shape or request.shape[0] % self.rows:
            raise NotRowwise(f"{request} was made without its rows")
        shape = (self.rows, math.prod(request.shape) // self.rows)
        law = LAWS[request.law]
        if request.law in _LAWS:
            return _LAWS[request.law](request, self, shape[1]).reshape(request.shape)
        if law.generate is None or law.realise is None:
            raise NotRowwise(f"the law {request.law} is not drawn in rows")
        base: Base = {"uniform": "uniform", "exponential": "exponential"}.get(request.law, "normal")  # type: ignore[assignment]
        return law.realise(request.parameters, self.values(base, shape[1]).reshape(request.shape))

    def drawn(self, draw: Draw) -> None:
        raise NotRowwise(f"{draw} was not answered")

    def _next(self, count: int) -> tuple[Sequence[Axis], Tensor]:
        begin, self.position = self.position, self.position + count
        if self.position > len(self.table.axes):
            raise NotRowwise("it draws more in rows than one at a time")
        return self.table.axes[begin : self.position], self.table.columns[:, begin : self.position]

    def values(self, base: Base, count: int) -> Tensor:
        """Standard values [rows, count]."""
        axes, columns = self._next(count)
        if any(axis.base != base for axis in axes):
            raise NotRowwise("it draws other laws in rows than one at a time")
        return columns

    def choose(self, probabilities: Tensor) -> Tensor:
        """One outcome for each of [rows, count, outcomes] probabilities; [rows, count]."""
        count, width = probabilities.shape[-2:]
        probabilities = probabilities.expand(self.rows, count, width)
        axes, columns = self._next(count)
        if any(axis.base is not None for axis in axes):
            raise NotRowwise("it draws other laws in rows than one at a time")
        if self.table.choices == "uniform":
            below = probabilities.cumsum(-1)
            last = torch.where(probabilities > 0, torch.arange(width), 0).amax(-1)
            return torch.minimum((below <= columns.unsqueeze(-1)).sum(-1), last)
        for place, axis in enumerate(axes):
            left_out = [k for k in range(width) if k not in axis.outcomes]
            if left_out and bool((probabilities[:, place, left_out] > 0).any()):
                raise NotRowwise("an outcome that was impossible on one path is possible on another")
        chosen = columns.to(torch.int64)
        self.weight = self.weight * probabilities.gather(-1, chosen.unsqueeze(-1)).squeeze(-1).prod(-1)
        return chosen


def _per_row(parameter: Parameter, request: Request, feeder: _Feeder, count: int) -> Tensor:
    """A parameter for each coordinate of each row."""
    if not isinstance(parameter, Tensor):
        return torch.tensor(float(parameter), dtype=torch.float64).expand(feeder.rows, count)
    return parameter.detach().to("cpu", torch.float64).expand(request.shape).reshape(feeder.rows, count)


def _bernoulli(request: Request, feeder: _Feeder, count: int) -> Tensor:
    p = _per_row(request.parameters["p"], request, feeder, count)
    return feeder.choose(torch.stack((1 - p, p), -1)).to(torch.float64)


def _integers(request: Request, feeder: _Feeder, count: int) -> Tensor:
    low, high = int(request.parameters["low"]), int(request.parameters["high"])
    if high - low > _WIDEST:
        raise NotRowwise(f"{high - low} outcomes of one draw")
    even = torch.full((1, 1, high - low), 1.0 / (high - low), dtype=torch.float64)
    return low + feeder.choose(even.expand(feeder.rows, count, -1))


def _weights(request: Request, feeder: _Feeder) -> Tensor:
    """Probabilities [rows, draws of a row, outcomes]."""
    weights = request.parameters["weights"]
    assert isinstance(weights, Tensor)
    found = weights.detach().to("cpu", torch.float64)
    found = found.reshape(feeder.rows, -1, found.shape[-1])
    return found / found.sum(-1, keepdim=True)


def _categorical(request: Request, feeder: _Feeder, count: int) -> Tensor:
    return feeder.choose(_weights(request, feeder).repeat_interleave(request.shape[-1], 1))


_LAWS: Mapping[str, Callable[[Request, _Feeder, int], Tensor]] = {
    "bernoulli": _bernoulli,
    "integers": _integers,
    "categorical": _categorical,
}


def evaluate(program: Callable[[], Sequence[Tensor]], table: Table, *, fresh: bool) -> tuple[Tensor, Tensor]:
    """The program at every row of a table: weights [rows] of its discrete outcomes, and outputs [rows, numbers].

    Raises:
        NotRowwise: The program cannot be evaluated so.
        Exception: Whatever else vmap, or the program under it, cannot do.
    """
    feeder = _Feeder(table)
    with Interception(feeder, own_generators=False):
        outputs = in_rows(program, feeder.rows, fresh=fresh)
    if feeder.position != len(table.axes):
        raise NotRowwise("it draws less in rows than one at a time")
    flat = [leaf.to("cpu", torch.float64).reshape(feeder.rows, -1) for leaf in outputs]
    return feeder.weight, torch.cat(flat, 1)
