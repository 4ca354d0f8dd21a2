"""Rules for operations: the slope of a result from the slopes of what it is made of. Each has its one-line proof."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, fx

from . import lipschitz_rules as layers
from .lipschitz_rules import Unknown
from .lipschitz_walk import Rule, Walk, operation
from .operator_norm import outward

__all__ = ["RULES"]

Arguments = dict[str, Any]


def _times(factor: float | Callable[[Arguments], float], signature: str = "input") -> Rule:
    """A slope times a constant, or times what the arguments say, by the names of a signature."""
    names = inspect.signature(eval(f"lambda {signature}, *rest, **others: None"))

    def rule(walk: Walk, node: fx.Node, moving: list[fx.Node]) -> float:
        if len(moving) > 1 or moving[0] not in (*node.args[:1], node.kwargs.get("input")):
            raise Unknown(f"{operation(node)} of two results that depend on the input")
        if not callable(factor):
            return walk.slopes[moving[0]] * factor
        args, kwargs = walk.settings(node)
        bound = names.bind(*args, **kwargs)
        bound.apply_defaults()
        return walk.slopes[moving[0]] * factor(bound.arguments)

    return rule


def _sum(walk: Walk, node: fx.Node, moving: list[fx.Node]) -> float:
    """|f ± g|: the slopes add; a result added to itself counts twice."""
    _, kwargs = walk.settings(node)
    weight = abs(float(kwargs.get("alpha", 1.0)))
    if weight != 1.0 and "rsub" in str(node.target):
        raise Unknown("rsub with a weight")
    _same_shape(walk, node, moving)
    arguments = [one for one in (*node.args, *node.kwargs.values()) if isinstance(one, fx.Node)]
    return sum(walk.slopes[one] * max(1.0, weight) for one in arguments if one in moving)


def _same_shape(walk: Walk, node: fx.Node, moving: list[fx.Node]) -> None:
    """Broadcasting of what depends on the input would count some of its entries several times."""
    if any(walk.values[one].shape != walk.values[node].shape for one in moving):
        raise Unknown(f"{operation(node)} with broadcasting")


def _joined(walk: Walk, node: fx.Node, moving: list[fx.Node]) -> float:
    """Parts beside each other: √(Σ L²), each as often as it is there."""
    flat = [one for part in node.args for one in (part if isinstance(part, (tuple, list)) else (part,))]
    if not set(moving) <= {one for one in flat if isinstance(one, fx.Node)}:
        raise Unknown(f"{operation(node)} of parts that are given by name")
    return math.sqrt(sum(walk.slope(one) ** 2 for one in flat if isinstance(one, fx.Node)))


def _larger(walk: Walk, node: fx.Node, moving: list[fx.Node]) -> float:
    """|max(a, b) − max(a', b')| ≤ max(|a − a'|, |b − b'|), entry by entry."""
    _same_shape(walk, node, moving)
    return math.sqrt(sum(walk.slopes[one] ** 2 for one in moving))


def _chosen(walk: Walk, node: fx.Node, moving: list[fx.Node]) -> float:
    """The largest of a row moves by no more than the entry that moves most, so by no more than the row."""
    args, kwargs = walk.settings(node)
    other = kwargs.get("other", args[1] if len(args) > 1 else kwargs.get("dim"))
    if isinstance(other, Tensor):
        return _larger(walk, node, moving)
    if other is None:
        raise Unknown(f"{operation(node)} over the batch")
    _events_only(walk.values[moving[0]], other, operation(node))
    return walk.slopes[moving[0]]


def _product(walk: Walk, node: fx.Node, moving: list[fx.Node]) -> float:
    """|c f| ≤ max|c| |f|, with a factor that does not depend on the input."""
    nodes = [one for one in node.args if isinstance(one, fx.Node)]
    if len(moving) > 1 or len(nodes) > len(set(nodes)):
        raise Unknown("a product of two results that depend on the input")
    _same_shape(walk, node, moving)
    other = next(v for v in walk.settings(node)[0] if v is not walk.values[moving[0]])
    size = float(other.detach().abs().max()) if isinstance(other, Tensor) else abs(float(other))
    return walk.slopes[moving[0]] * size


def _quotient(walk: Walk, node: fx.Node, moving: list[fx.Node]) -> float:
    if len(moving) > 1 or node.args[0] is not moving[0]:
        raise Unknown("a division by a result that depends on the input")
    if "rounding_mode" in node.kwargs:
        raise Unknown("a division that rounds")
    _same_shape(walk, node, moving)
    other = walk.settings(node)[0][1]
    least = float(other.detach().abs().min()) if isinstance(other, Tensor) else abs(float(other))
    if least == 0.0:
        raise Unknown("a division by zero")
    return walk.slopes[moving[0]] / least


def _linear(given: Arguments) -> float:
    return layers.linear_factor(given["weight"])


def _matmul(walk: Walk, node: fx.Node, moving: list[fx.Node]) -> float:
    """Rows times a matrix that does not depend on the input, x W."""
    args, _ = walk.settings(node)
    if len(moving) > 1 or node.args[0] is not moving[0] or args[1].dim() != 2:
        raise Unknown("a product of matrices that is no x W")
    return walk.slopes[moving[0]] * layers.linear_factor(args[1].mT)


def _convolution(walk: Walk, node: fx.Node, moving: list[fx.Node]) -> float:
    """A convolution; with the padding that has been done before, if any."""
    if len(moving) > 1 or node.args[0] is not moving[0]:
        raise Unknown(f"{operation(node)} of two results that depend on the input")
    args, kwargs = walk.settings(node)
    names = ("input", "weight", "bias", "stride", "padding", "dilation", "groups")
    given = {**dict(zip(names, args, strict=False)), **kwargs}
    how = {name: given[name] for name in ("stride", "padding", "dilation", "groups") if name in given}
    alone = layers.convolution_factor(given["weight"], given["input"], **how)
    before = moving[0]
    padded = _padded_before(walk, before, given["weight"].dim() - 2)
    nothing = not isinstance(how.get("padding", 0), str) and not any(
        layers.per_axis(how.get("padding", 0), given["weight"].dim() - 2)
    )
    if padded is None or not nothing:
        return walk.slopes[before] * alone
    source, ends, mode = padded
    together = layers.convolution_factor(given["weight"], walk.values[source], **{**how, "padding": ends}, mode=mode)
    return min(walk.slopes[before] * alone, walk.slopes[source] * together)


def _padded_before(walk: Walk, node: fx.Node, dims: int) -> tuple[fx.Node, list[tuple[int, int]], str] | None:
    """What was padded, by how much at both ends of each axis, and how; None for any other node, and for constants."""
    if getattr(node.target, "__name__", "") != "pad" or not node.args:
        return None
    args, kwargs = walk.settings(node)
    pad, mode = kwargs.get("pad", (*args, ())[1]), kwargs.get("mode", (*args, "", "")[2])
    source = node.args[0]
    if mode not in ("circular", "reflect", "replicate") or len(pad) != 2 * dims or not isinstance(source, fx.Node):
        return None
    return source, list(zip(pad[::2], pad[1::2], strict=True))[::-1], mode


def _transposed(given: Arguments) -> float:
    return layers.transposed_factor(
        given["weight"], given["input"], stride=given["stride"], padding=given["padding"],
        output_padding=given["output_padding"], dilation=given["dilation"], groups=given["groups"],
    )  # fmt: skip


def _over(what: str) -> Callable[[Arguments], float]:
    """Sums and means over axes of an event: a sum of n entries has norm √n."""

    def factor(given: Arguments) -> float:
        count = math.prod(given["input"].shape[one] for one in _events_only(given["input"], given["dim"], what))
        return math.sqrt(count) if what == "sum" else 1 / math.sqrt(count)

    return factor


def _events_only(x: Tensor, dims: Any, what: str) -> list[int]:  # noqa: ANN401
    """The axes, none of them the batch's."""
    axes = [] if dims is None else [one % x.dim() for one in ((dims,) if isinstance(dims, int) else dims)]
    if not axes or 0 in axes:
        raise Unknown(f"{what} over the batch")
    return axes


