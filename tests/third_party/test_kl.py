"""torch's own normal densities, divergences and losses, as their users write them, against the catalogue."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import nn
from torch.distributions import Independent, MultivariateNormal, Normal, kl_divergence
from torch.nn import functional

import genverify as gv

_ROWS: list[str] = []


def normal_pair(loc_p, scale_p, loc_q, scale_q):
    return kl_divergence(Normal(loc_p, scale_p), Normal(loc_q, scale_q))


def independent_pair(loc_p, scale_p, loc_q, scale_q):
    return kl_divergence(Independent(Normal(loc_p, scale_p), 1), Independent(Normal(loc_q, scale_q), 1))


def covariance_pair(loc_p, covariance_matrix_p, loc_q, covariance_matrix_q):
    p = MultivariateNormal(loc_p, covariance_matrix=covariance_matrix_p)
    return kl_divergence(p, MultivariateNormal(loc_q, covariance_matrix=covariance_matrix_q))


def factor_pair(loc_p, scale_tril_p, loc_q, scale_tril_q):
    p = MultivariateNormal(loc_p, scale_tril=scale_tril_p)
    return kl_divergence(p, MultivariateNormal(loc_q, scale_tril=scale_tril_q))


def summed_loss(input, target, var):
    return functional.gaussian_nll_loss(input, target, var, full=True, reduction="sum")


def event_log_prob(x, loc, scale):
    return Independent(Normal(loc, scale), 1).log_prob(x)


SUBJECTS: dict[str, gv.Formula] = {
    "kl_divergence(Normal, Normal)": gv.Formula(normal_pair, like="kl.diagonal_normals"),
    "kl_divergence(Normal(μ, σ), Normal(0, 1))": gv.Formula(
        lambda loc, scale: kl_divergence(Normal(loc, scale), Normal(0.0, 1.0)), like="kl.diagonal_to_standard_normal"
    ),
    "kl_divergence(Independent, Independent)": gv.Formula(independent_pair, like="kl.diagonal_normals"),
    "kl_divergence(MultivariateNormal), covariance_matrix": gv.Formula(covariance_pair, like="kl.mvn_covariance"),
    "kl_divergence(MultivariateNormal), scale_tril": gv.Formula(factor_pair, like="kl.mvn_cholesky"),
    "functional.gaussian_nll_loss": gv.Formula(functional.gaussian_nll_loss, like="normal.nll"),
    "functional.gaussian_nll_loss(full, sum)": gv.Formula(summed_loss, like="normal.nll"),
    "GaussianNLLLoss()": gv.Formula(nn.GaussianNLLLoss(), like="normal.nll"),
    "GaussianNLLLoss(full=True, reduction='none')": gv.Formula(
        nn.GaussianNLLLoss(full=True, reduction="none"), like="normal.nll"
    ),
    "Normal.log_prob": gv.Formula(lambda x, loc, scale: Normal(loc, scale).log_prob(x), like="normal.log_prob"),
    "Independent(Normal).log_prob": gv.Formula(event_log_prob, like="normal.log_prob"),
    "Normal(0, 1).log_prob": gv.Formula(Normal(0.0, 1.0).log_prob, like="normal.standard_log_prob"),
    "Normal.cdf": gv.Formula(lambda x, loc, scale: Normal(loc, scale).cdf(x), like="normal.cdf"),
    "Normal.entropy": gv.Formula(lambda scale: Normal(torch.zeros_like(scale), scale).entropy(), like="normal.entropy"),
    "special.ndtr": gv.Formula(lambda x, mu, sigma: torch.special.ndtr((x - mu) / sigma), like="normal.cdf"),
    "MultivariateNormal.log_prob, covariance_matrix": gv.Formula(
        lambda x, loc, cov: MultivariateNormal(loc, cov).log_prob(x), like="mvn.log_prob_covariance"
    ),
    "MultivariateNormal.log_prob, precision_matrix": gv.Formula(
        lambda x, loc, precision: MultivariateNormal(loc, precision_matrix=precision).log_prob(x),
        like="mvn.log_prob_precision",
    ),
    "MultivariateNormal.log_prob, scale_tril": gv.Formula(
        lambda x, loc, scale_tril: MultivariateNormal(loc, scale_tril=scale_tril).log_prob(x),
        like="mvn.log_prob_cholesky",
    ),
    "MultivariateNormal.entropy": gv.Formula(
        lambda cov: MultivariateNormal(torch.zeros(cov.shape[-1], dtype=cov.dtype), cov).entropy(), like="mvn.entropy"
    ),
    "var_mean(correction=0)": gv.Formula(
        lambda x: torch.var_mean(x, 0, correction=0)[::-1], like="gaussian.mle"
    ),
    "var_mean": gv.Formula(lambda x: torch.var_mean(x, 0)[::-1], like="gaussian.mle"),
    "cov(correction=0)": gv.Formula(
        lambda x: (x.mean(0), torch.cov(x.T, correction=0)), like="gaussian.mle_covariance"
    ),
}  # fmt: skip

# What truly differs from the formula, and why it does.
EXPECTED = {
    "var_mean": {"formula.dialect": "torch's default divides by n − 1: unbiased, and not maximum likelihood"},
}


@pytest.fixture(scope="module", autouse=True)
def verdict_table() -> Iterator[None]:
    """Prints every verdict after the last test; `pytest -s` shows it."""
    yield
    print("\n" + "\n".join(_ROWS))


@pytest.mark.parametrize("name", SUBJECTS)
def test_torch(name: str) -> None:
    expected = EXPECTED.get(name, {})
    report = gv.verify(SUBJECTS[name], expected_failures=expected, budget="quick")
    outcomes = {verdict.check.partition(".")[2]: str(verdict.outcome) for verdict in report}
    _ROWS.append(f"{name:55}" + "  ".join(f"{check} {outcome}" for check, outcome in outcomes.items()))
    if expected:
        assert {v.check for v in report if v.expected} == set(expected)
        assert not [str(v) for v in report.failures if not v.expected]
    else:
        bad = [str(v) for v in report if v.outcome not in (gv.Outcome.PASS, gv.Outcome.NOT_APPLICABLE)]
        assert not bad, "\n".join(bad)
        assert report.count(gv.Outcome.PASS)


@pytest.mark.parametrize(
    ("name", "dialect"),
    [
        ("functional.gaussian_nll_loss", "mean over event, mean over batch, without ½ log 2π"),
        ("functional.gaussian_nll_loss(full, sum)", "sum over event, sum over batch"),
        ("kl_divergence(Normal, Normal)", "per latent, per batch"),
        ("kl_divergence(Independent, Independent)", "sum over latent, per batch"),
    ],
)
def test_the_dialect_of_torch_is_named(name: str, dialect: str) -> None:
    (verdict,) = gv.verify(SUBJECTS[name], checks=["formula.dialect"])
    assert verdict.evidence.message == f"dialect: {dialect}"
