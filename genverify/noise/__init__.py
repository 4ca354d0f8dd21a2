"""Noise is an input: every draw torch makes is seen, recorded, replayed, or integrated out."""

from __future__ import annotations

from genverify.noise.draw import Draw, Request, TapeMismatch
from genverify.noise.expectation import Expectation, expectation
from genverify.noise.replay import Recorder, record, replay
from genverify.noise.sampling import sample
from genverify.noise.tape import Tape

__all__ = [
    "Draw",
    "Expectation",
    "Recorder",
    "Request",
    "Tape",
    "TapeMismatch",
    "expectation",
    "record",
    "replay",
    "sample",
]
