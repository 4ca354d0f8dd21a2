"""Residual blocks of two or three convolutions, from index sums and the definition of the normalisation.

Source: He, Zhang, Ren & Sun 2016, "Deep residual learning for image recognition", section 3; He, Zhang, Ren & Sun 2016,
"Identity mappings in deep residual networks", figure 4; Ioffe & Szegedy 2015, algorithm 1.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from .convolution import Size, cross_correlation, pair

__all__ = ["block", "dense_block", "identity_path", "normalised"]

_ACTIVATIONS = {
    "relu": lambda z: torch.where(z > 0, z, torch.zeros_like(z)),
    "leaky_relu": lambda z: torch.where(z > 0, z, 0.01 * z),
    "silu": lambda z: z * torch.sigmoid(z),
}


def normalised(
    x: Tensor, weight: Tensor | None, bias: Tensor | None, mean: Tensor | None, variance: Tensor | None, *,
    kind: str, groups: int, eps: float, training: bool,
) -> Tensor:  # fmt: skip
    """γ (x − μ)/√(σ² + ε) + β for each channel.

    μ and σ² are those of the batch (kind "batch", in training), the running ones (in evaluation), those of each
    sample and group of channels (kind "group"), or of each sample and channel ("instance"). With kind "none" x is
    returned.
    """
    if kind == "none":
        return x
    if kind == "instance":
        kind, groups = "group", x.shape[1]
    if kind == "group" or training:
        # One row for each set of numbers that are normalised together.
        rows = x.reshape(x.shape[0] * groups, -1) if kind == "group" else x.transpose(0, 1).flatten(1)
        centred = rows - rows.mean(1, keepdim=True)
        y = centred / torch.sqrt((centred**2).mean(1, keepdim=True) + eps)
        y = y.reshape(x.shape) if kind == "group" else y.reshape(x.transpose(0, 1).shape).transpose(0, 1)
    else:
        mean = x.new_zeros(x.shape[1]) if mean is None else mean
        variance = x.new_ones(x.shape[1]) if variance is None else variance
        y = (x - mean[:, None, None]) / torch.sqrt(variance[:, None, None] + eps)
    y = y if weight is None else y * weight[:, None, None]
    return y if bias is None else y + bias[:, None, None]


def _conv(x: Tensor, weight: Tensor, bias: Tensor | None, stride: Size, padding: Size | str, mode: str) -> Tensor:
    terms = cross_correlation(x, weight, bias, stride=stride, padding=padding, padding_mode=mode)
    terms = torch.stack(terms, -1)
    return terms.flatten(0, -2).sum(-1).reshape(terms.shape[:-1])


def _shortcut(x: Tensor, like: Tensor, stride: Size, given: dict[str, Any], norm: Any, projects: bool | None) -> Tensor:  # noqa: ANN401
    """The identity, a projection, or the identity subsampled with channels of zeros around it."""
    (rows, columns), channels = pair(stride), like.shape[1]
    weight = given.get("shortcut")
    if weight is not None and (projects is not False or (rows, columns) != (1, 1) or x.shape[1] != channels):
        around = given.get("shortcut_padding") or 0
        return norm(_conv(x, weight, given.get("shortcut_bias"), stride, around, "zeros"), "shortcut_norm")
    missing = channels - x.shape[1]
    seen = x[:, :, ::rows, ::columns]
    if missing <= 0:
        return seen
    before = seen.new_zeros(seen.shape[0], missing // 2, *seen.shape[2:])
    after = seen.new_zeros(seen.shape[0], missing - missing // 2, *seen.shape[2:])
    return torch.cat((before, seen, after), 1)


def block(
    x: Tensor,
    weight1: Tensor,
    weight2: Tensor,
    weight3: Tensor | None = None,
    *,
    stride: Size = 1,
    training: bool = True,
    activation: str = "relu",
    slope: float = 0.01,
    wiring: str = "post",
    strided: int = 1,
    res_scale: float = 1.0,
    projects: bool | None = None,
    padding_mode: str = "zeros",
    **given: Any,  # noqa: ANN401 - biases, paddings, and weights of the normalisations and of the projection
) -> Tensor | tuple[Tensor, ...]:
    """The block, by its wiring; K the convolutions of the branch, N a normalisation (or none), S the shortcut.

    "post": σ(S(x) + N₂ K₂ σ(N₁ K₁ x)), and with a third weight σ(S(x) + N₃ K₃ σ(N₂ K₂ σ(N₁ K₁ x))); "open": the same
    without the last σ; "pre": S(x) + K₂ σ(N₂ K₁ σ(N₁ x)). The others are known slips: "late" σ(N₂ K₂ …) + S(x),
    "twice" σ(S(x) + σ(N₂ K₂ …)), "lost" σ(N₂ K₂ …) without S, "bare" without the first σ. The convolution number
    `strided` has the stride; the branch is multiplied by `res_scale`.

    Shapes: x [batch, in, h, w]; weight1 [mid, in, m, n]; weight2 [out, mid, m, n]; shortcut [out, in, 1, 1].
    """
    sigma = _ACTIVATIONS[activation] if activation != "leaky_relu" else lambda z: torch.where(z > 0, z, slope * z)
    weights = [one for one in (weight1, weight2, weight3) if one is not None]

    def normal(z: Tensor, name: str) -> Tensor:
        there = given.get("norms")
        absent = name == "shortcut_norm" and given.get("shortcut_norm_weight") is None
        missing = absent if there is None else name not in there
        parts = (given.get(f"{name}_{part}") for part in ("weight", "bias", "mean", "var"))
        return normalised(
            z, *parts, kind="none" if missing else given.get("norm", "none"), groups=given.get("norm_groups", 1),
            eps=given.get("eps", 1e-5), training=training,
        )  # fmt: skip

    def convolved(z: Tensor, k: int) -> Tensor:
        # Kernels keep the size of the image where nothing else is said.
        around = given.get("padding" if k == 1 else f"padding{k}")
        around = tuple(size // 2 for size in weights[k - 1].shape[2:]) if around is None else around
        return _conv(z, weights[k - 1], given.get(f"bias{k}"), stride if k == strided else 1, around, padding_mode)

    if wiring.startswith("pre"):
        entered = branch = sigma(normal(x, "norm1"))
        for k in range(1, len(weights) + 1):
            branch = convolved(branch if k == 1 else sigma(normal(branch, f"norm{k}")), k)
        # The activated input is what a projection may take; an identity is of the input itself.
        changes = projects or pair(stride) != (1, 1) or x.shape[1] != branch.shape[1]
        source = entered if wiring == "pre_shared" and changes else x
        skip = _shortcut(source, branch, stride, given, normal, projects)
        return (torch.zeros_like(branch), branch) if wiring == "pre_lost" else (skip, res_scale * branch)
    branch = x
    for k in range(1, len(weights) + 1):
        entered = branch if k == 1 or wiring == "bare" else sigma(branch)
        branch = normal(convolved(entered, k), f"norm{k}")
    branch = res_scale * branch
    if wiring == "lost":
        return sigma(branch)
    skip = _shortcut(x, branch, stride, given, normal, projects)
    if wiring == "late":
        return skip, sigma(branch)
    if wiring == "open":
        return skip, branch
    return sigma(skip + (sigma(branch) if wiring == "twice" else branch))


def dense_block(x: Tensor, weight1: Tensor, weight2: Tensor, **given: Any) -> Tensor | tuple[Tensor, ...]:  # noqa: ANN401
    """The same of vectors: images of one pixel.

    Shapes: x [batch, in]; weight1 [mid, in]; weight2 [out, mid]; shortcut [out, in].
    """
    pixels = {name: value[..., None, None] for name, value in given.items() if name == "shortcut" and value is not None}
    found = block(
        x[..., None, None], weight1[..., None, None], weight2[..., None, None], **{**given, **pixels}
    )  # fmt: skip
    return tuple(one[..., 0, 0] for one in found) if isinstance(found, tuple) else found[..., 0, 0]


def identity_path(jacobians: list[Tensor]) -> Tensor:
    """∂y/∂x of a chain of blocks y = x + F(x): the product of I + J over the blocks, the last one first.

    Shapes: each J [n, n].

    >>> identity_path([torch.zeros(2, 2), torch.zeros(2, 2)]).tolist()
    [[1.0, 0.0], [0.0, 1.0]]
    """
    total = torch.eye(jacobians[0].shape[0], dtype=jacobians[0].dtype)
    for jacobian in jacobians:
        total = total + jacobian @ total
    return total
