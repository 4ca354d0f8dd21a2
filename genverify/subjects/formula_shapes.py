"""In which axes a subject takes an argument, where they are not the formula's: reordered, with ones, or split."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch

from genverify.errors import UsageError
from genverify.subjects.formula import Formula, Place
from genverify.subjects.specification import Layout

__all__ = ["ONE", "Arrangement", "arrangement", "fitting", "splits", "whole"]

ONE = "one"
# What is left of the formula's batch beside the axes that are named with it.
_OUTER = "outer"


@dataclass(frozen=True, kw_only=True)
class Arrangement:
    """The formula's axes of a value, and the axes in which the subject has it.

    Attributes:
        formula: The formula's axes.
        subject: The subject's, in which ``one`` is an axis of size one.
    """

    formula: tuple[str, ...]
    subject: tuple[str, ...]

    @property
    def split(self) -> dict[str, tuple[str, ...]]:
        """The axis of the formula that the subject has as several, with these."""
        new = tuple(axis for axis in self.subject if axis not in (*self.formula, ONE))
        gone = [axis for axis in self.formula if axis not in self.subject]
        return {gone[0]: new} if gone and new else {}

    @property
    def fault(self) -> str:
        """Why the subject's axes are no arrangement of the formula's; empty when they are."""
        new = [axis for axis in self.subject if axis not in (*self.formula, ONE)]
        gone = [axis for axis in self.formula if axis not in self.subject]
        named = [axis for axis in self.subject if axis != ONE]
        if len(set(named)) < len(named):
            return "an axis is named twice"
        if len(gone) > 1 or bool(gone) != bool(new):
            return f"{', '.join(gone) or 'no axis'} is left out and {', '.join(new) or 'none'} is new"
        return ""

    def _wide(self) -> list[str]:
        return [new for axis in self.formula for new in self.split.get(axis, (axis,))]

    def to_subject(self, value: torch.Tensor, sizes: Mapping[str, int]) -> torch.Tensor:
        """A value of the formula as the subject takes it."""
        wide = self._wide()
        value = value.reshape([sizes[axis] for axis in wide])
        value = value.permute([wide.index(axis) for axis in self.subject if axis != ONE])
        return value.reshape([1 if axis == ONE else sizes[axis] for axis in self.subject])

    def to_formula(self, value: torch.Tensor, sizes: Mapping[str, int]) -> torch.Tensor:
        """A value of the subject, such as a gradient, with the formula's axes."""
        named = [axis for axis in self.subject if axis != ONE]
        value = value.reshape([sizes[axis] for axis in named])
        value = value.permute([named.index(axis) for axis in self._wide()])
        return value.reshape([sizes[axis] for axis in self.formula])

    def shape(self, sizes: Mapping[str, int]) -> tuple[int, ...]:
        """The shape that the subject has."""
        return tuple(1 if axis == ONE else sizes[axis] for axis in self.subject)


def arrangement(subject: Formula, parameter: str, axes: tuple[str, ...], layout: Layout) -> Arrangement | None:
    """How the subject takes a parameter, or None where it takes it as the formula does.

    Raises:
        UsageError: The declared axes are no arrangement of the formula's.
    """
    bound = {one.parameter: one for one in (subject.match.bound if subject.match is not None else ())}.get(parameter)
    declared = getattr(subject, "shapes", {}).get(parameter)
    if declared is None and layout.shapes:
        declared = layout.shapes.get(parameter if bound is None else bound.argument.name)
    if declared is None:
        return None
    axes = tuple(axis for axis in axes if bound is None or axis not in bound.form.without)
    own = tuple(axis for axis in declared.split() if axis not in layout.drop)
    new = [axis for axis in own if axis not in (*axes, ONE)]
    if new and set(axes) <= set(own) and "batch" in axes and (parameter != "return" or splits(subject, layout)):
        # "batch time in": the formula's batch is this batch and the new axes together.
        own = tuple(_OUTER if axis == "batch" else axis for axis in own)
    made = Arrangement(formula=axes, subject=own)
    if made.fault:
        raise UsageError(
            given=f"shapes={{{parameter!r}: {declared!r}}}: {made.fault}",
            expected=f"the axes {' '.join(axes) or '(none)'} in any order, with `one`, or new axes for one of them",
            do=_example(parameter, axes),
        )  # fmt: skip
    return made


def _example(parameter: str, axes: tuple[str, ...]) -> str:
    """What to write instead: the new axes for one of the formula's, which is then left out."""
    instead = " ".join([*axes[:-1], "h w"])
    return "name every axis, or leave out the one that the new ones make together, as h and w do here: " + repr(
        {parameter: instead}
    )


def fitting(subject: Formula) -> tuple[Layout, ...]:
    """The layouts in which every declared shape is an arrangement of the formula's axes.

    Raises:
        UsageError: There is none; what is wrong in the first.
    """
    assert subject.match is not None
    found, wrong = [], None
    given = {bound.argument.name for bound in subject.match.bound if bound.place is Place.CALL}
    for layout in subject.layouts():
        if not given.issuperset(layout.needs):
            continue
        try:
            for bound in subject.match.bound:
                arrangement(subject, bound.parameter, layout.axes(bound.argument), layout)
            found.append(layout)
        except UsageError as error:
            wrong = wrong or error
    if wrong is not None and not found:
        raise wrong
    numbers = {
        bound.argument.name for bound in subject.match.bound
        if isinstance(bound.default, (int, float)) and not isinstance(bound.default, bool)
    }  # fmt: skip
    return tuple(sorted(found, key=lambda one: not (one.first_with_number and numbers & {*one.shared})))


def splits(subject: Formula, layout: Layout) -> dict[str, tuple[str, ...]]:
    """The formula's axes that the subject has as several, over all of its parameters."""
    found: dict[str, tuple[str, ...]] = {}
    match = subject.match
    for bound in match.bound if match is not None else ():
        made = arrangement(subject, bound.parameter, layout.axes(bound.argument), layout)
        if made is not None:
            found.update(made.split)
    return found


def whole(sizes: Mapping[str, int], split: Mapping[str, tuple[str, ...]]) -> dict[str, int]:
    """The sizes with those of the axes that are split, each the product of its parts."""
    return {**sizes, **{axis: math.prod(sizes[part] for part in parts) for axis, parts in split.items()}}
