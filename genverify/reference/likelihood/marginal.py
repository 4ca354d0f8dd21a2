"""Unbiased estimates of p(x) itself, and not of its logarithm."""

from __future__ import annotations

import torch

__all__ = ["naive", "weighted"]


def naive(log_px_z: torch.Tensor) -> torch.Tensor:
    """``(1/n) Σ_k p(x | z_k)``, z_k drawn from the prior.

    Shapes: ``log_px_z`` [draws]; a scalar.

    Source: Doersch 2016, section 2.

    >>> naive(torch.zeros(4))
    tensor(1.)
    """
    return log_px_z.exp().mean(-1)


def weighted(log_joint: torch.Tensor, log_q: torch.Tensor) -> torch.Tensor:
    """``(1/n) Σ_k p(x, z_k)/q(z_k | x)``, z_k drawn from q.

    Shapes: both [draws]; a scalar.

    Source: Robert & Casella 2004, eq. 3.8.

    >>> weighted(torch.zeros(4), torch.zeros(4))
    tensor(1.)
    """
    return (log_joint - log_q).exp().mean(-1)
