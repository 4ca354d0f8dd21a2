"""Which slip turns the true log-determinant into the claimed one: a guess for the reader, never part of a verdict."""

from __future__ import annotations

import math

import torch
from torch import Tensor

__all__ = ["probable_slip"]


def probable_slip(claim: Tensor, truth: Tensor, event: tuple[int, ...], *, inverse: bool = False) -> str:
    """A clause that names the slip, or nothing.

    Shapes: both [rows]: log|det ∂y/∂x| as claimed and as it is.

    >>> probable_slip(torch.tensor([3.0, 3.0]), torch.tensor([1.0, 2.0]), (2,))
    '; it is summed over the batch'
    >>> probable_slip(torch.tensor([-1.0, -2.0]), torch.tensor([1.0, 2.0]), (2,))
    '; its sign is reversed'
    """
    claim, truth = claim.detach().double(), truth.detach().double()
    if not bool(torch.isfinite(truth).all()) or not bool(truth.any()):
        return ""
    pixels = math.prod(event[1:]) if len(event) > 1 else 1
    numel = math.prod(event)
    candidates: list[tuple[Tensor, str]] = [
        (-truth, "its sign is reversed" + (" (the inverse returns the forward one)" if inverse else "")),
        (torch.zeros_like(truth), "it is left out"),
        (2.0 * truth, "it is doubled"),
        (truth / 2.0, "it is halved"),
        (truth.exp(), "it is the determinant, not its logarithm"),
    ]
    if len(truth) > 1:
        candidates = [
            (truth.sum().expand_as(truth), "it is summed over the batch"),
            (truth.mean().expand_as(truth), "it is averaged over the batch"),
            *candidates,
        ]
    if pixels > 1:
        candidates.append((truth / pixels, f"the factor {pixels} of the remaining axes is missing"))
        candidates.append((truth * pixels, f"the factor {pixels} of the remaining axes is too much"))
    if numel > 1:
        candidates.append((truth / numel, f"it is averaged over the {numel} elements of the event"))
    for guess, words in candidates:
        # Half of the digits are agreement enough for a guess.
        if bool(((claim - guess).abs() <= truth.abs().max() * torch.finfo(torch.float32).eps).all()):
            return f"; {words}"
    return ""
