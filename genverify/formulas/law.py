"""Named laws that samplers are held against: `law.normal_diagonal`, `law.mvn`, `law.bernoulli`."""

from __future__ import annotations

import importlib
import importlib.util
import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from genverify.errors import UsageError, nearest
from genverify.formulas.matching import match
from genverify.formulas.pairing import by_names
from genverify.formulas.parameters import taken_by
from genverify.oracles import laws as oracle
from genverify.rooms import files_of
from genverify.subjects.domains import Domain, integer, positive, real, simplex, unit_interval
from genverify.subjects.formula import Place
from genverify.subjects.modes import training_flag
from genverify.subjects.parametrisation import any_real, plain, positive_scale, scale_matrix
from genverify.subjects.sampler import JointLaw, NamedLaw, Sampler
from genverify.subjects.specification import Argument, Form, Layout, Role, Specification

__all__ = ["all_laws", "find_law", "introduce", "names_law"]

_BATCHED = Layout(name="batched")
_SINGLE = Layout(name="one row of parameters", drop=("batch",))
_SCALAR = Layout(name="numbers for parameters", drop=("batch", "latent"))
_SIZES = {"batch": (2, 1), "latent": (2, 1), "dim": (2, 3, 1), "outcomes": (3, 2)}

_LOCATION = ("mu", "mean", "loc", "m", "means", "mus", "z_mean", "mean_", "location", "center")


def _rows() -> Argument:
    """How many draws: a number, or a shape; where the subject takes none, one draw for each parameter."""
    as_shape = Domain(
        name="shape of one axis",
        low=2,
        high=3,
        integral=True,
        simple=2.0,
        make=lambda raw, shape, dtype: (int(raw.round().item()),),
    )
    forms = (
        Form(
            name="n",
            domain=integer(2, 3),
            aliases=(
                "num_samples",
                "n_samples",
                "num",
                "count",
                "samples",
                "n_draws",
                "num_draws",
                "batch_size",
                "N",
                "k",
            ),
        ),
        Form(name="sample_shape", domain=as_shape, aliases=("shape", "size"), canonical=lambda shape: shape[0]),
    )
    return Argument(name="n", forms=forms, role=Role.OPTION, differentiable=False, default=None)


def _repeated(n: int | None, *parameters: Tensor) -> tuple[tuple[int, ...], list[Tensor]]:
    """The output's shape, and each parameter for each of its numbers."""
    together = torch.broadcast_tensors(*(torch.as_tensor(p, dtype=torch.float64) for p in parameters))
    shape = (*(() if n is None else (n,)), *together[0].shape)
    return shape, [p.expand(shape).reshape(-1) for p in together]


def _elementwise(
    characteristic: Callable[..., Tensor],
    cdf: Callable[..., Tensor],
    moments: Callable[..., tuple[Tensor, Tensor]],
    *names: str,
    normal: bool = False,
) -> Callable[..., JointLaw]:
    """The joint law of independent numbers, from their characteristic function, cdf and (mean, variance)."""

    def joint(*, n: int | None = None, **given: Tensor) -> JointLaw:
        shape, parameters = _repeated(n, *(given[name] for name in names))
        mean, variance = moments(*parameters)
        return JointLaw(
            shape=shape,
            mean=mean,
            covariance=torch.diag(variance),
            normal=normal,
            characteristic=lambda w: characteristic(w, *parameters),
            cdf=lambda z: cdf(z, *parameters),
            spread=float(variance.detach().mean().sqrt()),
        )

    return joint


def _mvn(*, mean: Tensor, covariance: Tensor, n: int | None = None) -> JointLaw:
    rows = mean if n is None else mean.expand(n, *mean.shape)
    dim = mean.shape[-1]
    blocks = covariance.expand(*rows.shape[:-1], dim, dim).reshape(-1, dim, dim)
    joint, flat = torch.block_diag(*blocks.unbind(0)), rows.reshape(-1)
    return JointLaw(
        shape=tuple(rows.shape),
        mean=flat,
        covariance=joint,
        normal=True,
        characteristic=lambda w: oracle.normal_characteristic(w, flat, joint),
        spread=float(torch.diagonal(joint).detach().mean().sqrt()),
    )


