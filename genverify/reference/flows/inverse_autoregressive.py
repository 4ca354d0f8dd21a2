"""The inverse autoregressive flow, plain and gated: noise becomes a sample in one pass."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import logsigmoid

from genverify.reference.flows.made import Made

__all__ = ["GatedAutoregressive", "InverseAutoregressive"]


class InverseAutoregressive(nn.Module):
    """z'_i = σ_i z_i + μ_i with μ_i and σ_i = exp tanh(s_i) of z_<i,   logabsdet = Σ log σ_i.

    It is the inverse of a masked autoregressive flow: sampling is one pass, density of given points takes D.

    Shapes: ``z`` [batch, features]; logabsdet [batch].

    Source: Kingma et al. 2016, eqs. 10 and 11.
    """

    def __init__(self, features: int) -> None:
        super().__init__()
        self.made = Made(features)

    def parts(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """(shift, log scale), of which the i-th depend on the features before the i-th."""
        mean, raw = self.made(z)
        return mean, torch.tanh(raw)

    def forward(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Z → (z', log|det ∂z'/∂z|)."""
        shift, log_scale = self.parts(z)
        return torch.exp(log_scale) * z + shift, log_scale.sum(dim=-1)

    def inverse(self, y: Tensor) -> tuple[Tensor, Tensor]:
        """Z' → (z, log|det ∂z/∂z'|), feature by feature."""
        z = torch.zeros_like(y)
        for _ in range(y.shape[-1]):
            shift, log_scale = self.parts(z)
            z = (y - shift) * torch.exp(-log_scale)
        return z, -self.parts(z)[1].sum(dim=-1)


class GatedAutoregressive(InverseAutoregressive):
    """z'_i = σ_i z_i + (1 − σ_i) m_i with σ_i = sigmoid(s_i + 1) and m_i of z_<i,   logabsdet = Σ log σ_i.

    The gate keeps a step near the identity at first, as an LSTM's does.

    Shapes: ``z`` [batch, features]; logabsdet [batch].

    Source: Kingma et al. 2016, eqs. 12–14.
    """

    def parts(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """((1 − σ) m, log σ)."""
        mean, raw = self.made(z)
        return torch.sigmoid(-raw - 1.0) * mean, logsigmoid(raw + 1.0)
