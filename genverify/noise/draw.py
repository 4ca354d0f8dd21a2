"""One random draw, as the program asked for it and as it came out."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from genverify.errors import GenverifyError

__all__ = ["Draw", "Parameter", "Request", "TapeMismatch", "site_of_user_code"]

Parameter = Tensor | float | int

# Frames that pass a draw along; "<@...>" is a wrapper that beartype made.
_NOT_THE_USER = {"torch", "contextlib", "jaxtyping", "beartype"}


class TapeMismatch(GenverifyError):
    """The program asked for draws other than those on the tape."""

    def __init__(self, *, given: str, expected: str, do: str) -> None:
        self.given, self.expected, self.do = given, expected, do
        super().__init__(f"got {given}; expected {expected}; {do}")


@dataclass(frozen=True, kw_only=True, eq=False)
class Request:
    """What a program asks of a random generator: a law with its parameters, a shape, a dtype, a device.

    `law` is "unknown" where genverify cannot say how the numbers are distributed; such a draw can be named
    but neither replayed nor integrated.
    """

    law: str
    op: str
    parameters: Mapping[str, Parameter]
    shape: tuple[int, ...]
    dtype: torch.dtype
    device: torch.device
    site: str = ""
    in_backward: bool = False

    def __str__(self) -> str:
        where = f" at {self.site}" if self.site else ""
        again = ", in the backward pass" if self.in_backward else ""
        return f"{self.law} {self.shape} by {self.op}{where}{again}"


@dataclass(frozen=True, kw_only=True, eq=False)
class Draw(Request):
    """A request together with the numbers that answered it.

    `value` has the request's shape and dtype. `standardised` is the parameter-free form in float64 on the CPU where
    one exists (eps of `mean + std * eps`, u of `low + (high - low) * u`, e of `e / rate`), and None otherwise.
    """

    value: Tensor
    standardised: Tensor | None = None


def site_of_user_code() -> str:
    """Name the innermost frame that belongs neither to torch nor to this room, as "file.py:line in function"."""
    frame = sys._getframe(1)
    while frame is not None:
        name, module = frame.f_code.co_filename, str(frame.f_globals.get("__name__", ""))
        ours = module.startswith("genverify.noise") or name.startswith("<@")
        if not ours and module.split(".")[0] not in _NOT_THE_USER:
            return f"{Path(name).name}:{frame.f_lineno} in {frame.f_code.co_name}"
        frame = frame.f_back
    return ""
