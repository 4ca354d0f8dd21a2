"""Kullback–Leibler divergences of two laws of one family: exponential, gamma, beta, Dirichlet, Poisson and others."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch

from genverify.formulas.catalogue import formula, reduction
from genverify.formulas.density_arguments import location, spread
from genverify.formulas.divergence import PER_ROW
from genverify.formulas.references import declares_reference
from genverify.oracles import kl_pairs, kl_vector
from genverify.reference.likelihood import kl_families as reference
from genverify.subjects.domains import Domain, positive, unit_interval
from genverify.subjects.formula import Formula
from genverify.subjects.parametrisation import plain, positive_scale
from genverify.subjects.specification import Argument, Axis, Form, Option, Specification

__all__ = [
    "BETA", "CAUCHY", "DIRICHLET", "EXPONENTIAL", "GAMMA", "GEOMETRIC", "GUMBEL", "LAPLACE_NORMAL",
    "NORMAL_LAPLACE", "PARETO", "POISSON", "UNIFORM",
]  # fmt: skip

Terms = tuple[torch.Tensor, ...]
_SIDES = ("first", "second")
_OVER_EVENT = (
    reduction("event", ("sum", "none"), {"mean": "averaged over independent coordinates, whose divergences add up"}),
    *PER_ROW,
)
_DIRECTION = Axis(
    name="direction",
    options=(
        Option(name=""),
        Option(name="reversed", keywords={"reversed_": True}, accepted=False,
               note="KL(q ‖ p): the expectation is under the second"),
    ),
)  # fmt: skip


def _scalar(law: str) -> Callable[..., Terms]:
    """The closed form of two laws of one family, in either direction."""

    def oracle(*, reversed_: bool = False, **values: torch.Tensor) -> Terms:
        closed = kl_pairs.closed(law, law)
        given = [values[name] for name in closed.arguments]
        half = len(given) // 2
        return closed.terms(*(given[half:] + given[:half] if reversed_ else given))

    return oracle


def _rate(side: str, *aliases: str) -> Argument:
    """A rate, or its reciprocal, the mean or scale."""
    suffix = "p" if side == "first" else "q"
    forms = (
        Form(name="rate", domain=positive(), aliases=("rate", "lambda_", "lam", "lambd", "beta", "b", *aliases)),
        Form(name="scale", domain=positive(), canonical=torch.reciprocal, aliases=("scale", "theta", "mean", "tau")),
    )
    return Argument(name=f"rate_{suffix}", axes="batch event", forms=forms, group=side)


def _concentration(side: str, name: str = "concentration", axes: str = "batch event", *aliases: str) -> Argument:
    suffix = "p" if side == "first" else "q"
    usual = ("concentration", "alpha", "a", "k", "shape", "conc")
    return plain(
        f"{name}_{suffix}", axes, positive(low=0.4, high=4.0, tiny=0.1, huge=30.0), aliases or usual, group=side
    )


def _pair(law: str, statement: str, source: str, *arguments: Argument, **rest: object) -> Specification:
    return formula(
        Specification(
            name=f"kl.{law.lower()}", statement=statement, source=source, arguments=arguments, oracle=_scalar(law),
            output="batch event", dialects=(*_OVER_EVENT, _DIRECTION), operations=64,
            derivation="kl.pairs.closed_form", **rest,  # type: ignore[arg-type]
        )
    )  # fmt: skip


_GIL = "Gil, Alajaji & Linder 2013"

EXPONENTIAL = _pair(
    "Exponential", "KL(Exponential(a) ‖ Exponential(b)) = log a/b + b/a − 1, by rates", _GIL,
    *(_rate(side, "x") for side in _SIDES),
)  # fmt: skip

GAMMA = _pair(
    "Gamma", "KL(Gamma(k, a) ‖ Gamma(m, b)) = (k − m) ψ(k) − log Γ(k)/Γ(m) + m log a/b + k (b − a)/a, by rates", _GIL,
    *(one for side in _SIDES for one in (_concentration(side), _rate(side))),
)  # fmt: skip


def _two(side: str) -> tuple[Argument, Argument]:
    first = ("concentration1", "alpha", "a", "conc1", "c1")
    return (
        _concentration(side, "concentration1", "batch event", *first),
        _concentration(side, "concentration0", "batch event", "concentration0", "beta", "b", "conc0", "c0"),
    )


BETA = _pair(
    "Beta", "KL(Beta(a, b) ‖ Beta(c, d)) = log B(c, d)/B(a, b) + (a − c)ψ(a) + (b − d)ψ(b) + (c − a + d − b)ψ(a + b)",
    _GIL, *_two("first"), *_two("second"),
)  # fmt: skip


def _poisson_rate(side: str) -> Argument:
    suffix = "p" if side == "first" else "q"
    aliases = ("rate", "lambda_", "lam", "lambd", "mu", "mean", "intensity", "r", "x")
    return plain(f"rate_{suffix}", "batch event", positive(tiny=1e-20, huge=1e20), aliases, group=side)


POISSON = _pair(
    "Poisson", "KL(Poisson(a) ‖ Poisson(b)) = a log a/b − a + b", "Johnson, Kemp & Kotz 2005, by E x = a",
    *(_poisson_rate(side) for side in _SIDES),
)  # fmt: skip


def _probability(side: str) -> Argument:
    inside = replace(unit_interval(), extreme_low=-6.0, extreme_high=6.0)
    suffix = "p" if side == "first" else "q"
    return plain(f"probs_{suffix}", "batch event", inside, ("probs", "prob", "probability", "theta", ""), group=side)


GEOMETRIC = _pair(
    "Geometric", "KL = log p/q + ((1 − p)/p) log (1 − p)/(1 − q), on 0, 1, 2, …", "Johnson, Kemp & Kotz 2005",
    *(_probability(side) for side in _SIDES),
)  # fmt: skip


def _located(side: str, extreme: float) -> tuple[Argument, Argument]:
    """A location and a scale, named as torch names them in the closed forms."""
    suffix = "p" if side == "first" else "q"
    place = location(f"loc_{suffix}", group=side, extreme=extreme)
    width = spread(f"scale_{suffix}", group=side, low=0.5, extreme=3.0)
    return place, width


GUMBEL = _pair(
    "Gumbel", "KL = log t/s + (μ + γs − ν)/t − (γ + 1) + e^(−(μ − ν)/t) Γ(1 + s/t)", _GIL,
    *_located("first", 5.0), *_located("second", 5.0),
)  # fmt: skip

CAUCHY = _pair(
    "Cauchy", "KL = log ((s + t)² + (μ − ν)²)/(4st)", "Chyzak & Nielsen 2019",
    *_located("first", 1e3), *_located("second", 1e3),
)  # fmt: skip


def _between(low: float, high: float) -> Domain:
    """Real numbers between two bounds, so that the supports are nested as they must be."""
    return Domain(
        name=f"between {low:g} and {high:g}",
        make=lambda raw, shape, dtype: (low + (high - low) * torch.sigmoid(raw)).reshape(shape).to(dtype),
    )


def _positive_between(low: float, high: float) -> Domain:
    return replace(positive(low=low, high=high), extreme_low=None, extreme_high=None, interval=None)


_SCALE, _ALPHA = ("scale", "xm", "x_m", "minimum", "s", "lower"), ("alpha", "shape", "a", "k", "tail")
PARETO = _pair(
    "Pareto", "KL = b log s/t + log a/b + b/a − 1 where s ≥ t, and infinite otherwise", _GIL,
    plain("scale_p", "batch event", _positive_between(1.0, 4.0), _SCALE, group="first"),
    plain("alpha_p", "batch event", positive(tiny=1e-3, huge=1e3), _ALPHA, group="first"),
    plain("scale_q", "batch event", _positive_between(0.25, 1.0), _SCALE, group="second"),
    plain("alpha_q", "batch event", positive(tiny=1e-3, huge=1e3), _ALPHA, group="second"),
)  # fmt: skip

_LOW, _HIGH = ("low", "a", "lower", "lo", "min"), ("high", "b", "upper", "hi", "max")
UNIFORM = _pair(
    "Uniform", "KL = log (d − c)/(b − a) where [a, b] lies in [c, d], and infinite otherwise",
    "Kullback & Leibler 1951, eq. 2.4, for constant densities",
    plain("low_p", "batch event", _between(-1.0, 0.0), _LOW, group="first"),
    plain("high_p", "batch event", _between(0.5, 2.0), _HIGH, group="first"),
    plain("low_q", "batch event", _between(-3.0, -1.0), _LOW, group="second"),
    plain("high_q", "batch event", _between(2.0, 4.0), _HIGH, group="second"),
)  # fmt: skip


def _dirichlet(concentration_p: torch.Tensor, concentration_q: torch.Tensor, *, reversed_: bool = False) -> Terms:
    given = (concentration_p, concentration_q)
    return tuple(term.sum(-1) for term in kl_vector.dirichlet(*(given[::-1] if reversed_ else given)))


DIRICHLET = formula(
    Specification(
        name="kl.dirichlet",
        statement="KL(Dirichlet(a) ‖ Dirichlet(b)) = log B(b)/B(a) + Σ_k (a_k − b_k)(ψ(a_k) − ψ(Σa))",
        source="Bishop 2006, appendix B",
        arguments=tuple(_concentration(side, "concentration", "batch class") for side in _SIDES),
        oracle=_dirichlet,
        output="batch",
        dialects=(*PER_ROW, _DIRECTION),
        sizes={"class": (2, 3, 4)},
        operations=64,
        derivation="kl.pairs.dirichlet",
    )
)  # fmt: skip


def _normal(side: str) -> tuple[Argument, Argument]:
    """A mean and a standard deviation, in all parametrisations, no further apart than float32's squares reach."""
    suffix = "p" if side == "first" else "q"
    made = positive_scale(f"std_{suffix}", "batch event", side)
    near = (
        replace(form, domain=replace(form.domain, extreme_low=None, extreme_high=None, interval=None))
        for form in made.forms
    )
    return location(f"mean_{suffix}", group=side, extreme=5.0), replace(made, forms=tuple(near))


