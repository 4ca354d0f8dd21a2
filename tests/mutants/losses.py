"""Mutants of losses, each with one named bug, and twins in unusual styles."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from genverify.subjects.formula import Formula
from tests.mutants.mutant import Mutant, Twin

MUTANTS: list[Mutant] = []
TWINS: list[Twin] = []


def mutant(like: str, killed_by: str, **declared: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Declares the decorated function, as a stranger would, as a wrong implementation of the loss."""

    def declare(f: Callable[..., Any]) -> Callable[..., Any]:
        make = lambda: Formula(f, like=f"loss.{like}", **declared)  # noqa: E731
        MUTANTS.append(Mutant(name=f"loss.{like}: {f.__name__}", make=make, killed_by=f"formula.{killed_by}"))
        return f

    return declare


def twin(like: str, **declared: Any) -> Callable[[Any], Any]:
    """Declares the decorated function or class as a right one."""

    def declare(f: Any) -> Any:
        make = lambda: Formula(f, like=f"loss.{like}", **declared)  # noqa: E731
        TWINS.append(Twin(name=f"loss.{like}: {f.__name__}", make=make))
        return f

    return declare


def hot(target: torch.Tensor, logits: torch.Tensor) -> torch.Tensor:
    return functional.one_hot(target, logits.shape[-1]).to(logits)


@mutant("bce_with_logits", "dialect")
def sigmoid_twice(logits, target):
    """The sigmoid is applied before a loss that applies it. Met wherever a network ends in nn.Sigmoid."""
    return functional.binary_cross_entropy_with_logits(torch.sigmoid(logits), target)


@mutant("bce_with_logits", "gradient")
def split_at_zero(logits, target):
    """Two kinks that cancel in the value and not in autograd: gradient 0 at logit 0. pytorch/pytorch#2298."""
    return (torch.relu(logits) - logits * target + torch.log1p(torch.exp(-logits.abs()))).mean()


@mutant("bce", "dialect")
def logits_loss_of_probabilities(p, y):
    """BCEWithLogitsLoss fed with probabilities."""
    return nn.BCEWithLogitsLoss()(p, y)


@mutant("mse", "dialect")
def mean_twice(pred, target):
    """A mean divided by the size of the batch once more. Met in eriklindernoren/PyTorch-YOLOv3#137."""
    return functional.mse_loss(pred, target) / len(pred)


@mutant("mse", "dialect")
def mean_over_the_wrong_axis(pred, target):
    """Summed over the batch, left per feature: dim=0 for dim=1."""
    return ((pred - target) ** 2).sum(0)


@mutant("huber", "dialect")
def smooth_l1_sold_as_huber(input, target, delta=1.0):
    """Smooth L1 with δ for β: the slope far out is 1 for every δ."""
    return functional.smooth_l1_loss(input, target, beta=delta)


@mutant("hinge", "dialect")
def zero_one_labels(scores, y):
    """Labels 0 and 1 taken for −1 and 1."""
    y = (y > 0).to(scores)
    return (1 - y * scores).clamp(min=0).mean()


@mutant("cross_entropy", "dialect")
def softmax_twice(logits, target):
    """A softmax before CrossEntropyLoss, which has its own. Met wherever a classifier ends in nn.Softmax."""
    return functional.cross_entropy(torch.softmax(logits, -1), target)


@mutant("cross_entropy", "dialect")
def softmax_over_the_batch(logits, target):
    """Normalised over the wrong axis."""
    return functional.nll_loss(torch.log_softmax(logits, 0), target)


@mutant("cross_entropy", "gradient")
def gradient_by_sum(logits, target):
    """Hand-written backward, softmax − y, that ignores the mean. Met in paiml/aprender#2182, the other way round."""

    class CrossEntropy(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, y):
            ctx.save_for_backward(x, y)
            return functional.cross_entropy(x, y)

        @staticmethod
        def backward(ctx, grad):
            x, y = ctx.saved_tensors
            return grad * (torch.softmax(x, -1) - hot(y, x)), None

    return CrossEntropy.apply(logits, target)


