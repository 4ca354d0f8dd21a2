"""Log-densities: Bernoulli, categorical, Laplace, logistic, and the logistic on a grid with its mixture."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch

from genverify.formulas.catalogue import formula, reduction
from genverify.formulas.density_arguments import chance, chances, class_outcome, location, outcome, spread
from genverify.formulas.naming import VALUE
from genverify.formulas.plain_numbers import choice
from genverify.formulas.references import declares_reference
from genverify.oracles import density as oracle
from genverify.oracles.activation import log_softmax
from genverify.reference.likelihood import densities as reference
from genverify.subjects.domains import Domain
from genverify.subjects.formula import Formula
from genverify.subjects.parametrisation import any_real, plain
from genverify.subjects.specification import BATCHED, SINGLE, Argument, Axis, Form, Layout, Option, Specification

__all__ = [
    "BERNOULLI", "CATEGORICAL", "DISCRETISED_LOGISTIC", "DISCRETISED_LOGISTIC_MIXTURE", "LAPLACE", "LOGISTIC",
]  # fmt: skip

Terms = tuple[torch.Tensor, ...]
Number = torch.Tensor | float

_OVER = (reduction("event", ("none", "sum", "mean")), reduction("batch", ("none", "mean", "sum")))
_PER_ROW = (reduction("batch", ("none", "mean", "sum")),)
_SIGN = Axis(
    name="sign",
    options=(
        Option(name=""),
        Option(name="negated", keywords={"sign": -1.0}, accepted=False,
               note="the negative log-likelihood: a loss, and no log-density"),
    ),
)  # fmt: skip
_LAYOUTS = (
    BATCHED,
    SINGLE,
    Layout(name="one number a sample", drop=("event",)),
    Layout(name="one number at a time", drop=("batch", "event")),
)
_JOHNSON = "Johnson, Kotz & Balakrishnan 1995"


def signed(terms: Callable[..., Sequence[torch.Tensor]]) -> Callable[..., Terms]:
    """The oracle with the sign that a dialect may turn."""

    def oracle_(*args: Any, sign: float = 1.0, **named: Any) -> Terms:  # noqa: ANN401
        return tuple(sign * term for term in terms(*args, **named))

    return oracle_


def _bernoulli(x: torch.Tensor, logit: torch.Tensor) -> Terms:
    # The last two: code has log(1 + e^(−|l|)), which rounds at one.
    one = torch.ones_like(x + logit)
    return (*oracle.bernoulli.terms(x, logit), one, -one)


BERNOULLI = formula(
    Specification(
        name="density.bernoulli",
        statement="log p(x) = x log p + (1 − x) log(1 − p), p = σ(l)",
        source="Bishop 2006, eq. 2.2",
        arguments=(outcome(), chance()),
        oracle=signed(_bernoulli),
        output="batch event",
        dialects=(*_OVER, _SIGN),
        layouts=_LAYOUTS,
        gradient_at_extremes=True,
        derivation="density.bernoulli.normalised",
    )
)


def _categorical(x: torch.Tensor, logits: torch.Tensor) -> Terms:
    hot = x if x.is_floating_point() else torch.nn.functional.one_hot(x, logits.shape[-1]).to(logits)
    return tuple(hot * term for term in log_softmax(logits))


CATEGORICAL = formula(
    Specification(
        name="density.categorical",
        statement="log p(x) = log softmax(l)_x",
        source="Bishop 2006, eq. 2.26 and 4.62",
        arguments=(class_outcome(), chances()),
        oracle=signed(_categorical),
        output="batch class",
        dialects=(
            reduction("class", ("sum",), {"mean": "averaged over the classes, too: 1/K of the log-probability"}),
            *_PER_ROW, _SIGN,
        ),
        sizes={"class": (2, 3, 4)},
        gradient_at_extremes=True,
        derivation="density.categorical.normalised",
    )
)  # fmt: skip

LAPLACE = formula(
    Specification(
        name="density.laplace",
        statement="log p(x) = −log 2b − |x − μ|/b",
        source=f"{_JOHNSON}, chapter 24",
        arguments=(any_real("x", "batch event", *VALUE), location(), spread()),
        oracle=signed(lambda x, mean, scale, *, factor=1.0: oracle.laplace.terms(x, mean, factor * scale)),
        output="batch event",
        dialects=(
            *_OVER, _SIGN,
            Axis(
                name="scale",
                options=(
                    Option(name=""),
                    Option(name="standard deviation", keywords={"factor": 0.5**0.5}, accepted=False,
                           note="b is no standard deviation, which is √2 b"),
                ),
            ),
        ),
        layouts=_LAYOUTS,
        kinks=True,
        derivation="density.laplace.normalised",
    )
)  # fmt: skip


def _logistic(x: torch.Tensor, mean: torch.Tensor, scale: torch.Tensor) -> Terms:
    # Code has z itself, 2 log(1 + e^(−|z|)) and what rounds at one: terms that cancel.
    z = (x - mean) / scale
    terms = oracle.logistic.terms(x, mean, scale)
    one = torch.ones_like(z)
    return (*terms, z, -z, one, -one)


LOGISTIC = formula(
    Specification(
        name="density.logistic",
        statement="log p(x) = −z − 2 log(1 + e^(−z)) − log s, z = (x − μ)/s",
        source=f"{_JOHNSON}, chapter 23",
        arguments=(any_real("x", "batch event", *VALUE), location(), spread()),
        oracle=signed(_logistic),
        output="batch event",
        dialects=(*_OVER, _SIGN),
        layouts=_LAYOUTS,
        derivation="density.logistic.normalised",
    )
)

# 15 divides 255: these are levels of the grid of 256, of 16, and of 4.
_COARSE = 16


def _grid(axes: str) -> Argument:
    """A level of the grid from −1 to 1, or its number 0 … 255."""

    def level(raw: torch.Tensor, shape: tuple[int, ...], dtype: torch.dtype) -> torch.Tensor:
        return (raw.reshape(shape).round() * (255 // (_COARSE - 1))).to(dtype)

    numbers = {"low": 0, "high": _COARSE - 1, "integral": True}
    value = Domain(
        name="level of a grid from −1 to 1", **numbers,
        make=lambda raw, shape, dtype: (2 * raw.reshape(shape).round() / (_COARSE - 1) - 1).to(dtype),
    )  # fmt: skip
    forms = (
        Form(name="x", domain=value, aliases=(*VALUE, "image", "pixel", "pixels")),
        Form(name="number", domain=Domain(name="number of a level, 0 to 255", make=level, **numbers),
             aliases=("x_int", "level_index", "pixel_values", "x_255"), canonical=lambda n: 2 * n / 255 - 1),
    )  # fmt: skip
    return Argument(name="x", axes=axes, forms=forms, differentiable=False)


def _near(axes: str) -> Argument:
    """A location inside the grid; with the scales below, no bin's mass is so small that 1e-5 is an event."""
    made = location("mean", axes)
    inside = Domain(
        name="real", low=-0.9, high=0.9, make=lambda raw, shape, dtype: raw.reshape(shape).to(dtype)
    )  # fmt: skip
    return Argument(
        name="mean", axes=axes,
        forms=(Form(name="mean", domain=inside, aliases=(*made.forms[0].aliases, "locs", "mean_")),),
    )  # fmt: skip


