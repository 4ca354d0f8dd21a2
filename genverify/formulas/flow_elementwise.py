"""Elementwise flows: standardisation, tanh, sigmoid, logit, softplus, leaky ReLU and the CDF of a mixture."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from genverify.formulas.flow_arguments import DIRECTION, ONE_EVENT, POINT, ROWS, point, slip, transform
from genverify.formulas.hyperparameter import hyperparameter
from genverify.formulas.naming import MEAN
from genverify.formulas.references import declares_reference
from genverify.oracles import flow_elementwise as oracle
from genverify.reference.flows import elementwise as reference
from genverify.reference.flows import mixture_cdf as reference_mixture
from genverify.subjects.bijection import Bijection
from genverify.subjects.domains import positive, real, simplex, unit_interval
from genverify.subjects.formula import Formula
from genverify.subjects.parametrisation import any_real, plain, positive_scale
from genverify.subjects.specification import Argument, Axis, Form, Layout, Option

__all__ = ["LEAKY_RELU", "LOGIT", "MIXTURE_CDF", "SIGMOID", "SOFTPLUS", "STANDARDIZE", "TANH"]

_LEFT = slip("log(1 − 2α) left out", "the map is squeezed into [α, 1 − α], and that has a slope, too", unscaled=True)
_GUARD = 2.0  # no digits of a tail are claimed: 1 − tanh² and σ (1 − σ) are differences of numbers near one


def _within(name: str, *aliases: str, default: float | None, low: float, high: float) -> Argument:
    """A hyperparameter between two numbers below one; the simplest is the larger, and not one, which is no such."""
    made = hyperparameter(name, *aliases, default=default, low=low, high=high)
    domain = replace(made.forms[0].domain, simple=math.log(high))
    return replace(made, forms=(replace(made.forms[0], domain=domain),))


STANDARDIZE = transform(
    "standardize", "y = (x − μ)/σ, logabsdet = −Σ log σ", "Papamakarios et al. 2021, section 3.1.1",
    (
        point(without=("v",)),
        any_real("mean", "event", *MEAN, "shift", "bias", "b", "offset", "data_mean", "running_mean"),
        positive_scale("std", "event"),
    ),
    oracle.standardize, shared=True, dialects=(DIRECTION,), derivation="flow.elementwise.logabsdet",
    layouts=(
        ROWS, ONE_EVENT,
        Layout(name="moments as rows", shapes={"mean": "one event", "std": "one event"}),
        Layout(name="moments a row", instead={"mean": "batch event", "std": "batch event"}),
    ),
)  # fmt: skip
TANH = transform(
    "tanh", "y = tanh x, logabsdet = Σ log(1 − tanh² x)", "Haarnoja et al. 2018, appendix C, eq. 21",
    (point(low=-_GUARD, high=_GUARD),), oracle.tanh, derivation="flow.tanh.slope",
)  # fmt: skip
SIGMOID = transform(
    "sigmoid", "y = σ(x), logabsdet = Σ log σ(x) + log σ(−x)", "Bishop 2006, eqs. 4.59 and 4.88",
    (point(low=-_GUARD, high=_GUARD),), oracle.sigmoid, derivation="flow.sigmoid.slope",
)  # fmt: skip
_PLAIN = plain("x", "batch event", real(), (*POINT, "p"))
LOGIT = transform(
    "logit", "y = log u − log(1 − u), u = α + (1 − 2α) x; logabsdet = Σ log(1 − 2α) − log u − log(1 − u)",
    "Dinh, Sohl-Dickstein & Bengio 2017, section 4.1",
    (
        replace(_PLAIN, forms=(replace(_PLAIN.forms[0], domain=unit_interval()),)),
        _within("alpha", "lam", "lambda_", "constraint", "data_constraint", "a", default=None, low=1e-6, high=0.2),
    ),
    oracle.logit, log=(_LEFT,), derivation="flow.logit.slope",
    dialects=(
        Axis(name="squeezed", options=(
            Option(name=""), Option(name="to [α/2, 1 − α/2]", keywords={"half": True}, note="(1 − α) x + α/2"),
        )),
    ),
)  # fmt: skip
SOFTPLUS = transform(
    "softplus", "y = log(1 + e^x), logabsdet = Σ log σ(x)", "Dugas et al. 2001",
    (point(low=-_GUARD, high=_GUARD),), oracle.softplus, derivation="flow.softplus.slope",
)  # fmt: skip
LEAKY_RELU = transform(
    "leaky_relu", "y = max(x, 0) + a min(x, 0), logabsdet = Σ_(x < 0) log a", "Maas, Hannun & Ng 2013, eq. 3",
    (
        point(without=("a",)),
        _within("slope", "negative_slope", "alpha", "leak", "leakiness", "a", "neg_slope", default=0.01, low=0.01,
                high=0.5),
    ),
    oracle.leaky_relu, dialects=(DIRECTION,), kinks=True, derivation="flow.leaky_relu.slope",
)  # fmt: skip

_WEIGHTS = Argument(
    name="weights",
    axes="batch event component",
    differentiable=False,  # of equal components the gradient of a softmax is a difference of equal numbers
    forms=(
        Form(name="weights", domain=simplex(), aliases=("pi", "pis", "w", "weight", "mixture_weights", "probs")),
        Form(
            name="logits", domain=real(extreme=30.0), canonical=lambda one: torch.softmax(one, -1),
            aliases=("logits", "logit_probs", "pi_logits", "mixture_logits", "prior_logits", "logit_pi",
                     "unnormalized_weights", "log_pi_unnormalized"),
        ),
        Form(
            name="log_weights", canonical=torch.exp,
            domain=replace(simplex(), name="log-probabilities", tangent=None,
                           make=lambda raw, shape, dtype: torch.log_softmax(raw.reshape(shape), -1).to(dtype)),
            aliases=("log_weights", "log_pi", "log_pis", "log_mix", "logpi", "log_w", "log_probs"),
        ),
    ),
)  # fmt: skip
_SCALES = Argument(
    name="std",
    axes="batch event component",
    forms=(
        Form(name="scale", domain=positive(), aliases=("s", "scales", "std", "sigma", "s_k", "sigmas", "stds")),
        Form(
            name="log_scale",
            domain=real(),
            canonical=torch.exp,
            aliases=("log_scales", "log_s", "logscale", "log_std", "log_sigma", "logs", "log_stds", "logscales"),
        ),
    ),
)


def _mixture(*, x: Tensor, weights: Tensor, mean: Tensor, std: Tensor, **how: Any) -> Any:  # noqa: ANN401
    return oracle.mixture_cdf(x, weights, mean, std, **how)


MIXTURE_CDF = transform(
    "mixture_cdf", "y = Σ_k π_k σ((x − μ_k)/s_k), logabsdet = Σ log Σ_k π_k σ′((x − μ_k)/s_k)/s_k",
    "Ho et al. 2019, eqs. 12 and 13",
    (
        point(without=("u", "v")),
        _WEIGHTS,
        any_real("mean", "batch event component", *MEAN, "locs", "means_k", "mu_k"),
        _SCALES,
    ),
    _mixture, each=True, operations=96, derivation="flow.mixture_cdf.slope",
    dialects=(
        Axis(name="component", options=(
            Option(name=""), Option(name="normal", keywords={"normal": True}, note="Φ for σ"),
        )),
        Axis(name="image", options=(
            Option(name=""), Option(name="followed by the logit", keywords={"logit": True}, note="Ho et al., eq. 14"),
        )),
    ),
    layouts=(
        ROWS, ONE_EVENT,
        Layout(name="one mixture for each feature", instead={
            "weights": "event component", "mean": "event component", "std": "event component",
        }),
    ),
    sizes={"component": (2, 3, 1)},
)  # fmt: skip


def _two(make: Any, like: str, **claims: Any) -> None:  # noqa: ANN401 - a class
    """Declares a reference as a bijection, and held against its formula."""
    declares_reference(lambda: Bijection(make(), event_shape=(2,), name=type(make()).__name__, **claims))
    declares_reference(lambda: Formula(make(), like=like, name=type(make()).__name__))


_two(lambda: reference.Standardize(torch.tensor([0.5, -1.0]), torch.tensor([2.0, 0.5])), "flow.standardize")
_two(reference.Tanh, "flow.tanh", image=(-1, 1), monotone=True)
_two(reference.Sigmoid, "flow.sigmoid", image=(0, 1), monotone=True)
_two(lambda: reference.Logit(0.05), "flow.logit", domain=(0, 1), monotone=True)
_two(reference.Softplus, "flow.softplus", image=(0, None), monotone=True)
_two(reference.LeakyRelu, "flow.leaky_relu", monotone=True)


@declares_reference
def mixture_cdf() -> Formula:
    """The reference distribution function of a mixture."""
    return Formula(reference_mixture.mixture_cdf, like="flow.mixture_cdf")