def _norm(given: Arguments) -> float:
    """||a| − |b|| ≤ |a − b|."""
    power = given["p"] if "p" in given else given["ord"]
    if power not in (None, 2, 2.0, "fro"):
        raise Unknown(f"a norm with p = {power}")
    _events_only(given["input"], given["dim"], "a norm")
    return 1.0


def _part(walk: Walk, node: fx.Node, moving: list[fx.Node]) -> float:
    """A part of an event, each place once; or one of several results."""
    index = walk.settings(node)[0][1]
    plain = (int, slice, type(None), type(...))
    if not all(isinstance(one, plain) for one in (index if isinstance(index, tuple) else (index,))):
        raise Unknown("an index that may repeat places")
    return walk.slopes[moving[0]]


def _dropped(given: Arguments) -> float:
    if given["training"]:
        raise Unknown("dropout that is never switched off")
    return 1.0


def _not_of_the_batch(given: Arguments) -> float:
    if given["dim"] in (0, -given["input"].dim()):
        raise Unknown("an operation along the batch")
    return 1.0


def _unfolded(walk: Walk, node: fx.Node, moving: list[fx.Node]) -> float:
    """Each place as often as there are windows with it, copies being orthogonal."""
    if len(moving) > 1 or node.args[0] is not moving[0]:
        raise Unknown("unfold of two results that depend on the input")
    args, kwargs = walk.settings(node)
    if node.op == "call_method":
        names = dict(zip(("dimension", "size", "step"), args[1:], strict=False), **kwargs)
        if names["dimension"] in (0, -args[0].dim()):
            raise Unknown("unfold along the batch")
        return walk.slopes[moving[0]] * layers.overlap_factor(names["size"], names["step"], 1, 1)
    names = dict(zip(("kernel_size", "dilation", "padding", "stride"), args[1:], strict=False), **kwargs)
    stride = names.get("stride", 1)
    return walk.slopes[moving[0]] * layers.overlap_factor(names["kernel_size"], stride, names.get("dilation", 1), 2)


