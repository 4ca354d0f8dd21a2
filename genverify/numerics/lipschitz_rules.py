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

__all__ = [
    "ACTIVATIONS", "Unknown", "adaptive_overlap_factor", "channelwise_factor", "convolution_factor", "convolution_of",
    "factor_of_layer", "linear_factor",
    "overlap_factor", "own_layer", "pad_factor", "per_axis", "transposed_factor",
]  # fmt: skip

# Below so many numbers of an event the dense matrix is taken, whose norm is exact.
_DENSE = 512
# sup |f'|: of GELU at x = √2, of its tanh form, of SiLU and of Mish where f'' = 0; rounded up in the last digit.
_GELU, _GELU_TANH, _SILU, _MISH = 1.12891, 1.12903, 1.09985, 1.08912
_SELU = 1.0507009873554805 * 1.6732632423543772
# What a subclass may define without changing what the layer of torch computes.
_HARMLESS = {
    "__init__", "__module__", "__doc__", "__annotations__", "__repr__", "__qualname__", "__firstlineno__",
    "__static_attributes__", "__deepcopy__", "__getstate__", "__setstate__", "__reduce_ex__", "__abstractmethods__",
    "__parameters__", "__classcell__", "__dict__", "__weakref__", "__annotate__", "__annotate_func__",
    "__annotations_cache__", "__constants__", "extra_repr", "reset_parameters",
}  # fmt: skip


class Unknown(Exception):
    """There is no rule for a layer or an operation; the argument names it."""


# e^(−16) is 2⁻²³: torch's own threshold is 20.
_SMOOTH = 16.0


def own_layer(layer: nn.Module) -> type | None:
    """The class of torch.nn whose computation a layer has, untouched but for its weights; None where it has its own.

    A subclass that defines again what its class of torch.nn defines (its forward, say) computes something else, and so
    does a layer with hooks: of hooks, those of torch.nn.utils alone are known to set a weight and nothing more.

    >>> own_layer(nn.utils.parametrizations.orthogonal(nn.Linear(2, 2))).__name__
    'Linear'
    >>> class Doubled(nn.Linear):
    ...     def forward(self, x): return 2 * super().forward(x)
    >>> own_layer(Doubled(2, 2)) is None
    True
    """
    lineage = type(layer).__mro__
    own = next((one for one in lineage if one.__module__.startswith("torch.nn.modules")), None)
    if own is None or own in (nn.Module, nn.Sequential) or "forward" in vars(layer) or layer._forward_hooks:
        return None
    if any(not type(hook).__module__.startswith("torch.nn.utils") for hook in layer._forward_pre_hooks.values()):
        return None
    new: set[str] = set()
    for one in lineage:
        if not one.__module__.startswith("torch.nn.modules"):
            new |= set(vars(one)) - _HARMLESS
        elif any(callable(value) for name, value in vars(one).items() if name in new):
            return None
    return own


def _slope(name: str, usual: float) -> Callable[[Any], float]:
    return lambda layer: max(1.0, abs(float(getattr(layer, name, usual))))


def softplus_factor(threshold: float) -> float:
    """log(1 + exp(βx))/β has slopes below one; torch takes x beyond the threshold, which is a jump by e^(−threshold).

    Raises:
        Unknown: The jump is more than what float32 rounds.
    """
    if threshold < _SMOOTH:
        raise Unknown(f"softplus with a jump (threshold={threshold:g})")
    return 1.0


def celu_factor(alpha: float) -> float:
    """The slope is exp(x/α) ≤ 1 for x ≤ 0, if α > 0.

    Raises:
        Unknown: α is negative: then it has no bound.
    """
    if not alpha > 0:
        raise Unknown(f"celu with alpha={alpha:g}")
    return 1.0


