"""Entropy of a categorical distribution, and the bonus that a policy gets for it."""

from __future__ import annotations

import torch

from genverify.formulas.catalogue import formula, reduction
from genverify.formulas.density_arguments import chances
from genverify.formulas.divergence import BASE_TWO, PER_ROW, over_classes
from genverify.formulas.hyperparameter import hyperparameter
from genverify.formulas.references import declares_reference
from genverify.oracles import divergence as oracle
from genverify.reference.likelihood import divergences as reference
from genverify.subjects.formula import Formula
from genverify.subjects.specification import Axis, Option, Specification

__all__ = ["BONUS", "CATEGORICAL"]

Terms = tuple[torch.Tensor, ...]

_SIGN = Option(name="negated", keywords={"unit": -1.0}, accepted=False, note="Σ p log p: minus the entropy")


def _entropy(logits: torch.Tensor, *, unit: float = 1.0, relative: bool = False) -> Terms:
    most = torch.log(torch.tensor(float(logits.shape[-1]), dtype=logits.dtype)) if relative else 1.0
    return tuple(unit * term / most for term in oracle.entropy_categorical(logits))


def _bonus(logits: torch.Tensor, coefficient: torch.Tensor | float, *, unit: float = 1.0) -> Terms:
    return tuple(unit * coefficient * term for term in oracle.entropy_categorical(logits))


CATEGORICAL = formula(
    Specification(
        name="entropy.categorical",
        statement="H(p) = −Σ_k p_k log p_k",
        source="Cover & Thomas 2006, eq. 2.1",
        arguments=(chances(),),
        oracle=_entropy,
        output="batch class",
        dialects=(
            over_classes("entropy"), *PER_ROW,
            Axis(
                name="unit",
                options=(
                    Option(name=""), BASE_TWO, _SIGN,
                    Option(name="relative to log K", keywords={"relative": True}, accepted=False,
                           note="the normalised entropy, between 0 and 1"),
                ),
            ),
        ),
        sizes={"class": (2, 3, 4)},
        operations=48,
        derivation="entropy.categorical.bounded",
    )
)  # fmt: skip

BONUS = formula(
    Specification(
        name="entropy.bonus",
        statement="β (1/n) Σ H(π(·|s_i)), added to the objective",
        source="Williams & Peng 1991; Mnih et al. 2016, section 4",
        arguments=(
            chances(),
            hyperparameter("coefficient", "beta", "coef", "ent_coef", "entropy_coef", "alpha", "weight", "c2",
                           "entropy_beta", "entropy_coeff", "ent_weight", "tau", default=1.0, low=0.01, high=2.0,
                           apart=(0.0,)),
        ),
        oracle=_bonus,
        output="batch class",
        dialects=(
            over_classes("entropy"),
            reduction("batch", ("mean", "none", "sum")),
            Axis(
                name="sign",
                options=(
                    Option(name=""),
                    Option(name="as a term of the loss", keywords={"unit": -1.0}, accepted=False,
                           note="−β H: right where it is added to a loss that is minimised"),
                ),
            ),
        ),
        sizes={"class": (2, 3, 4)},
        operations=48,
        derivation="entropy.categorical.bounded",
    )
)  # fmt: skip


@declares_reference
def entropy_categorical() -> Formula:
    """The reference entropy."""
    return Formula(reference.entropy_categorical, like="entropy.categorical")


@declares_reference
def entropy_bonus() -> Formula:
    """The reference bonus."""
    return Formula(reference.entropy_bonus, like="entropy.bonus")
