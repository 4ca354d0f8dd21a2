"""Driving an optimizer through a stream of gradients, and writing down where its parameters went."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from genverify.errors import UsageError
from genverify.subjects.calling import subject_code
from genverify.subjects.case import Case
from genverify.subjects.optimizer import Optimizer, Session
from genverify.subjects.optimizer_objectives import Landscape

__all__ = ["Finding", "Stream", "Trajectory", "continued", "drive", "flat", "held", "pursue", "start"]


@dataclass(frozen=True, kw_only=True)
class Stream:
    """Starting points and the gradients that arrive.

    Shapes: parameter i of any shape s_i; `gradients[i]` [T, *s_i]; `present[i]` [T], false where the gradient is None;
    `rates` [T], factors of the learning rate. In a `sparse` stream gradients arrive as sparse tensors of rows, and
    `present[i]` [T, rows] says which.
    """

    parameters: tuple[Tensor, ...]
    gradients: tuple[Tensor, ...]
    present: tuple[Tensor, ...]
    rates: Tensor
    sparse: bool = False

    @classmethod
    def of(cls, case: Case) -> Stream:
        """The stream that a case holds.

        Raises:
            UsageError: Shapes, lengths or dtypes do not fit together, or a number is not finite.
        """
        parameters, gradients = tuple(case["parameters"]), tuple(case["gradients"])
        steps = gradients[0].shape[0] if gradients else 0
        present = (
            tuple(case["present"])
            if "present" in case
            else tuple(torch.ones(steps, dtype=torch.bool) for _ in gradients)
        )
        rates = case["rates"] if "rates" in case else torch.ones(steps, dtype=torch.float64)
        sparse = bool(case["sparse"]) if "sparse" in case else False
        fits = len(parameters) == len(gradients) == len(present) and all(
            g.shape == (steps, *p.shape)
            and g.dtype == p.dtype
            and p.is_floating_point()
            and m.shape == (steps, *p.shape[: int(sparse)])
            for p, g, m in zip(parameters, gradients, present, strict=False)
        )
        if not parameters or not fits or not all(bool(torch.isfinite(x).all()) for x in (*parameters, *gradients)):
            raise UsageError(
                given="a case whose parameters and gradients do not fit together",
                expected="for each floating parameter p finite gradients [T, *p.shape] of its dtype",
                do="let the strategy draw it, or copy the replay token whole",
            )
        return cls(parameters=parameters, gradients=gradients, present=present, rates=rates, sparse=sparse)

    @classmethod
    def along(cls, gradients: Tensor, parameters: Sequence[Tensor]) -> Stream:
        """The stream of flat gradients [T, n], all of them present."""
        parts = zip(gradients.split([p.numel() for p in parameters], dim=1), parameters, strict=True)
        return cls(
            parameters=tuple(parameters),
            gradients=tuple(part.reshape(-1, *p.shape).to(p.dtype) for part, p in parts),
            present=tuple(torch.ones(len(gradients), dtype=torch.bool) for _ in parameters),
            rates=torch.ones(len(gradients), dtype=torch.float64),
        )

    @property
    def steps(self) -> int:
        """T."""
        return self.gradients[0].shape[0]

    @property
    def dtype(self) -> torch.dtype:
        """The dtype of the parameters; the narrowest of them where they differ."""
        return max((p.dtype for p in self.parameters), key=lambda dtype: torch.finfo(dtype).eps)

    @property
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        """The shapes of the parameters."""
        return tuple(tuple(p.shape) for p in self.parameters)

    def at(self, k: int) -> list[Tensor | None]:
        """The gradients that arrive at step k (from 0)."""
        pairs = zip(self.gradients, self.present, strict=True)
        if self.sparse:
            return [_sparse_rows(g[k], m[k]) for g, m in pairs]
        return [g[k].clone() if bool(m[k]) else None for g, m in pairs]

    def until(self, steps: int) -> Stream:
        """The first steps."""
        return replace(
            self,
            gradients=tuple(g[:steps] for g in self.gradients),
            present=tuple(m[:steps] for m in self.present),
            rates=self.rates[:steps],
        )

    def only(self, index: int) -> Stream:
        """The stream of one parameter alone."""
        i = slice(index, index + 1)
        return replace(self, parameters=self.parameters[i], gradients=self.gradients[i], present=self.present[i])

    def where(self, flat: int) -> str:
        """How a reader finds the flat element of that number."""
        for index, one in enumerate(self.parameters):
            if flat < one.numel():
                inside = [int(i) for i in torch.unravel_index(torch.tensor(flat), one.shape)] if one.dim() else []
                return f"parameter {index}" + (f" at {inside}" if inside else "")
            flat -= one.numel()
        raise IndexError(flat)

    def flat_gradients(self) -> Tensor:
        """The gradients as [T, n] in float64; 0 where absent."""
        parts = [
            (g.to(torch.float64) * m.reshape(*m.shape, *[1] * (g.dim() - m.dim()))).reshape(self.steps, p.numel())
            for p, g, m in zip(self.parameters, self.gradients, self.present, strict=True)
        ]
        return torch.cat(parts, dim=1)

    def flat_present(self) -> Tensor:
        """Which gradients are present, as [T, n]."""
        parts = [
            m.reshape(*m.shape, *[1] * (1 + p.dim() - m.dim())).expand(-1, *p.shape).reshape(self.steps, p.numel())
            for p, m in zip(self.parameters, self.present, strict=True)
        ]
        return torch.cat(parts, dim=1)


def _sparse_rows(gradient: Tensor, present: Tensor) -> Tensor:
    """The rows that are present, as an embedding leaves them: a row that was looked up twice stands there twice."""
    rows = [row for row, one in enumerate(present.tolist()) if one]
    rows += rows[:1]
    values = gradient[rows]
    if rows:  # halves of a binary number add up to it
        values[-1] /= 2
        values[0] -= values[-1]
    # Every row is one of the tensor's: there is nothing to check, thousands of times.
    return torch.sparse_coo_tensor(torch.tensor([rows]), values, gradient.shape, check_invariants=False)


@dataclass(frozen=True, kw_only=True)
class Trajectory:
    """A stream and where it led: `observed` [T + 1, n] in float64, the starting point first."""

    stream: Stream
    observed: Tensor
    gradients_changed: bool = False
    narrow: torch.dtype | None = None

    @property
    def dtype(self) -> torch.dtype:
        """The dtype in whose unit roundoff the trajectory is judged."""
        return self.narrow or self.stream.dtype

    def until(self, steps: int) -> Trajectory:
        """Its first steps."""
        return replace(self, stream=self.stream.until(steps), observed=self.observed[: steps + 1])


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What a trajectory follows, or the first step at which the nearest dialect parts company with it.

    Attributes:
        standing: accepted, recognised, slip, or "" when it follows nothing that is known.
        words: The dialect that it follows; of the nearest one when it follows none.
        distinct: What of that is not the rule's own first choice.
        plain: Whether that is the rule's own first dialect.
        examined: How many increments were compared.
        ratio: The worst |observed - expected| / allowed along what it follows; of the nearest one when it follows none.
        step: From 1, the first step at which the nearest *accepted* dialect parts company; 0 when it never does.
        where: The parameter and the index in it.
        before: θ before that step.
        observed: θ after it.
        expected: What it should have been.
        allowed: The derived allowance.
    """

    standing: str
    words: str
    distinct: str
    plain: bool
    examined: int
    ratio: float
    step: int = 0
    where: str = ""
    before: float = 0.0
    observed: float = 0.0
    expected: float = 0.0
    allowed: float = 0.0
    choices: Mapping[str, str] = field(default_factory=dict)