# Class name of torch.nn → layer to its constant.
ACTIVATIONS: dict[str, Callable[[Any], float]] = {
    **dict.fromkeys(
        ("ReLU", "ReLU6", "Tanh", "Identity", "Hardtanh", "LogSigmoid", "Softsign", "Tanhshrink", "Dropout",
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
    "Softplus": lambda layer: softplus_factor(layer.threshold),
    "RReLU": lambda layer: max(1.0, abs(layer.lower + layer.upper) / 2),
    "ELU": _slope("alpha", 1.0),
    "CELU": lambda layer: celu_factor(layer.alpha),
    "PReLU": lambda layer: max(1.0, float(layer.weight.detach().abs().max())),
}  # fmt: skip


def factor_of_layer(layer: nn.Module, x: Tensor) -> float:
    """An upper bound of the Lipschitz constant of a layer of torch.nn, in evaluation mode, on events like those of x.

    Raises:
        Unknown: There is no rule for it.
    """
    own = own_layer(layer)
    if own is None:
        raise Unknown(f"{type(layer).__name__} with hooks or a forward of its own")
    return _factor(layer, own, x)


def _factor(layer: Any, own: type, x: Tensor) -> float:  # noqa: ANN401 - any layer of torch's
    name = own.__name__
    if ("Dropout" in name or name == "RReLU") and layer.training:
        raise Unknown(f"{name} in training mode")
    if name in ACTIVATIONS:
        return ACTIVATIONS[name](layer)
    if issubclass(own, nn.Linear):
        return dense_norm(layer.weight)
    if issubclass(own, (nn.Conv1d, nn.Conv2d, nn.Conv3d)):
        return convolution_factor(
            layer.weight, x, stride=layer.stride, padding=_ends(layer), dilation=layer.dilation, groups=layer.groups,
            mode=layer.padding_mode,
        )  # fmt: skip
    if issubclass(own, (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)):
        return transposed_factor(
            layer.weight, x, stride=layer.stride, padding=layer.padding, output_padding=layer.output_padding,
            dilation=layer.dilation, groups=layer.groups,
        )  # fmt: skip
    if issubclass(own, (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)):
        return _batch_norm(layer)
    if issubclass(own, (nn.LayerNorm, nn.GroupNorm)):
        return _row_norm(layer)
    return _channelwise_layer(layer, name, x)


def linear_factor(weight: Tensor) -> float:
    """That of ``F.linear`` with a weight that does not depend on the input."""
    return dense_norm(weight)


def per_axis(value: Any, dims: int) -> tuple[int, ...]:  # noqa: ANN401 - an int or a tuple, as layers keep it
    """One number for each dimension, also where one is given for all."""
    each = (value,) if isinstance(value, int) else tuple(int(one) for one in value)
    return each * dims if len(each) == 1 else each


def _ends(layer: Any) -> list[tuple[int, int]] | str | Any:  # noqa: ANN401 - a convolution of any dimension
    """What a layer pads at both ends of each axis; with zeros as it says, else as it has worked out for itself."""
    if layer.padding_mode == "zeros":
        return layer.padding
    flat = layer._reversed_padding_repeated_twice
    return list(zip(flat[::2], flat[1::2], strict=True))[::-1]


def _padded(padding: Any, reach: Sequence[int]) -> list[tuple[int, int]]:  # noqa: ANN401
    """How much is padded at both ends of each axis, from what torch takes: a word, a number, one or two an axis."""
    if isinstance(padding, str):
        return [(0, 0) if padding == "valid" else (far // 2, far - far // 2) for far in reach]
    if isinstance(padding, list) and padding and isinstance(padding[0], tuple):
        return padding
    return [(pad, pad) for pad in per_axis(padding, len(reach))]


def convolution_of(layer: Any) -> Callable[[Tensor], Tensor]:  # noqa: ANN401
    """A convolutional layer of torch without its bias, in float64."""
    return _convolving(
        layer.weight.detach().double(), stride=layer.stride, padding=_ends(layer), dilation=layer.dilation,
        groups=layer.groups, mode=layer.padding_mode,
    )  # fmt: skip


def _convolving(
    weight: Tensor, *, stride: Any, padding: Any, dilation: Any, groups: int, mode: str  # noqa: ANN401
) -> Callable[[Tensor], Tensor]:  # fmt: skip
    dims = weight.dim() - 2
    dilation = per_axis(dilation, dims)
    ends = _padded(padding, [step * (k - 1) for step, k in zip(dilation, weight.shape[2:], strict=True)])
    flat = [n for pair in reversed(ends) for n in pair]
    convolve = (nn.functional.conv1d, nn.functional.conv2d, nn.functional.conv3d)[dims - 1]

    def convolved(x: Tensor) -> Tensor:
        x = nn.functional.pad(x, flat, mode="constant" if mode == "zeros" else mode)
        return convolve(x, weight, stride=stride, dilation=dilation, groups=groups)

    return convolved


def convolution_factor(
    weight: Tensor, x: Tensor, *, stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: int = 1,  # noqa: ANN401
    mode: str = "zeros",
) -> float:  # fmt: skip
    """That of a convolution: of its dense matrix where that is small, else on a torus.

    Shapes: weight [out, in/groups, *reach]; `padding` as torch takes it, a word, a number or one a dimension, or a list
    of pairs, for the ends of each dimension.
    """
    weight, event = weight.detach().double(), tuple(x.shape[1:])
    dims, size = weight.dim() - 2, tuple(x.shape[2:])
    stride, dilation = per_axis(stride, dims), per_axis(dilation, dims)
    if math.prod(event) <= _DENSE:
        dense = _convolving(weight, stride=stride, padding=padding, dilation=dilation, groups=groups, mode=mode)
        return dense_norm(dense_matrix(dense, event, device=weight.device))
    reach = [step * (k - 1) for step, k in zip(dilation, weight.shape[2:], strict=True)]
    ends = _padded(padding, reach)
    total = [sum(pair) for pair in ends]
    how: dict[str, Any] = {"dilation": dilation, "groups": groups, "stride": stride}
    if mode == "zeros":
        return convolution_norm(weight, size, around=False, padding=total, **how)
    if mode == "circular" and all(pad <= far for pad, far in zip(total, reach, strict=True)):
        return convolution_norm(weight, size, around=True, **how)
    padded = [n + pad for n, pad in zip(size, total, strict=True)]
    inner = convolution_norm(weight, padded, around=False, padding=[0] * dims, **how)
    return outward(inner * padding_factor([_copies(n, *pair, mode) for n, pair in zip(size, ends, strict=True)]), 4)


def _copies(length: int, before: int, after: int, mode: str) -> Tensor:
    """How often each place appears after padding."""
    places = torch.arange(length, dtype=torch.float64)[None, None]
    padded = nn.functional.pad(places, (before, after), mode=mode).long().reshape(-1)
    return torch.bincount(padded, minlength=length)


def pad_factor(size: Sequence[int], pad: Sequence[int], mode: str) -> float:
    """That of ``F.pad``: of constants one, else √ of how often a place is copied, as copies are orthogonal.

    Shapes: size of the padded axes, the last of them last; `pad` as torch takes it, from the last axis on.
    """
    if mode == "constant":
        return 1.0
    ends = list(zip(pad[::2], pad[1::2], strict=True))[::-1]
    return padding_factor([_copies(n, *pair, mode) for n, pair in zip(size[-len(ends) :], ends, strict=True)])


def transposed_factor(
    weight: Tensor, x: Tensor, *, stride: Any = 1, padding: Any = 0, output_padding: Any = 0, dilation: Any = 1,  # noqa: ANN401
    groups: int = 1,
) -> float:  # fmt: skip
    """That of a transposed convolution: of its dense matrix, or of the convolution whose adjoint it is, uncut.

    A matrix and its transpose have one norm, and to cut off a border lengthens nothing.

    Shapes: weight [in, out/groups, *reach], which is [out, in/groups, *reach] of the other.
    """
    weight, event = weight.detach().double(), tuple(x.shape[1:])
    dims = weight.dim() - 2
    stride, dilation = per_axis(stride, dims), per_axis(dilation, dims)
    if math.prod(event) <= _DENSE:
        spread = (nn.functional.conv_transpose1d, nn.functional.conv_transpose2d, nn.functional.conv_transpose3d)
        how = {"stride": stride, "padding": padding, "output_padding": output_padding, "dilation": dilation}
        dense = dense_matrix(
            lambda z: spread[dims - 1](z, weight, groups=groups, **how), event, device=weight.device
        )  # fmt: skip
        return dense_norm(dense)
    size = [
        (n - 1) * s + step * (k - 1) + 1
        for n, s, step, k in zip(x.shape[2:], stride, dilation, weight.shape[2:], strict=True)
    ]
    return convolution_norm(
        weight, size, dilation=dilation, groups=groups, around=False, stride=stride, padding=[0] * dims
    )


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


def overlap_factor(kernel: Any, stride: Any, dilation: Any, dims: int) -> float:  # noqa: ANN401
    """√ of in how many windows a place can be: that of a maximum, or of a p-norm with p ≥ 2, over each window.

    Of one window the constant is one, as |‖a‖_p − ‖b‖_p| ≤ ‖a − b‖_p ≤ ‖a − b‖₂; a place counts once in each.
    """
    kernel, step = per_axis(kernel, dims), per_axis(dilation, dims)
    stride = per_axis(stride, dims) if stride not in (None, [], ()) else kernel
    often = [k if d > 1 else -(-k // s) for k, s, d in zip(kernel, stride, step, strict=True)]
    return math.sqrt(math.prod(often))


def adaptive_overlap_factor(size: Sequence[int], output: Any) -> float:  # noqa: ANN401
    """The same for windows from ⌊i n/m⌋ to ⌈(i + 1) n/m⌉, for m of them on n places."""
    given = (output,) * len(size) if output is None or isinstance(output, int) else tuple(output)
    often = []
    for n, m in zip(size, [n if m is None else m for n, m in zip(size, given, strict=True)], strict=True):
        counts = [0] * n
        for i in range(m):
            for place in range(i * n // m, -(-(i + 1) * n // m)):
                counts[place] += 1
        often.append(max(counts))
    return math.sqrt(math.prod(often))


def channelwise_factor(f: Callable[[Tensor], Tensor], size: Sequence[int]) -> float:
    """That of a linear map with entries ≥ 0 that treats each channel alike: of its matrix on one channel.

    On a large one ‖A‖ ≤ √(‖A‖₁ ‖A‖_∞) (Schur's test), the largest sums of columns and rows, which Aᵀ1 and A1 are.

    >>> round(channelwise_factor(lambda x: nn.functional.avg_pool2d(x, 2), (64, 64)), 9)
    0.5
    """
    if math.prod(size) <= 4 * _DENSE:
        return dense_norm(dense_matrix(f, (1, *size)))
    with torch.enable_grad():
        ones = torch.ones(1, 1, *size, dtype=torch.float64, requires_grad=True)
        rows = f(ones)
        (columns,) = torch.autograd.grad(rows.sum(), ones)
    if float(rows.detach().min()) < 0 or float(columns.min()) < 0:
        raise Unknown("a pool with negative weights")
    return outward(math.sqrt(float(rows.detach().max()) * float(columns.max())), 8 + math.prod(size))


def _channelwise_layer(layer: Any, name: str, x: Tensor) -> float:  # noqa: ANN401
    """A layer that treats each channel alike."""
    size = tuple(x.shape[2:])
    if name.startswith("MaxPool"):
        return overlap_factor(layer.kernel_size, layer.stride, layer.dilation, len(size))
    if name.startswith("LPPool"):
        if layer.norm_type % 2 or layer.norm_type < 2:
            raise Unknown(f"{name} with p = {layer.norm_type}")
        return overlap_factor(layer.kernel_size, layer.stride, 1, len(size))
    if name.startswith("AdaptiveMaxPool"):
        return adaptive_overlap_factor(size, layer.output_size)
    if name == "Upsample" and layer.mode == "bicubic":
        raise Unknown("Upsample by bicubic interpolation")
    if name.startswith(
        ("AvgPool", "AdaptiveAvgPool", "Upsampl", "ReflectionPad", "ReplicationPad", "CircularPad")
    ):  # fmt: skip
        return channelwise_factor(layer, size)
    raise Unknown(name)
