"""torch's own discrete and heavy-tailed distributions, divergences and losses, against the catalogue."""

from __future__ import annotations

import pytest
from torch.distributions import (
    Bernoulli,
    Categorical,
    Laplace,
    OneHotCategorical,
    SigmoidTransform,
    TransformedDistribution,
    Uniform,
    kl_divergence,
)
from torch.distributions.transforms import AffineTransform
from torch.nn import functional

import genverify as gv


def logistic(x, loc, scale):
    unit = Uniform(loc.new_zeros(()), loc.new_ones(()))
    law = TransformedDistribution(unit, [SigmoidTransform().inv, AffineTransform(loc, scale)])
    return law.log_prob(x)


def pair(family, form):
    """torch's divergence of a family by one parametrisation, with the parameters' names as its own."""
    made = {
        "logits": lambda logits_p, logits_q: kl_divergence(family(logits=logits_p), family(logits=logits_q)),
        "probs": lambda probs_p, probs_q: kl_divergence(family(probs=probs_p), family(probs=probs_q)),
    }
    return made[form]


SUBJECTS: dict[str, gv.Formula] = {
    "Bernoulli(logits).log_prob": gv.Formula(
        lambda x, logits: Bernoulli(logits=logits).log_prob(x), like="density.bernoulli"
    ),
    "Bernoulli(probs).log_prob": gv.Formula(
        lambda x, probs: Bernoulli(probs).log_prob(x).sum(-1), like="density.bernoulli"
    ),
    "Categorical(logits).log_prob": gv.Formula(
        lambda x, logits: Categorical(logits=logits).log_prob(x), like="density.categorical"
    ),
    "OneHotCategorical(probs).log_prob": gv.Formula(
        lambda one_hot, probs: OneHotCategorical(probs).log_prob(one_hot), like="density.categorical"
    ),
    "Laplace.log_prob": gv.Formula(lambda x, loc, scale: Laplace(loc, scale).log_prob(x), like="density.laplace"),
    "kl_divergence(Bernoulli, logits)": gv.Formula(pair(Bernoulli, "logits"), like="kl.bernoulli"),
    "kl_divergence(Bernoulli, probs)": gv.Formula(pair(Bernoulli, "probs"), like="kl.bernoulli"),
    "kl_divergence(Categorical, logits)": gv.Formula(pair(Categorical, "logits"), like="kl.categorical"),
    "kl_divergence(Categorical, probs)": gv.Formula(pair(Categorical, "probs"), like="kl.categorical"),
    "kl_divergence(Laplace)": gv.Formula(
        lambda loc_p, scale_p, loc_q, scale_q: kl_divergence(Laplace(loc_p, scale_p), Laplace(loc_q, scale_q)),
        like="kl.laplace",
    ),
    "functional.kl_div(batchmean)": gv.Formula(
        lambda log_probs_p, log_probs_q: functional.kl_div(
            log_probs_q, log_probs_p, log_target=True, reduction="batchmean"
        ),
        like="kl.categorical",
    ),
    "Categorical(logits).entropy": gv.Formula(
        lambda logits: Categorical(logits=logits).entropy(), like="entropy.categorical"
    ),
    "Categorical(probs).entropy": gv.Formula(
        lambda probs: Categorical(probs).entropy(), like="entropy.categorical"
    ),
}  # fmt: skip
# What truly differs from the formula, and why it does.
_SATURATED = {"formula.extremes": "torch takes a probability that is rounded to 0 or 1 for an impossible outcome: inf"}
EXPECTED = {
    "kl_divergence(Bernoulli, logits)": _SATURATED,
    "kl_divergence(Categorical, logits)": _SATURATED,
}


@pytest.mark.parametrize("name", SUBJECTS)
def test_torch(name: str) -> None:
    report = gv.verify(SUBJECTS[name], expected_failures=EXPECTED.get(name, {}), budget="quick")
    bad = [str(v) for v in report if v.outcome not in (gv.Outcome.PASS, gv.Outcome.NOT_APPLICABLE) and not v.expected]
    assert not bad, "\n".join(bad)
    assert report.count(gv.Outcome.PASS)


def test_the_logistic_distribution_by_transforms() -> None:
    checks = ["formula.dialect", "formula.value", "formula.gradient"]
    gv.verify(gv.Formula(logistic, like="density.logistic"), checks=checks, budget="quick").raise_for_failures()
