"""Calls in one mode after calls in another, differentiated as if a backward pass had come between."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch.autograd.graph import saved_tensors_hooks

__all__ = ["kept_for_backward"]


class _Saved:
    """A tensor that autograd keeps for the backward pass, at the version at which it was saved."""

    def __init__(self, tensor: torch.Tensor) -> None:
        self.tensor, self.version, self.settled = tensor, tensor._version, False

    def settle(self) -> None:
        """The calls are over: what happens to the tensor from here on is the doing of others."""
        if self.tensor._version == self.version:
            self.tensor, self.settled = self.tensor.detach().clone(), True

    def restored(self) -> torch.Tensor:
        """The tensor as it was.

        Raises:
            RuntimeError: It was overwritten before the calls were over, as autograd itself would say.
        """
        if not self.settled and self.tensor._version != self.version:
            raise RuntimeError(
                "one of the variables needed for gradient computation has been modified by an inplace operation: a "
                f"tensor of shape {tuple(self.tensor.shape)} is at version {self.tensor._version}; expected version "
                f"{self.version} instead"
            )
        return self.tensor


@contextmanager
def kept_for_backward() -> Iterator[None]:
    """What the backward pass of the calls inside needs is kept as it was when they ended.

    Nobody differentiates calls in evaluation and calls in training together, so that a module may overwrite in one mode
    what it has used in the other, as torch's older spectral normalisation does with u and v. Within one mode several
    calls and one backward pass are usual, D(x) − D(G(z)): there an overwritten tensor is the error that it is in
    autograd.

    Source: `torch.autograd.graph.saved_tensors_hooks`.

    >>> w, state = torch.tensor(3.0, requires_grad=True), torch.tensor(2.0)
    >>> with kept_for_backward():
    ...     first = w * state
    >>> _ = state.add_(1.0)
    >>> torch.autograd.grad(first, w)
    (tensor(2.),)
    """
    saved: list[_Saved] = []

    def pack(tensor: torch.Tensor) -> _Saved:
        saved.append(_Saved(tensor))
        return saved[-1]

    with saved_tensors_hooks(pack, _Saved.restored):
        yield
    for one in saved:
        one.settle()
