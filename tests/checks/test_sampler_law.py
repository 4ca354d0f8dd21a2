"""The joint law of a sampler's draws, by each of the routes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

import genverify as gv
from genverify.subjects.sampler import Sampler


def verdict(subject, check="sampler.law", **rest):
    (found,) = gv.verify(subject, checks=[check], **{"budget": "quick", **rest})
    return found


def test_one_part_in_a_million_of_the_scale_is_seen():
    def off(mu, std):
        return mu + (1 + 1e-6) * std * torch.randn_like(mu)

    found = verdict(Sampler(off, law="law.normal_diagonal"))
    assert found.outcome is gv.Outcome.FAIL
    assert found.evidence.rung is gv.Rung.EXACT
    assert found.evidence.observed < 1e-4


def test_float32_noise_under_float64_parameters_is_spared():
    def narrow(mu, std):
        return mu + std * torch.randn(mu.shape)

    assert verdict(Sampler(narrow, law="law.normal_diagonal")).outcome is gv.Outcome.PASS


def test_a_subject_in_float32_only_is_judged_there():
    def narrow(mean, cov, n):
        return mean + torch.randn(n, len(mean)) @ torch.linalg.cholesky(cov).T

    found = verdict(Sampler(narrow, law="law.mvn"))
    assert found.outcome is gv.Outcome.PASS, str(found)
    assert found.evidence.unit == "float32"


@pytest.mark.parametrize(
    ("words", "scale"),
    [("scaled by 0.01", lambda std: 0.01 * std), ("square of the claimed", lambda std: std**2)],
)
def test_slips_are_named(words, scale):
    found = verdict(Sampler(lambda mu, std: mu + scale(std) * torch.randn_like(mu), law="law.normal_diagonal"))
    assert words in found.evidence.message


def test_shared_noise_is_no_joint_law_although_every_row_is_right():
    found = verdict(
        Sampler(lambda mean, std, n: mean + std * torch.randn_like(mean).expand(n, -1), law="law.normal_diagonal")
    )
    assert found.outcome is gv.Outcome.FAIL
    assert "rows are not independent" in found.evidence.message


@pytest.mark.parametrize("reach", [1.0, 3.0, 4.5])
def test_truncation_is_seen_in_the_tails(reach):
    def clipped(mu, std):
        return mu + std * torch.randn_like(mu).clamp(-reach, reach)

    assert verdict(Sampler(clipped, law="law.normal_diagonal")).outcome is gv.Outcome.FAIL


@pytest.mark.parametrize(
    ("law", "make"),
    [
        ("law.laplace", lambda loc, scale: torch.distributions.Laplace(loc, scale).rsample()),
        ("law.gumbel", lambda loc, scale: torch.distributions.Gumbel(loc, scale).rsample()),
        ("law.logistic", lambda loc, scale: loc + scale * torch.logit(torch.rand_like(loc))),
        ("law.exponential", lambda rate: torch.distributions.Exponential(rate).rsample()),
        ("law.uniform", lambda low, high: low + (high - low) * torch.rand_like(low)),
    ],
)
def test_inversion_is_judged_exactly_with_its_gradient(law, make):
    for check in ("sampler.law", "sampler.pathwise"):
        found = verdict(Sampler(make, law=law, pathwise=True), check)
        assert found.outcome is gv.Outcome.PASS, str(found)
        assert found.evidence.rung is gv.Rung.EXACT


def test_the_wrong_inversion_is_refuted_at_a_quantile():
    found = verdict(Sampler(lambda rate: -torch.log(torch.rand_like(rate)) * rate, law="law.exponential"))
    assert found.outcome is gv.Outcome.FAIL
    assert "quantile" in found.evidence.message


def test_categorical_draws_are_enumerated():
    def draw(logits, n):
        return torch.multinomial(torch.softmax(logits, -1), n, replacement=True)

    def hot(logits, n):
        return torch.multinomial(torch.softmax(2 * logits, -1), n, replacement=True)

    assert verdict(Sampler(draw, law="law.categorical")).evidence.guarantee == "every outcome was enumerated"
    assert verdict(Sampler(hot, law="law.categorical")).outcome is gv.Outcome.FAIL


def test_draws_without_replacement_are_dependent():
    def draw(logits, n):
        return torch.multinomial(torch.softmax(logits, -1).repeat(2) / 2, n) % len(logits)

    assert verdict(Sampler(draw, law="law.categorical")).outcome is gv.Outcome.FAIL


def test_numpy_draws_are_tested_in_sequence_and_named():
    def right(mu, std):
        return mu + std * torch.from_numpy(np.random.randn(*mu.shape))  # noqa: NPY002

    def wrong(mu, std):
        return mu + std * torch.from_numpy(np.random.rand(*mu.shape))  # noqa: NPY002

    found = verdict(Sampler(right, law="law.normal_diagonal", resolution=0.2))
    assert found.outcome is gv.Outcome.PASS, str(found)
    assert found.evidence.rung is gv.Rung.STATISTICAL
    assert any("NumPy" in note for note in found.evidence.notes)
    found = verdict(Sampler(wrong, law="law.normal_diagonal", resolution=0.2))
    assert found.outcome is gv.Outcome.FAIL
    assert found.evidence.observed > found.evidence.allowed  # and not the resolution, which is larger than the bias


def test_nothing_drawn_is_a_failure():
    assert "nothing was drawn" in verdict(Sampler(lambda mu, std: mu, law="law.normal_diagonal")).evidence.message


def test_modules_tuples_shapes_and_given_parameters():
    class Layer(nn.Module):
        def forward(self, mu, logvar):
            z = mu + torch.exp(0.5 * logvar) * torch.randn_like(mu)
            return z, mu

    subjects = [
        Sampler(Layer(), law="law.normal_diagonal", output=lambda result: result[0], pathwise=True),
        Sampler(lambda shape: torch.randn(shape), law="law.normal_diagonal", at={"mean": 0.0, "std": 1.0}),
        Sampler(lambda: torch.randn(3, 2), law="law.normal_diagonal", at={"mean": torch.zeros(3, 2), "std": 1.0}),
        Sampler(lambda m, s: m + s.exp() * torch.randn_like(m), law="law.normal_diagonal", arguments={"s": "log_std"}),
    ]
    for subject in subjects:
        report = gv.verify(subject, budget="quick")
        report.raise_for_failures()
        assert report.count(gv.Outcome.PASS) >= 3


def test_a_gradient_that_is_claimed_must_be_there():
    found = verdict(
        Sampler(lambda mu, std: torch.normal(mu, std).detach(), law="law.normal_diagonal", pathwise=True),
        "sampler.pathwise",
    )
    assert found.outcome is gv.Outcome.FAIL
    absent = verdict(Sampler(lambda mu, std: torch.normal(mu, std), law="law.normal_diagonal"), "sampler.pathwise")
    assert absent.outcome is gv.Outcome.NOT_APPLICABLE


@pytest.mark.parametrize(
    ("claims", "words"),
    [
        ({"law": "law.normal_diag"}, "did you mean 'law.normal_diagonal'"),
        ({"law": ""}, "without law="),
        ({"law": "law.normal_diagonal", "at": {"sigma": 1.0}}, "in at="),
        ({"law": "law.normal_diagonal", "layout": "columns"}, "layout 'columns'"),
    ],
)
def test_bad_requests_say_what_to_do(claims, words):
    with pytest.raises(gv.UsageError, match=words):
        gv.verify(Sampler(lambda mu, std: mu, **claims))
