"""An upper bound of the Lipschitz constant of a network, node by node of its graph: products along, sums across.

The graph is traced (torch.fx) and evaluated once, on two events of zeros, so that every shape and every weight is
known; beside each value goes a bound of its slope in the input. What does not depend on the input has slope zero.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.fx.node import map_arg

from .lipschitz_rules import Unknown, convolution_factor, factor_of_layer, linear_factor
from .operator_norm import outward

__all__ = ["Certificate", "certificate"]

_ROWS = 2


@dataclass(frozen=True, kw_only=True)
class Certificate:
    """What is known from above.

    Attributes:
        upper: A Lipschitz constant (ℓ2 → ℓ2), or infinity where none is known.
        unknown: The layer or operation without a rule, or why there is no graph.
        layers: How many factors the bound is made of.
    """

    upper: float = math.inf
    unknown: str = ""
    layers: int = 0


@torch.no_grad()
def certificate(module: nn.Module, event_shape: tuple[int, ...], *, dtype: torch.dtype = torch.float64) -> Certificate:
    """The bound of a module in evaluation mode; where an operation has no rule it says which.

    >>> net = nn.Sequential(nn.Linear(2, 2, bias=False), nn.ReLU(), nn.Linear(2, 1, bias=False)).double()
    >>> with torch.no_grad():
    ...     _ = net[0].weight.copy_(2 * torch.eye(2)), net[2].weight.copy_(torch.tensor([[3.0, 4.0]]))
    >>> round(certificate(net, (2,)).upper, 9)
    10.0
    """
    x = torch.zeros(_ROWS, *event_shape, dtype=dtype)
    try:
        graph = fx.symbolic_trace(nn.Sequential(module))  # a layer of torch's is then a node, and has a rule
    except Exception as error:  # whatever a stranger's forward does that cannot be traced
        return Certificate(unknown=f"its forward cannot be traced ({type(error).__name__}: {str(error)[:120]})")
    walk = _Walk(graph)
    try:
        walk.run(x)
    except Unknown as unknown:
        return Certificate(unknown=str(unknown), layers=walk.factors)
    except Exception as error:  # the graph does not run on such events
        return Certificate(unknown=f"its graph does not run ({type(error).__name__}: {str(error)[:120]})")
    return Certificate(upper=outward(walk.upper, 8 * (walk.factors + 1)), layers=walk.factors)


class _Walk(fx.Interpreter):
    """Evaluates the graph, and keeps a bound of the slope of every node."""

    def __init__(self, graph: fx.GraphModule) -> None:
        super().__init__(graph)
        self.slopes: dict[fx.Node, float] = {}
        self.values: dict[fx.Node, Any] = {}
        self.factors, self.upper = 0, math.inf
        self.extra_traceback = False  # else torch appends the whole graph to the name of a layer

    def run_node(self, n: fx.Node) -> Any:  # noqa: ANN401 - whatever a node yields
        value = super().run_node(n)
        self.values[n] = value
        self.slopes[n] = self._slope(n, value)
        if n.op == "output":
            self.upper = self.slopes[n]
        return value

    def _slope(self, node: fx.Node, value: Any) -> float:  # noqa: ANN401
        if node.op == "placeholder":
            return 1.0
        moving = [one for one in node.all_input_nodes if self.slopes[one] > 0]
        if not moving or not _tensors(value):
            return 0.0
        if node.op == "output":
            if len(moving) > 1:
                raise Unknown("several results")
            return self.slopes[moving[0]]
        self.factors += 1
        if node.op == "call_module":
            if len(moving) > 1:
                raise Unknown(f"{node.target} of two results that depend on the input")
            layer = self.module.get_submodule(str(node.target))
            return self.slopes[moving[0]] * factor_of_layer(layer, self.values[moving[0]])
        name = node.target if isinstance(node.target, str) else getattr(node.target, "__name__", str(node.target))
        rule = _RULES.get(str(name).removesuffix("_"))
        if rule is None:
            raise Unknown(str(name))
        return rule(self, node, moving)

    def settings(self, node: fx.Node) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The arguments of a node, as values."""
        args: Any = map_arg(node.args, lambda one: self.values[one])
        kwargs: Any = map_arg(node.kwargs, lambda one: self.values[one])
        return args, kwargs