def start(subject: Optimizer, parameters: Sequence[Tensor], arguments: Mapping[str, Any]) -> Session:
    """The implementation at work on copies of these parameters."""
    assert subject.convention is not None, "the subject is prepared before it is judged"
    with subject_code():
        session = subject.convention.start([p.detach().clone() for p in parameters], arguments)
        if "always_closure" in subject.convention.capabilities and getattr(session, "feeding", "") == "step":
            session.feeding = "closure"  # type: ignore[attr-defined]
        return session


def drive(subject: Optimizer, stream: Stream, options: Mapping[str, Any] | None = None) -> Trajectory:
    """Starts the implementation with these options and feeds it the stream."""
    assert subject.law is not None, "the subject is prepared before it is judged"
    session = start(subject, stream.parameters, subject.law.arguments(options or {}))
    rate = (options or {}).get("lr", subject.law.rate)
    return continued(session, stream, rate=rate)


def continued(
    session: Session, stream: Stream, *, first: int = 0, last: int | None = None, rate: float = 0.0
) -> Trajectory:
    """Feeds the steps first … last - 1 of the stream to a session that is under way."""
    observed = [flat(session.parameters)]
    steady = bool((stream.rates == 1).all())
    changed = False
    for k in range(first, stream.steps if last is None else last):
        given = stream.at(k)
        with subject_code():
            if not steady:
                session.set_rate(rate * float(stream.rates[k]))  # type: ignore[attr-defined]
            session.step(given)
            observed.append(flat(session.parameters))
        changed = changed or (not stream.sparse and _changed(session, given, stream, k))
    return Trajectory(
        stream=stream, observed=torch.stack(observed), gradients_changed=changed, narrow=_narrowest(session, stream)
    )


