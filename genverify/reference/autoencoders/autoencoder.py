"""The autoencoder: squeeze a row through a few numbers, and give it back."""

from __future__ import annotations

from torch import Tensor, nn

__all__ = ["Autoencoder"]


class Autoencoder(nn.Module):
    """An encoder and a decoder with one hidden layer each, trained to give back what they were given.

    L = mean over rows of ‖x − g(f(x))‖²

    Shapes: x [batch, data]; codes [batch, latent]; the loss a scalar. The output layer has no activation.

    Source: Hinton & Salakhutdinov 2006.

    >>> import torch
    >>> model = Autoencoder(6, hidden=4, latent=2)
    >>> model.encode(torch.zeros(3, 6)).shape, model(torch.zeros(3, 6)).shape
    (torch.Size([3, 2]), torch.Size([3, 6]))
    """

    def __init__(self, data: int, hidden: int, latent: int) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(data, hidden), nn.Tanh(), nn.Linear(hidden, latent))
        self.decoder = nn.Sequential(nn.Linear(latent, hidden), nn.Tanh(), nn.Linear(hidden, data))

    def encode(self, x: Tensor) -> Tensor:
        """The code of each row."""
        return self.encoder(x)

    def decode(self, z: Tensor) -> Tensor:
        """The row that each code stands for."""
        return self.decoder(z)

    def forward(self, x: Tensor) -> Tensor:
        """The reconstruction of each row."""
        return self.decode(self.encode(x))

    def loss(self, x: Tensor) -> Tensor:
        """The squared distance to the reconstruction: summed over a row, averaged over rows."""
        return (x - self(x)).square().sum(-1).mean()
