"""The dense layer, a multilayer perceptron with one hidden layer, and the softmax classifier.

Source: Goodfellow, Bengio & Courville 2016, "Deep Learning", sections 6.1 and 6.2.2.3.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

__all__ = ["MLP", "affine", "mlp", "softmax_classifier"]


def affine(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """The affine map of each row.

    y_n = W x_n + b

    Shapes: x [batch, in]; weight [out, in]; bias [out]; y [batch, out].

    Source: Goodfellow, Bengio & Courville 2016, section 6.1.

    >>> affine(torch.tensor([[1.0, 2.0]]), torch.tensor([[3.0, 4.0], [0.0, 1.0]]), torch.tensor([0.5, 0.0]))
    tensor([[11.5000,  2.0000]])
    """
    y = x @ weight.mT
    return y if bias is None else y + bias


def mlp(
    x: Tensor,
    weight1: Tensor,
    bias1: Tensor,
    weight2: Tensor,
    bias2: Tensor,
    sigma: Callable[[Tensor], Tensor] = torch.relu,
) -> Tensor:
    """One hidden layer between two affine maps.

    y = W₂ σ(W₁ x + b₁) + b₂

    Shapes: x [batch, in]; weight1 [hidden, in]; bias1 [hidden]; weight2 [out, hidden]; bias2 [out]; y [batch, out].

    Source: Goodfellow, Bengio & Courville 2016, section 6.1.

    >>> one = torch.eye(2)
    >>> mlp(torch.tensor([[1.0, -2.0]]), one, torch.zeros(2), one, torch.zeros(2))
    tensor([[1., 0.]])
    """
    return affine(sigma(affine(x, weight1, bias1)), weight2, bias2)


class MLP(nn.Module):
    """The multilayer perceptron with one hidden layer, as a module.

    Shapes: [batch, in_features] → [batch, out_features].
    """

    def __init__(self, in_features: int, hidden_features: int, out_features: int) -> None:
        """Initialises both layers as torch does."""
        super().__init__()
        self.first = nn.Linear(in_features, hidden_features)
        self.second = nn.Linear(hidden_features, out_features)

    def forward(self, x: Tensor) -> Tensor:
        """W₂ max(0, W₁ x + b₁) + b₂."""
        return self.second(torch.relu(self.first(x)))


def softmax_classifier(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """The probability of each class: affine scores, exponentiated and normalised.

    p_no = exp z_no / Σ_j exp z_nj,  z = W x + b

    Shapes: x [batch, in]; weight [classes, in]; bias [classes]; p [batch, classes].

    Source: Goodfellow, Bengio & Courville 2016, section 6.2.2.3.

    >>> softmax_classifier(torch.zeros(1, 3), torch.ones(2, 3))
    tensor([[0.5000, 0.5000]])
    """
    return torch.softmax(affine(x, weight, bias), -1)
