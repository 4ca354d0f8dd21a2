"""Residual blocks x + g(x): image and logabsdet, the inverse by iteration, and the series of the logabsdet."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from genverify.formulas.catalogue import formula
from genverify.formulas.flow_arguments import IMAGES, ONE_EVENT, ROWS, point, slip, transform
from genverify.formulas.probe_arguments import COUNT, PROBE, PROBE_AXIS, ROW_BY_ROW, SEVERAL, in_dialect
from genverify.formulas.references import declares_reference
from genverify.oracles import flow_residual as oracle
from genverify.reference.flows import residual as reference
from genverify.reference.flows import residual_series as reference_series
from genverify.subjects.contractions import Contraction
from genverify.subjects.domains import Domain, integer
from genverify.subjects.formula import Formula
from genverify.subjects.parametrisation import plain
from genverify.subjects.smooth_domains import contraction
from genverify.subjects.specification import Axis, Layout, Option, Role, Specification

__all__ = ["BRANCH", "EVENT", "INVERSE", "RESIDUAL", "ROULETTE", "SERIES", "TERMS"]

_SIZES = {"batch": (3, 2, 1), "event": (2, 3, 1), "pair": (2,), "hidden": (2, 1), "probe": (2, 3, 1)}
BRANCH = plain(
    "residual", "pair hidden event", contraction(),
    ("g", "f", "F", "net", "nnet", "gnet", "fn", "func", "network", "model", "block", "res", "nn", "branch", "g_fn",
     "residual_fn", "bottleneck_block", "contraction", "module", "layer", "residual_block", "g_net", "resblock", "mlp"),
    role=Role.FUNCTION, differentiable=False,
)  # fmt: skip
EVENT = point(without=("t", "u", "v", "eps", "noise", "h", "z0"))


def _both(*, x: Tensor, residual: Contraction, slip: str = "") -> tuple[Any, Any]:
    return oracle.image(residual.weight, x), oracle.logabsdet(residual.weight, x, slip)


# No dialect "inverse" here: x ↦ x + g(x) and its inverse are told apart by name, since either is a forward pass.
RESIDUAL = transform(
    "residual", "y = x + g(x), logabsdet = log|det(I + ∂g/∂x)|, Lip g < 1", "Behrmann et al. 2019, eqs. 1 and 3",
    (BRANCH, EVENT), _both, separable=False, operations=128, derivation="residual_flows.determinant",
    layouts=(ROWS, ONE_EVENT, IMAGES), sizes=_SIZES,
    log=(
        slip("of the Jacobian alone", "log|det ∂g/∂x|: the identity is left out", slip="no identity"),
        slip("the trace alone", "tr ∂g/∂x is the first term of a series", slip="trace"),
        slip("with the branch subtracted", "log|det(I − ∂g/∂x)|: of x − g(x)", slip="minus"),
    ),
)  # fmt: skip

_STEPS = (
    "n_iter", "n_iters", "max_iter", "maxIter", "n_steps", "num_iters", "num_iter", "iterations", "iters", "num_steps",
    "n", "k", "max_iters", "n_iterations", "T", "num_iterations", "max_steps", "N", "n_fixed_point", "niter",
    "inv_iters",
)  # fmt: skip
_START = Axis(
    name="start",
    options=(
        Option(name=""),
        Option(name="at zero", keywords={"start": "zero"}, note="one step behind the start at y − g(0)"),
        Option(name="at y − g(y)", keywords={"start": "shifted"}, note="one step ahead of the start at y"),
    ),
)  # fmt: skip
_SLIPS = Axis(
    name="step",
    options=(
        Option(name=""),
        Option(name="y + g(x)", keywords={"slip": "sign"}, accepted=False, note="the inverse of x − g(x)"),
        Option(name="x − g(x)", keywords={"slip": "forward"}, accepted=False,
               note="y is forgotten: the iteration goes to a zero of g, or nowhere"),
        Option(name="one too few", keywords={"fewer": 1}, accepted=False, note="range(1, n) takes n − 1 steps"),
    ),
)  # fmt: skip


def _inverse(
    *, y: Tensor, residual: Contraction, steps: Any, start: str = "", slip: str = "", fewer: int = 0,  # noqa: ANN401
) -> tuple[Tensor, ...]:  # fmt: skip
    weight = residual.weight
    if steps is None:
        x = oracle.preimage(weight, y)
        found = x if not (start or slip or fewer) else torch.full_like(y, torch.nan)
    else:
        x = found = oracle.iterate(weight, y, int(steps) - fewer, start=start, slip=slip)
    # An error of one step is passed on by the factor Lip g to the next: 1/(1 − L) of it is left.
    lost = (y.abs() + sum(term.detach().abs() for term in oracle.image(weight, x)[1:-1])) / (1 - _bound(weight))
    return found, lost, -lost


def _bound(weight: Tensor) -> Tensor:
    """A bound of Lip g."""
    return weight[0].norm() * weight[1].norm()


INVERSE = formula(
    Specification(
        name="flow.residual_inverse",
        statement="x with x + g(x) = y, Lip g < 1; where the number n of steps is taken, x_n of x ← y − g(x) from "
        "x = y; one that stops when it moves little states accuracy=",
        source="Behrmann et al. 2019, algorithm 1",
        arguments=(
            BRANCH,
            plain("y", "batch event", replace(EVENT.forms[0].domain, extreme_low=None, extreme_high=None),
                  ("z", "x", "out", "output", "outputs", "inputs", "input", "target", "v", "value", "samples", "xs",
                   "ys", "img", "images", "h", "u", "x0", "y0", "z0")),
            plain("steps", "", integer(1, 5), _STEPS, differentiable=False, default=None),
        ),
        oracle=_inverse, output="batch event", dialects=(_START, _SLIPS), operations=128, sizes=_SIZES,
        layouts=(ROWS, ONE_EVENT,
                 Layout(name="images", shapes={"y": "batch channel height width",
                                               "return": "batch channel height width"})),
        derivation="residual_flows.rate",
    )
)  # fmt: skip

TERMS = plain(
    "terms", "", integer(1, 5),
    ("n_power_series", "n_terms", "num_terms", "n", "k", "K", "order", "n_power_terms", "num_trace_terms", "n_series",
     "series_terms", "max_terms", "power_terms", "numTraceTerms", "n_series_terms", "degree", "N", "num_series_terms",
     "n_trace_terms", "num_power_series"),
    differentiable=False,
)  # fmt: skip

_LAYOUTS = (
    ROWS, ONE_EVENT,
    Layout(name="images", shapes=dict.fromkeys(("x", "probe"), "batch channel height width")), *SEVERAL,
)  # fmt: skip


_SERIES_AXIS = Axis(
    name="series",
    options=(
        Option(name=""),
        Option(name="of log det(I − J)", keywords={"slip": "reversed"}, accepted=False,
               note="every term has a minus: of x − g(x)"),
        Option(name="all terms with a plus", keywords={"slip": "sign"}, accepted=False,
               note="−log det(I − J): the sign alternates"),
        Option(name="without 1/k", keywords={"slip": "undivided"}, accepted=False,
               note="tr J(I + J)⁻¹, and not its integral: each power of the logarithm's series has 1/k"),
        Option(name="Neumann's series", keywords={"slip": "undivided", "fewer": -1}, accepted=False,
               note="(Σ_{k ≤ n} (−1)^k vᵀJ^k) J v, what estimates the gradient in the code of Chen et al. 2019: its "
               "value is that of tr J(I + J)⁻¹, and no logabsdet"),
        Option(name="one term short", keywords={"fewer": 1}, accepted=False, note="range(1, n) ends at n − 1"),
        Option(name="one term more", keywords={"fewer": -1}, accepted=False, note="n + 1 terms where n are meant"),
        Option(name="probe renewed", keywords={"slip": "renewed"}, accepted=False,
               note="vᵀJ^k times vᵀJ^(k−1): both sides of the form moved on"),
        Option(name="sign reversed", keywords={"factor": -1.0}, accepted=False,
               note="that is the change of log p, or the logabsdet of the inverse"),
    ),
)  # fmt: skip
Terms = tuple[Tensor, ...]


def _each(
    weight: Tensor, x: Tensor, probe: Tensor | None, terms: int, slip: str, kind: str
) -> tuple[list[Terms], float]:
    """The terms of the series, and a factor of all."""
    if probe is None:
        if kind or slip == "renewed":  # no dialect of an exact trace
            return [(torch.full_like(x[..., 0], torch.nan),)] * max(terms, 1), 1.0
        return oracle.exact_trace_terms(weight, x, terms, slip=slip), 1.0
    read, factor = in_dialect(probe, kind, x.dim())
    return oracle.probed_terms(weight, x, read, terms, slip=slip), factor


def _series(
    *, x: Tensor, residual: Contraction, terms: Any, probe: Tensor | None = None, slip: str = "", fewer: int = 0,  # noqa: ANN401
    factor: float = 1.0, probes: str = "",
) -> Terms:  # fmt: skip
    made, scale = _each(residual.weight, x, probe, int(terms) - fewer, slip, probes)
    nothing = torch.zeros_like(x[..., 0])
    return (nothing, *(factor * scale * term for one in made for term in one))


SERIES = formula(
    Specification(
        name="flow.residual_logabsdet_series",
        statement="Σ_{k ≤ n} (−1)^{k+1} tr(J^k)/k, J = ∂g/∂x, each trace in full or vᵀJ^k v with one probe v for all k",
        source="Behrmann et al. 2019, eq. 4 and section 3.2",
        arguments=(BRANCH, EVENT, TERMS, PROBE, COUNT),
        oracle=_series, output="batch", dialects=(ROW_BY_ROW, _SERIES_AXIS, PROBE_AXIS), layouts=_LAYOUTS,
        operations=128, drawn=(("probe",), ()), sizes=_SIZES, derivation="stochastic_traces.power_series",
    )
)  # fmt: skip

_RATE = Domain(
    name="in (0.2, 0.8)", low=-1.0, high=1.0,
    make=lambda raw, shape, dtype: float(0.5 + 0.3 * float(raw.reshape(-1)[0])) if not shape else 0.5 + 0.3 * raw,
)  # fmt: skip
_LAW = Axis(
    name="stop",
    options=(
        Option(name=""),
        Option(name="geometric from zero on", keywords={"law": "from zero"},
               note="P(N ≥ k) = (1 − p)^k: of N that counts failures, as torch.distributions draws it"),
        Option(name="Poisson", keywords={"law": "poisson"}, note="P(N ≥ k) = 1 − e^(−λ) Σ_{j<k} λ^j/j!"),
        Option(name="unweighted", keywords={"weight": "none"}, accepted=False,
               note="terms count as if each were always reached: the sum is biased towards its first terms"),
        Option(name="weighed by P(N = k)", keywords={"weight": "mass"}, accepted=False,
               note="a term is there when N ≥ k, not when N = k"),
        Option(name="multiplied by P(N ≥ k)", keywords={"weight": "multiplied"}, accepted=False,
               note="a term is divided by the probability that it is there"),
        Option(name="exact terms weighed, too", keywords={"weight": "offset"}, accepted=False,
               note="the exact terms are always there; the probability counts from the first that may be missing"),
        Option(name="one over p for 1 − p", keywords={"weight": "other"}, accepted=False,
               note="p is the probability to stop; 1 − p that to go on"),
        Option(name="one term short", keywords={"fewer": 1}, accepted=False,
               note="the term N is paid for by P(N ≥ N) and must be there: range(1, N) leaves it out"),
    ),
)  # fmt: skip


def _weight(law: str, weight: str, rate: float, k: int, exact: int) -> Tensor | float:
    """What a term is multiplied with."""
    beyond = k - exact
    if weight == "offset":
        return 1 / oracle.reached(law, rate, k)
    if beyond <= 0 or weight == "none":
        return 1.0
    reached = oracle.reached(law, 1 - rate if weight == "other" else rate, beyond)
    if weight == "mass":
        return 1 / (reached - oracle.reached(law, rate, beyond + 1))
    return reached if weight == "multiplied" else 1 / reached


def _roulette(
    *, x: Tensor, residual: Contraction, last: Any, rate: Any, exact: Any = 0, probe: Tensor | None = None,  # noqa: ANN401
    law: str = "from one", weight: str = "", fewer: int = 0, slip: str = "", factor: float = 1.0, probes: str = "",
) -> Terms:  # fmt: skip
    exact = int(exact)
    made, scale = _each(residual.weight, x, probe, exact + int(last) - fewer, slip, probes)
    found = [torch.zeros_like(x[..., 0])]
    for k, one in enumerate(made, start=1):
        found += [factor * scale * _weight(law, weight, float(rate), k, exact) * term for term in one]
    return tuple(found)


_ROULETTE_SERIES = replace(
    _SERIES_AXIS, options=tuple(one for one in _SERIES_AXIS.options if "fewer" not in one.keywords)
)
ROULETTE = formula(
    Specification(
        name="flow.residual_logabsdet_roulette",
        statement="Σ_{k ≤ m + N} (−1)^{k+1}/k · vᵀJ^k v / P(N ≥ k − m): m terms always, others when N reaches them; "
        "N is given, and what draws it inside is an estimator of target.residual_logabsdet",
        source="Chen et al. 2019, eqs. 6 and 8, and section 3.1",
        arguments=(
            BRANCH, EVENT,
            plain("last", "", integer(1, 4),
                  ("n", "N", "n_terms", "num_terms", "n_power_series", "stop", "level", "n_stop", "tau", "k", "K",
                   "n_sampled", "sampled_n", "N_sample", "n_rand", "n_draw", "trunc", "n_random"),
                  differentiable=False),
            plain("rate", "", _RATE,
                  ("p", "geom_p", "q", "prob", "geometric_p", "p_stop", "stop_prob", "lamb", "lam", "lambda_", "p_geom",
                   "poisson_rate", "geom_prob", "lmbda"),
                  differentiable=False),
            plain("exact", "", integer(0, 2),
                  ("n_exact", "n_exact_terms", "exact_terms", "m", "num_exact_terms", "offset", "n_deterministic",
                   "min_terms", "n_always"),
                  differentiable=False, default=0),
            PROBE, COUNT,
        ),
        oracle=_roulette, output="batch", dialects=(ROW_BY_ROW, _LAW, _ROULETTE_SERIES, PROBE_AXIS), layouts=_LAYOUTS,
        operations=128, drawn=(("probe",), ()), sizes=_SIZES, derivation="residual_flows.roulette",
    )
)  # fmt: skip


@declares_reference
def residual_formula() -> Formula:
    """The reference function of a residual block."""
    return Formula(reference.residual, like="flow.residual")


@declares_reference
def residual_inverse_formula() -> Formula:
    """The reference iteration."""
    return Formula(reference.residual_inverse, like="flow.residual_inverse")


@declares_reference
def series_formula() -> Formula:
    """The reference series, each trace in full."""
    return Formula(reference_series.logabsdet_series, like="flow.residual_logabsdet_series")


@declares_reference
def probed_series_formula() -> Formula:
    """The reference series by probes."""
    return Formula(reference_series.probed_logabsdet_series, like="flow.residual_logabsdet_series")


@declares_reference
def roulette_formula() -> Formula:
    """The reference series that stops at random."""
    return Formula(reference_series.logabsdet_roulette, like="flow.residual_logabsdet_roulette")
