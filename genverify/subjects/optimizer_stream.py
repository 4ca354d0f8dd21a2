"""One stream of gradients on which the conventions of optimizers differ."""

from __future__ import annotations

from dataclasses import replace

import torch

from genverify.subjects.optimizer_run import Stream

__all__ = ["REVEALING", "revealing", "revealing_rows"]

# How the seven numbers of a revealing stream are cut into parameters; the last four are sizes in which matrices stay
# regular.
REVEALING = {"": ((3,), (2, 2)), "matrices": ((1, 3), (2, 2))}
_START = (1.0, -0.5, 2.0, 0.25, 0.75, -1.0, 0.5)
_STEPS = 24


def revealing(
    shapes: tuple[tuple[int, ...], ...] = REVEALING[""],
    *,
    dtype: torch.dtype = torch.float64,
    rate: bool = True,
    steps: int = _STEPS,
) -> Stream:
    """Gradients that fall (where a running maximum is kept), are huge, as small as ε, and of changing sign.

    None stays what it was, so that the past can be told from the present; `rate` halves the learning rate half-way.

    Shapes: seven entries in all.
    """
    k = torch.arange(steps, dtype=torch.float64)
    columns = (
        0.8**k,
        1e3 * torch.sin(2.3 * k + 1.0),
        1e-8 * (1.0 + 0.5 * torch.sin(k)),
        torch.cos(1.7 * k) + 0.2,
        torch.sin(0.9 * k + 0.5),
        0.5 + torch.cos(0.7 * k),
        -(0.9**k) * torch.cos(k),
    )
    gradients = torch.stack([_two_digits(column) for column in columns], dim=1)
    # Steps are small beside numbers near 1: in a narrow dtype their own digits would be lost in the parameter's.
    begin = torch.tensor(_START, dtype=torch.float64) * (1.0 if dtype is torch.float64 else 2.0**-10)
    sizes = [torch.Size(shape).numel() for shape in shapes]
    parameters = [part.reshape(shape).to(dtype) for part, shape in zip(begin.split(sizes), shapes, strict=True)]
    rates = torch.ones(steps, dtype=torch.float64)
    rates[steps // 2 :] = 0.5 if rate else 1.0
    return replace(Stream.along(gradients, parameters), rates=rates)


def revealing_rows(
    shapes: tuple[tuple[int, ...], ...] = REVEALING[""], *, dtype: torch.dtype = torch.float64, rate: bool = True
) -> Stream:
    """The same as sparse rows, a third of which are missing."""
    whole = revealing(shapes, dtype=dtype, rate=rate)
    present = tuple((torch.arange(whole.steps)[:, None] + torch.arange(len(p))) % 3 != 0 for p in whole.parameters)
    return replace(whole, present=present, sparse=True)


def _two_digits(numbers: torch.Tensor) -> torch.Tensor:
    """The numbers as a reader of a witness likes them."""
    return torch.tensor([float(f"{one:.2g}") for one in numbers.tolist()], dtype=torch.float64)
