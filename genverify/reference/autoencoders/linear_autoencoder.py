"""The linear autoencoder, the autoencoder with tied weights, and principal components.

Source: Baldi & Hornik 1989, "Neural networks and principal component analysis: learning from examples without local
minima".
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

__all__ = ["LinearAutoencoder", "pca", "principal_directions", "tied_linear"]


def principal_directions(x: Tensor, components: int) -> Tensor:
    """The directions of largest variance: eigenvectors of the covariance, each determined up to its sign.

    C = (1/n) Σ (x_i − x̄)(x_i − x̄)ᵀ = Σ_j λ_j v_j v_jᵀ,  λ_1 ≥ λ_2 ≥ …

    Shapes: x [n, features]; the rows of the result are v_1 … v_k, [components, features].

    Source: Pearson 1901; Hotelling 1933; Bishop 2006, section 12.1.1.

    >>> x = torch.tensor([[0.0, 0.0], [2.0, 0.0], [0.0, 1.0], [2.0, 1.0]])
    >>> principal_directions(x, 1).abs()
    tensor([[1., 0.]])
    """
    centred = x - x.mean(0)
    _, vectors = torch.linalg.eigh(centred.mT @ centred / len(x))  # eigenvalues ascend
    return vectors.flip(-1)[:, :components].mT


def pca(x: Tensor, components: int) -> Tensor:
    """The coordinates of the centred data along the principal directions.

    t_ij = v_j · (x_i − x̄)

    Shapes: x [n, features]; t [n, components], each column determined up to its sign.

    Source: Hotelling 1933; Bishop 2006, section 12.1.

    >>> pca(torch.tensor([[0.0, 5.0], [2.0, 5.0]]), 1).abs()
    tensor([[1.],
            [1.]])
    """
    return (x - x.mean(0)) @ principal_directions(x, components).mT


def tied_linear(
    x: Tensor, weight: Tensor, bias: Tensor | None = None, bias_out: Tensor | None = None,
    sigma: Callable[[Tensor], Tensor] | None = None,
) -> Tensor:  # fmt: skip
    """An autoencoder whose decoder has the encoder's weights transposed.

    x̂ = Wᵀ σ(W x + b) + c

    Shapes: x and x̂ [batch, in]; weight [hidden, in]; bias b [hidden]; bias_out c [in]. Without `sigma`, σ is the
    identity.

    Source: Vincent, Larochelle, Bengio & Manzagol 2008, section 2.2; Baldi & Hornik 1989.

    >>> tied_linear(torch.tensor([[3.0, 4.0]]), torch.tensor([[1.0, 0.0]]))
    tensor([[3., 0.]])
    """
    hidden = x @ weight.mT
    if bias is not None:
        hidden = hidden + bias
    if sigma is not None:
        hidden = sigma(hidden)
    out = hidden @ weight
    return out if bias_out is None else out + bias_out


class LinearAutoencoder(nn.Module):
    """Two matrices and nothing between: x̂ = B A x, trained on centred data.

    Shapes: [batch, features] → [batch, features], by way of [batch, hidden].

    Source: Baldi & Hornik 1989, section 2.
    """

    def __init__(self, features: int, hidden: int) -> None:
        super().__init__()
        self.encoder = nn.Linear(features, hidden, bias=False)
        self.decoder = nn.Linear(hidden, features, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """B A x."""
        return self.decoder(self.encoder(x))
