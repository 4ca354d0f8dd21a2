"""A program compiled by inductor, whose random draws have become inputs of its graphs, fed from a tape.

Under a dispatch mode `torch.compile` falls back to eager, so draws cannot be intercepted while compiled code runs. They
are taken out before: once AOTAutograd has traced a graph, each of its random nodes is replaced by a placeholder, and
inductor compiles what is left. Whoever calls the graph is given the numbers of the tape in the order of the nodes,
which is the order of the program. Every call of a compiled graph is counted: where there was none, eager code ran.
"""

from __future__ import annotations

import contextlib
import logging
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, fx
from torch._ops import OpOverload

from genverify.noise.draw import Request
from genverify.noise.interception import PARSERS, bind, draws_nothing, rounded
from genverify.noise.replay import Player
from genverify.noise.tape import Tape

__all__ = ["Compiled"]

_FUSED = ("native_dropout", "_fused_dropout")
# Whose parts cannot be told from one number each: an activation's slopes, a whole recurrent layer.
_WHOLE = ("rrelu_with_noise", "rrelu_with_noise_functional")
# Laws whose parameters torch's operations take as numbers; what else they take says the shape alone.
_BY_NUMBERS = ("normal", "uniform", "exponential", "log_normal", "cauchy", "integers")


class Compiled:
    """A function under `torch.compile`.

    Attributes:
        calls: How many times a compiled graph ran.
        unread: The random operations in compiled graphs that cannot be fed from a tape.

    >>> Compiled(torch.sin).breaks()
    []
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self.calls = 0
        self.unread: list[str] = []
        self._player = Player(Tape())
        self._counters: Mapping[str, int] = {}
        # Nested functions of one place share their code, and torch remembers graphs by code.
        torch._dynamo.reset()
        torch._dynamo.utils.counters.clear()
        self._function = torch.compile(function, backend=self._backend)

    def __call__(self, *arguments: Any) -> Any:  # noqa: ANN401 - as the function
        """The function's result; draws come from the tape that is played."""
        return self._function(*arguments)

    @contextlib.contextmanager
    def playing(self, tape: Tape) -> Iterator[None]:
        """The draws of compiled graphs, forwards and backwards, come from the tape.

        Raises:
            TapeMismatch: They are not those of the tape.
        """
        self._player = Player(tape)
        with _silent():
            yield
        self._player.finish()

    def breaks(self) -> list[str]:
        """Why the graph broke, the first line of each reason."""
        found = torch._dynamo.utils.counters["graph_break"]
        return [" ".join(str(reason).strip().splitlines()[0].split()) for reason in found]

    def _backend(self, graph: fx.GraphModule, inputs: Sequence[Any]) -> Any:  # noqa: ANN401 - as dynamo calls it
        from torch._functorch import config
        from torch._inductor.compile_fx import compile_fx
        from torch._inductor.decomposition import select_decomp_table

        table = {op: how for op, how in select_decomp_table().items() if not _is_random(op)}
        # A graph out of a cache has been compiled without our placeholders.
        with config.patch(enable_autograd_cache=False):
            return compile_fx(
                graph, list(inputs), inner_compile=self._inner, decompositions=table,
                config_patches={"fallback_random": True, "fx_graph_cache": False},
            )  # fmt: skip

    def _inner(self, graph: fx.GraphModule, inputs: Sequence[Any], **options: Any) -> Any:  # noqa: ANN401
        from torch._inductor.compile_fx import compile_fx_inner

        asked, added = self._without_draws(graph)
        compiled: Any = compile_fx_inner(graph, [*inputs, *added], **options)

        def run(arguments: list[Any]) -> Any:  # noqa: ANN401 - whatever the graph returns
            self.calls += 1
            numbers = [self._fed(request, like) for request, like in zip(asked, added, strict=True)]
            given = [*arguments, *numbers]
            arguments.clear()
            return compiled(given)

        run._boxed_call = True  # type: ignore[attr-defined]
        return run

    def _fed(self, request: Request, like: Tensor) -> Tensor:
        numbers = self._player.feed(request)
        assert numbers is not None
        value = rounded(request, numbers)
        made = torch.empty_strided(tuple(like.shape), like.stride(), dtype=value.dtype, device=request.device)
        return made.copy_(value)

    def _without_draws(self, graph: fx.GraphModule) -> tuple[list[Request], list[Tensor]]:
        """Takes the draws out of a graph; what will be asked for in their place, and of what shape."""
        nodes = graph.graph
        asked: list[Request] = []
        added: list[Tensor] = []
        for node in list(nodes.nodes):
            if node.op != "call_function" or not isinstance(node.target, OpOverload) or not _is_random(node.target):
                continue
            base = _base(node.target)
            bound = bind(node.target, node.args, node.kwargs)
            if draws_nothing(base, bound):
                continue
            if base not in PARSERS or base in _WHOLE:
                self.unread.append(str(node.target))
                continue
            value = node.meta["val"]
            like = value[1] if base in _FUSED else value
            request = _request(base, bound, like)
            last = [one for one in nodes.nodes if one.op == "placeholder"]
            with nodes.inserting_after(last[-1]) if last else nodes.inserting_before(next(iter(nodes.nodes))):
                fed = nodes.placeholder(f"draw_{len(asked)}")
            fed.meta["val"] = like
            with nodes.inserting_before(node):
                _deliver(nodes, node, fed, base, bound)
            asked.append(request)
            added.append(like)
        if asked:
            nodes.eliminate_dead_code()
            nodes.lint()
            graph.recompile()
        return asked, added


