"""One dispatch mode that sees every random draw torch makes, in code that nobody changed.

Every sampler of torch carries `torch.Tag.nondeterministic_seeded`. Two cautions. A tag is a possibility: attention at
dropout 0 is tagged and draws nothing. And `torch.compile` falls back to eager under any dispatch mode, so what is
seen here is the eager program, never the compiled one.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch._ops import OpOverload
from torch.utils._python_dispatch import TorchDispatchMode

from genverify.noise.draw import Draw, Parameter, Request, site_of_user_code
from genverify.noise.laws import LAWS

__all__ = ["PARSERS", "Interception", "Source", "bind", "draws_nothing", "rounded"]

Bound = Mapping[str, Any]


class Source(ABC):
    """Where the numbers of a draw come from."""

    wants_sites: bool

    @abstractmethod
    def feed(self, request: Request) -> Tensor | None:
        """The numbers to hand to the program, or None to let torch really draw."""

    @abstractmethod
    def drawn(self, draw: Draw) -> None:
        """Told of a draw that torch really made."""


def _standard_normal(b: Bound) -> dict[str, Parameter]:
    return {"mean": 0.0, "std": 1.0}


def _unit_uniform(b: Bound) -> dict[str, Parameter]:
    return {"low": 0.0, "high": 1.0}


def _mean_std(b: Bound) -> dict[str, Parameter]:
    return {"mean": b["mean"], "std": b["std"]}


def _integer_range(b: Bound) -> dict[str, Parameter]:
    high = b["high"]
    return {"low": b.get("low", 0), "high": int(high.item()) if isinstance(high, Tensor) else high}


def _random_range(b: Bound) -> dict[str, Parameter]:
    """`random_`: [from, to), or all of the dtype's range, where a float stops at its last exact integer."""
    if b.get("to") is not None:
        return {"low": b.get("from") or 0, "high": b["to"]}
    dtype = b["self"].dtype
    if dtype == torch.bool:
        top = 2
    elif dtype.is_floating_point:
        top = round(2 / torch.finfo(dtype).eps) + 1
    else:
        top = torch.iinfo(dtype).max + 1
    return {"low": b.get("from") or 0, "high": top}


PARSERS: Mapping[str, tuple[str, Callable[[Bound], dict[str, Parameter]]]] = {
    "randn": ("normal", _standard_normal),
    "randn_like": ("normal", _standard_normal),
    "normal": ("normal", _mean_std),
    "normal_functional": ("normal", _mean_std),
    "rand": ("uniform", _unit_uniform),
    "rand_like": ("uniform", _unit_uniform),
    "uniform": ("uniform", lambda b: {"low": b["from"], "high": b["to"]}),
    "exponential": ("exponential", lambda b: {"rate": b["lambd"]}),
    "log_normal": ("log_normal", _mean_std),
    "cauchy": ("cauchy", lambda b: {"median": b["median"], "sigma": b["sigma"]}),
    "geometric": ("geometric", lambda b: {"p": b["p"]}),
    "bernoulli": ("bernoulli", lambda b: {"p": b.get("p", b["self"])}),
    "randint": ("integers", _integer_range),
    "randint_like": ("integers", _integer_range),
    "random": ("integers", _random_range),
    "randperm": ("permutation", lambda b: {"n": b["n"]}),
    "multinomial": ("categorical", lambda b: {"weights": b["self"]}),
    "binomial": ("binomial", lambda b: {"count": b["count"], "p": b["prob"]}),
    "poisson": ("poisson", lambda b: {"rate": b["self"]}),
    "_standard_gamma": ("gamma", lambda b: {"concentration": b["self"]}),
    "_sample_dirichlet": ("dirichlet", lambda b: {"concentration": b["self"]}),
    "native_dropout": ("bernoulli", lambda b: {"p": 1.0 - b["p"]}),
    "_fused_dropout": ("bernoulli", lambda b: {"p": b["p"]}),
    "rrelu_with_noise": ("uniform", lambda b: {"low": float(b["lower"]), "high": float(b["upper"])}),
}


