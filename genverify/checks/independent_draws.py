"""Independent outputs of a program that draws, as many as a sequential test asks for."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from genverify.noise import sample
from genverify.noise.generators import preserved_generators

__all__ = ["IndependentDraws"]


class IndependentDraws:
    """Calls a program again and again on fresh draws; the same seed gives the same draws.

    Draws that follow torch's seed are made without interception, which costs more than a small program does. Where two
    runs on one seed differ, the program has a generator of its own, and its draws are intercepted.
    """

    def __init__(self, program: Callable[[], Tensor], seed: int) -> None:
        self.program = program
        self.seed = 1_000_003 * seed
        self.follows_seed = torch.equal(self._plainly(2, self.seed), self._plainly(2, self.seed))

    def __call__(self, n: int) -> Tensor:
        """The next n outputs, along a new first axis."""
        self.seed += 1
        return self._plainly(n, self.seed) if self.follows_seed else sample(self.program, n, seed=self.seed)

    def _plainly(self, n: int, seed: int) -> Tensor:
        with preserved_generators(seed):
            return torch.stack([self.program() for _ in range(n)])
