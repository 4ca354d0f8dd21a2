"""Estimates of log p(x) from K draws of z: from the prior, from the encoder, and the bound that they make."""

from __future__ import annotations

import math

import torch

__all__ = ["bound", "importance_sampled", "naive_monte_carlo", "weighted_elbo"]


def _log_mean_exp(x: torch.Tensor) -> torch.Tensor:
    return torch.logsumexp(x, -1) - math.log(x.shape[-1])


def naive_monte_carlo(log_likelihood: torch.Tensor) -> torch.Tensor:
    """``log (1/n) Σ_k p(x | z_k)``, z_k drawn from the prior.

    Shapes: ``log_likelihood`` [..., draws]; [...], nats.

    Source: Doersch 2016, section 2.

    >>> naive_monte_carlo(torch.zeros(1, 4))
    tensor([0.])
    """
    return _log_mean_exp(log_likelihood)


def importance_sampled(
    log_likelihood: torch.Tensor, log_prior: torch.Tensor, log_posterior: torch.Tensor
) -> torch.Tensor:
    """``log (1/n) Σ_k p(x | z_k) p(z_k)/q(z_k | x)``, z_k drawn from q.

    Shapes: all [..., draws]; [...], nats.

    Source: Rezende, Mohamed & Wierstra 2014, appendix E.

    >>> zero = torch.zeros(1, 4)
    >>> importance_sampled(zero, zero, zero)
    tensor([0.])
    """
    return _log_mean_exp(log_likelihood + log_prior - log_posterior)


def bound(log_w: torch.Tensor) -> torch.Tensor:
    """``log (1/K) Σ_k w_k``, the mean over the batch; to be made large.

    Shapes: ``log_w`` [batch, draws]; a scalar, in nats.

    Source: Burda, Grosse & Salakhutdinov 2016, eq. 8.

    >>> bound(torch.tensor([[-200.0, -200.0]]))
    tensor(-200.)
    """
    return _log_mean_exp(log_w).mean()


def weighted_elbo(log_w: torch.Tensor) -> torch.Tensor:
    """``Σ_k w̃_k log w_k`` with w̃ = softmax(log w) held fixed: its gradient is that of the bound.

    Shapes: ``log_w`` [batch, draws]; a scalar, the mean over the batch.

    Source: Burda, Grosse & Salakhutdinov 2016, eq. 14.

    >>> weighted_elbo(torch.zeros(1, 2))
    tensor(0.)
    """
    share = torch.softmax(log_w, -1).detach()
    return (share * log_w).sum(-1).mean()
