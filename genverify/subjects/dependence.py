"""A claim on the pattern of a Jacobian as a mask [outputs, inputs]: given so, or as a function of two indices."""

from __future__ import annotations

import itertools
import math
from typing import Any

import torch
from torch import Tensor

from genverify.errors import UsageError

__all__ = ["dependence_mask"]

# Calls of a function of two indices: beyond, a mask is what should be given.
_CALLS = 2**22


def dependence_mask(name: str, claimed: Any, output: tuple[int, ...], event: tuple[int, ...]) -> Tensor:  # noqa: ANN401
    """The pairs (i, j) that are claimed, as a Boolean mask.

    Args:
        name: The field, for messages.
        claimed: A mask [outputs, inputs] (flat, or with the axes of the events), or a function (i, j) → bool:
            integers for events of one axis, tuples otherwise.
        output: Shape of the image of one event.
        event: Shape of one event.

    Raises:
        UsageError: The mask has another shape, or there are too many pairs for a function.

    >>> dependence_mask("ignores", lambda i, j: j > i, (2,), (2,))
    tensor([[False,  True],
            [False, False]])
    """
    shape = (math.prod(output), math.prod(event))
    if callable(claimed) and not isinstance(claimed, Tensor):
        if math.prod(shape) > _CALLS:
            raise UsageError(
                given=f"{name} as a function of {math.prod(shape)} pairs", expected=f"at most {_CALLS} pairs",
                do=f"give {name} as a mask of shape {shape}",
            )  # fmt: skip
        rows = [[bool(claimed(i, j)) for j in _indices(event)] for i in _indices(output)]
        return torch.tensor(rows, dtype=torch.bool).reshape(shape)
    mask = torch.as_tensor(claimed)
    if tuple(mask.shape) not in (shape, (*output, *event)):
        raise UsageError(
            given=f"{name} of shape {tuple(mask.shape)}", expected=f"a mask of shape {shape}, or {(*output, *event)}",
            do="flatten the axes of one output and of one input, without the batch",
        )  # fmt: skip
    return mask.to(torch.bool).reshape(shape)


def _indices(shape: tuple[int, ...]) -> list[Any]:
    if len(shape) == 1:
        return list(range(shape[0]))
    return list(itertools.product(*(range(n) for n in shape)))
