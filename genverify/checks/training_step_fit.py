"""Which loss a gradient is that of: a factor and labels for each family of losses, found by least squares.

The slope of a loss in the discriminator's results is affine in the labels, so that the gradient of every loss of a
family is a sum of a few known vectors ∇θ Σ w_i D(x_i) with unknown coefficients. A family fits where what is left is
within the rounding allowance of that sum, measured by stochastic arithmetic.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from genverify.checks.training_step_replay import Played
from genverify.numerics.measured_allowance import measured_allowances
from genverify.subjects.training_step import LossFamily

__all__ = ["Fit", "first_fit", "fitted", "gradient_of", "is_near", "penalty_fit"]

# Below this part of the gradient a factor is none; beyond that part a loss is not even near.
_NONE, _NEAR = 2.0**-12, 2.0**-5
Columns = Callable[[Played], list[Tensor]]
# (coefficients, share of the first column, residual, allowed)
Solved = tuple[list[float], float, float, float]
Penalty = Callable[..., Tensor]


@dataclass(frozen=True, kw_only=True)
class Fit:
    """How a family fits a gradient.

    Attributes:
        name: Of the loss.
        accepted: Whether it is a loss of this side.
        words: What its coefficients say.
        coefficients: The factor, and what belongs to the labels.
        residual: The largest entry that is left.
        allowed: The rounding allowance there.
        samples: Results that the loss is a mean of.
        family: Whose it is.
        summed: Whether it is one mean over the results on both sides, and not a mean over each.
    """

    name: str
    accepted: bool
    words: str
    coefficients: tuple[float, ...]
    residual: float
    allowed: float
    samples: int
    family: LossFamily | None = None
    summed: bool = False

    @property
    def said(self) -> str:
        """The loss, with what is particular of it."""
        return f"{self.name}, {self.words}" if self.words else self.name


def gradient_of(total: Tensor, played: Played) -> Tensor:
    """The gradient of a number in the leaves, flat, in float64."""
    leaves = list(played.leaves.values())
    if not total.requires_grad:
        return torch.cat([torch.zeros_like(leaf).double().reshape(-1) for leaf in leaves])
    found = torch.autograd.grad(total, leaves, retain_graph=True, allow_unused=True)
    pairs = zip(found, leaves, strict=True)
    return torch.cat([(torch.zeros_like(leaf) if g is None else g).double().reshape(-1) for g, leaf in pairs])


def _weighted(played: Played, real: Tensor, fake: Tensor, summed: bool) -> Tensor:
    """∇θ of the weighted sum of the results, each side over its number of samples, or both over one."""
    counts = (1, 1) if summed else (max(1, played.real.numel()), max(1, played.fake.numel()))
    return gradient_of((played.real * real / counts[0]).sum() + (played.fake * fake / counts[1]).sum(), played)


def columns_of(family: LossFamily, part: str = "both", summed: bool = False) -> Columns:
    """The vectors of a family; of one side's samples alone, or of the two apart."""

    def columns(played: Played) -> list[Tensor]:
        slopes = family.columns(played.real, played.fake)
        if part == "both":
            return [_weighted(played, r, f, summed) for r, f in slopes]
        none = [(torch.zeros_like(r), torch.zeros_like(f)) for r, f in slopes]
        real = [_weighted(played, r, z, summed) for (r, _), (_, z) in zip(slopes, none, strict=True)]
        fake = [_weighted(played, z, f, summed) for (_, f), (z, _) in zip(slopes, none, strict=True)]
        if part == "real":
            return real
        return fake if part == "fake" else [*real, *fake]

    return columns


def fitted(
    gradient: Tensor, play: Callable[[], Played], columns: Columns, dtype: torch.dtype, slack: float = 0.0
) -> Solved | None:
    """(coefficients, share of the first column, residual, allowed) of a fit within the allowance; else None.

    `slack` is a rounding error that `gradient` itself has, beside that of the columns.
    """
    solved = _solved(gradient, columns(play()))
    if solved is None:
        return None
    chosen, share, worst, part = solved
    if part > _limit(dtype):
        return None

    def again() -> tuple[Tensor, ...]:
        return (sum(c * v for c, v in zip(chosen, columns(play()), strict=True)),)  # type: ignore[return-value]

    (allowance,) = measured_allowances(again, (gradient,), dtype=dtype)
    allowed = float(allowance.allowed.max()) + slack
    return (chosen, share, worst, allowed) if worst <= allowed else None


