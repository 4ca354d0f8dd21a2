"""What keeps an autoencoder from the identity: noise that it has to remove, or a penalty on its slope."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

__all__ = ["contractive_penalty", "denoising_loss", "sigmoid_contractive_penalty"]


def denoising_loss(model: Callable[[Tensor], Tensor], x: Tensor, sigma: float = 0.1) -> Tensor:
    """The squared error of the reconstruction of corrupted data, measured against the data as they were.

    L = mean over the batch of ‖f(x + σ ε) − x‖²,  ε ~ N(0, I)

    Shapes: x [batch, event], as f's result; L a scalar.

    Source: Vincent, Larochelle, Bengio & Manzagol 2008, section 2.3 (with Gaussian corruption: Vincent et al. 2010,
    section 3.3).

    >>> denoising_loss(lambda noisy: torch.zeros_like(noisy), torch.tensor([[3.0, 4.0]]))
    tensor(25.)
    """
    corrupted = x + sigma * torch.randn_like(x)
    return (model(corrupted) - x).square().sum(-1).mean()


def contractive_penalty(encoder: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """The squared Frobenius norm of the encoder's Jacobian at each row.

    ‖J_f(x)‖_F² = Σ_ki (∂h_k/∂x_i)²

    Shapes: x [batch, in]; f takes [batch, in] to [batch, hidden], row by row; the result [batch].

    Source: Rifai, Vincent, Muller, Glorot & Bengio 2011, eq. 1.

    >>> contractive_penalty(lambda x: 2 * x, torch.zeros(1, 3))
    tensor([12.])
    """
    x = x if x.requires_grad else x.detach().requires_grad_(True)
    h = encoder(x)
    rows = [torch.autograd.grad(h[:, k].sum(), x, create_graph=True)[0] for k in range(h.shape[1])]
    return torch.stack(rows).square().sum((0, -1))


def sigmoid_contractive_penalty(hidden: Tensor, weight: Tensor) -> Tensor:
    """The same for h = sigmoid(W x + b), whose Jacobian is diag(h (1 − h)) W.

    Σ_k (h_k (1 − h_k))² Σ_i W_ki²

    Shapes: hidden [batch, hidden]; weight [hidden, in]; the result [batch].

    Source: Rifai et al. 2011, section 2.

    >>> sigmoid_contractive_penalty(torch.tensor([[0.5]]), torch.tensor([[4.0, 0.0]]))
    tensor([1.])
    """
    return (hidden * (1 - hidden)).square() @ weight.square().sum(1)
