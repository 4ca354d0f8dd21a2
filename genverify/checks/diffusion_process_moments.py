"""A whole sampler on normal data, whose exact network is known: mean and variance after all steps, to rounding.

For x_0 ~ N(m, c) the exact prediction is affine in x_t, so each step is x' = A x + b + σ z, and all of them together
are an affine map of the draws. Its coefficients are read off from draws that are zero but for one; the law that it
reaches is a recursion in the process's own rates: m' = A m + b, v' = A² v + σ².
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import torch
from torch import Tensor

from genverify.checks.check import check
from genverify.checks.diffusion_process_calls import SharedNoise, Unforeseen, drawn_by, fed, parts, run
from genverify.checks.diffusion_process_dialect import SPREAD, Dialect, dialects, prediction_of
from genverify.checks.diffusion_process_functions import first_step
from genverify.checks.diffusion_process_levels import box, final, levels, reckoned, units
from genverify.checks.diffusion_process_schedule import lawful
from genverify.checks.diffusion_process_steps import Family, Point, answered, pairs, step_terms
from genverify.subjects.budget import Run
from genverify.subjects.case import Case
from genverify.subjects.diffusion_process import DiffusionProcess, Role
from genverify.verdict import Judgement, Rung, failed, inconclusive, not_applicable, passed

__all__ = ["moments"]

# Of draws and samples: a power of two, and so small that no predicted x_0 is beyond 1.
_H = 0.125
# Steps past which one set of data is enough.
_MANY = 128
_STEPS, _LOOPS = ("p_sample", "ddim_step"), ("p_loop", "ddim_loop")


@dataclass(frozen=True, kw_only=True)
class Law:
    """Mean and variance of each number of a sample, and how far they may be off."""

    mean: Tensor
    variance: Tensor
    mean_error: Tensor
    variance_error: Tensor


def exact(prediction: str, x: Tensor, level: Tensor, mean: float, std: float) -> Tensor:
    """What the exact network says at x_t, for data N(m, c): the mean of ε, of x_0 or of v, given x_t."""
    a, s, c = level.sqrt(), (1 - level).sqrt(), std**2
    total = level * c + 1 - level
    noise, data = s * (x - a * mean) / total, mean + a * c / total * (x - a * mean)
    return {"eps": noise, "x0": data, "v": a * noise - s * data}[prediction]


def _point(
    subject: DiffusionProcess, prediction: str, path: Sequence[tuple[int, int]], mean: float, std: float
) -> Point:
    """Three rows for each step: nothing; a sample alone; a draw alone, but at the last step, where there is none."""
    one = torch.ones((1, *subject.event), dtype=torch.float64) * _H
    x = torch.cat([0 * one, one, 0 * one]).repeat(len(path), *[1] * len(subject.event))
    drawn = [torch.cat([0 * one, 0 * one, one if back >= 0 else 0 * one]) for _, back in path]
    level = levels(subject)[torch.tensor([at for at, _ in path]).repeat_interleave(3)]
    said = exact(prediction, x, level.reshape(-1, *[1] * len(subject.event)), mean, std)
    said = said.to(subject.calls.dtype).double()
    return Point(at=path[0][0], back=max(path[0][1], 0), x=x, prediction=said, noise=torch.cat(drawn))


def _begun(subject: DiffusionProcess) -> Law:
    zero = torch.zeros(subject.event, dtype=torch.float64)
    return Law(mean=zero, variance=zero + 1, mean_error=zero, variance_error=zero)


def _onward(law: Law, value: Tensor, off: Tensor) -> Law:
    """The law after a step whose three rows have these values, each to within `off`."""
    b, gain, spread = value[0], (value[1] - value[0]) / _H, (value[2] - value[0]) / _H
    db, dgain, dspread = off[0], (off[1] + off[0]) / _H, (off[2] + off[0]) / _H
    return Law(
        mean=gain * law.mean + b, variance=gain**2 * law.variance + spread**2,
        mean_error=(gain.abs() + dgain) * law.mean_error + dgain * law.mean.abs() + db,
        variance_error=(gain.abs() + dgain) ** 2 * law.variance_error
        + (2 * gain.abs() + dgain) * dgain * law.variance + (2 * spread.abs() + dspread) * dspread,
    )  # fmt: skip


def _reckoned(
    subject: DiffusionProcess, dialect: Dialect, path: Sequence[tuple[int, int]], data: tuple[float, float],
    unit: torch.dtype,
) -> Law:  # fmt: skip
    """The recursion."""
    law, event = _begun(subject), subject.event
    terms = step_terms(
        subject, dialect.prediction, dialect.family, _point(subject, dialect.prediction, path, *data), "", SPREAD
    )
    places, backs = [at for at, _ in path for _ in range(3)], [back for _, back in path for _ in range(3)]
    rows = final(box(subject, places, unit, backs), subject.calls.final)
    value, off = (one.expand(3 * len(path), *event) for one in reckoned(terms, rows, len(event), unit))
    for k in range(len(path)):
        law = _onward(law, value[3 * k : 3 * k + 3], off[3 * k : 3 * k + 3])
    return law


def _by_steps(
    subject: DiffusionProcess, role: Role, dialect: Dialect, path: Sequence[tuple[int, int]], data: tuple[float, float]
) -> tuple[Tensor, Tensor, torch.dtype]:
    """What the process's own steps reach, one after the other."""
    law, dtype = _begun(subject), subject.calls.dtype
    nothing = torch.zeros((3, *subject.event), dtype=torch.float64)
    one = torch.ones((1, *subject.event), dtype=torch.float64) * _H
    for pair in path:
        at = replace(_point(subject, dialect.prediction, [pair], *data), at=pair[0], back=pair[1])
        drawn = torch.cat([0 * one, 0 * one, one])  # at the last step, too: it must make no difference there
        found = answered(subject, role, at, dialect.first, noise=drawn, spread=SPREAD)[0]
        dtype = found.dtype
        law = _onward(law, found.double(), nothing)
    return law.mean, law.variance, dtype


