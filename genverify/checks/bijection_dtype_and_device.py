"""What goes in as float32 on a device comes out as float32 on that device."""

from __future__ import annotations

import torch

from genverify.checks.check import check
from genverify.numerics.rounding import unit_roundoff
from genverify.subjects.bijection import Bijection
from genverify.subjects.budget import Run
from genverify.subjects.calling import subject_code
from genverify.subjects.case import Case
from genverify.verdict import Judgement, failed, inconclusive, passed

__all__ = ["dtype_and_device"]


@check(
    "bijection.dtype_and_device",
    statement="image and logabsdet have the dtype and the device of the input, in each dtype that is the subject's own",
    source="convention of torch.nn modules",
    searched=False,
)
def dtype_and_device(subject: Bijection, case: Case, run: Run) -> Judgement:
    """The untouched subject, in its parameters' dtype; without parameters, in float32 and float64."""
    maps = subject.calls
    forward = maps.own_forward or maps.forward
    notes, examined, error = list(maps.notes), 0, None
    for dtype in maps.own_dtypes or (maps.dtype,):
        x = case["x"].to(dtype)
        context = case["context"].to(dtype) if "context" in case else None
        try:
            with subject_code():
                y, raw = forward(x, context)
        except Exception as raised:  # in one dtype of several that is a narrowness; in all of them it is a failure
            error = raised
            notes.append(f"it does not run in {_short(dtype)}")
            continue
        examined += 1
        if y.dtype != dtype or y.device != x.device:
            return _changed("the image", dtype, x.device, y, notes)
        if isinstance(raw, torch.Tensor) and raw.is_floating_point():
            # Of a subject without a dtype of its own, a constant in float32 is a narrowness and no cast.
            cast = unit_roundoff(raw.dtype) > unit_roundoff(dtype) and (dtype == torch.float32 or not maps.mixed)
            if (raw.device != x.device and raw.ndim > 0) or cast:
                return _changed("logabsdet", dtype, x.device, raw, notes)
            if raw.dtype != dtype:
                notes.append(f"logabsdet is {_short(raw.dtype)} for {_short(dtype)}")
    if not examined:
        if error is not None and len(maps.own_dtypes) < 2:
            raise error
        return inconclusive("it runs in none of the dtypes tried", notes=tuple(notes))
    return passed(examined=examined, quantity="dtype", notes=tuple(dict.fromkeys(notes)))


def _changed(what: str, dtype: torch.dtype, device: torch.device, found: torch.Tensor, notes: list[str]) -> Judgement:
    given, returned = f"{_short(dtype)} on {device}", f"{_short(found.dtype)} on {found.device}"
    return failed(examined=1, message=f"{what} is {returned} for an input of {given}", notes=tuple(notes))


def _short(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
