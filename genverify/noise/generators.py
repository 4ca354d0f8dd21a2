"""Torch's random generators, left exactly as they were found."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

__all__ = ["preserved_generators"]


@contextmanager
def preserved_generators(seed: int | None = None) -> Iterator[None]:
    """Run a block, optionally reseeded, and restore the generators of the CPU and of every device in use.

    >>> before = torch.get_rng_state()
    >>> with preserved_generators(seed=3):
    ...     _ = torch.rand(2)
    >>> torch.equal(before, torch.get_rng_state())
    True
    """
    cuda = torch.cuda.is_available() and torch.cuda.is_initialized()
    devices = list(range(torch.cuda.device_count())) if cuda else []
    mps = torch.mps.get_rng_state() if torch.backends.mps.is_available() else None
    with torch.random.fork_rng(devices=devices):
        try:
            if seed is not None:
                torch.default_generator.manual_seed(seed)
                if cuda:
                    torch.cuda.manual_seed_all(seed)
            yield
        finally:
            if mps is not None:
                torch.mps.set_rng_state(mps)
