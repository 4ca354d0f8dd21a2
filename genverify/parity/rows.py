"""The first row alone against the same row of its batch, where rows are seen not to depend on each other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch

from genverify.noise import Tape
from genverify.parity.judgement import Difference, Model, difference
from genverify.parity.program import Rows
from genverify.subjects.case import Case

__all__ = ["DependentRows", "row_differences"]

Run = Callable[[Case, Tape], Any]


class DependentRows(Exception):
    """The rows of a program cannot be compared one by one; the message says why."""


def row_differences(
    rows: Rows | None, case: Case, tape: Tape, model: Model, baseline: Run, single: Run, dtype: torch.dtype
) -> list[Difference]:
    """What the first row yields alone, against what it yields in its batch.

    That it should be the same is not assumed but seen: the row stays as it is, up to rounding, when the other rows
    become others and when the whole batch comes twice. What passes both and fails alone depends on being alone.

    Raises:
        DependentRows: There are no rows, or they depend on each other, or on how many there are.
    """
    if rows is None or rows.count < 2:
        raise DependentRows("it has no batch of rows that could be taken apart")
    whole = {n: v for n, v in model.values.items() if n.startswith("result") and v.dim() and len(v) == rows.count}
    if not whole:
        raise DependentRows("none of its results has a row for each row of the batch")
    count = rows.count
    for chosen in ([0] * count, [0, *[count - 1] * (count - 1)], [*range(count), *range(count)]):
        try:
            found = baseline(rows.take(case, chosen), _rows_of(tape, count, chosen))
        except DependentRows:
            raise
        except Exception as error:
            raise DependentRows(f"with other rows it raises {type(error).__name__}") from error
        for one in _against(whole, found, len(chosen), model, dtype):
            if one.ratio > 1:
                raise DependentRows("its rows depend on each other, or on how many there are")
    return _against(whole, single(rows.take(case, [0]), _rows_of(tape, count, [0])), 1, model, dtype)


def _against(whole: Any, found: Any, count: int, model: Model, dtype: torch.dtype) -> list[Difference]:  # noqa: ANN401
    allowed = dict(zip(model.names, model.rounding.allowed(9), strict=True))
    made = []
    for name, value in whole.items():
        one, expected = found.get(name), (count, *value.shape[1:])
        if one is None or tuple(one.shape) != expected:
            shape = "no value" if one is None else f"the shape {tuple(one.shape)}, and not {expected}"
            made.append(Difference(name=name, fault=f"{name} of a batch of {count} has {shape}"))
        else:
            first = one[:1].detach().to("cpu", torch.float64)
            made.append(difference(name, first, value[:1], allowed[name], dtype, value))
    return sorted(made, key=lambda one: (-one.ratio, -one.ulps))


def _rows_of(tape: Tape, count: int, chosen: Sequence[int]) -> Tape:
    """The draws of these rows.

    Raises:
        DependentRows: A draw has no rows.
    """
    draws = []
    for draw in tape.draws:
        if not draw.shape or draw.shape[0] != count:
            raise DependentRows(f"a draw of shape {draw.shape} has no rows")
        index = torch.tensor(list(chosen))

        def taken(value: Any, index: torch.Tensor = index) -> Any:  # noqa: ANN401 - a parameter of a draw
            rowed = isinstance(value, torch.Tensor) and value.dim() and len(value) == count
            return value[index.to(value.device)] if rowed else value

        draws.append(
            replace(
                draw, shape=(len(chosen), *draw.shape[1:]), value=taken(draw.value),
                standardised=taken(draw.standardised),
                parameters={name: taken(value) for name, value in draw.parameters.items()},
            )
        )  # fmt: skip
    return replace(tape, draws=tuple(draws))
