"""Numbers that shape a function and are no data: a slope, a margin, a smoothing. Given as Python numbers."""

from __future__ import annotations

import math

import torch

from genverify.formulas.plain_numbers import with_borders
from genverify.subjects.domains import Domain
from genverify.subjects.specification import Argument, Form

__all__ = ["hyperparameter"]


def hyperparameter(
    name: str, *aliases: str, default: float | None, low: float, high: float, apart: tuple[float, ...] = ()
) -> Argument:
    """A positive number between low and high that a subject may take; `default` is its value where it does not.

    Not differentiated, and drawn through its logarithm as a Python number, as people pass it. Values in `apart`,
    such as a weight of zero, are legal as well.

    >>> hyperparameter("alpha", default=1.0, low=0.5, high=2.0).forms[0].domain.high
    0.6931471805599453
    """
    domain = Domain(
        name="positive number", low=math.log(low), high=math.log(high),
        make=lambda raw, shape, dtype: float(torch.exp(raw.reshape(())).to(torch.float32)),
    )  # fmt: skip
    form = Form(name=name, aliases=aliases, domain=with_borders(domain, *apart))
    return Argument(name=name, forms=(form,), default=default, differentiable=False)
