"""The likelihood of a row under a latent-variable model, by Monte Carlo: from the posterior's draws or the prior's."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from .vae import VAE

__all__ = ["importance_weighted_bound", "log_mean_exp", "naive_log_likelihood"]


def log_mean_exp(logarithms: Tensor) -> Tensor:
    """``log (1/K) Σ_k exp a_k`` over the first dimension.

    Shapes: [draws, ...]; the result [...].

    >>> log_mean_exp(torch.tensor([0.0, 0.0]))
    tensor(0.)
    """
    return torch.logsumexp(logarithms, 0) - math.log(len(logarithms))


def importance_weighted_bound(model: VAE, x: Tensor, draws: int) -> Tensor:
    """The bound of the IWAE: in expectation at most log p(x), and no farther from it for more draws.

    log (1/K) Σ_k p(x, z_k)/q(z_k|x),  z_k ~ q(z|x)

    With one draw it is an estimate of the ELBO; minus its mean over the rows is the loss of the IWAE.

    Shapes: x [batch, data]; [batch]; nats.

    Source: Burda, Grosse & Salakhutdinov 2016, eq. 8 and theorem 1.

    >>> importance_weighted_bound(VAE(6, hidden=4, latent=2), torch.ones(3, 6), 5).shape
    torch.Size([3])
    """
    return log_mean_exp(model.log_weights(x, draws))


def naive_log_likelihood(model: VAE, x: Tensor, draws: int) -> Tensor:
    """The logarithm of an unbiased estimate of p(x), hence too low on average.

    log (1/n) Σ_i p(x|z_i),  z_i ~ p(z)

    The logarithm is outside of the mean. The draws are shared by all rows.

    Shapes: x [batch, data]; [batch]; nats.

    Source: Doersch 2016, section 2.

    >>> naive_log_likelihood(VAE(6, hidden=4, latent=2), torch.ones(3, 6), 5).shape
    torch.Size([3])
    """
    z = torch.randn(draws, 1, model.latent, dtype=x.dtype, device=x.device)
    return log_mean_exp(model.log_likelihood(x, z))
