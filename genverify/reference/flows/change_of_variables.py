"""The density of an event whose image under a flow is standard normal."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

__all__ = ["FlowDensity"]


class FlowDensity(nn.Module):
    """log p(x) = log N(f(x) | 0, I) + log|det ∂f/∂x|.

    Shapes: ``x`` [batch, features]; the result [batch], in nats. ``flow`` maps data to noise and returns
    (noise, logabsdet); its ``inverse`` maps noise to data.

    Source: Rezende & Mohamed 2015, eq. 5; Dinh, Sohl-Dickstein & Bengio 2017, eqs. 2–3.
    """

    def __init__(self, flow: nn.Module) -> None:
        super().__init__()
        self.flow = flow

    def log_prob(self, x: Tensor) -> Tensor:
        """X → log p(x)."""
        z, logabsdet = self.flow(x)
        return (-0.5 * z**2 - 0.5 * math.log(2 * math.pi)).sum(dim=-1) + logabsdet

    def sample(self, z: Tensor) -> Tensor:
        """Noise z [batch, features] → the event x = f⁻¹(z)."""
        inverse = self.flow.inverse
        assert callable(inverse)
        x = inverse(z)[0]
        assert isinstance(x, torch.Tensor)
        return x
