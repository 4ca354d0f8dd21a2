"""Gradient estimators with one named bug each, and unusual ones that are right.

Estimators of the gradient of E f(k), k ~ softmax(logits), of E f(z), z ~ N(mean, std²), and control variates.
"""

from __future__ import annotations

import torch

from genverify.subjects.estimator import GradientEstimator
from tests.mutants.mutant import Mutant, Twin


def _score(logits, samples):
    return torch.nn.functional.one_hot(samples, logits.shape[-1]).to(logits) - torch.softmax(logits, -1)


def own_sample_baseline(logits, f, samples):
    """The baseline is the mean of all rewards, own one included (redai-studio/Relax#174, jsboige/CoursIA#15256)."""
    r = f(samples)
    return ((r - r.mean())[:, None] * _score(logits, samples)).mean(0)


def missing_score(logits, f, samples):
    """The reward is averaged with the one-hot actions instead of the score: softmax is not subtracted (classical)."""
    one_hot = torch.nn.functional.one_hot(samples, logits.shape[-1]).to(logits)
    return (f(samples)[:, None] * one_hot).mean(0)


def surrogate_without_log_prob(logits, f, n):
    """The mean reward is differentiated as if samples carried a gradient: it is zero (classical in policy code)."""
    distribution = torch.distributions.Categorical(logits=logits)
    return f(distribution.sample((n,))).mean() + 0.0 * logits.sum()


def sum_for_mean(logits, f, samples):
    """A sum over the samples where the mean belongs: the step size grows with the batch (classical)."""
    return (f(samples)[:, None] * _score(logits, samples)).sum(0)


def temperature_ignored(logits, f, samples):
    """Samples are drawn at temperature 1, the score is taken at temperature 1/2 (classical in relaxations)."""
    return (f(samples)[:, None] * _score(2 * logits, samples)).mean(0)


def normalised_advantage(logits, f, samples):
    """Advantages divided by their own spread: common in PPO code, and no longer the gradient of E f (n = 1: NaN)."""
    r = f(samples)
    return (((r - r.mean()) / (r.std() + 1e-8))[:, None] * _score(logits, samples)).mean(0)


def score_of_std_as_mean(mean, std, f, z):
    """The score of the standard deviation where that of the mean belongs, and the other way round (classical)."""
    r = f(z).reshape(-1, *[1] * mean.dim())
    in_mean, in_std = (z - mean) / std**2, ((z - mean) ** 2 - std**2) / std**3
    return (r * in_std).mean(0), (r * in_mean).mean(0)


def std_score_incomplete(mean, std, f, z):
    """The score in σ without its -1/σ: the derivative of the normaliser is forgotten (classical)."""
    r = f(z).reshape(-1, *[1] * mean.dim())
    return (r * (z - mean) / std**2).mean(0), (r * (z - mean) ** 2 / std**3).mean(0)


def detached_noise_product(mean, logvar, f):
    """The product of scale and noise is detached: no gradient reaches the variance (met in VAE code)."""
    mean, logvar = mean.detach().requires_grad_(), logvar.detach().requires_grad_()
    noise = torch.randn(2, *mean.shape, dtype=mean.dtype)
    f(mean + (torch.exp(0.5 * logvar) * noise).detach() + 0.0 * logvar).mean().backward()
    return mean.grad, logvar.grad


def log_variance_as_log_std(mean, logvar, f, eps):
    """exp(logvar) for exp(logvar / 2): the noise is scaled by the variance (keras-team/keras and many VAEs)."""
    return f(mean + torch.exp(logvar) * eps).mean()


def counted_twice(mean, std, f, eps):
    """A reparameterised sample that also gets a score-function term: the same gradient twice (classical)."""
    z = mean + std * eps
    log_prob = torch.distributions.Normal(mean, std).log_prob(z.detach())
    log_prob = log_prob.sum(-1) if log_prob.dim() > 1 else log_prob
    return (f(z) + f(z.detach()) * log_prob).mean()


def mean_not_added_back(fx, cx, mean_c, coef):
    """The mean of the control is not added back: biased by -a E c, while the variance does fall (classical)."""
    return (fx - coef * cx).mean(0)


def coefficient_from_the_same_samples(fx, cx, mean_c):
    """The coefficient is regressed on the samples that it is applied to: a bias of order 1/n (classical)."""
    deviation = cx - cx.mean()
    a = (fx * deviation).sum() / (deviation**2).sum().clamp_min(1e-12)
    return (fx - a * (cx - mean_c)).mean()


