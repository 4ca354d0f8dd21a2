"""Gumbel noise, the maximum that it decides, its relaxation and the straight-through one-hot, as formulas."""

from __future__ import annotations

from dataclasses import replace

import torch

from genverify.formulas.catalogue import formula
from genverify.formulas.hyperparameter import hyperparameter
from genverify.formulas.references import declares_reference
from genverify.oracles import gumbel as oracle
from genverify.reference.estimators import gumbel, straight_through
from genverify.subjects.choices import choice, option
from genverify.subjects.domains import Domain, positive, real, simplex, unit_interval
from genverify.subjects.formula import Formula
from genverify.subjects.parametrisation import plain
from genverify.subjects.sampler import Sampler
from genverify.subjects.specification import Argument, Axis, Form, Layout, Option, Role, Specification

__all__ = ["CONCRETE_LOG_PROB", "FROM_UNIFORM", "MAX", "SOFTMAX", "STRAIGHT_THROUGH"]

_JANG = "Jang, Gu & Poole 2017"
_MADDISON = "Maddison, Mnih & Teh 2017"
_SIZES = {"outcome": (2, 3, 4)}
_LOGITS = Argument(
    name="logits", axes="batch outcome",
    forms=(
        Form(name="logits", domain=real(extreme=40.0),
             aliases=("logit", "log_alpha", "log_alphas", "scores", "log_probs", "log_prob", "logp", "log_p", "log_pi",
                      "class_logits", "x", "theta", "phi", "log_weights", "log_mean", "input", "location", "eta")),
        Form(name="probs", domain=simplex(), canonical=torch.log,
             aliases=("p", "pi", "prob", "probabilities", "class_probs", "pis")),
        Form(name="alpha", domain=positive(), canonical=torch.log, aliases=("alphas", "weights", "mean", "loc")),
    ),
)  # fmt: skip
_TEMPERATURE = hyperparameter(
    "temperature", "tau", "temp", "t", "lambda_", "lam", "lmbda", "beta_temp", "temper", default=1.0, low=0.2, high=4.0
)


def _gumbel(u: torch.Tensor) -> torch.Tensor:
    return -torch.log(-torch.log(u))


def _noise() -> Argument:
    """Gumbel noise, passed in or drawn inside, from uniform or from exponential numbers."""
    forms = (
        Form(name="noise", domain=real(low=-1.5, high=4.0, extreme=15.0),
             aliases=("g", "gumbel", "gumbels", "gumbel_noise", "G", "noises", "gn")),
        Form(name="uniform", domain=unit_interval(), canonical=_gumbel, aliases=("u", "U", "rand", "uniforms", "unif")),
    )  # fmt: skip
    return Argument(
        name="noise", forms=forms, axes="batch outcome", role=Role.DRAW, law="gumbel", differentiable=False,
        laws={"uniform": _gumbel, "exponential": oracle.from_exponential},
    )  # fmt: skip


_NOISE = Axis(
    name="noise",
    options=(
        Option(name=""),
        Option(name="1 − u for u", keywords={"reflected": True}),
        Option(name="noise subtracted", keywords={"sign": -1.0}, accepted=False,
               note="log(−log u) is minus a Gumbel number, and is another law: its largest is not drawn from softmax"),
    ),
)  # fmt: skip

# The tails are where guards cut.
_NEAR_THE_ENDS = replace(unit_interval(), low=-6.0, high=6.0)

