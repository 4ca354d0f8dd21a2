"""Walks through the latent space: along one axis from a point, and over a grid that the prior finds equally likely."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["latent_grid", "latent_traversal"]


def latent_traversal(z: Tensor, axis: int, values: Tensor) -> Tensor:
    """The point with one coordinate replaced by each of the values.

    From the mean of q(z|x) this is what a picture becomes as one of its latents changes.

    Shapes: z [latent]; values [steps]; [steps, latent].

    Source: Higgins et al. 2017, section 4.

    >>> latent_traversal(torch.tensor([1.0, 2.0]), 0, torch.tensor([-1.0, 0.0]))
    tensor([[-1.,  2.],
            [ 0.,  2.]])
    """
    rows = z.repeat(len(values), 1)
    rows[:, axis] = values
    return rows


def latent_grid(side: int) -> Tensor:
    """A square of points of a two-dimensional latent space, each coordinate a quantile of N(0, 1).

    Φ(z_i) = (i + ½)/side: the first coordinate grows from row to row, the second within a row.

    Shapes: [side · side, 2].

    Source: Kingma & Welling 2014, figure 4.

    >>> latent_grid(2)
    tensor([[-0.6745, -0.6745],
            [-0.6745,  0.6745],
            [ 0.6745, -0.6745],
            [ 0.6745,  0.6745]])
    """
    ticks = torch.special.ndtri((torch.arange(side) + 0.5) / side)
    return torch.cartesian_prod(ticks, ticks)
