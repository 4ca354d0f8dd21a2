"""A tape: the random draws of one run, in order, that can be kept as JSON and played again."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from genverify.errors import UsageError
from genverify.noise.draw import Draw, Parameter
from genverify.noise.laws import LAWS

__all__ = ["Tape"]

_FORMAT, _VERSION = "genverify.tape", 1
_DTYPES = {
    str(dtype).removeprefix("torch."): dtype
    for dtype in (
        torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.int64, torch.int32, torch.int16,
        torch.int8, torch.uint8, torch.bool, torch.complex64, torch.complex128,
    )
}  # fmt: skip


@dataclass(frozen=True, kw_only=True, eq=False)
class Tape:
    """The draws of one run, in order, and the sources of randomness that could not be controlled.

    >>> from genverify.noise import record
    >>> with record() as recorder:
    ...     _ = torch.randn(2)
    >>> [draw.law for draw in recorder.tape.draws]
    ['normal']
    >>> tape = Tape.from_json(recorder.tape.to_json())
    >>> torch.equal(tape.draws[0].value, recorder.tape.draws[0].value)
    True
    """

    draws: tuple[Draw, ...] = ()
    uncontrolled: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.draws)

    def to(self, *, dtype: torch.dtype | None = None, device: torch.device | str | None = None) -> Tape:
        """The same draws in another floating dtype or on another device; integer draws keep their dtype."""
        return replace(self, draws=tuple(_moved(draw, dtype, device) for draw in self.draws))

    def to_json(self) -> dict[str, Any]:
        """Plain JSON data; every float is written exactly, in hexadecimal."""
        return {
            "format": _FORMAT,
            "version": _VERSION,
            "uncontrolled": list(self.uncontrolled),
            "draws": [_draw_to_json(draw) for draw in self.draws],
        }

    @classmethod
    def from_json(cls, data: object) -> Tape:
        """Read what `to_json` wrote.

        Raises:
            UsageError: the data is not a tape, of another version, or damaged.
        """
        if not isinstance(data, Mapping) or data.get("format") != _FORMAT:
            raise _corrupt("data that is not a tape", f"a JSON object with format {_FORMAT!r}")
        if data.get("version") != _VERSION:
            raise _corrupt(f"a tape of version {data.get('version')!r}", f"version {_VERSION}")
        try:
            draws = tuple(_draw_from_json(item) for item in data["draws"])
            uncontrolled = tuple(str(name) for name in data["uncontrolled"])
        except UsageError:
            raise
        except (KeyError, TypeError, ValueError, OverflowError, RuntimeError, AttributeError) as error:
            raise _corrupt(f"a damaged tape ({type(error).__name__}: {error})", "what Tape.to_json wrote") from error
        return cls(draws=draws, uncontrolled=uncontrolled)


def _corrupt(given: str, expected: str) -> UsageError:
    return UsageError(given=given, expected=expected, do="record the tape again")


def _moved(draw: Draw, dtype: torch.dtype | None, device: torch.device | str | None) -> Draw:
    to_dtype = dtype if dtype is not None and draw.dtype.is_floating_point else draw.dtype
    to_device = torch.device(device) if device is not None else draw.device
    parameters = {
        name: value.to(to_device, to_dtype if value.is_floating_point() else value.dtype)
        if isinstance(value, Tensor)
        else value
        for name, value in draw.parameters.items()
    }
    value = draw.value.to(to_device, to_dtype if draw.value.is_floating_point() else draw.value.dtype)
    return replace(draw, dtype=to_dtype, device=to_device, parameters=parameters, value=value)


def _number(value: float | int | bool) -> str | int:
    return float(value).hex() if isinstance(value, float) else int(value)


def _tensor_to_json(tensor: Tensor) -> dict[str, Any]:
    flat = tensor.detach().cpu()
    flat = torch.view_as_real(flat) if flat.is_complex() else flat
    return {
        "dtype": str(tensor.dtype).removeprefix("torch."),
        "shape": list(tensor.shape),
        "data": [_number(value) for value in flat.reshape(-1).tolist()],
    }


def _dtype(name: object) -> torch.dtype:
    if not isinstance(name, str) or name not in _DTYPES:
        raise _corrupt(f"a tape with dtype {name!r}", "a dtype of torch")
    return _DTYPES[name]


def _tensor_from_json(data: Mapping[str, Any]) -> Tensor:
    dtype, shape = _dtype(data["dtype"]), tuple(int(side) for side in data["shape"])
    count = math.prod(shape) * (2 if dtype.is_complex else 1)
    if len(data["data"]) != count or any(side < 0 for side in shape):
        raise _corrupt(f"a tape with {len(data['data'])} numbers for shape {shape}", f"{count} numbers")
    numbers = [_number_from_json(item) for item in data["data"]]
    if dtype.is_complex:
        real = torch.float64 if dtype == torch.complex128 else torch.float32
        return torch.view_as_complex(torch.tensor(numbers, dtype=real).reshape(*shape, 2))
    return torch.tensor(numbers, dtype=dtype).reshape(shape)


def _number_from_json(item: object) -> float | int:
    if isinstance(item, str):
        return float.fromhex(item)
    if isinstance(item, int):
        return item
    raise _corrupt(f"a tape with {item!r} for a number", "an integer or a hexadecimal float")


def _draw_to_json(draw: Draw) -> dict[str, Any]:
    return {
        "law": draw.law,
        "op": draw.op,
        "site": draw.site,
        "in_backward": draw.in_backward,
        "device": str(draw.device),
        "dtype": str(draw.dtype).removeprefix("torch."),
        "parameters": {
            name: _tensor_to_json(value) if isinstance(value, Tensor) else _number(value)
            for name, value in draw.parameters.items()
        },
        "value": _tensor_to_json(draw.value),
        "standardised": None if draw.standardised is None else _tensor_to_json(draw.standardised),
    }


def _draw_from_json(data: Mapping[str, Any]) -> Draw:
    if data["law"] not in LAWS:
        raise _corrupt(f"a tape with a draw of law {data['law']!r}", "a law that genverify knows")
    parameters: dict[str, Parameter] = {
        str(name): _tensor_from_json(item) if isinstance(item, Mapping) else _number_from_json(item)
        for name, item in data["parameters"].items()
    }
    value = _tensor_from_json(data["value"])
    return Draw(
        law=data["law"],
        op=str(data["op"]),
        site=str(data["site"]),
        in_backward=bool(data["in_backward"]),
        device=torch.device(data["device"]),
        dtype=_dtype(data["dtype"]),
        parameters=parameters,
        shape=tuple(value.shape),
        value=value,
        standardised=None if data["standardised"] is None else _tensor_from_json(data["standardised"]),
    )
