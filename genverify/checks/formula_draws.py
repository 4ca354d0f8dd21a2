"""The draws that a formula makes itself, matched to the roles that the formula gives them."""

from __future__ import annotations

from typing import Any

import torch

from genverify.checks.formula_result import Unreadable
from genverify.subjects.case import Case
from genverify.subjects.formula import Formula
from genverify.subjects.specification import Layout

__all__ = ["roles"]


def roles(subject: Formula, tape: Any, case: Case, layout: Layout) -> dict[str, torch.Tensor]:  # noqa: ANN401 - a Tape
    """Draw name → its standardised value: the first draw on the tape of that law and size which is not yet taken.

    Raises:
        Unreadable: The subject did not draw what the formula draws.
    """
    assert subject.match is not None
    waiting = list(tape.draws)
    found: dict[str, torch.Tensor] = {}
    for argument in subject.match.inside:
        shape = tuple(case["#sizes"][axis] for axis in layout.axes(argument))
        count = int(torch.Size(shape).numel())
        for draw in waiting:
            value = draw.value if draw.standardised is None else draw.standardised
            if draw.law == argument.law and value.numel() == count:
                found[argument.name] = value.detach().to(torch.float64).reshape(shape)
                waiting.remove(draw)
                break
        else:
            drawn = ", ".join(f"{d.law} {tuple(d.shape)}" for d in tape.draws) or "nothing"
            raise Unreadable(f"the formula draws {argument.name} ({argument.law}, {shape}); the subject drew {drawn}")
    return found
