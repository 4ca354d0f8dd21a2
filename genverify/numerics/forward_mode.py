"""Forward-mode derivatives, loaded without the deprecation warning that torch gives itself on first use."""

from __future__ import annotations

import functools
import warnings

import torch
from torch.autograd import forward_ad

__all__ = ["load_forward_mode"]


@functools.cache
def load_forward_mode() -> None:
    """Make torch load its forward-mode decompositions now; calls after the first cost nothing.

    torch 2.13 scripts them with its own deprecated `torch.jit.script` on first use, which stops a run in which
    warnings are errors.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with forward_ad.dual_level():
            forward_ad.make_dual(torch.zeros(1), torch.zeros(1))
