r"""Panels that close in on kinks and jumps: adaptive Clenshaw–Curtis quadrature over one or two coordinates.

A range is cut into panels; on each, seventeen nodes give a value and nine of them another,

    $$ \int_a^b g\, w \approx \sum_{i \le 17} c_i\, g(x_i)\, w(x_i), \qquad
       \text{error} \approx \Big| \sum_{i \le 17} (c_i - c'_i)\, g(x_i)\, w(x_i) \Big| , $$

and the panels that differ most are halved. A kink costs about ten halvings for six digits, a jump twenty, wherever they
lie: the ends of a panel are nodes, so no jump hides between the outermost node and the end, where a Gauss rule would
miss it. Two coordinates are taken one inside the other: the inner integral is smooth in the outer one unless the kink
runs along it, and then the outer panels close in, too.

Source: Clenshaw & Curtis 1960; Gentleman 1972, for adaptive use of the nested rules.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import torch
from torch import Tensor

from genverify.noise.axis import Table, products
from genverify.noise.evaluator import Evaluator
from genverify.noise.laws import Base
from genverify.noise.moments import Moments

__all__ = ["TooManyPanels", "panels"]

# Where the normal law is cut its tail is 1e-23, and where the uniform one is, one rounding. No node is at zero, where a
# program may divide by it.
_EDGES: dict[Base, tuple[float, ...]] = {
    "normal": (-10.0, -4.0, -2.0, -0.7, 0.6, 1.9, 4.1, 10.0),
    "uniform": (2.0**-53, 0.3, 0.65, 1.0 - 2.0**-53),
}
_SHARE = 8.0  # panels within this factor of the worst are halved together
_INNER = 0.1  # of the resolution asked for: what inner integrals may miss
_LEAST = 1e-12  # of the density at its peak: beyond, an error is not asked to be larger
_NARROWEST = 2.0**-45
_ROOM = 0.8
_NODES = 16  # intervals between the nodes of a panel
_CROSSED = 16  # outputs up to which all products of two are kept


@functools.lru_cache(maxsize=1)
def _clenshaw_curtis() -> tuple[list[float], list[float], list[float]]:
    """Nodes in [0, 1], the weights of all, and the weights of every second one (0 elsewhere)."""
    fine, every = _weights(_NODES), _weights(_NODES // 2)
    coarse = [every[j // 2] if j % 2 == 0 else 0.0 for j in range(_NODES + 1)]
    return [(1 - math.cos(math.pi * j / _NODES)) / 2 for j in range(_NODES + 1)], fine, coarse


def _weights(n: int) -> list[float]:
    """Of the nodes cos(πj/n): integrals of the cosine series through them, halved for a range of length one."""
    found = []
    for j in range(n + 1):
        terms = [
            (1.0 if 2 * k == n else 2.0) / (1 - 4 * k * k) * math.cos(2 * math.pi * j * k / n)
            for k in range(1, n // 2 + 1)
        ]
        found.append((1.0 if j in (0, n) else 2.0) / n * (1.0 + math.fsum(terms)) / 2)
    return found


class TooManyPanels(Exception):
    """The evaluations do not suffice."""


@dataclass(frozen=True, kw_only=True)
class _Part:
    """Panels: the context of each, where it begins and ends, its integrals, and the errors of mean and square."""

    context: Tensor
    low: Tensor
    high: Tensor
    value: Tensor
    error: Tensor

    def chosen(self, mask: Tensor) -> _Part:
        return _Part(**{name: getattr(self, name)[mask] for name in ("context", "low", "high", "value", "error")})

    def joined(self, other: _Part) -> _Part:
        names = ("context", "low", "high", "value", "error")
        return _Part(**{name: torch.cat([getattr(self, name), getattr(other, name)]) for name in names})

    def total(self, name: str, contexts: int) -> Tensor:
        """The sum over the panels of each context."""
        numbers = getattr(self, name)
        return torch.zeros(contexts, numbers.shape[1], dtype=torch.float64).index_add_(0, self.context, numbers)


class _Panels:
    def __init__(self, evaluator: Evaluator, shift: Tensor, allowed: Tensor, limit: int) -> None:
        self.evaluator, self.shift, self.allowed, self.left = evaluator, shift, allowed, limit
        self.places = [place for place, axis in enumerate(evaluator.axes) if axis.base is not None]

    def over(self, contexts: Tensor, depth: int, mass: Tensor) -> tuple[Tensor, Tensor]:
        """Integrals over the coordinates from `depth` on, and their errors, in every context [contexts, axes].

        `mass` [contexts] says how much an error in a context matters.
        """
        if depth == len(self.places):
            return self._evaluated(contexts)
        allowed = self.allowed * (_INNER**depth) / mass.unsqueeze(1)
        base = self.evaluator.axes[self.places[depth]].base
        assert base is not None
        edges, count = torch.tensor(_EDGES[base], dtype=torch.float64), len(contexts)
        pieces = len(edges) - 1
        context = torch.arange(count).repeat_interleave(pieces)
        part = self._panel(contexts, depth, base, context, edges[:-1].repeat(count), edges[1:].repeat(count))
        while True:
            open_ = (part.total("error", count)[:, : len(self.shift)] > allowed).any(1)[part.context]
            own = (part.error[:, : len(self.shift)] / allowed[part.context]).amax(1)
            worst = torch.zeros(count, dtype=torch.float64).scatter_reduce(0, part.context, own, "amax")[part.context]
            halve = open_ & (own * _SHARE >= worst) & (part.high - part.low > _NARROWEST)
            if not bool(halve.any()):
                return part.total("value", count), part.total("error", count)
            old = part.chosen(halve)
            middle = (old.low + old.high) / 2
            low, high = torch.cat([old.low, middle]), torch.cat([middle, old.high])
            new = self._panel(contexts, depth, base, torch.cat([old.context, old.context]), low, high)
            part = part.chosen(~halve).joined(new)

    def _panel(self, contexts: Tensor, depth: int, base: Base, context: Tensor, low: Tensor, high: Tensor) -> _Part:
        """Both rules on panels."""
        at, fine, coarse = (torch.tensor(one, dtype=torch.float64) for one in _clenshaw_curtis())
        nodes = low.unsqueeze(1) + (high - low).unsqueeze(1) * at
        peaked = torch.exp(-nodes.square() / 2) if base == "normal" else torch.ones_like(nodes)
        density = peaked / math.sqrt(2 * math.pi) if base == "normal" else peaked
        rows = contexts[context].repeat_interleave(len(at), 0)
        rows[:, self.places[depth]] = nodes.reshape(-1)
        mass = peaked.clamp_min(_LEAST)
        values, errors = (found.reshape(*nodes.shape, -1) for found in self.over(rows, depth + 1, mass.reshape(-1)))
        weighted = values * ((high - low).unsqueeze(1) * density).unsqueeze(-1)
        apart = torch.einsum("pnv,n->pv", weighted, fine - coarse).abs()
        inner = torch.einsum("pnv,pn->pv", errors, (high - low).unsqueeze(1) * density * fine)
        width = len(self.shift)
        square = apart[:, width:]
        if square.shape[1] != width:
            square = square.reshape(-1, width, width).diagonal(0, 1, 2)
        return _Part(
            context=context, low=low, high=high, value=torch.einsum("pnv,n->pv", weighted, fine),
            error=torch.cat([apart[:, :width], square], 1) + inner,
        )  # fmt: skip

    def _evaluated(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Outputs less the shift, and their squares or products, times the probabilities of the outcomes."""
        self.left -= len(rows)
        if self.left < 0:
            raise TooManyPanels
        found = []
        for part in rows.split(self.evaluator.size):
            mass, outputs = self.evaluator(Table(axes=self.evaluator.axes, columns=part))
            apart = torch.where(mass.unsqueeze(1) > 0, outputs - self.shift, 0.0)
            crossed = len(self.shift) <= _CROSSED
            second = (apart.unsqueeze(2) * apart.unsqueeze(1)).flatten(1) if crossed else apart.square()
            found.append(mass.unsqueeze(1) * torch.cat([apart, second], 1))
        values = torch.cat(found)
        return values, torch.zeros(len(values), 2 * len(self.shift), dtype=torch.float64)


