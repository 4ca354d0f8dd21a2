"""Mutants of normalisation layers, each with one named bug, and correct layers in unusual styles."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from genverify.subjects.formula import Formula
from tests.mutants.mutant import Mutant, Twin

BATCH, LAYER, GROUP = "normalization.batch_norm", "normalization.layer_norm", "normalization.group_norm"
INSTANCE, RMS, WEIGHT = "normalization.instance_norm", "normalization.rms_norm", "normalization.weight_norm"
INFERENCE, RUNNING = "normalization.batch_norm_inference", "normalization.batch_norm_running"
MUTANTS: list[Mutant] = []
TWINS: list[Twin] = []


def mutant(like: str, killed_by: str = "dialect", **fields: Any) -> Callable[[Any], Any]:
    """Declares the decorated implementation, as a stranger would, as a wrong one."""

    def declare(f: Any) -> Any:
        make = lambda: Formula(f, like=like, **fields)  # noqa: E731
        MUTANTS.append(Mutant(name=f"{like}: {f.__name__}", make=make, killed_by=f"formula.{killed_by}"))
        return f

    return declare


def twin(like: str, **fields: Any) -> Callable[[Any], Any]:
    """Declares the decorated implementation as a correct one."""

    def declare(f: Any) -> Any:
        TWINS.append(Twin(name=f"{like}: {f.__name__}", make=lambda: Formula(f, like=like, **fields)))
        return f

    return declare


class Plain(nn.Module):
    """Batch normalisation of [batch, channel, height, width], in steps that a mutant can replace."""

    def __init__(self, num_features, eps=1e-5, momentum=0.1):
        super().__init__()
        self.eps, self.momentum = eps, momentum
        self.gamma, self.beta = nn.Parameter(torch.ones(num_features)), nn.Parameter(torch.zeros(num_features))
        self.register_buffer("running_mean", torch.zeros(num_features))
        self.register_buffer("running_var", torch.ones(num_features))

    def moments(self, x):
        return x.mean((0, 2, 3)), x.var((0, 2, 3), unbiased=False)

    def follow(self, x, mean, var):
        n = x.numel() // x.shape[1]
        self.running_mean = ((1 - self.momentum) * self.running_mean + self.momentum * mean).detach()
        self.running_var = ((1 - self.momentum) * self.running_var + self.momentum * var * n / (n - 1)).detach()

    def scale(self, var):
        return 1 / torch.sqrt(var + self.eps)

    def forward(self, x):
        mean, var = self.running_mean, self.running_var
        if self.training:
            mean, var = self.moments(x)
            self.follow(x, mean, var)
        column = (1, -1, 1, 1)
        normal = (x - mean.view(column)) * self.scale(var).view(column)
        return normal * self.gamma.view(column) + self.beta.view(column)


@mutant(BATCH)
class MovesInEvaluation(Plain):
    """The running moments follow in evaluation, too (classical: the update outside `if self.training`)."""

    def forward(self, x):
        if not self.training:
            self.follow(x, *self.moments(x))
        return super().forward(x)


@mutant(BATCH)
class MomentumReversed(Plain):
    """0.1 weighs the old moments: the convention of another framework (tensorflow/tensorflow's is torch's less one)."""

    def __init__(self, num_features, eps=1e-5, momentum=0.1):
        super().__init__(num_features, eps, momentum)
        self.first = momentum

    def follow(self, x, mean, var):
        n = x.numel() // x.shape[1]
        self.running_mean = (self.first * self.running_mean + (1 - self.first) * mean).detach()
        self.running_var = (self.first * self.running_var + (1 - self.first) * var * n / (n - 1)).detach()


@mutant(BATCH)
class UnbiasedNormalises(Plain):
    """torch.var's default divides by n − 1, and the layer normalises by it (many re-implementations)."""

    def moments(self, x):
        return x.mean((0, 2, 3)), x.var((0, 2, 3))


@mutant(BATCH)
class EpsOutsideTheRoot(Plain):
    """√v + ε for √(v + ε): huge where a channel is dead."""

    def scale(self, var):
        return 1 / (torch.sqrt(var) + self.eps)


@mutant(BATCH)
class PerPixel(Plain):
    """Moments over the batch alone, one for each pixel, then averaged."""

    def moments(self, x):
        return x.mean((0, 2, 3)), x.var(0, unbiased=False).mean((1, 2))


