"""The loss of a process: what it asks its network for, and what it shows it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from genverify.checks.check import check
from genverify.checks.diffusion_process_calls import Unforeseen, drawn_by, fed, run
from genverify.checks.diffusion_process_conversions import steps_of
from genverify.checks.diffusion_process_dialect import dialects, prediction_of
from genverify.checks.diffusion_process_functions import first_step
from genverify.checks.diffusion_process_levels import box, compared, levels, reckoned, units
from genverify.checks.diffusion_process_schedule import lawful
from genverify.subjects.budget import Run
from genverify.subjects.case import Case
from genverify.subjects.diffusion_process import DiffusionProcess, Role
from genverify.verdict import Judgement, Rung, failed, inconclusive, not_applicable, passed

__all__ = ["loss"]

_NAMES = {"eps": "the noise", "x0": "the data", "v": "the velocity √ᾱ ε − √(1 − ᾱ) x_0"}
_RESULTS = ("loss", "mse", "total", "total_loss")
# Roundings of a mean of squares beside those of the target.
_SUM = 64


def _has_loss(subject: DiffusionProcess) -> str | None:
    if "loss" not in subject.calls.roles:
        said = [one for one in subject.calls.notes if "as loss:" in one]
        return said[0] if said else "it has no loss that was recognised"
    if subject.calls.network is not None and subject.calls.network.doubled:
        return "its network learns the variance, too, of which its loss has a part"
    return lawful(subject)


def _value(result: Any) -> float:  # noqa: ANN401 - whatever a stranger returns
    if isinstance(result, Mapping):
        result = next((result[name] for name in _RESULTS if name in result), next(iter(result.values())))
    if isinstance(result, (tuple, list)):
        result = result[0]
    return float(torch.as_tensor(result).double().sum())


def _called(
    subject: DiffusionProcess, role: Role, t: int, x0: Tensor, noise: Tensor, answer: Tensor
) -> tuple[float, Tensor]:
    """The loss at a step, and the sample that the network was shown.

    Raises:
        SubjectRaised: It raised.
        Unforeseen: It draws otherwise than the noise alone, or calls no network.
    """
    network, dtype = subject.calls.network, subject.calls.dtype
    assert network is not None
    network.given.clear()
    network.answer = lambda x, _: answer.to(dtype)
    given: dict[str, Any] = {
        "x0": x0.to(dtype), "t": t if role.number else torch.full((len(x0),), t),
        "noise": noise.to(dtype),
    }  # fmt: skip
    given = {name: value for name, value in given.items() if name in role.takes}
    result, tape = run(role, given)
    shapes = drawn_by(tape)
    if shapes and "noise" not in role.takes:
        if len(shapes) > 1 or torch.Size(shapes[0]).numel() != noise.numel():
            raise Unforeseen(f"{role.spelt} draws {len(shapes)} times")
        network.given.clear()
        result, _ = run(role, given, fed(tape, [noise.reshape(shapes[0])]))
    if not network.given:
        raise Unforeseen(f"{role.spelt} calls no network that could be replaced")
    return _value(result), network.given[-1]


def _targets(
    subject: DiffusionProcess, t: int, x0: Tensor, noise: Tensor
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """What a network may be asked for, and what it is asked for by a slip."""
    level = levels(subject)[t]
    a, s = level.sqrt(), (1 - level).sqrt()
    known = {"eps": noise, "x0": x0, "v": a * noise - s * x0}
    slips = {
        "x_t itself": a * x0 + s * noise, "−ε": -noise, "√(1 − ᾱ) ε": s * noise, "−v": -known["v"],
        "√(1 − ᾱ) ε − √ᾱ x_0: the roots exchanged": s * noise - a * x0, "−ε/√(1 − ᾱ), the score": -noise / s,
        "√ᾱ ε + √(1 − ᾱ) x_0: the sign of a velocity": a * noise + s * x0,
        "ᾱ ε − (1 − ᾱ) x_0: no roots": level * noise - (1 - level) * x0,
    }  # fmt: skip
    return known, slips


@check(
    "diffusion_process.loss",
    statement="the loss shows its network x_t, and vanishes where that says what the sampler takes it for",
    source="Ho, Jain & Abbeel 2020, algorithm 1 and eq. 14; Salimans & Ho 2022, section 4",
    rung=Rung.EXACT,
    requires=_has_loss,
    before=dialects,
)
def loss(subject: DiffusionProcess, case: Case, run: Run) -> Judgement:
    """At drawn data, noise and steps."""
    role = subject.calls.roles["loss"]
    first, _ = first_step(subject)
    evidence: dict[str, Any] = {"rung": Rung.EXACT, "examined": 1, "notes": subject.calls.notes}
    if role.broken:
        why = f"{role.spelt}: it raises {role.broken}"
        return failed(**evidence, message=why) if subject.event_shape is not None else inconclusive(
            f"{why}; say event_shape= of the samples that it takes", rung=Rung.EXACT
        )  # fmt: skip
    if first is None:
        return inconclusive("functions count their steps differently: say first_step=0 or 1", rung=Rung.EXACT)
    step = steps_of(subject, case)[0]
    # Of moderate size, and none of them zero.
    x0 = 1.5 + case["x0"] / (1 + case["x0"].abs())
    noise = -2.5 + case["noise"] / (1 + case["noise"].abs())
    x0, noise = (one.to(subject.calls.dtype).double() for one in (x0, noise))
    try:
        return _judged(subject, role, step, first, x0, noise, evidence)
    except Unforeseen as why:
        return inconclusive(str(why), rung=Rung.EXACT, notes=subject.calls.notes)


def _judged(
    subject: DiffusionProcess, role: Role, step: int, first: int, x0: Tensor, noise: Tensor, evidence: dict[str, Any]
) -> Judgement:
    known, slips = _targets(subject, step, x0, noise)

    def at(answer: Tensor) -> tuple[float, Tensor]:
        return _called(subject, role, step + first, x0, noise, answer)

    _, shown = at(torch.zeros_like(x0))
    rows = [step] * len(x0)

    def sample(level: Tensor, before: Tensor) -> tuple[Tensor, ...]:
        return tuple(subject.against.q_sample(x0, noise, level.sqrt(), (1 - level).sqrt()))

    gap = compared(subject, shown, sample, rows)
    if not gap.fits:
        other = next((i for i in range(len(subject.calls.alphas))
                      if i != step and compared(subject, shown, sample, [i] * len(x0)).fits), None)  # fmt: skip
        if other is None:
            return inconclusive(f"{role.spelt}: its network is shown no x_t of these data, which may be scaled first",
                                rung=Rung.EXACT, notes=subject.calls.notes)  # fmt: skip
        why = f"{role.spelt}: its network is shown x_t of step {other + first} when t = {step + first}"
        return failed(**evidence, observed=gap.error, allowed=gap.allowed, message=why)
    rate = _vanishing(subject, x0, noise, step)
    if math.isinf(rate):
        return not_applicable("no digits are left at this step")

    def vanishes(target: Tensor) -> bool:
        here, there = at(target)[0], at(target + 1)[0]
        return abs(here) <= rate * abs(there) and there != 0

    asked = [name for name, target in known.items() if vanishes(target)]
    wanted = prediction_of(subject)
    if not asked:
        slip = next((name for name, target in slips.items() if vanishes(target)), None)
        if slip is None:
            return inconclusive(f"{role.spelt}: it vanishes at none of ε, x_0 and v", rung=Rung.EXACT,
                                notes=subject.calls.notes)  # fmt: skip
        return failed(**evidence, message=f"{role.spelt}: the network is asked for {slip}")
    said = subject.calls.stated if subject.prediction is None else ""
    for name, whose in ((wanted, "is declared" if subject.prediction else "is what the sampler takes it for"),
                        (said, "is what the process says that it predicts")):  # fmt: skip
        if name in known and name not in asked:
            return failed(**evidence, message=f"{role.spelt}: the network is asked for {_NAMES[asked[0]]}, and "
                          f"{_NAMES[name]} {whose}")  # fmt: skip
    evidence["notes"] = (*evidence["notes"], f"the loss asks the network for {_NAMES[asked[0]]}")
    return passed(**evidence, observed=gap.error, allowed=gap.allowed, unit=str(gap.unit).removeprefix("torch."))


def _vanishing(subject: DiffusionProcess, x0: Tensor, noise: Tensor, step: int) -> float:
    """How large, beside the loss one off, a loss may be at its target: as far as the target itself may be off."""
    unit = units(subject)[-1]
    _, allowed = reckoned(
        lambda level, before: subject.against.v_target(x0, noise, level.sqrt(), (1 - level).sqrt()),
        box(subject, [step] * len(x0), unit), x0.dim() - 1, unit,
    )  # fmt: skip
    return 2 * max(float(allowed.max()), _SUM * torch.finfo(unit).eps)
