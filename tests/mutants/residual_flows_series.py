"""The logabsdet of a residual block by its series, cut or stopped at random, with one bug each; and right ones."""

from __future__ import annotations

import torch
from torch import nn

from genverify.subjects.estimator import GradientEstimator
from tests.mutants.mutant import Mutant, Twin, declaring
from tests.mutants.residual_flows import jacobians

MUTANTS: list[Mutant] = []
TWINS: list[Twin] = []
mutant, twin = declaring(MUTANTS, TWINS)
SERIES, ROULETTE = "flow.residual_logabsdet_series", "flow.residual_logabsdet_roulette"


def series(g, x, v, n, term):
    row, total = v, torch.zeros_like(x[:, 0])
    pull = torch.func.vjp(g, x)[1]
    for k in range(1, n + 1):
        (row,) = pull(row)
        total = total + term(k) * (row * v).sum(-1)
    return total


@mutant(SERIES)
def all_with_a_plus(g, x, v, n_terms):
    """Σ tr J^k/k = −log det(I − J)."""
    return series(g, x, v, n_terms, lambda k: 1 / k)


@mutant(SERIES)
def sign_begins_with_a_minus(g, x, v, n_terms):
    """(−1)^k for (−1)^{k+1}."""
    return series(g, x, v, n_terms, lambda k: (-1) ** k / k)


@mutant(SERIES)
def neumann_for_the_logarithm(g, x, vareps, n_power_series):
    """The estimator of the gradient, its value taken for the logabsdet (residual-flows' neumann_logdet_estimator)."""
    return series(g, x, vareps, n_power_series, lambda k: (-1.0) ** (k + 1))


@mutant(SERIES)
def one_term_short(g, x, v, n_terms):
    """range(1, n) for range(1, n + 1)."""
    return series(g, x, v, n_terms - 1, lambda k: (-1) ** (k + 1) / k)


@mutant(SERIES)
def probe_moved_on(g, x, v, n):
    """The product's left side is overwritten, too: vᵀJ^k times vᵀJ^{k−1}."""
    pull, total = torch.func.vjp(g, x)[1], torch.zeros_like(x[:, 0])
    for k in range(1, n + 1):
        (row,) = pull(v)
        total = total + (-1) ** (k + 1) / k * (row * v).sum(-1)
        v = row
    return total


@mutant(SERIES)
def unit_probes(g, x, n):
    """A direction for a probe: every trace is divided by the dimension."""
    v = nn.functional.normalize(torch.randn_like(x), dim=-1)
    return series(g, x, v, n, lambda k: (-1) ** (k + 1) / k)


@mutant(SERIES)
def traces_of_elementwise_powers(g, x, k):
    """jac ** k for the matrix power."""
    jac = jacobians(g, x)
    return sum((-1) ** (j + 1) / j * torch.einsum("bii->b", jac**j) for j in range(1, k + 1))


@mutant(SERIES)
def probes_summed(g, x, v, n_terms):
    """The sum over probes [n, batch, event] for their mean."""
    return sum(series(g, x, one, n_terms, lambda k: (-1) ** (k + 1) / k) for one in v)


@twin(SERIES)
def basic_estimator(x, nnet, n_power_series):
    """Probes drawn inside by randn_like, autograd as it was in 2019 (rtqichen/residual-flows)."""
    vareps = torch.randn_like(x)
    with torch.enable_grad():
        x = x if x.requires_grad else x.detach().requires_grad_(True)
        g = nnet(x)
        vjp, total = vareps, torch.zeros((), dtype=x.dtype)
        for k in range(1, n_power_series + 1):
            vjp = torch.autograd.grad(g, x, vjp, create_graph=True, retain_graph=True)[0]
            tr = torch.sum(vjp.reshape(x.shape[0], -1) * vareps.reshape(x.shape[0], -1), 1)
            total = total + (-1) ** (k + 1) / k * tr
    return total


@twin(SERIES)
def exact_traces(x, net, n_trace_terms):
    """Products of the whole Jacobian by bmm, the sign by a branch (jhjacobsen/invertible-resnet)."""
    jac = jacobians(net, x)
    power, total = jac, torch.zeros_like(x[:, 0])
    for j in range(1, n_trace_terms + 1):
        trace = power.diagonal(dim1=1, dim2=2).sum(1)
        if (j + 1) % 2 == 0:
            total = total + trace / j
        else:
            total = total - trace / j
        power = torch.bmm(power, jac)
    return total


