"""Bias of estimators: exact where the draws can be integrated out, honest where they cannot."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

import genverify as gv
from genverify.statistics import Bounded
from genverify.subjects.estimator import GradientEstimator

DOUBLE = torch.float64


def verdict(subject, check="gradient_estimator.bias", **rest):
    (found,) = gv.verify(subject, checks=[check], **{"budget": "quick", **rest})
    return found


def through_tanh(theta, draws, factor=1.0):
    """The pathwise estimate of d/dθ E tanh(θ + ε₁ + …) by autograd; each draw adds to the noise."""
    leaf = theta.detach().requires_grad_()
    noise = torch.randn(draws, dtype=DOUBLE).sum() / draws
    torch.tanh(leaf + noise).sum().backward()
    return factor * leaf.grad


def exact_through_tanh(draws):
    """An independent value: a fine trapezoid rule against the normal density."""
    z = torch.linspace(-12, 12, 20_001, dtype=DOUBLE)
    spread = 1 / draws**0.5
    density = torch.exp(-0.5 * (z / spread) ** 2) / (spread * (2 * torch.pi) ** 0.5)
    return torch.trapezoid((1 - torch.tanh(0.4 + z) ** 2) * density, z).reshape(1)


@pytest.mark.parametrize("draws", [1, 2])
def test_a_bias_of_a_thousandth_is_refuted_within_a_thousand_evaluations(draws):
    at = (torch.tensor([0.4], dtype=DOUBLE),)
    exact = exact_through_tanh(draws)
    right = verdict(GradientEstimator(lambda t: through_tanh(t, draws), target=exact, at=at))
    wrong = verdict(GradientEstimator(lambda t: through_tanh(t, draws, 1.001), target=exact, at=at))
    assert right.outcome is gv.Outcome.PASS, str(right)
    assert right.evidence.rung is gv.Rung.EXACT
    assert wrong.outcome is gv.Outcome.FAIL
    assert wrong.evidence.figures["evaluations"] <= 1_000
    assert "1.001" in wrong.evidence.message


def test_what_quadrature_is_trusted_with_is_a_millionth_of_the_estimate():
    at = (torch.tensor([0.4], dtype=DOUBLE),)
    exact = exact_through_tanh(1)
    for factor, outcome in ((1 + 1e-5, gv.Outcome.FAIL), (1 + 2e-7, gv.Outcome.PASS)):
        subject = GradientEstimator(lambda t, factor=factor: through_tanh(t, 1, factor), target=exact, at=at)
        assert verdict(subject, budget="standard").outcome is outcome


def test_a_batch_mean_baseline_is_explained():
    def estimator(logits, reward, samples):
        r = reward(samples)
        score = torch.nn.functional.one_hot(samples, len(logits)).to(logits) - torch.softmax(logits, -1)
        return ((r - r.mean())[:, None] * score).mean(0)

    found = verdict(GradientEstimator(estimator, like="target.gradient_categorical"))
    assert found.outcome is gv.Outcome.FAIL
    assert "1 - 1/n" in found.evidence.message
    assert set(found.evidence.witness) == {"logits", "reward", "samples"}
    declared = GradientEstimator(estimator, like="target.gradient_categorical", scale=lambda n: 1 - 1 / n)
    assert verdict(declared).outcome is gv.Outcome.PASS
    assert verdict(GradientEstimator(estimator, like="target.gradient_categorical", unbiased=False)).outcome is (
        gv.Outcome.NOT_APPLICABLE
    )


def test_the_replay_token_of_a_failure_works():
    subject = GradientEstimator(lambda logits, f, samples: 0.0 * logits, like="target.gradient_categorical")
    found = verdict(subject)
    assert "no gradient at all" in found.evidence.message
    assert gv.replay(found.replay, subject).outcome is gv.Outcome.FAIL


def test_a_target_may_be_a_function_and_the_parameter_drawn():
    def estimator(theta):
        noise = torch.randn((), dtype=DOUBLE)
        return 2 * (theta + noise), theta - noise

    subject = GradientEstimator(estimator, target=lambda theta: (2 * theta, theta), at=(torch.Size([2]),))
    assert verdict(subject).outcome is gv.Outcome.PASS
    wrong = GradientEstimator(estimator, target=lambda theta: (2 * theta, -theta), at=(torch.Size([2]),))
    assert verdict(wrong).outcome is gv.Outcome.FAIL


def kinked(theta):
    """The slope of a ReLU at three draws: quadrature does not converge."""
    return (theta + torch.randn(3, dtype=DOUBLE) > 0).to(DOUBLE).mean(0, keepdim=True)


def test_kinks_fall_back_to_randomised_quasi_monte_carlo():
    at = (torch.tensor([0.3], dtype=DOUBLE),)
    wrong = verdict(GradientEstimator(lambda t: 1.2 * kinked(t), target=torch.special.ndtr, at=at))
    assert wrong.outcome is gv.Outcome.FAIL
    assert wrong.evidence.rung is gv.Rung.STATISTICAL
    assert wrong.evidence.assumption
    right = verdict(GradientEstimator(kinked, target=torch.special.ndtr, at=at, resolution=0.1))
    assert right.outcome is gv.Outcome.PASS
    sharp = verdict(GradientEstimator(kinked, target=torch.special.ndtr, at=at, resolution=1e-6))
    assert sharp.outcome is gv.Outcome.INCONCLUSIVE


def share(theta):
    """Forty draws by comparison: no integration, but every estimate lies in [0, 1]."""
    return (torch.rand(40, dtype=DOUBLE) < torch.sigmoid(theta)).to(DOUBLE).mean(0, keepdim=True)


def test_an_assumption_allows_a_sequential_test():
    at, assumed = (torch.tensor([0.3], dtype=DOUBLE),), Bounded(0.0, 1.0, origin="a share")
    claims = {"at": at, "assumption": assumed, "resolution": 0.05}
    right = verdict(GradientEstimator(share, target=torch.sigmoid, **claims))
    assert right.outcome is gv.Outcome.PASS, str(right)
    assert "a share" in right.evidence.assumption
    wrong = verdict(GradientEstimator(share, target=lambda t: torch.sigmoid(t) + 0.05, **claims))
    assert wrong.outcome is gv.Outcome.FAIL
    assert wrong.evidence.figures["alpha"] == 1e-6
    assert wrong.evidence.observed > wrong.evidence.allowed > 0
    assert right.evidence.observed <= right.evidence.allowed


def test_draws_that_cannot_be_controlled_are_named():
    subject = GradientEstimator(lambda t: t + np.random.randn(), target=lambda t: t, at=(torch.zeros(1),))  # noqa: NPY002
    found = verdict(subject)
    assert found.outcome is gv.Outcome.INCONCLUSIVE
    assert "NumPy" in found.evidence.message


def test_an_estimator_that_raises_fails_with_a_witness():
    def estimator(logits, f, samples):
        raise ValueError("no such action")

    for found in gv.verify(GradientEstimator(estimator, like="target.gradient_categorical"), budget="quick"):
        if found.outcome is not gv.Outcome.NOT_APPLICABLE:
            assert found.outcome is gv.Outcome.FAIL
            assert "no such action" in found.evidence.message
            assert found.evidence.witness


def test_a_wrong_shape_is_a_failure():
    found = verdict(GradientEstimator(lambda logits, f, samples: logits[:-1], like="target.gradient_categorical"))
    assert found.outcome is gv.Outcome.FAIL
    assert "where the target is" in found.evidence.message


def test_the_variance_is_held_against_another_estimator():
    def plain(mean, std, f, eps):
        return f(mean + std * eps).mean()

    def mirrored(mean, std, f, eps):
        return (f(mean + std * eps).mean() + f(mean - std * eps).mean()) / 2

    name = "gradient_estimator.variance"
    like = {"like": "target.gradient_normal", "wrt": ("mean", "std")}
    better = GradientEstimator(mirrored, lower_variance_than=plain, **like)
    worse = GradientEstimator(plain, lower_variance_than=mirrored, **like)
    assert verdict(better, name).outcome is gv.Outcome.PASS
    found = verdict(worse, name)
    assert found.outcome is gv.Outcome.FAIL
    assert found.evidence.observed > found.evidence.allowed


def test_the_variance_is_held_against_another_subject():
    """Which may have other parameter names, draw inside, and leave out what the first one says already."""

    def leave_one_out(logits, f, samples):
        reward, score = f(samples), torch.eye(len(logits))[samples] - torch.softmax(logits, -1)
        baseline = (reward.sum() - reward) / (len(reward) - 1)
        return ((reward - baseline).unsqueeze(-1) * score).mean(0)

    def surrogate(theta, reward, k):
        return (reward(k) * torch.log_softmax(theta, -1)[k]).mean()

    name, like = "gradient_estimator.variance", "target.gradient_categorical"
    plain = GradientEstimator(surrogate, like=like, arguments={"k": "samples"})
    away = GradientEstimator(lambda logits, f, samples: surrogate(logits, lambda k: f(k) + 100, samples))
    better = GradientEstimator(leave_one_out, like=like, lower_variance_than=away)
    assert verdict(better, name).outcome is gv.Outcome.PASS
    worse = GradientEstimator(lambda logits, f, samples: surrogate(logits, lambda k: f(k) + 100, samples), like=like,
                              lower_variance_than=plain)  # fmt: skip
    assert verdict(worse, name).outcome is gv.Outcome.FAIL
    fixed = GradientEstimator(lambda p: p + torch.randn(2), target=torch.ones(2), at=(torch.ones(2),))
    louder = GradientEstimator(lambda p: p + 2 * torch.randn(2), target=torch.ones(2), at=(torch.ones(2),))
    for one, other, outcome in ((fixed, louder, gv.Outcome.PASS), (louder, fixed, gv.Outcome.FAIL)):
        assert verdict(replace(one, lower_variance_than=other), name).outcome is outcome


def test_estimators_of_other_parameters_are_not_compared():
    def by_std(mean, std, f, eps):
        return f(mean + std * eps).mean()

    def by_logvar(mean, logvar, f, eps):
        return f(mean + (logvar / 2).exp() * eps).mean()

    like = "target.gradient_normal"
    for other in (GradientEstimator(by_logvar, like=like), GradientEstimator(by_std, like=like, wrt=("mean",))):
        with pytest.raises(gv.UsageError, match="in one parametrisation"):
            gv.verify(GradientEstimator(by_std, like=like, lower_variance_than=other))


def test_what_the_other_estimator_raises_is_not_held_against_the_subject():
    def broken(logits, f, samples):
        raise ValueError("no such action")

    def surrogate(logits, f, samples):
        return (f(samples) * torch.log_softmax(logits, -1)[samples]).mean()

    for other in (broken, GradientEstimator(broken)):
        subject = GradientEstimator(surrogate, like="target.gradient_categorical", lower_variance_than=other)
        found = verdict(subject, "gradient_estimator.variance")
        assert found.outcome is gv.Outcome.INCONCLUSIVE
        assert "compare with" in found.evidence.message
        assert "no such action" in found.evidence.message


@pytest.mark.parametrize(
    ("claims", "words"),
    [
        ({}, "neither target= nor like="),
        ({"like": "target.gradient_categorical", "lower_variance_than": 3.0}, "say variance_at_most="),
        ({"like": "target.gradient_categorical", "variance_at_most": -1.0}, "not negative"),
        (
            {
                "like": "target.gradient_categorical",
                "lower_variance_than": GradientEstimator(
                    lambda probs, f, samples: probs, like="target.gradient_bernoulli"
                ),
            },
            "an estimator of target.gradient_bernoulli given probs",
        ),
        ({"target": torch.zeros(1), "like": "target.mean"}, "both target= and like="),
        ({"like": "target.gradient_categorial"}, "did you mean 'target.gradient_categorical'"),
        ({"like": "target.gradient_categorical", "wrt": ("logit",)}, "did you mean 'logits'"),
    ],
)
def test_bad_requests_say_what_to_do(claims, words):
    with pytest.raises(gv.UsageError, match=words):
        gv.verify(GradientEstimator(lambda logits, f, samples: logits, **claims))
