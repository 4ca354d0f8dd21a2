r"""Reparameterisation: draw noise that has no parameters, and move it to the law by a differentiable map.

    $$ z = \mu + \sigma \epsilon, \qquad \epsilon \sim N(0, I), \qquad
       \nabla_{\mu, \sigma} E f(z) = E \nabla_{\mu, \sigma} f(\mu + \sigma \epsilon) $$

Source: Kingma & Welling 2014, section 2.4; Rezende, Mohamed & Wierstra 2014, section 3.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

__all__ = ["normal", "pathwise_loss", "sample_diagonal", "sample_mvn"]


def normal(mean: Tensor, std: Tensor, noise: Tensor) -> Tensor:
    """Z = μ + σ ε.

    Shapes: mean, std [d]; noise [n, d]; [n, d].

    >>> normal(torch.tensor([1.0]), torch.tensor([2.0]), torch.tensor([[0.5]]))
    tensor([[2.]])
    """
    return mean + std * noise


def sample_diagonal(mean: Tensor, std: Tensor) -> Tensor:
    """One draw from N(μ, diag σ²) for each number of the mean.

    Shapes: mean, std [..., d]; [..., d].

    >>> sample_diagonal(torch.zeros(2, 3), torch.ones(2, 3)).shape
    torch.Size([2, 3])
    """
    return normal(mean, std, torch.randn_like(mean))


def sample_mvn(mean: Tensor, cholesky: Tensor, n: int) -> Tensor:
    """N draws from N(μ, L Lᵀ), one a row: z = μ + ε Lᵀ, so that each column of noise meets a row of L.

    Shapes: mean [d], cholesky [d, d] lower triangular; [n, d].

    >>> sample_mvn(torch.zeros(2), torch.eye(2), 3).shape
    torch.Size([3, 2])
    """
    return mean + torch.randn(n, len(mean), dtype=mean.dtype, device=mean.device) @ cholesky.T


def pathwise_loss(mean: Tensor, std: Tensor, reward: Callable[[Tensor], Tensor], noise: Tensor) -> Tensor:
    """A number whose gradient in μ and σ is the pathwise estimate: the mean reward of the moved noise.

    Shapes: mean, std [d], noise [n, d], reward maps [n, d] to [n]; a number.

    >>> pathwise_loss(torch.zeros(1), torch.ones(1), lambda z: z.sum(-1), torch.tensor([[1.0], [3.0]]))
    tensor(2.)
    """
    return reward(normal(mean, std, noise)).mean()
