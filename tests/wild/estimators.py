"""Estimators as people wrote them, wrong and right, each declared as a stranger would."""

from __future__ import annotations

import torch

from genverify.subjects.estimator import GradientEstimator
from genverify.subjects.formula import Formula
from tests.wild.pair import Pair


def _score(logits, b):
    """d log p(b)/d logits, (n, K)."""
    return torch.nn.functional.one_hot(b, logits.shape[-1]).to(logits) - torch.softmax(logits, -1)


def reinforce_loo(logits, f, samples):
    """Leave-one-out baseline: b_i = mean of the OTHER rewards; unbiased."""
    r, n = f(samples), len(samples)
    adv = r - (r.sum() - r) / (n - 1)
    return (adv[:, None] * _score(logits, samples)).mean(0)


def reinforce_batch_mean(logits, f, samples):
    """WRONG (biased): the baseline is the batch mean, own reward included.

    Source: jsboige/CoursIA#15256 (retracted claim of an unbiased baseline); redai-studio/Relax#174.
    Symptom: the expectation is exactly (1 - 1/n) times the gradient: 50 % at n = 2, 1 % at n = 100; the
    direction is right, so training hides it.
    """
    r = f(samples)
    return ((r - r.mean())[:, None] * _score(logits, samples)).mean(0)


def policy_loss(log_probs, returns):
    """- sum_t log pi(a_t) G_t."""
    return -(log_probs * returns).sum()


def policy_loss_mean_logprob(log_probs, returns):
    """WRONG: the mean log-probability times the sum of returns.

    Source: Farama-Foundation/Gymnasium#1336.  Symptom: credit assignment is lost; hides for T = 1 and for
    constant log-probabilities or constant returns (up to scale).
    """
    return -(log_probs.mean() * returns).sum()


def control_variate(fx, cx, mean_c, coef):
    """mean(f - coef (c - E c))."""
    return (fx - coef * (cx - mean_c)).mean(0)


def control_variate_mean_lost(fx, cx, mean_c, coef):
    """WRONG: E c is not added back.

    Source: classical.  Symptom: biased by -coef E c; hides when E c = 0 or coef = 0; the variance IS
    reduced, so a variance plot looks fine.
    """
    return (fx - coef * cx).mean(0)


def hard_sample(y_soft):
    """One-hot forward, soft gradient backward."""
    y = torch.nn.functional.one_hot(y_soft.argmax(-1), y_soft.shape[-1]).to(y_soft)
    return (y - y_soft).detach() + y_soft


def hard_sample_not_detached(y_soft):
    """WRONG GRADIENT: y_hard - y_soft + y_soft without detach.

    Source: classical (y_hard - y_soft.detach() + y_soft, questioned in pytorch#48574 and #68941, is
    right).  Symptom: value exact, gradient exactly zero.
    """
    y = torch.nn.functional.one_hot(y_soft.argmax(-1), y_soft.shape[-1]).to(y_soft)
    return y - y_soft + y_soft


def _pair(name, declare, wrong, right, like):
    return Pair(name=name, wrong=lambda: declare(wrong, like=like), right=lambda: declare(right, like=like))


PAIRS = [
    _pair("est_batch_mean", GradientEstimator, reinforce_batch_mean, reinforce_loo, "target.gradient_categorical"),
    _pair("est_mean_logprob", Formula, policy_loss_mean_logprob, policy_loss, "policy.gradient_loss"),
    _pair("est_cv_mean_lost", Formula, control_variate_mean_lost, control_variate, "control_variate.estimate"),
    _pair(
        "est_cv_mean_lost_in_expectation", GradientEstimator, control_variate_mean_lost, control_variate, "target.mean"
    ),
    _pair("est_hard_not_detached", Formula, hard_sample_not_detached, hard_sample, "gumbel.straight_through_one_hot"),
]