def _pad(given: Arguments) -> float:
    return layers.pad_factor(given["input"].shape, given["pad"], given["mode"])


def _pool(name: str, signature: str) -> tuple[str, Rule]:
    """A pool that is linear, and treats channels alike."""
    names = [one.partition("=")[0].strip() for one in signature.split(",")][1:]

    def factor(given: Arguments) -> float:
        pool = getattr(torch.nn.functional, name)
        how = {one: given[one] for one in names}
        return layers.channelwise_factor(lambda x: pool(x, **how), given["input"].shape[2:])

    return name, _times(factor, signature)


_KERNEL = "input, kernel_size, stride=None, padding=0"


def _windows(given: Arguments) -> float:
    dims = given["input"].dim() - 2
    return layers.overlap_factor(given["kernel_size"], given["stride"], given.get("dilation", 1), dims)


def _norms_of_windows(given: Arguments) -> float:
    if given["norm_type"] < 2 or given["norm_type"] % 2:
        raise Unknown(f"lp_pool with p = {given['norm_type']}")
    return _windows(given)


def _adaptive_windows(given: Arguments) -> float:
    return layers.adaptive_overlap_factor(given["input"].shape[2:], given["output_size"])


def _transform(inverse: bool, axes: int | None, real: bool) -> Rule:
    """The discrete Fourier transform is √n times a unitary one; of a real one, half of the spectrum counts twice."""

    def factor(given: Arguments) -> float:
        x, dims = given["input"], given["dim"]
        if given["n" if axes == 1 else "s"] is not None:
            raise Unknown("a Fourier transform of another length")
        if dims is None:
            dims = tuple(range(-(axes or x.dim()), 0))
        chosen = _events_only(x, dims, "a Fourier transform")
        count = math.prod(x.shape[one] for one in chosen)
        if inverse and real:
            count = count // x.shape[chosen[-1]] * max(1, 2 * (x.shape[chosen[-1]] - 1))
        power = {None: -1.0 if inverse else 0.0, "backward": -1.0 if inverse else 0.0, "ortho": -0.5,
                 "forward": 0.0 if inverse else -1.0}[given["norm"]]  # fmt: skip
        return outward(count ** (power + 0.5) * (math.sqrt(2.0) if inverse and real else 1.0), 64)

    return _times(factor, "input, n=None, dim=-1, norm=None" if axes == 1 else "input, s=None, dim=None, norm=None")


def _spectral_product(walk: Walk, node: fx.Node, moving: list[fx.Node]) -> float:
    """Matrices that do not depend on the input, one for each place, times what is there: the largest of their norms."""
    args, _ = walk.settings(node)
    if len(moving) > 1:
        raise Unknown("a product of two results that depend on the input")
    other = next(v for v in args if v is not walk.values[moving[0]])
    if walk.values[node].shape[:-2] != walk.values[moving[0]].shape[:-2]:
        raise Unknown("a product of matrices with broadcasting")
    matrices = other.detach().flatten(0, -3) if other.dim() > 2 else other.detach()[None]
    double = torch.complex128 if other.is_complex() else torch.float64
    largest = float(torch.linalg.svdvals(matrices.to(double)).max())
    return walk.slopes[moving[0]] * outward(largest, 2 * sum(other.shape[-2:]))


def _product_of_matrices(walk: Walk, node: fx.Node, moving: list[fx.Node]) -> float:
    args, _ = walk.settings(node)
    if len(moving) == 1 and node.args[0] is moving[0] and args[1].dim() == 2 and not args[1].is_complex():
        return _matmul(walk, node, moving)
    if len(moving) == 1 and all(isinstance(one, Tensor) and one.dim() >= 3 for one in args):
        return _spectral_product(walk, node, moving)
    raise Unknown("a product of matrices that is no x W")