def _crossed(p: str, q: str, statement: str, source: str, *arguments: Argument) -> Specification:
    names = [one.name for one in arguments]

    def oracle(**values: torch.Tensor) -> Terms:
        return kl_pairs.closed(p, q).terms(*(values[name] for name in names))

    return formula(
        Specification(
            name=f"kl.{p.lower()}_{q.lower()}", statement=statement, source=source, arguments=arguments, oracle=oracle,
            output="batch event", dialects=_OVER_EVENT, operations=64, derivation="kl.pairs.closed_form",
        )
    )  # fmt: skip


NORMAL_LAPLACE = _crossed(
    "Normal", "Laplace", "KL(N(μ, σ²) ‖ Laplace(ν, t)) = log 2t − ½ log 2πeσ² + E |x − ν|/t",
    "Kullback & Leibler 1951, eq. 2.4", *_normal("first"), *_located("second", 5.0),
)  # fmt: skip
LAPLACE_NORMAL = _crossed(
    "Laplace", "Normal", "KL(Laplace(μ, s) ‖ N(ν, τ²)) = ½ log 2πτ² − log 2es + (2s² + (μ − ν)²)/(2τ²)",
    "Kullback & Leibler 1951, eq. 2.4", *_located("first", 5.0), *_normal("second"),
)  # fmt: skip


def _declare(name: str) -> None:
    """Registers the reference of that name as a subject."""

    def make() -> Formula:
        return Formula(getattr(reference, name), like="kl." + name.removeprefix("kl_"))

    make.__name__ = name
    declares_reference(make)


for _name in reference.__all__:
    _declare(_name)