@mutant("cross_entropy_weighted", "dialect")
def weight_of_the_prediction(logits, target, weight):
    """The weight of the class that is predicted, not of the one that is true."""
    loss = functional.cross_entropy(logits, target, reduction="none")
    return (weight[logits.argmax(-1)] * loss).mean()


@mutant("cross_entropy_label_smoothing", "dialect")
def smoothing_not_divided(logits, target, eps=0.1):
    """ε times the sum over the classes, without 1/K. The slip of early label-smoothing snippets."""
    lp = torch.log_softmax(logits, -1)
    return (-(1 - eps) * lp.gather(-1, target[:, None])[:, 0] - eps * lp.sum(-1)).mean()


@mutant("label_smoothing_targets", "dialect")
def mass_is_lost(target, smoothing=0.1):
    """t (1 − ε) + ε/K on the other classes only: the rows sum to 1 − ε/K."""
    others = (target == 0).to(target) * smoothing / target.shape[-1]
    return target * (1 - smoothing) + others


@mutant("focal", "dialect")
def alpha_for_both(inputs, targets, alpha=0.25, gamma=2.0):
    """α weights both classes. Met in liuyuisanai/Focal-Loss#4 and qubvel/segmentation_models#187."""
    loss = functional.binary_cross_entropy_with_logits(inputs, targets, reduction="none")
    return (alpha * (1 - torch.exp(-loss)) ** gamma * loss).mean()


@mutant("focal", "gradient")
def detached_factor(inputs, targets, gamma=2.0):
    """The modulating factor is computed without a graph."""
    loss = functional.binary_cross_entropy_with_logits(inputs, targets, reduction="none")
    with torch.no_grad():
        factor = (1 - torch.exp(-loss)) ** gamma
    return (factor * loss).mean()


# Twins: none of these may be accused.


@twin("mse", layout="one output a sample", shapes={"pred": "batch one", "target": "batch"})
def of_a_column(pred, target):
    """Predictions as a column, targets as a row, brought together first."""
    return functional.mse_loss(pred[:, 0], target)


@twin("bce")
def guarded(probs, labels):
    """A guard of 1e-8 inside the logarithm."""
    return -(labels * torch.log(probs + 1e-8) + (1 - labels) * torch.log(1 - probs + 1e-8)).sum(-1).mean()


@twin("bce_with_logits")
def through_probabilities(logits, target):
    """BCELoss of the sigmoid: saturates, and is right where it does not."""
    return nn.BCELoss()(torch.sigmoid(logits), target)


@twin("cross_entropy")
def of_probabilities(probs, target):
    """Keras's way: probabilities in."""
    return -torch.log(probs[torch.arange(len(target)), target]).mean()


@twin("cross_entropy_weighted")
def over_the_count(logits, target, class_weights):
    """The mean over the number of samples, as in TensorFlow."""
    loss = functional.cross_entropy(logits, target, reduction="none")
    return (class_weights[target] * loss).mean()


@twin("cross_entropy_label_smoothing")
def over_the_others(logits, target, epsilon=0.1):
    """ε/(K − 1) on each of the other classes, as in fairseq."""
    lp = torch.log_softmax(logits, -1)
    others = epsilon / (lp.shape[-1] - 1)
    return (-(1 - epsilon - others) * lp.gather(-1, target[:, None])[:, 0] - others * lp.sum(-1)).sum()


@twin("focal")
class FocalModule(nn.Module):
    """α and γ given when it is made."""

    def __init__(self, alpha: float = 0.25, gamma: float = 2.0) -> None:
        super().__init__()
        self.alpha, self.gamma = alpha, gamma

    def forward(self, logits, target):
        loss = functional.binary_cross_entropy_with_logits(logits, target, reduction="none")
        weight = torch.where(target > 0.5, self.alpha, 1 - self.alpha)
        return (weight * (1 - torch.exp(-loss)).pow(self.gamma) * loss).mean()
