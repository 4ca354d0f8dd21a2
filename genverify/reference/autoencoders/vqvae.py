"""The VQ-VAE: an autoencoder whose latents are entries of a codebook.

Source: van den Oord, Vinyals & Kavukcuoglu 2017, "Neural discrete representation learning".
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from ..likelihood.densities import bernoulli
from .vector_quantisation import VectorQuantizer

__all__ = ["VQVAE"]


class VQVAE(nn.Module):
    """A picture becomes a few codes, each the nearest of a codebook to what the encoder says, and is decoded from them.

    L = −log p(x | e) + ‖sg(z) − e‖² + β ‖z − sg(e)‖²,  ELBO(x) = log p(x | e) − positions · log codes

    The posterior is certain of its codes and the prior is uniform, so that the KL term is a constant. All terms of L
    are summed over a picture and averaged over pictures; with `decay` the codebook is a running mean instead.

    Shapes: x [batch, data]; latents [batch, dim, positions]; indices [batch, positions].

    Source: van den Oord et al. 2017, eqs. 1–3 and section 3.2.

    >>> model = VQVAE(6, hidden=4, positions=2, dim=3, codes=5)
    >>> model.indices(torch.ones(3, 6)).shape, model.elbo(torch.ones(3, 6)).shape
    (torch.Size([3, 2]), torch.Size([3]))
    """

    def __init__(
        self, data: int, hidden: int, positions: int, dim: int, codes: int, beta: float = 0.25,
        decay: float | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        self.positions, self.dim, self.codes = positions, dim, codes
        self.encoder = nn.Sequential(nn.Linear(data, hidden), nn.Tanh(), nn.Linear(hidden, dim * positions))
        self.quantizer = VectorQuantizer(codes, dim, beta, decay)
        self.decoder = nn.Sequential(nn.Linear(dim * positions, hidden), nn.Tanh(), nn.Linear(hidden, data))

    def encode(self, x: Tensor) -> Tensor:
        """What the encoder says, before it is replaced with codes."""
        return self.encoder(x).unflatten(-1, (self.dim, self.positions))

    def decode(self, z: Tensor) -> Tensor:
        """The logits of the pixels."""
        return self.decoder(z.flatten(1))

    def indices(self, x: Tensor) -> Tensor:
        """The codes of each row."""
        return self.quantizer(self.encode(x))[2]

    def pixels(self, indices: Tensor) -> Tensor:
        """E[x | codes]."""
        return torch.sigmoid(self.decode(self.quantizer.codebook[indices].movedim(-1, 1)))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The logits of the pixels, the loss of the quantiser and the codes."""
        quantized, quantizer_loss, indices = self.quantizer(self.encode(x))
        return self.decode(quantized), quantizer_loss, indices

    def log_likelihood(self, x: Tensor) -> Tensor:
        """Log p(x | its codes), summed over the pixels."""
        return bernoulli(x, self(x)[0]).sum(-1)

    def elbo(self, x: Tensor) -> Tensor:
        """A lower bound of log p(x) under a uniform prior over codes, one number a row."""
        return self.log_likelihood(x) - self.positions * math.log(self.codes)

    def loss(self, x: Tensor) -> Tensor:
        """The three terms, summed over a row and averaged over rows."""
        logits, quantizer_loss, _ = self(x)
        return self.positions * self.dim * quantizer_loss - bernoulli(x, logits).sum(-1).mean()