Rule = Callable[[_Walk, fx.Node, list[fx.Node]], float]


def _tensors(value: Any) -> bool:  # noqa: ANN401
    if isinstance(value, (tuple, list)):
        return any(_tensors(one) for one in value)
    return isinstance(value, Tensor)


def _times(factor: float | Callable[[tuple[Any, ...], dict[str, Any]], float]) -> Rule:
    """A slope times a constant, or times what the arguments say."""

    def rule(walk: _Walk, node: fx.Node, moving: list[fx.Node]) -> float:
        if len(moving) > 1:
            raise Unknown(f"{node.target} of two results that depend on the input")
        chosen = factor(*walk.settings(node)) if callable(factor) else factor
        return walk.slopes[moving[0]] * chosen

    return rule


def _sum(walk: _Walk, node: fx.Node, moving: list[fx.Node]) -> float:
    """|f ± g|: the slopes add; a result added to itself counts twice."""
    _, kwargs = walk.settings(node)
    weight = abs(float(kwargs.get("alpha", 1.0)))
    _same_shape(walk, node, moving)
    return sum(walk.slopes[one] * (weight if i else 1.0) for i, one in enumerate(_nodes(node.args)) if one in moving)


def _same_shape(walk: _Walk, node: fx.Node, moving: list[fx.Node]) -> None:
    """Broadcasting of what depends on the input would count some of its entries several times."""
    if any(walk.values[one].shape != walk.values[node].shape for one in moving):
        raise Unknown(f"{node.target} with broadcasting")


def _nodes(args: Any) -> list[fx.Node]:  # noqa: ANN401
    return [one for one in args if isinstance(one, fx.Node)]


def _joined(walk: _Walk, node: fx.Node, moving: list[fx.Node]) -> float:
    """Parts beside each other: √(Σ L²), each as often as it is there."""
    flat = [one for part in node.args for one in (part if isinstance(part, (tuple, list)) else (part,))]
    return math.sqrt(sum(walk.slopes[one] ** 2 for one in flat if isinstance(one, fx.Node)))


def _larger(walk: _Walk, node: fx.Node, moving: list[fx.Node]) -> float:
    """|max(a, b) − max(a', b')| ≤ max(|a − a'|, |b − b'|), entry by entry."""
    _same_shape(walk, node, moving)
    return math.sqrt(sum(walk.slopes[one] ** 2 for one in moving))


def _product(walk: _Walk, node: fx.Node, moving: list[fx.Node]) -> float:
    if len(moving) > 1 or len(_nodes(node.args)) > len(set(_nodes(node.args))):
        raise Unknown("a product of two results that depend on the input")
    _same_shape(walk, node, moving)
    other = next(v for v in walk.settings(node)[0] if v is not walk.values[moving[0]])
    size = float(other.detach().abs().max()) if isinstance(other, Tensor) else abs(float(other))
    return walk.slopes[moving[0]] * size


def _quotient(walk: _Walk, node: fx.Node, moving: list[fx.Node]) -> float:
    if len(moving) > 1 or node.args[0] is not moving[0]:
        raise Unknown("a division by a result that depends on the input")
    _same_shape(walk, node, moving)
    other = walk.settings(node)[0][1]
    least = float(other.detach().abs().min()) if isinstance(other, Tensor) else abs(float(other))
    if least == 0.0:
        raise Unknown("a division by zero")
    return walk.slopes[moving[0]] / least


def _linear(args: tuple[Any, ...], kwargs: dict[str, Any]) -> float:
    return linear_factor(args[1] if len(args) > 1 else kwargs["weight"])


def _matmul(walk: _Walk, node: fx.Node, moving: list[fx.Node]) -> float:
    """Rows times a matrix that does not depend on the input, x W."""
    args, _ = walk.settings(node)
    if len(moving) > 1 or node.args[0] is not moving[0] or args[1].dim() != 2:
        raise Unknown("a product of matrices that is no x W")
    return walk.slopes[moving[0]] * linear_factor(args[1].mT)


