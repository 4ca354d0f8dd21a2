"""Elementwise flows as functions with one bug each, and right ones in the styles of others."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F

from genverify.subjects.formula import Formula
from tests.mutants.mutant import Mutant, Twin

MUTANTS: list[Mutant] = []
TWINS: list[Twin] = []


def declarers(like: list[Mutant], right: list[Twin]) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """What declares a function, as a stranger would, as a wrong one or as a right one, and files it in these lists."""

    def mutant(name: str, killed_by: str = "dialect", **how: Any) -> Callable[[Any], Any]:
        def declare(f: Callable[..., Any]) -> Callable[..., Any]:
            make = lambda: Formula(f, like=name, **how)  # noqa: E731
            like.append(Mutant(name=f"{name}: {f.__name__}", make=make, killed_by=f"formula.{killed_by}"))
            return f

        return declare

    def twin(name: str, **how: Any) -> Callable[[Any], Any]:
        def declare(f: Any) -> Any:
            right.append(Twin(name=f"{name}: {f.__name__}", make=lambda: Formula(f, like=name, **how)))
            return f

        return declare

    return mutant, twin


mutant, twin = declarers(MUTANTS, TWINS)


@mutant("flow.tanh")
def tanh_of_input(x):
    """1 − x² for 1 − tanh² x: the input where the output belongs."""
    return torch.tanh(x), torch.log((1 - x**2).abs() + 1e-6).sum(-1)


@mutant("flow.tanh")
def tanh_without_square(x):
    """log(1 − tanh x)."""
    y = torch.tanh(x)
    return y, torch.log(1 - y).sum(-1)


@mutant("flow.tanh")
def tanh_averaged(x):
    """`.mean(-1)` where `.sum(-1)` is meant: right for one feature."""
    return torch.tanh(x), (2 * (math.log(2) - x - F.softplus(-2 * x))).mean(-1)


@mutant("flow.tanh")
def tanh_over_the_batch(x):
    """`.sum()`: one number for the whole batch."""
    return torch.tanh(x), (2 * (math.log(2) - x - F.softplus(-2 * x))).sum()


@twin("flow.tanh")
def tanh_guarded(x):
    """As in many actors: 10⁻⁶ under the logarithm."""
    y = torch.tanh(x)
    return y, torch.log(1 - y.pow(2) + 1e-6).sum(-1)


@twin("flow.tanh", dialect="one number an element")
def tanh_elementwise(x):
    """As torch.distributions has it, declared."""
    return torch.tanh(x), 2 * (math.log(2) - x - F.softplus(-2 * x))


@twin("flow.tanh", layout="images")
def tanh_of_images(x):
    """Summed over all axes but the batch's."""
    y = torch.tanh(x)
    return y, torch.log1p(-y * y).flatten(1).sum(1)


@mutant("flow.sigmoid")
def sigmoid_sign(x):
    """The logabsdet of the inverse."""
    return torch.sigmoid(x), (F.softplus(x) + F.softplus(-x)).sum(-1)


@mutant("flow.sigmoid", "value", layout="images")
def sigmoid_first_axis(x):
    """Summed over axis 1 alone (vislearn/FrEIA#176)."""
    return torch.sigmoid(x), -(F.softplus(x) + F.softplus(-x)).sum(1)


@mutant("flow.sigmoid")
def sigmoid_one_factor(x):
    """log σ, and log(1 − σ) forgotten."""
    return torch.sigmoid(x), F.logsigmoid(x).sum(-1)


@twin("flow.sigmoid")
def sigmoid_by_value(x):
    """log y + log(1 − y)."""
    y = torch.sigmoid(x)
    return y, (y.log() + (1 - y).log()).sum(-1, keepdim=True)


@twin("flow.sigmoid")
def sigmoid_logabsdet(x):
    """The logabsdet alone."""
    return (-x - 2 * F.softplus(-x)).sum(-1)


@mutant("flow.logit")
def logit_forgets_squeeze(x, alpha=0.05):
    """log(1 − 2α) left out (met in phlippe/uvadlc_notebooks#57, where the way back lacks it)."""
    u = alpha + (1 - 2 * alpha) * x
    return torch.log(u) - torch.log(1 - u), -(torch.log(u) + torch.log(1 - u)).sum(-1)


@mutant("flow.logit")
def logit_of_unsqueezed(x, alpha=0.05):
    """The slope at x, and not at the point to which x is squeezed."""
    u = alpha + (1 - 2 * alpha) * x
    return torch.logit(u), (-torch.log(x) - torch.log1p(-x) + math.log(1 - 2 * alpha)).sum(-1)


@mutant("flow.logit")
def logit_sign(x):
    """log x + log(1 − x)."""
    return torch.logit(x), (torch.log(x) + torch.log1p(-x)).sum(-1)


@mutant("flow.logit")
def logit_half_of_it(x):
    """−log x alone."""
    return torch.logit(x), -torch.log(x).sum(-1)


@twin("flow.logit")
def logit_by_softplus(x):
    """By the slope of its image, as torch's SigmoidTransform."""
    y = torch.logit(x)
    return y, (F.softplus(-y) + F.softplus(y)).sum(-1)


@twin("flow.logit")
def logit_as_in_the_tutorial(x, alpha=1e-5):
    """(1 − α) x + α/2, as phlippe/uvadlc_notebooks do."""
    u = x * (1 - alpha) + 0.5 * alpha
    slopes = math.log(1 - alpha) - torch.log(u) - torch.log(1 - u)
    return torch.log(u) - torch.log(1 - u), slopes.sum(-1)


