"""Strangers' blocks: activations, losses, derivatives, schedules and training, broken and spared without a list.

The mutants are slips that no list named when they were written; the twins are styles that were accused, or could not
be declared, before the mechanism was mended.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from genverify.subjects.formula import Formula
from tests.mutants.mutant import Mutant, Twin

MUTANTS: list[Mutant] = []
TWINS: list[Twin] = []


def mutant(like: str, check: str, **declared: object) -> Callable[[Callable], Callable]:
    """Registers a wrong implementation of a formula."""

    def register(f: Callable) -> Callable:
        made = functools.partial(Formula, f, like=like, **declared)
        MUTANTS.append(Mutant(name=f"{like}: {f.__name__}", make=made, killed_by=f"formula.{check}"))
        return f

    return register


def twin(like: str, **declared: object) -> Callable[[Callable], Callable]:
    """Registers a correct implementation in an unusual style."""

    def register(f: Callable) -> Callable:
        add_twin(f.__name__, f, like, **declared)
        return f

    return register


def add_twin(name: str, f: object, like: str, **declared: object) -> None:
    """Registers anything callable."""
    TWINS.append(Twin(name=f"{like}: {name}", make=functools.partial(Formula, f, like=like, **declared)))


# ── Broken ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@mutant("activation.elu", "extremes")
def overflow_behind_where(x, alpha=1.0):
    """The value is taken from the other branch, the gradient is 0 · ∞. Met in pytorch/pytorch#36923."""
    return torch.where(x > 0, x, alpha * (torch.exp(x) - 1))


@mutant("activation.gelu_tanh", "dialect")
def a_digit_lost(x):
    """0.04475 for 0.044715: off by less than a part in a thousand."""
    return 0.5 * x * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.04475 * x**3)))


@mutant("activation.softmax", "extremes")
def largest_of_the_batch(x):
    """The maximum of the whole batch is subtracted: rows far below it are 0/0. Nothing shows at ordinary logits."""
    raised = torch.exp(x - x.max())
    return raised / raised.sum(-1, keepdim=True)


@mutant("activation.softmax", "dialect", shapes={"scores": "n t class", "return": "n t class"})
def second_axis_of_three(scores):
    """``dim=1``, right for rows of logits, is the time axis here. Met in DonkeyShot21/UNO#4."""
    return functional.softmax(scores, dim=1)


@mutant("loss.cross_entropy", "dialect", shapes={"logits": "n t class", "targets": "n t"})
def tokens_transposed(logits, targets):
    """The logits are flattened batch first and the targets time first."""
    return functional.cross_entropy(logits.reshape(-1, logits.shape[-1]), targets.t().reshape(-1))


@mutant("loss.cross_entropy", "dialect")
def ignores_class_zero(logits, labels):
    """``ignore_index=0``, the padding token's, in a task where 0 is a class."""
    return functional.cross_entropy(logits, labels, ignore_index=0)


@mutant("loss.cross_entropy_label_smoothing", "gradient")
def smoothing_detached(pred, target, smoothing=0.1):
    """The uniform part is computed of detached log-probabilities: the value is right."""
    log_p = functional.log_softmax(pred, 1)
    return (1 - smoothing) * functional.nll_loss(log_p, target) - smoothing * log_p.detach().mean()


@mutant("loss.cross_entropy_label_smoothing", "dialect")
def off_value_for_the_class_too(pred, target, smoothing=0.1):
    """1 − ε on the class and ε/K on the others, which sums to 1 − ε/K."""
    spread = torch.full_like(pred, smoothing / pred.size(1)).scatter_(1, target[:, None], 1 - smoothing)
    return -(spread * functional.log_softmax(pred, 1)).sum(1).mean()


@mutant("loss.cross_entropy_weighted", "dialect")
def over_all_weights(logits, target, weight):
    """Divided by the sum of the class weights, not by that of the weights of the samples."""
    losses = functional.cross_entropy(logits, target, reduction="none") * weight[target]
    return losses.sum() / weight.sum()


@mutant("loss.focal_categorical", "dialect")
def focus_of_the_mean(inputs, targets, gamma=2.0):
    """p_t of the mean loss of the batch: right for a batch of one. Met in many a FocalLoss on top of a criterion."""
    loss = functional.cross_entropy(inputs, targets)
    return (1 - torch.exp(-loss)) ** gamma * loss


