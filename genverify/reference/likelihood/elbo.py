"""The evidence lower bound at one draw of z, by the decoder's law; the prior is N(0, I), the encoder's law normal."""

from __future__ import annotations

import math

import torch
from torch.nn import functional

__all__ = ["bernoulli", "categorical", "gaussian", "monte_carlo", "standard_normal_divergence"]


def standard_normal_divergence(mu: torch.Tensor, logvar: torch.Tensor) -> torch.Tensor:
    """``½ Σ (μ² + σ² − 1 − log σ²)`` over the latents, for each sample.

    Source: Kingma & Welling 2014, appendix B.

    >>> standard_normal_divergence(torch.ones(1, 2), torch.zeros(1, 2))
    tensor([1.])
    """
    return 0.5 * (mu**2 + logvar.exp() - 1 - logvar).sum(-1)


def bernoulli(x: torch.Tensor, logits: torch.Tensor, mu: torch.Tensor, logvar: torch.Tensor) -> torch.Tensor:
    """``Σ log p(x | z) − KL`` of pixels that are 0 or 1, the mean over the batch; to be made large.

    Shapes: ``x``, ``logits`` [batch, pixels]; ``mu``, ``logvar`` [batch, latents]; a scalar, in nats.

    Source: Kingma & Welling 2014, eq. 7 and appendix C.1.

    >>> zero = torch.zeros(1, 1)
    >>> bernoulli(zero, zero, zero, zero)
    tensor(-0.6931)
    """
    log_likelihood = -functional.binary_cross_entropy_with_logits(logits, x, reduction="none").sum(-1)
    return (log_likelihood - standard_normal_divergence(mu, logvar)).mean()


def gaussian(
    x: torch.Tensor, x_mean: torch.Tensor, x_logvar: torch.Tensor, mu: torch.Tensor, logvar: torch.Tensor
) -> torch.Tensor:
    """``Σ log N(x; x̂, s²) − KL`` of real pixels, the mean over the batch; to be made large.

    Shapes: ``x``, ``x_mean``, ``x_logvar`` [batch, pixels]; ``mu``, ``logvar`` [batch, latents]; a scalar, in nats.

    Source: Kingma & Welling 2014, eq. 7 and appendix C.2.

    >>> zero = torch.zeros(1, 1)
    >>> gaussian(zero, zero, zero, zero, zero)
    tensor(-0.9189)
    """
    square = (x - x_mean) ** 2 / x_logvar.exp()
    log_likelihood = -0.5 * (square + x_logvar + math.log(2 * math.pi)).sum(-1)
    return (log_likelihood - standard_normal_divergence(mu, logvar)).mean()


def categorical(x: torch.Tensor, logits: torch.Tensor, mu: torch.Tensor, logvar: torch.Tensor) -> torch.Tensor:
    """``Σ log softmax(l)_x − KL`` of pixels or tokens that are one of several classes, the mean over the batch.

    Shapes: ``x`` [batch, tokens], integers; ``logits`` [batch, tokens, classes]; ``mu``, ``logvar`` [batch, latents].

    Source: Bowman et al. 2016, section 2.2.

    >>> zero = torch.zeros(1, 1)
    >>> categorical(torch.zeros(1, 1, dtype=torch.int64), torch.zeros(1, 1, 2), zero, zero)
    tensor(-0.6931)
    """
    chosen = torch.log_softmax(logits, -1).gather(-1, x[..., None])[..., 0]
    return (chosen.sum(-1) - standard_normal_divergence(mu, logvar)).mean()


def monte_carlo(log_px_z: torch.Tensor, log_pz: torch.Tensor, log_qz: torch.Tensor) -> torch.Tensor:
    """``log p(x | z) + log p(z) − log q(z | x)``, the mean over draws and batch: no divergence in closed form.

    Shapes: all [batch, draws], summed over pixels and latents; a scalar, in nats.

    Source: Kingma & Welling 2014, eq. 6.

    >>> zero = torch.zeros(1, 1)
    >>> monte_carlo(zero - 3, zero, zero)
    tensor(-3.)
    """
    return (log_px_z + log_pz - log_qz).mean()
