"""Wild pairs of normalisation layers: what people wrote, wrong and right."""

import torch
from tests.wild.pair import Pair
from torch import nn

from genverify.subjects.formula import Formula


class LayerNorm(nn.Module):
    """Normalises the last axis: gamma (x - mean) / sqrt(var + eps) + beta, var biased."""

    def __init__(self, d_model, epsilon=1e-5):
        super().__init__()
        self.gamma, self.beta = nn.Parameter(torch.ones(d_model)), nn.Parameter(torch.zeros(d_model))
        self.epsilon = epsilon

    def forward(self, input):
        var, mean = torch.var_mean(input, dim=-1, keepdim=True, correction=0)
        return (input - mean) / (var + self.epsilon).sqrt() * self.gamma + self.beta


class LayerNormEpsOutside(LayerNorm):
    """WRONG: divides by sqrt(var) + eps.

    Source: tracel-ai/burn#2185.  Symptom: small deviations from other frameworks; large ones where the variance is
    near eps; hides at eps = 0.
    """

    def forward(self, input):
        var, mean = torch.var_mean(input, dim=-1, keepdim=True, correction=0)
        return (input - mean) / (var.sqrt() + self.epsilon) * self.gamma + self.beta


def group_norm_last(x, groups, gamma, beta, eps=1e-5):
    """Group normalisation of images [batch, height, width, channel]."""
    n, h, w, c = x.shape
    y = x.reshape(n, h, w, groups, c // groups)
    var, mean = torch.var_mean(y, dim=(1, 2, 4), keepdim=True, correction=0)
    return ((y - mean) / torch.sqrt(var + eps)).reshape(n, h, w, c) * gamma + beta


def group_norm_last_reshaped(x, groups, gamma, beta, eps=1e-5):
    """WRONG: reshaped to [batch, group, height, width, channel / group] without a transpose, which mixes positions.

    Source: tensorflow/addons#751.  Symptom: right shapes; groups are stripes of the image and not channels; hides for
    one group.
    """
    n, h, w, c = x.shape
    y = x.reshape(n, groups, h, w, c // groups)
    var, mean = torch.var_mean(y, dim=(2, 3, 4), keepdim=True, correction=0)
    return ((y - mean) / torch.sqrt(var + eps)).reshape(n, h, w, c) * gamma + beta


PAIRS = [
    Pair(
        name="layer_norm_eps_outside",
        wrong=lambda: Formula(LayerNormEpsOutside, like="normalization.layer_norm"),
        right=lambda: Formula(LayerNorm, like="normalization.layer_norm"),
    ),
    Pair(
        name="group_norm_channels_last_reshape",
        wrong=lambda: Formula(group_norm_last_reshaped, like="normalization.group_norm", layout="channels last"),
        right=lambda: Formula(group_norm_last, like="normalization.group_norm", layout="channels last"),
    ),
]
