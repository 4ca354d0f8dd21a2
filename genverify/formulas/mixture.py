"""Mixtures of normal distributions: their log-density, the posterior of the component, the maximisation step of EM."""

from __future__ import annotations

from collections.abc import Callable

import torch

from genverify.claims import Status, claim
from genverify.formulas.catalogue import formula, reduction
from genverify.formulas.density_arguments import chances
from genverify.formulas.naming import MEAN, VALUE
from genverify.formulas.references import declares_reference
from genverify.oracles import mixture as oracle
from genverify.reference.likelihood import mixture as reference
from genverify.subjects.domains import simplex
from genverify.subjects.formula import Formula
from genverify.subjects.parametrisation import any_real, plain, positive_scale
from genverify.subjects.specification import BATCHED, SINGLE, Argument, Axis, Form, Layout, Option, Specification

__all__ = [
    "DIAGONAL_COVARIANCE_M_STEP", "FULL_COVARIANCE_M_STEP", "NORMAL_LOG_PROB", "RESPONSIBILITIES",
    "TIED_COVARIANCE_M_STEP",
]  # fmt: skip

Estimates = tuple[torch.Tensor, torch.Tensor, tuple[torch.Tensor, ...]]


def _weights() -> Argument:
    """The weights of the components: logits, probabilities or their logarithms."""
    made = chances("logits", "component")
    more = {"logits": (), "probability": ("weights", "w", "mix", "mixing", "coefficients", "pis"),
            "log_probability": ("log_weights", "log_w", "log_mix", "log_pis")}  # fmt: skip
    forms = tuple(
        Form(
            name=form.name, domain=form.domain, canonical=form.canonical, aliases=(*form.aliases, *more[form.name])
        )
        for form in made.forms
    )  # fmt: skip
    return Argument(name="logits", axes="component", forms=forms)


_MIXTURE = (
    any_real("x", "batch event", *VALUE, "X"),
    _weights(),
    any_real("mean", "component event", *MEAN),
    positive_scale("std", "component event"),
)
_SIZES = {"component": (2, 3, 1), "event": (2, 1, 3)}

NORMAL_LOG_PROB = formula(
    Specification(
        name="mixture.normal_log_prob",
        statement="log Σ_k π_k N(x | μ_k, diag σ_k²)",
        source="Bishop 2006, eq. 9.7",
        arguments=_MIXTURE,
        oracle=oracle.log_prob,
        output="batch",
        dialects=(reduction("batch", ("none", "mean", "sum")),),
        layouts=(BATCHED, SINGLE),
        sizes=_SIZES,
        operations=64,
        derivation="mixture.responsibilities.posterior",
    )
)

RESPONSIBILITIES = formula(
    Specification(
        name="mixture.responsibilities",
        statement="γ_k = π_k N(x | μ_k, diag σ_k²)/Σ_j π_j N(x | μ_j, diag σ_j²)",
        source="Bishop 2006, eq. 9.13",
        arguments=_MIXTURE,
        oracle=oracle.responsibilities,
        output="batch component",
        dialects=(reduction("batch", ("none",)), reduction("component", ("none",))),
        layouts=(BATCHED, SINGLE),
        sizes=_SIZES,
        operations=64,
        derivation="mixture.responsibilities.posterior",
    )
)


def _moments(kind: str) -> Callable[..., Estimates]:
    """The step, its covariance with two more terms that cancel: E xxᵀ − μμᵀ is a usual way to write it."""

    def step(x: torch.Tensor, responsibilities: torch.Tensor, *, root: bool = False) -> Estimates:
        weights, mean, covariance = oracle.full_covariance_m_step(x, responsibilities)
        size = oracle.opened(x, responsibilities)
        if kind == "diagonal":
            covariance, size = (torch.diagonal(one, dim1=-2, dim2=-1) for one in (covariance, size))
        if kind == "tied":
            covariance = oracle.tied_covariance_m_step(x, responsibilities)[2]
            size = torch.einsum("k,kde->de", weights, size)
        return weights, mean, (covariance.sqrt() if root else covariance, size, -size)

    return step


def _m_step(name: str, output: str, what: str, source: str, kind: str) -> Specification:
    root = Option(name="standard deviation", keywords={"root": True}, accepted=False, note="σ_k returned for σ_k²")
    return formula(
        Specification(
            name=f"mixture.{name}",
            statement=f"π_k = N_k/n, μ_k = Σ γ_ik x_i/N_k, {what}, N_k = Σ γ_ik",
            source=source,
            arguments=(
                any_real("x", "sample event", *VALUE, "X"),
                plain("responsibilities", "sample component", simplex(),
                      ("r", "resp", "gamma", "resps", "posterior", "posteriors", "q", "w", "weights", "h", "gammas")),
            ),
            oracle=_moments(kind),
            output=f"component|component event|{output}",
            outputs=("weights", "mean", "covariance"),
            dialects=(Axis(name="result", options=(Option(name=""), root)),) if kind == "diagonal" else (),
            layouts=(Layout(name="all samples"),),
            sizes={"sample": (3, 4, 5), "component": (2, 1, 3), "event": (2, 1, 3)},
            operations=64,
            derivation="mixture.m_step.stationary",
        )
    )  # fmt: skip


FULL_COVARIANCE_M_STEP = _m_step(
    "full_covariance_m_step", "component event other", "Σ_k = Σ γ_ik (x_i − μ_k)(x_i − μ_k)ᵀ/N_k",
    "Bishop 2006, eqs. 9.24 to 9.26", "full",
)  # fmt: skip
DIAGONAL_COVARIANCE_M_STEP = _m_step(
    "diagonal_covariance_m_step", "component event", "σ_k² = Σ γ_ik (x_i − μ_k)²/N_k",
    "Bishop 2006, eqs. 9.24 to 9.26, with a diagonal covariance", "diagonal",
)  # fmt: skip
TIED_COVARIANCE_M_STEP = _m_step(
    "tied_covariance_m_step", "event other", "Σ = (1/n) Σ_ik γ_ik (x_i − μ_k)(x_i − μ_k)ᵀ",
    "Hastie, Tibshirani & Friedman 2009, section 6.8", "tied",
)  # fmt: skip

POSTERIOR = claim(
    "mixture.responsibilities.posterior", Status.DERIVED,
    statement="γ_k is the posterior probability of the component, and the slope of log p(x) in log π_k N_k(x): "
    "∂ log Σ_j e^(a_j)/∂a_k = e^(a_k)/Σ_j e^(a_j)",
    source="Bishop 2006, eq. 9.13", assumptions=("the algebra is executed at three components",),
    theorems=("Bayes' theorem",),
)  # fmt: skip

M_STEP = claim(
    "mixture.m_step.stationary", Status.DERIVED,
    statement="the M-step is the stationary point of Σ_ik γ_ik [log π_k + log N(x_i | μ_k, σ_k²)] under Σ π_k = 1",
    source="Bishop 2006, section 9.3",
    assumptions=("γ_ik > 0, summing to one over k; executed at three samples, two components, one coordinate",),
    theorems=("Lagrange multipliers",),
)  # fmt: skip


def _declare(name: str) -> None:
    """Registers the reference of that name as a subject."""

    def make() -> Formula:
        return Formula(getattr(reference, name), like=f"mixture.{name}")

    make.__name__ = name
    declares_reference(make)


for _name in reference.__all__:
    _declare(_name)