@dataclass(frozen=True, kw_only=True)
class Looped:
    """What a process's own loop reaches, and the steps that it took."""

    mean: Tensor
    variance: Tensor
    path: tuple[tuple[int, int], ...]
    dtype: torch.dtype
    draws: int


def _indices(subject: DiffusionProcess, seen: Sequence[float], first: int) -> dict[float, int]:
    """Which step a number is that the network was given: itself, or scaled as if there were a thousand.

    Raises:
        Unforeseen: It is neither.
    """
    total = len(subject.calls.alphas)
    for scale in (1.0, 1000.0 / total, 1.0 / total, 1.0 / max(total - 1, 1)):
        found = {t: t / scale - (first if scale == 1.0 else 0) for t in seen}
        near = {t: round(i) for t, i in found.items()}
        narrow = torch.finfo(torch.float32).eps * 2 * total
        if all(abs(i - near[t]) <= narrow and 0 <= near[t] < total for t, i in found.items()):
            return near
    raise Unforeseen(f"which steps the sampler takes could not be told: its network is given {list(seen)[:4]} …")


def _by_loop(subject: DiffusionProcess, role: Role, prediction: str, first: int, data: tuple[float, float]) -> Looped:
    """The loop on draws that are zero but for one, a row for each.

    Raises:
        SubjectRaised: It raised.
        Unforeseen: It draws, or calls its network, otherwise than a sampler of one call a step does.
    """
    network = subject.calls.network
    assert network is not None

    def given(rows: int) -> dict[str, object]:
        handed: dict[str, object] = {"batch": rows, "shape": (rows, *subject.event)}
        if subject.eta is not None:
            handed["eta"] = subject.eta
        return {name: value for name, value in handed.items() if name in role.takes}

    network.answer = lambda x, t: torch.zeros_like(x)
    network.spread = SPREAD
    network.seen.clear()
    _, tape = run(role, given(2))
    draws, seen = drawn_by(tape), list(network.seen)
    if len(draws) > 1 and draws[0][0] == 2 and any(shape in (draws[0][1:], (1, *draws[0][1:])) for shape in draws[1:]):
        raise SharedNoise(f"{role.spelt}: all rows of a batch share one draw")
    if not draws or not seen or draws[0][0] != 2:
        raise Unforeseen(f"{role.spelt} does not begin with a draw of the whole batch")
    index = _indices(subject, seen, first)
    steps = [index[t] for t in seen]
    if any(a <= b for a, b in pairwise(steps)):
        raise Unforeseen(f"{role.spelt} calls its network at {steps[:4]} …, not once at each of ever earlier steps")
    level = levels(subject)
    count = len(draws)
    _, tape = run(role, given(count + 1))
    network.seen.clear()
    network.answer = lambda x, t: exact(prediction, x.double(), level[index[t]], *data)
    noise = []
    for k, draw in enumerate(tape.draws):
        one = torch.zeros(draw.shape, dtype=torch.float64)
        one[k + 1] = _H
        noise.append(one)
    result, _ = run(role, given(count + 1), fed(tape, noise))
    found = parts(result)
    if isinstance(result, list):  # all the samples on the way
        found = found[-1:]
    if not found or not found[0].is_floating_point() or len(found[0]) != count + 1:
        raise Unforeseen(f"{role.spelt} returns no samples of floating numbers")
    whole = found[0].double().reshape(count + 1, -1)
    if whole.shape[1] != math.prod(subject.event):
        raise Unforeseen(f"{role.spelt} returns samples of shape {tuple(found[0].shape[1:])}")
    whole = whole.reshape(count + 1, *subject.event)
    gains = (whole[1:] - whole[0]) / _H
    return Looped(
        mean=whole[0], variance=gains.square().sum(0), path=tuple(zip(steps, (*steps[1:], -1), strict=True)),
        dtype=found[0].dtype, draws=count,
    )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class _Reached:
    fits: bool
    error: float
    allowed: float
    unit: torch.dtype
    law: Law
    told: str


