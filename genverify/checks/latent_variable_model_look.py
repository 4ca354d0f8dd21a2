"""What a latent-variable model does with one batch: its loss on chosen noise, and the law that its z then follows.

If z = m + A ε with ε ~ N(0, I) then z ~ N(m, A Aᵀ). The map is found by feeding chosen ε: zero gives m; where each
number of z has one number of ε to itself, ones give the diagonal of A; else the unit vectors give A. Irregular ε, with
which the loss is looked at anyway, must then lie on the same map.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from genverify.noise import Tape
from genverify.noise.laws import LAWS
from genverify.numerics.rounding import gamma
from genverify.subjects.case import Case
from genverify.subjects.latent_observation import Event, Observation, observe, tensors_of
from genverify.subjects.latent_variable_model import LatentVariableModel

__all__ = [
    "Law",
    "Look",
    "Source",
    "fed",
    "latents",
    "look",
    "mirrored",
    "noises",
    "normals",
    "outputs",
    "rows_of_case",
]

# More scalar normal draws than this are not fed one by one; elementwise laws need no such thing.
_MOST_UNITS = 64
_REACHES, _PER_UNIT = (0.6, 1.3, 2.0), 128
_OPERATIONS = 32


@dataclass(frozen=True, kw_only=True)
class Source:
    """Where z is seen.

    Attributes:
        role: Of the site: latent for its result, decoder or part for its argument.
        name: Of the site.
        index: Which of the tensors there.
        moving: Size of what is seen there → the numbers of it that are z; beside a condition, not all are.
    """

    role: str
    name: str
    index: int = 0
    moving: dict[int, Tensor] = field(default_factory=dict, compare=False)


@dataclass(frozen=True, kw_only=True, eq=False)
class Law:
    """z = mean + matrix ε, in float64.

    Attributes:
        mean: m [z].
        matrix: A [z, ε]; its diagonal [z] where each z has one ε of its own.
        elementwise: Whether that is so.
        error: Rounding error of the entries of the matrix [z].
    """

    mean: Tensor
    matrix: Tensor
    elementwise: bool
    error: Tensor

    @property
    def std(self) -> Tensor:
        """The standard deviation of each number of z."""
        return self.matrix.abs() if self.elementwise else self.matrix.square().sum(1).sqrt()

    def covariance(self) -> Tensor:
        """A Aᵀ."""
        dense = torch.diag(self.matrix) if self.elementwise else self.matrix
        return dense @ dense.mT


@dataclass(frozen=True, kw_only=True, eq=False)
class Look:
    """The runs at one batch.

    Attributes:
        x: The batch.
        condition: One for each row, or None.
        runs: One for each noise.
        noise: The normal numbers that were fed, [runs, ε].
        law: Of z; None where z is no affine function of them.
        source: Where z was seen; None where it was not.
        unlike: Why there is no law, in words.
    """

    x: Tensor
    condition: Tensor | None
    runs: tuple[Observation, ...]
    noise: Tensor
    law: Law | None
    source: Source | None
    unlike: str = ""


def normals(tape: Tape) -> int:
    """How many scalar normal draws a tape holds."""
    return sum(draw.value.numel() for draw in tape.draws if draw.law == "normal")


def fed(tape: Tape, noise: Tensor) -> Tape:
    """The tape with these numbers for its standard normal ones, in order; other draws stay."""
    draws, position = [], 0
    realise = LAWS["normal"].realise
    assert realise is not None
    for draw in tape.draws:
        if draw.law != "normal":
            draws.append(draw)
            continue
        count = draw.value.numel()
        part = noise[position : position + count].reshape(draw.shape)
        draws.append(replace(draw, standardised=part, value=realise(draw.parameters, part).to(draw.dtype)))
        position += count
    return Tape(draws=tuple(draws), uncontrolled=tape.uncontrolled)


def mirrored(tape: Tape) -> Tape:
    """The tape with the sign of its standard normal numbers turned."""
    parts = [
        -d.standardised.reshape(-1) for d in tape.draws if d.law == "normal" and d.standardised is not None
    ]  # fmt: skip
    return fed(tape, torch.cat(parts)) if parts else tape


def noises(count: int, number: int = 0) -> Tensor:
    """Zero, one, and irregular vectors of several sizes, [5 or more, count]; others for another number."""
    steps = torch.arange(1, count + 1, dtype=torch.float64)
    rows = [torch.zeros(count, dtype=torch.float64), torch.ones(count, dtype=torch.float64)]
    for k, reach in enumerate(_REACHES):
        turned = torch.sin(steps * (2.0**0.5 + 0.1 * k) + 1.7 * k + 0.9 * number + 0.4 * torch.cos(steps * steps))
        rows.append(reach * (turned.sign() * (0.4 + 0.6 * turned.abs())))
    # Few binary digits: the numbers are the same where a model draws in a narrower dtype.
    return torch.round(torch.stack(rows) * _PER_UNIT) / _PER_UNIT


def rows_of_case(subject: LatentVariableModel, case: Case) -> tuple[Tensor, Tensor | None]:
    """The batch of a case, and its condition."""
    x = case["x"].to(subject.calls.dtype)
    if "condition" not in case:
        return x, None
    condition = case["condition"]
    return x, condition.to(subject.calls.dtype) if condition.is_floating_point() else condition


def _decoder_events(run: Observation) -> list[Event]:
    """The calls of the outermost decoder that is called."""
    found = run.of("decoder")
    return [one for one in found if one.site.name == found[0].site.name] if found else []


def latents(run: Observation, source: Source) -> Tensor | None:
    """Z as it was seen in a run, flat, with its graph."""
    if source.role == "part":
        parts = [
            tensors_of(list(e.inputs))[:1] for e in run.events if e.site.role == "part" and e.site.name == source.name
        ]
    elif source.role == "decoder":
        parts = [tensors_of(list(e.inputs))[source.index :][:1] for e in _decoder_events(run)]
    else:
        parts = [tensors_of(e.output)[:1] for e in run.of(source.role) if e.site.name == source.name]
    flat = [t.reshape(-1) for part in parts for t in part]
    if not flat:
        return None
    z = torch.cat(flat)
    moving = source.moving.get(z.numel())
    return z if moving is None else z[moving]


def outputs(run: Observation) -> list[Event]:
    """The calls whose output is the decoder's, the outermost first seen."""
    return _decoder_events(run)


