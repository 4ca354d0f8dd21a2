"""The draws that a formula makes itself, read as the roles that the formula gives them.

Draws of one law are independent and alike, so which of them has which role is for the subject to choose: in whatever
order, one draw for each role, row by row, or as parts of one large draw. Every such reading leaves the joint law of the
roles as it is; the one that is taken is found on the probes and then kept.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice, permutations, product
from typing import Any

import torch

from genverify.checks.formula_result import Unreadable
from genverify.subjects.case import Case
from genverify.subjects.formula import Formula
from genverify.subjects.specification import Argument, Layout

__all__ = ["Reading", "readings", "roles"]

Shapes = dict[str, tuple[int, ...]]

# Beyond three roles of one law their orders are too many to try.
_MOST_READINGS = 64


@dataclass(frozen=True, kw_only=True)
class Part:
    """How the draws of one law become roles.

    Attributes:
        law: The law.
        names: The roles in the order in which they are taken.
        draws: For each role the place of its draw among those of the law; empty when all of them make one stream.
        axes: For each role the order in which the axes of its draw are the role's; empty for its own order.
        along: The axis along which the stream holds the roles side by side; None when it holds one after the other.
    """

    law: str
    names: tuple[str, ...]
    draws: tuple[int, ...] = ()
    axes: tuple[tuple[int, ...], ...] = ()
    along: int | None = None

    def read(self, drawn: list[torch.Tensor], shapes: Shapes) -> dict[str, torch.Tensor] | None:
        """Role → value, or None where the draws do not fit."""
        if not self.draws:
            return self._split(drawn, shapes)
        found = {}
        for name, index, axes in zip(self.names, self.draws, self.axes, strict=True):
            if index >= len(drawn) or drawn[index].numel() != torch.Size(shapes[name]).numel():
                return None
            value = drawn[index]
            if axes:
                if value.dim() != len(axes) or tuple(value.permute(axes).shape) != shapes[name]:
                    return None
                value = value.permute(axes)
            found[name] = value.reshape(shapes[name])
        return found

    def _split(self, drawn: list[torch.Tensor], shapes: Shapes) -> dict[str, torch.Tensor] | None:
        stream = torch.cat([one.reshape(-1) for one in drawn]) if drawn else torch.empty(0)
        wanted = [shapes[name] for name in self.names]
        counts = [torch.Size(shape).numel() for shape in wanted]
        if stream.numel() != sum(counts):
            return None
        if self.along is None:
            return {
                name: part.reshape(shapes[name]) for name, part in zip(self.names, stream.split(counts), strict=True)
            }
        if len(set(wanted)) != 1 or self.along > len(wanted[0]):
            return None
        whole = stream.reshape(*wanted[0][: self.along], len(wanted), *wanted[0][self.along :])
        return dict(zip(self.names, whole.unbind(self.along), strict=True))


@dataclass(frozen=True, kw_only=True)
class Reading:
    """How all the draws of a subject become the roles of its formula."""

    parts: tuple[Part, ...]

    def read(self, subject: Formula, tape: Any, case: Case, layout: Layout) -> dict[str, torch.Tensor] | None:  # noqa: ANN401 - a Tape
        """Role → value, or None where the draws do not fit."""
        shapes, found = _shapes(subject, case, layout), {}
        for part in self.parts:
            values = part.read(_drawn(tape, part.law), shapes)
            if values is None:
                return None
            found.update(values)
        assert subject.match is not None
        maps = {one.name: one.laws for one in subject.match.inside}
        laws = {name: part.law for part in self.parts for name in part.names}
        return {name: maps[name].get(laws[name], torch.clone)(value) for name, value in found.items()}


def roles(
    subject: Formula, tape: Any, case: Case, layout: Layout, known: Reading | None  # noqa: ANN401 - a Tape
) -> dict[str, torch.Tensor]:  # fmt: skip
    """Draw name → its standardised value, by the known reading if it fits, or by the first that does.

    Raises:
        Unreadable: The subject did not draw what the formula draws.
    """
    for reading in (*((known,) if known is not None else ()), *readings(subject, tape, case, layout)):
        found = reading.read(subject, tape, case, layout)
        if found is not None:
            return found
    shapes = _shapes(subject, case, layout)
    sets = [" and ".join(f"{a.name} ({a.law}, {shapes[a.name]})" for a in one) for one in _either(subject)]
    wanted = ", or ".join(sets)
    drawn = ", ".join(f"{d.law} {tuple(d.shape)}" for d in tape.draws) or "nothing"
    shared = _shared(subject, tape, case, layout)
    raise Unreadable(f"the formula draws {wanted}; the subject drew {drawn}" + (f": {shared}" if shared else ""))


def _shared(subject: Formula, tape: Any, case: Case, layout: Layout) -> str:  # noqa: ANN401 - a Tape
    """What is wrong with a draw of the right law and of another size, jointly over the rows; empty where unknown."""
    sizes = case["#sizes"]
    for argument in dict.fromkeys(a for one in _either(subject) for a in one):
        axes = layout.axes(argument)
        count = torch.Size([sizes[axis] for axis in axes]).numel()
        for drawn in _drawn(tape, argument.law):
            if "batch" in axes and sizes["batch"] > 1 and drawn.numel() * sizes["batch"] == count:
                return (
                    f"one {argument.name} for the whole batch. Each row's has the right law by itself, and jointly the "
                    "rows are not independent: the mean over draws is right, and that of one batch scatters as a "
                    "single row's"
                )
            if axes == ("batch",) and drawn.numel() > count and drawn.numel() % count == 0:
                each = drawn.numel() // count
                return f"{each} numbers for each row, where all entries of a row have one {argument.name}"
    return ""


def readings(subject: Formula, tape: Any, case: Case, layout: Layout) -> list[Reading]:  # noqa: ANN401 - a Tape
    """The ways to read the draws of a call as roles, the order in which they were drawn first."""
    shapes = _shapes(subject, case, layout)
    drawn = {one.law for one in tape.draws}
    found: list[Reading] = []
    for wanted_here in _either(subject):
        laws: dict[str, list[Argument]] = {}
        for argument in wanted_here:
            law = next((one for one in (argument.law, *argument.laws) if one in drawn), argument.law)
            laws.setdefault(law, []).append(argument)
        ways = [
            [
                part
                for part in _parts(law, tuple(one.name for one in wanted), _drawn(tape, law), shapes)
                if part.read(_drawn(tape, law), shapes) is not None
            ]
            for law, wanted in laws.items()
        ]
        found += [Reading(parts=parts) for parts in islice(product(*ways), _MOST_READINGS)]
    return found


def _either(subject: Formula) -> list[tuple[Argument, ...]]:
    """The sets of draws of which the subject makes one, without those that it is given."""
    assert subject.match is not None
    assert subject.specification is not None
    inside, sets = subject.match.inside, subject.specification.drawn
    if not sets:
        return [inside]
    given = {one.argument.name for one in subject.match.bound}
    either = {name for one in sets for name in one}
    possible = [one for one in sets if given & either <= {*one}]
    chosen = [tuple(a for a in inside if a.name in one or a.name not in either) for one in possible]
    # What has no law can be given alone.
    return [one for one in dict.fromkeys(chosen) if all(a.law for a in one)]


def _parts(law: str, names: tuple[str, ...], drawn: list[torch.Tensor], shapes: Shapes) -> Iterator[Part]:
    for draws in permutations(range(len(drawn)), len(names)):
        turned = [_turns(drawn[index], shapes[name]) for index, name in zip(draws, names, strict=True)]
        for axes in product(*turned):
            yield Part(law=law, names=names, draws=draws, axes=axes)
    if len(drawn) == len(names):
        return
    for order in permutations(names):
        yield Part(law=law, names=order)
        for along in range(len(shapes[names[0]]) + 1):
            yield Part(law=law, names=order, along=along)


def _turns(value: torch.Tensor, shape: tuple[int, ...]) -> list[tuple[int, ...]]:
    """The orders of a draw's axes that give the role's shape; its own, as (), where the elements are in order."""
    own = tuple(size for size in value.shape if size != 1) == tuple(size for size in shape if size != 1)
    if own or value.dim() != len(shape):
        return [()]
    turned = [p for p in permutations(range(value.dim())) if tuple(value.permute(p).shape) == shape]
    return [*turned, ()]


def _shapes(subject: Formula, case: Case, layout: Layout) -> Shapes:
    assert subject.match is not None
    return {one.name: tuple(case["#sizes"][axis] for axis in layout.axes(one)) for one in subject.match.inside}


def _drawn(tape: Any, law: str) -> list[torch.Tensor]:  # noqa: ANN401 - a Tape
    return [
        (one.value if one.standardised is None else one.standardised).detach().to(torch.float64)
        if one.law == law
        else one.value[..., 0].detach().to(torch.float64)
        for one in tape.draws
        if one.law == law or (law == "uniform" and _is_flat(one))
    ]


def _is_flat(draw: Any) -> bool:  # noqa: ANN401 - a Draw
    """Whether it is a Beta(1, 1) number, which torch draws as the first of two Dirichlet ones, and which is uniform."""
    shape = draw.parameters.get("concentration") if draw.law == "dirichlet" else None
    return isinstance(shape, torch.Tensor) and shape.shape[-1:] == (2,) and bool((shape == 1).all())
