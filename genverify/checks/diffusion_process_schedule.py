"""The tables of a process follow from its rates, and the rates are rates."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from genverify.checks.check import check
from genverify.checks.diffusion_process_levels import box, compared, floor, levels
from genverify.subjects.budget import Run
from genverify.subjects.case import Case
from genverify.subjects.diffusion_process import DiffusionProcess
from genverify.verdict import Judgement, Rung, failed, passed

__all__ = ["illegal", "lawful", "rates", "schedule", "terminal_snr"]

_HO = "Ho, Jain & Abbeel 2020"


def illegal(subject: DiffusionProcess) -> str | None:
    """Why the rates are none, or None."""
    betas = 1 - subject.calls.alphas
    legal = (betas > 0) & (betas < 1)
    legal[-1] |= betas[-1] == 1
    if bool(legal.all()):
        return None
    place = int((~legal).nonzero()[0])
    what = f"β of step {place + 1} of {len(betas)} is {float(betas[place]):g}"
    return f"{what} ({subject.calls.origin}), outside (0, 1)"


def lawful(subject: DiffusionProcess) -> str | None:
    """Why nothing follows from the rates, or None: requires= of every other check."""
    found = illegal(subject)
    return None if found is None else f"nothing follows from these rates: {found}"


@check(
    "diffusion_process.rates",
    statement="0 < β_t < 1 for every step (β_T = 1 is allowed), so that ᾱ falls",
    source=f"{_HO}, section 2; Lin et al. 2024 for β_T = 1",
    rung=Rung.EXACT,
    searched=False,
)
def rates(subject: DiffusionProcess, case: Case, run: Run) -> Judgement:
    """Every rate."""
    betas = 1 - subject.calls.alphas
    why = illegal(subject)
    if why is not None:
        narrow = torch.finfo(subject.calls.unit).eps > torch.finfo(torch.float32).eps
        hint = f"; in {str(subject.calls.unit).removeprefix('torch.')} 1 − β has few digits" if narrow else ""
        return failed(
            rung=Rung.EXACT, examined=len(betas), notes=subject.calls.notes,
            message=f"{why}: check the ends of the schedule, and what it is scaled by{hint}",
        )  # fmt: skip
    return passed(rung=Rung.EXACT, examined=len(betas), quantity="rates in (0, 1)", notes=subject.calls.notes)


def _claims_end(subject: DiffusionProcess) -> str | None:
    if subject.terminal_snr is None:
        return "nothing is claimed of the end; say terminal_snr="
    return lawful(subject)


@check(
    "diffusion_process.terminal_snr",
    statement="ᾱ_T/(1 − ᾱ_T) does not exceed what is claimed",
    source="Lin, Liu, Li & Yang 2024, section 3.1",
    rung=Rung.EXACT,
    searched=False,
    requires=_claims_end,
)
def terminal_snr(subject: DiffusionProcess, case: Case, run: Run) -> Judgement:
    """The last level."""
    assert subject.terminal_snr is not None
    level = float(levels(subject)[-1])
    off = float(box(subject, [len(subject.calls.alphas) - 1], subject.calls.unit).ratio_error)
    ratio = level / (1 - level)
    evidence = {"rung": Rung.EXACT, "examined": 1, "observed": ratio, "allowed": subject.terminal_snr + off,
                "quantity": "ᾱ_T/(1 − ᾱ_T)"}  # fmt: skip
    if ratio <= subject.terminal_snr + off:
        return passed(**evidence)
    return failed(**evidence, message="more of the signal is left at the last step than is claimed")


def _rows(role: str, subject: DiffusionProcess) -> dict[str, Callable[[Tensor, Tensor], Tensor]]:
    """What a table holds, by the readings of its name that are in use; the first is the usual one."""
    variance = subject.against.posterior_variance
    one = torch.ones((), dtype=torch.float64)

    def mean(*parts: float) -> Callable[[Tensor, Tensor], Tensor]:
        coefficients = [one * part for part in parts]
        return lambda level, before: sum(subject.against.posterior_mean(*coefficients, level, before), 0 * level)

    known: dict[str, dict[str, Callable[[Tensor, Tensor], Tensor]]] = {
        "betas": {"": lambda level, before: 1 - level / before},
        "alphas": {"": lambda level, before: level / before, "ᾱ, not 1 − β": lambda level, before: level},
        "alphas_cumprod": {"": lambda level, before: level},
        "alphas_cumprod_prev": {"": lambda level, before: before},
        "sqrt_alphas_cumprod": {"": lambda level, before: level.sqrt()},
        "sqrt_one_minus_alphas_cumprod": {"": lambda level, before: (1 - level).sqrt()},
        "one_minus_alphas_cumprod": {"": lambda level, before: 1 - level},
        "log_one_minus_alphas_cumprod": {"": lambda level, before: (1 - level).log()},
        "sqrt_recip_alphas_cumprod": {"": lambda level, before: 1 / level.sqrt()},
        "sqrt_recipm1_alphas_cumprod": {"": lambda level, before: (1 / level - 1).sqrt()},
        "sqrt_alphas": {"": lambda level, before: (level / before).sqrt()},
        "sqrt_recip_alphas": {"": lambda level, before: 1 / (level / before).sqrt()},
        "sqrt_betas": {"": lambda level, before: (1 - level / before).sqrt()},
        "posterior_variance": {"": variance},
        "posterior_log_variance_clipped": {"": lambda level, before: variance(level, before).log()},
        "posterior_mean_coef1": {"": mean(1.0, 0.0)},
        "posterior_mean_coef2": {"": mean(0.0, 1.0)},
        "snr": {"": lambda level, before: level / (1 - level)},
        "log_snr": {
            "": lambda level, before: (level / (1 - level)).log(),
            "half of it": lambda level, before: (level / (1 - level)).log() / 2,
        },
    }  # fmt: skip
    return known.get(role, {})


# What stands in a table in front of the first step, where there is such an entry, is of the data: not judged.


@check(
    "diffusion_process.schedule",
    statement="each table is what its name says of the rates, at every step: ᾱ, its roots, β̃, the posterior's weights",
    source=f"{_HO}, eqs. 4 and 7",
    rung=Rung.EXACT,
    searched=False,
    requires=lambda subject: "it has no table beside its rates" if len(subject.calls.tables) < 2 else lawful(subject),
    derivation="diffusion.posterior.bayes",
)
def schedule(subject: DiffusionProcess, case: Case, run: Run) -> Judgement:
    """Every table at every step, each in its own dtype."""
    calls = subject.calls
    total = len(calls.alphas)
    notes, examined, worst = list(calls.notes), 0, None
    for role, table in calls.tables.items():
        readings = _rows(role, subject)
        if role == "alphas_cumprod_next":
            readings = {}
        if not readings:
            continue
        padded = len(table) == total + 1
        if len(table) not in (total, total + 1):
            return failed(
                rung=Rung.EXACT, examined=1, notes=tuple(notes),
                message=f"{role} has {len(table)} entries, and {calls.origin} says {total} steps",
            )  # fmt: skip
        own = table[1:] if padded else table
        # At the step next to the data β̃ is zero: what stands for its logarithm, or for itself, is a convention.
        first = 1 if role in ("posterior_log_variance_clipped", "posterior_variance") else 0
        at = list(range(first, total))
        if role == "posterior_variance" and not _at_the_data(subject, float(own[0])):
            return failed(
                rung=Rung.EXACT, examined=1, notes=tuple(notes), observed=float(own[0]), allowed=0.0,
                quantity="β̃ at the step next to the data",
                message="posterior_variance at the first step: x_0 is known given x_0, β̃_1 = 0 (or β̃_2 in its place)",
            )  # fmt: skip
        if not at:
            continue
        tried = {}
        for reading, value in readings.items():
            tried[reading] = compared(subject, own[first:], lambda a, b, value=value: (value(a, b),), at)
            if tried[reading].fits:
                break
        fitting = next((reading for reading, gap in tried.items() if gap.fits), None)
        gap = tried[fitting] if fitting is not None else tried[""]
        if fitting is None:
            place = first + gap.where
            return failed(
                rung=Rung.EXACT, examined=total, observed=gap.error, allowed=gap.allowed, notes=tuple(notes),
                unit=str(gap.unit).removeprefix("torch."), quantity="|error|",
                witness={"table": role, "step": f"{place + 1} of {total}", "entry": f"{float(own[place]):.9g}"},
                message=f"{role} is not what {calls.origin} says" + _slip(subject, role, own),
            )  # fmt: skip
        if fitting:
            notes.append(f"{role} holds {fitting}")
        if gap.unit != table.dtype and gap.unit != calls.unit:
            notes.append(f"{role} agrees with {calls.origin} to {str(gap.unit).removeprefix('torch.')} alone")
        if not gap.examined:
            notes.append(f"{role} has no digits in {str(gap.unit).removeprefix('torch.')}: not judged")
        examined += gap.examined
        worst = gap if worst is None or gap.observed > worst.observed else worst
    assert worst is not None
    return passed(
        rung=Rung.EXACT, examined=examined, observed=worst.error, allowed=worst.allowed, notes=tuple(notes),
        unit=str(worst.unit).removeprefix("torch."),
    )  # fmt: skip


def _at_the_data(subject: DiffusionProcess, first: float) -> bool:
    """Whether what stands for β̃ next to the data is zero, a floor under a logarithm, or the entry after it."""
    beta = 1 - subject.calls.alphas[0]
    if 0 <= first <= float(floor(beta)):
        return True
    if len(subject.calls.alphas) < 2:
        return False
    own = torch.tensor([first], dtype=torch.float64)
    gap = compared(subject, own, lambda a, b: (subject.against.posterior_variance(a, b),), [1])
    return gap.fits


def _slip(subject: DiffusionProcess, role: str, own: Tensor) -> str:
    """What the table is instead, where that has a name."""
    total = len(subject.calls.alphas)
    inner = list(range(1, total - 1))
    if not inner:
        return ""
    for other in (role, "betas", "alphas", "alphas_cumprod", "alphas_cumprod_prev", "one_minus_alphas_cumprod",
                  "sqrt_alphas_cumprod", "sqrt_one_minus_alphas_cumprod", "posterior_variance",
                  "posterior_mean_coef1", "posterior_mean_coef2"):  # fmt: skip
        reading = _rows(other, subject).get("")
        if reading is None:
            continue
        for shift, words in ((0, ""), (1, " of the step after"), (-1, " of the step before")):
            if other == role and not shift:
                continue
            at = [i + shift for i in inner]
            if compared(subject, own[1:-1], lambda a, b, value=reading: (value(a, b),), at).fits:
                return f": it is {other}{words}"
    return ""