def _weighed(
    subject: DiffusionProcess, dialect: Dialect, path: Sequence[tuple[int, int]], data: tuple[float, float],
    reached: tuple[Tensor, Tensor, torch.dtype],
) -> _Reached:  # fmt: skip
    last: _Reached | None = None
    mean, variance, dtype = reached
    # Where its steps by themselves are good to float64, so are all of them together.
    tried = units(subject, dtype)
    for unit in tried[:1] if dialect.wide else tried:
        law = _reckoned(subject, dialect, path, data, unit)
        # Coefficients are differences of results: of numbers of this size, divided by the size of a draw.
        own = 16 * torch.finfo(unit).eps * (1 + len(path)) * (mean.abs() + variance + 1) / _H
        known = bool(torch.isfinite(law.mean_error).all() and torch.isfinite(law.variance_error).all())
        if not known:
            continue
        pairs_ = ((mean, law.mean, law.mean_error + own, "mean"),
                  (variance, law.variance, law.variance_error + own, "variance"))  # fmt: skip
        ranked = []
        for seen, wanted, allowed, told in pairs_:
            error = torch.where(torch.isfinite(seen), (seen - wanted).abs(), torch.full_like(seen, math.inf))
            place = int((error / allowed).argmax())
            ranked.append((float((error / allowed).max()), float(error.reshape(-1)[place]),
                           float(allowed.reshape(-1)[place]), told))  # fmt: skip
        ratio, error, allowed, told = max(ranked)
        last = _Reached(fits=ratio <= 1.0, error=error, allowed=allowed, unit=unit, law=law, told=told)
        if last.fits:
            return last
    if last is None:
        raise Unforeseen("nothing of the data is left at the first step that the sampler takes: ε says nothing of them")
    return last


def _candidates(subject: DiffusionProcess, role: Role) -> list[Dialect]:
    """What a loop may be: its process's own step, or else any of the known."""
    known = [one for one in dialects(subject).values() if not one.problem and not one.unknown]
    first, _ = first_step(subject)
    begin = known[0].first if known else first or 0
    said = prediction_of(subject)
    predictions = [said] if said else ["eps", "x0", "v"]
    etas = [subject.eta] if subject.eta is not None else [0.0, 1.0]
    families = [Family(name="ddim", eta=float(one)) for one in etas]
    if role.name == "p_loop":
        families = [Family(name="small"), Family(name="large"), *families]
    own = [one for one in known if role.name == "p_loop"]
    wide = role.name == "p_loop" and any(one.wide for one in known)
    made = [Dialect(prediction=p, family=f, first=begin, wide=wide) for p in predictions for f in families]
    return [*own, *(one for one in made if (one.prediction, one.family) not in [(k.prediction, k.family) for k in own])]


def _has_sampler(subject: DiffusionProcess) -> str | None:
    if not {*_STEPS, *_LOOPS} & {*subject.calls.roles}:
        return "it has no sampler that was recognised"
    return lawful(subject)


