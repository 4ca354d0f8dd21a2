"""Sums of paths from one value: exactly where all are linear, and x − Sᵀ Λ σ(S x + b) where one has a hidden layer."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.fx.node import map_arg

from . import lipschitz_rules as layers
from .lipschitz_walk import Walk, operation
from .operator_norm import dense_norm, outward

__all__ = ["residual_slope"]

_SUMS = {"add", "iadd", "radd", "sub", "isub", "rsub", "subtract"}
_CONVOLUTIONS = {"conv1d", "conv2d", "conv3d"}
_TRANSPOSED = {"conv_transpose1d", "conv_transpose2d", "conv_transpose3d"}
# With one argument that depends on the input these are affine in it.
_AFFINE = {
    *_SUMS, *_CONVOLUTIONS, *_TRANSPOSED, "mul", "rmul", "imul", "multiply", "truediv", "div", "neg", "view", "reshape",
    "flatten", "permute", "transpose", "squeeze", "unsqueeze", "contiguous", "clone", "chunk", "split", "unbind",
    "select", "narrow", "flip", "roll", "movedim", "cat", "concat", "stack", "mean", "sum", "linear", "getitem", "pad",
    "matmul", "mm", "avg_pool1d", "avg_pool2d", "avg_pool3d", "adaptive_avg_pool1d", "adaptive_avg_pool2d",
    "pixel_shuffle", "pixel_unshuffle", "expand", "expand_as", "repeat", "unflatten",
}  # fmt: skip
_AFFINE_LAYERS = (
    nn.Flatten, nn.Unflatten, nn.Identity, nn.Dropout, nn.Dropout2d, nn.AvgPool1d, nn.AvgPool2d, nn.AdaptiveAvgPool2d,
    nn.PixelShuffle, nn.PixelUnshuffle, nn.ZeroPad2d, nn.ReflectionPad2d, nn.CircularPad2d, nn.ReplicationPad2d,
)  # fmt: skip
# Nondecreasing, and no steeper than this.
_BENT = {"relu": 1.0, "relu6": 1.0, "tanh": 1.0, "softplus": 1.0, "sigmoid": 0.25, "hardtanh": 1.0, "softsign": 1.0}
_BENT_LAYERS = {"ReLU": 1.0, "ReLU6": 1.0, "Tanh": 1.0, "Softplus": 1.0, "Sigmoid": 0.25, "Softsign": 1.0}
_MOST_INPUTS, _MOST_UNITS = 512, 1024


def residual_slope(walk: Walk, node: fx.Node) -> float:
    """The slope of a sum of several paths from one earlier value; infinity where nothing is known of it.

    With linear paths alone, y = A x + c, it is ‖A‖. With one elementwise layer between, y = A x + C σ(S x + b) + c,
    where σ is nondecreasing with slopes up to s: σ(u) − σ(v) = D (u − v) with D diagonal, 0 ≤ D ≤ s. Let C be
    −A Sᵀ Λ + E with Λ ≥ 0. Then 0 ≤ Sᵀ Λ D S ≤ s Sᵀ Λ S =: M as quadratic forms, so that

        ‖A + C D S‖ = ‖A (I − Sᵀ Λ D S) + E D S‖ ≤ ‖A‖ max(1, λ(M) − 1) + s ‖E‖ ‖S‖,

    for any Λ; it is chosen by least squares, column by column.

    Source: Meunier, Delattre, Araujo & Allauzen 2022, theorem 3; Araujo, Havens, Delattre, Allauzen & Hu 2023,
    theorem 3 (the layer with A = I, E = 0 and M ≤ 2).
    """
    name = operation(node)
    moving = walk.moving(node)
    joint = name in _CONVOLUTIONS | {"linear"} and operation(moving[0]) in ("cat", "concat")
    if not joint and name not in _SUMS:
        return math.inf
    found = _paths(walk, node)
    if found is None:
        return math.inf
    pivot, between, bent = found
    if not math.isfinite(walk.slopes[pivot]) or not isinstance(walk.values[pivot], Tensor):
        return math.inf
    event = tuple(walk.values[pivot].shape[1:])
    if math.prod(event) > _MOST_INPUTS:
        return walk.slopes[pivot] * min(_centred(walk, node, pivot), _adjoint(walk, node, pivot))
    if sum(walk.values[one][:1].numel() for one in bent) > _MOST_UNITS:
        return math.inf
    try:
        return walk.slopes[pivot] * _dense(walk, node, pivot, between, bent)
    except (RuntimeError, TypeError, ValueError, NotImplementedError):  # a step that vmap cannot take
        return math.inf


def _paths(walk: Walk, node: fx.Node) -> tuple[fx.Node, list[fx.Node], dict[fx.Node, float]] | None:
    """The latest value through which all paths to a node go, what lies between, and its bent steps with their slopes.

    None where there is a step that is neither affine nor bent, or one bent step after another.
    """
    place = {one: i for i, one in enumerate(node.graph.nodes)}
    between, frontier = [node], set(walk.moving(node))
    while len(frontier) > 1 or len(between) == 1:
        if not frontier:
            return None
        latest = max(frontier, key=place.__getitem__)
        if latest.op == "placeholder":
            return None if len(frontier) > 1 else (latest, between[::-1], {})
        frontier.remove(latest)
        between.append(latest)
        frontier |= set(walk.moving(latest))
        if len(between) > 40:
            return None
    (pivot,) = frontier
    between.reverse()
    bent: dict[fx.Node, float] = {}
    after: set[fx.Node] = set()
    for one in between:
        steep = _steepness(walk, one)
        if steep is not None:
            if any(before in after for before in walk.moving(one)):
                return None
            bent[one] = steep
        elif not _affine(walk, one):
            return None
        if one in bent or any(before in after for before in walk.moving(one)):
            after.add(one)
    return pivot, between, bent


def _steepness(walk: Walk, node: fx.Node) -> float | None:
    if node.op == "call_module":
        layer = walk.root.get_submodule(str(node.target))
        own = layers.own_layer(layer)
        return None if own is None or getattr(layer, "inplace", False) else _BENT_LAYERS.get(own.__name__)
    return _BENT.get(operation(node))


def _affine(walk: Walk, node: fx.Node) -> bool:
    moving = walk.moving(node)
    if node.op == "call_module":
        layer = walk.root.get_submodule(str(node.target))
        return layers.own_layer(layer) is not None and _linear_part(layer) is not None
    name = operation(node)
    if name in ("mul", "rmul", "imul", "multiply", "truediv", "div", "linear", "matmul", "mm") or "conv" in name:
        repeated = [one for one in node.args if one is moving[0]]
        first = node.args[0] is moving[0] or ("mul" in name and name != "matmul")
        return len(moving) == 1 and len(repeated) == 1 and first and not node.kwargs.get("rounding_mode")
    return name in _AFFINE


def _linear_part(layer: Any) -> Callable[[Tensor], Tensor] | None:  # noqa: ANN401 - any layer of torch's
    """A layer without its bias, in float64; None where it is not linear."""
    if isinstance(layer, nn.Linear):
        weight = layer.weight.detach().double()
        return lambda x: nn.functional.linear(x, weight)
    if isinstance(layer, (nn.Conv1d, nn.Conv2d, nn.Conv3d)):
        return layers.convolution_of(layer)
    return layer if isinstance(layer, _AFFINE_LAYERS) and not layer.training else None


def _double(value: Any) -> Any:  # noqa: ANN401
    return value.double() if isinstance(value, Tensor) and value.dtype.is_floating_point else value


def _dense(walk: Walk, node: fx.Node, pivot: fx.Node, between: list[fx.Node], bent: dict[fx.Node, float]) -> float:
    """The bound from the dense matrices A, C, S."""
    shapes = {one: tuple(walk.values[one].shape) for one in (pivot, *bent)}

    def run(x: Tensor, hidden: dict[fx.Node, Tensor]) -> tuple[Tensor, list[Tensor]]:
        known: dict[fx.Node, Any] = {pivot: x, **hidden}
        inner = []

        def value(one: fx.Node) -> Any:  # noqa: ANN401
            return known[one] if one in known else _double(walk.values.get(one, walk._value(one)))

        for one in between:
            if one in bent:
                inner.append(known[walk.moving(one)[0]])
                continue
            args: Any = map_arg(one.args, value)
            kwargs: Any = map_arg(one.kwargs, value)
            if one.op == "call_module":
                known[one] = _linear_part(walk.root.get_submodule(str(one.target)))(*args)  # type: ignore[misc]
            elif one.op == "call_method":
                known[one] = getattr(args[0], str(one.target).removesuffix("_"))(*args[1:], **kwargs)
            else:
                assert callable(one.target)
                known[one] = one.target(*args, **kwargs)
        return known[node], inner

    def zeros(one: fx.Node) -> Tensor:
        return torch.zeros(shapes[one], dtype=torch.float64)

    def apart() -> bool:
        """Whether the first row stays the same when the others are changed."""
        given = {one: torch.ones(shapes[one], dtype=torch.float64).cumsum(-1) for one in shapes}
        for one in given:
            given[one][0] = 0.0
        still = run(zeros(pivot), {one: zeros(one) for one in bent})
        moved = run(given[pivot], {one: given[one] for one in bent})
        pairs = zip((still[0], *still[1]), (moved[0], *moved[1]), strict=True)
        return all(torch.equal(one[0], other[0]) for one, other in pairs)

    def columns(which: fx.Node) -> tuple[Tensor, list[Tensor]]:
        """The images of the standard basis of one event of a value, less those of zero."""
        size = math.prod(shapes[which][1:])

        def at(number: Tensor) -> tuple[Tensor, list[Tensor]]:
            first = torch.zeros(size, dtype=torch.float64).scatter(0, number[None], 1.0).reshape(1, *shapes[which][1:])
            x = torch.cat([first, zeros(which)[1:]])
            out, inner = run(x if which is pivot else zeros(pivot),
                             {one: x if one is which else zeros(one) for one in bent})  # fmt: skip
            return out[0].flatten(), [one[0].flatten() for one in inner]

        still, inside = run(zeros(pivot), {one: zeros(one) for one in bent})
        moved, within = torch.func.vmap(at, chunk_size=64)(torch.arange(size))
        return (
            (moved - still[0].flatten()).T.contiguous(),
            [(one - base[0].flatten()).T.contiguous() for one, base in zip(within, inside, strict=True)],
        )

    if not apart():
        return math.inf
    a, inner = columns(pivot)
    if not bent:
        return outward(dense_norm(a), 8 * sum(a.shape))
    c = torch.cat([columns(one)[0] for one in bent], 1)
    s = torch.cat(inner)
    order = [one for one in between if one in bent]
    steep = torch.cat([torch.full((walk.values[one][0].numel(),), bent[one], dtype=torch.float64) for one in order])
    back = a @ s.T
    weights = (-(c * back).sum(0) / (back * back).sum(0).clamp_min(1e-300)).clamp_min(0.0)
    rest = c + back * weights
    hidden = dense_norm((weights * steep).sqrt()[:, None] * s) ** 2
    bound = dense_norm(a) * max(1.0, hidden - 1.0) + float(steep.max()) * dense_norm(rest) * dense_norm(s)
    return outward(bound, 16 * (sum(a.shape) + sum(c.shape)))


def _centred(walk: Walk, node: fx.Node, pivot: fx.Node) -> float:
    """X − mean(x) over axes of an event is a projection."""
    if operation(node) not in ("sub", "isub", "subtract") or node.args[0] is not pivot or node.kwargs:
        return math.inf
    mean = node.args[1]
    if not isinstance(mean, fx.Node) or operation(mean) != "mean" or mean.args[0] is not pivot:
        return math.inf
    given = walk.settings(mean)
    dims = given[1].get("dim", given[0][1] if len(given[0]) > 1 else None)
    axes = (
        [] if dims is None else [one % walk.values[pivot].dim() for one in ((dims,) if isinstance(dims, int) else dims)]
    )
    kept = tuple(walk.values[mean].shape) == tuple(
        1 if i in axes else n for i, n in enumerate(walk.values[pivot].shape)
    )  # fmt: skip
    return 1.0 if axes and 0 not in axes and kept else math.inf


def _adjoint(walk: Walk, node: fx.Node, pivot: fx.Node) -> float:
    """At most max(1, k s ‖K‖² − 1) for x − k Kᵀ σ(K x + b), with Kᵀ the transposed convolution of K's kernel."""
    if operation(node) not in ("sub", "isub", "subtract") or node.args[0] is not pivot or node.kwargs:
        return math.inf
    scale, step = 1.0, node.args[1]
    while isinstance(step, fx.Node) and operation(step) in ("mul", "rmul"):
        numbers = [one for one in step.args if isinstance(one, (int, float))]
        if len(walk.moving(step)) != 1 or len(numbers) != 1:
            return math.inf
        scale, step = scale * numbers[0], walk.moving(step)[0]
    if not isinstance(step, fx.Node) or operation(step) not in _TRANSPOSED or scale < 0:
        return math.inf
    back = _settings_of(walk, step, ("bias", "stride", "padding", "output_padding", "groups", "dilation"))
    bend = step.args[0]
    if not isinstance(bend, fx.Node) or walk.values[step].shape != walk.values[pivot].shape:
        return math.inf
    steep = _steepness(walk, bend)
    if steep is None or len(walk.moving(step)) != 1:
        return math.inf
    inner = walk.moving(bend)[0]
    while operation(inner) in ("add", "radd", "iadd") and len(walk.moving(inner)) == 1:
        inner = walk.moving(inner)[0]
    if operation(inner) not in _CONVOLUTIONS or inner.args[0] is not pivot:
        return math.inf
    there = _settings_of(walk, inner, ("bias", "stride", "padding", "dilation", "groups"))
    dims = there["weight"].dim() - 2
    same = torch.equal(there["weight"], back["weight"]) and there.get("groups", 1) == back.get("groups", 1)
    for name, usual in (("stride", 1), ("padding", 0), ("dilation", 1)):
        pair = there.get(name, usual), back.get(name, usual)
        same = same and not any(isinstance(one, str) for one in pair)
        same = same and layers.per_axis(pair[0], dims) == layers.per_axis(pair[1], dims)
    if not same:
        return math.inf
    how = {name: there[name] for name in ("stride", "padding", "dilation", "groups") if name in there}
    norm = layers.convolution_factor(there["weight"], walk.values[pivot], **how)
    return outward(max(1.0, scale * steep * norm**2 - 1.0), 16)


def _settings_of(walk: Walk, node: fx.Node, names: tuple[str, ...]) -> dict[str, Any]:
    args, kwargs = walk.settings(node)
    return {**dict(zip(("input", "weight", *names), args, strict=False)), **kwargs}
