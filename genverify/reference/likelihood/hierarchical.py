"""Latents in layers z_L → … → z_1 → x: divergences add up over layers."""

from __future__ import annotations

from collections.abc import Sequence

import torch

__all__ = ["bound", "divergence", "residual_normal"]

Layers = Sequence[torch.Tensor]


def divergence(mus_q: Layers, logvars_q: Layers, mus_p: Layers, logvars_p: Layers) -> torch.Tensor:
    """``Σ_l KL(N(μ_q, σ_q²) ‖ N(μ_p, σ_p²))`` over layers and latents, for each sample.

    Shapes: lists of [batch, latents of that layer]; [batch], in nats.

    Source: Sønderby et al. 2016, eq. 5.

    >>> one, zero = [torch.ones(1, 2)], [torch.zeros(1, 2)]
    >>> divergence(one, zero, zero, zero)
    tensor([1.])
    """
    total = torch.zeros(())
    for mu_q, logvar_q, mu_p, logvar_p in zip(mus_q, logvars_q, mus_p, logvars_p, strict=True):
        square = (mu_q - mu_p) ** 2 / logvar_p.exp()
        ratio = (logvar_q - logvar_p).exp()
        total = total + 0.5 * (square + ratio - 1 - logvar_q + logvar_p).sum(-1)
    return total


def bound(
    log_px: torch.Tensor, mus_q: Layers, logvars_q: Layers, mus_p: Layers, logvars_p: Layers
) -> torch.Tensor:  # fmt: skip
    """``log p(x | z) − Σ_l KL_l``, the mean over the batch; to be made large.

    Shapes: ``log_px`` [batch], and as in `divergence`; a scalar.

    Source: Sønderby et al. 2016, eq. 5.

    >>> zero = [torch.zeros(1, 2)]
    >>> bound(torch.tensor([-3.0]), zero, zero, zero, zero)
    tensor(-3.)
    """
    return (log_px - divergence(mus_q, logvars_q, mus_p, logvars_p)).mean()


def residual_normal(delta_mu: torch.Tensor, delta_logvar: torch.Tensor, logvar: torch.Tensor) -> torch.Tensor:
    """``KL(N(μ + Δμ, (σ Δσ)²) ‖ N(μ, σ²))`` over the latents, for each sample: μ itself does not enter.

    Shapes: all [batch, latents]; [batch].

    Source: Vahdat & Kautz 2020, eq. 2.

    >>> residual_normal(torch.ones(1, 2), torch.zeros(1, 2), torch.zeros(1, 2))
    tensor([1.])
    """
    return 0.5 * (delta_mu**2 / logvar.exp() + delta_logvar.exp() - 1 - delta_logvar).sum(-1)
