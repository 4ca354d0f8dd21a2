"""A function of a process at chosen steps, on chosen noise: row by row where it takes one step at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from genverify.errors import GenverifyError
from genverify.noise import Tape, TapeMismatch, record, replay
from genverify.noise.laws import LAWS
from genverify.subjects.calling import subject_code
from genverify.subjects.diffusion_process import DiffusionProcess, Role

__all__ = ["SharedNoise", "Unforeseen", "ask", "drawn_by", "fed", "parts", "run"]

# Results that hold the next sample among others.
_SAMPLES = ("sample", "prev_sample", "x_prev", "x")


class Unforeseen(GenverifyError):
    """A function did what cannot be judged: it drew otherwise than one normal number for each of a sample's."""


class SharedNoise(Unforeseen):
    """All rows of a batch were given the same draw."""


def parts(result: Any) -> list[Tensor]:  # noqa: ANN401 - whatever a stranger returns
    """The tensors of a result, in order; of a mapping or a record that holds a sample, that one first."""
    if isinstance(result, Tensor):
        return [result]
    if isinstance(result, Mapping):
        first = [result[name] for name in _SAMPLES if name in result]
        rest = [result[name] for name in ("mean", "variance", "log_variance", "pred_xstart") if name in result]
        return [one for one in (first or rest or list(result.values())) if isinstance(one, Tensor)]
    if isinstance(result, (tuple, list)):
        return [one for one in result if isinstance(one, Tensor)]
    for name in _SAMPLES:
        if isinstance(getattr(result, name, None), Tensor):
            return [getattr(result, name)]
    return [one for one in vars(result).values() if isinstance(one, Tensor)] if hasattr(result, "__dict__") else []


def fed(tape: Tape, noise: Sequence[Tensor]) -> Tape:
    """The tape with these standard normal numbers for its normal draws, in order."""
    realise = LAWS["normal"].realise
    assert realise is not None
    draws, position = [], 0
    for draw in tape.draws:
        if draw.law != "normal":
            draws.append(draw)
            continue
        part = noise[position].to(torch.float64).expand(draw.shape)
        position += 1
        draws.append(replace(draw, standardised=part, value=realise(draw.parameters, part).to(draw.dtype)))
    return Tape(draws=tuple(draws), uncontrolled=tape.uncontrolled)


def run(role: Role, given: Mapping[str, Any], tape: Tape | None = None) -> tuple[Any, Tape]:
    """One call, recorded or on a tape."""
    if tape is not None:
        with torch.no_grad(), subject_code(), replay(tape):
            return role.call(**given), tape
    with torch.no_grad(), subject_code(), record() as recorder:
        result = role.call(**given)
    return result, recorder.tape


def drawn_by(tape: Tape) -> list[tuple[int, ...]]:
    """The shapes of the normal draws of a tape.

    Raises:
        Unforeseen: There are draws of another kind, or none of torch's.
    """
    strange = [draw.law for draw in tape.draws if draw.law != "normal"]
    if strange or tape.uncontrolled:
        raise Unforeseen(f"it draws what cannot be fed: {', '.join([*strange, *tape.uncontrolled])}")
    return [tuple(draw.shape) for draw in tape.draws]


def ask(
    subject: DiffusionProcess, role: Role, steps: Sequence[int], given: Mapping[str, Any],
    noise: Tensor | None = None, previous: Sequence[int] | None = None,
) -> list[Tensor]:  # fmt: skip
    """The results at these steps, as the process counts them, one for each row.

    Noise is passed where there is an argument for it, and fed where it is drawn inside. What is given and no tensor is
    handed on as it is.

    Raises:
        SubjectRaised: The function raised.
        Unforeseen: It draws otherwise than one normal number for each of the sample's.
    """
    count = len(steps)
    together = role.per_row or len(set(zip(steps, previous or steps, strict=True))) == 1
    groups = [list(range(count))] if together else [[k] for k in range(count)]
    rows: list[list[Tensor]] = []
    for group in groups:
        t: Any = torch.tensor([steps[k] for k in group]) if not role.number else steps[group[0]]
        handed = {
            name: value[group].clone() if isinstance(value, Tensor) else value
            for name, value in given.items()
            if name in role.takes
        }
        if "t" in role.takes:
            handed["t"] = t
        if "index" in role.takes:
            handed["index"] = steps[group[0]]
        if "previous" in role.takes and previous is not None:
            s = [previous[k] for k in group]
            handed["previous"] = s[0] if role.number else torch.tensor(s)
        z = None if noise is None else noise[group]
        if z is not None and "noise" in role.takes:
            handed["noise"] = z.clone()
        result = _on(subject, role, handed, z)
        like = z if z is not None else next(v for v in given.values() if isinstance(v, Tensor))[group]
        rows.append(_rows(parts(result), len(group), like))
    return [torch.cat([row[k] for row in rows]) for k in range(min(len(row) for row in rows))]


def _on(subject: DiffusionProcess, role: Role, handed: Mapping[str, Any], z: Tensor | None) -> Any:  # noqa: ANN401
    """One call; where it draws, on this noise. What it drew at another step is tried first."""
    kept = subject.memory.setdefault("tapes", {})
    key = (role.name, None if z is None else tuple(z.shape))
    if z is not None and key in kept:
        try:
            return run(role, handed, fed(kept[key], [z]))[0]
        except TapeMismatch:
            del kept[key]
    result, tape = run(role, handed)
    shapes = drawn_by(tape)
    if z is None or not shapes:
        return result
    if len(shapes) == 1 and len(z) > 1 and shapes[0] in (tuple(z.shape[1:]), (1, *z.shape[1:])):
        raise SharedNoise(f"{role.spelt}: all rows of a batch share one draw")
    if len(shapes) > 1 or torch.Size(shapes[0]).numel() != z.numel():
        raise Unforeseen(f"{role.spelt} draws {len(shapes)} times ({', '.join(map(str, shapes))})")
    if shapes[0] == tuple(z.shape):
        kept[key] = tape
    return run(role, handed, fed(tape, [z.reshape(shapes[0])]))[0]


def _rows(found: list[Tensor], count: int, like: Tensor) -> list[Tensor]:
    """Results with a row for each step and the axes of a sample: numbers for a row are put in front of its axes."""
    made = []
    for one in found:
        if one.dim() == 0:
            one = one.expand(count)
        if one.dim() == 1 and like.dim() > 1 and len(one) == count:
            one = one.reshape(count, *[1] * (like.dim() - 1))
        one = one.detach()
        made.append(one.expand_as(like) if one.dim() == like.dim() and one.shape != like.shape else one)
    return made
