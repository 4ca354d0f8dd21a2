"""An upper bound of the Lipschitz constant of a network, node by node of its graph: products along, sums across.

The forward is traced and evaluated once, on two events of zeros, so that every shape and every weight is known; beside
each value goes a bound of its slope in the input (`lipschitz_walk`), by the rules of layers (`lipschitz_rules`) and of
operations (`lipschitz_operations`). What does not depend on the input has slope zero. Where several operations together
are less steep than one after the other, `kinked_forms`, `disjoint_parts`, `squared_values` and
`residual_slope` say so.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn.utils import parametrize

from .disjoint_parts import DisjointParts
from .kinked_forms import KinkedForms
from .lipschitz_operations import RULES
from .lipschitz_rules import Unknown
from .lipschitz_walk import Walk
from .operator_norm import outward
from .residual_slope import residual_slope
from .squared_values import SquaredValues

__all__ = ["Certificate", "certificate"]

_ROWS = 2


@dataclass(frozen=True, kw_only=True)
class Certificate:
    """What is known from above.

    Attributes:
        upper: A Lipschitz constant (ℓ2 → ℓ2), or infinity where none is known.
        unknown: The layer or operation without a rule, or why there is no graph.
        layers: How many factors the bound is made of.
    """

    upper: float = math.inf
    unknown: str = ""
    layers: int = 0


@torch.no_grad()
def certificate(
    module: nn.Module, event_shape: tuple[int, ...], *, dtype: torch.dtype = torch.float64,
    output: int | str | None = None,
) -> Certificate:  # fmt: skip
    """The bound of a module in the mode in which it is; where an operation has no rule it says which.

    Of several results that of one, by its index or key.

    >>> net = nn.Sequential(nn.Linear(2, 2, bias=False), nn.ReLU(), nn.Linear(2, 1, bias=False)).double()
    >>> with torch.no_grad():
    ...     _ = net[0].weight.copy_(2 * torch.eye(2)), net[2].weight.copy_(torch.tensor([[3.0, 4.0]]))
    >>> round(certificate(net, (2,)).upper, 9)
    10.0
    """
    x = torch.zeros(_ROWS, *event_shape, dtype=dtype)
    forms = KinkedForms()
    walk = Walk(x, RULES, (forms, DisjointParts(forms), SquaredValues(), residual_slope))
    try:
        with parametrize.cached():  # a weight that is normalised anew at each look is the same at all of them
            upper = walk.bound(module, output)
    except Unknown as unknown:
        return Certificate(unknown=str(unknown), layers=walk.factors)
    except Exception as error:  # whatever a stranger's forward does that cannot be traced
        return Certificate(unknown=f"its forward cannot be traced ({type(error).__name__}: {str(error)[:120]})")
    return Certificate(upper=outward(upper, 8 * (walk.factors + 1)), layers=walk.factors)
