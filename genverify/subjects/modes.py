"""Training and evaluation, as a stranger's code tells them apart: a module's mode, or a flag of the call."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from torch import nn

__all__ = ["has_mode", "in_mode", "training_flag"]

# A flag's name, bare → its value in training.
_FLAGS = {
    "training": True, "train": True, "istraining": True, "istrain": True, "trainmode": True, "trainingmode": True,
    "deterministic": False, "inference": False, "eval": False, "evaluate": False, "isinference": False,
}  # fmt: skip


def training_flag(names: Iterable[str]) -> tuple[str, bool] | None:
    """The flag among these names and its value in training; None where there is none.

    >>> training_flag(["x", "p", "is_training"]), training_flag(["x", "deterministic"])
    (('is_training', True), ('deterministic', False))
    """
    for name in names:
        if (bare := name.lower().replace("_", "")) in _FLAGS:
            return name, _FLAGS[bare]
    return None


def has_mode(f: object) -> bool:
    """Whether it, or the object whose method it is, can be put in a mode."""
    owner = getattr(f, "__self__", f)
    return isinstance(owner, nn.Module) or isinstance(getattr(owner, "training", None), bool)


@contextmanager
def in_mode(f: object, training: bool) -> Iterator[None]:
    """It, and all modules inside it, in training or in evaluation mode; afterwards in the modes that they were in.

    >>> layer = nn.Dropout().eval()
    >>> with in_mode(layer, True):
    ...     inside = layer.training
    >>> inside, layer.training
    (True, False)
    """
    owner: Any = getattr(f, "__self__", f)
    parts = list(owner.modules()) if isinstance(owner, nn.Module) else [owner] if has_mode(owner) else []
    kept = [(part, part.training) for part in parts]
    try:
        if isinstance(owner, nn.Module):
            owner.train(training)
        for part, _ in [] if isinstance(owner, nn.Module) else kept:
            part.training = training
        yield
    finally:
        for part, mode in kept:
            if part.training != mode:
                part.training = mode
