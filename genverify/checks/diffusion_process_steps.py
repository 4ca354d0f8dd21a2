"""One step back in closed form: by what its network predicts, with which variance, clipped or not.

A step draws from the posterior q(x_s | x_t, x̂_0) at the predicted data, with a variance between β̃ and β, or from the
family of Song, Meng & Ermon, whose mean depends on the variance. It is called at x_t = √ᾱ x_0 + √(1 − ᾱ) ε with data
in (−1/2, 1/2) and a prediction nearby, so that no clipping is met where none is looked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from genverify.checks.diffusion_process_calls import ask
from genverify.checks.diffusion_process_levels import Terms, box, levels
from genverify.subjects.diffusion_process import DiffusionProcess, Role

__all__ = ["Family", "Point", "answered", "asked_eta", "mean_terms", "pairs", "point", "said_x0", "step_terms"]


_HALF = 0.5


@dataclass(frozen=True, kw_only=True)
class Family:
    """How a step is drawn.

    Attributes:
        name: small (β̃), large (β), learned, learned range, or ddim.
        eta: Of ddim.
    """

    name: str
    eta: float = 0.0

    def __str__(self) -> str:
        if self.name == "ddim":
            return f"ddim with η = {self.eta:g}"
        names = {"small": "the posterior's variance β̃", "large": "the variance β"}
        return names.get(self.name, f"a {self.name} variance")


@dataclass(frozen=True, kw_only=True)
class Point:
    """Where a step is called: each [1, …], in float64.

    Attributes:
        at: The step, counted from 0.
        back: The step that is gone to; −1 for the data.
        x: The sample.
        prediction: What the network says.
        noise: What is drawn.
    """

    at: int
    back: int
    x: Tensor
    prediction: Tensor
    noise: Tensor


def pairs(subject: DiffusionProcess) -> list[tuple[int, int]]:
    """The steps back from noise to data that there are: (from, to), where −1 is the data."""
    path = subject.calls.path or tuple(reversed(range(len(subject.calls.alphas))))
    return list(zip(path, (*path[1:], -1), strict=True))


def point(
    subject: DiffusionProcess, prediction: str, pair: tuple[int, int], drawn: Sequence[Tensor], reach: float = 0.5
) -> Point:
    """A point at which the predicted data are in (−1, 1), or of size `reach` beyond; drawn are four tensors [1, …]."""
    level = levels(subject)[pair[0]]
    a, s = level.sqrt(), (1 - level).sqrt()
    tame = [one / (1 + one.abs()) for one in drawn]
    x0, noise, wave, z = 0.5 * tame[0], tame[1], 0.3 * tame[2], drawn[3]
    x = (a * x0 + s * noise).to(subject.calls.dtype).double()
    if reach > 1:
        x0 = reach * torch.where(x0 >= 0, 1.0, -1.0)
        wave = torch.zeros_like(wave)
        noise = (x - a * x0) / s
    said = {
        "x0": x0 + wave, "eps": noise + wave * torch.minimum(torch.ones(()), a / s.clamp_min(1e-300)),
        "v": a * noise - s * x0 + wave, "mean": x0 + wave,
    }[prediction]  # fmt: skip
    return Point(at=pair[0], back=pair[1], x=x, prediction=said.to(subject.calls.dtype).double(), noise=z)


def said_x0(subject: DiffusionProcess, prediction: str, x: Tensor, said: Tensor, level: Tensor) -> Sequence[Tensor]:
    """x̂_0 as additive terms."""
    a, s = level.sqrt(), (1 - level).sqrt()
    if prediction == "eps":
        return subject.against.x0_from_eps(x, said, a, s)
    if prediction == "v":
        return subject.against.x0_from_v(x, said, a, s)
    return (said + 0 * x,)


def said_eps(subject: DiffusionProcess, prediction: str, x: Tensor, said: Tensor, level: Tensor) -> Sequence[Tensor]:
    """ε̂ as additive terms."""
    a, s = level.sqrt(), (1 - level).sqrt()
    if prediction == "x0":
        return subject.against.eps_from_x0(x, said, a, s)
    if prediction == "v":
        return subject.against.eps_from_v(x, said, a, s)
    return (said + 0 * x,)


def _variance(subject: DiffusionProcess, family: Family, level: Tensor, before: Tensor, spread: float) -> Tensor:
    if family.name == "large":
        return 1 - level / before
    if family.name == "ddim":
        return subject.against.ddim_variance(level, before, torch.full_like(level, family.eta))
    if family.name == "learned":
        return torch.full_like(level, spread).exp()
    small = subject.against.posterior_variance(level, before)
    if family.name == "learned range":
        share = (spread + 1) / 2
        return (share * (1 - level / before).log() + (1 - share) * small.log()).exp()
    return small


def mean_terms(
    subject: DiffusionProcess, prediction: str, family: Family, at: Point, clip: str = "", spread: float = 0.0
) -> Terms:
    """The mean of a step as terms of the levels."""

    def terms(level: Tensor, before: Tensor) -> Sequence[Tensor]:
        o, one = subject.against, torch.ones((), dtype=torch.float64)
        if prediction == "mean":
            return (at.prediction + 0 * level,)
        x0 = said_x0(subject, prediction, at.x, at.prediction, level)
        if clip:
            x0 = (sum(x0, torch.zeros(())).clamp(-1.0, 1.0),)
        if family.name != "ddim":
            of_data = sum(o.posterior_mean(one, 0 * one, level, before), 0 * level)
            of_state = sum(o.posterior_mean(0 * one, one, level, before), 0 * level)
            return (*(of_data * part for part in x0), of_state * at.x)
        eps = said_eps(subject, prediction, at.x, at.prediction, level)
        if clip == "both":
            eps = o.eps_from_x0(at.x, x0[0], level.sqrt(), (1 - level).sqrt())
        left = (1 - before - _variance(subject, family, level, before, spread)).clamp_min(0.0).sqrt()
        return (*(before.sqrt() * part for part in x0), *(left * part for part in eps))

    return terms


def step_terms(
    subject: DiffusionProcess, prediction: str, family: Family, at: Point, clip: str = "", spread: float = 0.0
) -> Terms:
    """The whole step as terms of the levels: at the last one nothing is drawn."""
    mean = mean_terms(subject, prediction, family, at, clip, spread)

    def terms(level: Tensor, before: Tensor) -> Sequence[Tensor]:
        if at.back < 0:
            return mean(level, before)
        deviation = _variance(subject, family, level, before, spread).clamp_min(0.0).sqrt()
        drawn = torch.where(at.noise == 0, torch.zeros_like(at.noise), deviation * at.noise)
        return (*mean(level, before), drawn)

    return terms


def asked_eta(subject: DiffusionProcess) -> float:
    """The η that a step is given where it takes one."""
    return _HALF if subject.eta is None else subject.eta


def answered(
    subject: DiffusionProcess, role: Role, at: Point, first: int, noise: Tensor | None = None, spread: float = 0.0
) -> list[Tensor]:
    """What a step returns at a point.

    Raises:
        SubjectRaised: It raised.
        Unforeseen: It draws otherwise than one normal number for each of the sample's.
    """
    calls = subject.calls
    said = at.prediction.to(calls.dtype)
    if calls.network is not None:
        calls.network.answer = lambda x, t: said
        calls.network.spread = spread
    given = {"xt": at.x.to(calls.dtype), "prediction": said, "eta": asked_eta(subject)}
    z = (at.noise if noise is None else noise).to(calls.dtype)
    rows = len(at.x)
    return ask(subject, role, [at.at + first] * rows, given, z, [at.back + first] * rows)


def small_gap(subject: DiffusionProcess, at: Point) -> Tensor:
    """β of the step, [1]."""
    return 1 - box(subject, [at.at], torch.float64, [at.back]).ratio
