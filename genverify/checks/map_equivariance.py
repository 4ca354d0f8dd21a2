"""A map commutes with a group: translations, permutations, or functions that were given."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from genverify.checks.check import check
from genverify.checks.map_comparison import agreement, as_rows, refuse_shape
from genverify.subjects.budget import Run
from genverify.subjects.calling import subject_code
from genverify.subjects.case import Case
from genverify.subjects.map import Map
from genverify.subjects.map_evaluation import MapEvaluation, evaluated
from genverify.verdict import Judgement, inconclusive

__all__ = ["equivariant", "invariant"]


def _missing(name: str) -> str:
    return f"no {name[:-1]}ce is claimed; declare {name}='translation', 'permutation' or functions"


@check(
    "map.equivariant",
    statement="f(g x) = h f(x) for the group elements g that are claimed, and what h they become",
    source="definition of equivariance; Goodfellow, Bengio & Courville 2016, section 9.2, for convolutions",
    derivation="convolution_equivariance.equivariant",
    requires=lambda subject: None if subject.equivariant is not None else _missing("equivariant"),
    family="equivariance",
)
def equivariant(subject: Map, case: Case, run: Run) -> Judgement:
    """Acting before and after the map."""
    at, word = evaluated(subject, case), subject.equivariant
    image = at(at.x)
    if image.ndim < 1 or len(image) != at.rows:
        return inconclusive("the image has another batch size; see map.output_shape", notes=at.notes)
    if isinstance(word, str) and image.ndim - 1 <= max(subject.acting(word)):
        return inconclusive(
            f"the image of one event has the shape {tuple(image.shape[1:])}, without the axes {subject.acting(word)} "
            "on which the group acts", notes=at.notes,
        )  # fmt: skip

    def sides() -> tuple[Tensor, Tensor]:
        before, after = _act(at, case, at.x, word, 0), _act(at, case, at(at.x), word, 1)
        return at(before), after

    first = sides()
    refused = refuse_shape(at, *first, "f(g x) and h f(x)")
    if refused is not None:
        return refused
    window = _window(subject, case, image) if word == "translation" else (...,)
    if first[0][window].numel() == 0:
        return inconclusive("so near to the border that no position is left to judge", notes=at.notes)

    def rows() -> tuple[Tensor, Tensor]:
        left, right = sides()
        return as_rows(left[window], at.rows), as_rows(right[window], at.rows)

    return agreement(
        at, rows, quantity="|f(g x) − h f(x)|",
        message=lambda row: f"f(g x) is not h f(x) in row {row}, for {_named(case, word)}{_border(at, *first, word)}",
    )  # fmt: skip


@check(
    "map.invariant",
    statement="f(g x) = f(x) for the group elements g that are claimed",
    source="definition of invariance",
    derivation="convolution_equivariance.invariant",
    requires=lambda subject: None if subject.invariant is not None else _missing("invariant"),
    family="invariance",
)
def invariant(subject: Map, case: Case, run: Run) -> Judgement:
    """The image of the moved point against the image of the point."""
    at, word = evaluated(subject, case), subject.invariant

    def sides() -> tuple[Tensor, Tensor]:
        return at(_act(at, case, at.x, word, 0)), at(at.x)

    refused = refuse_shape(at, *sides(), "f(g x) and f(x)")
    if refused is not None:
        return refused
    return agreement(
        at, lambda: tuple(as_rows(y, at.rows) for y in sides()),  # type: ignore[arg-type, return-value]
        quantity="|f(g x) − f(x)|",
        message=lambda row: f"f(g x) is not f(x) in row {row}, for {_named(case, word)}",
    )  # fmt: skip


def _act(at: MapEvaluation, case: Case, points: Tensor, word: Any, side: int) -> Tensor:  # noqa: ANN401 - word or functions
    """The group element of the case on the input (side 0) or on the image (side 1)."""
    if word == "translation":
        axes = at.subject.acting(word)
        moves = [int(step) * at.subject.shift[side] for step in case["steps"]]
        return points.roll(moves, [axis + 1 for axis in axes])
    if word == "permutation":
        order = torch.tensor([int(k) for k in case["order"]], device=points.device)
        axis = at.subject.acting(word)[0] + 1
        if points.shape[axis] != len(order):
            return points[:0]
        return points.index_select(axis, order)
    function = word[side] if isinstance(word, (tuple, list)) else word
    with subject_code():
        return function(points.clone())


def _window(subject: Map, case: Case, image: Tensor) -> tuple[Any, ...]:
    """The positions that a translation is judged at: all of them, or those away from the border and the wrap."""
    if subject.margin is None:
        return (...,)
    index: list[Any] = [slice(None)] * image.ndim
    for axis, step in zip(subject.acting("translation"), case["steps"], strict=True):
        size = image.shape[axis + 1]
        index[axis + 1] = slice(subject.margin + int(step) * subject.shift[1], max(0, size - subject.margin))
    return tuple(index)


def _named(case: Case, word: Any) -> str:  # noqa: ANN401 - word or functions
    if word == "translation":
        return f"a cyclic shift by {list(case['steps'])} steps"
    return f"the order {list(case['order'])}" if word == "permutation" else "the functions that were given"


def _border(at: MapEvaluation, left: Tensor, right: Tensor, word: Any) -> str:  # noqa: ANN401 - word or functions
    """A guess at the reason: the two differ near the border alone."""
    if word != "translation" or at.subject.margin is not None:
        return ""
    wrong = (left - right).abs() > torch.finfo(left.dtype).eps ** 0.5 * (1.0 + right.abs().max())
    for axis in at.subject.acting(word):
        seen = wrong.transpose(0, axis + 1).flatten(1).any(1)
        if bool(seen.all()):
            return ""
    return ", at some positions only: a border that is padded with zeros, say? Away from it, declare margin=…"