def reinforce(logits, f, samples):
    """Right, and claimed to have lower variance than with the leave-one-out baseline: false here."""
    return (f(samples)[:, None] * _score(logits, samples)).mean(0)


def leave_one_out(logits, f, samples):
    """The baseline is the mean of the other rewards."""
    r = f(samples)
    return ((r - (r.sum() - r) / (len(r) - 1))[:, None] * _score(logits, samples)).mean(0)


def log_of_the_reward(logits, f, samples):
    """log f for f, of rewards that may be negative: NaN."""
    return (torch.log(f(samples))[:, None] * _score(logits, samples)).mean(0)


def centres_in_place(logits, f, samples):
    """Centres the caller's logits in place, so that the next call starts elsewhere."""
    with torch.no_grad():
        logits -= logits.mean()
    return reinforce(logits.detach(), f, samples)


def by_autograd(logits, f, samples):
    """The surrogate differentiated inside, by the distribution's own log-probability."""
    logits = logits.detach().requires_grad_()
    loss = (torch.distributions.Categorical(logits=logits).log_prob(samples) * f(samples)).mean()
    return torch.autograd.grad(loss, logits)[0]


def loss_to_minimise(logits, f, n):
    """The negated surrogate, drawing inside."""
    distribution = torch.distributions.Categorical(logits=logits)
    action = distribution.sample((n,))
    return -(distribution.log_prob(action) * f(action)).mean()


def gradient_left_in_place(mean, std, f, eps):
    """Returns nothing and leaves the gradient in .grad, as training code does."""
    f(mean + std * eps).mean().backward()


def antithetic(mean, std, f):
    """A pair of opposite draws: dependent samples, each with the right law."""
    mean, std = mean.detach().requires_grad_(), std.detach().requires_grad_()
    noise = torch.randn_like(mean)
    loss = (f((mean + std * noise).unsqueeze(0)) + f((mean - std * noise).unsqueeze(0))).mean() / 2
    return torch.autograd.grad(loss, (mean, std))


def per_sample(logits, f, samples):
    """One estimate for each sample, to be averaged by the caller."""
    return f(samples)[:, None] * _score(logits, samples)


_CATEGORICAL, _NORMAL, _BIAS = "target.gradient_categorical", "target.gradient_normal", "gradient_estimator.bias"


def _of(f, like, **claims):
    return lambda: GradientEstimator(f, like=like, **claims)


MUTANTS = [
    *(
        Mutant(name=f.__name__, make=_of(f, _CATEGORICAL), killed_by=_BIAS)
        for f in (
            own_sample_baseline, missing_score, surrogate_without_log_prob, sum_for_mean, temperature_ignored,
            normalised_advantage,
        )
    ),
    *(
        Mutant(name=f.__name__, make=_of(f, _NORMAL), killed_by=_BIAS)
        for f in (
            score_of_std_as_mean, std_score_incomplete, detached_noise_product, log_variance_as_log_std, counted_twice,
        )
    ),
    Mutant(name="mean_not_added_back", make=_of(mean_not_added_back, "target.mean"), killed_by=_BIAS),
    Mutant(
        name="coefficient_from_the_same_samples", make=_of(coefficient_from_the_same_samples, "target.mean"),
        killed_by=_BIAS,
    ),
    Mutant(
        name="variance_claim_reversed", make=_of(reinforce, _CATEGORICAL, variance_at_most=1e-3),
        killed_by="gradient_estimator.variance",
    ),
    Mutant(name="log_of_the_reward", make=_of(log_of_the_reward, _CATEGORICAL), killed_by="gradient_estimator.finite"),
    Mutant(
        name="centres_in_place", make=_of(centres_in_place, _CATEGORICAL),
        killed_by="gradient_estimator.inputs_untouched",
    ),
]  # fmt: skip

TWINS = [
    Twin(name="leave_one_out", make=_of(leave_one_out, _CATEGORICAL)),
    Twin(name="by_autograd", make=_of(by_autograd, _CATEGORICAL)),
    Twin(name="loss_to_minimise", make=_of(loss_to_minimise, _CATEGORICAL, scale=-1.0)),
    Twin(name="per_sample", make=_of(per_sample, _CATEGORICAL)),
    Twin(name="gradient_left_in_place", make=_of(gradient_left_in_place, _NORMAL)),
    Twin(name="antithetic", make=_of(antithetic, _NORMAL)),
    Twin(name="batch_mean_declared", make=_of(own_sample_baseline, _CATEGORICAL, scale=lambda n: 1 - 1 / n)),
]
