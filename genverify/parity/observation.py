"""One execution of a program, looked at: its results, their gradients, one step of gradient descent, and the time."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import _disable_current_modes

from genverify.noise import Tape, record, replay
from genverify.noise.generators import preserved_generators
from genverify.noise.interception import rounded
from genverify.parity.compiled import Compiled
from genverify.parity.execution import Execution, settings_of
from genverify.parity.program import Program, numbers_in
from genverify.subjects.calling import subject_code

__all__ = ["Observed", "identical", "numbers_of_run", "observe", "recorded", "seconds_of", "tape_in"]

# A power of two: the step itself rounds once.
_RATE = 2.0**-4
Numbers = dict[str, Tensor]


@dataclass(frozen=True, kw_only=True, eq=False)
class Observed:
    """What one run yielded.

    Attributes:
        numbers: Name → tensor: results, gradients, parameters after the step; as they came out.
        breaks: Where the graph broke, of a compiled run.
        calls: How many times a compiled graph ran.
        unread: Random operations of compiled graphs that could not be fed.
        stray: Whether the run drew past the tape.
        twice: Whether a second run on the same draws had the same bits; None where there was no second one.
        compiled: What was compiled, to be run again.
    """

    numbers: Mapping[str, Tensor]
    breaks: tuple[str, ...] = ()
    calls: int = 0
    unread: tuple[str, ...] = ()
    stray: bool = False
    twice: bool | None = None
    compiled: Compiled | None = None


def recorded(program: Program, seed: int) -> tuple[Numbers, Tape]:
    """An eager run with draws of its own, and these."""
    with preserved_generators(seed), record() as recorder, subject_code():
        numbers = _numbers(program, program.call)
    return numbers, recorder.tape


def tape_in(tape: Tape, dtype: torch.dtype) -> Tape:
    """The draws as a program in that dtype gets them; a uniform number stays below the end of its range.

    >>> with record() as recorder:
    ...     _ = torch.tensor([1 - 2**-30], dtype=torch.float64).uniform_()
    >>> tape_in(recorder.tape, torch.bfloat16).draws[0].dtype
    torch.bfloat16
    """
    moved = tape.to(dtype=dtype)
    draws = tuple(
        replace(draw, value=rounded(replace(draw, device=draw.value.device), before.value))
        if draw.dtype.is_floating_point else draw
        for draw, before in zip(moved.draws, tape.draws, strict=True)
    )  # fmt: skip
    return replace(moved, draws=draws)


def observe(program: Program, execution: Execution, tape: Tape, seed: int) -> Observed:
    """Runs it on the draws of the tape.

    Raises:
        SubjectRaised: It raised.
        TapeMismatch: It drew otherwise than the tape.
    """
    with settings_of(execution), preserved_generators(seed):
        before = _generator(execution)
        if not execution.compiled:
            with subject_code(), replay(tape):
                numbers = _numbers(program, program.call)
            return Observed(numbers=numbers, stray=not torch.equal(before, _generator(execution)))
        compiled = Compiled(program.call)
        kept = [(one, one.detach().clone()) for one in program.leaves.values()]
        with subject_code():
            with compiled.playing(tape):
                numbers = _numbers(program, compiled)
            stray = not torch.equal(before, _generator(execution))
            again = _again(program, compiled, tape, kept) if kept and program.repeatable else None
        return Observed(
            numbers=numbers, breaks=tuple(compiled.breaks()), calls=compiled.calls, unread=tuple(compiled.unread),
            stray=stray, twice=None if again is None else identical(numbers, again), compiled=compiled,
        )  # fmt: skip


def _generator(execution: Execution) -> Tensor:
    """The state of the generators that the program may draw from."""
    if execution.kind == "cpu":
        return torch.get_rng_state()
    return torch.cat([torch.get_rng_state(), getattr(torch, execution.kind).get_rng_state().cpu()])


def _again(
    program: Program, compiled: Compiled, tape: Tape, kept: Sequence[tuple[Tensor, Tensor]]
) -> Numbers:  # fmt: skip
    """A second run of what has been compiled, from the same numbers."""
    for leaf, before in kept:
        leaf.grad = None
        leaf.data.copy_(before)
    with compiled.playing(tape):
        return _numbers(program, compiled)


def identical(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> bool:
    """Whether two runs have the same bits, NaN with NaN."""
    if one.keys() != other.keys():
        return False
    pairs = ((one[name], other[name]) for name in one)
    return all(a.shape == b.shape and bool(((a == b) | ((a != a) & (b != b))).all()) for a, b in pairs)


def numbers_of_run(program: Program) -> Numbers:
    """What a program yields here and now."""
    return _numbers(program, program.call)


def _numbers(program: Program, call: Callable[..., Any]) -> Numbers:
    with torch.enable_grad():
        results = numbers_in(call(*program.arguments))
    found: Numbers = {
        "result" if len(results) == 1 else f"result {place}": one.detach().clone() for place, one in enumerate(results)
    }
    found.update({name: one.detach().clone() for name, one in program.after().items()})
    smooth = [one for one in results if one.requires_grad and one.numel()]
    if not smooth or not program.leaves:
        return found
    gradients = _gradients(smooth, program.leaves)
    found.update({f"gradient by {name}": one.detach().clone() for name, one in gradients.items()})
    moved = {name: gradients[name] for name in program.parameters if name in gradients}
    if moved:
        _step(program.parameters, moved)
        found.update({f"{name} after a step": program.parameters[name].detach().clone() for name in moved})
    return found


def _gradients(results: Sequence[Tensor], leaves: Mapping[str, Tensor]) -> Numbers:
    """Of a fixed combination of all results: no two numbers have the same weight."""
    weights = [_weights(one) for one in results]
    parts = torch.autograd.grad(list(results), list(leaves.values()), weights, allow_unused=True)
    return {name: part for name, part in zip(leaves, parts, strict=True) if part is not None}


def _weights(like: Tensor) -> Tensor:
    """Multiples of 1/64, the same numbers in every dtype, and under a mode that perturbs what is computed."""
    with _disable_current_modes():
        steps = torch.arange(1, like.numel() + 1, dtype=torch.float64)
        wave = torch.round(96.0 * torch.sin(1.37 * steps + 0.0173 * steps.square())) / 64.0
        return wave.reshape(like.shape).to(like)


def _step(parameters: Mapping[str, Tensor], gradients: Mapping[str, Tensor]) -> None:
    chosen = [parameters[name] for name in gradients]
    for name, parameter in zip(gradients, chosen, strict=True):
        parameter.grad = gradients[name]
    torch.optim.SGD(chosen, lr=_RATE).step()


def seconds_of(
    program: Program, execution: Execution, tape: Tape, *, repeats: int, seed: int, compiled: Compiled | None = None
) -> float:
    """The median time of a run, forwards and backwards, the first one left out; eager runs draw for themselves."""

    def once() -> float:
        begin = time.perf_counter()
        with torch.enable_grad(), compiled.playing(tape) if compiled is not None else nullcontext():
            results = [one for one in numbers_in((compiled or program.call)(*program.arguments)) if one.requires_grad]
            if results and program.leaves:
                _gradients(results, program.leaves)
        _finished(execution)
        return time.perf_counter() - begin

    with settings_of(execution), preserved_generators(seed), subject_code():
        once()
        return statistics.median(once() for _ in range(repeats))


def _finished(execution: Execution) -> None:
    """Waits for a device that works on its own."""
    if execution.kind != "cpu":
        getattr(torch, execution.kind).synchronize()
