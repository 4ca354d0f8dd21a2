"""Linear flows as the matrices that they are: permutations, reflections, factors, normalising layers, squeezes."""

from __future__ import annotations

import math

import torch
from torch import Tensor

__all__ = ["actnorm", "batch_norm", "conv1x1", "householder", "lu_linear", "permutation", "pixels", "squeeze"]

Terms = tuple[Tensor, ...]


def pixels(x: Tensor) -> int:
    """How many positions an event [channel, …] has, of a batch of them; 1 where it has channels alone."""
    return math.prod(x.shape[2:]) if x.dim() > 2 else 1


def _channels(vector: Tensor, x: Tensor) -> Tensor:
    """A number for each channel against x [batch, channel, …] or [channel]."""
    return vector.reshape(-1, *[1] * (x.dim() - 2)) if x.dim() > 2 else vector


def permutation(x: Tensor, order: Tensor, *, inverse: bool = False) -> tuple[Terms, Terms]:
    """P x with the matrix P of the order, P_(i, order(i)) = 1; its inverse is Pᵀ.

    Shapes: [..., event], [event] → the image; zero.
    """
    matrix = torch.eye(len(order), dtype=x.dtype)[order]
    image = (matrix.mT if inverse else matrix) @ x[..., None]
    return (image[..., 0],), (torch.zeros((), dtype=x.dtype),)


def householder(x: Tensor, v: Tensor, *, slip: str = "") -> tuple[Terms, Terms]:
    """(I − 2 v vᵀ/‖v‖²) x, the matrix formed in full.

    Shapes: [..., event] each → terms of the image; zero, since |det| = 1.

    Source: Householder 1958; Tomczak & Welling 2016, eq. 12.
    """
    length = (v * v).sum(-1)[..., None, None]
    outer = v[..., :, None] * v[..., None, :]
    factor = {"norm": 2 / length.sqrt(), "once": 1 / length, "plain": 2.0 + 0 * length}.get(slip, 2 / length)
    parts = -(factor * outer) * x[..., None, :]
    return (x, *parts.unbind(-1)), (torch.zeros((), dtype=x.dtype),)


def lu_linear(
    x: Tensor, lower: Tensor, upper: Tensor, diagonal: Tensor, order: Tensor | None = None, bias: Tensor | None = None,
    *, turned: bool = False, inverse: bool = False, slip: str = "",
) -> tuple[Terms, Terms]:  # fmt: skip
    """W x + b with W = P L (U + diag s), L unit lower and U strictly upper triangular; log|det W| = Σ log|s|.

    `turned` takes Wᵀ; `inverse` solves for x.

    Shapes: `x` [..., event]; the matrices [event, event]; `diagonal` and `bias` [event]; `order` the matrix P.

    Source: Kingma & Dhariwal 2018, eqs. 10 and 11.
    """
    one = torch.eye(x.shape[-1], dtype=x.dtype)
    first = torch.tril(lower, -1) + one
    second = torch.triu(upper, 1) + torch.diag_embed(diagonal)
    matrix = first @ second if order is None else order @ first @ second
    matrix = matrix.mT if turned else matrix
    shift = torch.zeros_like(diagonal) if bias is None else bias
    slopes = {"plain": diagonal, "signed": torch.log(diagonal)}.get(slip, torch.log(diagonal.abs()))
    if inverse:
        image = torch.linalg.solve(matrix, (x - shift)[..., None])[..., 0]
        return (image,), tuple(-s for s in slopes.unbind(-1))
    parts = (matrix * x[..., None, :]).unbind(-1)
    return (*parts, shift.expand_as(x)), slopes.unbind(-1)


