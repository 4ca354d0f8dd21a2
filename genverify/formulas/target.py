"""What estimators estimate, by name: `target.gradient_categorical`, `target.gradient_normal`, `target.mean`."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from genverify.errors import UsageError, nearest
from genverify.formulas.matching import match
from genverify.formulas.rival import with_rival
from genverify.oracles import estimators as oracle
from genverify.rooms import files_of
from genverify.subjects.domains import function_of_index, function_of_real, integer, real, unit_interval
from genverify.subjects.estimator import GradientEstimator, Target
from genverify.subjects.functions import Quadratic, Sine
from genverify.subjects.parametrisation import any_real, plain, positive_scale
from genverify.subjects.specification import Argument, Form, Layout, Role, Specification

__all__ = ["COUNT", "all_targets", "find_target", "introduce", "target"]

_VECTOR = Layout(name="a vector of parameters")
_NUMBER = Layout(name="numbers for parameters", drop=("dim",))
_SIZES = {"outcomes": (3, 2), "dim": (1, 2), "coefficients": (3,), "samples": (2, 3, 1)}

_REWARD = (
    "f",
    "reward_fn",
    "reward",
    "rewards",
    "r",
    "fn",
    "func",
    "function",
    "objective",
    "cost",
    "loss_fn",
    "h",
    "g",
    "reward_function",
    "payoff",
    "critic",
    "energy",
)
_SAMPLES = (
    "samples",
    "z",
    "x",
    "b",
    "k",
    "actions",
    "a",
    "draws",
    "zs",
    "xs",
    "y",
    "indices",
    "sample",
    "action",
    "bs",
)
_LOCATION = ("mu", "mean", "loc", "m", "location", "center")


COUNT = plain(
    "n",
    "",
    integer(1, 3),
    (
        "n_samples", "num_samples", "N", "num", "count", "batch_size", "S", "M", "n_draws", "num_queries", "num_probes",
        "n_probes", "num_matvecs", "n_vectors", "num_vectors", "n_hutchinson_samples", "num_particles", "n_particles",
        "m",
    ),
    role=Role.OPTION,
    differentiable=False,
    default=None,
)  # fmt: skip


def _draws(name: str, axes: str, law: str, aliases: tuple[str, ...]) -> Argument:
    # The numbers themselves come from the integration over the law; the domain only says what kind they are.
    form = Form(name=name, aliases=aliases, domain=real())
    return Argument(name=name, forms=(form,), axes=axes, role=Role.DRAW, law=law, differentiable=False)


def _reward(domain: Any, axes: str) -> Argument:  # noqa: ANN401 - a Domain
    return plain("reward", axes, domain, _REWARD, role=Role.FUNCTION, differentiable=False)


def _categorical(*, logits: Tensor, reward: Callable[[Tensor], Tensor], **rest: object) -> Tensor:
    rewards = reward(torch.arange(logits.shape[-1])).to(torch.float64)
    return oracle.categorical_expectation(logits, rewards)


def _sample_categorical(given: Mapping[str, Any], n: int) -> dict[str, Tensor]:
    return {"samples": torch.multinomial(torch.softmax(given["logits"].detach(), -1), n, replacement=True)}


def _binary_vectors(probs: Tensor) -> Tensor:
    rows = list(itertools.product((0.0, 1.0), repeat=probs.numel()))
    return torch.tensor(rows, dtype=torch.float64).reshape(-1, *probs.shape)


def _bernoulli(*, probs: Tensor, reward: Callable[[Tensor], Tensor], **rest: object) -> Tensor:
    outcomes = _binary_vectors(probs)
    flat = outcomes.reshape(len(outcomes), -1)
    return oracle.bernoulli_expectation(probs.reshape(-1), flat, reward(outcomes).to(torch.float64))


def _sample_bernoulli(given: Mapping[str, Any], n: int) -> dict[str, Tensor]:
    probs = given["probs"].detach()
    return {"samples": torch.bernoulli(probs.expand(n, *probs.shape))}


def _normal(*, mean: Tensor, std: Tensor, reward: Quadratic | Sine, **rest: object) -> Tensor:
    if isinstance(reward, Sine):
        return oracle.normal_sine(reward.frequency, reward.phase, mean, std).sum()
    return oracle.normal_quadratic(reward.a, reward.b, reward.c, mean, std).sum()


def _sample_normal(given: Mapping[str, Any], n: int) -> dict[str, Tensor]:
    mean, std = (given[name].detach() for name in ("mean", "std"))
    shape = torch.broadcast_shapes(mean.shape, std.shape)
    noise = torch.randn(n, *shape, dtype=torch.float64)
    return {"samples": mean + std * noise, "noise": noise}


def _largest_reward(given: Mapping[str, Any]) -> float:
    reward = given["reward"]
    if isinstance(reward, Sine):
        return 1.0
    if isinstance(reward, Quadratic):
        reach = 1.0 + sum(float(given[name].abs().max()) for name in ("mean", "std") if name in given)
        return abs(reward.a) * reach**2 + abs(reward.b) * reach + abs(reward.c)
    return float(reward.entries.abs().max())


# A fixed joint law of (f, c - E c): three outcomes, equally likely, correlated, of no symmetry.
_PAYOFF = (1.0, -0.5, 2.25)
_CONTROL = (0.75, -1.5, 0.75)


def _mean(*, mean_c: Tensor | None = None, **rest: object) -> Tensor:
    return torch.tensor(sum(_PAYOFF) / len(_PAYOFF), dtype=torch.float64)


def _sample_pairs(given: Mapping[str, Any], n: int) -> dict[str, Tensor]:
    index = torch.multinomial(torch.ones(len(_PAYOFF), dtype=torch.float64), n, replacement=True)
    centre = given.get("mean_c")
    control = torch.tensor(_CONTROL, dtype=torch.float64)[index]
    fx = torch.tensor(_PAYOFF, dtype=torch.float64)[index]
    return {"fx": fx, "cx": control if centre is None else control + centre.detach()}


def _gradients() -> list[Target]:
    probabilities = Argument(
        name="probs",
        axes="dim",
        forms=(
            Form(name="probs", domain=unit_interval(), aliases=("p", "prob", "theta", "probabilities")),
            Form(name="logits", domain=real(), aliases=("logit", "log_odds", "phi"), canonical=torch.sigmoid),
        ),
    )
    samples = _draws("samples", "samples dim", "bernoulli", _SAMPLES)
    categorical = Specification(
        name="target.gradient_categorical",
        statement="∂/∂θ E f(k), k ~ softmax(θ)",
        source="Williams 1992, section 3",
        oracle=_categorical,
        layouts=(_VECTOR,),
        sizes=_SIZES,
        arguments=(
            plain("logits", "outcomes", real(), ("theta", "params", "phi", "scores", "logit", "parameters")),
            _reward(function_of_index(), "outcomes"),
            _draws("samples", "samples", "categorical", _SAMPLES),
            COUNT,
        ),
    )
    bernoulli = Specification(
        name="target.gradient_bernoulli",
        statement="∂/∂p E f(b), b_j ~ Bernoulli(p_j)",
        oracle=_bernoulli,
        source="Williams 1992, section 4; Mohamed, Rosca, Figurnov & Mnih 2020, section 4",
        sizes=_SIZES,
        layouts=(_VECTOR, _NUMBER),
        arguments=(probabilities, _reward(function_of_real(), "coefficients"), samples, COUNT),
    )
    normal = Specification(
        name="target.gradient_normal",
        statement="∂/∂(μ, σ) E f(z), z ~ N(μ, σ²)",
        oracle=_normal,
        sizes=_SIZES,
        source="Mohamed, Rosca, Figurnov & Mnih 2020, sections 4 and 5",
        layouts=(_VECTOR, _NUMBER),
        arguments=(
            any_real("mean", "dim", *_LOCATION),
            positive_scale("std", "dim"),
            _reward(function_of_real(), "coefficients"),
            _draws("samples", "samples dim", "normal", _SAMPLES),
            _draws("noise", "samples dim", "normal", ("eps", "epsilon", "epsilons", "e", "xi", "u")),
            COUNT,
        ),
    )
    return [
        Target(specification=categorical, sample=_sample_categorical, magnitude=_largest_reward),
        Target(specification=bernoulli, sample=_sample_bernoulli, magnitude=_largest_reward),
        Target(specification=normal, sample=_sample_normal, magnitude=_largest_reward, continuous=True),
    ]


def _values() -> list[Target]:
    gradients = {one.specification.name: one for one in _gradients()}
    made = []
    for law, words in (
        ("categorical", "k ~ softmax(θ)"),
        ("bernoulli", "b ~ Bernoulli(p)"),
        ("normal", "z ~ N(μ, σ²)"),
    ):
        base = gradients[f"target.gradient_{law}"]
        specification = replace(
            base.specification,
            name=f"target.expectation_{law}",
            statement=f"E f, {words}",
            source="Robert & Casella 2004, section 3.2",
        )
        made.append(replace(base, specification=specification, gradient=False))
    mean = Specification(
        name="target.mean",
        statement="E f from pairs (f, c) with known E c",
        oracle=_mean,
        sizes=_SIZES,
        source="Robert & Casella 2004, section 4.4.2 (control variates)",
        layouts=(_VECTOR,),
        arguments=(
            _draws("fx", "samples", "table", ("f", "x", "f_x", "values", "samples", "rewards", "payoff", "fs")),
            replace(
                _draws("cx", "samples", "table", ("c", "c_x", "control", "controls", "cs", "h", "hx")), default=None
            ),
            any_real("mean_c", "", "ec", "c_mean", "expected_c", "mu_c", "mean_control", "e_c", "c_bar", default=None),
            any_real("coefficient", "", "coef", "beta", "a", "alpha", "coeff", default=None),
            COUNT,
        ),
    )
    return [*made, Target(specification=mean, gradient=False, sample=_sample_pairs, magnitude=lambda given: 3.0)]


_REGISTRY = {one.specification.name: one for one in (*_gradients(), *_values())}


def target(made: Target) -> Target:
    """Registers a target under its name; the files `target_*.py` of this room are imported when one is looked for."""
    _REGISTRY[made.specification.name] = made
    return made


def all_targets() -> dict[str, Target]:
    """Every named target."""
    files_of("genverify.formulas", "target_")
    return dict(sorted(_REGISTRY.items()))


def find_target(name: str) -> Target:
    """The target of that name.

    Raises:
        UsageError: There is no such target.
    """
    known = all_targets()
    if name not in known:
        raise UsageError(given=f"target {name!r}", expected="a named target", do=nearest(name, known))
    return known[name]


def introduce(subject: GradientEstimator) -> GradientEstimator:
    """The estimator with what it estimates, and with its parameters matched where that has a name.

    Raises:
        UsageError: Neither `target` nor `like` is given, or both; the name is unknown; the parameters do not match; the
            estimator to compare with cannot be compared.
    """
    if not callable(subject.f):
        raise UsageError(
            given=f"{subject.label}, which is not callable",
            expected="a function that makes an estimate",
            do="pass the function itself, not what it returned",
        )
    if (subject.target is None) == (not subject.like):
        raise UsageError(
            given="both target= and like=" if subject.like else "neither target= nor like=",
            expected="one of them",
            do="give the exact value, or the name of what is estimated: " + ", ".join(all_targets()),
        )
    if not subject.like:
        return with_rival(replace(subject, memory={}), introduce)
    law = find_target(subject.like)
    # Draws may always be made inside; only those that the subject has parameters for are passed.
    found = match(subject.f, law.specification, subject.arguments, subject.fixed)
    known = [a.name for a in law.specification.arguments if a.differentiable and a.role is Role.VALUE]
    for name in subject.wrt:
        if name not in known:
            raise UsageError(given=f"wrt={name!r}", expected=f"arguments of {subject.like}", do=nearest(name, known))
    return with_rival(replace(subject, law=law, match=found, memory={}), introduce)