def _bernoulli(*, probs: Tensor, n: int | None = None) -> JointLaw:
    shape, (p,) = _repeated(n, probs)
    return JointLaw(shape=shape, probabilities=torch.stack((1 - p, p), -1))


def _categorical(*, probs: Tensor, n: int | None = None) -> JointLaw:
    rows = probs.to(torch.float64) if n is None else probs.to(torch.float64).expand(n, *probs.shape)
    return JointLaw(shape=tuple(rows.shape[:-1]), probabilities=rows.reshape(-1, rows.shape[-1]))


def _located(name: str, statement: str, source: str, joint: Callable[..., JointLaw], scale: Argument) -> NamedLaw:
    return NamedLaw(
        specification=Specification(
            name=name,
            statement=statement,
            source=source,
            oracle=joint,
            sizes=_SIZES,
            arguments=(any_real(_FIRST[name], "batch latent", *_LOCATION), scale, _rows()),
            layouts=(_BATCHED, _SINGLE, _SCALAR),
        )
    )


_FIRST = {"law.normal_diagonal": "mean", "law.laplace": "loc", "law.gumbel": "loc", "law.logistic": "loc"}


def _scale() -> Argument:
    forms = (
        Form(name="scale", domain=positive(), aliases=("b", "beta", "s", "sigma")),
        Form(name="log_scale", domain=real(), aliases=("logscale", "log_b", "log_s", "log_beta"), canonical=torch.exp),
    )
    return Argument(name="scale", forms=forms, axes="batch latent")


def _probabilities(axes: str, squash: Callable[[Tensor], Tensor], domain: Domain) -> Argument:
    forms = (
        Form(name="probs", domain=domain, aliases=("p", "prob", "probabilities", "pi", "theta", "weights")),
        Form(name="logits", domain=real(), aliases=("logit", "scores", "log_odds", "x"), canonical=squash),
        Form(name="log_probs", domain=real(), aliases=("log_prob", "logp", "log_p"), canonical=torch.exp),
    )
    return Argument(name="probs", forms=forms if axes.endswith("outcomes") else forms[:2], axes=axes)


def _made() -> list[NamedLaw]:
    johnson = "Johnson, Kotz & Balakrishnan 1995, Continuous Univariate Distributions 2, "
    loc_scale: list[
        tuple[str, str, str, Callable[..., Tensor], Callable[..., Tensor], Callable[..., tuple[Tensor, Tensor]]]
    ] = [
        (
            "law.laplace",
            "p(x) = exp(-|x - μ|/b) / 2b",
            johnson + "chapter 24",
            oracle.laplace_characteristic,
            oracle.laplace_cdf,
            lambda m, b: (m, 2 * b**2),
        ),
        (
            "law.gumbel",
            "P(X ≤ x) = exp(-exp(-(x - μ)/β))",
            johnson + "chapter 22",
            oracle.gumbel_characteristic,
            oracle.gumbel_cdf,
            lambda m, b: (m + oracle.EULER * b, (math.pi * b) ** 2 / 6),
        ),
        (
            "law.logistic",
            "P(X ≤ x) = 1/(1 + exp(-(x - μ)/s))",
            johnson + "chapter 23",
            oracle.logistic_characteristic,
            oracle.logistic_cdf,
            lambda m, s: (m, (math.pi * s) ** 2 / 3),
        ),
    ]
    made = [
        _located(name, statement, source, _elementwise(characteristic, cdf, moments, "loc", "scale"), _scale())
        for name, statement, source, characteristic, cdf, moments in loc_scale
    ]
    normal = _elementwise(
        lambda w, m, s: oracle.normal_characteristic(w, m, torch.diag(s**2)),
        oracle.normal_cdf,
        lambda m, s: (m, s**2),
        "mean",
        "std",
        normal=True,
    )
    made.append(
        _located(
            "law.normal_diagonal",
            "x = μ + σ ε, ε ~ N(0, I), independent over all numbers",
            "Kingma & Welling 2014, section 2.4",
            normal,
            positive_scale("std", "batch latent"),
        )
    )
    return [*made, *_further()]