def conv1x1(
    x: Tensor, weight: Tensor, *, turned: bool = False, inverse: bool = False, once: bool = False
) -> tuple[Terms, Terms]:  # fmt: skip
    """K x at every pixel, and h·w·log|det K|.

    Shapes: `x` [batch, channel, height, width], `weight` [channel, channel].

    Source: Kingma & Dhariwal 2018, eq. 9.
    """
    matrix = weight.mT if turned else weight
    slopes = torch.linalg.slogdet(matrix).logabsdet * (1 if once else pixels(x))
    flat = x.flatten(2)
    if inverse:
        return (torch.linalg.solve(matrix, flat).reshape(x.shape),), (-slopes,)
    parts = tuple((matrix[:, j, None] * flat[:, j, None, :]).reshape(x.shape) for j in range(len(matrix)))
    return parts, (slopes,)


def actnorm(
    x: Tensor, scale: Tensor, shift: Tensor | None = None, *, form: str = "", once: bool = False
) -> tuple[Terms, Terms]:  # fmt: skip
    """S x + b for each channel, and pixels · Σ log|s|; `form` has the other orders of shift and scale.

    Shapes: `x` [batch, channel, …] or [channel]; the others [channel].

    Source: Kingma & Dhariwal 2018, table 1.
    """
    count = 1 if once else pixels(x)
    s, b = (_channels(one, x) for one in (scale, torch.zeros_like(scale) if shift is None else shift))
    image = {
        "after": (s * x, s * b), "centred": (s * x, -s * b), "divided": (x / s, -b / s), "inverse": (x / s, -b),
    }.get(form, (s * x, b.expand_as(x)))  # fmt: skip
    sign = -1.0 if form in ("divided", "inverse") else 1.0
    return tuple(one.expand_as(x) for one in image), tuple(sign * count * one for one in scale.abs().log().unbind(-1))


def batch_norm(
    x: Tensor, mean: Tensor, variance: Tensor, gamma: Tensor | None, beta: Tensor | None, eps: Tensor | float, *,
    inverse: bool = False, slip: str = "",
) -> tuple[Terms, Terms]:  # fmt: skip
    """γ (x − μ)/√(v + ε) + β for given moments, and pixels · Σ (log γ − ½ log(v + ε)).

    Shapes: `x` [batch, channel, …] or [channel]; the others [channel].

    Source: Dinh, Sohl-Dickstein & Bengio 2017, section 3.7.
    """
    count = 1 if slip == "once" else pixels(x)
    gain = torch.ones_like(mean) if gamma is None else gamma
    offset = torch.zeros_like(mean) if beta is None else beta
    scale = gain * torch.rsqrt(variance + eps)
    inside = variance if slip == "no ε" else variance + eps
    half = 1.0 if slip == "variance" else 0.5
    logs = (torch.zeros_like(gain) if slip == "no γ" else torch.log(gain), -half * torch.log(inside))
    sign = -1.0 if inverse else 1.0
    slopes = tuple(sign * count * one for term in logs for one in term.unbind(-1))
    s, m, b = (_channels(one, x) for one in (scale, mean, offset))
    if inverse:
        return (x / s, (-b / s).expand_as(x), m.expand_as(x)), slopes
    return (s * x, (-s * m).expand_as(x), b.expand_as(x)), slopes


def squeeze(x: Tensor, *, order: str = "", inverse: bool = False) -> tuple[Terms, Terms]:
    """Blocks of 2 × 2 pixels as four channels, number by number.

    `order` says in which order the channel c and the place (i, j) in the block are counted: "" as c, i, j; "place
    first" as i, j, c; "reshaped" keeps the numbers in a row and is no squeeze.

    Shapes: [batch, channel, 2h, 2w] → [batch, 4·channel, h, w].

    Source: Dinh, Sohl-Dickstein & Bengio 2017, section 3.6.
    """
    batch, channels, height, width = x.shape
    if order == "reshaped":
        return (x.reshape(batch, 4 * channels, height // 2, width // 2),), (torch.zeros((), dtype=x.dtype),)
    planes = []
    for index in range(4 * channels):
        c, place = (index % channels, index // channels) if order == "place first" else (index // 4, index % 4)
        i, j = (place % 2, place // 2) if order == "columns first" else (place // 2, place % 2)
        planes.append(x[:, c, i::2, j::2])
    return (torch.stack(planes, 1),), (torch.zeros((), dtype=x.dtype),)
