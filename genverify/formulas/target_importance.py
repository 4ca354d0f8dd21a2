"""`target.mean_under_target`: the mean under one law, from draws of another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from genverify.formulas.references import declares_reference
from genverify.formulas.target import COUNT, target
from genverify.oracles import stochastic_targets as oracle
from genverify.reference.estimators import importance_sampling
from genverify.subjects.domains import Domain, function_of_index, real
from genverify.subjects.estimator import GradientEstimator, Target
from genverify.subjects.finite_law import FiniteLaw
from genverify.subjects.functions import Table
from genverify.subjects.parametrisation import plain
from genverify.subjects.specification import Argument, Form, Layout, Role, Specification

__all__ = ["MEAN_UNDER_TARGET"]

_SOURCE = "Robert & Casella 2004, section 3.3.1 (importance sampling)"
# Where the subject is given numbers and no laws, they come from these, on as many points as there are.
_MASSES = {"target": (5.0, 2.0, 3.0, 4.0), "proposal": (2.5, 3.5, 4.0, 2.0)}
_VALUES = (1.5, -0.5, 2.25, 0.75)


def _law(low: float = -1.0, high: float = 1.0) -> Domain:
    def make(raw: Tensor, shape: tuple[int, ...], dtype: torch.dtype) -> FiniteLaw:
        return FiniteLaw(torch.softmax(raw.reshape(shape), -1).to(dtype))

    return Domain(name="law on integers", low=low, high=high, make=make)


def _log_law() -> Domain:
    def make(raw: Tensor, shape: tuple[int, ...], dtype: torch.dtype) -> Table:
        return Table(torch.log_softmax(raw.reshape(shape), -1).to(dtype))

    return Domain(name="log-probability of an integer", low=-1.0, high=1.0, make=make)


def _outcomes(given: Mapping[str, Any]) -> int:
    for name in ("reward", "target", "proposal"):
        law = given.get(name)
        if law is not None:
            return len(law.probs if isinstance(law, FiniteLaw) else law.entries)
    return 3


def _probabilities(given: Mapping[str, Any], name: str) -> Tensor:
    law = given.get(name)
    if isinstance(law, FiniteLaw):
        return law.probs.to(torch.float64)
    if isinstance(law, Table):
        return law.entries.to(torch.float64).exp()
    masses = torch.tensor(_MASSES[name], dtype=torch.float64)[: _outcomes(given)]
    return masses / masses.sum()


def _values(given: Mapping[str, Any]) -> Tensor:
    reward = given.get("reward")
    if isinstance(reward, Table):
        return reward.entries.to(torch.float64)
    return torch.tensor(_VALUES, dtype=torch.float64)[: _outcomes(given)]


def _mean(**given: object) -> Tensor:
    return oracle.finite_mean(_probabilities(given, "target"), _values(given))


def _sample(given: Mapping[str, Any], n: int) -> dict[str, Tensor]:
    p, q = _probabilities(given, "target"), _probabilities(given, "proposal")
    index = torch.multinomial(q, n, replacement=True)
    ratio = (p / q)[index]
    return {
        "samples": index, "values": _values(given)[index], "weights": ratio, "log_weights": ratio.log(),
        "log_p": p[index].log(), "log_q": q[index].log(), "p": p[index], "q": q[index],
    }  # fmt: skip


def _largest(given: Mapping[str, Any]) -> float:
    p, q = _probabilities(given, "target"), _probabilities(given, "proposal")
    return float((_values(given).abs() * p / q).max())


def _numbers(name: str, *aliases: str) -> Argument:
    form = Form(name=name, aliases=aliases, domain=real())
    return Argument(
        name=name, forms=(form,), axes="samples", role=Role.DRAW, law="table", differentiable=False, default=None
    )


def _function(name: str, laws: tuple[str, ...], logs: tuple[str, ...]) -> Argument:
    return Argument(
        name=name, axes="outcomes", role=Role.FUNCTION, differentiable=False, default=None,
        forms=(
            Form(name=f"{name}_law", aliases=laws, domain=_law()),
            Form(name=f"log_{name}", aliases=logs, domain=_log_law()),
        ),
    )  # fmt: skip


_REWARDS: tuple[str, ...] = (
    "f", "fn", "func", "function", "h", "g", "phi", "test_fn", "test_function", "eval_func", "expectation_function",
    "reward", "integrand",
)  # fmt: skip

MEAN_UNDER_TARGET = target(
    Target(
        specification=Specification(
            name="target.mean_under_target",
            statement="E_p f, from draws x ~ q",
            source=_SOURCE,
            oracle=_mean,
            layouts=(Layout(name="draws of one proposal"),),
            sizes={"outcomes": (3, 2), "samples": (2, 3, 1)},
            arguments=(
                replace(plain("reward", "outcomes", function_of_index(), _REWARDS, role=Role.FUNCTION), default=None),
                _function(
                    "target",
                    ("target", "p", "p_dist", "target_dist", "target_distribution", "p_law", "pi",
                     "posterior", "p_pdf"),
                    ("log_p_fn", "logp_fn", "log_target", "target_log_prob", "log_prob_p", "log_p_func", "logp_func",
                     "p_log_prob", "log_target_density", "target_log_density", "log_density", "log_pi"),
                ),
                _function(
                    "proposal",
                    ("proposal", "q", "q_dist", "proposal_dist", "proposal_distribution", "sampling_distribution",
                     "sampling_dist_q", "q_law", "q_pdf"),
                    ("log_q_fn", "logq_fn", "log_proposal", "proposal_log_prob", "log_prob_q", "log_q_func",
                     "logq_func", "q_log_prob", "log_proposal_density"),
                ),
                _numbers("samples", "samples", "x", "xs", "z", "zs", "draws", "particles"),
                _numbers("values", "fx", "f_x", "fs", "values", "f_vals", "y", "fz"),
                _numbers("weights", "w", "weights", "iw", "importance_weights", "ratios", "ratio"),
                _numbers("log_weights", "log_w", "logw", "log_weights", "lw", "log_iw", "log_ratio"),
                _numbers("log_p", "log_p", "logp", "lp", "log_px", "log_p_x", "logpx", "log_prob_target"),
                _numbers("log_q", "log_q", "logq", "lq", "log_qx", "log_q_x", "logqx", "log_prob_proposal"),
                _numbers("p", "px", "p_x", "p_vals"),
                _numbers("q", "qx", "q_x", "q_vals"),
                COUNT,
            ),
        ),
        gradient=False,
        sample=_sample,
        magnitude=_largest,
    )
)  # fmt: skip


@declares_reference
def importance_mean() -> GradientEstimator:
    """The reference importance-sampling mean."""
    return GradientEstimator(importance_sampling.mean, like="target.mean_under_target", name="importance mean")
