"""Losses: of real numbers, of binary labels, of classes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from genverify.formulas.catalogue import formula, reduction
from genverify.formulas.hyperparameter import hyperparameter
from genverify.formulas.loss_arguments import binary_label, logits, per_class, predicted, probability, sign, target
from genverify.formulas.references import declares_reference
from genverify.oracles import loss as oracle
from genverify.oracles.exact_scalar import exact_scalar
from genverify.reference.layers import losses as reference
from genverify.subjects.formula import Formula
from genverify.subjects.specification import BATCHED, SINGLE, Axis, Layout, Option, Specification

__all__ = ["BCE", "BCE_WITH_LOGITS", "FOCAL", "HINGE", "HUBER", "MSE", "SMOOTH_L1"]

Terms = torch.Tensor | tuple[torch.Tensor, ...]
Number = torch.Tensor | float

_OVER = (reduction("event", ("mean", "sum", "none")), reduction("batch", ("mean", "sum", "none")))
_LAYOUTS = (
    BATCHED,
    Layout(name="one output a sample", drop=("event",)),
    SINGLE,
    Layout(name="one number at a time", drop=("batch", "event")),
)


def _halved(terms: Callable[..., Terms]) -> Callable[..., Terms]:
    """The oracle with a factor that a dialect may set."""

    def scaled(*args: Any, factor: float = 1.0, **named: Any) -> Terms:  # noqa: ANN401
        found = terms(*args, **named)
        return tuple(factor * term for term in (found if isinstance(found, tuple) else (found,)))

    return scaled


MSE = formula(
    Specification(
        name="loss.mse",
        statement="mean (f − t)²",
        source="Bishop 2006, eq. 1.2, as a mean and without its ½",
        arguments=(predicted("prediction"), target("target")),
        oracle=_halved(lambda prediction, target: oracle.mse(prediction, target)),
        output="batch event",
        dialects=(
            *_OVER,
            Axis(
                name="factor",
                options=(
                    Option(name=""),
                    Option(
                        name="halved", keywords={"factor": 0.5}, accepted=False,
                        note="½ Σ (f − t)² is the sum-of-squares error, and no mean of squares",
                    ),
                ),
            ),
        ),
        layouts=_LAYOUTS,
        gradient_at_extremes=True,
        trains=True, derivation="loss.mse.gaussian_nll",
        exact=exact_scalar(oracle.mse),
    )
)  # fmt: skip


def _huber_terms(prediction: torch.Tensor, target: torch.Tensor, delta: Number, *, slope: bool = False) -> Terms:
    value = oracle.huber(prediction, target, delta)
    return value / delta if slope else value


_EXACT_HUBER = exact_scalar(oracle.huber)


def _exact_huber(prediction: float, target: float, delta: float, *, slope: bool = False) -> Any:  # noqa: ANN401
    value = _EXACT_HUBER(prediction, target, delta)
    return value / delta if slope else value


_DELTA = ("delta", "d", "threshold", "beta", "b", "sigma", "huber_delta", "clip")
_PER_SLOPE = {"slope": True}


def _huber(name: str, statement: str, source: str, first: Option, second: Option) -> Specification:
    return formula(
        Specification(
            name=name, statement=statement, source=source,
            arguments=(
                predicted("prediction"), target("target"),
                hyperparameter("delta", *_DELTA, default=1.0, low=0.25, high=3.0),
            ),
            oracle=_huber_terms, output="batch event",
            dialects=(*_OVER, Axis(name="scale", options=(first, second))), layouts=_LAYOUTS,
            gradient_at_extremes=True,
            trains=True, derivation="loss.huber.one_derivative", exact=_exact_huber,
        )
    )  # fmt: skip


HUBER = _huber(
    "loss.huber", "½ r² where |r| ≤ δ, δ (|r| − ½ δ) elsewhere", "Huber 1964, section 4", Option(name=""),
    Option(
        name="divided by δ", keywords=_PER_SLOPE, accepted=False,
        note="that is smooth L1, whose slope far out is 1; equal at δ = 1 alone",
    ),
)  # fmt: skip
SMOOTH_L1 = _huber(
    "loss.smooth_l1", "½ r²/β where |r| ≤ β, |r| − ½ β elsewhere", "Girshick 2015, eq. 3 (β = 1)",
    Option(name="", keywords=_PER_SLOPE),
    Option(name="times β", accepted=False, note="that is Huber's loss, whose slope far out is β; equal at β = 1 alone"),
)  # fmt: skip

HINGE = formula(
    Specification(
        name="loss.hinge",
        statement="max(0, 1 − t s), t ∈ {−1, 1}",
        source="Cortes & Vapnik 1995; Rosasco et al. 2004, section 2",
        arguments=(
            predicted("score", "scores", "decision", "decision_function", "f", "margin_score"), sign("sign"),
            hyperparameter("margin", "m", default=1.0, low=0.5, high=2.0),
        ),
        oracle=_halved(lambda score, sign, margin: oracle.hinge(score, sign, margin)),
        output="batch event",
        dialects=(
            *_OVER,
            Axis(
                name="factor",
                options=(
                    Option(name=""),
                    Option(
                        name="halved", keywords={"factor": 0.5}, accepted=False,
                        note="the mean over real and generated samples, of a discriminator",
                    ),
                ),
            ),
        ),
        layouts=_LAYOUTS,
        kinks=True,
        gradient_at_extremes=True,
        trains=True, derivation="loss.hinge.bounds_errors",
        exact=exact_scalar(oracle.hinge),
    )
)  # fmt: skip

BCE = formula(
    Specification(
        name="loss.bce",
        statement="−y log p − (1 − y) log(1 − p)",
        source="Bishop 2006, eq. 4.90",
        arguments=(probability("probability"), binary_label("label")),
        oracle=lambda probability, label: oracle.bce.terms(probability, label),
        output="batch event",
        dialects=_OVER,
        layouts=_LAYOUTS,
        gradient_at_extremes=True,
        trains=True,
        derivation="loss.bce.two_classes",
        exact=exact_scalar(oracle.bce),
    )
)


def _bce_terms(logit: torch.Tensor, label: torch.Tensor, pos_weight: Number) -> Terms:
    """Terms that round at one, where code has log(1 + e^(−|x|))."""
    if isinstance(pos_weight, torch.Tensor) and pos_weight.dim() and pos_weight.shape[-1] != logit.shape[-1]:
        pos_weight = pos_weight.reshape(-1)[:1]
    terms = oracle.bce_with_logits.terms(logit, label, pos_weight)
    one = torch.ones_like(terms[0]) * (label * pos_weight + 1 - label)
    return (*terms, one, -one)


BCE_WITH_LOGITS = formula(
    Specification(
        name="loss.bce_with_logits",
        statement="−w y log σ(x) − (1 − y) log(1 − σ(x)), w = 1",
        source="Bishop 2006, eq. 4.59 and 4.90",
        arguments=(
            logits("logit", "batch event", 4.0), binary_label("label"),
            per_class("pos_weight", "event", "positive_weight", "pos_w", "w_pos", default=1.0),
        ),
        oracle=_bce_terms,
        output="batch event",
        dialects=_OVER,
        layouts=_LAYOUTS,
        gradient_at_extremes=True,
        trains=True, derivation="loss.bce.two_classes",
        exact=exact_scalar(oracle.bce_with_logits),
    )
)  # fmt: skip


def _focal_terms(logit: torch.Tensor, label: torch.Tensor, alpha: Number | None, gamma: Number) -> Terms:
    weights = (1.0, 1.0) if alpha is None else (alpha, 1.0 - alpha)
    return oracle.focal.terms(logit, label, gamma, *weights)


_EXACT_FOCAL = exact_scalar(oracle.focal)


def _exact_focal(logit: float, label: float, alpha: float | None, gamma: float) -> Any:  # noqa: ANN401 - an mpf
    weights = (1.0, 1.0) if alpha is None else (alpha, 1.0 - alpha)
    return _EXACT_FOCAL(logit, label, gamma, *weights)


FOCAL = formula(
    Specification(
        name="loss.focal",
        namesakes=("loss.focal_categorical",),
        statement="−α_t (1 − p_t)^γ log p_t, p_t = σ(x) for label 1 and σ(−x) for 0; γ = 2",
        source="Lin et al. 2017, eq. 4 and 5",
        arguments=(
            logits("logit", "batch event", 3.0, with_probabilities=True), binary_label("label"),
            hyperparameter("alpha", "a", "balance", default=None, low=0.1, high=0.9),
            hyperparameter("gamma", "focus", "focusing", "g", default=2.0, low=0.5, high=3.0, apart=(0.0,)),
        ),
        oracle=_focal_terms,
        output="batch event",
        dialects=_OVER,
        layouts=_LAYOUTS,
        operations=48,
        trains=True, derivation="loss.focal.reduces",
        exact=_exact_focal,
    )
)  # fmt: skip


def _declare(name: str) -> None:
    """Registers the reference of that name as a subject."""

    def make() -> Formula:
        return Formula(getattr(reference, name), like=f"loss.{name}")

    make.__name__ = name
    declares_reference(make)


for _name in reference.__all__:
    _declare(_name)
