"""Wild pairs from issue trackers: what was reported wrong, and what it was mended to, in our words."""

from __future__ import annotations

import bisect
import math

import torch
import torch.nn.functional as F
from tests.wild.pair import Pair
from torch import nn

from genverify.subjects.formula import Formula


def focal_one_alpha(logits, targets, alpha=0.25, gamma=2.0):
    """WRONG: α weighs negatives as it does positives, so that it only scales the loss.

    Source: qubvel/segmentation_models issue 187; liuyuisanai/Focal-Loss issue 4.
    """
    bce = F.binary_cross_entropy_with_logits(logits, targets, reduction="none")
    return (alpha * (1 - torch.exp(-bce)) ** gamma * bce).mean()


def focal_balanced(logits, targets, alpha=0.25, gamma=2.0):
    bce = F.binary_cross_entropy_with_logits(logits, targets, reduction="none")
    balance = torch.where(targets > 0.5, alpha, 1 - alpha)
    return (balance * (1 - torch.exp(-bce)) ** gamma * bce).mean()


def focal_times_gamma(logits, labels, alpha=0.25, gamma=2.0):
    """WRONG: a star too few, (1 − p)·γ for (1 − p)^γ, on the positives alone.

    Source: fudannlp16/focal-loss issues 6 and 8.
    """
    log_p, log_q, p = F.logsigmoid(logits), F.logsigmoid(-logits), torch.sigmoid(logits)
    loss = -labels * alpha * ((1 - p) * gamma) * log_p - (1 - labels) * (1 - alpha) * p**gamma * log_q
    return loss.mean()


def focal_to_gamma(logits, labels, alpha=0.25, gamma=2.0):
    log_p, log_q, p = F.logsigmoid(logits), F.logsigmoid(-logits), torch.sigmoid(logits)
    loss = -labels * alpha * (1 - p) ** gamma * log_p - (1 - labels) * (1 - alpha) * p**gamma * log_q
    return loss.mean()


def smooth_l1_undivided(y_true, y_pred, beta=1.0):
    """WRONG: the quadratic part lacks 1/β and the linear one its β: a jump at |r| = β unless β = 1.

    Source: keras-team/keras-cv issue 920, mended in pull request 1079.
    """
    distance = (y_true - y_pred).abs()
    return torch.where(distance < beta, 0.5 * distance**2, distance - 0.5).mean()


def smooth_l1_divided(y_true, y_pred, beta=1.0):
    distance = (y_true - y_pred).abs()
    return torch.where(distance < beta, 0.5 * distance**2 / beta, distance - 0.5 * beta).mean()


def smoothed_over_ignored(logits, target, smoothing=0.1):
    """WRONG: the uniform part is summed over the classes, where the mean is meant; ε = 0 hides it.

    Source: after pytorch/pytorch issue 73205, where the uniform part of a smoothed loss was reduced apart, and wrongly.
    """
    log_p = F.log_softmax(logits, dim=-1)
    hard = -log_p.gather(-1, target[:, None]).squeeze(-1)
    return ((1 - smoothing) * hard - smoothing * log_p.sum(-1)).mean()


def smoothed_alike(logits, target, smoothing=0.1):
    log_p = F.log_softmax(logits, dim=-1)
    hard = -log_p.gather(-1, target[:, None]).squeeze(-1)
    return ((1 - smoothing) * hard - smoothing * log_p.mean(-1)).mean()


def mse_of_all_pairs(pred, target):
    """WRONG: [n, 1] against [n] broadcasts to [n, n], every prediction against every target.

    Source: pytorch/pytorch issues 16045 and 19699.
    """
    return ((pred - target) ** 2).mean()


def mse_of_pairs(pred, target):
    return ((pred.squeeze(-1) - target) ** 2).mean()


def softplus_by_logarithm(x, beta=1.0):
    """WRONG: e^(βx) overflows, from x = 89/β on in float32; the gradient is NaN then.

    Source: tracel-ai/burn issue 5373.
    """
    return torch.log(1 + torch.exp(beta * x)) / beta


def softplus_of_two(x, beta=1.0):
    return torch.logaddexp(beta * x, torch.zeros_like(x)) / beta


def softplus_where(x, beta=1.0, threshold=20.0):
    """WRONG: torch.where keeps the overflow from the value and not from the gradient, which is 0 · ∞.

    Source: pytorch/pytorch issues 36923, 68425 and 156212.
    """
    return torch.where(beta * x > threshold, x, torch.log1p(torch.exp(beta * x)) / beta)


def softplus_where_safe(x, beta=1.0, threshold=20.0):
    large = beta * x > threshold
    inside = torch.where(large, torch.zeros_like(x), beta * x)
    return torch.where(large, x + torch.exp(-(beta * x).clamp(min=0)) / beta, torch.log1p(torch.exp(inside)) / beta)


def rbf_unsquared(x1, x2, ls=1.0):
    """WRONG: the length scale is not squared, which ℓ = 1 hides.

    Source: d2l-ai/d2l-en pull request 2665.
    """
    return torch.exp(-(1 / (2 * ls)) * ((x1[:, None] - x2[None]) ** 2).sum(-1))


def rbf_squared(x1, x2, ls=1.0):
    return torch.exp(-(1 / (2 * ls**2)) * ((x1[:, None] - x2[None]) ** 2).sum(-1))