FROM_UNIFORM = formula(
    Specification(
        name="gumbel.from_uniform",
        statement="μ − β log(−log u), μ = 0 and β = 1",
        source="Gumbel 1954; Maddison, Tarlow & Minka 2014, section 2",
        arguments=(
            plain("u", "batch", _NEAR_THE_ENDS, ("uniform", "U", "x", "rand", "uniforms", "unif", "noise")),
            plain("loc", "batch", real(), ("mu", "location", "mean", "logits", "m"), default=0.0),
            plain("scale", "batch", positive(), ("beta", "b", "sigma", "s"), default=1.0),
        ),
        oracle=lambda u, loc, scale, side=0: (
            -oracle.from_uniform(u, 0.0, 1.0) * scale if side < 0 else oracle.from_uniform.terms(
                1.0 - u if side else u, torch.as_tensor(loc).to(u), torch.as_tensor(scale).to(u)
            )
        ),
        output="batch",
        dialects=(
            Axis(name="side", options=(
                Option(name=""),
                Option(name="1 − u for u", keywords={"side": 1}),
                Option(name="log(−log u)", keywords={"side": -1}, accepted=False,
                       note="minus a Gumbel number: the least of many, where the largest is meant"),
            )),
        ),
        derivation="gumbel.from_uniform.law",
    )
)  # fmt: skip

SOFTMAX = formula(
    Specification(
        name="gumbel.softmax",
        statement="softmax((θ + g)/τ), g = −log(−log u); where `hard`, its one-hot with the gradient of the softmax",
        source=f"{_JANG}, eq. 2; {_MADDISON}, eq. 10",
        arguments=(
            _LOGITS, _noise(), _TEMPERATURE,
            option("hard", choice(False, True), False, "straight_through", "st", "discrete", "is_hard", "ste"),
        ),
        oracle=oracle.softmax,
        surrogate=lambda hard=False, **given: oracle.softmax(**given),
        output="batch outcome",
        dialects=(
            _NOISE,
            Axis(name="temperature", options=(
                Option(name=""),
                Option(name="multiplied by τ", keywords={"inverse": True}, accepted=False,
                       note="hotter where colder is meant"),
                Option(name="τ on the logits alone", keywords={"bare_noise": True}, accepted=False,
                       note="as τ falls the noise is lost, and the draw is always the mode"),
            )),
            Axis(name="space", options=(
                Option(name=""),
                Option(name="in logarithms", keywords={"logarithm": True}, accepted=False,
                       note="the ExpConcrete draw, log y"),
            )),
        ),
        sizes=_SIZES, operations=64,
        derivation="gumbel.max.categorical",
    )
)  # fmt: skip

MAX = formula(
    Specification(
        name="gumbel.max",
        statement="argmax_k (θ_k + g_k), g = −log(−log u)",
        source="Yellott 1977; Maddison, Tarlow & Minka 2014, section 2",
        arguments=(_LOGITS, _noise()),
        oracle=oracle.maximum,
        output="batch", gradient=False,
        dialects=(
            _NOISE,
            Axis(name="result", options=(Option(name=""), Option(name="one-hot", keywords={"one_hot": True}))),
        ),
        sizes=_SIZES,
        derivation="gumbel.max.categorical",
    )
)  # fmt: skip


