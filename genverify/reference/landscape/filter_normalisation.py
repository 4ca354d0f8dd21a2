"""Filter normalisation: a random direction on the scale of the network's own filters."""

from __future__ import annotations

from collections.abc import Sequence

import torch

__all__ = ["filter_normalised_direction", "filter_normalised_directions"]


def filter_normalised_direction(direction: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """``d_i ‖w_i‖/‖d_i‖`` for every filter i: the direction has the norms of the network's filters.

    A filter is what makes one output: a row of a dense layer, a block of a convolution.

    Shapes: ``direction`` and ``weight`` [filters, ...]; the result the same.

    Source: Li, Xu, Taylor, Studer & Goldstein 2018, "Visualizing the loss landscape of neural nets", section 4.

    >>> filter_normalised_direction(torch.tensor([[1.0, 0.0], [0.0, 2.0]]), torch.tensor([[3.0, 4.0], [0.0, 1.0]]))
    tensor([[5., 0.],
            [0., 1.]])
    """
    rows = direction.flatten(1)
    scale = weight.flatten(1).norm(dim=1) / rows.norm(dim=1)
    return (rows * scale[:, None]).reshape(direction.shape)


def filter_normalised_directions(
    directions: Sequence[torch.Tensor], weights: Sequence[torch.Tensor]
) -> list[torch.Tensor]:
    """The same for every parameter of a network; biases and the parameters of batch norm do not move.

    Shapes: lists of tensors of the same shapes, in the order of the parameters; vectors are biases.

    Source: Li et al. 2018, section 4, and their code (ignore="biasbn").

    >>> filter_normalised_directions([torch.ones(1, 1), torch.ones(1)], [-torch.ones(1, 1), torch.ones(1)])
    [tensor([[1.]]), tensor([0.])]
    """
    return [
        filter_normalised_direction(d, w) if d.dim() > 1 else torch.zeros_like(d)
        for d, w in zip(directions, weights, strict=True)
    ]