@mutant("loss.smooth_l1", "dialect")
def without_the_absolute_value(y_pred, y_true, beta=1.0):
    """r < β for |r| < β: every negative residual counts as small."""
    r = y_pred - y_true
    return torch.where(r < beta, 0.5 * r**2 / beta, r.abs() - 0.5 * beta).mean()


@mutant("loss.huber", "dialect")
def half_of_delta(pred, target, delta=1.0):
    """½ δ for ½ δ²: continuous at δ = 1 alone."""
    r = (pred - target).abs()
    return torch.where(r <= delta, 0.5 * r**2, delta * r - 0.5 * delta).mean()


@mutant("loss.focal", "dialect")
def a_captured_gamma_unused(logits, targets, alpha=0.25, gamma=2.0):
    """The exponent is written as the number 2, so that gamma= has no effect."""
    bce = functional.binary_cross_entropy_with_logits(logits, targets, reduction="none")
    balance = alpha * targets + (1 - alpha) * (1 - targets)
    return (balance * (1 - torch.exp(-bce)) ** 2 * bce).mean()


@mutant("kernel.rbf_mixed_hessian", "dialect")
def hessian_in_one_argument(x, y, sigma):
    """∂²k/∂x∂xᵀ, of the other sign."""
    d = x - y
    k = torch.exp(-(d @ d) / (2 * sigma**2))
    return k * (torch.outer(d, d) / sigma**2 - torch.eye(len(d), dtype=d.dtype)) / sigma**2


@mutant("calculus.laplacian", "dialect")
def sum_of_the_gradient(f, x):
    """The gradient of the summed gradient: all of the Hessian's entries, and not its diagonal."""
    x = x.detach().requires_grad_(True)
    (slope,) = torch.autograd.grad(f(x).sum(), x, create_graph=True)
    return torch.autograd.grad(slope.sum(), x)[0].sum(-1)


@mutant("landscape.plane", "dialect")
def never_put_back(loss, theta, d1, d2, alphas, betas):
    """The weights are moved from where the last point left them."""
    found = torch.zeros(len(alphas), len(betas), dtype=theta.dtype)
    for i, a in enumerate(alphas):
        for j, b in enumerate(betas):
            theta = theta + a * d1 + b * d2
            found[i, j] = loss(theta)
    return found


@mutant("schedule.cosine", "dialect")
def amplitude_of_the_base(t, T_max, base_lr, eta_min=0.0):
    """η₀ for η₀ − η_T: it starts above the base rate."""
    return eta_min + 0.5 * base_lr * (1 + math.cos(math.pi * t / T_max))


@mutant("ema.weights", "dialect")
def larger_of_the_decays(ema, param, decay, num_updates):
    """max for min, so that the warm-up of the average never ends, or never begins."""
    decay = max(decay, (1 + num_updates) / (10 + num_updates))
    return decay * ema + (1 - decay) * param


@mutant("clipping.global_norm", "dialect")
def on_copies(params, max_norm):
    """The gradients that are scaled are copies."""
    total = torch.stack([p.grad.norm() for p in params]).norm()
    for p in params:
        p.grad.clone().mul_(min(1.0, max_norm / (float(total) + 1e-6)))


# ── Unusual ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def _focal(alpha: float, gamma: float) -> Callable:
    def loss(logits, targets):
        bce = functional.binary_cross_entropy_with_logits(logits, targets, reduction="none")
        return ((alpha * targets + (1 - alpha) * (1 - targets)) * (1 - torch.exp(-bce)) ** gamma * bce).mean()

    return loss


def _lambda(num_warmup_steps: int, num_training_steps: int) -> Callable:
    def lr_lambda(current_step):
        if current_step < num_warmup_steps:
            return current_step / max(1, num_warmup_steps)
        return max(0.0, (num_training_steps - current_step) / max(1, num_training_steps - num_warmup_steps))

    return lr_lambda


learning_rate, warmup_iters, lr_decay_iters, min_lr = 6e-4, 3, 8, 6e-5


