"""Normalisation layers, written as their papers write them."""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["BatchNorm", "batch_norm_inference", "batch_norm_running", "group_norm", "instance_norm", "layer_norm",
           "rms_norm", "weight_norm"]  # fmt: skip


def _per_channel(one: Tensor, x: Tensor) -> Tensor:
    """A number for each channel, to be combined with x [batch, channel, …]."""
    return one.reshape(1, -1, *[1] * (x.dim() - 2))


class BatchNorm(nn.Module):
    """Batch normalisation of x [batch, channel, …] by the moments of each channel.

    In training y = γ (x − μ_B) / √(σ_B² + ε) + β with the batch's mean and biased variance, while running moments
    follow with weight `momentum` (the variance unbiased); in evaluation these take the place of the batch's.

    Source: Ioffe & Szegedy 2015, algorithms 1 and 2.
    """

    running_mean: Tensor
    running_var: Tensor

    def __init__(self, num_features: int, eps: float = 1e-5, momentum: float = 0.1) -> None:
        super().__init__()
        self.eps, self.momentum = eps, momentum
        self.weight, self.bias = nn.Parameter(torch.ones(num_features)), nn.Parameter(torch.zeros(num_features))
        self.register_buffer("running_mean", torch.zeros(num_features))
        self.register_buffer("running_var", torch.ones(num_features))

    def forward(self, x: Tensor) -> Tensor:
        """Normalises x; while training, moves the running moments."""
        mean, variance = self.running_mean, self.running_var
        if self.training:
            dims = [i for i in range(x.dim()) if i != 1]
            mean, variance = x.mean(dims), x.var(dims, unbiased=False)
            count = x.numel() // x.shape[1]
            with torch.no_grad():
                self.running_mean.lerp_(mean, self.momentum)
                self.running_var.lerp_(variance * count / (count - 1), self.momentum)
        return batch_norm_inference(x, mean, variance, self.weight, self.bias, self.eps)


def batch_norm_inference(
    x: Tensor, mean: Tensor, variance: Tensor, weight: Tensor, bias: Tensor, eps: float = 1e-5
) -> Tensor:
    """γ (x − μ) / √(σ² + ε) + β with given moments. Source: Ioffe & Szegedy 2015, algorithm 2."""
    centred = x - _per_channel(mean, x)
    return centred * _per_channel(weight / torch.sqrt(variance + eps), x) + _per_channel(bias, x)


def batch_norm_running(
    x: Tensor, running_mean: Tensor, running_var: Tensor, momentum: float = 0.1
) -> tuple[Tensor, Tensor]:
    """The running mean and (unbiased) variance after a batch x [batch, channel, …].

    Source: Ioffe & Szegedy 2015, section 3.1.
    """
    dims = [i for i in range(x.dim()) if i != 1]
    return (
        (1 - momentum) * running_mean + momentum * x.mean(dims),
        (1 - momentum) * running_var + momentum * x.var(dims, unbiased=True),
    )


def layer_norm(x: Tensor, weight: Tensor, bias: Tensor, eps: float = 1e-5) -> Tensor:
    """γ (x − μ) / √(σ² + ε) + β over the features of each x [..., feature]. Source: Ba, Kiros & Hinton 2016, eq. 4."""
    mean, variance = x.mean(-1, keepdim=True), x.var(-1, unbiased=False, keepdim=True)
    return weight * (x - mean) / torch.sqrt(variance + eps) + bias


def rms_norm(x: Tensor, weight: Tensor, eps: float = 1e-6) -> Tensor:
    """γ x / √(mean x² + ε) over the features of each x [..., feature]. Source: Zhang & Sennrich 2019, eq. 4."""
    return weight * x / torch.sqrt(x.square().mean(-1, keepdim=True) + eps)


def group_norm(x: Tensor, num_groups: int, weight: Tensor, bias: Tensor, eps: float = 1e-5) -> Tensor:
    """Normalises x [batch, channel, …] over each group of adjacent channels. Source: Wu & He 2018, eq. 7."""
    grouped = x.reshape(x.shape[0], num_groups, -1)
    mean, variance = grouped.mean(-1, keepdim=True), grouped.var(-1, unbiased=False, keepdim=True)
    normal = ((grouped - mean) / torch.sqrt(variance + eps)).reshape(x.shape)
    return normal * _per_channel(weight, x) + _per_channel(bias, x)


def instance_norm(x: Tensor, eps: float = 1e-5) -> Tensor:
    """Normalises each channel of each image by its own moments. Source: Ulyanov, Vedaldi & Lempitsky 2016, eq. 4."""
    flat = x.flatten(2)
    mean, variance = flat.mean(-1, keepdim=True), flat.var(-1, unbiased=False, keepdim=True)
    return ((flat - mean) / torch.sqrt(variance + eps)).reshape(x.shape)


def weight_norm(v: Tensor, g: Tensor) -> Tensor:
    """The weights g v / ‖v‖ for each row of v [out, in], with g [out]. Source: Salimans & Kingma 2016, eq. 2."""
    return g[:, None] * v / v.norm(dim=1, keepdim=True)