_LEVELS = plain(
    "levels", "", choice(256, 16),
    ("bins", "n_bins", "num_bins", "num_classes", "n_levels", "num_levels", "n_classes", "classes"), default=256,
    differentiable=False,
)  # fmt: skip
_BINS = Axis(
    name="bins",
    options=(
        Option(name=""),
        Option(name="without the tails", keywords={"edges": False}, accepted=False,
               note="the outermost bins must have all that is beyond them, or the masses do not sum to one"),
        Option(name="of width 1/levels", keywords={"width": "levels"}, accepted=False,
               note="levels from −1 to 1 are 2/(levels − 1) apart: half a bin is 1/(levels − 1)"),
        Option(name="twice too wide", keywords={"width": "spacing"}, accepted=False,
               note="x ± the spacing in place of half of it: each mass is counted twice"),
    ),
)  # fmt: skip


def _masses(x: torch.Tensor, mean: torch.Tensor, scale: torch.Tensor, levels: Number, *, edges: bool = True,
            width: str = "") -> Terms:  # fmt: skip
    half = {"": 0.5, "levels": 0.5 * (levels - 1) / levels, "spacing": 1.0}[width]
    return oracle.discretised_logistic_terms(x, mean, scale, levels, edges=edges, half=half)


def _scale(axes: str) -> Argument:
    """A scale of a few tens of bins or more."""
    return spread("scale", axes, low=0.3, extreme=3.5)


DISCRETISED_LOGISTIC = formula(
    Specification(
        name="density.discretised_logistic",
        statement="log [σ((x + h − μ)/s) − σ((x − h − μ)/s)], h = 1/255; σ is 1 above the grid and 0 below it",
        source="Salimans et al. 2017, eq. 2",
        arguments=(_grid("batch event"), _near("batch event"), _scale("batch event"), _LEVELS),
        oracle=signed(_masses),
        output="batch event",
        dialects=(*_OVER, _SIGN, _BINS),
        layouts=_LAYOUTS,
        operations=64,
        derivation="density.discretised_logistic.sums_to_one",
    )
)


def _mixture(x: torch.Tensor, logits: torch.Tensor, mean: torch.Tensor, scale: torch.Tensor, levels: Number,
             **bins: Any) -> Terms:  # noqa: ANN401 # fmt: skip
    masses = _masses(x.unsqueeze(-1), mean, scale, levels, **bins)
    # What σ(a) − σ(b) loses is lost in the sum in proportion to the component's share, which `mixed` sees to.
    return oracle.mixed(log_softmax(logits), masses)


DISCRETISED_LOGISTIC_MIXTURE = formula(
    Specification(
        name="density.discretised_logistic_mixture",
        statement="log Σ_k π_k [σ((x + h − μ_k)/s_k) − σ((x − h − μ_k)/s_k)], h = 1/255; edges as of one component",
        source="Salimans et al. 2017, eq. 1 and 2",
        arguments=(
            _grid("batch"), chances("logits", "batch component"), _near("batch component"),
            _scale("batch component"), _LEVELS,
        ),
        oracle=signed(_mixture),
        output="batch",
        dialects=(*_PER_ROW, _SIGN, _BINS),
        layouts=(BATCHED, SINGLE),
        sizes={"component": (1, 2, 3)},
        operations=96,
        derivation="density.discretised_logistic.sums_to_one",
    )
)  # fmt: skip


def _declare(name: str) -> None:
    """Registers the reference of that name as a subject."""

    def make() -> Formula:
        return Formula(getattr(reference, name), like=f"density.{name}")

    make.__name__ = name
    declares_reference(make)


for _name in reference.__all__:
    _declare(_name)