@mutant("flow.softplus")
def softplus_other_side(x):
    """log σ(−x)."""
    return F.softplus(x), -F.softplus(x).sum(-1)


@mutant("flow.softplus")
def softplus_slope_without_log(x):
    """Σ σ(x): the logarithm is missing."""
    return F.softplus(x), torch.sigmoid(x).sum(-1)


@mutant("flow.softplus")
def softplus_zero(x):
    """Taken to preserve volume."""
    return F.softplus(x), x.new_zeros(len(x))


@mutant("flow.softplus")
def softplus_of_output(x):
    """The slope at the image."""
    y = F.softplus(x)
    return y, F.logsigmoid(y).sum(-1)


@twin("flow.softplus")
def softplus_plain(x):
    """log(1 + eˣ) as it is written."""
    return torch.log(1 + torch.exp(x)), (x - torch.log(1 + torch.exp(x))).sum(-1)


@mutant("flow.leaky_relu")
def leaky_counts_the_others(x, negative_slope=0.1):
    """log a where x > 0."""
    return F.leaky_relu(x, negative_slope), math.log(negative_slope) * (x > 0).to(x).sum(-1)


@mutant("flow.leaky_relu")
def leaky_slope_without_log(x, negative_slope=0.1):
    """Σ of the slopes."""
    return F.leaky_relu(x, negative_slope), torch.where(x < 0, negative_slope, 1.0).to(x).sum(-1)


@mutant("flow.leaky_relu")
def leaky_sign(x, negative_slope=0.1):
    """−log a: of the inverse."""
    return F.leaky_relu(x, negative_slope), -math.log(negative_slope) * (x < 0).to(x).sum(-1)


@mutant("flow.leaky_relu")
def leaky_sums_the_batch(x, negative_slope=0.1):
    """One number for the whole batch."""
    return F.leaky_relu(x, negative_slope), math.log(negative_slope) * (x < 0).to(x).sum()


@twin("flow.leaky_relu")
def leaky_by_its_slope(x, alpha=0.1):
    """log|slope| of every element."""
    slopes = torch.where(x < 0, torch.full_like(x, alpha), torch.ones_like(x))
    return slopes * x, slopes.log().sum(-1)


@mutant("flow.standardize")
def standardize_variance(x, mean, var):
    """−Σ log σ²: doubled."""
    return (x - mean) / var.sqrt(), -var.log().sum(-1).expand(len(x))


@mutant("flow.standardize")
def standardize_sign(x, mean, std):
    """+Σ log σ of the normalising direction."""
    return (x - mean) / std, std.log().sum().expand(len(x))


@mutant("flow.standardize")
def standardize_scaled_first(x, mean, std):
    """x/σ − μ."""
    return x / std - mean, -std.log().sum().expand(len(x))


@mutant("flow.standardize")
def standardize_whole_batch(x, mean, std):
    """As often as there are rows."""
    return (x - mean) / std, -std.expand_as(x).log().sum()


@twin("flow.standardize")
def destandardize(z, mu, sigma):
    """The generating direction, one number for all rows."""
    return z * sigma + mu, torch.log(sigma).sum()


@mutant("flow.mixture_cdf")
def mixture_without_scale(x, weights, mean, scale):
    """1/s_k left out of the density."""
    u = (x[..., None] - mean) / scale
    s = torch.sigmoid(u)
    return (weights * s).sum(-1), torch.log((weights * s * (1 - s)).sum(-1)).sum(-1)


@mutant("flow.mixture_cdf")
def mixture_of_logarithms(x, weights, mean, scale):
    """Σ π log f for log Σ π f."""
    u = (x[..., None] - mean) / scale
    logs = F.logsigmoid(u) + F.logsigmoid(-u) - scale.log()
    return (weights * torch.sigmoid(u)).sum(-1), (weights * logs).sum(-1).sum(-1)


@mutant("flow.mixture_cdf")
def mixture_without_weights(x, weights, mean, scale):
    """The mixture's density with weights of one."""
    u = (x[..., None] - mean) / scale
    logs = F.logsigmoid(u) + F.logsigmoid(-u) - scale.log()
    return (weights * torch.sigmoid(u)).sum(-1), torch.logsumexp(logs, -1).sum(-1)


@mutant("flow.mixture_cdf")
def mixture_of_normal_slopes(x, weights, mean, scale):
    """The logistic distribution function with the normal density."""
    u = (x[..., None] - mean) / scale
    logs = -0.5 * u**2 - 0.5 * math.log(2 * math.pi) - scale.log() + weights.log()
    return (weights * torch.sigmoid(u)).sum(-1), torch.logsumexp(logs, -1).sum(-1)


@twin("flow.mixture_cdf")
def mixture_by_logits(x, logits, means, log_scales):
    """As in Flow++: everything in logarithms, and an elementwise logabsdet."""
    u = (x[..., None] - means) * torch.exp(-log_scales)
    weights = torch.log_softmax(logits, -1)
    value = torch.logsumexp(weights + F.logsigmoid(u), -1).exp()
    return value, torch.logsumexp(weights - log_scales + u - 2 * F.softplus(u), -1)


@twin("flow.mixture_cdf")
def mixture_of_normals(x, weights, mean, scale):
    """Normal components."""
    law = torch.distributions.Normal(mean, scale)
    u = x[..., None]
    return (weights * law.cdf(u)).sum(-1), torch.logsumexp(weights.log() + law.log_prob(u), -1).sum(-1)