def _base(op: OpOverload) -> str:
    base = op._schema.name.removeprefix("aten::")
    return base[:-1] if base.endswith("_") and not base.startswith("__") else base


def _is_random(op: Any) -> bool:  # noqa: ANN401 - an operation
    return isinstance(op, OpOverload) and torch.Tag.nondeterministic_seeded in op.tags


def _request(base: str, bound: Mapping[str, Any], like: Tensor) -> Request:
    law, parse = PARSERS[base]
    if base == "multinomial" and not bound["replacement"] and like.shape[-1] > 1:
        law = "ordered subset"
    # A parameter that is made of other results is not known yet: of a normal law the standard draw is fed, and of the
    # others, whose draws have no standard form, the draw as it was.
    computed = any(isinstance(bound.get(name), fx.Node) for name in ("mean", "std", "self", "p", "prob", "count"))
    if computed and base == "normal":
        parameters: dict[str, Any] = {"mean": 0.0, "std": 1.0}
    else:
        parameters = parse(bound) if not computed or law in _BY_NUMBERS else {}
    return Request(
        law=law, op=f"compiled {base}", parameters=parameters, shape=tuple(like.shape), dtype=like.dtype,
        device=like.device,
    )  # fmt: skip


def _deliver(nodes: fx.Graph, node: fx.Node, fed: fx.Node, base: str, bound: Mapping[str, Any]) -> None:
    """The numbers in the place of the draw; what is fused with it is computed from them."""
    aten = torch.ops.aten
    if base not in _FUSED:
        found = fed
        if base == "normal" and any(isinstance(bound[name], fx.Node) for name in ("mean", "std")):
            found = _called(nodes, aten.mul, fed, bound["std"])
            found = _called(nodes, aten.add, found, bound["mean"])
            found.meta["val"] = node.meta["val"]
        node.replace_all_uses_with(found)
        nodes.erase_node(node)
        return
    source = bound["input"] if base == "native_dropout" else bound["self"]
    keep = 1.0 - bound["p"] if base == "native_dropout" else bound["p"]
    scaled = nodes.call_function(aten.mul.Tensor, (source, fed))
    scaled = nodes.call_function(aten.mul.Tensor, (scaled, 1.0 / keep if keep > 0 else 0.0))
    scaled.meta["val"] = node.meta["val"][0]
    for user in list(node.users):
        user.replace_all_uses_with(scaled if user.args[1] == 0 else fed)
        nodes.erase_node(user)
    nodes.erase_node(node)


def _called(nodes: fx.Graph, op: Any, one: fx.Node, other: Any) -> fx.Node:  # noqa: ANN401
    return nodes.call_function(op.Tensor if isinstance(other, fx.Node) else op.Scalar, (one, other))


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    """What compilers say while they work is not the user's to read."""
    loggers = [logging.getLogger(name) for name in ("torch._dynamo", "torch._inductor")]
    kept = [one.level for one in loggers]
    try:
        for one in loggers:
            one.setLevel(logging.CRITICAL)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for one, level in zip(loggers, kept, strict=True):
            one.setLevel(level)
