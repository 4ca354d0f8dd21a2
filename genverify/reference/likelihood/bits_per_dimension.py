"""A log-density of images in bits per dimension, the unit in which models of quantised data are compared."""

from __future__ import annotations

import math

import torch

__all__ = ["bits_per_dimension"]


def bits_per_dimension(log_px: torch.Tensor, dimensions: int, levels: int = 256) -> torch.Tensor:
    """``−(log p(x) − D log levels)/(D log 2)``, where p is the density of pixels scaled from [0, levels) to [0, 1).

    Dividing D pixels by the number of levels multiplies their density by levelsᴰ, which is taken out again.

    Shapes: ``log_px`` [batch], nats; [batch], bits.

    Source: Theis, van den Oord & Bethge 2016, section 3.1; Papamakarios, Pavlakou & Murray 2017, appendix D.

    >>> bits_per_dimension(torch.zeros(1), 3)
    tensor([8.])
    """
    return -(log_px - dimensions * math.log(levels)) / (dimensions * math.log(2))