@mutant(BATCH)
class BatchMomentsInEvaluation(Plain):
    """No running moments are used: a prediction depends on what else is in the batch."""

    def forward(self, x):
        was, self.training = self.training, True
        y = super().forward(x)
        self.training = was
        return y


@mutant(BATCH)
class RunningStd(Plain):
    """The running variance follows the standard deviation (a buffer that changed its meaning)."""

    def follow(self, x, mean, var):
        super().follow(x, mean, var.sqrt())


@mutant(BATCH, "gradient")
class MomentsDetached(Plain):
    """Mean and variance without a graph: right values, and not the gradient of the layer."""

    def moments(self, x):
        return super().moments(x.detach())


@mutant(BATCH, "gradient")
class RunningMomentsKeepTheirGraph(Plain):
    """The running moments are never detached: evaluation sends gradients into every batch before."""

    def follow(self, x, mean, var):
        n = x.numel() // x.shape[1]
        self.running_mean = (1 - self.momentum) * self.running_mean + self.momentum * mean
        self.running_var = (1 - self.momentum) * self.running_var + self.momentum * var * n / (n - 1)


@mutant(RUNNING)
def running_sums(x, running_mean, running_var, momentum=0.1):
    """The old moments are kept whole: sums that grow without end."""
    return running_mean + momentum * x.mean((0, 2, 3)), running_var + momentum * x.var((0, 2, 3))


@mutant(INFERENCE)
def variance_taken_for_std(x, mean, var, weight, bias, eps=1e-5):
    """Divides by the running variance."""
    column = (1, -1, 1, 1)
    return (x - mean.view(column)) / (var + eps).view(column) * weight.view(column) + bias.view(column)


@mutant(LAYER)
def over_the_positions(x, weight, bias, eps=1e-5):
    """Moments over the sequence: a token looks at those that come after it."""
    mean, var = x.mean(-2, keepdim=True), x.var(-2, unbiased=False, keepdim=True)
    return (x - mean) / torch.sqrt(var + eps) * weight + bias


@mutant(LAYER, layout="batch, position, feature")
def over_position_and_feature(x, weight, bias, eps=1e-5):
    """Moments over the whole sample (a normalized_shape of two axes by mistake)."""
    mean, var = x.mean((-2, -1), keepdim=True), x.var((-2, -1), unbiased=False, keepdim=True)
    return (x - mean) / torch.sqrt(var + eps) * weight + bias


@mutant(LAYER)
class Annotated(nn.Module):
    """a (x − μ) / (s + ε) + b with the unbiased s: The Annotated Transformer's, right only under its own name."""

    def __init__(self, features, eps=1e-6):
        super().__init__()
        self.a_2, self.b_2, self.eps = nn.Parameter(torch.ones(features)), nn.Parameter(torch.zeros(features)), eps

    def forward(self, x):
        return self.a_2 * (x - x.mean(-1, keepdim=True)) / (x.std(-1, keepdim=True) + self.eps) + self.b_2


@mutant(LAYER)
def bias_before_the_scale(x, weight, bias, eps=1e-5):
    """γ multiplies β, too."""
    mean, var = x.mean(-1, keepdim=True), x.var(-1, unbiased=False, keepdim=True)
    return ((x - mean) / torch.sqrt(var + eps) + bias) * weight


@mutant(GROUP)
def interleaved(x, num_groups, weight, bias, eps=1e-5):
    """The channels of a group lie num_groups apart: a reshape in the wrong order."""
    b, c, h, w = x.shape
    y = x.reshape(b, c // num_groups, num_groups, h, w)
    y = (y - y.mean((1, 3, 4), keepdim=True)) / torch.sqrt(y.var((1, 3, 4), unbiased=False, keepdim=True) + eps)
    return y.reshape(b, c, h, w) * weight.view(1, -1, 1, 1) + bias.view(1, -1, 1, 1)


@mutant(INSTANCE)
def of_the_batch(x, eps=1e-5):
    """Moments over the batch as well: batch normalisation (a style leaks into other images)."""
    return (x - x.mean((0, 2, 3), keepdim=True)) / torch.sqrt(x.var((0, 2, 3), unbiased=False, keepdim=True) + eps)


@mutant(RMS)
def mean_subtracted(x, weight, eps=1e-6):
    """The mean is taken out: layer normalisation without β."""
    x = x - x.mean(-1, keepdim=True)
    return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + eps) * weight


