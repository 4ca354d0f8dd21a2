"""The plainest generator and critic: affine maps with ReLU between; the critic's with spectral normalisation, or not.

Source: Goodfellow et al. 2014, section 5 (multilayer perceptrons for both); Miyato et al. 2018 (normalisation).
"""

from __future__ import annotations

from torch import Tensor, nn

from ..layers.spectral_norm import SpectralNormDense

__all__ = ["critic", "generator"]


def generator(noise: int, hidden: int, outputs: int) -> nn.Sequential:
    """Two hidden layers from noise to samples, with no bound on what comes out.

    Shapes: [batch, noise] → [batch, outputs].

    Source: Goodfellow et al. 2014, section 5.

    >>> import torch
    >>> generator(3, 8, 2)(torch.zeros(5, 3)).shape
    torch.Size([5, 2])
    """
    return _perceptron(nn.Linear, noise, hidden, outputs)


def critic(inputs: int, hidden: int, *, normalised: bool = False) -> nn.Sequential:
    """Two hidden layers from samples to one number each: a score, or a logit.

    `normalised`, every layer has spectral norm one (once its power iteration has converged), and so the critic has the
    Lipschitz constant one.

    Shapes: [batch, inputs] → [batch].

    Source: Miyato et al. 2018, section 2.1.

    >>> import torch
    >>> critic(2, 8)(torch.zeros(5, 2)).shape, critic(2, 8, normalised=True)(torch.zeros(5, 2)).shape
    (torch.Size([5]), torch.Size([5]))
    """
    return nn.Sequential(*_perceptron(SpectralNormDense if normalised else nn.Linear, inputs, hidden, 1), _Scores())


def _perceptron(layer: type[nn.Module], inputs: int, hidden: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        layer(inputs, hidden), nn.ReLU(), layer(hidden, hidden), nn.ReLU(), layer(hidden, outputs)
    )  # fmt: skip


class _Scores(nn.Module):
    """One column as one number a row."""

    def forward(self, x: Tensor) -> Tensor:
        return x.squeeze(-1)
