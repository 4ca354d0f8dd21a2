"""`target.divergence` and `target.residual_logabsdet`: what probes and roulette estimate of a function at a point."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from genverify.formulas.flow_residual import BRANCH, EVENT, TERMS
from genverify.formulas.references import declares_reference
from genverify.formulas.target import COUNT, target
from genverify.oracles import flow_residual as oracle
from genverify.oracles import stochastic_targets
from genverify.reference.flows import residual_series
from genverify.subjects.contractions import Contraction
from genverify.subjects.domains import unit_interval
from genverify.subjects.estimator import GradientEstimator, Target
from genverify.subjects.parametrisation import plain
from genverify.subjects.smooth_domains import contraction
from genverify.subjects.specification import Argument, Form, Layout, Role, Specification

__all__ = ["DIVERGENCE", "RESIDUAL_LOGABSDET"]

_LAYOUTS = (Layout(name="one row"),)
_POINT = replace(EVENT, axes="row dim", differentiable=False)
_PROBES = Argument(
    name="probes", axes="row dim", role=Role.DRAW, law="rademacher", differentiable=False, default=None,
    forms=(
        Form(name="probes", domain=EVENT.forms[0].domain,
             aliases=("v", "vareps", "e", "eps", "noise", "epsilon", "u", "probe", "vs", "rademacher", "z_probe")),
    ),
)  # fmt: skip

# A series that stops with the usual probability of one half has a finite variance where Lip² is below one half.
_BRANCH = replace(
    BRANCH, axes="pair hidden dim", forms=tuple(replace(one, domain=contraction(0.6)) for one in BRANCH.forms)
)


def _slope(given: Mapping[str, Any]) -> Tensor:
    """The Jacobian at the one row."""
    return oracle.jacobian(given["residual"].weight.to(torch.float64), given["x"].detach().to(torch.float64))[0]


def _divergence(*, residual: Contraction, x: Tensor, **rest: object) -> Tensor:
    return stochastic_targets.trace(_slope({"residual": residual, "x": x}))[None]


def _logabsdet(*, residual: Contraction, x: Tensor, terms: int | None = None, **rest: object) -> Tensor:
    slope = _slope({"residual": residual, "x": x})
    if terms is None:
        return stochastic_targets.log_one_plus(slope)[None]
    return stochastic_targets.power_series(slope, int(terms))[None]


def _sample(given: Mapping[str, Any], n: int) -> dict[str, Tensor]:
    return {"probes": 2.0 * torch.bernoulli(torch.full(given["x"].shape, 0.5, dtype=torch.float64)) - 1.0}


def _largest(given: Mapping[str, Any]) -> float:
    return given["x"].shape[-1] * (1.0 + float(_slope(given).norm()))


def _specified(
    name: str, statement: str, source: str, compute: Any, *more: Argument  # noqa: ANN401 - an oracle
) -> Target:  # fmt: skip
    return target(
        Target(
            specification=Specification(
                name=f"target.{name}", statement=statement, source=source, oracle=compute, layouts=_LAYOUTS,
                sizes={"row": (1,), "dim": (2, 1), "pair": (2,), "hidden": (2, 1), "samples": (1,)},
                arguments=(_BRANCH, _POINT, _PROBES, *more, COUNT),
            ),
            gradient=False, sample=_sample, magnitude=_largest,
        )
    )  # fmt: skip


DIVERGENCE = _specified(
    "divergence", "tr ∂g/∂x = E vᵀ (∂g/∂x) v, E vvᵀ = I",
    "Hutchinson 1990, section 2; Grathwohl et al. 2019, eq. 7", _divergence,
)  # fmt: skip
RESIDUAL_LOGABSDET = _specified(
    "residual_logabsdet", "log|det(I + ∂g/∂x)|, Lip g < 1; the first K terms of its series where K is taken",
    "Behrmann et al. 2019, section 3.2; Chen et al. 2019, theorem 1", _logabsdet,
    replace(TERMS, default=None),
    plain("rate", "", unit_interval(), ("p", "geom_p", "q", "prob", "p_stop", "stop_prob", "lamb", "lam"),
          differentiable=False, default=None),
)  # fmt: skip


def _stopped(g: Any, x: Tensor) -> Tensor:  # noqa: ANN401 - a function of rows
    """The reference with its own draws: signs, and a geometric number of terms."""
    probe = 2.0 * torch.bernoulli(torch.full_like(x, 0.5)) - 1.0
    count = int(torch.empty((), dtype=torch.float64).geometric_(0.5))
    return residual_series.logabsdet_roulette(g, x, probe, count, 0.5)


@declares_reference
def roulette_estimate() -> GradientEstimator:
    """The reference series that stops at random, its draws made inside."""
    return GradientEstimator(_stopped, like="target.residual_logabsdet", name="residual roulette")