@mutant(RMS)
def sum_of_squares(x, weight, eps=1e-6):
    """The norm for the root of the mean square: smaller by √n."""
    return x * torch.rsqrt(x.pow(2).sum(-1, keepdim=True) + eps) * weight


@mutant(RMS)
def gemmas_weight(x, weight, eps=1e-6):
    """1 + weight, as checkpoints of another family want it (ported layers)."""
    return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + eps) * (1 + weight)


@mutant(WEIGHT)
def over_the_columns(v, g):
    """The norm over the wrong dimension."""
    return g[:, None] * v / v.norm(dim=0, keepdim=True)


@mutant(WEIGHT, "gradient")
def norm_without_gradient(v, g):
    """The norm is data: v grows along itself without end."""
    return g[:, None] * v / v.norm(dim=1, keepdim=True).detach()


@twin(BATCH)
class Keras(Plain):
    """The momentum is the weight of the old moments, 0.99 by default, and the running variance is biased."""

    def __init__(self, num_features, momentum=0.99, epsilon=1e-3):
        super().__init__(num_features, epsilon, momentum)

    def follow(self, x, mean, var):
        with torch.no_grad():
            self.running_mean.mul_(self.momentum).add_(mean * (1 - self.momentum))
            self.running_var.mul_(self.momentum).add_(var * (1 - self.momentum))


@twin(BATCH)
def in_training_as_a_function(x, gamma, beta, eps=1e-5):
    """A plain function over a batch of rows, by standardising with `std` and squaring."""
    std, mean = torch.std_mean(x, dim=0, correction=0)
    return torch.addcmul(beta, gamma, (x - mean) / (std.square() + eps).sqrt())


class Ancient(nn.Module):
    """Parameters of shape [1, channel, 1, 1], moments that are no buffers, and constants that nobody can see."""

    def __init__(self, num_features):
        super().__init__()
        shape = (1, num_features, 1, 1)
        self.gamma, self.beta = nn.Parameter(torch.ones(shape)), nn.Parameter(torch.zeros(shape))
        self.moving_mean, self.moving_var = torch.zeros(shape).double(), torch.ones(shape).double()

    def forward(self, x):
        if not self.training:
            return self.gamma * (x - self.moving_mean) / torch.sqrt(self.moving_var + 1e-5) + self.beta
        mean = x.mean(dim=(0, 2, 3), keepdim=True)
        var = ((x - mean) ** 2).mean(dim=(0, 2, 3), keepdim=True)
        self.moving_mean = 0.9 * self.moving_mean + 0.1 * mean.detach()
        self.moving_var = 0.9 * self.moving_var + 0.1 * var.detach()
        return self.gamma * (x - mean) / torch.sqrt(var + 1e-5) + self.beta


TWINS.append(
    Twin(
        name=f"{BATCH}: Ancient",
        make=lambda: Formula(Ancient(2), like=BATCH, layout="weights as [1, channel, 1, 1]"),
    )
)


@twin(LAYER)
class ChannelsFirst(nn.Module):
    """Over the channels of images, in place, with the mean of squares less the square of the mean."""

    def __init__(self, dim, eps=1e-6):
        super().__init__()
        self.weight, self.bias, self.eps = nn.Parameter(torch.ones(dim)), nn.Parameter(torch.zeros(dim)), eps

    def forward(self, x):
        mean = x.mean(1, keepdim=True)
        var = (x * x).mean(1, keepdim=True) - mean * mean
        y = (x - mean).mul_(torch.rsqrt(var + self.eps))
        return self.weight[:, None, None] * y + self.bias[:, None, None]


@twin(RMS)
def in_float32(x, weight, eps=1e-6):
    """Computed in float32 whatever comes in, and given back in its dtype (Llama)."""
    y = x.float()
    return weight * (y * torch.rsqrt(y.pow(2).mean(-1, keepdim=True) + eps)).to(x.dtype)


@twin(GROUP)
def by_loops(x, num_groups, weight, bias, eps=1e-5):
    """One group after the other, by layer normalisation of its flattened channels."""
    parts = [nn.functional.layer_norm(p, p.shape[1:], eps=eps) for p in x.chunk(num_groups, 1)]
    return torch.cat(parts, 1) * weight[None, :, None, None] + bias[None, :, None, None]


@twin(WEIGHT)
def by_normalize(v, g):
    """With F.normalize, and units in the columns of the transposed weight."""
    return (nn.functional.normalize(v.mT, dim=0) * g).mT
