"""Linear flows as functions with one bug each, and right ones in the styles of others."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F

from tests.mutants.flow_functions import declarers
from tests.mutants.mutant import Mutant, Twin

MUTANTS: list[Mutant] = []
TWINS: list[Twin] = []
mutant, twin = declarers(MUTANTS, TWINS)


@mutant("flow.householder")
def householder_norm(z, v):
    """‖v‖ for ‖v‖²."""
    return z - 2 * v * (z @ v)[:, None] / v.norm()


@mutant("flow.householder")
def householder_projection(z, v):
    """Without the factor 2."""
    return z - v * (z @ v)[:, None] / (v @ v)


@mutant("flow.householder")
def householder_not_normalised(z, v):
    """‖v‖² left out: right for unit vectors."""
    return z - 2 * v * (z @ v)[:, None]


@mutant("flow.householder")
def householder_plus(z, v):
    """x + 2 v vᵀx/‖v‖²: stretched."""
    return z + 2 * v * (z @ v)[:, None] / (v @ v)


@twin("flow.householder")
def householder_a_row(v, z):
    """By bmm with a vector for each row (jmtomczak/vae_householder_flow), in its order of arguments."""
    outer = torch.bmm(v.unsqueeze(2), v.unsqueeze(1))
    moved = torch.bmm(outer, z.unsqueeze(2)).squeeze(2)
    return z - 2 * moved / torch.sum(v * v, 1, keepdim=True)


@mutant("flow.permutation")
def permutation_back(x, perm):
    """A map that is no permutation: sorted by the order."""
    return x[:, perm].sort(-1).values, x.new_zeros(len(x))


@mutant("flow.permutation")
def permutation_counts(x, perm):
    """log D! as logabsdet."""
    return x[:, perm], x.new_full((len(x),), math.lgamma(x.shape[1] + 2.0))


@mutant("flow.permutation")
def permutation_rows(x, perm):
    """Permutes the features of the first row alone."""
    return torch.cat([x[:1][:, perm], x[1:]]), 0.0


@mutant("flow.permutation")
def permutation_twice(x, perm):
    """Applied twice: a swap does nothing."""
    return x[:, perm][:, perm], x.new_zeros(len(x))


@twin("flow.permutation")
def permutation_by_gather(x, indices):
    """Scattered: the inverse, by index_copy."""
    return torch.zeros_like(x).index_copy(1, indices, x), 0.0


@mutant("flow.lu_linear")
def lu_without_log(x, L, U, s):
    """Σ s."""
    low = torch.tril(L, -1) + torch.eye(len(L), dtype=x.dtype)
    return x @ (low @ (torch.triu(U, 1) + torch.diag(s))).T, s.sum().expand(len(x))


@mutant("flow.lu_linear")
def lu_lower_with_diagonal(x, L, U, s):
    """The diagonal of L is not set to one."""
    return x @ (torch.tril(L) @ (torch.triu(U, 1) + torch.diag(s))).T, s.log().sum().expand(len(x))


@mutant("flow.lu_linear")
def lu_upper_with_diagonal(x, L, U, s):
    """The diagonal of U is added to s."""
    low = torch.tril(L, -1) + torch.eye(len(L), dtype=x.dtype)
    return x @ (low @ (torch.triu(U) + torch.diag(s))).T, s.log().sum().expand(len(x))


@mutant("flow.lu_linear")
def lu_sign(x, L, U, s):
    """−Σ log s."""
    low = torch.tril(L, -1) + torch.eye(len(L), dtype=x.dtype)
    return x @ (low @ (torch.triu(U, 1) + torch.diag(s))).T, -s.log().sum().expand(len(x))


@twin("flow.lu_linear")
def lu_as_glow(x, w_l, w_u, w_s, w_p):
    """P L (U + diag exp s), one number for all rows."""
    one = torch.eye(len(w_l), dtype=x.dtype)
    weight = w_p @ (w_l.tril(-1) + one) @ (w_u.triu(1) + torch.diag(w_s.exp()))
    return F.linear(x, weight), w_s.sum()


@mutant("flow.conv1x1")
def conv_without_pixels(x, W):
    """log|det K| once (jaywalnut310/glow-tts#17)."""
    return torch.einsum("ij,bjhw->bihw", W, x), torch.slogdet(W)[1].expand(len(x))


@mutant("flow.conv1x1")
def conv_height_alone(x, W):
    """h·log|det K|."""
    return torch.einsum("ij,bjhw->bihw", W, x), (x.shape[2] * torch.slogdet(W)[1]).expand(len(x))


@mutant("flow.conv1x1")
def conv_determinant(x, W):
    """h·w·det K."""
    return torch.einsum("ij,bjhw->bihw", W, x), (x[0, 0].numel() * torch.det(W)).expand(len(x))


@mutant("flow.conv1x1")
def conv_as_often_as_rows(x, W):
    """b·h·w·log|det K|."""
    return torch.einsum("ij,bjhw->bihw", W, x), (x[:, 0].numel() * torch.slogdet(W)[1]).expand(len(x))


@twin("flow.conv1x1")
def conv_of_sequences(z, weight):
    """As in WaveGlow: a 1 × 1 convolution of sequences, by logdet."""
    w = weight.squeeze(-1)
    return F.conv1d(z, weight), z.shape[2] * torch.logdet(w)


@mutant("flow.actnorm")
def actnorm_sign(x, log_scale, bias):
    """−Σ: the sign of the inverse."""
    s, b = (one.view(1, -1, 1, 1) for one in (log_scale, bias))
    return x * s.exp() + b, (-x.shape[2] * x.shape[3] * log_scale.sum()).expand(len(x))


@mutant("flow.actnorm")
def actnorm_without_pixels(x, log_scale, bias):
    """h·w missing."""
    s, b = (one.view(1, -1, 1, 1) for one in (log_scale, bias))
    return x * s.exp() + b, log_scale.sum().expand(len(x))


@mutant("flow.actnorm")
def actnorm_counts_the_shift(x, log_scale, bias):
    """The shift has no slope."""
    s, b = (one.view(1, -1, 1, 1) for one in (log_scale, bias))
    return x * s.exp() + b, (x.shape[2] * x.shape[3] * (log_scale + bias).sum()).expand(len(x))


@mutant("flow.actnorm")
def actnorm_scale_for_log(x, scale, bias):
    """Σ s for Σ log|s|."""
    s, b = (one.view(1, -1, 1, 1) for one in (scale, bias))
    return x * s + b, (x.shape[2] * x.shape[3] * scale.sum()).expand(len(x))


@twin("flow.actnorm")
def actnorm_of_glow(x, loc, scale):
    """s (x + b) with numbers as [1, C, 1, 1], one logabsdet for all rows (rosinality/glow-pytorch#39)."""
    _, _, height, width = x.shape
    return scale * (x + loc), height * width * torch.sum(torch.log(torch.abs(scale)))


@mutant("flow.batch_norm")
def batch_norm_without_half(x, mean, var, gamma, beta, eps=1e-5):
    """log v for ½ log v."""
    y = gamma * (x - mean) / torch.sqrt(var + eps) + beta
    return y, (gamma.log() - torch.log(var + eps)).sum().expand(len(x))


@mutant("flow.batch_norm")
def batch_norm_without_gamma(x, mean, var, gamma, beta, eps=1e-5):
    """log γ left out."""
    y = gamma * (x - mean) / torch.sqrt(var + eps) + beta
    return y, (-0.5 * torch.log(var + eps)).sum().expand(len(x))


@mutant("flow.batch_norm")
def batch_norm_without_eps(x, mean, var, gamma, beta, eps=1e-5):
    """ε is left out of the logabsdet."""
    y = gamma * (x - mean) / torch.sqrt(var + eps) + beta
    return y, (gamma.log() - 0.5 * torch.log(var)).sum().expand(len(x))


@mutant("flow.batch_norm")
def batch_norm_without_pixels(x, mean, var, gamma, beta, eps=1e-5):
    """h·w missing (tensorflow/probability#238)."""
    m, v, g, b = (one.view(1, -1, 1, 1) for one in (mean, var, gamma, beta))
    return g * (x - m) / torch.sqrt(v + eps) + b, (gamma.log() - 0.5 * torch.log(var + eps)).sum().expand(len(x))


@twin("flow.batch_norm")
def batch_norm_of_maf(x, running_mean, running_var, log_gamma, beta, eps=1e-5):
    """With log γ, and a column of logabsdets (ikostrikov/pytorch-flows)."""
    hat = (x - running_mean) / (running_var + eps).sqrt()
    y = torch.exp(log_gamma) * hat + beta
    return y, (log_gamma - 0.5 * torch.log(running_var + eps)).sum(-1, keepdim=True).expand(len(x), 1)


@mutant("flow.squeeze")
def squeeze_reshaped(x):
    """`view` without `permute`: no blocks."""
    b, c, h, w = x.shape
    return x.reshape(b, 4 * c, h // 2, w // 2)


@mutant("flow.squeeze")
def squeeze_quarters(x):
    """Quarters of the image, and not blocks."""
    h, w = x.shape[2] // 2, x.shape[3] // 2
    parts = [x[:, :, i * h : (i + 1) * h, j * w : (j + 1) * w] for i in (0, 1) for j in (0, 1)]
    return torch.stack(parts, 2).flatten(1, 2)


@mutant("flow.squeeze")
def squeeze_reads_twice(x):
    """One place of the block is read twice."""
    parts = [x[:, :, ::2, ::2], x[:, :, ::2, 1::2], x[:, :, 1::2, ::2], x[:, :, ::2, 1::2]]
    return torch.stack(parts, 2).flatten(1, 2)


@mutant("flow.squeeze")
def squeeze_counts_pixels(x):
    """log 4 as logabsdet."""
    b, c, h, w = x.shape
    y = x.reshape(b, c, h // 2, 2, w // 2, 2).permute(0, 1, 3, 5, 2, 4).reshape(b, 4 * c, h // 2, w // 2)
    return y, x.new_full((b,), math.log(4))


@twin("flow.squeeze")
def squeeze_by_unshuffle(x):
    """torch's own."""
    return F.pixel_unshuffle(x, 2)


@twin("flow.squeeze")
def squeeze_of_frei(x):
    """Places first, as FrEIA's IRevNetDownsampling."""
    return torch.cat([x[:, :, ::2, ::2], x[:, :, ::2, 1::2], x[:, :, 1::2, ::2], x[:, :, 1::2, 1::2]], 1), 0.0
