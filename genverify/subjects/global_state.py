"""The state that everybody shares: torch's modes, and the generators of torch, NumPy and Python."""

from __future__ import annotations

import ctypes
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

__all__ = ["GlobalState", "now", "restore", "seeded"]

_SETTERS: dict[str, Callable[[Any], object]] = {
    "torch's default dtype": torch.set_default_dtype,
    "torch's default device": torch.set_default_device,
    "torch's grad mode": torch.set_grad_enabled,
    "torch's deterministic algorithms": torch.use_deterministic_algorithms,
    "torch's anomaly mode": torch.autograd.set_detect_anomaly,
    "torch's number of threads": torch.set_num_threads,
}
# Bytes of the state of a Mersenne twister: 624 words, and the place among them.
_TWISTER_BYTES = 4 * 625


@dataclass(frozen=True)
class GlobalState:
    """A snapshot.

    Attributes:
        modes: Name of a mode of torch → its value.
        torch: The state of torch's generator.
        python: That of Python's.
        numpy: That of NumPy's, or None where it was just seeded: to write it out takes longer than many a case.
        seed: The seed that NumPy's had then.
        twister: The bytes of NumPy's, which say whether anybody drew; None where it is no Mersenne twister.
    """

    modes: dict[str, Any]
    torch: torch.Tensor
    python: tuple[Any, ...]
    numpy: Any
    seed: int | None
    twister: bytes | None


def _modes() -> dict[str, Any]:
    return {
        "torch's default dtype": torch.get_default_dtype(),
        "torch's default device": torch.get_default_device(),
        "torch's grad mode": torch.is_grad_enabled(),
        "torch's deterministic algorithms": torch.are_deterministic_algorithms_enabled(),
        "torch's anomaly mode": torch.is_anomaly_enabled(),
        "torch's number of threads": torch.get_num_threads(),
    }


def _twister() -> bytes | None:
    generator: Any = np.random.get_bit_generator()  # pyright: ignore[reportAttributeAccessIssue] - not in the stubs
    if type(generator) is not np.random.MT19937:
        return None
    return ctypes.string_at(generator.ctypes.state_address, _TWISTER_BYTES)


def now() -> GlobalState:
    """The state as it is."""
    return _read(None)


def seeded(seed: int) -> GlobalState:
    """Seeds every generator, and returns the state as it is then."""
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002 - the global generator is what a subject may draw from
    # torch.manual_seed looks for devices at every call, which costs more than many a case does.
    torch.default_generator.manual_seed(seed)
    if torch.cuda.is_initialized():
        torch.cuda.manual_seed_all(seed)
    return _read(seed)


def _read(seed: int | None) -> GlobalState:
    twister = _twister()
    return GlobalState(
        modes=_modes(), torch=torch.get_rng_state(), python=random.getstate(), seed=seed, twister=twister,
        numpy=np.random.get_state() if seed is None or twister is None else None,  # noqa: NPY002
    )  # fmt: skip


def restore(before: GlobalState) -> list[str]:
    """Puts the state back, and says in words what had changed, torch's draws apart: drawing is what samplers do."""
    found = []
    for name, value in _modes().items():
        if value != before.modes[name]:
            _SETTERS[name](before.modes[name])
            found.append(f"{name}: changed")
    if not torch.equal(torch.get_rng_state(), before.torch):
        torch.set_rng_state(before.torch)
    if random.getstate() != before.python:
        random.setstate(before.python)
        found.append("Python's random state: changed")
    if _numpy_drew(before):
        if before.numpy is None:
            np.random.seed(before.seed)  # noqa: NPY002
        else:
            np.random.set_state(before.numpy)  # noqa: NPY002
        found.append("NumPy's random state: changed")
    return found


def _numpy_drew(before: GlobalState) -> bool:
    if before.numpy is None:
        return _twister() != before.twister
    # A normal number may lie ready, of which the twister knows nothing.
    then: Any = before.numpy
    state: Any = np.random.get_state()  # noqa: NPY002
    return (then[0], *then[2:]) != (state[0], *state[2:]) or not np.array_equal(then[1], state[1])
