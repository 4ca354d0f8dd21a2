"""The schedule of a stranger's diffusion process: its tables, whatever holds them, and the rates that they say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from genverify.adapters.diffusion_roles import TABLES
from genverify.errors import UsageError
from genverify.subjects.diffusion_process import DiffusionProcess

__all__ = ["part_of", "rates_of", "table_of", "tables_of"]


def part_of(thing: Any, name: str) -> Any:  # noqa: ANN401
    """What a thing holds under a name: an entry of a mapping, else an attribute; None without."""
    if isinstance(thing, Mapping):
        return thing.get(name)
    try:
        return getattr(thing, name, None)
    except Exception:  # a property of a stranger's may raise anything
        return None


def table_of(value: Any) -> Tensor | None:  # noqa: ANN401
    """A table of numbers, one for each step, as a vector; None for anything else.

    >>> table_of(np.array([[0.5], [0.25]]))
    tensor([0.5000, 0.2500], dtype=torch.float64)
    """
    if isinstance(value, (list, tuple)) and value and all(isinstance(one, float) for one in value):
        value = torch.tensor(value, dtype=torch.float64)
    if isinstance(value, np.ndarray) and value.dtype.kind == "f":
        value = torch.from_numpy(np.array(value))
    if not isinstance(value, Tensor) or not value.is_floating_point() or not value.dim():
        return None
    return value.detach().reshape(-1).cpu() if value.numel() and max(value.shape) == value.numel() else None


def tables_of(subject: DiffusionProcess) -> dict[str, tuple[str, Tensor]]:
    """What a table is → its name, and the table; those that are said before those that are found.

    Raises:
        UsageError: What is said to be a table is none.
    """
    found: dict[str, tuple[str, Tensor]] = {}
    for role, names in TABLES.items():
        said = subject.roles.get(role)
        if said is not None:
            table = table_of(part_of(subject.f, said) if isinstance(said, str) else said)
            if table is None:
                raise UsageError(
                    given=f"roles={{{role!r}: {said!r}}} of {subject.label}, which is no table",
                    expected="a vector of floating numbers, one for each step", do="give the tensor, or its name",
                )  # fmt: skip
            found[role] = (said if isinstance(said, str) else role, table)
            continue
        for name in names:
            table = table_of(part_of(subject.f, name))
            if table is not None and role not in found:
                found[role] = (name, table)
    return found


def rates_of(subject: DiffusionProcess, tables: Mapping[str, tuple[str, Tensor]]) -> tuple[Tensor, str, torch.dtype]:
    """1 − β of each step in float64, without the entry of the data; the table that says so; and its dtype.

    Raises:
        UsageError: There is none.
    """
    for role in ("betas", "alphas_cumprod", "alphas", "sqrt_alphas_cumprod", "log_snr"):
        if role not in tables:
            continue
        name, own = tables[role]
        table = own.to(torch.float64)
        if role in ("betas", "alphas"):
            alphas = 1 - table if role == "betas" else table
        else:
            level = {"alphas_cumprod": table, "sqrt_alphas_cumprod": table.square(), "log_snr": table.sigmoid()}[role]
            alphas = level / torch.cat([torch.ones_like(level[:1]), level[:-1]])
        if len(alphas) > 1 and float(alphas[0]) == 1.0:
            return alphas[1:], name, own.dtype
        return alphas, name, own.dtype
    raise UsageError(
        given=f"{subject.label} without a schedule that is called as schedules are (betas, alphas_cumprod, alphas, …)",
        expected="the rate of each step, as a vector", do="say roles={'betas': …}: the table, or its name",
    )  # fmt: skip
