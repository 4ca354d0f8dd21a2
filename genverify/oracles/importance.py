"""Importance sampling: weights, the two estimates, the effective sample size, in additive terms."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["effective_sample_size", "mean", "self_normalised_mean", "weighted_nll", "weights"]

Terms = tuple[Tensor, ...]


def weights(log_p: Tensor, log_q: Tensor, *, normalised: bool = False, logarithm: bool = False) -> Terms:
    """w_i = p(x_i)/q(x_i), or divided by their sum, or the logarithm of either.

    Shapes: both [draws]; each of the terms, too.

    Source: Robert & Casella 2004, section 3.3.

    >>> weights(torch.zeros(2), torch.zeros(2))
    (tensor([1., 1.]),)
    """
    gap = log_p - log_q
    if normalised:
        total = torch.logsumexp(gap, -1, keepdim=True)
        return (log_p, -log_q, -total.expand_as(gap)) if logarithm else (torch.exp(gap - total),)
    return (log_p, -log_q) if logarithm else (torch.exp(gap),)


def mean(log_p: Tensor, log_q: Tensor, f: Tensor) -> Terms:
    """Each summand w_i f_i of the unbiased estimate of E_p f.

    Shapes: all [draws]; each of the terms, too.

    Source: Robert & Casella 2004, eq. 3.8.

    >>> mean(torch.zeros(2), torch.zeros(2), torch.ones(2))
    (tensor([1., 1.]),)
    """
    return (torch.exp(log_p - log_q) * f,)


def self_normalised_mean(log_weights: Tensor, f: Tensor) -> Terms:
    """Σ w_i f_i / Σ w_i as a term for each draw; the weights are known up to a factor.

    Shapes: both [draws]; each of the terms, too; sum over the draws.

    Source: Robert & Casella 2004, eq. 3.10.

    >>> self_normalised_mean(torch.zeros(2), torch.ones(2))[0]
    tensor([0.5000, 0.5000])
    """
    share = torch.softmax(log_weights, -1)
    # The slopes of w f and of Σ w, which cancel for a single draw: terms that cancel, too.
    own = (share * f).detach() * log_weights
    total = (share * f).detach() * torch.logsumexp(log_weights, -1, keepdim=True)
    return share * f, own, -own, total, -total


def weighted_nll(log_prob: Tensor, weight: Tensor, *, relative: bool = False) -> Terms:
    """−w_i log p(x_i) for each draw; `relative` to the mean weight of the batch.

    Shapes: both [draws]; each of the terms, too.

    Source: Shimodaira 2000, on the weighted likelihood.

    >>> weighted_nll(torch.zeros(2), torch.ones(2))
    (tensor([-0., -0.]),)
    """
    if not relative:
        return (-weight * log_prob,)
    mean_weight = weight.mean(-1, keepdim=True)
    value = -weight / mean_weight * log_prob
    # The slopes of w and of its mean, which cancel for a single draw: terms that cancel, too.
    own, total = value.detach() * weight.log(), value.detach() * mean_weight.log()
    return value, own, -own, total, -total


def effective_sample_size(log_weights: Tensor, *, relative: bool = False, perplexity: bool = False) -> Terms:
    """(Σ w)²/Σ w²; over n where `relative`; the exponential of the entropy of the weights where `perplexity`.

    Shapes: ``log_weights`` [..., draws]; the result [...].

    Source: Kong 1992; Liu 2001, section 2.5.3.

    >>> effective_sample_size(torch.zeros(4))[0]
    tensor(4.)
    """
    logs = torch.log_softmax(log_weights, -1)
    if perplexity:
        found = torch.exp(-(logs.exp() * logs).sum(-1))
    else:
        found = torch.exp(-torch.logsumexp(2.0 * logs, -1))
    found = found / log_weights.shape[-1] if relative else found
    # (Σ w)² and Σ w² have slopes of their own, which cancel where the weights are equal: terms that cancel, too.
    total = found.detach() * 2.0 * torch.logsumexp(log_weights, -1)
    squares = found.detach() * torch.logsumexp(2.0 * log_weights, -1)
    return found, total, -total, squares, -squares
