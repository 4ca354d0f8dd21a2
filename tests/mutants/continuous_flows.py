"""Continuous flows and Hutchinson's trace of a Jacobian, with one bug each; and right ones in the styles of others."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from genverify.subjects.bijection import Bijection
from genverify.subjects.estimator import GradientEstimator
from tests.mutants.mutant import Mutant, Twin, declaring

MUTANTS: list[Mutant] = []
TWINS: list[Twin] = []
mutant, twin = declaring(MUTANTS, TWINS)
FLOW, TRACE = "flow.continuous", "trace.hutchinson"


def exact_trace(f, x, t):
    """Σ_i ∂f_i/∂x_i by products of rows."""
    pull = torch.func.vjp(lambda at: f(t, at), x)[1]
    one = torch.eye(x.shape[1], dtype=x.dtype)
    return sum(pull(row.expand_as(x))[0][:, i] for i, row in enumerate(one))


def euler(f, x, n, trace=exact_trace, scale=1.0):
    total = torch.zeros_like(x[:, 0])
    for k in range(n):
        t = torch.tensor(k / n, dtype=x.dtype)
        change = trace(f, x, t)
        x = x + f(t, x) / n
        total = total + scale * change / n
    return x, total


# The flow.


@mutant(FLOW)
def all_entries(func, x, n_steps):
    """The gradient of the sum of the field, summed: Σ_ij J_ij for the trace (classical)."""
    return euler(
        func, x, n_steps, lambda f, x, t: torch.func.vjp(lambda at: f(t, at), x)[1](torch.ones_like(x))[0].sum(1)
    )


@mutant(FLOW)
def averaged_over_features(func, x, n_steps):
    """mean(-1) of the diagonal."""
    return euler(func, x, n_steps, lambda f, x, t: exact_trace(f, x, t) / x.shape[1])


@mutant(FLOW)
def not_times_dt(func, x, n_steps):
    """The trace is added without the width of a step."""
    y, total = euler(func, x, n_steps)
    return y, total * (n_steps + 1)


@mutant(FLOW)
def trace_after_the_step(func, x, n_steps):
    """The sample is overwritten before its trace is taken."""
    total = torch.zeros_like(x[:, 0])
    for k in range(n_steps):
        t = torch.tensor(k / n_steps, dtype=x.dtype)
        x = x + func(t, x) / n_steps
        total = total + exact_trace(func, x, t) / n_steps
    return x, total


@mutant(FLOW)
def time_stands_still(func, x, n_steps):
    """The field is asked at t = 0 in every step."""
    return euler(lambda t, at: func(torch.zeros_like(t), at), x, n_steps)


@mutant(FLOW)
def one_step_too_few(func, x, n_steps):
    """range(n − 1) over linspace(0, 1, n): the last stretch is left out."""
    total = torch.zeros_like(x[:, 0])
    for k in range(n_steps - 1):
        t = torch.tensor(k / n_steps, dtype=x.dtype)
        change = exact_trace(func, x, t)
        x = x + func(t, x) / n_steps
        total = total + change / n_steps
    return x, total


@mutant(FLOW)
def runge_kutta_weights(func, x, n_steps):
    """(k₁ + k₂ + k₃ + k₄)/4 for (k₁ + 2 k₂ + 2 k₃ + k₄)/6."""

    def slope(t, state):
        at = state[:, :-1]
        t = torch.tensor(t, dtype=x.dtype)
        return torch.cat([func(t, at), exact_trace(func, at, t)[:, None]], 1)

    state, h = torch.cat([x, torch.zeros_like(x[:, :1])], 1), 1.0 / n_steps
    for k in range(n_steps):
        k1 = slope(k * h, state)
        k2 = slope((k + 0.5) * h, state + h / 2 * k1)
        k3 = slope((k + 0.5) * h, state + h / 2 * k2)
        k4 = slope((k + 1) * h, state + h * k3)
        state = state + h * (k1 + k2 + k3 + k4) / 4
    return state[:, :-1], state[:, -1]


@mutant(FLOW)
def summed_over_the_batch(func, x, n_steps):
    """One logabsdet for the batch."""
    y, total = euler(func, x, n_steps)
    return y, total.sum()


@mutant(FLOW)
def probe_of_unit_length(func, x, v, n_steps):
    """The probe is normalised, and estimates tr/d."""
    v = F.normalize(v, dim=1)
    return euler(func, x, n_steps, lambda f, x, t: (torch.func.vjp(lambda at: f(t, at), x)[1](v)[0] * v).sum(1))


@twin(FLOW)
def state_of_columns(f, z, n_steps):
    """Sample and logabsdet as columns of one state, the classical Runge–Kutta steps of both, times as numbers."""

    def slope(t, state):
        x = state[:, :-1]
        return torch.cat([f(t, x), exact_trace(f, x, t)[:, None]], 1)

    state, h = torch.cat([z, z.new_zeros(len(z), 1)], 1), 1 / n_steps
    for k in range(n_steps):
        t = k * h
        k1 = slope(t, state)
        k2 = slope(t + h / 2, state + h / 2 * k1)
        k3 = slope(t + h / 2, state + h / 2 * k2)
        k4 = slope(t + h, state + h * k3)
        state = state + h / 6 * (k1 + 2 * (k2 + k3) + k4)
    return state[:, :-1], state[:, -1]


@twin(FLOW)
def change_of_density(odefunc, x, n_steps):
    """−∫ tr dt, as FFJORD's odefunc has it, with a loop over outputs by autograd (rtqichen/ffjord)."""

    def divergence_bf(dx, y):
        total = 0.0
        for i in range(y.shape[1]):
            total = total + torch.autograd.grad(dx[:, i].sum(), y, create_graph=True)[0][:, i]
        return total

    logp = torch.zeros_like(x[:, :1])
    with torch.enable_grad():
        x = x if x.requires_grad else x.detach().requires_grad_(True)
        for k in range(n_steps):
            dx = odefunc(torch.tensor(k / n_steps, dtype=x.dtype), x)
            logp = logp - divergence_bf(dx, x)[:, None] / n_steps
            x = x + dx / n_steps
    return x, logp.squeeze(1)