def _source(subject: LatentVariableModel, zero: Observation, moved: Observation, count: int) -> Source | None:
    """Where z is: a tensor that moves with the noise and has as many numbers, or that is an encoder's without it."""
    candidates = [Source(role="latent", name=e.site.name) for e in zero.of("latent")]
    decoded = _decoder_events(zero)
    if decoded:
        taken = tensors_of(list(decoded[0].inputs))
        candidates += [Source(role="decoder", name=decoded[0].site.name, index=k) for k in range(len(taken))]
    parts = dict.fromkeys(e.site.name for e in zero.events if e.site.role == "part")
    candidates += [Source(role="part", name=name) for name in parts]
    stated = [t.reshape(-1) for e in (*zero.of("encoder"), *zero.of("forward")) for t in tensors_of(e.output)]
    stated += [t.reshape(-1) for e in zero.of("latent") for t in tensors_of(list(e.inputs))]
    halves = [part.reshape(-1) for e in zero.of("encoder") for t in tensors_of(e.output) for part in _halves(t)]
    for source in dict.fromkeys(candidates):
        z, other = latents(zero, source), latents(moved, source)
        if z is None or other is None or z.shape != other.shape or torch.equal(z, other):
            continue
        known = any(t.numel() == z.numel() and torch.equal(t.to(z), z) for t in (*stated, *halves))
        beside = subject.conditional and int((z != other).sum()) == count
        if z.numel() == count or known or beside:
            return source
    return None


def _halves(t: Tensor) -> tuple[Tensor, ...]:
    return tuple(t.chunk(2, 1)) if t.ndim > 1 and t.shape[1] % 2 == 0 else ()


