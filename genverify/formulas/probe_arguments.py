"""Random probes v with E vvᵀ = I as arguments: given or drawn, one or several for each row, and how people slip."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from genverify.formulas.catalogue import reduction
from genverify.formulas.field_arguments import standard_normal
from genverify.subjects.domains import Domain, integer
from genverify.subjects.parametrisation import plain
from genverify.subjects.specification import Axis, Layout, Option, Role

__all__ = ["COUNT", "PROBE", "PROBE_AXIS", "ROW_BY_ROW", "SEVERAL", "in_dialect"]


def _sign(outcome: Tensor) -> Tensor:
    """Zero and one as the two signs."""
    return 2 * outcome - 1


# A normal draw is zero with probability zero: code that normalises it need not care.
_AWAY = Domain(
    name="a probe away from zero",
    make=lambda raw, shape, dtype: (raw + torch.where(raw < 0, -0.25, 0.25)).reshape(shape).to(dtype),
)
_KNOWN = standard_normal(
    "probe", "v", "vareps", "e", "u", "probes", "vs", "rademacher", "vector", "vectors", "us", "hutchinson_noise", "_e"
)
PROBE = replace(
    _KNOWN, forms=tuple(replace(form, domain=_AWAY) for form in _KNOWN.forms),
    laws={"integers": _sign, "bernoulli": _sign},
)  # fmt: skip
COUNT = plain(
    "samples", "probe", integer(1, 3),
    ("n_samples", "num_samples", "n_probes", "num_probes", "n_hutchinson", "n_vectors", "num_vectors", "m", "S",
     "numTraceSamples", "num_trace_samples", "n_trace_samples", "hutchinson_samples", "n_mc", "M", "n_v"),
    role=Role.SIZE, differentiable=False, default=None,
)  # fmt: skip
SEVERAL = (
    Layout(name="several probes", instead={"probe": "probe batch event"}),
    Layout(name="several probes of one event", drop=("batch", "row"), instead={"probe": "probe event"}),
    Layout(name="several probes a row", instead={"probe": "probe batch event"}, shapes={"probe": "batch probe event"}),
)
ROW_BY_ROW = reduction(
    "batch",
    ("none",),
    {"sum": "each row has its own", "mean": "each row has its own"},
)
PROBE_AXIS = Axis(
    name="probe",
    options=(
        Option(name=""),
        Option(name="signs of normal draws", keywords={"probes": "signs"}, note="E vvᵀ = I, too"),
        Option(name="on the sphere of radius √d", keywords={"probes": "sphere"}, note="E vvᵀ = I, too"),
        Option(name="of unit length", keywords={"probes": "unit"}, accepted=False,
               note="E vvᵀ = I/d: every trace is divided by the dimension"),
        Option(name="of zeros and ones", keywords={"probes": "binary"}, accepted=False,
               note="0 and 1 for −1 and 1: E vvᵀ is not I"),
        Option(name="summed over the probes", keywords={"probes": "sum"}, accepted=False,
               note="the mean over probes estimates the trace"),
    ),
)  # fmt: skip


def in_dialect(probe: Tensor, kind: str, rows: int) -> tuple[Tensor, float]:
    """The probes in one dialect, and the factor of what they give; `rows` is the number of axes of one for each row.

    >>> in_dialect(torch.tensor([[3.0, 4.0]]), "unit", 2)
    (tensor([[0.6000, 0.8000]]), 1.0)
    """
    if kind == "signs":
        return torch.where(probe < 0, -1.0, 1.0).to(probe), 1.0
    if kind == "binary":
        return (probe + 1) / 2, 1.0
    if kind in ("sphere", "unit"):
        length = probe.norm(dim=-1, keepdim=True)
        return probe / length * (probe.shape[-1] ** 0.5 if kind == "sphere" else 1.0), 1.0
    return probe, float(len(probe)) if kind == "sum" and probe.dim() > rows else 1.0
