"""What it means that a program which runs in float64 on the CPU raises elsewhere."""

from __future__ import annotations

from genverify.errors import SubjectRaised
from genverify.parity.execution import Execution
from genverify.subjects.case import Case
from genverify.verdict import Judgement, failed, inconclusive, not_applicable

__all__ = ["refusal"]

_FULL = ("out of memory", "can't allocate memory", "not enough memory")
_COMPILER = ("torch._dynamo", "torch._inductor", "torch._functorch", "torch.fx")


def refusal(raised: BaseException, execution: Execution, case: Case, *, always: bool) -> Judgement:
    """A full device and a compiler that gives up settle nothing; so does a dtype or device where it always raises.

    What is left, another layout or number of threads, or a single row, is legal, and to raise there is a failure.
    """
    error = raised.error if isinstance(raised, SubjectRaised) else raised
    causes = _causes(error)
    text = f"{type(error).__name__}: {_first_line(causes[-1])}"
    if any(isinstance(one, MemoryError) or any(w in str(one).lower() for w in _FULL) for one in causes):
        return inconclusive(f"{execution.device} is full: {text}; free it, or take a smaller batch")
    if execution.compiled:
        # What the compiler does not support, a second derivative say, it raises as it likes.
        by_compiler = any(type(one).__module__.startswith(_COMPILER) for one in causes)
        return inconclusive(f"it {'cannot be compiled' if by_compiler else 'raises once it is compiled'}: {text}")
    if always:
        dtype = str(execution.dtype).removeprefix("torch.")
        where = "" if execution.kind == "cpu" else f" on {execution.device}"
        return not_applicable(f"it does not run in {dtype}{where}: {text}")
    return failed(examined=1, message=f"it raises {text}, and does not in the baseline", witness=case.rendered())


def _causes(error: BaseException) -> list[BaseException]:
    found = [error]
    while (error := error.__cause__ or error) is not found[-1]:
        found.append(error)
    return found


def _first_line(error: BaseException) -> str:
    return " ".join(next((line for line in str(error).splitlines() if line.strip()), "").split())[:200]
