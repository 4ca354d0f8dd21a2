"""What goes in as float32 on a device comes out as float32 on that device."""

from __future__ import annotations

from genverify.checks.check import check
from genverify.subjects.budget import Run
from genverify.subjects.calling import subject_code
from genverify.subjects.case import Case
from genverify.subjects.map import Map
from genverify.verdict import Judgement, failed, inconclusive, not_applicable, passed

__all__ = ["dtype_and_device"]


@check(
    "map.dtype_and_device",
    statement="the image has the dtype and the device of the input, in each dtype that is the subject's own",
    source="convention of torch.nn modules",
    requires=lambda subject: None if subject.keeps_dtype else "it is declared to change the dtype (keeps_dtype=False)",
    searched=False,
)
def dtype_and_device(subject: Map, case: Case, run: Run) -> Judgement:
    """The untouched subject, in its parameters' dtype; without parameters, in float32 and float64."""
    calls = subject.calls
    notes, examined, error = list(calls.notes), 0, None
    for dtype in calls.own_dtypes or (calls.dtype,):
        x = case["x"].to(calls.device, dtype)
        context = case["context"].to(calls.device, dtype) if "context" in case else None
        try:
            with subject_code():
                y = (calls.own or calls.f)(x, context)
        except Exception as raised:  # in one dtype of several that is a narrowness; in all of them it is a failure
            error = raised
            notes.append(f"it does not run in {_short(dtype)}")
            continue
        if not y.is_floating_point():
            return not_applicable(f"the image is {_short(y.dtype)}", notes=tuple(notes))
        examined += 1
        if y.dtype != dtype or y.device != x.device:
            given, returned = f"{_short(dtype)} on {x.device}", f"{_short(y.dtype)} on {y.device}"
            return failed(
                examined=examined, notes=tuple(notes),
                message=f"the image is {returned} for an input of {given}; declare keeps_dtype=False where that is "
                "meant",
            )  # fmt: skip
    if not examined:
        if error is not None and len(calls.own_dtypes) < 2:
            raise error
        return inconclusive("it runs in none of the dtypes tried", notes=tuple(notes))
    return passed(examined=examined, quantity="dtype", notes=tuple(dict.fromkeys(notes)))


def _short(dtype: object) -> str:
    return str(dtype).removeprefix("torch.")
