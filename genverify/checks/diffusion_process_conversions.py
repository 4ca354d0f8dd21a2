"""Noise added, the posterior, and what a prediction says of another: each by the rates of the process itself."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from genverify.checks.check import check
from genverify.checks.diffusion_process_calls import Unforeseen, ask
from genverify.checks.diffusion_process_functions import Outcome, first_step, judged, shown
from genverify.checks.diffusion_process_levels import compared
from genverify.checks.diffusion_process_schedule import lawful
from genverify.subjects.budget import Run
from genverify.subjects.case import Case
from genverify.subjects.diffusion_process import DiffusionProcess
from genverify.verdict import Judgement, Rung, failed, inconclusive, not_applicable, passed

__all__ = ["conversions", "posterior", "q_sample", "round_trip", "steps_of"]

_HO = "Ho, Jain & Abbeel 2020"


def steps_of(subject: DiffusionProcess, case: Case) -> list[int]:
    """The steps of a case, counted from 0, one for each row."""
    total = len(subject.calls.alphas)
    return [int(one) * (total - 1) // 64 if one < 64 else total - 1 for one in case["#t"].tolist()]


def _needs(*roles: str) -> Callable[[DiffusionProcess], str | None]:
    def requires(subject: DiffusionProcess) -> str | None:
        if not any(name in subject.calls.roles for name in roles):
            return f"it has none of {', '.join(roles)} that was recognised"
        return lawful(subject)

    return requires


def _judge(subject: DiffusionProcess, case: Case, roles: tuple[str, ...]) -> Judgement:
    first, said = first_step(subject)
    calls = subject.calls
    worst: tuple[str, Outcome] | None = None
    notes, examined, held = list(calls.notes), 0, ""
    for name in roles:
        role = calls.roles.get(name)
        if role is None:
            continue
        if role.broken:
            if subject.event_shape is not None:
                return failed(rung=Rung.EXACT, examined=1, notes=tuple(notes),
                              message=f"{role.spelt}: it raises {role.broken}")  # fmt: skip
            held = held or f"{role.spelt}: it raises {role.broken}; say event_shape= of the samples that it takes"
            continue
        fits, best = said[name]
        wanted = {subject.first_step} if subject.first_step is not None else {0, 1}
        if not (fits & wanted):
            return _refuted(subject, name, fits, best, notes)
        if first is None or first not in fits:
            other = "; ".join(f"{calls.roles[one].spelt.partition(' is ')[0]} from {min(where)}"
                              for one, (where, _) in said.items() if where)  # fmt: skip
            held = held or f"functions count their steps differently ({other}): say first_step=0 or first_step=1"
            continue
        at = steps_of(subject, case)
        given = {what: case[what] for what in ("x0", "xt", "noise", "v") if what in role.takes} or {"x0": case["x0"]}
        if name == "q_sample":
            given["noise"] = case["noise"]
        try:
            found = judged(subject, role, at, given, first)
        except Unforeseen as why:
            held = held or str(why)
            continue
        examined += found.gap.examined
        notes += [one for one in found.notes if one not in notes]
        if worst is None or found.gap.observed > worst[1].gap.observed:
            worst = (name, found)
    if worst is None:
        return inconclusive(held, rung=Rung.EXACT, notes=tuple(notes)) if held else not_applicable("nothing to judge")
    name, found = worst
    gap = found.gap
    notes += [f"steps count from {first}"] + ([held] if held else [])
    evidence = {
        "rung": Rung.EXACT, "examined": examined, "observed": gap.error, "allowed": gap.allowed, "notes": tuple(notes),
        "unit": str(gap.unit).removeprefix("torch."),
    }  # fmt: skip
    if gap.fits:
        return passed(**evidence) if examined else inconclusive("no digits are left to compare", rung=Rung.EXACT)
    return failed(**evidence, message=f"{calls.roles[name].spelt}: its {found.what} is not what {calls.origin} says")


def _refuted(
    subject: DiffusionProcess, name: str, fits: frozenset[int], best: Outcome | str, notes: list[str]
) -> Judgement:
    """Wrong wherever it counts from, or where it is said to."""
    role = subject.calls.roles[name]
    place = best.gap.where if isinstance(best, Outcome) else 0
    evidence = {"rung": Rung.EXACT, "examined": 1, "notes": tuple(notes), "witness": shown(subject, role, place)}
    if fits:
        return failed(**evidence, message=f"{role.spelt}: it counts its steps from {min(fits)}, and first_step="
                      f"{subject.first_step} is declared: one step off")  # fmt: skip
    if isinstance(best, str):
        return failed(**evidence, message=f"{role.spelt}: {best}")
    gap = best.gap
    return failed(
        **evidence, observed=gap.error, allowed=gap.allowed, unit=str(gap.unit).removeprefix("torch."),
        message=f"{role.spelt}: its {best.what} is not what {subject.calls.origin} says, counted from 0 or from 1",
    )  # fmt: skip


@check(
    "diffusion_process.q_sample",
    statement="x_t = √ᾱ_t x_0 + √(1 − ᾱ_t) ε at every step: the composition of all steps up to t",
    source=f"{_HO}, eq. 4",
    rung=Rung.EXACT,
    requires=_needs("q_sample", "q_mean_variance"),
    before=first_step,
    derivation="diffusion.q_sample.composition",
)
def q_sample(subject: DiffusionProcess, case: Case, run: Run) -> Judgement:
    """Noise that is given, or drawn inside and fed."""
    return _judge(subject, case, ("q_sample", "q_mean_variance"))


@check(
    "diffusion_process.posterior",
    statement="q(x_{t−1} | x_t, x_0) is what Bayes' rule makes of the process's own steps",
    source=f"{_HO}, eqs. 6 and 7",
    rung=Rung.EXACT,
    requires=_needs("posterior"),
    before=first_step,
    derivation="diffusion.posterior.bayes",
)
def posterior(subject: DiffusionProcess, case: Case, run: Run) -> Judgement:
    """Mean, variance, and its logarithm but for the step at which it is zero."""
    return _judge(subject, case, ("posterior",))


_CONVERSIONS = ("x0_from_eps", "eps_from_x0", "v_target", "x0_from_v", "eps_from_v")


@check(
    "diffusion_process.conversions",
    statement="ε, x_0 and v are turned into each other by the roots of ᾱ_t and 1 − ᾱ_t",
    source=f"{_HO}, eq. 15; Salimans & Ho 2022, appendix D",
    rung=Rung.EXACT,
    requires=_needs(*_CONVERSIONS),
    before=first_step,
)
def conversions(subject: DiffusionProcess, case: Case, run: Run) -> Judgement:
    """Each conversion by itself."""
    return _judge(subject, case, _CONVERSIONS)


_PAIRS = (("q_sample", "x0_from_eps"), ("q_sample", "eps_from_x0"), ("v_target", "x0_from_v"))


def _has_pair(subject: DiffusionProcess) -> str | None:
    roles = {name for name, role in subject.calls.roles.items() if not role.broken}
    if not any({*pair} <= roles and "q_sample" in roles for pair in _PAIRS):
        return "it has no two functions that undo each other"
    return lawful(subject)


@check(
    "diffusion_process.round_trip",
    statement="what noise was added is taken out again: x_0 and ε come back from x_t, and x_0 from v",
    source=f"{_HO}, eq. 15",
    rung=Rung.EXACT,
    requires=_has_pair,
    before=first_step,
)
def round_trip(subject: DiffusionProcess, case: Case, run: Run) -> Judgement:
    """The process's own x_t, handed to its own conversions."""
    first, said = first_step(subject)
    roles = subject.calls.roles
    if first is None or any(first not in said[name][0] for name in ("q_sample",)):
        return not_applicable("q_sample is judged by itself")
    at, dtype = steps_of(subject, case), subject.calls.dtype
    steps = [i + first for i in at]
    x0, noise = case["x0"].to(dtype), case["noise"].to(dtype)
    wide0, wide = x0.double(), noise.double()
    examined, worst = 0, None
    xt = ask(subject, roles["q_sample"], steps, {"x0": x0, "noise": noise}, noise)[0]
    trips: list[tuple[str, dict[str, Tensor], Tensor]] = [
        ("x0_from_eps", {"xt": xt, "noise": noise}, wide0), ("eps_from_x0", {"xt": xt, "x0": x0}, wide),
    ]  # fmt: skip
    usable = [name for name, role in roles.items() if not role.broken]
    if "v_target" in usable and "x0_from_v" in usable:
        v = ask(subject, roles["v_target"], steps, {"x0": x0, "noise": noise, "xt": x0})[0]
        trips.append(("x0_from_v", {"xt": xt, "v": v}, wide0))
    for name, given, wanted in trips:
        if name not in usable or (said[name][0] and first not in said[name][0]):
            continue  # it counts from elsewhere
        found = ask(subject, roles[name], steps, given)[0]
        gap = compared(subject, found, _undone(subject, name, wide0, wide, wanted), at)
        examined += gap.examined
        if worst is None or gap.observed > worst[1].observed:
            worst = (name, gap)
    if worst is None or not examined:
        return not_applicable("no conversion that could be composed with q_sample")
    name, gap = worst
    evidence = {"rung": Rung.EXACT, "examined": examined, "observed": gap.error, "allowed": gap.allowed,
                "unit": str(gap.unit).removeprefix("torch."), "notes": subject.calls.notes}  # fmt: skip
    if gap.fits:
        return passed(**evidence)
    return failed(**evidence, message=f"{roles[name].spelt}: it does not give back what q_sample was given")


def _undone(
    subject: DiffusionProcess, name: str, x0: Tensor, noise: Tensor, wanted: Tensor
) -> Callable[[Tensor, Tensor], tuple[Tensor, ...]]:
    """What is wanted, as the sum of what was added and taken out, whose parts are what is rounded.

    The levels of both functions may each be off: what is added at one corner is taken out at the other.
    """

    def terms(level: Tensor, before: Tensor) -> tuple[Tensor, ...]:
        a, s = level.sqrt(), (1 - level).sqrt()
        if name == "eps_from_x0":
            return wanted, a * x0 / s, -a * x0 / s
        if name == "x0_from_eps":
            return wanted, s * noise / a, -s * noise / a
        return wanted, a * s * noise, -a * s * noise, s * s * x0, -s * s * x0, a * a * x0, -a * a * x0

    return terms
