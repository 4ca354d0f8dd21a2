"""Batch normalisation as a flow: by moments that are kept, or by those of the batch."""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["BatchNormFlow"]


class BatchNormFlow(nn.Module):
    """y = e^r (x − μ)/√(v + ε) + β,   logabsdet = Σ (r − ½ log(v + ε)).

    In eval mode μ and v are running moments, and rows are independent. In train mode they are the moments of the batch:
    then the returned logabsdet is that of the map with these moments held fixed, and not that of the map of the batch,
    whose rows depend on each other.

    Shapes: ``x`` [batch, features]; logabsdet [batch].

    Raises:
        ValueError: A batch of one row is given in train mode: it has no variance.

    Source: Dinh, Sohl-Dickstein & Bengio 2017, section 3.7 and appendix E.
    """

    running_mean: Tensor
    running_var: Tensor

    def __init__(self, features: int, eps: float = 1e-5, momentum: float = 0.1) -> None:
        super().__init__()
        self.log_gamma, self.beta = nn.Parameter(torch.zeros(features)), nn.Parameter(torch.zeros(features))
        self.register_buffer("running_mean", torch.zeros(features))
        self.register_buffer("running_var", torch.ones(features))
        self.eps, self.momentum = eps, momentum

    def moments(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(μ, v): in train mode those of the batch, with which the running ones are then updated."""
        if not self.training:
            return self.running_mean, self.running_var
        if len(x) < 2:
            raise ValueError(f"got a batch of {len(x)} in train mode; expected two rows or more: one has no variance")
        variance, mean = torch.var_mean(x, dim=0, correction=0)
        with torch.no_grad():
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(variance, self.momentum)
        return mean, variance

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """X → (y, log|det ∂y/∂x|), the moments held fixed."""
        mean, variance = self.moments(x)
        log_scale = self.log_gamma - 0.5 * torch.log(variance + self.eps)
        return torch.exp(log_scale) * (x - mean) + self.beta, log_scale.sum().expand(len(x))

    def inverse(self, y: Tensor) -> tuple[Tensor, Tensor]:
        """Y → (x, log|det ∂x/∂y|) by the running moments.

        Raises:
            RuntimeError: In train mode: the moments of the batch that was mapped are not known any more.
        """
        if self.training:
            raise RuntimeError("got a call of the inverse in train mode; expected eval mode: call .eval() first")
        log_scale = self.log_gamma - 0.5 * torch.log(self.running_var + self.eps)
        return torch.exp(-log_scale) * (y - self.beta) + self.running_mean, -log_scale.sum().expand(len(y))
