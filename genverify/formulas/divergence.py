"""The Jensen–Shannon divergence of categorical distributions, and Rényi's of normal ones."""

from __future__ import annotations

import math
from dataclasses import replace

import torch

from genverify.formulas.catalogue import formula, reduction
from genverify.formulas.density_arguments import chances
from genverify.formulas.naming import MEAN
from genverify.formulas.references import declares_reference
from genverify.oracles import divergence as oracle
from genverify.reference.likelihood import divergences as reference
from genverify.subjects.domains import Domain
from genverify.subjects.formula import Formula
from genverify.subjects.parametrisation import any_real, plain, positive_scale
from genverify.subjects.specification import Argument, Axis, Option, Specification

__all__ = ["BASE_TWO", "JENSEN_SHANNON_CATEGORICAL", "PER_ROW", "RENYI_NORMALS", "over_classes"]

Terms = tuple[torch.Tensor, ...]

PER_ROW = (reduction("batch", ("none", "mean", "sum")),)
BASE_TWO = Option(
    name="in bits", keywords={"unit": 1.0 / math.log(2.0)}, accepted=False, note="logarithms to base 2: 1/log 2 as much"
)


def over_classes(what: str) -> Axis:
    """The sum over classes, of which the mean is a known slip."""
    return reduction("class", ("sum",), {"mean": f"averaged over the classes, too: 1/K of the {what}"})


def _jensen_shannon(logits_p: torch.Tensor, logits_q: torch.Tensor, *, unit: float = 1.0, weight: float = 0.5) -> Terms:
    return tuple(unit * term for term in oracle.jensen_shannon_categorical(logits_p, logits_q, weight=weight))


JENSEN_SHANNON_CATEGORICAL = formula(
    Specification(
        name="divergence.jensen_shannon_categorical",
        statement="JSD(p, q) = ½ KL(p ‖ m) + ½ KL(q ‖ m), m = (p + q)/2",
        source="Lin 1991, eq. 4.1",
        arguments=(chances("logits_p", group="first"), chances("logits_q", group="second")),
        oracle=_jensen_shannon,
        output="batch class",
        dialects=(
            over_classes("divergence"), *PER_ROW,
            Axis(
                name="factor",
                options=(
                    Option(name=""), BASE_TWO,
                    Option(name="without ½", keywords={"weight": 1.0}, accepted=False,
                           note="KL(p ‖ m) + KL(q ‖ m): up to 2 log 2"),
                ),
            ),
        ),
        sizes={"class": (2, 3, 4)},
        operations=64,
        derivation="divergence.jensen_shannon.bounded",
    )
)  # fmt: skip


def _order() -> Domain:
    """An order in (0.2, 0.8) or (1.25, 1.6): beside 1 the formula is a difference over a small number."""

    def make(raw: torch.Tensor, shape: tuple[int, ...], dtype: torch.dtype) -> float:
        at = float(raw.reshape(()))
        return 0.5 + 0.3 * at if at <= 1.0 else 1.25 + 0.35 * (at - 1.0)

    return Domain(name="order other than 1", low=-1.0, high=1.8, make=make)


def _renyi(
    mean_p: torch.Tensor, std_p: torch.Tensor, mean_q: torch.Tensor, std_q: torch.Tensor, alpha: torch.Tensor | float
) -> Terms:
    # log τ and log σ, written out, weigh 1/|α − 1| times what they do in the closed form.
    logs = torch.log(std_q) / (alpha - 1), torch.log(std_p) / (alpha - 1)
    terms = oracle.renyi_normals.terms(mean_p, std_p, mean_q, std_q, alpha)
    return (*terms, *logs, *(-one for one in logs))


# v = ατ² + (1 − α)σ² > 0 for every σ, τ drawn: σ²/τ² < 2.3, and α/(α − 1) > 2.8.
_NEAR = 0.2
_POWERS = {"std": 1.0, "variance": 2.0, "log_variance": 2.0, "log_std": 1.0, "precision": 2.0}


def _std(name: str, group: str, exact: str) -> Argument:
    """A standard deviation near one, in any parametrisation."""
    made = positive_scale(name, "batch latent", group, exact)
    near = []
    for form in made.forms:
        high = _POWERS[form.name] * _NEAR
        domain = replace(form.domain, low=-high, high=high, extreme_low=None, extreme_high=None, interval=None)
        near.append(replace(form, domain=domain))
    return replace(made, forms=tuple(near))


RENYI_NORMALS = formula(
    Specification(
        name="divergence.renyi_normals",
        statement="D_α(N(μ, σ²) ‖ N(ν, τ²)) = Σ log τ/σ + log(τ²/v)/(2(α − 1)) + α (μ − ν)²/(2v), v = ατ² + (1 − α)σ²",
        source="Gil, Alajaji & Linder 2013; van Erven & Harremoës 2014, eq. 10",
        arguments=(
            any_real("mean_p", "batch latent", *MEAN, group="first"), _std("std_p", "first", "=sigma"),
            any_real("mean_q", "batch latent", *MEAN, "=nu", group="second"), _std("std_q", "second", "=tau"),
            plain("alpha", "", _order(), ("order", "a", "lam"), differentiable=False),
        ),
        oracle=_renyi,
        output="batch latent",
        dialects=(
            reduction("latent", ("sum", "none"), {"mean": "averaged over coordinates, whose divergences add up"}),
            *PER_ROW,
        ),
        operations=64,
        derivation="divergence.renyi_normals.closed_form",
    )
)  # fmt: skip


@declares_reference
def jensen_shannon_categorical() -> Formula:
    """The reference Jensen–Shannon divergence."""
    return Formula(reference.jensen_shannon_categorical, like="divergence.jensen_shannon_categorical")


@declares_reference
def renyi_normals() -> Formula:
    """The reference Rényi divergence."""
    return Formula(reference.renyi_normals, like="divergence.renyi_normals")
