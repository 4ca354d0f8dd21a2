"""Draws from the global generators of NumPy and of Python, read off their states before and after a run.

These generators are not seen by torch's dispatcher, but their states can be compared: a run that leaves the state in
which N uniform numbers leave it may have drawn these, since states do not come again within 2^19937 draws. Normal
numbers are made of uniform ones, an even count of them without a trace: then both readings are given, and what the
program computes tells which of them it used.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

from genverify.noise.draw import Draw

__all__ = ["GlobalDraws", "decoded"]

# Numbers that are tried; a run that draws more is not read.
_MOST = 4096


class GlobalDraws:
    """What a run may have drawn from these generators, once it is over; nothing where it cannot be read."""

    def __init__(self) -> None:
        self.draws: tuple[Draw, ...] = ()


@contextmanager
def decoded(seed: int) -> Iterator[GlobalDraws]:
    """Both generators start from the seed and are put back; what was drawn from them is known afterwards.

    >>> with decoded(0) as found:
    ...     a = np.random.rand(2)
    >>> found.draws[0].law, bool((found.draws[0].value.numpy() == a).all())
    ('uniform', True)
    """
    found = GlobalDraws()
    # beartype draws from Python's generator, too, so that nothing can be read there.
    alone = "beartype" not in sys.modules
    python, numpy = random.getstate(), np.random.get_state()  # noqa: NPY002 - the global generator is what is read
    if alone:
        random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002 - as above
    starts = random.getstate(), np.random.get_state()  # noqa: NPY002 - as above
    try:
        yield found
        ends = random.getstate(), np.random.get_state()  # noqa: NPY002 - as above
        found.draws = (*_of_numpy(starts[1], ends[1]), *(_of_python(starts[0], ends[0]) if alone else ()))
    finally:
        if alone:
            random.setstate(python)
        np.random.set_state(numpy)  # noqa: NPY002 - as above


def _of_numpy(start: Any, end: Any) -> tuple[Draw, ...]:  # noqa: ANN401 - a state of NumPy's
    if _plain(start) == _plain(end):
        return ()
    again = np.random.RandomState()
    again.set_state(start)
    # Kind, key and place in it; behind these stands the normal number that is left of a pair.
    uniform = _until(again.random_sample, lambda: _plain(again.get_state())[:3], _plain(end)[:3], _MOST)
    found = [_draw("uniform", "numpy.random", uniform)] if uniform and _plain(start)[3:] == _plain(end)[3:] else []
    again.set_state(start)
    # A pair of uniform numbers makes two normal ones at most.
    normal = _until(again.standard_normal, lambda: _plain(again.get_state()), _plain(end), len(uniform))
    return (*found, *([_draw("normal", "numpy.random", normal)] if normal else []))


def _of_python(start: Any, end: Any) -> tuple[Draw, ...]:  # noqa: ANN401 - a state of Python's
    if start == end:
        return ()
    again = random.Random()
    again.setstate(start)
    numbers = _until(again.random, again.getstate, end, _MOST)
    return (_draw("uniform", "random.random", numbers),) if numbers else ()


def _plain(state: Any) -> tuple[Any, ...]:  # noqa: ANN401 - a state of NumPy's
    kind, key, *rest = state
    return (kind, key.tobytes(), *rest)


def _until(one: Callable[[], float], state: Callable[[], Any], end: object, most: int) -> list[float]:
    """The numbers that lead to that state; none where too many are needed."""
    numbers = []
    for _ in range(most):
        numbers.append(float(one()))
        if state() == end:
            return numbers
    return []


def _draw(law: str, op: str, numbers: list[float]) -> Draw:
    value = torch.tensor(numbers, dtype=torch.float64)
    parameters = {"low": 0.0, "high": 1.0} if law == "uniform" else {"mean": 0.0, "std": 1.0}
    return Draw(
        law=law, op=op, parameters=parameters, shape=tuple(value.shape), dtype=value.dtype, device=value.device,
        value=value, standardised=value,
    )  # fmt: skip