@twin("schedule.warmup_cosine")
def settings_at_the_top(it):
    """A script's get_lr(it), whose settings are globals."""
    if it < warmup_iters:
        return learning_rate * it / warmup_iters
    if it > lr_decay_iters:
        return min_lr
    ratio = (it - warmup_iters) / (lr_decay_iters - warmup_iters)
    return min_lr + 0.5 * (1.0 + math.cos(math.pi * ratio)) * (learning_rate - min_lr)


class _Noam:
    def __init__(self, model_size: int, factor: float, warmup: int) -> None:
        self.model_size, self.factor, self.warmup = model_size, factor, warmup

    def rate(self, step):
        return self.factor * self.model_size**-0.5 * min(step**-0.5, step * self.warmup**-1.5)


class _Sharp(nn.Module):
    """A softplus whose sharpness is an integer attribute."""

    def __init__(self, beta: int) -> None:
        super().__init__()
        self.beta = beta

    def forward(self, x):
        return functional.softplus(x, beta=self.beta, threshold=50)


def _weighted(p: torch.Tensor) -> Callable:
    return lambda logits, y: functional.binary_cross_entropy_with_logits(logits, y, pos_weight=p)


add_twin("captured_by_a_closure", _focal(0.75, 3), "loss.focal")
add_twin("captured_by_a_lambda_for_LambdaLR", _lambda(3, 8), "schedule.warmup_linear")
add_twin("a_method_of_an_object", _Noam(16, 1.0, 4).rate, "schedule.noam")
add_twin("an_integer_attribute", _Sharp(2), "activation.softplus")
_WEIGHT = torch.tensor([3.0])
add_twin("told_what_is_inside", _weighted(_WEIGHT), "loss.bce_with_logits", fixed={"pos_weight": _WEIGHT})
add_twin(
    "a_partial_by_position",
    functools.partial(lambda lr, T, t: 0.5 * lr * (1 + math.cos(math.pi * t / T)), 0.3),
    "schedule.cosine",
)


@twin("schedule.step", arguments={"initial_lrate": "base"})
def drop_based(epoch, initial_lrate=0.1, drop=0.5, epochs_drop=10.0):
    """A float for the number of epochs, and a default under a name of its own."""
    return initial_lrate * math.pow(drop, math.floor(epoch / epochs_drop))


@twin("activation.sigmoid")
def in_numpy(x):
    """NumPy inside, and an array out: no gradient is claimed."""
    x = np.asarray(x)
    return np.where(x >= 0, 1 / (1 + np.exp(-np.abs(x))), np.exp(-np.abs(x)) / (1 + np.exp(-np.abs(x))))


@twin("loss.cross_entropy")
def of_images_unpacked(input, target):
    """[n, class, h, w] and [n, h, w], which it unpacks, undeclared."""
    _, classes, _, _ = input.size()
    rows = functional.log_softmax(input, dim=1).transpose(1, 2).transpose(2, 3).contiguous().view(-1, classes)
    return functional.nll_loss(rows, target.reshape(-1))


@twin("loss.cross_entropy", shapes={"pred": "n class h w", "target": "n h w"})
def of_images_each_pixel(pred, target):
    """A loss for each pixel, declared."""
    return functional.cross_entropy(pred, target, reduction="none", ignore_index=255)


@twin("loss.cross_entropy")
def of_tokens(logits, labels):
    """[b, t, class], undeclared."""
    b, t, classes = logits.shape
    return functional.cross_entropy(logits.view(b * t, classes), labels.view(b * t), ignore_index=-1)


@twin("loss.focal_categorical", shapes={"pred": "n class h w", "gt": "n h w"})
def focal_of_images(pred, gt, gamma=2.0):
    """The focal loss of a segmentation."""
    loss = functional.cross_entropy(pred, gt, reduction="none")
    return ((1 - torch.exp(-loss)) ** gamma * loss).mean()


@twin("activation.softmax", shapes={"scores": "n class h w", "return": "n class h w"})
def channels_of_images(scores):
    """Over the channels of an image."""
    return torch.softmax(scores, dim=1)


@twin("loss.mse", shapes={"pred": "batch one", "target": "batch"})
def of_a_column(pred, target):
    """[n, 1] against [n]."""
    return functional.mse_loss(pred.squeeze(1), target)


@twin("loss.bce_with_logits", shapes={"output": "batch c h w", "mask": "batch c h w"})
def of_masks(output, mask):
    """A mask for each image."""
    return functional.binary_cross_entropy_with_logits(output, mask)
