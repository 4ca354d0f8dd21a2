"""Record the draws of a run, and feed them to another run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from genverify.noise.draw import Draw, Parameter, Request, TapeMismatch
from genverify.noise.foreign import ForeignRandomness, unseen_torch_draw
from genverify.noise.interception import Interception, Source
from genverify.noise.laws import LAWS
from genverify.noise.tape import Tape

__all__ = ["Player", "Recorder", "record", "replay"]


class Recorder(Source):
    """Collects the draws of a run; `.tape` is what was drawn so far."""

    wants_sites = True

    def __init__(self) -> None:
        self._draws: list[Draw] = []
        self._foreign = ForeignRandomness()
        self._state = torch.get_rng_state()
        self._unseen: str | None = None
        self._closed: tuple[str, ...] | None = None

    @property
    def tape(self) -> Tape:
        """The draws so far, in order, and what could not be controlled."""
        uncontrolled = self._closed if self._closed is not None else self._uncontrolled()
        return Tape(draws=tuple(self._draws), uncontrolled=uncontrolled)

    def feed(self, request: Request) -> Tensor | None:
        """Nothing: torch really draws."""
        self._unseen = self._unseen or unseen_torch_draw(self._state, torch.get_rng_state())
        return None

    def drawn(self, draw: Draw) -> None:
        """Keep a draw that torch made."""
        self._state = torch.get_rng_state()
        self._draws.append(draw)

    def close(self) -> None:
        """Freeze what could not be controlled, so that later randomness is not charged to this run."""
        self._closed = self._uncontrolled()

    def _uncontrolled(self) -> tuple[str, ...]:
        unseen = self._unseen or unseen_torch_draw(self._state, torch.get_rng_state())
        unknown = tuple(f"{draw}" for draw in self._draws if draw.law == "unknown")
        return (*self._foreign.moved(), *((unseen,) if unseen else ()), *unknown)


@contextmanager
def record() -> Iterator[Recorder]:
    """Record every draw torch makes inside the block; the draws really happen.

    >>> with record() as recorder:
    ...     _ = torch.nn.functional.dropout(torch.ones(3), 0.5)
    >>> recorder.tape.draws[0].law, recorder.tape.draws[0].parameters
    ('bernoulli', {'p': 0.5})
    """
    recorder = Recorder()
    try:
        with Interception(recorder):
            yield recorder
    finally:
        recorder.close()


def _same(ours: Parameter, theirs: Parameter) -> bool:
    if isinstance(ours, Tensor) and isinstance(theirs, Tensor):
        return (
            ours.dtype == theirs.dtype and ours.shape == theirs.shape and torch.equal(ours.to("cpu"), theirs.to("cpu"))
        )
    return not isinstance(ours, Tensor) and not isinstance(theirs, Tensor) and ours == theirs


class Player(Source):
    """Hands out the draws of a tape, in order."""

    wants_sites = True

    def __init__(self, tape: Tape, strict: bool = True) -> None:
        self.tape, self.strict, self.position = tape, strict, 0

    def feed(self, request: Request) -> Tensor | None:
        """The next numbers of the tape.

        Raises:
            TapeMismatch: They are of another law or shape, or there are none.
        """
        if self.position == len(self.tape.draws):
            if not self.strict:
                return None
            raise TapeMismatch(
                given=f"one more draw: {request}",
                expected=f"the {self.position} draws of the tape",
                do="record a new tape with this program",
            )
        draw = self.tape.draws[self.position]
        if draw.law != request.law or draw.shape != request.shape:
            raise TapeMismatch(
                given=f"draw {self.position}: {request}",
                expected=str(draw),
                do="record a new tape with this program, or compare programs that draw in the same order",
            )
        if draw.law == "unknown":
            raise TapeMismatch(
                given=f"draw {self.position}: {request}",
                expected="a law that genverify can replay",
                do="take this operation out of the program",
            )
        self.position += 1
        return _numbers(draw, request)

    def drawn(self, draw: Draw) -> None:
        """A draw beyond the end of a tape that is not strict."""

    def finish(self) -> None:
        """The program is over.

        Raises:
            TapeMismatch: Draws of the tape are left.
        """
        left = len(self.tape.draws) - self.position
        if left and self.strict:
            raise TapeMismatch(
                given=f"a program that made {self.position} draws",
                expected=f"{left} more, next {self.tape.draws[self.position]}",
                do="record a new tape with this program, or replay with strict=False",
            )


def _numbers(draw: Draw, request: Request) -> Tensor:
    """The recorded numbers, bit for bit where nothing changed, else rebuilt from their standard form."""
    unchanged = draw.dtype == request.dtype and draw.parameters.keys() == request.parameters.keys()
    unchanged = unchanged and all(_same(draw.parameters[name], request.parameters[name]) for name in draw.parameters)
    realise = LAWS[request.law].realise
    if unchanged or draw.standardised is None or realise is None:
        return draw.value
    return realise(request.parameters, draw.standardised)


@contextmanager
def replay(tape: Tape, strict: bool = True) -> Iterator[None]:
    """Feed the draws of a tape, in order, to whatever the program draws, on its device and in its dtype.

    A draw with a standard form is rebuilt from it with the program's own parameters, so that a changed mean moves the
    sample along. Torch's generators do not advance. With `strict=False` a program may draw more than the tape
    holds (those draws are real) or less.

    Raises:
        TapeMismatch: number, order, law or shape of the draws differ.

    >>> with record() as recorder:
    ...     first = torch.randn(3)
    >>> with replay(recorder.tape):
    ...     second = torch.empty(3, dtype=torch.float64).normal_()
    >>> torch.equal(first, second.float())
    True
    """
    player = Player(tape, strict)
    with Interception(player):
        yield
    player.finish()
