"""`trace.hutchinson`: the divergence of a field by random probes, as continuous flows and scores take it.

The probes are given, or drawn and read off the tape, so that each estimate is held to its own draws: that the mean over
these is the trace is the claim of E vvᵀ = I. Of a matrix that is given by its product with a vector the same is
`calculus.hutchinson_trace`; what makes its draws in another way is an estimator of `target.divergence` or
`target.trace`, whose mean is integrated out.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from genverify.formulas.catalogue import formula
from genverify.formulas.field_arguments import VELOCITY, time
from genverify.formulas.flow_arguments import ROWS, moderate, point
from genverify.formulas.probe_arguments import COUNT, PROBE, PROBE_AXIS, ROW_BY_ROW, SEVERAL, in_dialect
from genverify.formulas.references import declares_reference
from genverify.oracles import flow_continuous as oracle
from genverify.reference.estimators import hutchinson
from genverify.subjects.formula import Formula
from genverify.subjects.specification import Axis, Layout, Option, Specification
from genverify.subjects.timed_functions import TimedWaves

__all__ = ["HUTCHINSON"]

Terms = tuple[Tensor, ...]
(_FORM,) = VELOCITY.forms
_FIELD = replace(
    VELOCITY, name="field", differentiable=False,
    forms=(
        replace(_FORM, name="field", aliases=(
            *(one for one in _FORM.aliases if one not in ("v", "v_fn", "u_theta")),
            "score", "score_fn", "score_model", "odefunc", "ode_func", "dynamics", "g", "s", "drift_fn", "func",
        )),
    ),
)  # fmt: skip
_TIME = time(default=None, differentiable=False)
_READ = Axis(
    name="product",
    options=(
        Option(name=""),
        Option(name="the change of log p", keywords={"factor": -1.0}, note="−vᵀJv: Grathwohl et al. 2019, eq. 4"),
        Option(name="divided by the dimension", keywords={"slip": "dimension"}, accepted=False,
               note="a mean for a sum over the coordinates"),
        Option(name="all entries of the Jacobian", keywords={"slip": "entries"}, accepted=False,
               note="the sum of the field is differentiated: Σ_ij J_ij, without the probe"),
        Option(name="the probe on one side", keywords={"slip": "one side"}, accepted=False,
               note="vᵀJ summed over the coordinates: its mean is zero"),
        Option(name="one derivative short", keywords={"slip": "field"}, accepted=False,
               note="vᵀf(x), whose derivative in x is still to be taken"),
    ),
)  # fmt: skip


def _slipped(weight: Tensor, x: Tensor, t: Any, probe: Tensor, slip: str) -> Terms:  # noqa: ANN401
    one = torch.ones_like(x)
    if slip == "entries":
        return oracle.probe_trace(weight, x, t, one)
    if slip == "one side":
        return (oracle.pulled(weight, x, t, probe).sum(-1),)
    if slip == "field":
        return ((oracle.field(weight, x, t) * probe).sum(-1),)
    found = oracle.probe_trace(weight, x, t, probe)
    return tuple(term / x.shape[-1] for term in found) if slip == "dimension" else found


def _hutchinson(
    *, x: Tensor, field: TimedWaves, probe: Tensor, t: Any = None, factor: float = 1.0, slip: str = "",  # noqa: ANN401
    probes: str = "",
) -> Terms:  # fmt: skip
    read, scale = in_dialect(probe, probes, x.dim())
    at = torch.as_tensor(0.0 if t is None else t, dtype=x.dtype)
    made = _slipped(field.weight, x, at[:, None] if at.dim() else at, read, slip)
    lost = ((field.weight.abs().amax() + 1) ** 3 * x.shape[-1] * (1 + x.abs().sum(-1) + x.sum(-1) / 2)
            * (read**2).sum(-1))  # fmt: skip
    terms = [factor * scale * term for term in (*made, lost, -lost)]
    return tuple(term.mean(0) if term.dim() > x.dim() - 1 else term for term in terms)


_IMAGES: dict[str, str] = dict.fromkeys(("x", "probe"), "batch channel height width")
HUTCHINSON = formula(
    Specification(
        name="trace.hutchinson",
        statement="vᵀ (∂f/∂x) v at each row; its mean over probes with E vvᵀ = I is tr ∂f/∂x, and over several of them "
        "the mean is taken",
        source="Hutchinson 1990, section 2; Grathwohl et al. 2019, eq. 7",
        arguments=(
            _FIELD, moderate(point(without=("t", "u", "v", "eps", "noise", "h", "data"))),
            moderate(PROBE), _TIME, COUNT,
        ),
        oracle=_hutchinson, output="batch", dialects=(ROW_BY_ROW, _READ, PROBE_AXIS), operations=128,
        layouts=(
            ROWS, Layout(name="rows, one time for all", shared=("t",), first_with_number=True),
            Layout(name="one event at a time", drop=("batch", "row")),
            Layout(name="images", shapes=_IMAGES),
            Layout(name="images, one time for all", shapes=_IMAGES, shared=("t",)), *SEVERAL,
            Layout(name="several probes, one time for all", instead={"probe": "probe batch event"}, shared=("t",)),
        ),
        sizes={"batch": (3, 2, 4, 1), "event": (2, 3, 5), "channel": (2, 1), "height": (2,), "width": (1, 2),
               "hidden": (2, 1), "pair": (2,), "probe": (2, 3, 1)},
        namesakes=("calculus.hutchinson_trace",), derivation="stochastic_traces.unbiased",
    )
)  # fmt: skip


@declares_reference
def hutchinson_jacobian_trace() -> Formula:
    """The reference estimate, its probe given."""
    return Formula(hutchinson.jacobian_trace, like="trace.hutchinson")