@twin(SERIES)
def signs_by_randint(F, x, n):
    """Signs made of integers, products of the Jacobian with columns (forward mode): vᵀJᵏv all the same."""
    v = torch.randint(0, 2, x.shape).to(x) * 2 - 1
    jac, column, total = jacobians(F, x), v, torch.zeros_like(x[:, 0])
    for k in range(1, n + 1):
        column = torch.einsum("bij,bj->bi", jac, column)
        total = total - (-1) ** k * torch.einsum("bi,bi->b", v, column) / k
    return total


@twin(SERIES)
def several_probes(g, x, v, n_terms):
    """The mean over probes [n, batch, event]."""
    return torch.stack([series(g, x, one, n_terms, lambda k: (-1) ** (k + 1) / k) for one in v]).mean(0)


# Roulette.


def stopped(g, x, v, n, weight):
    return series(g, x, v, n, lambda k: (-1) ** (k + 1) / k * weight(k))


@mutant(ROULETTE)
def unweighted(g, x, v, n, p):
    """No weights: the series is cut at random."""
    return stopped(g, x, v, n, lambda k: 1.0)


@mutant(ROULETTE)
def by_the_mass(g, x, v, n, p):
    """1/P(N = k)."""
    return stopped(g, x, v, n, lambda k: 1 / ((1 - p) ** (k - 1) * p))


@mutant(ROULETTE)
def multiplied(g, x, v, n, p):
    """P(N ≥ k) where its inverse belongs."""
    return stopped(g, x, v, n, lambda k: (1 - p) ** (k - 1))


@mutant(ROULETTE)
def stop_for_go(g, x, v, n, p):
    """p for 1 − p."""
    return stopped(g, x, v, n, lambda k: p ** -(k - 1))


@mutant(ROULETTE)
def last_term_missing(g, x, v, n, p):
    """The loop ends at n − 1."""
    return stopped(g, x, v, n - 1, lambda k: (1 - p) ** -(k - 1))


@mutant(ROULETTE)
def offset_forgotten(g, x, v, n, p, n_exact):
    """The exact terms are there, and what follows is weighed as if they were not."""
    return stopped(g, x, v, n + n_exact, lambda k: (1 - p) ** -(k - 1))


@twin(ROULETTE)
def residual_flows_style(nnet, x, vareps, n, geom_p, n_exact_terms):
    """Coefficients by a function of the index (rtqichen/residual-flows)."""

    def coefficient(k):
        if k <= n_exact_terms:
            return 1.0
        return 1 / (1 - geom_p) ** max(k - n_exact_terms - 1, 0)

    return stopped(nnet, x, vareps, n + n_exact_terms, coefficient)


@twin(ROULETTE)
def failures_counted(g, x, n, p):
    """N from zero on, as torch.distributions.Geometric counts: P(N ≥ k) = (1 − p)^k; the probe drawn inside."""
    return stopped(g, x, torch.randn_like(x), n, lambda k: (1 - p) ** -k)


@twin(ROULETTE)
def poisson_stops(g, x, v, n, lamb):
    """1/P(N ≥ k) of a Poisson number by a sum over what is below."""

    def weight(k):
        below = sum(lamb**j / torch.lgamma(torch.tensor(j + 1.0, dtype=torch.float64)).exp() for j in range(k))
        return 1 / (1 - torch.exp(torch.tensor(-lamb, dtype=torch.float64)) * below)

    return stopped(g, x, v, n, lambda k: float(weight(k)))


@twin(ROULETTE)
def roulette_of_exact_traces(g, x, N, q):
    """Whole traces."""
    jac = jacobians(g, x)
    power, total = jac, torch.zeros_like(x[:, 0])
    for k in range(1, N + 1):
        total = total + (-1) ** (k + 1) / k * torch.einsum("bii->b", power) / (1 - q) ** (k - 1)
        power = power @ jac
    return total


# Estimates with their own draws.


def _estimator(f, killed=True):
    def make():
        return GradientEstimator(f, like="target.residual_logabsdet")

    if killed:
        MUTANTS.append(Mutant(name=f.__name__, make=make, killed_by="gradient_estimator.bias"))
    else:
        TWINS.append(Twin(name=f.__name__, make=make))
    return f


def _drawn(g, x, law, weight):
    probe = 2.0 * torch.bernoulli(torch.full_like(x, 0.5)) - 1.0
    return stopped(g, x, probe, int(torch.empty((), dtype=torch.float64).geometric_(law)), weight)


@_estimator
def geometric_off_by_one(g, x):
    """torch's geometric counts from one, the weights from zero: (1 − p)^k."""
    return _drawn(g, x, 0.5, lambda k: 0.5**-k)


@_estimator
def drawn_and_not_weighed(g, x):
    """A random number of terms as they are."""
    return _drawn(g, x, 0.5, lambda k: 1.0)