def _changed(session: Session, given: Sequence[Tensor | None], stream: Stream, k: int) -> bool:
    given = getattr(session, "given", lambda: given)()
    return any(g is not None and not torch.equal(g, own[k]) for g, own in zip(given, stream.gradients, strict=True))


def pursue(
    subject: Optimizer, parameters: Sequence[Tensor], steps: int, options: Mapping[str, Any] | None = None
) -> Trajectory:
    """Drives the implementation in closed loop: each gradient is the landscape's, where the parameters stand.

    Shapes: the parameters have `ENTRIES` entries together.
    """
    assert subject.law is not None
    session = start(subject, parameters, subject.law.arguments(options or {}))
    landscape = Landscape(steps, calm=subject.law.wants == "iterates")
    sparse = subject.law.wants == "sparse"
    present = tuple(
        (torch.arange(steps)[:, None] + torch.arange(len(p))) % 3 != 0 if sparse else torch.ones(steps) > 0
        for p in parameters
    )
    observed, slopes = [flat(session.parameters)], []
    for k in range(steps):
        given = held(landscape.slope(k, observed[-1]), parameters)
        slopes.append(flat(given))
        if sparse:
            given = [_sparse_rows(g, m[k]) for g, m in zip(given, present, strict=True)]
        with subject_code():
            session.step(given)
            observed.append(flat(session.parameters))
    stream = replace(Stream.along(torch.stack(slopes), parameters), present=present, sparse=sparse)
    return Trajectory(stream=stream, observed=torch.stack(observed), narrow=_narrowest(session, stream))


def flat(parameters: Sequence[Tensor]) -> Tensor:
    """All entries one after the other, in float64."""
    return torch.cat([p.detach().reshape(-1).to(device="cpu", dtype=torch.float64) for p in parameters])


def held(entries: Tensor, parameters: Sequence[Tensor]) -> list[Tensor]:
    """Flat entries in the shapes and dtypes of the parameters."""
    parts = zip(entries.split([p.numel() for p in parameters]), parameters, strict=True)
    return [part.reshape(p.shape).to(p.dtype, copy=True) for part, p in parts]


def _narrowest(session: Session, stream: Stream) -> torch.dtype | None:
    """The narrow dtype in which an implementation keeps its buffers, or its parameters; None when as wide."""
    shapes = {p.shape for p in stream.parameters}
    kept = [*getattr(session, "buffers", lambda: [])()]
    found = [x.dtype for x in kept if x.is_floating_point() and x.shape in shapes]
    found += [p.dtype for p in session.parameters if p.is_floating_point()]
    narrow = [d for d in found if torch.finfo(d).eps > torch.finfo(stream.dtype).eps]
    return max(narrow, key=lambda d: torch.finfo(d).eps) if narrow else None