def panels(evaluator: Evaluator, shift: Tensor, allowed: Tensor, limit: int) -> tuple[Moments, Tensor, Tensor]:
    """Moments over the continuous coordinates and all outcomes, and the errors of mean and second moment.

    `allowed` [outputs] is what the mean may miss.

    Raises:
        TooManyPanels: It would take more evaluations than `limit`.
        Varies: What is drawn depends on earlier draws.
    """
    made = _Panels(evaluator, shift, allowed, limit)
    discrete = [place for place, axis in enumerate(evaluator.axes) if axis.base is None]
    tables = list(products([evaluator.axes[place] for place in discrete], [None] * len(discrete), limit))
    outcomes = torch.cat([table.columns for _, table in tables])
    contexts = torch.zeros(len(outcomes), len(evaluator.axes), dtype=torch.float64)
    contexts[:, discrete] = outcomes
    # The errors of the contexts add up, with a little room for those of the inner integrals and of rounding.
    value, error = made.over(contexts, 0, torch.full((len(contexts),), len(contexts) / _ROOM, dtype=torch.float64))
    first, second = value.sum(0).split([len(shift), value.shape[1] - len(shift)])
    moments = Moments.of_sums(shift, limit - made.left, first, second)
    of_mean, of_square = error.sum(0).chunk(2)
    return moments, of_mean, of_square
