"""Losses over classes: cross-entropy with its weights, its soft and smoothed targets, and the focal loss."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from genverify.formulas.catalogue import formula, reduction
from genverify.formulas.hyperparameter import hyperparameter
from genverify.formulas.loss_arguments import class_target, logits, per_class
from genverify.oracles import loss as oracle
from genverify.oracles.exact_scalar import WORKING_BITS, exact_cross_entropy
from genverify.subjects.specification import BATCHED, SINGLE, Axis, Layout, Option, Specification

__all__ = [
    "CROSS_ENTROPY", "CROSS_ENTROPY_LABEL_SMOOTHING", "CROSS_ENTROPY_SOFT_TARGETS", "CROSS_ENTROPY_WEIGHTED",
    "FOCAL_CATEGORICAL", "LABEL_SMOOTHING_TARGETS",
]  # fmt: skip

Terms = tuple[torch.Tensor, ...]
Number = torch.Tensor | float

_AVERAGED = {"mean": "averaged over the classes, too: 1/K of the cross-entropy"}
_OVER = (reduction("class", ("sum",), _AVERAGED), reduction("batch", ("mean", "sum", "none")))
_SIZES = {"class": (2, 3, 4)}
_SOURCE = "Bishop 2006, eq. 4.108"
_LOGITS = logits("logits", "batch class", 2.0, with_probabilities=True)
# Code for images, or for sequences, that unpacks the shape of its logits takes no rows; the mean over the batch is then
# that over all pixels or tokens.
_INDICES = (
    BATCHED, SINGLE,
    Layout(name="a class for each pixel", shapes={"logits": "n class h w", "target": "n h w"}),
    Layout(name="a class for each token", shapes={"logits": "n t class", "target": "n t"}),
)  # fmt: skip
_SPREAD = Axis(
    name="smoothing",
    options=(
        Option(name=""),
        Option(
            name="ε over the K − 1 other classes", keywords={"others_only": True},
            note="the target keeps 1 − ε; the same family with ε K/(K − 1) for ε",
        ),
    ),
)  # fmt: skip


def _hot(target: torch.Tensor, logits: torch.Tensor) -> torch.Tensor:
    """Class indices as one-hot rows; what is not an index stays."""
    if target.is_floating_point():
        return target
    return torch.nn.functional.one_hot(target, logits.shape[-1]).to(logits)


def _cross_entropy(logits: torch.Tensor, target: torch.Tensor) -> Terms:
    return oracle.cross_entropy(logits, _hot(target, logits))


CROSS_ENTROPY = formula(
    Specification(
        name="loss.cross_entropy",
        statement="−log softmax(x)_y",
        source=_SOURCE,
        arguments=(_LOGITS, class_target("target", soft=False)),
        oracle=_cross_entropy,
        output="batch class",
        dialects=_OVER,
        sizes=_SIZES,
        gradient_at_extremes=True,
        layouts=_INDICES,
        trains=True,
        derivation="loss.cross_entropy.gradient",
        exact=exact_cross_entropy(lambda rows, target: -rows[target]),
    )
)


def _dot(rows: Sequence[Any], weights: Sequence[Any]) -> Any:  # noqa: ANN401 - mpmath numbers
    return -sum(w * row for w, row in zip(weights, rows, strict=True))


CROSS_ENTROPY_SOFT_TARGETS = formula(
    Specification(
        name="loss.cross_entropy_soft_targets",
        statement="−Σ_k t_k log softmax(x)_k",
        source=_SOURCE,
        arguments=(_LOGITS, class_target("target", soft=True)),
        oracle=_cross_entropy,
        output="batch class",
        dialects=_OVER,
        sizes=_SIZES,
        gradient_at_extremes=True,
        trains=True,
        derivation="loss.cross_entropy.at_least_entropy",
        exact=exact_cross_entropy(_dot),
    )
)


def _weighted(logits: torch.Tensor, target: torch.Tensor, weight: torch.Tensor, *, relative: bool = False) -> Terms:
    hot = _hot(target, logits)
    each = (hot * weight).sum(-1, keepdim=True)
    # With the mean over the batch this is Σ w_i l_i / Σ w_i.
    scale = each / each.mean() if relative else each
    return tuple(scale * term for term in oracle.cross_entropy(logits, hot))


def _exact_weighted(rows: Sequence[Any], target: int, weight: Sequence[float], *, relative: bool = False) -> Any:  # noqa: ANN401
    return -rows[target] if relative else -weight[target] * rows[target]  # of one sample the mean weight is its own


CROSS_ENTROPY_WEIGHTED = formula(
    Specification(
        name="loss.cross_entropy_weighted",
        statement="−w_y log softmax(x)_y, averaged with the weights w_y or over the number of samples",
        source="King & Zeng 2001, eq. 13 (the weighted likelihood); torch.nn.CrossEntropyLoss",
        arguments=(
            _LOGITS, class_target("target", soft=False),
            per_class("weight", "class", "weights", "w", "class_weight", "class_weights", "alpha"),
        ),
        oracle=_weighted,
        output="batch class",
        dialects=(
            *_OVER,
            Axis(
                name="weights",
                options=(
                    Option(name=""),
                    Option(name="relative to the mean weight of the batch", keywords={"relative": True}),
                ),
            ),
        ),
        sizes=_SIZES,
        gradient_at_extremes=True,
        layouts=_INDICES,
        trains=True, derivation="loss.cross_entropy_weighted.replicated",
        exact=exact_cross_entropy(_exact_weighted),
    )
)  # fmt: skip


def _smoothed(logits: torch.Tensor, target: torch.Tensor, smoothing: Number, *, others_only: bool = False) -> Terms:
    hot = _hot(target, logits)
    return oracle.cross_entropy(logits, oracle.smoothed_targets(hot, smoothing, others_only=others_only))


def _exact_smoothed(rows: Sequence[Any], target: int, smoothing: float, *, others_only: bool = False) -> Any:  # noqa: ANN401
    import mpmath as mp

    epsilon = mp.mpf(smoothing)
    if others_only:
        epsilon *= mp.mpf(len(rows)) / (len(rows) - 1)
    return -(1 - epsilon) * rows[target] - epsilon * sum(rows) / len(rows)


_SMOOTHING = hyperparameter(
    "smoothing", "label_smoothing", "eps", "epsilon", "eps_ls", "alpha", "smooth", "ls", "ε", default=0.1, low=0.05,
    high=0.6, apart=(0.0,),
)  # fmt: skip
_SMOOTHED_FROM = "Szegedy et al. 2016, section 7"

CROSS_ENTROPY_LABEL_SMOOTHING = formula(
    Specification(
        name="loss.cross_entropy_label_smoothing",
        statement="−Σ_k t̃_k log softmax(x)_k, t̃ = (1 − ε) t + ε/K; ε = 0.1",
        source=_SMOOTHED_FROM,
        arguments=(_LOGITS, class_target("target", soft=False), _SMOOTHING),
        oracle=_smoothed,
        output="batch class",
        dialects=(*_OVER, _SPREAD),
        sizes=_SIZES,
        gradient_at_extremes=True,
        trains=True,
        derivation="loss.label_smoothing.mixture",
        layouts=_INDICES,
        exact=exact_cross_entropy(_exact_smoothed),
    )
)


def _exact_targets(target: Sequence[float], smoothing: float) -> list[Any]:
    import mpmath as mp

    with mp.workprec(WORKING_BITS):
        return [(1 - mp.mpf(smoothing)) * t + mp.mpf(smoothing) / len(target) for t in target]


LABEL_SMOOTHING_TARGETS = formula(
    Specification(
        name="loss.label_smoothing_targets",
        statement="t̃ = (1 − ε) t + ε/K; ε = 0.1",
        source=_SMOOTHED_FROM,
        arguments=(class_target("target", soft=True), _SMOOTHING),
        oracle=oracle.smoothed_targets,
        output="batch class",
        dialects=(reduction("class", ("none",)), reduction("batch", ("none",)), _SPREAD),
        sizes=_SIZES,
        gradient=False,
        derivation="loss.label_smoothing.mixture",
        exact=_exact_targets,
    )
)


def _focal(logits: torch.Tensor, target: torch.Tensor, gamma: Number) -> Terms:
    hot = _hot(target, logits)
    terms = oracle.cross_entropy(logits, hot)
    loss = torch.stack(torch.broadcast_tensors(*terms)).sum(0).sum(-1, keepdim=True)
    missed = -torch.expm1(-loss)
    return tuple(missed**gamma * term for term in terms)


def _exact_focal(rows: Sequence[Any], target: int, gamma: float) -> Any:  # noqa: ANN401 - an mpf
    import mpmath as mp

    missed = sum((mp.exp(row) for k, row in enumerate(rows) if k != target), mp.mpf(0))
    return -(missed**gamma) * rows[target]


FOCAL_CATEGORICAL = formula(
    Specification(
        name="loss.focal_categorical",
        statement="−(1 − p_y)^γ log p_y, p = softmax(x); γ = 2",
        source="Lin et al. 2017, eq. 4, with a softmax",
        arguments=(
            _LOGITS, class_target("target", soft=False),
            hyperparameter("gamma", "focus", "focusing", "g", default=2.0, low=0.5, high=3.0, apart=(0.0,)),
        ),
        oracle=_focal,
        output="batch class",
        dialects=_OVER,
        sizes=_SIZES,
        operations=48,
        layouts=_INDICES,
        trains=True, derivation="loss.focal.reduces",
        exact=exact_cross_entropy(_exact_focal),
    )
)  # fmt: skip