def _convolved(args: tuple[Any, ...], kwargs: dict[str, Any]) -> float:
    names = ("input", "weight", "bias", "stride", "padding", "dilation", "groups")
    given = {**dict(zip(names, args, strict=False)), **kwargs}
    weight = given["weight"]
    dims = weight.dim() - 2

    def each(value: Any) -> tuple[int, ...]:  # noqa: ANN401
        return (value,) * dims if isinstance(value, int) else tuple(value)

    if isinstance(given.get("padding", 0), str):
        raise Unknown("a functional convolution with padding in words")
    return convolution_factor(
        weight, given["input"], padding=each(given.get("padding", 0)), dilation=each(given.get("dilation", 1)),
        groups=given.get("groups", 1),
    )  # fmt: skip


def _over(what: str) -> Callable[[tuple[Any, ...], dict[str, Any]], float]:
    """Sums and means over axes of an event: a sum of n entries has norm √n."""

    def factor(args: tuple[Any, ...], kwargs: dict[str, Any]) -> float:
        x, dims = args[0], kwargs.get("dim", args[1] if len(args) > 1 else None)
        if dims is None:
            raise Unknown(f"{what} over the batch")
        axes = [one % x.dim() for one in ((dims,) if isinstance(dims, int) else dims)]
        if 0 in axes:
            raise Unknown(f"{what} over the batch")
        count = math.prod(x.shape[one] for one in axes)
        return math.sqrt(count) if what == "sum" else 1 / math.sqrt(count)

    return factor


def _part(walk: _Walk, node: fx.Node, moving: list[fx.Node]) -> float:
    """A part of an event, each place once; or one of several results."""
    index = walk.settings(node)[0][1]
    plain = (int, slice, type(None), type(...))
    if not all(isinstance(one, plain) for one in (index if isinstance(index, tuple) else (index,))):
        raise Unknown("an index that may repeat places")
    return walk.slopes[moving[0]]


def _dropped(args: tuple[Any, ...], kwargs: dict[str, Any]) -> float:
    if kwargs.get("training", args[2] if len(args) > 2 else True):
        raise Unknown("dropout that is never switched off")
    return 1.0


def _leaky(args: tuple[Any, ...], kwargs: dict[str, Any]) -> float:
    return max(1.0, abs(float(kwargs.get("negative_slope", args[1] if len(args) > 1 else 0.01))))


def _not_of_the_batch(args: tuple[Any, ...], kwargs: dict[str, Any]) -> float:
    x, *rest = args
    if kwargs.get("dim", rest[0] if rest else 1) in (0, -x.dim()):
        raise Unknown("an operation along the batch")
    return 1.0


_RULES: dict[str, Rule] = {
    **dict.fromkeys(
        ("relu", "relu6", "tanh", "softplus", "hardtanh", "abs", "clamp", "clamp_min", "clamp_max", "neg",
         "flatten", "view", "reshape", "permute", "transpose", "squeeze", "unsqueeze", "contiguous", "clone", "to",
         "float", "double", "type_as", "narrow", "chunk", "split", "unbind", "select", "softsign",
         "logsigmoid", "sin", "cos", "movedim", "unflatten", "identity", "t", "mT", "swapaxes", "view_as", 
         "flip", "tanhshrink", "softshrink", "pixel_shuffle"),
        _times(1.0),
    ),
    "getitem": _part,
    **dict.fromkeys(("dropout", "dropout1d", "dropout2d", "alpha_dropout"), _times(_dropped)),
    "sigmoid": _times(0.25),
    "softmax": _times(0.5),
    "silu": _times(1.09985),
    "gelu": _times(1.12903),
    "selu": _times(1.7580993408473768),
    "elu": _times(lambda args, kwargs: max(1.0, abs(float(kwargs.get("alpha", args[1] if len(args) > 1 else 1.0))))),
    "leaky_relu": _times(_leaky),
    "add": _sum, "iadd": _sum, "sub": _sum, "isub": _sum, "rsub": _sum,
    "mul": _product, "imul": _product, "multiply": _product,
    "truediv": _quotient, "div": _quotient, "itruediv": _quotient,
    "cat": _joined, "concat": _joined, "stack": _joined,
    "maximum": _larger, "minimum": _larger,
    "sort": _times(_not_of_the_batch),
    "linear": _times(_linear),
    "matmul": _matmul, "mm": _matmul,
    **dict.fromkeys(("conv1d", "conv2d", "conv3d"), _times(_convolved)),
    "sum": _times(_over("sum")), "mean": _times(_over("mean")),
}  # fmt: skip