def _further() -> list[NamedLaw]:
    rate = Argument(
        name="rate",
        axes="batch latent",
        forms=(
            Form(name="rate", domain=positive(), aliases=("lambd", "lam", "lmbda", "lambda_")),
            Form(name="scale", domain=positive(), aliases=("mean", "beta"), canonical=torch.reciprocal),
        ),
    )
    exponential = _elementwise(
        oracle.exponential_characteristic, oracle.exponential_cdf, lambda r: (1 / r, 1 / r**2), "rate"
    )
    uniform = _elementwise(
        oracle.uniform_characteristic, oracle.uniform_cdf, lambda a, b: ((a + b) / 2, (b - a) ** 2 / 12), "low", "high"
    )
    three = (_BATCHED, _SINGLE, _SCALAR)
    made = [
        Specification(
            name="law.mvn",
            statement="x ~ N(μ, Σ), rows independent",
            source="Anderson 2003, section 2.3",
            oracle=_mvn,
            arguments=(any_real("mean", "batch dim", *_LOCATION), scale_matrix("covariance", "batch dim dim"), _rows()),
            layouts=(_SINGLE, _BATCHED),
            sizes=_SIZES,
        ),
        Specification(
            name="law.exponential",
            statement="p(x) = λ exp(-λx)",
            oracle=exponential,
            sizes=_SIZES,
            layouts=three,
            source="Johnson, Kotz & Balakrishnan 1994, Continuous Univariate Distributions 1, chapter 19",
            arguments=(rate, _rows()),
        ),
        Specification(
            name="law.uniform",
            statement="p(x) = 1/(b - a) on (a, b)",
            oracle=uniform,
            sizes=_SIZES,
            layouts=three,
            source="Johnson, Kotz & Balakrishnan 1995, Continuous Univariate Distributions 2, chapter 26",
            arguments=(
                plain("low", "batch latent", real(low=-2.0, high=-0.25), ("a", "lo", "min", "minval")),
                plain("high", "batch latent", real(low=0.25, high=2.0), ("b", "hi", "max", "maxval")),
                _rows(),
            ),
        ),
    ]
    counted = [
        Specification(
            name="law.bernoulli",
            statement="P(X = 1) = p, P(X = 0) = 1 - p, independent",
            oracle=_bernoulli,
            source="Johnson, Kemp & Kotz 2005, Univariate Discrete Distributions, section 3.1",
            layouts=three,
            arguments=(_probabilities("batch latent", torch.sigmoid, unit_interval()), _rows()),
            sizes=_SIZES,
        ),
        Specification(
            name="law.categorical",
            statement="P(X = k) = p_k, rows independent",
            oracle=_categorical,
            sizes=_SIZES,
            source="Johnson, Kotz & Balakrishnan 1997, Discrete Multivariate Distributions, chapter 35",
            arguments=(
                _probabilities("batch outcomes", lambda x: torch.softmax(x, -1), simplex()),
                _rows(),
            ),
            layouts=(_BATCHED, _SINGLE),
        ),
    ]
    return [NamedLaw(specification=s) for s in made] + [NamedLaw(specification=s, discrete=True) for s in counted]


_REGISTRY = {one.specification.name: one for one in _made()}


def names_law(law: NamedLaw) -> NamedLaw:
    """Registers a law that a topic of its own names, as ``initialization.xavier_normal``."""
    _REGISTRY[law.specification.name] = law
    return law


def all_laws() -> dict[str, NamedLaw]:
    """Every named law."""
    files_of("genverify.formulas")
    return dict(sorted(_REGISTRY.items()))


