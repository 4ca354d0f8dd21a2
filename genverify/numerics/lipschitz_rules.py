"""Lipschitz constants (ℓ2) of single layers and operations, as upper bounds; a layer without a rule is named.

Smooth activations have the largest slope of their closed form; where it is no simple number it is rounded up.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from .linear_operator import dense_matrix
from .operator_norm import convolution_norm, dense_norm, outward, padding_factor

__all__ = ["ACTIVATIONS", "Unknown", "convolution_factor", "factor_of_layer", "linear_factor"]

# Below so many numbers of an event the dense matrix is taken, whose norm is exact.
_DENSE = 512
# sup |f'|: of GELU at x = √2, of its tanh form, of SiLU and of Mish where f'' = 0; rounded up in the last digit.
_GELU, _GELU_TANH, _SILU, _MISH = 1.12891, 1.12903, 1.09985, 1.08912
_SELU = 1.0507009873554805 * 1.6732632423543772


class Unknown(Exception):
    """There is no rule for a layer or an operation; the argument names it."""


def _slope(name: str, usual: float) -> Callable[[Any], float]:
    return lambda layer: max(1.0, abs(float(getattr(layer, name, usual))))


# Class name of torch.nn → layer to its constant.
ACTIVATIONS: dict[str, Callable[[Any], float]] = {
    **dict.fromkeys(
        ("ReLU", "ReLU6", "Tanh", "Softplus", "Identity", "Hardtanh", "LogSigmoid", "Softsign", "Tanhshrink", "Dropout",
         "Dropout1d", "Dropout2d", "Dropout3d", "AlphaDropout", "FeatureAlphaDropout", "Flatten", "Unflatten",
         "Softshrink", "PixelShuffle", "PixelUnshuffle", "ChannelShuffle", "ZeroPad1d", "ZeroPad2d", "ZeroPad3d",
         "ConstantPad1d", "ConstantPad2d", "ConstantPad3d"),
        lambda layer: 1.0,
    ),
    "Sigmoid": lambda layer: 0.25,
    "Softmax": lambda layer: 0.5,
    "Hardsigmoid": lambda layer: 1 / 6,
    "Hardswish": lambda layer: 1.5,
    "SELU": lambda layer: _SELU,
    "SiLU": lambda layer: _SILU,
    "Mish": lambda layer: _MISH,
    "GELU": lambda layer: _GELU_TANH if getattr(layer, "approximate", "none") == "tanh" else _GELU,
    "LeakyReLU": _slope("negative_slope", 0.01),
    "RReLU": lambda layer: max(1.0, (layer.lower + layer.upper) / 2),
    "ELU": _slope("alpha", 1.0),
    "CELU": lambda layer: 1.0,
    "PReLU": lambda layer: max(1.0, float(layer.weight.detach().abs().max())),
}  # fmt: skip


def factor_of_layer(layer: nn.Module, x: Tensor) -> float:
    """An upper bound of the Lipschitz constant of a layer of torch.nn, in evaluation mode, on events like those of x.

    Raises:
        Unknown: There is no rule for it.
    """
    name = next((base.__name__ for base in type(layer).__mro__ if base.__module__.startswith("torch.nn.modules")), "")
    if name in ACTIVATIONS:
        return ACTIVATIONS[name](layer)
    if isinstance(layer, nn.Linear):
        return dense_norm(layer.weight)
    if isinstance(layer, (nn.Conv1d, nn.Conv2d, nn.Conv3d)):
        return _convolution(layer, x)
    if isinstance(layer, (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)):
        return _transposed(layer, x)
    if isinstance(layer, (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)):
        return _batch_norm(layer)
    if isinstance(layer, (nn.LayerNorm, nn.GroupNorm)):
        return _row_norm(layer)
    if (
        "Pool" in name
        or name in ("Upsample", "UpsamplingNearest2d", "UpsamplingBilinear2d")
        or name.startswith(("ReflectionPad", "ReplicationPad", "CircularPad"))
    ):
        return _channelwise(layer, name, x)
    raise Unknown(name or type(layer).__name__)


def linear_factor(weight: Tensor) -> float:
    """That of ``F.linear`` with a weight that does not depend on the input."""
    return dense_norm(weight)


def _tuple(value: Any, dims: int) -> tuple[int, ...]:  # noqa: ANN401 - an int or a tuple, as layers keep it
    return (int(value),) * dims if isinstance(value, int) else tuple(int(one) for one in value)


def _convolution(layer: Any, x: Tensor) -> float:  # noqa: ANN401 - a convolution of any dimension
    dims = layer.weight.dim() - 2
    padding = layer.padding
    if isinstance(padding, str):
        reach = [d * (k - 1) for d, k in zip(layer.dilation, layer.weight.shape[2:], strict=True)]
        padding = (0,) * dims if padding == "valid" else tuple(-(-one // 2) for one in reach)
    return convolution_factor(
        layer.weight, x, padding=_tuple(padding, dims), dilation=_tuple(layer.dilation, dims), groups=layer.groups,
        mode=layer.padding_mode, dense=layer,
    )  # fmt: skip


def convolution_factor(
    weight: Tensor, x: Tensor, *, padding: Sequence[int], dilation: Sequence[int], groups: int, mode: str = "zeros",
    dense: Callable[[Tensor], Tensor] | None = None,
) -> float:  # fmt: skip
    """That of a convolution, whatever its stride: of its dense matrix where that is small, else on a torus."""
    event = tuple(x.shape[1:])
    if dense is not None and math.prod(event) <= _DENSE:
        return dense_norm(dense_matrix(dense, event))
    size = event[1:]
    reach = [step * (k - 1) for step, k in zip(dilation, weight.shape[2:], strict=True)]
    if mode == "zeros":
        return convolution_norm(weight, size, dilation=dilation, groups=groups, around=False)
    if mode == "circular" and all(2 * pad <= far for pad, far in zip(padding, reach, strict=True)):
        return convolution_norm(weight, size, dilation=dilation, groups=groups, around=True)
    padded = [n + 2 * pad for n, pad in zip(size, padding, strict=True)]
    inner = convolution_norm(weight, padded, dilation=dilation, groups=groups, around=False)
    return outward(inner * padding_factor([_copies(n, pad, mode) for n, pad in zip(size, padding, strict=True)]), 4)


def _copies(length: int, padding: int, mode: str) -> Tensor:
    """How often each place appears after padding at both ends."""
    places = torch.arange(length, dtype=torch.float64)[None, None]
    padded = nn.functional.pad(places, (padding, padding), mode=mode).long().reshape(-1)
    return torch.bincount(padded, minlength=length)


def _transposed(layer: Any, x: Tensor) -> float:  # noqa: ANN401
    event = tuple(x.shape[1:])
    if math.prod(event) <= _DENSE:
        return dense_norm(dense_matrix(layer, event))
    dims = layer.weight.dim() - 2
    stride = _tuple(layer.stride, dims)
    # Zeros between the entries do not lengthen a vector; what follows is a convolution of what is then there.
    between = [(n - 1) * step + 1 for n, step in zip(event[1:], stride, strict=True)]
    kernel = layer.weight.reshape(layer.groups, -1, *layer.weight.shape[1:]).transpose(1, 2).flatten(0, 1)
    return convolution_norm(
        kernel.flip(tuple(range(2, kernel.dim()))), between, dilation=_tuple(layer.dilation, dims), groups=layer.groups,
        around=False,
    )  # fmt: skip


def _batch_norm(layer: Any) -> float:  # noqa: ANN401
    if layer.training or layer.running_var is None:
        raise Unknown(f"{type(layer).__name__} with the statistics of the batch")
    scale = (layer.running_var.detach().double() + layer.eps).rsqrt()
    if layer.weight is not None:
        scale = scale * layer.weight.detach().double()
    return outward(float(scale.abs().max()), 8)


def _row_norm(layer: Any) -> float:  # noqa: ANN401
    """x̂ = (x − μ)/s with s ≥ √ε has the Jacobian (P − x̂x̂ᵀ/n)/s, P a projection, and x̂ᵀx̂ < n: at most 1/√ε."""
    if layer.eps <= 0:
        raise Unknown(f"{type(layer).__name__} without ε, whose slope has no bound")
    weight = 1.0 if layer.weight is None else float(layer.weight.detach().abs().max())
    return outward(weight / math.sqrt(layer.eps), 8)


def _channelwise(layer: Any, name: str, x: Tensor) -> float:  # noqa: ANN401
    """A layer that treats each channel alike: by its matrix on one channel; a maximum by how often a place is read."""
    size = tuple(x.shape[2:])
    if name.startswith("MaxPool"):
        kernel, stride = _tuple(layer.kernel_size, len(size)), _tuple(layer.stride or layer.kernel_size, len(size))
        step = _tuple(layer.dilation, len(size))
        often = [k if d > 1 else -(-k // s) for k, s, d in zip(kernel, stride, step, strict=True)]
        return math.sqrt(math.prod(often))
    linear = name.startswith(
        ("AvgPool", "AdaptiveAvgPool", "Upsampl", "ReflectionPad", "ReplicationPad", "CircularPad")
    )
    if not linear or math.prod(size) > 4 * _DENSE:
        raise Unknown(name if not linear else f"{name} on {math.prod(size)} places")
    return dense_norm(dense_matrix(layer, (1, *size)))
