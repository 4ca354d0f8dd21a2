"""One way of executing a program: where, in which dtype, eagerly or compiled, in which layout, by how many threads."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch

from genverify.errors import UsageError, nearest

__all__ = ["BASELINE", "DEVICES", "Execution", "executions", "missing", "settings_of"]

DEVICES = ("cpu", "cuda", "mps", "xpu")
_DTYPES = (torch.float64, torch.float32, torch.bfloat16, torch.float16)
# The bits of a TF32 number's significand, the hidden one included (NVIDIA, A100 white paper, 2020).
_TF32_DIGITS = 11


@dataclass(frozen=True, kw_only=True)
class Execution:
    """One execution; whatever it does not say is as in the baseline, which is eager float64 on the CPU.

    Attributes:
        device: cpu, cuda, mps or xpu, with an index or without.
        dtype: Of parameters, inputs and draws.
        compiled: Whether `torch.compile` with inductor runs it.
        channels_last: Whether tensors with four or five axes have their channels last in memory.
        threads: How many threads torch may use; 0 leaves it alone.
        batch: 1 for the first row alone, which is held against the same row of the whole batch; 0 for all rows.
        tf32: Whether CUDA may multiply float32 matrices in TF32.

    Raises:
        UsageError: There is no such device or dtype, or the numbers make no sense.

    >>> Execution(dtype=torch.float32, compiled=True).name
    'cpu.float32.compiled'
    """

    device: str = "cpu"
    dtype: torch.dtype = torch.float64
    compiled: bool = False
    channels_last: bool = False
    threads: int = 0
    batch: int = 0
    tf32: bool = False

    def __post_init__(self) -> None:
        if self.kind not in DEVICES:
            raise UsageError(given=f"device {self.device!r}", expected="a device", do=nearest(self.kind, DEVICES))
        if self.dtype not in _DTYPES:
            raise UsageError(
                given=f"dtype {self.dtype}", expected="a floating dtype", do="float64, float32, bfloat16 or float16"
            )
        if self.threads < 0 or self.batch not in (0, 1):
            raise UsageError(
                given=f"threads={self.threads}, batch={self.batch}", expected="threads ≥ 0, and batch 0 (all) or 1",
                do="leave out what is not meant",
            )  # fmt: skip

    @property
    def kind(self) -> str:
        """The device without its index."""
        return self.device.partition(":")[0]

    @property
    def name(self) -> str:
        """What it is called in a report."""
        words = [self.device.replace(":", "-"), str(self.dtype).removeprefix("torch.")]
        words += ["tf32"] if self.tf32 else []
        words += ["compiled"] if self.compiled else []
        words += ["channels-last"] if self.channels_last else []
        words += [f"threads-{self.threads}"] if self.threads else []
        words += ["batch-1"] if self.batch else []
        return ".".join(words)

    @property
    def unit(self) -> float:
        """The unit roundoff of its least accurate operation."""
        return 2.0**-_TF32_DIGITS if self.tf32 else torch.finfo(self.dtype).eps / 2.0


BASELINE = Execution()


def executions(device: str = "", *, compiled: bool = True) -> tuple[Execution, ...]:
    """What is tried: each way in which an execution may differ from the baseline, and those that are used together.

    Args:
        device: Only this device; all that there may be by default.
        compiled: Whether `torch.compile` is tried.

    >>> [one.name for one in executions("mps", compiled=False)]
    ['mps.float32', 'mps.bfloat16', 'mps.float32.channels-last']
    """
    chosen = [device] if device else list(DEVICES)
    return tuple(one for name in chosen for one in _on(name) if compiled or not one.compiled)


def _on(device: str) -> list[Execution]:
    wide, single, half = torch.float64, torch.float32, torch.bfloat16
    kind = device.partition(":")[0]
    on = [Execution(device=device, dtype=dtype) for dtype in (wide, single, half)]
    many = max(2, os.cpu_count() or 2)
    if kind == "cpu":
        on += [Execution(device=device, threads=n) for n in (1, many)]
        on += [Execution(device=device, batch=1)]
    on = [one for one in on if kind != "mps" or one.dtype != wide]
    if kind == "cuda":
        on.append(Execution(device=device, dtype=single, tf32=True))
    on.append(Execution(device=device, dtype=single, channels_last=True))
    if kind != "mps":
        on += [Execution(device=device, dtype=dtype, compiled=True) for dtype in (wide, single)]
    return on


def missing(execution: Execution) -> str:
    """Why an execution is not there on this machine; empty where it is.

    >>> missing(Execution(device="cpu", tf32=True, dtype=torch.float32))
    'TF32 is a mode of CUDA'
    """
    if execution.tf32 and (execution.kind != "cuda" or execution.dtype != torch.float32):
        return "TF32 is a mode of CUDA" if execution.kind != "cuda" else "TF32 is a mode of float32"
    reason = _without_device(execution)
    if reason or not execution.compiled:
        return reason
    if execution.kind == "cpu":
        names = (os.environ.get("CXX", ""), "g++", "c++", "clang++")
        found = any(name and shutil.which(name) for name in names)
        return (
            "" if found else "torch.compile on the CPU: no C++ compiler is on the PATH (tried CXX, g++, c++, clang++)"
        )
    try:
        import triton  # noqa: F401  # pyright: ignore[reportMissingImports]
    except ImportError:
        return f"torch.compile on {execution.kind}: triton is not installed"
    return ""


def _without_device(execution: Execution) -> str:
    kind = execution.kind
    if kind == "cpu":
        return ""
    if kind == "mps" and execution.dtype == torch.float64:
        return "mps has no float64"
    built = {
        "cuda": torch.version.cuda or torch.version.hip, "mps": torch.backends.mps.is_built(),
        "xpu": torch.xpu._is_compiled(),
    }[kind]  # fmt: skip
    if not built:
        return f"{kind}: this torch is built without it"
    module: Any = torch.backends.mps if kind == "mps" else getattr(torch, kind)
    if not module.is_available():
        return f"{kind}: torch finds no such device"
    index = execution.device.partition(":")[2]
    if index and kind != "mps" and int(index) >= module.device_count():
        return f"{execution.device}: there are {module.device_count()} such devices, counted from 0"
    if execution.tf32 and torch.cuda.get_device_capability(execution.device) < (8, 0):
        return f"{execution.device} has no TF32"
    return ""


def _switches(execution: Execution) -> Sequence[tuple[Any, str, Any]]:
    if execution.kind != "cuda":
        return ()
    word = "tf32" if execution.tf32 else "ieee"
    convolutions = getattr(torch.backends.cudnn, "conv")  # noqa: B009 - torch's stubs do not have it yet
    return [(torch.backends.cuda.matmul, "fp32_precision", word), (convolutions, "fp32_precision", word)]


@contextmanager
def settings_of(execution: Execution) -> Iterator[None]:
    """Torch's threads and its precision of products as the execution has them; afterwards as they were."""
    threads = torch.get_num_threads()
    kept = [(owner, name, getattr(owner, name)) for owner, name, _ in _switches(execution)]
    try:
        if execution.threads:
            torch.set_num_threads(execution.threads)
        for owner, name, value in _switches(execution):
            setattr(owner, name, value)
        yield
    finally:
        for owner, name, value in kept:
            setattr(owner, name, value)
        if torch.get_num_threads() != threads:
            torch.set_num_threads(threads)
