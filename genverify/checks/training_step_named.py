"""Which losses a training step may follow: those of its side, under the name that is claimed."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from genverify.checks.training_step_fit import Fit, first_fit, is_near
from genverify.checks.training_step_replay import Played
from genverify.subjects.training_step import LossFamily, TrainingStep

__all__ = ["asked", "families_of", "fits_of", "is_good", "is_named", "plain_families", "side_of"]

_ALIASES = {
    "bce": "minimax", "vanilla": "minimax", "ns": "nonsaturating", "lsgan": "leastsquares", "mse": "leastsquares",
    "wgan": "wasserstein", "w": "wasserstein", "rgan": "relativistic", "ragan": "relativisticaverage",
}  # fmt: skip
_LOGARITHMS = ("minimax", "nonsaturating", "saturating")
# A generator's word for a loss that is another's.
_SAME = {("hinge", "wasserstein"), ("minimax", "saturating"), ("minimax", "nonsaturating")}


def side_of(subject: TrainingStep) -> str:
    """Whose losses are meant, by what is trained; empty where it is neither a generator nor a discriminator alone."""
    if subject.claimed is not None and subject.trained == subject.claimed.moves:
        return subject.claimed.side
    if subject.loss is None:
        return ""
    return {"D": "discriminator", "G": "generator"}.get("+".join(subject.trained), "")


def _plain(name: str) -> str:
    """A name of a loss without what people write differently."""
    made = "".join(c for c in name.lower() if c.isalpha())
    return _ALIASES.get(made, made)


def _base(name: str) -> str:
    """The loss, whatever stands inside its logarithm."""
    return _plain(name.partition(" with ")[0])


def _claimed(subject: TrainingStep) -> Sequence[str]:
    if subject.loss is not None:
        return (subject.loss,)
    return subject.claimed.losses if subject.claimed is not None else ()


def asked(subject: TrainingStep) -> str:
    """The loss that is claimed, in words; empty where any of its side is accepted."""
    return " or ".join(map(str, _claimed(subject)))


def is_named(subject: TrainingStep, name: str) -> bool:
    """Whether a loss is the one that is claimed."""
    claimed, own = _claimed(subject), _base(name)
    generates = side_of(subject) == "generator"
    return not claimed or any(
        _plain(one) == own or (generates and (_plain(one), own) in _SAME) for one in claimed
    )  # fmt: skip


def is_good(subject: TrainingStep, fit: Fit) -> bool:
    """Whether a fit is a loss of the right side, and the one that is claimed."""
    return fit.accepted and is_named(subject, fit.name)


def families_of(subject: TrainingStep, logarithmic: bool = False) -> list[LossFamily]:
    """The losses of the subject's side; those with logarithms alone where that is asked."""
    oracles = subject.against
    chosen = oracles.probability_families if subject.calls.probabilities else oracles.families
    side = side_of(subject)
    return [one for one in chosen if one.side == side and (not logarithmic or _base(one.name) in _LOGARITHMS)]


def plain_families(families: Sequence[LossFamily]) -> list[LossFamily]:
    """Those without a small number inside their logarithms."""
    return [one for one in families if " with " not in one.name]


def fits_of(
    gradient: Tensor, play: Callable[[], Played], families: Sequence[LossFamily], dtype: torch.dtype, slack: float = 0.0
) -> list[Fit]:
    """The families that fit; those with a small number inside a logarithm where that may explain what is left."""
    known = plain_families(families)
    fits = first_fit(gradient, play, known, dtype, slack)
    if not fits and is_near(gradient, play, known):
        fits = first_fit(gradient, play, [one for one in families if one not in known], dtype, slack)
    return fits
