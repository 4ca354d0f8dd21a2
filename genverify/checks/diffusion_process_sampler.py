"""The steps of a process's sampler, each against the posterior at what its network says of the data."""

from __future__ import annotations

from collections.abc import Callable

from genverify.checks.check import check
from genverify.checks.diffusion_process_calls import Unforeseen
from genverify.checks.diffusion_process_conversions import steps_of
from genverify.checks.diffusion_process_dialect import Dialect, dialects, stepped
from genverify.checks.diffusion_process_levels import Gap
from genverify.checks.diffusion_process_schedule import lawful
from genverify.checks.diffusion_process_steps import pairs, point
from genverify.subjects.budget import Run
from genverify.subjects.case import Case, render
from genverify.subjects.diffusion_process import DiffusionProcess
from genverify.verdict import Judgement, Rung, failed, inconclusive, passed

__all__ = ["ddim_step", "p_mean_variance", "p_sample"]

_HO, _SONG = "Ho, Jain & Abbeel 2020", "Song, Meng & Ermon 2021"
_NAMES = {"eps": "the noise", "x0": "the data", "v": "the velocity", "mean": "the mean of the step"}


def _needs(role: str) -> Callable[[DiffusionProcess], str | None]:
    def requires(subject: DiffusionProcess) -> str | None:
        if role not in subject.calls.roles:
            said = [one for one in subject.calls.notes if f"as {role}:" in one]
            return said[0] if said else f"it has no {role} that was recognised"
        return lawful(subject)

    return requires


def _notes(subject: DiffusionProcess, found: Dialect) -> tuple[str, ...]:
    clip = {
        "": "x̂_0 is not clipped", "data": "x̂_0 is clipped to [−1, 1]",
        "both": "x̂_0 is clipped to [−1, 1], and ε derived from it",
        "other": "x̂_0 beyond 1 is bounded in another way, which is not judged",
    }[found.clip]  # fmt: skip
    said = f"the network predicts {_NAMES[found.prediction]}; drawn with {found.family}; {clip}"
    return (*subject.calls.notes, said, f"steps count from {found.first}")


def _judge(subject: DiffusionProcess, case: Case, name: str) -> Judgement:
    role = subject.calls.roles[name]
    evidence = {"rung": Rung.EXACT, "examined": 1, "notes": subject.calls.notes}
    if role.broken:
        why = f"{role.spelt}: it raises {role.broken}"
        if subject.event_shape is not None:
            return failed(**evidence, message=why)
        return inconclusive(f"{why}; say event_shape= of the samples that it takes", rung=Rung.EXACT)
    found = dialects(subject)[name]
    if found.unknown:
        return inconclusive(found.unknown, rung=Rung.EXACT, notes=subject.calls.notes)
    if found.problem:
        return _refuted(subject, found, f"{role.spelt}: {found.problem}")
    claims = _claims(subject, found)
    if claims:
        return failed(**evidence, message=f"{role.spelt}: {claims}")
    every = pairs(subject)
    total = len(subject.calls.alphas)
    worst: Gap | None = None
    examined = 0
    for row, step in enumerate(steps_of(subject, case)):
        pair = every[round((total - 1 - step) * (len(every) - 1) / max(total - 1, 1))]
        drawn = [case[part][row : row + 1] for part in ("x0", "noise", "v", "xt")]
        try:
            gap, _ = stepped(subject, role, found, point(subject, found.prediction, pair, drawn))
        except Unforeseen as why:
            return inconclusive(str(why), rung=Rung.EXACT, notes=subject.calls.notes)
        examined += gap.examined
        worst = gap if worst is None or gap.observed > worst.observed else worst
    assert worst is not None
    made = {
        "rung": Rung.EXACT, "examined": examined, "observed": worst.error, "allowed": worst.allowed,
        "unit": str(worst.unit).removeprefix("torch."), "notes": _notes(subject, found),
    }  # fmt: skip
    if worst.fits:
        return passed(**made) if examined else inconclusive("no digits are left to compare", rung=Rung.EXACT)
    return failed(**made, message=f"{role.spelt}: it is not at every step what it is at others")


def _refuted(subject: DiffusionProcess, found: Dialect, message: str) -> Judgement:
    gap, at = found.gap, found.where
    if gap is None or at is None:
        return failed(rung=Rung.EXACT, examined=1, notes=subject.calls.notes, message=message)
    numbers = {"x_t": at.x, "the network's answer": at.prediction, "noise": at.noise}
    witness = {"step": f"{at.at + 1} of {len(subject.calls.alphas)}", **{n: render(v) for n, v in numbers.items()}}
    return failed(
        rung=Rung.EXACT, examined=1, observed=gap.error, allowed=gap.allowed, notes=subject.calls.notes,
        unit=str(gap.unit).removeprefix("torch."), message=message, witness=witness,
    )  # fmt: skip


def _claims(subject: DiffusionProcess, found: Dialect) -> str:
    """What was declared, or is said by the process, and is not so."""
    if subject.clip is not None and found.clip != "other" and subject.clip != bool(found.clip):
        return f"x̂_0 is {'' if found.clip else 'not '}clipped to [−1, 1], and clip={subject.clip} is declared"
    if subject.calls.stated and subject.prediction is None and found.prediction not in ("mean", subject.calls.stated):
        return (
            f"the process says that its network predicts {_NAMES[subject.calls.stated]}, and this step takes it for "
            f"{_NAMES[found.prediction]}"
        )
    return ""


@check(
    "diffusion_process.p_mean_variance",
    statement="the reverse step's mean is the posterior's at the predicted data, its variance β̃, β or what is learned",
    source=f"{_HO}, eqs. 7, 11 and 15; Nichol & Dhariwal 2021, eq. 15",
    rung=Rung.EXACT,
    requires=_needs("p_mean_variance"),
    before=dialects,
    derivation="diffusion.ddpm_mean.posterior",
)
def p_mean_variance(subject: DiffusionProcess, case: Case, run: Run) -> Judgement:
    """At drawn points and steps."""
    return _judge(subject, case, "p_mean_variance")


@check(
    "diffusion_process.p_sample",
    statement="a step back draws from the posterior at the predicted data, and adds no noise at the last one",
    source=f"{_HO}, algorithm 2",
    rung=Rung.EXACT,
    requires=_needs("p_sample"),
    before=dialects,
    derivation="diffusion.ddpm_mean.posterior",
)
def p_sample(subject: DiffusionProcess, case: Case, run: Run) -> Judgement:
    """At drawn points and steps, on drawn noise."""
    return _judge(subject, case, "p_sample")


@check(
    "diffusion_process.ddim_step",
    statement="a DDIM step goes to √ᾱ' x̂_0 + √(1 − ᾱ' − σ²) ε̂ + σ z with σ² = η² (1 − ᾱ')/(1 − ᾱ) (1 − ᾱ/ᾱ')",
    source=f"{_SONG}, eqs. 12 and 16",
    rung=Rung.EXACT,
    requires=_needs("ddim_step"),
    before=dialects,
    derivation="diffusion.ddim_step.marginal",
)
def ddim_step(subject: DiffusionProcess, case: Case, run: Run) -> Judgement:
    """At drawn points and steps; where the goal is an argument, jumps are tried as well."""
    return _judge(subject, case, "ddim_step")