RULES: dict[str, Rule] = {
    **dict.fromkeys(
        ("relu", "relu6", "tanh", "hardtanh", "abs", "clamp", "clamp_min", "clamp_max", "clip", "neg",
         "flatten", "view", "reshape", "permute", "transpose", "squeeze", "unsqueeze", "contiguous", "clone", "to",
         "float", "double", "type_as", "narrow", "chunk", "split", "unbind", "select", "softsign", "detach", "ravel",
         "logsigmoid", "sin", "cos", "movedim", "moveaxis", "unflatten", "identity", "t", "T", "mT",
         "swapaxes", "swapdims", "view_as", "tensor_split", "flip", "roll", "rot90", "tanhshrink", "softshrink",
         "pixel_shuffle", "pixel_unshuffle", "channel_shuffle", "diagonal", "real", "imag", "view_as_real",
         "arctan", "atan", "asinh", "values"),
        _times(1.0),
    ),
    "getitem": _part,
    **dict.fromkeys(
        ("dropout", "dropout1d", "dropout2d", "dropout3d", "alpha_dropout"),
        _times(_dropped, "input, p=0.5, training=True"),
    ),
    "softplus": _times(lambda given: layers.softplus_factor(given["threshold"]), "input, beta=1.0, threshold=20.0"),
    "celu": _times(lambda given: layers.celu_factor(given["alpha"]), "input, alpha=1.0"),
    "sigmoid": _times(0.25),
    "hardsigmoid": _times(1 / 6),
    "hardswish": _times(1.5),
    "softmax": _times(0.5),
    "silu": _times(1.09985),
    "mish": _times(1.08912),
    "gelu": _times(1.12903),
    "selu": _times(1.7580993408473768),
    "elu": _times(lambda given: max(1.0, abs(float(given["alpha"]))), "input, alpha=1.0"),
    "leaky_relu": _times(lambda given: max(1.0, abs(float(given["negative_slope"]))), "input, negative_slope=0.01"),
    "prelu": _times(lambda given: max(1.0, float(given["weight"].detach().abs().max())), "input, weight"),
    **dict.fromkeys(("add", "iadd", "radd", "sub", "isub", "rsub", "subtract"), _sum),
    **dict.fromkeys(("mul", "imul", "rmul", "multiply"), _product),
    **dict.fromkeys(("truediv", "div", "itruediv", "divide", "true_divide"), _quotient),
    **dict.fromkeys(("cat", "concat", "concatenate", "stack", "hstack", "vstack", "dstack"), _joined),
    **dict.fromkeys(("maximum", "minimum", "fmax", "fmin"), _larger),
    **dict.fromkeys(("max", "min", "amax", "amin"), _chosen),
    "sort": _times(_not_of_the_batch, "input, dim=-1"),
    "msort": _times(_not_of_the_batch, "input, dim=0"),
    "linear": _times(_linear, "input, weight"),
    **dict.fromkeys(("matmul", "mm", "bmm"), _product_of_matrices),
    **dict.fromkeys(("conv1d", "conv2d", "conv3d"), _convolution),
    **dict.fromkeys(
        ("conv_transpose1d", "conv_transpose2d", "conv_transpose3d"),
        _times(_transposed, "input, weight, bias=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1"),
    ),
    "sum": _times(_over("sum"), "input, dim=None"), "mean": _times(_over("mean"), "input, dim=None"),
    "norm": _times(_norm, "input, p=None, dim=None"),
    **dict.fromkeys(("linalg_norm", "linalg_vector_norm"), _times(_norm, "input, ord=None, dim=None")),
    "unfold": _unfolded,
    "pad": _times(_pad, "input, pad, mode='constant'"),
    **dict(
        [_pool(f"avg_pool{n}d", f"{_KERNEL}, ceil_mode=False, count_include_pad=True" + ", divisor_override=None"
               * (n > 1)) for n in (1, 2, 3)]
        + [_pool(f"adaptive_avg_pool{n}d", "input, output_size") for n in (1, 2, 3)]
    ),
    **{f"{kind}_pool{n}d{more}": _times(_windows, f"{_KERNEL}, dilation=1")
       for n in (1, 2, 3) for kind in ("max",) for more in ("", "_with_indices")},
    **{f"adaptive_max_pool{n}d{more}": _times(_adaptive_windows, "input, output_size")
       for n in (1, 2, 3) for more in ("", "_with_indices")},
    **{f"lp_pool{n}d": _times(_norms_of_windows, "input, norm_type, kernel_size, stride=None") for n in (1, 2, 3)},
    **{f"fft_{'i' * inverse}{'r' * real}fft{end}": _transform(inverse, axes, real)
       for inverse in (False, True) for real in (False, True) for end, axes in (("", 1), ("2", 2), ("n", None))},
}  # fmt: skip
