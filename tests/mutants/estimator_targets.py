"""Estimators of a mean under another law, a trace, a log-determinant and a series, with one named bug each."""

from __future__ import annotations

import torch

from genverify.subjects.estimator import GradientEstimator
from tests.mutants.mutant import Mutant, Twin


def weights_upside_down(f, p, q, n):
    """q/p for p/q (met in off-policy code)."""
    x = q.sample((n,))
    return (f(x) * (q.log_prob(x) - p.log_prob(x)).exp()).mean()


def self_normalised(f, log_w, x):
    """Divided by the sum of the weights and claimed unbiased: a bias of order 1/n (classical)."""
    w = torch.softmax(log_w, 0)
    return (w * f(x)).sum()


def log_weights_for_weights(fx, log_p, log_q):
    """The log-ratio itself weighs the values: exp is forgotten (classical)."""
    return (fx * (log_p - log_q)).mean()


def proposal_forgotten(f, log_target, log_q_fn, samples):
    """Weighed by p alone: right for a uniform proposal up to a factor (classical)."""
    return (f(samples) * log_target(samples).exp() + 0 * log_q_fn(samples)).mean()


def clipped_weights(fx, w):
    """Weights clipped at one, which is biased and often left unsaid (off-policy code, Ionides 2008)."""
    return (fx * w.clamp(max=1.0)).mean()


def uniform_probes(matvec, dim, n_samples):
    """Probes uniform in [-1, 1], of variance 1/3 and not 1 (met with rand for randn)."""
    v = 2 * torch.rand(n_samples, dim, dtype=torch.float64) - 1
    return (v * matvec(v)).sum(-1).mean()


def probes_summed(A, v):
    """The sum over probes where their mean belongs (classical)."""
    return torch.einsum("ni,ij,nj->", v, A, v)


def normalised_probes(A, n_samples):
    """Probes scaled to unit length: the trace divided by the dimension (classical)."""
    v = torch.randn(n_samples, len(A), dtype=A.dtype)
    v = v / v.norm(dim=-1, keepdim=True)
    return ((v @ A.T) * v).sum(-1).mean()


def binary_probes(matvec, dim, n_samples):
    """Probes of 0 and 1, of which the sign was forgotten: the sum of all entries enters (classical)."""
    v = torch.randint(0, 2, (n_samples, dim)).to(torch.float64)
    return (v * matvec(v)).sum(-1).mean()


def series_sign(matvec, v, n_terms):
    """All terms with a plus: -log det(I - J) (met in residual-flow code with g for -g)."""
    w, total = v, 0.0
    for k in range(1, n_terms + 1):
        w = matvec(w)
        total = total + (w * v).sum(-1).mean() / k
    return total


def series_without_division(J, v, n_terms):
    """The factor 1/k of the logarithm forgotten: tr of J (I + J)⁻¹ (the Neumann series of the gradient)."""
    w, total = v, 0.0
    for k in range(n_terms):
        w = w @ J.T
        total = total + (-1) ** k * (w * v).sum(-1).mean()
    return total


def series_one_short(J, v, n_terms):
    """range(1, n) for range(1, n + 1): one term less than it says (classical)."""
    w, total = v, torch.zeros((), dtype=v.dtype)
    for k in range(1, n_terms):
        w = w @ J.T
        total = total + (-1) ** (k + 1) * (w * v).sum(-1).mean() / k
    return total


def truncated_and_called_unbiased(J, n_samples):
    """Four terms of the series, claimed to be the log-determinant (i-ResNet's estimate without its bias said)."""
    v = 2 * torch.bernoulli(torch.full((n_samples, len(J)), 0.5, dtype=J.dtype)) - 1
    w, total = v, 0.0
    for k in range(1, 5):
        w = w @ J.T
        total = total + (-1) ** (k + 1) * (w * v).sum(-1).mean() / k
    return total


def roulette_unweighted(a, reached, N):
    """The partial sum up to N, no term weighed: biased low (classical)."""
    return (a.cumsum(0)[N] + 0 * reached[N]).mean()


def roulette_by_probability_of_stopping(a, pmf, N):
    """Each term over P(N = k) for P(N ≥ k) (classical)."""
    return (a / pmf).cumsum(0)[N].mean()


def roulette_shifted(a, reached, N):
    """Each term over P(N > k) of the index before: off by one (classical in geometric conventions)."""
    shifted = torch.cat([reached[:1], reached[:-1]])
    return (a / shifted).cumsum(0)[N].mean()


def by_objects(num_samples, target, proposal, eval_func):
    """Distribution objects, weights in log space with the maximum taken out."""
    x = proposal.sample((num_samples,))
    log_w = target.log_prob(x) - proposal.log_prob(x)
    top = log_w.max()
    return (eval_func(x) * (log_w - top).exp()).mean() * top.exp()


def by_arrays(fx, w):
    """A dot product of numbers that are given."""
    return torch.dot(fx, w) / len(w)


def antithetic_probes(matvec, d):
    """A normal probe and its opposite, one vector at a time, accumulated in place."""
    v = torch.empty(d, dtype=torch.float64).normal_()
    total = torch.zeros((), dtype=torch.float64)
    for one in (v, -v):
        total += one @ matvec(one)
    return total / 2


def sphere_probes(A, n_samples):
    """Probes on the sphere of radius √d, whose second moment is the identity, too."""
    v = torch.randn(n_samples, len(A), dtype=A.dtype)
    v = v / v.norm(dim=-1, keepdim=True) * len(A) ** 0.5
    return ((v @ A.T) * v).sum(-1).mean()


def columns(A, v):
    """Probes as columns."""
    return (v.T * (A @ v.T)).sum() / v.shape[0]


def vjp_series(vjp, dim, n_power_series):
    """Row products, one probe, alternating by multiplication, float arithmetic in Python for the coefficients."""
    u = 2.0 * torch.randint(0, 2, (1, dim)).double() - 1.0
    w, sign, total = u, 1.0, u.new_zeros(())
    for k in range(n_power_series):
        w = vjp(w)
        total = total + sign / (k + 1) * (w * u).sum()
        sign = -sign
    return total


def roulette_backwards(term, tail, N):
    """The terms as a function, summed one after the other."""
    found = []
    for last in N.tolist():
        found.append(sum(term(torch.tensor(k)) / tail[k] for k in range(last + 1)))
    return torch.stack(found).mean()


_BIAS = "gradient_estimator.bias"


def _of(f, like, **claims):
    return lambda: GradientEstimator(f, like=like, **claims)


_WRONG = {
    "target.mean_under_target": (
        weights_upside_down, self_normalised, log_weights_for_weights, proposal_forgotten, clipped_weights,
    ),
    "target.trace": (uniform_probes, probes_summed, normalised_probes, binary_probes),
    "target.logabsdet": (series_sign, series_without_division, series_one_short, truncated_and_called_unbiased),
    "target.series_sum": (roulette_unweighted, roulette_by_probability_of_stopping, roulette_shifted),
}  # fmt: skip
_RIGHT = {
    "target.mean_under_target": (by_objects, by_arrays),
    "target.trace": (antithetic_probes, columns, sphere_probes),
    "target.logabsdet": (vjp_series,),
    "target.series_sum": (roulette_backwards,),
}

MUTANTS = [Mutant(name=f.__name__, make=_of(f, like), killed_by=_BIAS) for like, wrong in _WRONG.items() for f in wrong]
TWINS = [Twin(name=f.__name__, make=_of(f, like)) for like, right in _RIGHT.items() for f in right]