def mixed_through_norm(x1, x2, ls):
    """WRONG: ‖x − y‖ has no derivative at x = y, and squaring it afterwards does not bring it back.

    Source: pytorch/functorch issue 1097; pytorch/pytorch issue 92075.
    """
    return _mixed(lambda a, b: torch.exp(-0.5 * torch.linalg.norm((a - b) / ls) ** 2), x1, x2)


def mixed_through_squares(x1, x2, ls):
    return _mixed(lambda a, b: torch.exp(-0.5 * ((a - b) / ls).square().sum()), x1, x2)


def _mixed(kernel, x1, x2):
    return torch.func.jacfwd(torch.func.grad(kernel, argnums=0), argnums=1)(x1, x2)


def early_milestones(epoch, base_lr, decay_rate, milestones):
    """WRONG: looks up t + 1, so that the rate drops an epoch before each milestone.

    Source: huggingface/pytorch-image-models pull requests 2745 and 2753.
    """
    return base_lr * decay_rate ** bisect.bisect_right(sorted(milestones), epoch + 1)


def milestones_on_time(epoch, base_lr, decay_rate, milestones):
    return base_lr * decay_rate ** bisect.bisect_right(sorted(milestones), epoch)


def cosine_through_warmup(step, lr, warmup, total):
    """WRONG: the cosine counts the steps of the warm-up, and starts below the peak.

    Source: lindermanlab/S5 issue 11; facebookresearch/fairchem pull request 1967; PaddleDetection pull request 4611.
    """
    if step < warmup:
        return lr * step / warmup
    return 0.5 * lr * (1 + math.cos(math.pi * step / total))


def cosine_after_warmup(step, lr, warmup, total):
    if step < warmup:
        return lr * step / warmup
    return 0.5 * lr * (1 + math.cos(math.pi * (step - warmup) / (total - warmup)))


def ema_backwards(ema, params, beta):
    """WRONG: β weighs the new weights.

    Source: marin-community/levanter pull request 883.
    """
    return beta * params + (1 - beta) * ema


def ema_forwards(ema, params, beta):
    return beta * ema + (1 - beta) * params


def clip_then_unscale(params, scale, max_norm):
    """WRONG: the bound is held against gradients that still carry the loss scale.

    Source: Lightning-AI/pytorch-lightning issues 9330 and 9599; rwth-i6/returnn issue 1590.
    """
    nn.utils.clip_grad_norm_(params, max_norm)
    for p in params:
        p.grad.div_(scale)


def unscale_then_clip(params, scale, max_norm):
    for p in params:
        p.grad.div_(scale)
    nn.utils.clip_grad_norm_(params, max_norm)


def mean_of_micro_means(grads, counts):
    """WRONG: micro-batches of different numbers of tokens count alike.

    Source: meta-pytorch/torchtune pull request 1875; ml-explore/mlx-lm pull request 1413.
    """
    return sum(grads) / len(grads)


def mean_over_tokens(grads, counts):
    return sum(n * g for g, n in zip(grads, counts, strict=True)) / sum(counts)


def nll_of_pixels_unpermuted(input, target):
    """WRONG: [n, class, h, w] is viewed as rows of classes with the class axis still in second place.

    Source: the reordering that wkentaro/pytorch-fcn issue 7 discusses, left out.
    """
    _, classes, _, _ = input.size()
    return F.nll_loss(F.log_softmax(input, dim=1).reshape(-1, classes), target.reshape(-1))


def nll_of_pixels(input, target):
    _, classes, _, _ = input.size()
    rows = F.log_softmax(input, dim=1).permute(0, 2, 3, 1).reshape(-1, classes)
    return F.nll_loss(rows, target.reshape(-1))


def _pair(name, wrong, right, like, **declared):
    return Pair(
        name=name, wrong=lambda: Formula(wrong, like=like, **declared), right=lambda: Formula(right, like=like, **declared)
    )  # fmt: skip


_COLUMN = {"pred": "batch one", "target": "batch"}
PAIRS = [
    _pair("focal_one_alpha", focal_one_alpha, focal_balanced, "loss.focal"),
    _pair("focal_times_gamma", focal_times_gamma, focal_to_gamma, "loss.focal"),
    _pair("smooth_l1_undivided", smooth_l1_undivided, smooth_l1_divided, "loss.smooth_l1"),
    _pair("smoothing_summed", smoothed_over_ignored, smoothed_alike, "loss.cross_entropy_label_smoothing"),
    _pair("mse_of_all_pairs", mse_of_all_pairs, mse_of_pairs, "loss.mse", shapes=_COLUMN),
    _pair("softplus_by_logarithm", softplus_by_logarithm, softplus_of_two, "activation.softplus"),
    _pair("softplus_where", softplus_where, softplus_where_safe, "activation.softplus"),
    _pair("rbf_unsquared", rbf_unsquared, rbf_squared, "kernel.rbf"),
    _pair("mixed_through_norm", mixed_through_norm, mixed_through_squares, "kernel.rbf_mixed_hessian"),
    _pair("early_milestones", early_milestones, milestones_on_time, "schedule.multi_step"),
    _pair("cosine_through_warmup", cosine_through_warmup, cosine_after_warmup, "schedule.warmup_cosine"),
    _pair("ema_backwards", ema_backwards, ema_forwards, "ema.weights"),
    _pair("clip_then_unscale", clip_then_unscale, unscale_then_clip, "accumulation.loss_scaling"),
    _pair("mean_of_micro_means", mean_of_micro_means, mean_over_tokens, "accumulation.mean_gradient"),
    _pair("pixels_unpermuted", nll_of_pixels_unpermuted, nll_of_pixels, "loss.cross_entropy"),
]
