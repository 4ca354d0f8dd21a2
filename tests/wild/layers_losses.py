"""Wild pairs of activations and losses: what people wrote, wrong and right."""

import math

import torch
import torch.nn.functional as F
from tests.wild.pair import Pair

from genverify.subjects.formula import Formula


def gelu_tanh(x):
    """GELU, tanh approximation: 0.5 x (1 + tanh(sqrt(2/pi)(x + 0.044715 x^3)))."""
    return 0.5 * x * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


def gelu_tanh_no_x(x):
    """WRONG: returns the gate Phi(x), without the factor x.

    Source: tensorflow/tfjs#8224 (review), the same slip in the documentation is tensorflow#50510.
    Symptom: large except at x=1 (and x=0 gives 0.5).
    """
    return 0.5 * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


def label_smoothing_loss(logits, y, eps):
    """(1-eps) * nll(y) + eps/C * sum_c nll(c), mean over the batch."""
    lp = F.log_softmax(logits, -1)
    return (-(1 - eps) * lp.gather(-1, y[:, None])[:, 0] - eps / lp.shape[-1] * lp.sum(-1)).mean()


def label_smoothing_loss_offmass(logits, y, eps):
    """WRONG: per-class off-target mass (1-eps)/C instead of eps/C.

    Source: paiml/aprender#2199.  Symptom: 3x too large for usual eps, C; hides only at eps = 1/2.
    """
    lp = F.log_softmax(logits, -1)
    return (-(1 - eps) * lp.gather(-1, y[:, None])[:, 0] - (1 - eps) / lp.shape[-1] * lp.sum(-1)).mean()


def mse(pred, target):
    """Mean squared error of (B, 1) predictions against (B,) targets."""
    return ((pred.squeeze(-1) - target) ** 2).mean()


def mse_broadcast(pred, target):
    """WRONG: (B,1) - (B,) broadcasts to (B,B): every prediction is compared with every target.

    Source: classical (torch warns since 1.x; tianshou#40 is the same slip).  Symptom: hides for B=1; for
    B>1 the optimum is the mean of the targets for every input.
    """
    return ((pred - target) ** 2).mean()


def bce_logits(input, target):
    """Binary cross-entropy of logits without kinks."""
    return (F.softplus(-input) * target + F.softplus(input) * (1 - target)).mean()


def bce_logits_by_abs(input, target):
    """WRONG: the value is right, the gradient at input = 0 is not: clamp and abs have kinks there.

    Source: pytorch/pytorch#2298, mended in pytorch/pytorch#2195.  Symptom: a head whose weights start at zero
    gets 0 (or 1) for 1/2; hides everywhere else.
    """
    return (input.clamp(min=0) - input * target + torch.log1p(torch.exp(-input.abs()))).mean()


def focal_loss(inputs, targets, alpha=0.25, gamma=2.0):
    """alpha_t (1-p_t)^gamma times the cross-entropy."""
    ce = F.binary_cross_entropy_with_logits(inputs, targets, reduction="none")
    weight = torch.where(targets == 1, alpha, 1 - alpha)
    return (weight * (1 - torch.exp(-ce)) ** gamma * ce).mean()


def focal_loss_one_alpha(inputs, targets, alpha=0.25, gamma=2.0):
    """WRONG: alpha weights positives and negatives alike, so it balances nothing.

    Source: liuyuisanai/Focal-Loss#4, qubvel/segmentation_models#187.  Symptom: negatives weigh a third of what
    they should at alpha = 1/4; hides only at alpha = 1/2.
    """
    ce = F.binary_cross_entropy_with_logits(inputs, targets, reduction="none")
    return (alpha * (1 - torch.exp(-ce)) ** gamma * ce).mean()


_COLUMN = {"layout": "one output a sample", "shapes": {"pred": "batch one", "target": "batch"}}
_SMOOTHED = "loss.cross_entropy_label_smoothing"

PAIRS = [
    Pair(
        name="gelu_tanh_no_x",
        wrong=lambda: Formula(gelu_tanh_no_x, like="activation.gelu_tanh"),
        right=lambda: Formula(gelu_tanh, like="activation.gelu_tanh"),
    ),
    Pair(
        name="label_smoothing_loss_offmass",
        wrong=lambda: Formula(label_smoothing_loss_offmass, like=_SMOOTHED),
        right=lambda: Formula(label_smoothing_loss, like=_SMOOTHED),
    ),
    Pair(
        name="mse_broadcast",
        wrong=lambda: Formula(mse_broadcast, like="loss.mse", **_COLUMN),
        right=lambda: Formula(mse, like="loss.mse", **_COLUMN),
    ),
    Pair(
        name="bce_logits_by_abs",
        wrong=lambda: Formula(bce_logits_by_abs, like="loss.bce_with_logits"),
        right=lambda: Formula(bce_logits, like="loss.bce_with_logits"),
    ),
    Pair(
        name="focal_loss_one_alpha",
        wrong=lambda: Formula(focal_loss_one_alpha, like="loss.focal"),
        right=lambda: Formula(focal_loss, like="loss.focal"),
    ),
]
