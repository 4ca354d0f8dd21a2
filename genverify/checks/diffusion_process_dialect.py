"""What the steps of a process's sampler are: what the network predicts, which variance, whether x̂_0 is clipped."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from genverify.checks.diffusion_process_calls import Unforeseen
from genverify.checks.diffusion_process_functions import first_step, irregular
from genverify.checks.diffusion_process_levels import Gap, Terms, compared, floor, levels
from genverify.checks.diffusion_process_steps import (
    Family,
    Point,
    answered,
    asked_eta,
    mean_terms,
    pairs,
    point,
    small_gap,
    step_terms,
)
from genverify.errors import SubjectRaised
from genverify.subjects.diffusion_process import DiffusionProcess, Role

__all__ = ["SPREAD", "Dialect", "dialects", "prediction_of", "stepped"]

# What a network with twice the channels says of the variance: of its logarithm, or as a share in (−1, 1).
SPREAD = -0.75
_ETAS = (0.0, 1.0)
_FAR = 3.0
# How many steps beside the right one are tried for where a step goes.
_NEAR = 3


@dataclass(frozen=True, kw_only=True)
class Dialect:
    """What a step was found to be; or why it is none.

    Attributes:
        prediction: eps, x0, v, or mean where the network predicts the mean itself.
        family: How it is drawn.
        clip: How x̂_0 is clipped to [−1, 1]: "" not at all, data, or both (with ε derived from it anew).
        first: What the step next to the data is called.
        problem: Why it is no step of any kind; empty where it is.
        unknown: Why it cannot be judged; empty where it can.
        gap: How far the nearest is off.
        wide: Whether it is good to float64 wherever it was tried.
        where: The point at which it is off.
    """

    prediction: str = ""
    family: Family = field(default_factory=lambda: Family(name="small"))
    clip: str = ""
    first: int = 0
    problem: str = ""
    unknown: str = ""
    gap: Gap | None = None
    wide: bool = False
    where: Point | None = None


def _drawn(subject: DiffusionProcess, number: int) -> list[Tensor]:
    made = [irregular((1, *subject.event), 5 * number + k, 2.0) for k in range(4)]
    made[3] = torch.where(made[3] == 0, torch.ones_like(made[3]), made[3])
    return made


def _probes(subject: DiffusionProcess, role: Role) -> list[tuple[int, int]]:
    """The last step, the one before, others up to the first; and jumps where the goal is an argument."""
    every = pairs(subject)
    places = sorted({len(every) - 1, len(every) - 2, len(every) // 2, 1, 0} & set(range(len(every))))
    found = [every[place] for place in reversed(places)]
    total = len(subject.calls.alphas)
    if "previous" in role.takes and total > 3:
        found += [(total - 1, total // 2), (total // 2, 0)]
    return found


def _families(subject: DiffusionProcess, role: Role) -> list[Family]:
    etas = (asked_eta(subject),) if subject.eta is not None or "eta" in role.takes else _ETAS
    ddim = [Family(name="ddim", eta=one) for one in etas]
    plain = [Family(name="small"), Family(name="large")]
    network = subject.calls.network
    if network is not None and network.doubled:
        plain = [Family(name="learned range"), Family(name="learned"), *plain]
    if role.name == "ddim_step":
        return ddim
    found = plain if role.name == "p_mean_variance" else [*plain, *ddim]
    return [one for one in found if subject.variance is None or one.name == subject.variance]


def stepped(
    subject: DiffusionProcess, role: Role, dialect: Dialect, at: Point, spread: float = SPREAD
) -> tuple[Gap, str]:
    """A step at a point against its dialect: the worst gap, and of what.

    Raises:
        SubjectRaised: It raised.
        Unforeseen: It draws otherwise than one normal number for each of the sample's.
    """
    found = answered(subject, role, at, dialect.first, spread=spread)
    return _weighed(subject, role, dialect, at, found, spread)


def _weighed(
    subject: DiffusionProcess, role: Role, dialect: Dialect, at: Point, found: Sequence[Tensor], spread: float
) -> tuple[Gap, str]:
    clip = dialect.clip
    if not found or found[0].shape != at.x.shape:
        gap = Gap(observed=float("inf"), allowed=0.0, error=float("inf"), unit=torch.float64, fits=False, examined=1)
        return gap, "shape"
    if role.name == "p_mean_variance":
        mean = mean_terms(subject, dialect.prediction, dialect.family, at, clip, spread)
        gaps = [(compared(subject, found[0], mean, [at.at], [at.back]), "mean")]
        if at.back >= 0 and len(found) > 1:
            gaps.append((_of_variance(subject, dialect, at, found, spread), "variance"))
        return max(gaps, key=lambda one: (not one[0].fits, one[0].observed))
    terms = step_terms(subject, dialect.prediction, dialect.family, at, clip, spread)
    gap = compared(subject, found[0], terms, [at.at], [at.back])
    if at.back < 0 and not gap.fits:
        # β̃ is zero here: whoever bounds its logarithm from below leaves a draw of no size.
        gap = _within(gap, float(floor(small_gap(subject, at))) ** 0.5 * float(at.noise.abs().max()))
    return gap, "result"


def _within(gap: Gap, drawn: float) -> Gap:
    return replace(gap, fits=gap.error <= gap.allowed + drawn, allowed=gap.allowed + drawn)


def _of_variance(subject: DiffusionProcess, dialect: Dialect, at: Point, found: Sequence[Tensor], spread: float) -> Gap:
    """The variance, and its logarithm where there is one, beside a mean."""
    name = dialect.family.name
    unit = Point(at=at.at, back=at.back, x=0 * at.x, prediction=0 * at.x, noise=torch.ones_like(at.x))

    def variance(level: Tensor, before: Tensor) -> tuple[Tensor, ...]:
        whole = step_terms(subject, "mean", dialect.family, unit, "", spread)(level, before)
        return (whole[-1].square(),)

    def logarithm(level: Tensor, before: Tensor) -> tuple[Tensor, ...]:
        return (variance(level, before)[0].log(),)

    readings: list[tuple[Tensor, Terms]] = [(found[1], variance)]
    if len(found) > 2 and name != "ddim":
        readings.append((found[2], logarithm))
    gaps = [compared(subject, one, terms, [at.at], [at.back]) for one, terms in readings]
    if len(found) == 2 and not gaps[0].fits:
        other = compared(subject, found[1], logarithm, [at.at], [at.back])
        gaps = [other] if other.fits else gaps
    return max(gaps, key=lambda one: (not one.fits, one.observed))


def _predictions(subject: DiffusionProcess) -> list[str]:
    if subject.prediction is not None:
        return [subject.prediction]
    known = ["eps", "x0", "v", "mean"]
    return sorted(known, key=lambda one: one != subject.calls.stated)


def _found(subject: DiffusionProcess, role: Role, first: int) -> Dialect:
    """The dialect that fits at every probe, counted from `first`, or the nearest with its problem."""
    probes = _probes(subject, role)
    nearest: tuple[int, Gap, Dialect, str, Point] | None = None
    for prediction in _predictions(subject):
        points = [point(subject, prediction, pair, _drawn(subject, k)) for k, pair in enumerate(probes)]
        spreads = [SPREAD] * len(points)
        seen = [answered(subject, role, at, first, spread=s) for at, s in zip(points, spreads, strict=True)]
        for family in _families(subject, role):
            made = Dialect(prediction=prediction, family=family, first=first)
            weighed = [_weighed(subject, role, made, at, one, SPREAD) for at, one in zip(points, seen, strict=True)]
            bad = [(gap, what, at) for (gap, what), at in zip(weighed, points, strict=True) if not gap.fits]
            if not bad:
                wide = all(gap.unit == torch.float64 for gap, _ in weighed)
                return replace(made, clip=_clipping(subject, role, made, probes), wide=wide)
            tempered = _tempered(subject, role, made, points, seen)
            if tempered is not None:
                return replace(made, unknown=f"{role.spelt}: its draws are {tempered:.4g} times those of {family}, "
                               "a temperature: say variance= where that is no purpose")  # fmt: skip
            if nearest is None or len(bad) < nearest[0]:
                nearest = (len(bad), bad[0][0], made, bad[0][1], bad[0][2])
    if nearest is None:
        return Dialect(first=first, unknown=f"{role.spelt}: {subject.variance} is no variance of such a step")
    _, gap, made, what, at = nearest
    return replace(made, gap=gap, where=at, problem=_slip(subject, role, made, what, at))


def _tempered(
    subject: DiffusionProcess, role: Role, made: Dialect, points: Sequence[Point], seen: Sequence[Sequence[Tensor]]
) -> float | None:
    """By what all draws are scaled, where they are all scaled alike and nothing else is wrong; None otherwise."""
    inner = [(at, one) for at, one in zip(points, seen, strict=True) if at.back >= 0]
    if role.name != "p_sample" or subject.variance is not None or made.family.name == "ddim" or len(inner) < 2:
        return None
    at, one = inner[0]
    still = replace(at, noise=torch.zeros_like(at.noise))
    alone = answered(subject, role, still, made.first, spread=SPREAD)[0].double()
    drawn = (one[0].double() - alone) / at.noise
    level, before = (levels(subject)[[place]] for place in (at.at, at.back))
    small = subject.against.posterior_variance(level, before)
    deviation = (small if made.family.name == "small" else 1 - level / before).sqrt()
    scale = float((drawn / deviation).reshape(-1)[0])
    if not 0 < scale < float("inf") or made.family.name not in ("small", "large"):
        return None
    scaled = [(replace(at, noise=scale * at.noise), one) for at, one in zip(points, seen, strict=True)]
    fits = all(_weighed(subject, role, made, at, one, SPREAD)[0].fits for at, one in scaled)
    return scale if fits else None


def _clipping(subject: DiffusionProcess, role: Role, made: Dialect, probes: Sequence[tuple[int, int]]) -> str:
    """Whether x̂_0 = ±3 is clipped to ±1; "other" where neither."""
    if made.prediction == "mean":
        return ""
    inner = [pair for pair in probes if pair[1] >= 0] or list(probes)
    at = point(subject, made.prediction, inner[-1 if len(inner) < 3 else 1], _drawn(subject, 9), reach=_FAR)
    still = replace(at, noise=torch.zeros_like(at.noise))
    try:
        found = answered(subject, role, still, made.first, spread=SPREAD)
    except (SubjectRaised, Unforeseen):
        return "other"
    for clip in ("", "data", "both"):
        if _weighed(subject, role, replace(made, clip=clip), still, found, SPREAD)[0].fits:
            return clip
    return "other"


def _slip(subject: DiffusionProcess, role: Role, made: Dialect, what: str, at: Point) -> str:
    """What is wrong, as far as that has a name."""
    if what == "shape":
        return "its result has another shape than the sample"
    if role.name == "p_mean_variance":
        return f"its {what} is not the posterior's at the predicted data"
    still = replace(at, noise=torch.zeros_like(at.noise))
    zero, whole = (answered(subject, role, one, made.first, spread=SPREAD)[0] for one in (still, at))
    if not bool(torch.isfinite(whole).all()):
        return f"it returns NaN or infinity at step {at.at + made.first}"
    settled, _ = _weighed(subject, role, made, still, [zero], SPREAD)
    if not settled.fits:
        for back in range(max(-1, at.back - _NEAR), min(at.at, at.back + _NEAR + 1)):
            if _weighed(subject, role, made, replace(still, back=back), [zero], SPREAD)[0].fits:
                goes, should = back + made.first, at.back + made.first
                return f"from step {at.at + made.first} it goes to {goes}, and not to {should}"
        if role.name == "ddim_step":
            return "it does not go to √ᾱ' x̂_0 + √(1 − ᾱ' − σ²) ε̂, whatever the network predicts (ε, x_0 or v)"
        return "its mean is not the posterior's at the predicted data, whatever the network predicts (ε, x_0 or v)"
    if at.back < 0:
        return "noise is drawn at the last step, which leaves it in every sample"
    deviation = float(((whole.double() - zero.double()) / at.noise).reshape(-1)[0])
    o = subject.against

    def spread(level: Tensor, before: Tensor) -> dict[str, Tensor]:
        small, large = o.posterior_variance(level, before), 1 - level / before
        return {"β̃ for its root": small, "β for its root": large, "√(1 − ᾱ)": (1 - level).sqrt(),
                "√(1 − ᾱ) of the step before": (1 - before).sqrt(), "no draw at all": 0 * small}  # fmt: skip

    names: dict[str, Callable[[Tensor, Tensor], tuple[Tensor, ...]]] = {
        name: (lambda level, before, name=name: (spread(level, before)[name],))
        for name in ("β̃ for its root", "β for its root", "√(1 − ᾱ)", "√(1 − ᾱ) of the step before", "no draw at all")
    }  # fmt: skip
    seen = torch.tensor([deviation], dtype=torch.float64)
    for name, terms in names.items():
        moved = lambda level, before, terms=terms: (*terms(level, before), *_blur(at, zero))  # noqa: E731
        if compared(subject, seen.to(whole.dtype), moved, [at.at], [at.back]).fits:
            return f"the draw has the deviation {deviation:.4g}: {name}"
    return f"the draw has the deviation {deviation:.4g}, neither √β̃ nor √β"


def _blur(at: Point, zero: Tensor) -> tuple[Tensor, Tensor]:
    """A difference of two results is rounded on their scale."""
    size = (zero.double().abs().max() / at.noise.abs().min()).reshape(1)
    return size, -size


def dialects(subject: DiffusionProcess) -> dict[str, Dialect]:
    """What each kind of step of the process is."""
    if "dialects" not in subject.memory:
        subject.memory["dialects"] = {
            name: _counted(subject, role)
            for name, role in subject.calls.roles.items()
            if name in ("p_mean_variance", "p_sample", "ddim_step") and not role.broken
        }
    return subject.memory["dialects"]


def _counted(subject: DiffusionProcess, role: Role) -> Dialect:
    """The dialect, wherever it counts from; unknown where that is another place than the other functions'."""
    known, said = first_step(subject)
    settled = subject.first_step is not None or any(len(fits) == 1 for fits, _ in said.values())
    if subject.calls.path:
        known, settled = 0, True
    order = (0, 1) if known is None else (known, 1 - known)
    made: list[Dialect] = []
    for first in order if not subject.calls.path else (0,):
        try:
            found = _found(subject, role, first)
        except Unforeseen as why:
            return Dialect(first=first, unknown=str(why))
        except SubjectRaised as raised:
            found = Dialect(first=first, problem=str(raised))
        if not found.problem or (subject.first_step is not None):
            made.insert(0, found)
            break
        made.append(found)
    best = made[0]
    if not best.problem and best.first != order[0] and (settled or known is None):
        words = f"it counts its steps from {best.first}, other functions from {order[0]}: say first_step=0 or 1"
        return replace(best, unknown=words)
    return best


def prediction_of(subject: DiffusionProcess) -> str:
    """What the network predicts: as declared, as its sampler takes it, or by its own word; "" where nothing says so."""
    if subject.prediction is not None:
        return subject.prediction
    for one in dialects(subject).values():
        if not one.problem and not one.unknown:
            return one.prediction
    return subject.calls.stated
