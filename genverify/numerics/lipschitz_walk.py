"""A walk through a network's forward, along which every value keeps a bound of its slope in the input.

The forward runs under torch.fx's tracer. Each operation on what depends on the input is evaluated at once, on events
of zeros, so that shapes are plain numbers, and what does not depend on the input (a weight, however it is computed) is
never traced. Where an operation has no rule, what follows from it has no bound; that is the result only if the output
follows from it.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterator, Mapping
from typing import Any, cast

from torch import Tensor, fx, nn
from torch.fx.node import map_arg
from torch.utils._pytree import tree_leaves

from .lipschitz_rules import Unknown, factor_of_layer, own_layer

__all__ = ["Rule", "Walk", "operation"]

_PROPERTIES = ("shape", "dtype", "device", "ndim", "layout", "is_cuda", "itemsize", "requires_grad")
# Operations whose rules count a value as often as it is among the arguments, or refuse it themselves.
_OF_THE_SAME = frozenset(
    "add iadd radd sub isub rsub subtract cat concat concatenate stack hstack vstack dstack maximum minimum fmax fmin "
    "max min mul imul rmul multiply".split()
)
_METHODS = ("size", "dim", "ndimension", "numel", "nelement", "is_floating_point", "is_contiguous", "stride")


class _Known(fx.Proxy):
    """A value of which shape, dtype and device are known while it is traced."""

    def __getattr__(self, k: str) -> Any:  # noqa: ANN401 - whatever attribute of a tensor is asked for
        if k in _PROPERTIES or k in _METHODS:
            return getattr(self._known(), k)
        if k == "data":  # what is written there is seen by no version counter
            raise Unknown("the .data of a value")
        return super().__getattr__(k)

    def __setattr__(self, k: str, v: Any) -> None:  # noqa: ANN401
        if k not in ("tracer", "node"):
            raise Unknown(f"an assignment to .{k} of a value")
        super().__setattr__(k, v)

    def __len__(self) -> int:
        return len(self._known())

    def _known(self) -> Any:  # noqa: ANN401
        assert isinstance(self.tracer, Walk)
        return self.tracer.values[self.node]

    def __iter__(self) -> Iterator[Any]:
        return iter([operator.getitem(cast("Any", self), i) for i in range(len(self))])


class Walk(fx.Tracer):
    """What is known of each node of a forward: its value, a bound of its slope, or why there is none.

    Attributes:
        values: Node → what it is on events of zeros.
        slopes: Node → a Lipschitz constant of it as a function of the input, or infinity.
        reasons: Node without a bound → the operation that has no rule.
        factors: How many rules were used.
        sharper: After each rule: (walk, node) → another bound, or infinity; the smaller holds.
    """

    def __init__(
        self, x: Tensor, rules: Mapping[str, Rule], sharper: tuple[Callable[[Walk, fx.Node], float], ...] = ()
    ) -> None:
        super().__init__()
        self.x, self.rules, self.sharper = x, rules, sharper
        self.values: dict[fx.Node, Any] = {}
        self.slopes: dict[fx.Node, float] = {}
        self.reasons: dict[fx.Node, str] = {}
        self.factors = 0
        self._versions: dict[fx.Node, list[int]] = {}
        self._doubtful: set[fx.Node] = set()  # made of something that was changed in place, or of what is made of it
        self._broken = ""

    def bound(self, module: nn.Module, output: int | str | None = None) -> float:
        """A Lipschitz constant of the module; of one of its results, by index or key.

        Raises:
            Unknown: An operation on the way to the output has no rule; it is named.
        """
        graph = self.trace(nn.Sequential(module))
        result: Any = next(node for node in graph.nodes if node.op == "output").args[0]
        if output is not None and not isinstance(result, fx.Node):
            result = result[output]
        moving = [one for one in tree_leaves(result) if isinstance(one, fx.Node) and self.slope(one) > 0]
        if self._broken:
            raise Unknown(self._broken)
        for one in moving:
            self._unchanged(one)
        if len(moving) > 1:
            raise Unknown("several results")
        if not moving:
            return 0.0
        if math.isinf(self.slopes[moving[0]]):
            raise Unknown(self.reasons.get(moving[0], "a bound that overflows"))
        return self.slopes[moving[0]]

    def slope(self, node: fx.Node) -> float:
        """The bound of a node; of what does not depend on the input, zero."""
        return self.slopes.get(node, 0.0)

    def moving(self, node: fx.Node) -> list[fx.Node]:
        """The arguments of a node that depend on the input."""
        return [one for one in node.all_input_nodes if self.slope(one) > 0]

    def settings(self, node: fx.Node) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The arguments of a node, as values."""
        args: Any = map_arg(node.args, self._value)
        kwargs: Any = map_arg(node.kwargs, self._value)
        return args, kwargs

    def _value(self, node: fx.Node) -> Any:  # noqa: ANN401
        if node not in self.values:  # a tensor that the tracer put into the graph
            found: Any = self.root
            for name in str(node.target).split("."):
                found = getattr(found, name)
            self.values[node] = found
        return self.values[node]

    # What follows is fx's: the names are given.
    def proxy(self, node: fx.Node) -> fx.Proxy:
        """A value whose shape is known."""
        return _Known(node, self)

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        """A layer that computes what torch's computes has a rule of its own."""
        return own_layer(m) is not None

    def getattr(self, attr: str, attr_val: Any, parameter_proxy_cache: dict[str, Any]) -> Any:  # noqa: ANN401
        """Parameters are what they are."""
        return attr_val

    def create_arg(self, a: Any) -> Any:  # noqa: ANN401
        """A parameter is a tensor like others, whether the module knows it or not."""
        return super().create_arg(a.detach() if isinstance(a, nn.Parameter) else a)

    def call_module(
        self, m: nn.Module, forward: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:  # noqa: ANN401
        """A module that is called on nothing that depends on the input is called, and not traced."""
        if not any(isinstance(one, fx.Proxy) for one in tree_leaves((args, kwargs))):
            return forward(*args, **kwargs)
        if self.is_leaf_module(m, ""):
            return self.create_proxy("call_module", self.path_of_module(m), args, kwargs)
        return forward(*args, **kwargs)

    def create_proxy(
        self, kind: str, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any], *others: Any, **more: Any  # noqa: ANN401
    ) -> fx.Proxy:  # fmt: skip
        """A node, evaluated at once."""
        proxy = super().create_proxy(kind, target, args, kwargs, *others, **more)
        node = proxy.node
        try:
            self._step(node)
        except Unknown as unknown:
            self.slopes[node], self.reasons[node] = math.inf, str(unknown)
        found = self.values.get(node)
        parts = found if isinstance(found, (tuple, list)) else (found,)
        self._versions[node] = [one._version for one in parts if isinstance(one, Tensor)]
        return proxy

    def _step(self, node: fx.Node) -> None:
        if node.op == "placeholder":
            self.values[node], self.slopes[node] = self.x, 1.0
            return
        args, kwargs = self.settings(node)
        still = [self._value(one) for one in node.all_input_nodes if not self.slope(one) > 0]
        before = [one._version for one in still if isinstance(one, Tensor)]
        changed = [one for one in node.all_input_nodes if self._stale(one)]
        self.values[node] = self._run(node, args, kwargs)
        if before != [one._version for one in still if isinstance(one, Tensor)]:
            self._broken = f"{operation(node)} into a tensor that does not depend on the input"
        if changed or not self._doubtful.isdisjoint(node.all_input_nodes):
            # What is known of a node by its place in the graph is not known of what was written over it.
            self._doubtful.add(node)
            raise Unknown("a value that is changed in place and used again")
        moving = self.moving(node)
        if not moving:
            self.slopes[node] = 0.0
            return
        self.factors += 1
        self.slopes[node] = math.inf
        try:
            self._ruled(node, moving)
        except Unknown as unknown:
            self.reasons[node] = str(unknown)
        for one in self.sharper:
            self.slopes[node] = min(self.slopes[node], one(self, node))

    def _run(self, node: fx.Node, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:  # noqa: ANN401
        if node.op == "call_module":
            return self.root.get_submodule(str(node.target))(*args, **kwargs)
        if node.op == "call_method":
            return getattr(args[0], str(node.target))(*args[1:], **kwargs)
        assert callable(node.target)
        return node.target(*args, **kwargs)

    def _ruled(self, node: fx.Node, moving: list[fx.Node]) -> None:
        for one in moving:
            if math.isinf(self.slopes[one]):
                raise Unknown(self.reasons.get(one, "a bound that overflows"))
        if not _continuous(self.values[node]):
            raise Unknown(f"{operation(node)} (a step function)")
        if node.op == "call_module":
            if len(moving) > 1:
                raise Unknown(f"{node.target} of two results that depend on the input")
            layer = self.root.get_submodule(str(node.target))
            self.slopes[node] = self.slopes[moving[0]] * factor_of_layer(layer, self.values[moving[0]])
            return
        rule = self.rules.get(operation(node))
        if rule is None:
            raise Unknown(operation(node))
        leaves = tree_leaves((node.args, dict(node.kwargs)))
        if operation(node) not in _OF_THE_SAME and any(leaves.count(one) > 1 for one in moving):
            raise Unknown(f"{operation(node)} of a value and itself")
        self.slopes[node] = rule(self, node, moving)

    def _stale(self, node: fx.Node) -> bool:
        """Whether a value was written to after it had been computed."""
        found = self._value(node)
        parts = found if isinstance(found, (tuple, list)) else (found,)
        now = [one._version for one in parts if isinstance(one, Tensor)]
        return self._versions.get(node, now) != now

    def _unchanged(self, node: fx.Node) -> None:
        if self._stale(node):
            raise Unknown("a value that is changed in place and used again")


Rule = Callable[[Walk, fx.Node, list[fx.Node]], float]


def operation(node: fx.Node) -> str:
    """The name of what a node does, whether it is a function, a method or an operator, in place or not."""
    if node.op == "call_module":
        return str(node.target)
    name = node.target if isinstance(node.target, str) else getattr(node.target, "__name__", str(node.target))
    if name == "getattr":
        return str(node.args[1])
    if name.startswith("__") and name.endswith("__"):
        name = name[2:-2]
    return name.lstrip("_").removesuffix("_")


def _continuous(value: Any) -> bool:  # noqa: ANN401
    """Whether a value, or some of its parts, are floating-point tensors."""
    if isinstance(value, (tuple, list)):
        return any(_continuous(one) for one in value)
    return isinstance(value, Tensor) and (value.dtype.is_floating_point or value.dtype.is_complex)
