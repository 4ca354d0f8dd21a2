"""The arguments of losses: predictions, labels and their encodings, logits and what stands for them."""

from __future__ import annotations

from dataclasses import replace

import torch

from genverify.formulas.naming import MEAN
from genverify.subjects.domains import Domain, binary, one_hot, positive, real, simplex, unit_interval
from genverify.subjects.parametrisation import plain
from genverify.subjects.specification import Argument, Form

__all__ = ["binary_label", "class_target", "logits", "per_class", "predicted", "probability", "sign", "target"]

_TARGET = (
    "target", "targets", "y", "t", "label", "labels", "y_true", "true", "ground_truth", "gt", "truth", "actual", "tgt",
    "expected", "reference", "x", "obs", "real", "original", "Y", "gold", "mask", "masks",
)  # fmt: skip
_PREDICTED = (
    "prediction", "predictions", "pred", "preds", "input", "inputs", "output", "outputs", "y_hat", "yhat", "y_pred",
    "y_predict", "estimate", "f", "out", "recon", "reconstruction", "x_hat", "recon_x", "x_recon", "model_output",
    "predicted", "a", *MEAN,
)  # fmt: skip
_LOGITS = (
    "logit", "logits", "score", "scores", "input", "inputs", "x", "z", "output", "outputs", "out", "pred", "preds",
    "prediction", "predictions", "y_hat", "yhat", "y_pred", "model_output", "raw", "activations", "logits_pred",
)  # fmt: skip
_PROBABILITY = (
    "p", "prob", "probs", "probability", "probabilities", "y_prob", "proba", "predicted_prob", "y_proba", "pt_hat",
    "sigmoid_output", "prob_pred", "pred_prob", "pred_probs",
)  # fmt: skip


def predicted(name: str, *aliases: str) -> Argument:
    """A real prediction."""
    return plain(name, "batch event", real(), (*_PREDICTED, *aliases))


def target(name: str) -> Argument:
    """A real target, which is data: no gradient is claimed of it."""
    return plain(name, "batch event", real(), ("=target", *_TARGET, "b"), differentiable=False)


def _zero_one() -> Domain:
    return replace(binary(), make=lambda raw, shape, dtype: (raw.reshape(shape) > 0.5).to(dtype))


def _sign() -> Domain:
    make = _zero_one().make
    return Domain(
        name="−1 or 1", low=0, high=1, integral=True, make=lambda raw, shape, dtype: 2 * make(raw, shape, dtype) - 1
    )


def sign(name: str) -> Argument:
    """A label −1 or 1; or 0 or 1 where the subject says so."""
    forms = (
        Form(name=name, domain=_sign(), aliases=(*_TARGET, "signs")),
        Form(name="zero_one", domain=_zero_one(), aliases=("label01", "y01"), canonical=lambda y: 2 * y - 1),
    )
    return Argument(name=name, axes="batch event", forms=forms, differentiable=False)


def binary_label(name: str) -> Argument:
    """A label 0 or 1 as a floating number; or anything between where the subject says so."""
    forms = (
        Form(name=name, domain=_zero_one(), aliases=_TARGET),
        Form(name="soft", domain=unit_interval(), aliases=("soft_target", "soft_label", "soft_targets", "soft_labels")),
    )
    return Argument(name=name, axes="batch event", forms=forms, differentiable=False)


def probability(name: str) -> Argument:
    """A probability inside (0, 1)."""
    moderate = replace(unit_interval(), low=-3.0, high=3.0)
    return plain(name, "batch event", moderate, (*_PROBABILITY, *_PREDICTED, "sigmoid", "D", "d_out"))


def logits(name: str, axes: str, reach: float, *, with_probabilities: bool = False) -> Argument:
    """Logits within ±reach, up to ±10⁴ where finiteness is claimed; or the probabilities that they stand for."""
    forms: tuple[Form, ...] = (
        Form(name=name, domain=real(low=-reach, high=reach, extreme=1e4), aliases=_LOGITS),
    )  # fmt: skip
    classes = axes.endswith("class")
    if with_probabilities:
        forms += (
            Form(
                name="probability", aliases=_PROBABILITY,
                domain=simplex() if classes else replace(unit_interval(), low=-3.0, high=3.0),
                canonical=torch.log if classes else torch.logit,
            ),
        )  # fmt: skip
    if classes:
        forms += (
            Form(
                name="log_probability", domain=_log_simplex(),
                aliases=("log_probs", "log_prob", "logp", "log_p", "logprobs", "lprobs", "log_probabilities", "lp"),
            ),
        )  # fmt: skip
    return Argument(name=name, axes=axes, forms=forms)


def _log_simplex() -> Domain:
    """Logarithms of probabilities; of a gradient only the part along Σ e^l = 1 is determined."""

    def tangent(gradient: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
        p = value.exp()
        return gradient - p * (gradient * p).sum(-1, keepdim=True) / (p * p).sum(-1, keepdim=True)

    return Domain(
        name="log-probabilities", extreme_low=-12.0, extreme_high=12.0, tangent=tangent,
        make=lambda raw, shape, dtype: torch.log_softmax(raw.reshape(shape), -1).to(dtype),
    )  # fmt: skip


def _class_index() -> Domain:
    """An index of a class for each row: the place of the largest of as many numbers as there are classes."""
    return Domain(name="class index", low=0.0, high=1.0, make=lambda raw, shape, dtype: raw.reshape(shape).argmax(-1))


def class_target(name: str, *, soft: bool) -> Argument:
    """The class of each row: an index, or one-hot; with `soft`, probabilities, of which one-hot is a special case."""
    hot = Form(
        name="one_hot", domain=one_hot(),
        aliases=("onehot", "y_onehot", "targets_onehot", "target_onehot", "y_one_hot", "labels_onehot"),
    )  # fmt: skip
    if soft:
        first = Form(
            name=name,
            domain=simplex(),
            aliases=(*_TARGET, "p", "q", "soft_targets", "soft_target", "probs", "target_probs", "soft_labels", "dist"),
        )
        return Argument(name=name, axes="batch class", forms=(first, hot), differentiable=False)
    index = Form(
        name=name, domain=_class_index(), aliases=(*_TARGET, "index", "indices", "classes", "class_idx", "idx"),
        without=("class",),
    )  # fmt: skip
    return Argument(name=name, axes="batch class", forms=(index, hot), differentiable=False)


def per_class(name: str, axes: str, *aliases: str, default: float | None = None) -> Argument:
    """A positive weight for each class; required where it has no default."""
    domain = positive(low=0.25, high=3.0)
    if default is None:
        return plain(name, axes, domain, aliases, differentiable=False)
    return plain(name, axes, domain, aliases, differentiable=False, default=default)
