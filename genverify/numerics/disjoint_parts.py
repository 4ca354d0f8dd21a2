"""Parts of a value that are worked on apart and joined again: as steep as the steepest of them."""

from __future__ import annotations

import math

from torch import Tensor, fx

from .kinked_forms import KinkedForms
from .lipschitz_rules import Unknown
from .lipschitz_walk import Walk, operation

__all__ = ["DisjointParts"]


class DisjointParts:
    """The slope of a joining of g_i(x_i), where the x_i are parts of one value that share no entry.

    Σ |g_i(x_i) − g_i(x_i')|² ≤ Σ L_i² |x_i − x_i'|² ≤ max L_i² |x − x'|². Every rule is homogeneous in the slopes that
    it starts from, so that L_i is the bound of a part of the result over that of the x_i that it is made of alone.

    >>> import torch
    >>> from genverify.numerics.lipschitz_certificate import certificate
    >>> class Half(torch.nn.Module):
    ...     def forward(self, x):
    ...         a, b = x.chunk(2, 1)
    ...         return torch.cat([a, 3 * torch.tanh(b)], 1)
    >>> round(certificate(Half(), (4,)).upper, 9)
    3.0
    """

    def __init__(self, forms: KinkedForms) -> None:
        self.forms = forms

    def __call__(self, walk: Walk, node: fx.Node) -> float:
        """The bound of a joining; infinity of any other node."""
        if operation(node) not in ("cat", "concat", "concatenate", "stack"):
            return math.inf
        if not isinstance(node.args[0], (tuple, list)):
            return math.inf
        parts = [one for one in node.args[0] if isinstance(one, fx.Node) and walk.slope(one) > 0]
        found = [self._source(walk, one) for one in parts]
        sources = [one for one in found if one is not None]
        if len(sources) < len(parts) or len({anchor for anchor, _, _ in sources}) != 1:
            return math.inf
        if not self.forms.apart([index for _, index, _ in sources]):
            return math.inf
        anchor = sources[0][0]
        return walk.slopes[anchor] * max(ratio for _, _, ratio in sources)

    def _source(self, walk: Walk, part: fx.Node) -> tuple[fx.Node, Tensor, float] | None:
        """The latest choice of entries that all of a part is made of, whose entries they are, and its slope in them."""
        place = {one: i for i, one in enumerate(part.graph.nodes)}
        frontier = {part}
        for _ in range(200):
            if len(frontier) == 1:
                (one,) = frontier
                chosen = self._chosen(walk, one)
                if chosen is not None:
                    steep = walk.slopes[part], walk.slopes[one]
                    return (*chosen, steep[0] / steep[1]) if all(map(math.isfinite, steep)) else None
            latest = max(frontier, key=place.__getitem__)
            if latest.op == "placeholder":
                return None
            frontier.remove(latest)
            frontier |= set(walk.moving(latest))
        return None

    def _chosen(self, walk: Walk, node: fx.Node) -> tuple[fx.Node, Tensor] | None:
        if not isinstance(walk.values[node], Tensor):
            return None
        try:
            return self.forms.choice(walk, node)
        except Unknown:
            return None