def _limit(dtype: torch.dtype) -> float:
    """Rounding takes half of the digits at most, where the networks are such that they can be trained at all."""
    return math.sqrt(torch.finfo(dtype).eps)


def is_near(gradient: Tensor, play: Callable[[], Played], families: Sequence[LossFamily]) -> bool:
    """Whether some family leaves so little that a small number inside a logarithm may explain it."""
    played = play()
    found = [_solved(gradient, columns_of(family)(played)) for family in families]
    return any(one is not None and one[3] < _NEAR for one in found)


def _solved(gradient: Tensor, vectors: list[Tensor]) -> tuple[list[float], float, float, float] | None:
    """(coefficients, share of the first, largest entry that is left, the part of the gradient that is left)."""
    basis = torch.stack(vectors, 1)
    size = float(gradient.norm())
    if not bool(torch.isfinite(basis).all()) or not size:
        return None
    norms = basis.norm(dim=0)
    alive = norms > 0
    if not bool(alive[0]):
        return None
    scaled = torch.where(alive, norms, torch.ones_like(norms))
    solved = torch.linalg.lstsq(basis / scaled, gradient[:, None], driver="gelsd").solution[:, 0] / scaled
    residual = gradient - basis @ solved
    share = float(abs(solved[0]) * norms[0]) / size
    return [float(c) for c in solved], share, float(residual.abs().max()), float(residual.norm()) / size


def first_fit(
    gradient: Tensor, play: Callable[[], Played], families: Sequence[LossFamily], dtype: torch.dtype, slack: float = 0.0
) -> list[Fit]:
    """The families that fit, in their order; `slack` as in `fitted`."""
    found = []
    played = play()
    unequal = played.real.numel() not in (0, played.fake.numel())
    for family in families:
        for summed in (False, True) if unequal else (False,):
            made = fitted(gradient, play, columns_of(family, summed=summed), dtype, slack)
            if made is None or made[1] < _NONE:
                continue
            accepted, words = family.reading(made[0])
            found.append(
                Fit(name=family.name, accepted=accepted, words=words, coefficients=tuple(made[0]), residual=made[2],
                    allowed=made[3], samples=played.fake.numel(), family=family, summed=summed)
            )  # fmt: skip
    return found


def penalty_fit(
    gradient: Tensor,
    play: Callable[[], Played],
    families: Sequence[LossFamily],
    penalties: Mapping[str, Penalty],
    dtype: torch.dtype,
) -> tuple[Fit, str, float] | None:
    """(loss, penalty, weight): the first loss that fits with the gradient of a penalty beside it."""
    played = play()
    vectors = [columns_of(family)(played) for family in families]
    for name, where in _places(penalties, played):
        try:
            term = gradient_of(penalties[name](played.critics[where], *played.points[where]), played)
        except (RuntimeError, ValueError):  # a critic that cannot be taken row by row
            continue
        for family, own_vectors in zip(families, vectors, strict=True):
            near = _solved(gradient, [*own_vectors, term])
            if near is None or near[1] < _NONE or near[3] > _limit(dtype):
                continue
            made = fitted(gradient, play, _with_penalty(family, penalties[name], where), dtype)
            if made is None:
                continue
            *own, weight = made[0]
            accepted, words = family.reading(own)
            fit = Fit(name=family.name, accepted=accepted, words=words, coefficients=tuple(own), residual=made[2],
                      allowed=made[3], samples=played.fake.numel())  # fmt: skip
            said = name if "between" in name else f"{name} at {where} samples"
            return fit, said, weight / own[0]
    return None


def _places(penalties: Mapping[str, Penalty], played: Played) -> list[tuple[str, str]]:
    """(penalty, where it is taken), as far as the critic was called there."""
    return [
        (name, where)
        for name in penalties
        for where in (("between",) if "between" in name else ("between", "real", "generated"))
        if where in played.points
    ]


def _with_penalty(family: LossFamily, penalty: Penalty, where: str) -> Columns:
    """The vectors of a family, and the gradient of the penalty at the points of that name."""

    def columns(played: Played) -> list[Tensor]:
        term = gradient_of(penalty(played.critics[where], *played.points[where]), played)
        return [*columns_of(family)(played), term]

    return columns
