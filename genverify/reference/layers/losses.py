"""Losses of predictions against targets, written out.

Shapes: predictions and targets [batch, event], or [batch] for one number a sample; logits [batch, classes] with class
indices [batch] or target probabilities [batch, classes]. Results are means over everything, as in training.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .activations import log_sigmoid, log_softmax

__all__ = [
    "bce", "bce_with_logits", "cross_entropy", "cross_entropy_label_smoothing", "cross_entropy_soft_targets",
    "cross_entropy_weighted", "focal", "focal_categorical", "hinge", "huber", "label_smoothing_targets", "mse",
    "smooth_l1",
]  # fmt: skip


def mse(prediction: Tensor, target: Tensor) -> Tensor:
    """Mean squared error: ``mean (f − t)²``.

    Source: Bishop 2006, eq. 1.2, as a mean and without the factor ½.

    >>> mse(torch.tensor([1.0, 2.0]), torch.tensor([1.0, 4.0]))
    tensor(2.)
    """
    return ((prediction - target) ** 2).mean()


def huber(prediction: Tensor, target: Tensor, delta: float = 1.0) -> Tensor:
    """Huber's loss: ``mean of ½ r² where |r| ≤ δ, δ (|r| − ½ δ) elsewhere``.

    Source: Huber 1964, section 4.

    >>> huber(torch.tensor([1.0, 5.0]), torch.zeros(2), 2.0)
    tensor(4.2500)
    """
    distance = (prediction - target).abs()
    return torch.where(distance <= delta, 0.5 * distance**2, delta * (distance - 0.5 * delta)).mean()


def smooth_l1(prediction: Tensor, target: Tensor, beta: float = 1.0) -> Tensor:
    """Huber's loss with δ = β, divided by β: slope 1 far out, whatever β is.

    Source: Girshick 2015, eq. 3 (β = 1).

    >>> smooth_l1(torch.tensor([1.0, 5.0]), torch.zeros(2), 2.0)
    tensor(2.1250)
    """
    return huber(prediction, target, beta) / beta


def hinge(score: Tensor, sign: Tensor) -> Tensor:
    """Hinge loss: ``mean max(0, 1 − t s)`` for t in {−1, 1}.

    Source: Cortes & Vapnik 1995.

    >>> hinge(torch.tensor([2.0, 0.25]), torch.ones(2))
    tensor(0.3750)
    """
    return (1 - sign * score).clamp(min=0).mean()


def bce(probability: Tensor, label: Tensor) -> Tensor:
    """Binary cross-entropy of probabilities: ``mean of −y log p − (1 − y) log(1 − p)``, for 0 < p < 1.

    Source: Bishop 2006, eq. 4.90.

    >>> bce(torch.tensor([0.5]), torch.ones(1))
    tensor(0.6931)
    """
    return -(label * probability.log() + (1 - label) * torch.log1p(-probability)).mean()


def bce_with_logits(logit: Tensor, label: Tensor, pos_weight: Tensor | float = 1.0) -> Tensor:
    """Binary cross-entropy of logits: ``mean of −w y log σ(x) − (1 − y) log σ(−x)``.

    Source: Bishop 2006, eq. 4.59 and 4.90.

    >>> bce_with_logits(torch.tensor([1e4]), torch.zeros(1))
    tensor(10000.)
    """
    return -(pos_weight * label * log_sigmoid(logit) + (1 - label) * log_sigmoid(-logit)).mean()


def _picked(rows: Tensor, target: Tensor) -> Tensor:
    return rows.gather(-1, target.unsqueeze(-1)).squeeze(-1)


def cross_entropy(logits: Tensor, target: Tensor) -> Tensor:
    """Cross-entropy of logits against class indices: ``mean of −log softmax(x)_y``.

    Source: Bishop 2006, eq. 4.108.

    >>> cross_entropy(torch.zeros(1, 2), torch.tensor([1]))
    tensor(0.6931)
    """
    return -_picked(log_softmax(logits), target).mean()


def cross_entropy_weighted(logits: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """Cross-entropy weighted by class: ``Σ −w_y log softmax(x)_y / Σ w_y``, a weighted mean.

    Source: King & Zeng 2001, eq. 13 (the weighted likelihood).

    >>> cross_entropy_weighted(torch.zeros(1, 2), torch.tensor([1]), torch.tensor([1.0, 3.0]))
    tensor(0.6931)
    """
    weights = weight[target]
    return -(weights * _picked(log_softmax(logits), target)).sum() / weights.sum()


def cross_entropy_soft_targets(logits: Tensor, target: Tensor) -> Tensor:
    """Cross-entropy of logits against target probabilities: ``mean of −Σ_k t_k log softmax(x)_k``.

    Source: Bishop 2006, eq. 4.108.

    >>> cross_entropy_soft_targets(torch.zeros(1, 2), torch.tensor([[0.5, 0.5]]))
    tensor(0.6931)
    """
    return -(target * log_softmax(logits)).sum(-1).mean()


def label_smoothing_targets(target: Tensor, smoothing: float = 0.1) -> Tensor:
    """Targets mixed with the uniform distribution: ``(1 − ε) t + ε/K``.

    Source: Szegedy et al. 2016, section 7.

    >>> label_smoothing_targets(torch.tensor([1.0, 0.0]))
    tensor([0.9500, 0.0500])
    """
    return (1 - smoothing) * target + smoothing / target.shape[-1]


def cross_entropy_label_smoothing(logits: Tensor, target: Tensor, smoothing: float = 0.1) -> Tensor:
    """Cross-entropy of logits against smoothed class indices.

    Source: Szegedy et al. 2016, section 7.

    >>> cross_entropy_label_smoothing(torch.zeros(1, 2), torch.tensor([1]))
    tensor(0.6931)
    """
    one_hot = torch.nn.functional.one_hot(target, logits.shape[-1]).to(logits)
    return cross_entropy_soft_targets(logits, label_smoothing_targets(one_hot, smoothing))


def focal(logit: Tensor, label: Tensor, alpha: float = 0.25, gamma: float = 2.0) -> Tensor:
    """Focal loss of logits: ``mean of −α_t (1 − p_t)^γ log p_t``, for labels 0 and 1.

    p_t is the probability of the label that holds; α_t is α for label 1 and 1 − α for label 0.

    Source: Lin et al. 2017, eq. 5.

    >>> focal(torch.zeros(1), torch.ones(1))
    tensor(0.0433)
    """
    margin = (2 * label - 1) * logit  # p_t = σ(margin)
    weight = alpha * label + (1 - alpha) * (1 - label)
    return -(weight * torch.exp(gamma * log_sigmoid(-margin)) * log_sigmoid(margin)).mean()


def focal_categorical(logits: Tensor, target: Tensor, gamma: float = 2.0) -> Tensor:
    """Focal loss over classes: ``mean of −(1 − p_y)^γ log p_y`` with p = softmax(x).

    Source: Lin et al. 2017, eq. 4, with a softmax for the sigmoid.

    >>> focal_categorical(torch.zeros(1, 2), torch.tensor([1]))
    tensor(0.1733)
    """
    log_p = _picked(log_softmax(logits), target)
    return -((-torch.expm1(log_p)) ** gamma * log_p).mean()
