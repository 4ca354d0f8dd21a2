"""Every divergence that torch registers is the closed form, or its fault is on record in specs/kl_pairs.md."""

from __future__ import annotations

import pytest
import torch
from torch.distributions.kl import kl_divergence

from genverify.oracles import kl_pairs
from tests.third_party import kl_table
from tests.third_party.kl_faults import FAULTS

_CLOSED = [pair for pair in kl_table.REGISTERED if pair not in kl_table.INFINITE]
# What is wrong at moderate parameters already.
_WRONG_VALUE = {("ContinuousBernoulli", "Uniform"): "a uniform law that shares an end with [0, 1] is infinitely far"}
_WRONG_GRADIENT = {
    **_WRONG_VALUE,
    ("ExponentialFamily", "ExponentialFamily"): "natural parameters of the first law are detached",
}
_WRONG_BATCH = {
    **dict.fromkeys(kl_table.INFINITE, "the result has the shape of the first law's parameters"),
    **dict.fromkeys(
        (("Bernoulli", "Bernoulli"), ("Beta", "Uniform"), ("Pareto", "Exponential"), ("Pareto", "Gamma"),
         ("Pareto", "Normal"), ("Uniform", "Beta"), ("Uniform", "Exponential"), ("Uniform", "Gamma")),
        "a mask with the shape of one law is applied to the result",
    ),
}  # fmt: skip


def _marked(pairs, wrong):
    return [
        pytest.param(
            pair, marks=pytest.mark.xfail(strict=True, reason=f"torch: {wrong[pair]}") if pair in wrong else ()
        )
        for pair in pairs
    ]


def _name(pair):
    return "-".join(pair) if isinstance(pair, tuple) else None


@pytest.mark.parametrize("dtype", kl_table.DTYPES.values(), ids=str)
@pytest.mark.parametrize("pair", _marked(_CLOSED, _WRONG_VALUE), ids=_name)
def test_the_value_is_the_closed_form(pair, dtype):
    assert kl_table.value_error(pair, dtype) <= 1


@pytest.mark.parametrize("pair", _marked(_CLOSED, _WRONG_GRADIENT), ids=_name)
def test_the_gradient_is_that_of_the_closed_form(pair):
    assert kl_table.gradient_error(pair, torch.float64) <= 1


@pytest.mark.parametrize("pair", sorted(kl_table.INFINITE), ids=_name)
def test_infinite_where_the_supports_say_so(pair):
    assert not kl_table.finite(pair)
    assert torch.isinf(kl_table.torchs(pair)(*kl_table.arguments(pair, torch.float64))).all()


@pytest.mark.parametrize(
    "pair", _marked([pair for pair in kl_table.REGISTERED if pair not in kl_table.VECTORS], _WRONG_BATCH), ids=_name
)
def test_a_column_against_a_row(pair):
    assert kl_table.shape_of_a_batch(pair) == "ok"


@pytest.mark.parametrize(
    "fault", [pytest.param(one, marks=pytest.mark.xfail(strict=True, reason=one.reason)) for one in FAULTS],
    ids=[one.code[:60] for one in FAULTS],
)  # fmt: skip
def test_torch_beyond_moderate_parameters(fault):
    assert not fault.wrong, (fault.value, fault.truth)


@pytest.mark.parametrize("pair", [pair for pair in _CLOSED if pair[0] == pair[1]], ids=_name)
def test_equal_laws_are_at_distance_zero(pair):
    """To rounding: the terms of the divergence cancel, and need not do so to the last bit."""
    given = kl_table.arguments(pair, torch.float64)
    half = len(given) // 2
    twice = [*given[:half], *given[:half]]
    size = sum(term.abs() for term in kl_table.oracle(pair)(*twice))
    allowed = 2 * kl_table.OPERATIONS * torch.finfo(torch.float64).eps * size
    assert (kl_table.torchs(pair)(*twice).abs() <= allowed).all()


def test_the_page_is_current():
    assert kl_table.PAGE.read_text(encoding="utf-8") == kl_table.page(), (
        "run python -m tests.third_party.kl_table --write"
    )


def test_a_law_of_ones_own_is_held_against_the_same_closed_forms():
    """As a user would: any function of the parameters, here with the arguments of the logarithm swapped."""
    exact = kl_pairs.closed("Gamma", "Exponential")
    rate_p, rate_q, k = (torch.tensor(v, dtype=torch.float64) for v in (1.5, 0.75, 2.0))
    right = exact(k, rate_p, rate_q)
    slip = kl_divergence(torch.distributions.Gamma(k, rate_q), torch.distributions.Exponential(rate_p))
    assert abs(float(slip - right)) > 0.01