def _log_simplex() -> Domain:
    """Logarithms of probabilities; of a gradient the part across the surface Σ exp = 1 is not determined."""

    def tangent(gradient: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
        across = value.exp()
        share = (gradient * across).sum(-1, keepdim=True) / (across * across).sum(-1, keepdim=True)
        return gradient - share * across

    return Domain(
        name="log-probabilities", extreme_low=-12.0, extreme_high=12.0, tangent=tangent,
        make=lambda raw, shape, dtype: torch.log_softmax(raw.reshape(shape), -1).to(dtype),
    )  # fmt: skip


CONCRETE_LOG_PROB = formula(
    Specification(
        name="gumbel.concrete_log_prob",
        statement="log Γ(K) + (K − 1) log τ + Σ (θ_k − (τ + 1) log x_k) − K log Σ exp(θ_k − τ log x_k); given log x, "
        "its own density, without Σ log x_k",
        source=f"{_MADDISON}, eq. 10 and appendix C.2; {_JANG}, appendix B",
        arguments=(
            plain("sample", "batch outcome", simplex(),
                  ("value", "x", "y", "samples", "z", "y_soft", "soft", "relaxed", "values", "s"), default=None),
            plain("log_sample", "batch outcome", _log_simplex(),
                  ("log_value", "log_x", "log_y", "log_samples", "log_z", "logx", "logy"), default=None),
            Argument(name="logits", axes="batch outcome", forms=(
                Form(name="logits", domain=real(extreme=40.0),
                     aliases=("logit", "log_alpha", "log_alphas", "scores", "log_probs", "log_pi", "theta", "phi",
                              "log_mean", "location", "class_logits", "log_weights")),
                *_LOGITS.forms[1:],
            )),
            _TEMPERATURE,
        ),
        oracle=oracle.concrete_log_prob,
        output="batch",
        dialects=(
            Axis(name="space", options=(
                Option(name=""),
                Option(name="on the simplex", keywords={"space": "simplex"}),
                Option(name="of the logarithms", keywords={"space": "log"}, accepted=False,
                       note="−Σ log x_k is missing: the density of log x at log x, and not that of x at x"),
            )),
            Axis(name="normalisation", options=(
                Option(name=""),
                Option(name="without the constant", keywords={"constant": False}, accepted=False,
                       note="log Γ(K) + (K − 1) log τ is missing: a density up to a factor that depends on τ"),
                Option(name="without the sum", keywords={"unnormalised": True}, accepted=False,
                       note="−K log Σ α_k x_k^(−τ) is missing"),
            )),
        ),
        sizes=_SIZES, operations=64,
        layouts=(Layout(name="batched"), Layout(name="one sample at a time", drop=("batch",)),
                 Layout(name="one law for the batch", shared=("logits",))),
        derivation="gumbel.concrete_log_prob.density",
    )
)  # fmt: skip


def _hard(soft: torch.Tensor) -> tuple[torch.Tensor, ...]:
    hard = torch.nn.functional.one_hot(soft.argmax(-1), soft.shape[-1]).to(soft)
    # Two terms: however the two are added up, they are rounded on the scale of the soft value.
    return hard - soft, soft


STRAIGHT_THROUGH = formula(
    Specification(
        name="gumbel.straight_through_one_hot",
        statement="one-hot(argmax y) forward; the identity backward",
        source=f"{_JANG}, section 2.2; Bengio, Léonard & Courville 2013",
        arguments=(
            plain(
                "soft", "batch outcome", simplex(), ("y_soft", "y", "soft_sample", "probs", "p", "x", "y_s", "relaxed")
            ),
        ),
        oracle=_hard,
        surrogate=lambda soft: soft,
        output="batch outcome",
        sizes=_SIZES,
        kinks=True,
    )
)


@declares_reference
def straight_through_one_hot() -> Formula:
    """The reference straight-through one-hot."""
    return Formula(straight_through.one_hot, like="gumbel.straight_through_one_hot")


@declares_reference
def gumbel_from_uniform() -> Formula:
    """The reference transform of a uniform number."""
    return Formula(gumbel.from_uniform, like="gumbel.from_uniform")


@declares_reference
def gumbel_max() -> Formula:
    """The reference maximum."""
    return Formula(gumbel.maximum, like="gumbel.max")


@declares_reference
def gumbel_softmax() -> Formula:
    """The reference relaxation."""
    return Formula(gumbel.softmax, like="gumbel.softmax")


@declares_reference
def concrete_log_prob() -> Formula:
    """The reference density of the relaxation."""
    return Formula(gumbel.concrete_log_prob, like="gumbel.concrete_log_prob")


@declares_reference
def sampler_gumbel() -> Sampler:
    """The reference Gumbel draw, which carries the gradient of location and scale."""
    return Sampler(gumbel.sample, law="law.gumbel", pathwise=True)


@declares_reference
def sampler_gumbel_max() -> Sampler:
    """The reference draw by the maximum, whose law is softmax."""
    return Sampler(gumbel.sample_maximum, law="law.categorical")
