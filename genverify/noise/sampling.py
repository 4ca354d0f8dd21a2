"""Independent seeded runs of a program that draws."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from genverify.errors import UsageError
from genverify.noise.draw import Draw, Request
from genverify.noise.generators import preserved_generators
from genverify.noise.interception import Interception, Source

__all__ = ["sample"]


class _Watch(Source):
    """Lets torch draw, and notices when its generator is moved by anything but a draw."""

    wants_sites = False

    def __init__(self) -> None:
        self.state = torch.get_rng_state()
        self.reseeded = False

    def feed(self, request: Request) -> Tensor | None:
        self.reseeded = self.reseeded or not torch.equal(self.state, torch.get_rng_state())
        return None

    def drawn(self, draw: Draw) -> None:
        self.state = torch.get_rng_state()


def sample(f: Callable[[], Any], n: int, seed: int) -> pytree.PyTree:
    """Run `f` n times on independent draws, and stack each of its outputs along a new first axis.

    Draws from the program's own generators are taken from the seeded stream, so the result depends on the seed
    alone. No generator of torch is moved.

    Raises:
        UsageError: n is below 1, or `f` reseeds torch's generator, which would make every run the same.

    >>> x = sample(lambda: torch.randn(2), 5, seed=0)
    >>> x.shape, torch.equal(x, sample(lambda: torch.randn(2), 5, seed=0))
    (torch.Size([5, 2]), True)
    """
    if n < 1:
        raise UsageError(given=f"n={n}", expected="at least one run", do="pass n >= 1")
    outputs = []
    with preserved_generators(seed):
        watch = _Watch()
        for _ in range(n):
            with Interception(watch, own_generators=False):
                outputs.append(pytree.tree_map_only(Tensor, lambda leaf: leaf.detach().clone(), f()))
            if watch.reseeded:
                raise UsageError(
                    given="a program that moves torch's generator by other means than drawing",
                    expected="draws that are independent from run to run",
                    do="take manual_seed out of the program",
                )
    return pytree.tree_map(lambda *leaves: torch.stack(leaves), *outputs)
