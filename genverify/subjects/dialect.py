"""Dialects: the legitimate ways in which one formula is written, and the slips that are known by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch

__all__ = ["Axis", "Dialect", "Option"]


@dataclass(frozen=True, kw_only=True)
class Option:
    """One way in which a formula is written.

    Attributes:
        name: In words; empty for the unmarked way.
        keywords: What the oracle is told.
        accepted: Whether it is citable under the formula's very name.
        note: Where it is legitimate, or what the slip is.
    """

    name: str
    keywords: Mapping[str, Any] = field(default_factory=dict)
    accepted: bool = True
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Axis:
    """A direction in which dialects differ: a reduction over a named axis of the output, or an option of the oracle.

    Attributes:
        name: The output axis that is reduced, or a name for the choice.
        options: The ways there are; for a reduction their names are sum, mean and none.
        reduces: Whether it is a reduction.
    """

    name: str
    options: tuple[Option, ...]
    reduces: bool = False


@dataclass(frozen=True, kw_only=True)
class Dialect:
    """One choice on every axis."""

    choices: tuple[tuple[Axis, Option], ...] = ()

    @property
    def accepted(self) -> bool:
        """Whether every choice is citable under the formula's name, and no axis seems taken for another."""
        return self.accepted_where()

    def accepted_where(self, undecided: tuple[str, ...] = ()) -> bool:
        """The same for a subject whose calling convention leaves some options open, each by its name."""
        return all(option.accepted or option.name in undecided for _, option in self.choices) and not self._confused

    @property
    def keywords(self) -> dict[str, Any]:
        """What the oracle is told."""
        return {k: v for axis, option in self.choices if not axis.reduces for k, v in option.keywords.items()}

    @property
    def reductions(self) -> dict[str, str]:
        """Output axis → sum, mean or none."""
        return {axis.name: option.name for axis, option in self.choices if axis.reduces}

    @property
    def note(self) -> str:
        """What is to be said of the choices that are not accepted."""
        notes = [option.note for _, option in self.choices if option.note and not option.accepted]
        return "; ".join([*notes, *([self._confused] if self._confused else [])])

    @property
    def _confused(self) -> str:
        """A sum over the batch that leaves the axes inside a sample: dim=0 for dim=1, which also trains."""
        how = self.reductions
        inner = [axis for axis, word in how.items() if axis != "batch" and word == "none"]
        if how.get("batch") != "sum" or not inner:
            return ""
        return f"the batch axis is summed and the {inner[0]} axis is left"

    def __str__(self) -> str:
        """The choices in words."""
        words = []
        for axis, option in self.choices:
            if axis.reduces:
                words.append(f"{option.name} over {axis.name}" if option.name != "none" else f"per {axis.name}")
            elif option.name:
                words.append(option.name)
        return ", ".join(words) or "as written"

    def apply(self, terms: torch.Tensor, axes: tuple[str, ...]) -> torch.Tensor:
        """The reduction of this dialect over the named axes of a tensor; other dimensions stay."""
        for position in range(len(axes) - 1, -1, -1):
            how = self.reductions.get(axes[position], "none")
            if how == "sum":
                terms = terms.sum(position)
            elif how == "mean":
                terms = terms.mean(position)
        return terms