def look(subject: LatentVariableModel, x: Tensor, condition: Tensor | None, number: int = 0) -> Look:
    """The runs at a batch on zero, ones and irregular noise, and the law of z that they show."""
    calls = subject.calls
    tapes = subject.memory.setdefault("tapes", {})
    if len(x) not in tapes:  # the draws of a batch are as many for every batch of that size
        tapes[len(x)] = observe(calls, x, condition).tape
    tape: Tape = tapes[len(x)]
    count = normals(tape)
    noise = noises(count, number)
    runs = tuple(observe(calls, x, condition, fed(tape, row)) for row in noise)
    made = {"x": x, "condition": condition, "runs": runs, "noise": noise}
    if not count:
        return Look(**made, law=None, source=None, unlike="nothing normal is drawn")
    source = subject.memory.get("source") or _source(subject, runs[0], runs[-1], count)
    if source is not None and source.role == "decoder" and subject.conditional:
        _mark(source, runs, count)
    if source is None:
        return Look(**made, law=None, source=None, unlike="what z is could not be seen; name what draws it by latent=…")
    if source.role == "latent" and _transformed(runs, noise, source):
        why = "the decoder is given something else than what was drawn, and no affine function of it: a flow?"
        return Look(**made, law=None, source=source, unlike=why)
    law = _elementwise(runs, noise, source) or _dense(subject, x, condition, tape, runs, noise, source)
    unlike = "" if law is not None else "z is no affine function of normal draws"
    return Look(**made, law=law, source=source, unlike=unlike)


def _transformed(runs: Sequence[Observation], noise: Tensor, source: Source) -> bool:
    """Whether what was drawn is transformed before the decoder has it, into as many numbers."""
    drawn, decoded = latents(runs[-1], source), _decoder_events(runs[-1])
    if drawn is None or not decoded:
        return False
    taken = tensors_of(list(decoded[0].inputs))
    same = [k for k, t in enumerate(taken) if t.numel() == drawn.numel() and t.requires_grad == drawn.requires_grad]
    if len(decoded) > 1 or not same or any(torch.equal(taken[k].reshape(-1), drawn) for k in same):
        return False
    return _elementwise(runs, noise, Source(role="decoder", name=decoded[0].site.name, index=same[0])) is None


def _mark(source: Source, runs: Sequence[Observation], count: int) -> None:
    """Notes which numbers of the decoder's argument move with the noise, where those are as many as were drawn."""
    whole = replace(source, moving={})
    z, other = latents(runs[0], whole), latents(runs[-1], whole)
    if z is None or other is None or z.shape != other.shape or z.numel() in source.moving or z.numel() == count:
        return
    moving = z != other
    if int(moving.sum()) == count:
        source.moving[z.numel()] = moving


def _seen(runs: Sequence[Observation], source: Source) -> Tensor | None:
    found = [latents(run, source) for run in runs]
    if any(z is None or z.shape != found[0].shape for z in found):  # type: ignore[union-attr]
        return None
    return torch.stack([z.detach().double() for z in found if z is not None])


def _fits(z: Tensor, law: Law, noise: Tensor, dtype: torch.dtype) -> bool:
    moved = law.matrix * noise if law.elementwise else noise @ law.matrix.mT
    size = law.mean.abs() + z.abs() + moved.abs()
    reach = noise.abs().amax(1, keepdim=True)
    return bool(((z - law.mean - moved).abs() <= gamma(_OPERATIONS, dtype) * size + reach * law.error).all())


def _elementwise(runs: Sequence[Observation], noise: Tensor, source: Source) -> Law | None:
    z = _seen(runs, source)
    if z is None or z.shape[1] != noise.shape[1]:
        return None
    dtype = latents(runs[0], source).dtype  # type: ignore[union-attr]
    law = Law(
        mean=z[0], matrix=z[1] - z[0], elementwise=True,
        error=gamma(_OPERATIONS, dtype) * (z[0].abs() + (z[1] - z[0]).abs()),
    )  # fmt: skip
    return law if _fits(z[2:], law, noise[2:], dtype) else None


def _dense(
    subject: LatentVariableModel, x: Tensor, condition: Tensor | None, tape: Tape, runs: Sequence[Observation],
    noise: Tensor, source: Source,
) -> Law | None:  # fmt: skip
    count = noise.shape[1]
    z = _seen(runs, source)
    if z is None or count > _MOST_UNITS:
        return None
    units = [observe(subject.calls, x, condition, fed(tape, row)) for row in torch.eye(count, dtype=torch.float64)]
    columns = _seen(units, source)
    if columns is None:
        return None
    dtype = latents(runs[0], source).dtype  # type: ignore[union-attr]
    matrix = (columns - z[0]).mT
    law = Law(
        mean=z[0], matrix=matrix, elementwise=False,
        error=gamma(_OPERATIONS, dtype) * count * (z[0].abs() + matrix.abs().amax(1)),
    )  # fmt: skip
    return law if _fits(z[1:], law, noise[1:], dtype) else None