@twin(FLOW)
def one_probe_kept(velocity, x, n_steps):
    """A Rademacher probe drawn once, midpoint steps."""
    e = torch.randint(0, 2, x.shape).to(x) * 2 - 1
    total, h = torch.zeros_like(x[:, 0]), 1 / n_steps
    for k in range(n_steps):
        middle = x + h / 2 * velocity(x, k * h)
        found, pull = torch.func.vjp(lambda at, t=(k + 0.5) * h: velocity(at, t), middle)
        total = total + h * (pull(e)[0] * e).sum(1)
        x = x + h * found
    return x, total


@twin(FLOW, accuracy=1e-2)
def adaptive(vector_field, x, tol=1e-6):
    """Heun's steps of a width that an estimate of the error chooses; its accuracy is stated."""
    t, h, total = 0.0, 0.05, torch.zeros_like(x[:, 0])
    while t < 1 - 1e-12:
        h = min(h, 1 - t)
        first = vector_field(x, t)
        guess = x + h * first
        second = vector_field(guess, t + h)
        error = float((h / 2 * (second - first)).abs().max())
        if error > tol**0.5:
            h = h / 2
            continue
        ends = [exact_trace(lambda t, at: vector_field(at, t), at, time) for at, time in ((x, t), (guess, t + h))]
        total = total + h / 2 * (ends[0] + ends[1])
        x, t = x + h / 2 * (first + second), t + h
        if error < tol**0.5 / 4:
            h = 2 * h
    return x, total


@twin(FLOW)
def backwards(f, x, n_steps, t0, t1):
    """Any ends, Euler."""
    h, total = (t1 - t0) / n_steps, torch.zeros_like(x[:, 0])
    for k in range(n_steps):
        t = t0 + k * h
        total = total + h * exact_trace(f, x, t)
        x = x + h * f(t, x)
    return x, total


# The trace.


def product(f, x, v):
    return torch.func.vjp(f, x)[1](v)[0]


@mutant(TRACE)
def normalised(f, x):
    """Directions drawn uniformly on the unit sphere."""
    v = F.normalize(torch.randn_like(x), dim=-1)
    return (product(f, x, v) * v).sum(-1)


@mutant(TRACE)
def mean_over_coordinates(f, x, v):
    """.mean(-1) for .sum(-1)."""
    return (product(f, x, v) * v).mean(-1)


@mutant(TRACE)
def probe_on_one_side(f, x, v):
    """vᵀJ, and its entries summed."""
    return product(f, x, v).sum(-1)


@mutant(TRACE)
def zeros_and_ones(f, x):
    """randint(0, 2) without · 2 − 1."""
    v = torch.randint(0, 2, x.shape).to(x)
    return (product(f, x, v) * v).sum(-1)


@mutant(TRACE)
def one_probe_for_the_batch(f, x):
    """A probe of one row for all rows: each estimate is right in the mean, and they are not independent."""
    v = torch.randn(1, x.shape[1], dtype=x.dtype).expand_as(x)
    return (product(f, x, v) * v).sum(-1)


