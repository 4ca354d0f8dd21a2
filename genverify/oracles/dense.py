"""Dense layers as sums of products, one term for each input feature, so that the size of every term is known.

Everything is a plain sum over named indices: no matrix product of a library is used. `backpropagation` is the chain
rule for one hidden layer, derived on paper, against which automatic differentiation is held.

Source: Goodfellow, Bengio & Courville 2016, "Deep Learning", sections 6.1–6.5.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

__all__ = ["affine", "backpropagation", "deep_mlp", "mlp", "softmax_classifier"]


def affine(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> tuple[Tensor, ...]:
    """The terms of y_o = Σ_i W_oi x_i + b_o.

    Shapes: x [..., in], weight [out, in], bias [out]; each term [..., out].

    >>> x, w = torch.tensor([[1.0, 2.0]]), torch.tensor([[3.0, 4.0]])
    >>> sum(affine(x, w)).tolist()
    [[11.0]]
    """
    terms = [x[..., i, None] * weight[:, i] for i in range(weight.shape[1])]
    if bias is not None:
        terms.append(bias.expand_as(terms[0]))
    return tuple(terms)


_ACTIVATIONS = {
    "relu": lambda z: torch.where(z > 0, z, torch.zeros_like(z)),
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "gelu": lambda z: z * (1 + torch.erf(z / 2**0.5)) / 2,
    "silu": lambda z: z * torch.sigmoid(z),
    "softplus": lambda z: torch.logaddexp(z, torch.zeros_like(z)),
    "elu": lambda z: torch.where(z > 0, z, torch.expm1(torch.where(z > 0, torch.zeros_like(z), z))),
    "leaky_relu": lambda z: torch.where(z > 0, z, 0.01 * z),
    "identity": lambda z: z,
}


def mlp(
    x: Tensor,
    weight1: Tensor,
    weight2: Tensor,
    bias1: Tensor | None = None,
    bias2: Tensor | None = None,
    *,
    activation: str = "relu",
    last: bool = False,
    **inner: Tensor | None,
) -> tuple[Tensor, ...] | Tensor:
    """The terms of y = W₂ σ(W₁ x + b₁) + b₂; with `last`, σ is applied to the result, too.

    Layers that stand between these two are given as weight_inner1, bias_inner1, weight_inner2, ….

    Shapes: x [..., in], weight1 [hidden, in], weight2 [out, hidden], biases [hidden] and [out]; y [..., out].
    """
    count = sum(name.startswith("weight") and one is not None for name, one in inner.items())
    between = [(inner[f"weight_inner{k}"], inner.get(f"bias_inner{k}")) for k in range(1, count + 1)]
    weights, biases = zip((weight1, bias1), *between, (weight2, bias2), strict=True)
    return deep_mlp(x, weights, biases, activation=activation, last=last)


def deep_mlp(
    x: Tensor,
    weights: Sequence[Tensor],
    biases: Sequence[Tensor | None] | None = None,
    *,
    activation: str = "relu",
    last: bool = False,
) -> tuple[Tensor, ...] | Tensor:
    """The terms of the last of h_l = W_l σ(h_{l−1}) + b_l, with σ(h_0) for x itself.

    Shapes: x [..., in]; each weight [to, from]; each bias [to]; y [..., out].
    """
    sigma = _ACTIVATIONS[activation]
    biases = [None] * len(weights) if biases is None else biases
    terms = affine(x, weights[0], biases[0])
    for weight, bias in zip(weights[1:], biases[1:], strict=True):
        terms = affine(sigma(torch.stack(terms).sum(0)), weight, bias)
    if last:
        return sigma(torch.stack(terms).sum(0))
    return terms


def softmax_classifier(
    x: Tensor, weight: Tensor, bias: Tensor | None = None, *, yields: str = "probabilities"
) -> tuple[Tensor, ...] | Tensor:
    """p_o = exp(z_o) / Σ_j exp(z_j) with z = W x + b; or log p, or z itself.

    Shapes: as `affine`.
    """
    terms = affine(x, weight, bias)
    if yields == "logits":
        return terms
    logits = torch.stack(terms).sum(0)
    log_partition = torch.logsumexp(logits, -1, keepdim=True)
    if yields == "log":
        return (logits, -log_partition.expand_as(logits))
    return torch.exp(logits - log_partition)


def backpropagation(x: Tensor, weight1: Tensor, bias1: Tensor, weight2: Tensor, upstream: Tensor) -> dict[str, Tensor]:
    """The gradients of Σ_no g_no y_no for y = W₂ tanh(W₁ x + b₁) + b₂, by the chain rule.

    With h = tanh(W₁ x + b₁) and δ = (W₂ᵀ g) ⊙ (1 − h²):
    ∂/∂W₂ = Σ_n g_n h_nᵀ, ∂/∂b₂ = Σ_n g_n, ∂/∂W₁ = Σ_n δ_n x_nᵀ, ∂/∂b₁ = Σ_n δ_n, ∂/∂x_n = W₁ᵀ δ_n.

    Shapes: x [batch, in], weight1 [hidden, in], bias1 [hidden], weight2 [out, hidden], upstream g [batch, out].

    Source: Rumelhart, Hinton & Williams 1986; Goodfellow, Bengio & Courville 2016, algorithm 6.4.
    """
    hidden = torch.tanh(torch.stack(affine(x, weight1, bias1)).sum(0))
    delta = (upstream[:, :, None] * weight2).sum(1) * (1 - hidden**2)
    return {
        "weight2": (upstream[:, :, None] * hidden[:, None, :]).sum(0),
        "bias2": upstream.sum(0),
        "weight1": (delta[:, :, None] * x[:, None, :]).sum(0),
        "bias1": delta.sum(0),
        "x": (delta[:, :, None] * weight1).sum(1),
    }
