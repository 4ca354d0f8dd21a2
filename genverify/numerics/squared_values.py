"""Roots of sums of squares: |u|² has no bounded slope, but its root, sums and pools of it under one root have."""

from __future__ import annotations

import math
from typing import Any

from torch import Tensor, fx

from .lipschitz_rules import Unknown
from .lipschitz_walk import Walk, operation

__all__ = ["SquaredValues"]


class SquaredValues:
    """Follows values that are squared norms, and bounds the slope of their roots.

    A value v is known as q² when v_i = |N_i|² for vectors N_i that together, as a function of the input, have the slope
    q. Then √v has slope q, as ||N_i| − |N_i'|| ≤ |N_i − N_i'| for each i. Of a square u², N = u; a factor c ≥ 0 makes
    N √c times as long; a constant ≥ 0 and another sum of squares lengthen the vectors by further entries, so that the
    slopes add in squares; a sum over places of an event joins their vectors to one, which leaves all entries.

    >>> import torch
    >>> from genverify.numerics.lipschitz_certificate import certificate
    >>> class Norm(torch.nn.Module):
    ...     def forward(self, x): return torch.sqrt(0.25 * x ** 2 + 1e-3)
    >>> round(certificate(Norm(), (3,)).upper, 9)
    0.5
    """

    def __init__(self) -> None:
        self.roots: dict[fx.Node, float] = {}

    def __call__(self, walk: Walk, node: fx.Node) -> float:
        """The slope of a root of squares; infinity of any other node."""
        name, moving = operation(node), walk.moving(node)
        try:
            if name == "sqrt" or (name == "pow" and _number(node, 1) == 0.5):
                return self.roots.get(moving[0], math.inf)
            root = self._root(walk, node, name, moving)
        except Unknown:
            root = None
        if root is not None:
            self.roots[node] = root
        return math.inf

    def _root(self, walk: Walk, node: fx.Node, name: str, moving: list[fx.Node]) -> float | None:
        """The slope of the vectors whose squared lengths a node is; None where it is no such thing."""
        first = moving[0]
        args, kwargs = walk.settings(node)
        if name in ("pow", "square", "mul", "multiply") and len(moving) == 1 and first not in self.roots:
            squared = name == "square" or (name == "pow" and first in node.args[:1] and _number(node, 1) in (2, 2.0))
            if squared or (name != "pow" and list(node.args) == [first, first]):
                return _finite(walk.slopes[first])
            return None
        if not set(moving) <= set(self.roots):
            return None
        shape = getattr(walk.values[node], "shape", None)
        alike = all(walk.values[one].shape == shape for one in moving)
        if name in ("add", "iadd", "radd") and not kwargs and alike:
            constants = [one for given, one in zip(node.args, args, strict=True) if given not in moving]
            if all(_least(one) >= 0 for one in constants):
                return math.sqrt(sum(self.roots[one] ** 2 for one in node.args if isinstance(one, fx.Node)
                                     and one in self.roots))  # fmt: skip
        if len(moving) > 1 or (node.args[0] is not first and name not in ("mul", "multiply", "rmul")):
            return None
        if name in ("mul", "multiply", "rmul", "truediv", "div") and alike and not kwargs:
            other = next(one for given, one in zip(node.args, args, strict=True) if given is not first)
            low, high = _least(other), _most(other)
            if low < 0 or ("div" in name and low == 0):
                return None
            return self.roots[first] * math.sqrt(1 / low if "div" in name else high)
        if name in ("sum", "mean"):
            dims = kwargs.get("dim", args[1] if len(args) > 1 else None)
            x = walk.values[first]
            axes = [] if dims is None else [one % x.dim() for one in ((dims,) if isinstance(dims, int) else dims)]
            if not axes or 0 in axes:
                return None
            count = math.prod(x.shape[one] for one in axes)
            return self.roots[first] * (1.0 if name == "sum" else 1 / math.sqrt(count))
        if name in ("clamp", "clamp_min", "relu", "view", "reshape", "flatten", "permute", "transpose", "contiguous",
                    "squeeze", "unsqueeze", "clone"):  # fmt: skip
            return self._moved(args, kwargs, name, self.roots[first])
        return None

    def _moved(self, args: tuple[Any, ...], kwargs: dict[str, Any], name: str, root: float) -> float | None:
        """The same values elsewhere; or held above a bound ε ≥ 0: max(√v, √ε) is no steeper than √v."""
        if name in ("clamp", "clamp_min"):
            low = kwargs.get("min", args[1] if len(args) > 1 else None)
            if len(args) > 2 or "max" in kwargs or not isinstance(low, (int, float)) or low < 0:
                return None
        return root


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _number(node: fx.Node, place: int) -> Any:  # noqa: ANN401
    return node.args[place] if len(node.args) > place else node.kwargs.get("exponent")


def _least(value: Any) -> float:  # noqa: ANN401
    return float(value.detach().min()) if isinstance(value, Tensor) else float(value)


def _most(value: Any) -> float:  # noqa: ANN401
    return float(value.detach().max()) if isinstance(value, Tensor) else float(value)
