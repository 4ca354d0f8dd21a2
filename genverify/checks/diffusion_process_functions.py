"""The functions of a process that need no network, against the closed form at the levels of its own rates."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from genverify.checks.diffusion_process_calls import ask
from genverify.checks.diffusion_process_levels import Gap, compared
from genverify.subjects.case import render
from genverify.subjects.diffusion_process import DiffusionProcess, Role

__all__ = ["PLAIN", "Outcome", "first_step", "irregular", "judged", "shown"]

PLAIN = (
    "q_sample", "q_mean_variance", "posterior", "x0_from_eps", "eps_from_x0", "v_target", "x0_from_v", "eps_from_v"
)  # fmt: skip
# Steps at which it is found where a process counts from: all of them where there are few.
_FEW = 24

Terms = Callable[[Tensor, Tensor], Sequence[Tensor]]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a function compares: its worst result.

    Attributes:
        gap: Of the worst result.
        what: Which result that is.
        notes: Readings that were recognised.
    """

    gap: Gap
    what: str = ""
    notes: tuple[str, ...] = field(default=())


def irregular(shape: Sequence[int], number: int, reach: float = 1.0) -> Tensor:
    """Irregular numbers in (−reach, reach), of few binary digits, the same for the same number."""
    steps = torch.arange(1, torch.Size(shape).numel() + 1, dtype=torch.float64).reshape(tuple(shape))
    turned = torch.sin(steps * (2.0**0.5 + 0.13 * number) + 1.7 * number + 0.3)
    return torch.round(reach * turned * 256) / 256


def _results(
    subject: DiffusionProcess, role: Role, given: Mapping[str, Tensor], found: list[Tensor], at: Sequence[int]
) -> list[tuple[str, Tensor, Sequence[tuple[str, Terms]]]]:
    """Name, what was observed, and the accepted readings of each result that is understood."""
    o = subject.against
    x0, xt, noise, v = (given.get(name) for name in ("x0", "xt", "noise", "v"))
    zero = torch.zeros_like(next(iter(given.values())))

    def rooted(closed: Callable[..., Sequence[Tensor]], *values: Tensor | None) -> Terms:
        return lambda level, before: closed(*values, level.sqrt(), (1 - level).sqrt())

    plain: dict[str, Callable[[], Terms]] = {
        "q_sample": lambda: rooted(o.q_sample, x0, noise), "x0_from_eps": lambda: rooted(o.x0_from_eps, xt, noise),
        "eps_from_x0": lambda: rooted(o.eps_from_x0, xt, x0), "v_target": lambda: rooted(o.v_target, x0, noise),
        "x0_from_v": lambda: rooted(o.x0_from_v, xt, v), "eps_from_v": lambda: rooted(o.eps_from_v, xt, v),
    }  # fmt: skip
    if role.name in plain:
        return [("result", found[0], [("", plain[role.name]())])]
    if role.name == "q_mean_variance":
        spread: Terms = lambda level, before: (1 - level + 0 * zero,)  # noqa: E731
        logarithm: Terms = lambda level, before: ((1 - level).log() + 0 * zero,)  # noqa: E731
        listed = [("mean", [("", rooted(o.q_sample, x0, zero))]), ("variance", [("", spread)]),
                  ("log-variance", [("", logarithm)])]  # fmt: skip
        return [(what, one, readings) for (what, readings), one in zip(listed, found, strict=False)]
    inner = [k for k, i in enumerate(at) if i > 0]
    small: Terms = lambda level, before: (o.posterior_variance(level, before) + 0 * zero[inner],)  # noqa: E731
    small_log: Terms = lambda level, before: (o.posterior_variance(level, before).log() + 0 * zero[inner],)  # noqa: E731
    mean: Terms = lambda level, before: o.posterior_mean(x0, xt, level, before)  # noqa: E731
    made: list[tuple[str, Tensor, Sequence[tuple[str, Terms]]]] = [("mean", found[0], [("", mean)])]
    second: Sequence[tuple[str, Terms]] = [("", small)] + ([("its logarithm", small_log)] if len(found) == 2 else [])
    if len(found) > 1 and inner:
        made.append(("variance", found[1][inner], second))
    if len(found) > 2 and inner:
        made.append(("log-variance", found[2][inner], [("", small_log)]))
    return made