@check(
    "diffusion_process.moments",
    statement="on normal data and with the exact network, mean and variance after all steps are those of the recursion",
    source="Ho, Jain & Abbeel 2020, section 3.2; Song, Meng & Ermon 2021, eq. 12",
    rung=Rung.EXACT,
    searched=False,
    family="moments",
    requires=_has_sampler,
    before=dialects,
    derivation="diffusion.ddpm_step.data_moments",
)
def moments(subject: DiffusionProcess, case: Case, run: Run) -> Judgement:
    """The process's own steps one after the other, and its own loops."""
    data = (float(case["mean"]), float(case["std"]))
    notes, held = list(subject.calls.notes), []
    worst: _Reached | None = None
    examined = 0
    for name in (*_STEPS, *_LOOPS):
        role = subject.calls.roles.get(name)
        if role is None or role.broken:
            continue
        try:
            found, words = (_steps if name in _STEPS else _loop)(subject, role, data)
        except SharedNoise as why:
            return failed(rung=Rung.EXACT, examined=1, notes=tuple(notes), message=str(why))
        except Unforeseen as why:
            held.append(str(why))
            continue
        if found is None:
            held.append(words)
            continue
        if not found.fits:
            return failed(
                rung=Rung.EXACT, examined=1, observed=found.error, allowed=found.allowed, notes=tuple(notes),
                unit=str(found.unit).removeprefix("torch."), quantity=f"|{found.told} − that of the recursion|",
                message=f"{role.spelt}: {words}",
            )  # fmt: skip
        examined += 1
        notes.append(words)
        worst = found if worst is None or found.error / found.allowed > worst.error / worst.allowed else worst
    if worst is None:
        why = held[0] if held else "its samplers are judged by themselves"
        return inconclusive(why, rung=Rung.EXACT) if any("judged by itself" not in one for one in held) \
            else not_applicable(why)  # fmt: skip
    return passed(
        rung=Rung.EXACT, examined=examined, observed=worst.error, allowed=worst.allowed, notes=(*notes, *held),
        unit=str(worst.unit).removeprefix("torch."), quantity="|moment − that of the recursion|",
        figures={"mean": float(worst.law.mean.reshape(-1)[0]), "variance": float(worst.law.variance.reshape(-1)[0])},
    )  # fmt: skip


def _steps(subject: DiffusionProcess, role: Role, data: tuple[float, float]) -> tuple[_Reached | None, str]:
    dialect = dialects(subject)[role.name]
    if dialect.problem or dialect.unknown or dialect.prediction == "mean":
        return None, f"{role.name} is judged by itself: {dialect.problem or dialect.unknown or 'it predicts the mean'}"
    path = pairs(subject)
    kept = f"{role.name}, steps"
    if kept in subject.memory and len(path) > _MANY:  # one set of data is enough where steps are many
        return subject.memory[kept]
    reached = _by_steps(subject, role, dialect, path, data)
    found = _weighed(subject, dialect, path, data, reached)
    words = f"{len(path)} steps of {role.spelt.partition(' is ')[0]}, with {dialect.family}"
    words = words if found.fits else f"{words}: its {found.told} after all of them is another"
    subject.memory[kept] = (found, words)
    return found, words


def _loop(subject: DiffusionProcess, role: Role, data: tuple[float, float]) -> tuple[_Reached | None, str]:
    kept = f"{role.name}, loop"
    if kept in subject.memory and len(subject.calls.alphas) > _MANY:
        return subject.memory[kept]
    step = dialects(subject).get("p_sample") if role.name == "p_loop" else None
    if step is not None and (step.problem or step.unknown):
        return None, f"{role.name} is judged by itself: {step.problem or step.unknown}"
    nearest: tuple[_Reached, str] | None = None
    name = role.spelt.partition(" is ")[0]
    ran: dict[str, Looped] = {}
    for dialect in _candidates(subject, role):
        if dialect.prediction == "mean":
            continue
        if dialect.prediction not in ran:
            ran[dialect.prediction] = _by_loop(subject, role, dialect.prediction, dialect.first, data)
        one = ran[dialect.prediction]
        for scaled in (False, True):
            mean, variance = (2 * one.mean - 1, 4 * one.variance) if scaled else (one.mean, one.variance)
            found = _weighed(subject, dialect, one.path, data, (mean, variance, one.dtype))
            words = f"{name}: {len(one.path)} steps, {one.draws} draws, with {dialect.family}"
            words += ", its result moved to (x + 1)/2" if scaled else ""
            if found.fits:
                subject.memory[kept] = (found, words)
                return found, words
            if nearest is None or (not scaled and found.error / found.allowed < nearest[0].error / nearest[0].allowed):
                nearest = (found, words)
    if nearest is None:
        return None, f"{role.name} is judged by itself: its network predicts the mean"
    found, words = nearest
    return replace(found), f"{words}: its {found.told} after all of them is another, whichever known steps it takes"