def find_law(name: str) -> NamedLaw:
    """The law of that name.

    Raises:
        UsageError: There is no such law.
    """
    topic = f"genverify.formulas.{name.partition('.')[0]}"
    if name and importlib.util.find_spec(topic) is not None:
        importlib.import_module(topic)
    if name not in _REGISTRY and name not in all_laws():
        raise UsageError(
            given=f"law {name!r}" if name else "a Sampler without law=",
            expected="a named law",
            do=nearest(name, all_laws()),
        )
    return _REGISTRY[name]


def introduce(subject: Sampler) -> Sampler:
    """The sampler with its law, and with its parameters matched to those of the law.

    Raises:
        UsageError: There is no such law or layout, or the parameters cannot be matched.
    """
    if not callable(subject.f):
        raise UsageError(
            given=f"{subject.label}, which is not callable", expected="a function that draws", do="pass the function"
        )
    law = find_law(subject.law)
    known = [argument.name for argument in law.specification.arguments]
    for name in subject.at:
        if name not in known:
            raise UsageError(
                given=f"parameter {name!r} in at=", expected=f"one of {subject.law}", do=nearest(name, known)
            )
    layouts = [one.name for one in law.specification.layouts]
    if subject.layout and subject.layout not in layouts:
        raise UsageError(
            given=f"layout {subject.layout!r}", expected=f"one of {subject.law}", do=nearest(subject.layout, layouts)
        )
    at = {**kept_options(subject, law), **subject.at}
    taken = taken_by(subject.f, {})
    parameters = () if taken is None else taken.parameters
    fixed = dict(subject.fixed)
    memory: dict[str, Any] = {
        "constructor": tuple(p.name for p in parameters if p.place is Place.CONSTRUCTOR and p.name in fixed)
    }
    flag = training_flag([one.name for one in parameters if one.place is Place.CALL and one.name not in fixed])
    if law.evaluation is not None and subject.modes and flag is not None:
        memory["flag"], fixed[flag[0]] = flag, flag[1]
    left = tuple(a for a in law.specification.arguments if a.name not in at)
    found = match(subject.f, replace(law.specification, arguments=left), subject.arguments, fixed)
    return replace(subject, named=law, match=found, memory=memory, at=at)


def kept_options(subject: Sampler, law: NamedLaw) -> dict[str, Any]:
    """The law's options that are fixed, or that a module has as plain numbers: under their own or an alias' names.

    >>> nested = torch.nn.Sequential(torch.nn.Dropout(0.25))
    >>> kept_options(Sampler(nested, law="dropout.bernoulli"), find_law("dropout.bernoulli"))
    {'p': 0.25}
    """
    owner = getattr(subject.f, "__self__", subject.f)
    if subject.arguments is not None:
        return {}
    taken = taken_by(subject.f, subject.fixed)
    given = by_names([one.name for one in taken.parameters] if taken is not None else [], law.specification)
    options = [a for a in law.specification.arguments if a.role is Role.OPTION and a.default is ...]
    names = [name for argument in options for form in argument.forms for name in (form.name, *form.aliases)]
    holders = [subject.fixed, *(vars(part) for part in modules_of(owner))]
    # What TorchScript compiled has its numbers as attributes, and not among its variables.
    holders += [
        {name: getattr(part, name, None) for name in names}
        for part in modules_of(owner) if isinstance(part, torch.jit.ScriptModule)
    ]  # fmt: skip
    found: dict[str, set[float]] = {}
    for holder in holders:
        numbers = {name: value for name, value in holder.items() if type(value) in (float, int)}
        for name, (argument, form) in by_names(list(numbers), law.specification).items():
            if argument in options and argument.name not in {one.name for one, _ in given.values()}:
                found.setdefault(argument.name, set()).add(float(form.canonical(numbers[name])))
    return {name: values.pop() for name, values in found.items() if len(values) == 1}


def modules_of(owner: object) -> list[torch.nn.Module]:
    """A module with all that are inside it; none for anything else."""
    return list(owner.modules()) if isinstance(owner, torch.nn.Module) else []