def judged(
    subject: DiffusionProcess, role: Role, at: Sequence[int], given: Mapping[str, Tensor], first: int
) -> Outcome:
    """A function at the steps `at`, counted from 0, which it calls `at` + first.

    Raises:
        SubjectRaised: It raised.
    """
    dtype = subject.calls.dtype
    handed = {name: value.to(dtype) for name, value in given.items()}
    noise = handed.get("noise") if role.name == "q_sample" else None
    found = ask(subject, role, [i + first for i in at], handed, noise)
    like = next(iter(handed.values()))
    wide = {name: value.to(torch.float64) for name, value in handed.items()}
    worst: Outcome | None = None
    notes: list[str] = []
    if not found or any(one.shape != like.shape for one in found[:1]):
        gap = Gap(observed=float("inf"), allowed=0.0, error=float("inf"), unit=dtype, fits=False, examined=1)
        shapes = ", ".join(str(tuple(one.shape)) for one in found) or "nothing"
        return Outcome(gap=gap, what=f"result of shape {shapes} for samples of shape {tuple(like.shape)}")
    for what, observed, readings in _results(subject, role, wide, found, at):
        if observed.shape[1:] != like.shape[1:]:
            continue
        where = at if len(observed) == len(at) else [i for i in at if i > 0]
        gaps = [(name, compared(subject, observed, terms, where)) for name, terms in readings]
        name, gap = next(((name, gap) for name, gap in gaps if gap.fits), gaps[0])
        notes += [f"the {what} of {role.spelt.partition(' is ')[0]} is {name}"] if gap.fits and name else []
        if worst is None or (gap.observed > worst.gap.observed):
            worst = Outcome(gap=gap, what=what)
    assert worst is not None
    return Outcome(gap=worst.gap, what=worst.what, notes=tuple(notes))


def _probes(subject: DiffusionProcess) -> list[int]:
    total = len(subject.calls.alphas)
    if total <= _FEW:
        return list(range(total))
    return sorted({0, 1, 2, 3, total // 7, total // 3, total // 2, 2 * total // 3, total - 3, total - 2, total - 1})


def probe(subject: DiffusionProcess, role: Role) -> tuple[list[int], dict[str, Tensor]]:
    """Steps, and irregular numbers for what a function takes at them, with which it is found what it does."""
    at = _probes(subject)
    shape = (len(at), *subject.event)
    given = {name: irregular(shape, k) for k, name in enumerate(("x0", "xt", "noise", "v")) if name in role.takes}
    given = given or {"x0": irregular(shape, 0)}
    if role.name == "q_sample":
        given.setdefault("noise", irregular(shape, 2))
    return at, given


def shown(subject: DiffusionProcess, role: Role, where: int) -> dict[str, str]:
    """The row of a probe in which a number stands, as a witness."""
    at, given = probe(subject, role)
    row = min(where // max(1, torch.Size(subject.event).numel()), len(at) - 1)
    return {"step": f"{at[row] + 1} of {len(subject.calls.alphas)}", **{n: render(v[row]) for n, v in given.items()}}


def fitting(subject: DiffusionProcess, role: Role) -> tuple[frozenset[int], Outcome | str]:
    """Where a function may count from, 0 or 1, and how it compares at its best."""
    at, given = probe(subject, role)
    fits, best = set(), None
    for first in (0, 1):
        try:
            found: Outcome | str = judged(subject, role, at, given, first)
        except Exception as error:  # past the end of a table, say
            found = str(error).partition("\n")[0]
        if isinstance(found, Outcome) and found.gap.fits:
            fits.add(first)
        if best is None or (isinstance(found, Outcome) and (isinstance(best, str) or found.gap.fits)):
            best = found
    assert best is not None
    return frozenset(fits), best


def first_step(subject: DiffusionProcess) -> tuple[int | None, dict[str, tuple[frozenset[int], Outcome | str]]]:
    """What the process calls the step next to the data; None where its functions disagree; and each one's word."""
    if "first" not in subject.memory:
        said = {
            name: fitting(subject, role)
            for name, role in subject.calls.roles.items()
            if name in PLAIN and not role.broken
        }
        votes = [next(iter(fits)) for fits, _ in said.values() if len(fits) == 1]
        first: int | None = subject.first_step
        if first is None:
            zeros, ones = votes.count(0), votes.count(1)
            first = None if zeros == ones and zeros else int(ones > zeros)
        subject.memory["first"] = (first, said)
    return subject.memory["first"]
