"""One input to a check, as data that can be written down, sent and read back exactly."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch

from genverify.errors import UsageError

__all__ = ["Case", "decode", "encode", "render"]

_DTYPES = {
    str(d).removeprefix("torch."): d
    for d in (
        torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.complex64, torch.complex128,
        torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.bool,
    )
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Case:
    """Named values: tensors, numbers, words, lists of these, and functions given by a few numbers.

    Attributes:
        values: Argument or role to value.
        seed: Seeds torch's generator while the case is judged, so that draws nobody intercepts repeat.
    """

    values: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 0

    def __getitem__(self, name: str) -> Any:  # noqa: ANN401 - a case holds anything
        """The value of that name."""
        return self.values[name]

    def __contains__(self, name: str) -> bool:
        """Whether the case has a value of that name."""
        return name in self.values

    def tensors(self) -> Iterator[tuple[str, torch.Tensor]]:
        """The values that are tensors."""
        for name, value in self.values.items():
            if isinstance(value, torch.Tensor):
                yield name, value

    def __deepcopy__(self, memo: dict[int, Any]) -> Case:
        """A case of its own tensors: a check, or a subject, may write into them."""
        return Case(values={name: _copy(value, memo) for name, value in self.values.items()}, seed=self.seed)

    def rendered(self) -> dict[str, str]:
        """The values as short text, for a verdict; entries whose name begins with # describe the case itself."""
        return {name: render(value) for name, value in self.values.items() if not name.startswith("#")}

    def to_data(self) -> dict[str, Any]:
        """JSON data from which `from_data` makes the same case, bit for bit."""
        return {"seed": self.seed, "values": {name: encode(value) for name, value in self.values.items()}}

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Case:
        """The case that `to_data` described.

        Raises:
            UsageError: The data are not a case.
        """
        try:
            values = {str(name): decode(value) for name, value in data["values"].items()}
            return cls(values=values, seed=int(data["seed"]))
        except (KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
            raise UsageError(
                given=f"case data that cannot be read ({error})",
                expected="what Case.to_data wrote",
                do="copy the replay token whole, from the report of this version of genverify",
            ) from error


def _copy(value: Any, memo: dict[int, Any]) -> Any:  # noqa: ANN401 - a case holds anything
    if type(value) is not torch.Tensor or value.requires_grad or id(value) in memo:
        return copy.deepcopy(value, memo)
    if value.is_contiguous():
        made = value.clone()
    elif value.layout is torch.strided and min(value.stride()) > 0:  # a view with gaps stays one
        made = torch.empty_strided(value.size(), value.stride(), dtype=value.dtype, device=value.device).copy_(value)
    else:
        return copy.deepcopy(value, memo)
    memo[id(value)] = made
    return made


def encode(value: Any) -> Any:  # noqa: ANN401 - JSON data are of any type
    """A value as JSON data; floats are written in hexadecimal, so nothing is rounded.

    >>> decode(encode(torch.tensor([0.1, float("inf")])))
    tensor([0.1000,    inf])
    """
    if isinstance(value, torch.Tensor):
        flat = value.detach().cpu().reshape(-1)
        if value.is_complex():
            items: list[Any] = [[z.real.hex(), z.imag.hex()] for z in flat.to(torch.complex128).tolist()]
        elif value.is_floating_point():
            items = [number.hex() for number in flat.to(torch.float64).tolist()]
        else:
            items = flat.tolist()
        data: dict[str, Any] = {
            "tensor": items, "dtype": str(value.dtype).removeprefix("torch."), "shape": list(value.shape)
        }  # fmt: skip
        if not value.is_contiguous():
            data["stride"] = list(value.stride())
        return data
    if isinstance(value, float):
        return {"float": value.hex()}
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, (list, tuple)):
        return {type(value).__name__: [encode(item) for item in value]}
    if isinstance(value, Mapping):
        return {"dict": {str(key): encode(item) for key, item in value.items()}}
    if hasattr(value, "to_data") and hasattr(type(value), "from_data"):
        from genverify.subjects.functions import name_of

        return {"function": name_of(value), "data": encode(value.to_data())}
    raise UsageError(
        given=f"a value of type {type(value).__name__} in a case",
        expected="a tensor, number, word, list or dict of these, or a function of genverify.subjects.functions",
        do="give the strategy one of these",
    )


def decode(data: Any) -> Any:  # noqa: ANN401 - JSON data are of any type
    """The value that `encode` described."""
    if data is None or isinstance(data, (bool, int, str)):
        return data
    if not isinstance(data, Mapping):
        raise TypeError(f"cannot decode {type(data).__name__}")
    if "tensor" in data:
        return _decode_tensor(data)
    if "float" in data:
        return float.fromhex(data["float"])
    if "list" in data:
        return [decode(item) for item in data["list"]]
    if "tuple" in data:
        return tuple(decode(item) for item in data["tuple"])
    if "dict" in data:
        return {key: decode(item) for key, item in data["dict"].items()}
    if "function" in data:
        from genverify.subjects.functions import by_name

        return by_name(data["function"]).from_data(decode(data["data"]))
    raise ValueError(f"unknown encoding with keys {sorted(data)[:4]}")


def _decode_tensor(data: Mapping[str, Any]) -> torch.Tensor:
    dtype, shape, items = _DTYPES[data["dtype"]], tuple(int(n) for n in data["shape"]), data["tensor"]
    if dtype.is_complex:
        numbers: list[Any] = [complex(float.fromhex(re), float.fromhex(im)) for re, im in items]
    elif dtype.is_floating_point:
        numbers = [float.fromhex(item) for item in items]
    else:
        numbers = list(items)
    tensor = torch.tensor(numbers, dtype=dtype).reshape(shape)
    if "stride" in data:
        stride = tuple(int(n) for n in data["stride"])
        laid_out = torch.empty_strided(shape, stride, dtype=dtype)
        if 0 not in stride or tensor.numel() == 0:
            tensor = laid_out.copy_(tensor)
    return tensor


def render(value: Any, limit: int = 240) -> str:  # noqa: ANN401 - a case holds anything
    """A value as text that a person can paste, shortened when it is long.

    >>> render(torch.tensor([[0.0, 1.5]]))
    '[[0., 1.5]]'
    """
    if isinstance(value, torch.Tensor):
        text = _render_nested(value.detach().cpu().tolist())
        if value.dtype in (torch.float16, torch.bfloat16):
            text += f" ({str(value.dtype).removeprefix('torch.')})"
    elif isinstance(value, float):
        text = _render_nested(value)
    else:
        text = json.dumps(value) if isinstance(value, (list, dict, str)) and not _has_tensor(value) else repr(value)
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _has_tensor(value: Any) -> bool:  # noqa: ANN401
    items = value.values() if isinstance(value, dict) else value if isinstance(value, (list, tuple)) else ()
    return any(not isinstance(item, (int, float, str, bool, type(None))) for item in items)


def _render_nested(value: Any) -> str:  # noqa: ANN401
    if isinstance(value, list):
        return "[" + ", ".join(_render_nested(item) for item in value) + "]"
    if isinstance(value, float):
        text = repr(value)
        return text[:-1] if text.endswith(".0") else text
    return repr(value)