def bind(func: OpOverload, args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of an operation under the names of its schema, its defaults included."""
    bound: dict[str, Any] = {}
    for position, argument in enumerate(func._schema.arguments):
        if position < len(args):
            bound[argument.name] = args[position]
        elif argument.name in kwargs:
            bound[argument.name] = kwargs[argument.name]
        elif argument.has_default_value():
            bound[argument.name] = argument.default_value
    return bound


def draws_nothing(base: str, b: Bound) -> bool:
    """Tagged as possibly random, but not with these arguments."""
    if base.endswith("_backward") or base in ("_fused_sdp_choice", "_flash_attention_forward_no_dropout_inplace"):
        return True
    for name in ("dropout_p", "dropout"):
        if name in b and b[name] == 0:
            return True
    if base in ("native_dropout", "lstm", "gru", "rnn_tanh", "rnn_relu") and b.get("train") is False:
        return True
    if base.startswith("_cudnn_rnn") and not b.get("train"):
        return True
    return base.startswith("rrelu") and not b["training"]


def _meta_of_result(base: str, b: Bound) -> tuple[tuple[int, ...], torch.dtype, torch.device]:
    """Shape, dtype and device of the numbers drawn."""
    default = torch.get_default_dtype()
    if "size" in b or base == "randperm":
        shape = (int(b["n"]),) if base == "randperm" else tuple(int(side) for side in b["size"])
        out = b.get("out")
        dtype = out.dtype if isinstance(out, Tensor) else b.get("dtype")
        if not isinstance(dtype, torch.dtype):  # unset, or the schema's own default, a plain number
            dtype = torch.int64 if base in ("randperm", "randint") else default
        device = out.device if isinstance(out, Tensor) else b.get("device")
        return shape, dtype, torch.device(device if device is not None else torch.get_default_device())
    if base == "multinomial":
        weights = b["self"]
        return (*weights.shape[:-1], int(b["num_samples"])), torch.int64, weights.device
    tensors = [b[name] for name in ("self", "mean", "std", "count", "prob", "input") if isinstance(b.get(name), Tensor)]
    if base in ("normal", "binomial"):
        shape = tuple(torch.broadcast_shapes(*(tensor.shape for tensor in tensors)))
    else:
        shape = tuple(tensors[0].shape)
    like = b.get("out") if isinstance(b.get("out"), Tensor) else tensors[0]
    assert isinstance(like, Tensor)
    return shape, b.get("dtype") or like.dtype, torch.device(b.get("device") or like.device)


class Interception(TorchDispatchMode):
    """Hands every draw of the program to a source, and the source's numbers to the program."""

    def __init__(self, source: Source, *, own_generators: bool = True) -> None:
        super().__init__()
        self.source = source
        self.own_generators = own_generators

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Says no: torch would wrap the function below, at some ten microseconds for each operation of the program."""
        return False

    def __torch_dispatch__(
        self,
        func: OpOverload,
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> object:
        """Torch's hook: every operation of the program passes through here."""
        kwargs = kwargs or {}
        packet = func._schema.name
        base = packet.removeprefix("aten::")
        base = base[:-1] if base.endswith("_") and not base.startswith("__") else base
        if torch.Tag.nondeterministic_seeded not in func.tags and base not in PARSERS:
            return func(*args, **kwargs)
        bound = bind(func, args, kwargs)
        if draws_nothing(base, bound):
            return func(*args, **kwargs)
        if base not in PARSERS and torch._C._dispatch_has_kernel_for_dispatch_key(
            func.name(), "CompositeImplicitAutograd"
        ):
            with self:  # inference mode shows composites whole: look inside for the draws
                return func.decompose(*args, **kwargs)
        return self._answer(func, base, bound, args, kwargs)

    def _answer(
        self, func: OpOverload, base: str, bound: dict[str, Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> object:
        request = self._request(func, base, bound)
        if request.device.type == "meta":
            return func(*args, **kwargs)
        numbers = self.source.feed(request)
        if numbers is not None:
            return _deliver(base, func, bound, request, numbers)
        if not self.own_generators and bound.get("generator") is not None:
            args = tuple(None if isinstance(a, torch.Generator) else a for a in args)
            kwargs = {name: None if isinstance(a, torch.Generator) else a for name, a in kwargs.items()}
        result = func(*args, **kwargs)
        self.source.drawn(_as_draw(base, bound, request, result))
        return result

    def _request(self, func: OpOverload, base: str, bound: dict[str, Any]) -> Request:
        site = site_of_user_code() if self.source.wants_sites else ""
        in_backward = torch._C._current_graph_task_id() != -1
        where = {"op": func._schema.name, "site": site, "in_backward": in_backward}
        if base not in PARSERS:
            tensor = next((value for value in bound.values() if isinstance(value, Tensor)), None)
            device = tensor.device if tensor is not None else torch.device("cpu")
            dtype = tensor.dtype if tensor is not None else torch.get_default_dtype()
            shape = tuple(tensor.shape) if tensor is not None else ()
            return Request(law="unknown", parameters={}, shape=shape, dtype=dtype, device=device, **where)
        law, parse = PARSERS[base]
        shape, dtype, device = _meta_of_result(base, bound)
        if base == "multinomial" and not bound["replacement"] and shape[-1] > 1:
            law = "ordered subset"
        if dtype.is_complex:
            law = f"complex {law}" if f"complex {law}" in LAWS else "unknown"
        parameters = {
            name: value.detach().clone() if isinstance(value, Tensor) else value for name, value in parse(bound).items()
        }
        return Request(law=law, parameters=parameters, shape=shape, dtype=dtype, device=device, **where)


def _as_draw(base: str, bound: Bound, request: Request, result: object) -> Draw:
    """The numbers that torch drew, read off the operation's result."""
    if base == "rrelu_with_noise":
        value = bound["noise"]
    elif isinstance(result, tuple | list):
        value = result[1 if base in ("native_dropout", "_fused_dropout") else 0]
    else:
        value = result
    assert isinstance(value, Tensor)
    value = value.detach().clone()
    standardise = LAWS[request.law].standardise
    standard = None
    if standardise is not None:
        standard = standardise(request.parameters, value.to("cpu", torch.float64))
    fields = {name: getattr(request, name) for name in ("law", "op", "parameters", "dtype", "site", "in_backward")}
    return Draw(**fields, shape=tuple(value.shape), device=request.device, value=value, standardised=standard)


def rounded(request: Request, numbers: Tensor) -> Tensor:
    """The numbers in the program's dtype, kept inside the law's support when rounding would leave it."""
    value = numbers.to(request.device, request.dtype)
    if not request.dtype.is_floating_point:
        return value
    if request.law == "exponential":
        return value.clamp_min(torch.finfo(request.dtype).tiny)
    if request.law == "uniform" and not isinstance(request.parameters["high"], Tensor):
        low, high = float(request.parameters["low"]), float(request.parameters["high"])
        if high > low:
            top = torch.tensor(high, dtype=request.dtype, device=request.device)
            value = torch.where(value >= top, torch.nextafter(top, torch.full_like(top, -math.inf)), value)
    return value


def _deliver(base: str, func: OpOverload, bound: Bound, request: Request, numbers: Tensor) -> object:
    """Answer the operation with these numbers: in place, into `out`, or as a new tensor."""
    if base in ("native_dropout", "_fused_dropout"):
        kept, keep = numbers.to(request.device), float(request.parameters["p"])
        source = bound["input"] if base == "native_dropout" else bound["self"]
        scaled = source * kept.to(source.dtype) * (1.0 / keep if keep > 0 else 0.0)
        return scaled, kept.to(torch.bool if base == "native_dropout" else torch.uint8)
    value = rounded(request, numbers)
    if base == "rrelu_with_noise":
        source = bound["self"]
        slope = torch.where(source <= 0, value, torch.ones_like(value))
        bound["noise"].copy_(slope)
        if func._schema.name.endswith("_"):
            return source.mul_(slope)
        return source * slope
    if func._schema.name.endswith("_"):
        return bound["self"].copy_(value)
    out = bound.get("out")
    if isinstance(out, Tensor):
        if tuple(out.shape) != request.shape:
            out.resize_(request.shape)
        return out.copy_(value)
    if base.endswith("_like"):
        return torch.empty_like(bound["self"], dtype=request.dtype, device=request.device).copy_(value)
    return value.clone() if value is numbers else value