@mutant(TRACE)
def sum_over_the_batch(f, x, v):
    """One number for the batch."""
    return (product(f, x, v) * v).sum()


@mutant(TRACE, killed_by="dialect")
def uniform_probe(f, x):
    """rand for randn: no mean zero, and another variance."""
    v = torch.rand_like(x)
    return (product(f, x, v) * v).sum(-1)


@twin(TRACE)
def divergence_approx(f, y, e):
    """As FFJORD has it: by autograd, the products reshaped."""
    with torch.enable_grad():
        y = y if y.requires_grad else y.detach().requires_grad_(True)
        e_dzdx = torch.autograd.grad(f(y), y, e, create_graph=True)[0]
    return (e_dzdx * e).reshape(y.shape[0], -1).sum(dim=1)


@twin(TRACE)
def of_a_score(x, t, score_fn):
    """The score SDE's divergence: a hidden draw of signs, the gradient of Σ s·ε."""
    eps = torch.randint_like(x, low=0, high=2).float().to(x) * 2 - 1.0
    with torch.enable_grad():
        x = x if x.requires_grad else x.detach().requires_grad_(True)
        value = torch.sum(score_fn(x, t) * eps)
        grad = torch.autograd.grad(value, x, create_graph=True)[0]
    return torch.sum(grad * eps, dim=tuple(range(1, x.dim())))


@twin(TRACE)
def on_the_sphere(f, x, v):
    """A probe of length √d."""
    v = v / v.norm(dim=-1, keepdim=True) * x.shape[-1] ** 0.5
    return (product(f, x, v) * v).sum(-1)


@twin(TRACE)
def of_a_matrix(matvec, v):
    """By the product with a matrix that is given: `calculus.hutchinson_trace`."""
    return (v * torch.stack([matvec(one) for one in v])).sum(-1).mean()


@twin(TRACE)
def mean_over_probes(f, x, n_samples):
    """Several probes in a loop, drawn inside."""
    total = 0.0
    for _ in range(n_samples):
        v = torch.randn_like(x)
        total = total + (product(f, x, v) * v).sum(-1)
    return total / n_samples


# Estimates by their mean.


def _uniform(f, x):
    """Uniform in [−1, 1]: E vvᵀ = I/3."""
    v = 2 * torch.rand_like(x) - 1
    return (product(f, x, v) * v).sum(-1)


def _scaled(f, x):
    """Uniform of variance one: right, and neither normal nor a sign."""
    v = 12**0.5 * (torch.rand_like(x) - 0.5)
    return (product(f, x, v) * v).sum(-1)


MUTANTS.append(
    Mutant(
        name="target.divergence: uniform", killed_by="gradient_estimator.bias",
        make=lambda: GradientEstimator(_uniform, like="target.divergence"),
    )
)  # fmt: skip
TWINS.append(
    Twin(
        name="target.divergence: uniform of variance one",
        make=lambda: GradientEstimator(_scaled, like="target.divergence"),
    )
)


# Whole flows.


class Flow(nn.Module):
    """Euler or Heun along tanh x and a quarter of the other coordinate, the exact trace beside."""

    def __init__(self, steps=16, sign=1.0, trapezoid=True):
        super().__init__()
        self.steps, self.sign, self.trapezoid = steps, sign, trapezoid

    def run(self, x, end):
        def slope(at):
            y = torch.tanh(at)
            return y + at.flip(-1) / 4, (1 - y**2).sum(-1)

        h, total = end / self.steps, torch.zeros_like(x[:, 0])
        for _ in range(self.steps):
            first, here = slope(x)
            if self.trapezoid:
                second, there = slope(x + h * first)
                first, here = (first + second) / 2, (here + there) / 2
            x, total = x + h * first, total + h * here
        return x, self.sign * total

    def forward(self, x):
        return self.run(x, 1.0)

    def inverse(self, y):
        return self.run(y, -1.0)


MUTANTS += [
    Mutant(
        name="accuracy not stated", killed_by="bijection.logabsdet", make=lambda: Bijection(Flow(), event_shape=2)
    ),
    Mutant(
        name="logabsdet of the wrong sign, accuracy stated", killed_by="bijection.logabsdet",
        make=lambda: Bijection(Flow(sign=-1.0), event_shape=2, accuracy=1e-2),
    ),
    Mutant(
        name="Euler, said to be as accurate as Heun", killed_by="bijection.round_trip_forward",
        make=lambda: Bijection(Flow(trapezoid=False), event_shape=2, accuracy=1e-2),
    ),
]  # fmt: skip
TWINS.append(Twin(name="Heun, accuracy stated", make=lambda: Bijection(Flow(), event_shape=2, accuracy=1e-2)))
