"""The Gaussian fit: maximum likelihood mean, variance and covariance."""

from __future__ import annotations

import torch

from genverify.formulas.catalogue import formula
from genverify.formulas.naming import VALUE
from genverify.formulas.references import declares_reference
from genverify.oracles import gaussian as oracle
from genverify.reference.likelihood import gaussian_fit as reference
from genverify.subjects.formula import Formula
from genverify.subjects.parametrisation import any_real
from genverify.subjects.specification import Axis, Layout, Option, Specification

__all__ = ["MLE", "MLE_COVARIANCE"]

_ONE = Layout(name="one coordinate", drop=("event",))
_ALL = Layout(name="a coordinate each")
_DIVISOR = Axis(
    name="divisor",
    options=(
        Option(name=""),
        Option(name="divided by n − 1", keywords={"ddof": 1}, accepted=False, note="unbiased, not maximum likelihood"),
        Option(name="standard deviation", keywords={"root": True}, accepted=False, note="σ̂ returned for σ̂²"),
    ),
)


def _mle(x: torch.Tensor, *, ddof: int = 0, root: bool = False) -> tuple[torch.Tensor, torch.Tensor]:
    mean, variance = oracle.mle(x, dim=0)
    variance = variance * (x.shape[0] / (x.shape[0] - ddof))
    return mean, variance.sqrt() if root else variance


def _covariance(x: torch.Tensor, *, ddof: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    mean, covariance = oracle.mvn_mle(x)
    return mean, covariance * (x.shape[0] / (x.shape[0] - ddof))


MLE = formula(
    Specification(
        name="gaussian.mle",
        statement="μ̂ = (1/n) Σ x_i,  σ̂² = (1/n) Σ (x_i − μ̂)²",
        source="Fisher 1922, section 6",
        arguments=(any_real("x", "sample event", *VALUE, "X", "data"),),
        oracle=_mle,
        output="event|event",
        outputs=("mean", "variance"),
        dialects=(_DIVISOR,),
        layouts=(_ALL, _ONE),
        sizes={"sample": (2, 3, 5), "event": (1, 2, 3)},
        derivation="gaussian.mle.closed_form",
    )
)

MLE_COVARIANCE = formula(
    Specification(
        name="gaussian.mle_covariance",
        statement="μ̂ = (1/n) Σ x_i,  Σ̂ = (1/n) Σ (x_i − μ̂)(x_i − μ̂)ᵀ",
        source="Bishop 2006, eq. 2.121 and 2.122",
        arguments=(any_real("x", "sample event", *VALUE, "X", "data"),),
        oracle=_covariance,
        output="event|event other",
        outputs=("mean", "covariance"),
        dialects=(Axis(name="divisor", options=_DIVISOR.options[:2]),),
        layouts=(_ALL,),
        sizes={"sample": (2, 3, 5), "event": (1, 2, 3)},
        derivation="gaussian.mle.covariance",
    )
)


@declares_reference
def mle() -> Formula:
    """The reference fit, in closed form."""
    return Formula(reference.mle, like="gaussian.mle")


@declares_reference
def mle_covariance() -> Formula:
    """The reference fit with full covariance."""
    return Formula(reference.mle_covariance, like="gaussian.mle_covariance")
