"""Masks entry by entry, from the rule that says which entries are one."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

__all__ = ["checkerboard", "degrees", "pixelcnn"]


def _table(rows: int, columns: int, rule: Callable[[int, int], bool]) -> Tensor:
    return torch.tensor([[float(rule(i, j)) for j in range(columns)] for i in range(rows)], dtype=torch.float64)


def degrees(first: Tensor, second: Tensor, *, strict: bool, context: int = 0, last: bool = False, turned: bool = False,
            blind: bool = False) -> Tensor:  # fmt: skip
    """One where a unit of degree m' may see one of degree m: m' ≥ m, or m' > m where `strict`.

    The `context`'s columns are all one (where `blind`, zero), before the others or after. `turned` exchanges the two.

    Shapes: [in], [out] → [out, context + in].

    Source: Germain, Gregor, Murray & Larochelle 2015, eqs. 8, 9 and 13.

    >>> degrees(torch.tensor([1, 2]), torch.tensor([1, 2]), strict=True)
    tensor([[0., 0.],
            [1., 0.]], dtype=torch.float64)
    """
    low, high = first.tolist(), second.tolist()
    if turned:
        made = _table(len(high), len(low), lambda i, j: high[i] < low[j] if strict else high[i] <= low[j])
    else:
        made = _table(len(high), len(low), lambda i, j: high[i] > low[j] if strict else high[i] >= low[j])
    free = torch.full((len(high), context), 0.0 if blind else 1.0, dtype=torch.float64)
    return torch.cat([made, free] if last else [free, made], 1)


def checkerboard(height: int, width: int, *, flipped: bool = False, slip: str = "") -> Tensor:
    """One where i + j is odd (even where `flipped`).

    Shapes: → [height, width].

    Source: Dinh, Sohl-Dickstein & Bengio 2017, section 3.4.

    >>> checkerboard(2, 3)
    tensor([[0., 1., 0.],
            [1., 0., 1.]], dtype=torch.float64)
    """
    rules = {"rows": lambda i, j: i % 2 == 1, "columns": lambda i, j: j % 2 == 1,
             "flat": lambda i, j: (i * width + j) % 2 == 1}  # fmt: skip
    made = _table(height, width, rules.get(slip, lambda i, j: (i + j) % 2 == 1))
    return 1.0 - made if flipped else made


def pixelcnn(size: int, *, sees_itself: bool, slip: str = "") -> Tensor:
    """One above the centre, and left of it in its row; at the centre in masks of type B alone.

    Shapes: → [size, size].

    Source: van den Oord, Kalchbrenner & Kavukcuoglu 2016, section 3.1 and figure 2.

    >>> pixelcnn(3, sees_itself=False)
    tensor([[1., 1., 1.],
            [1., 0., 0.],
            [0., 0., 0.]], dtype=torch.float64)
    """
    middle = size // 2

    def rule(i: int, j: int) -> bool:
        if slip == "rows below":
            return i != middle or j < middle + sees_itself
        if slip == "whole row":
            return i < middle or (i == middle and (j != middle or sees_itself))
        if slip == "quadrant":
            return i <= middle and j <= middle and ((i, j) != (middle, middle) or sees_itself)
        if slip == "columns first":
            return j < middle or (j == middle and i < middle + sees_itself)
        return i < middle or (i == middle and j < middle + sees_itself)

    return _table(size, size, rule)
