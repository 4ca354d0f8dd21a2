"""Residual blocks and their inverses, with one bug each; and right ones."""

from __future__ import annotations

import torch
from torch import nn

from genverify.subjects.bijection import Bijection
from genverify.subjects.map import Map
from tests.mutants.mutant import Mutant, Twin, declaring

MUTANTS: list[Mutant] = []
TWINS: list[Twin] = []
mutant, twin = declaring(MUTANTS, TWINS)
BLOCK, INVERSE = "flow.residual", "flow.residual_inverse"


def jacobians(g, x):
    return torch.func.vmap(torch.func.jacrev(g))(x)


def eye(x):
    return torch.eye(x.shape[-1], dtype=x.dtype)


# The block.


@mutant(BLOCK)
def identity_left_out(g, x):
    """log|det J| for log|det(I + J)|: of a map without its skip connection."""
    return x + g(x), torch.linalg.slogdet(jacobians(g, x)).logabsdet


@mutant(BLOCK)
def trace_for_logarithm(g, x):
    """The first term of the series."""
    return x + g(x), torch.einsum("bii->b", jacobians(g, x))


@mutant(BLOCK)
def determinant_of_the_difference(g, x):
    """log|det(I − J)| beside x + g(x): sign of the residual (met where x − g(x) is the forward pass)."""
    return x + g(x), torch.linalg.slogdet(eye(x) - jacobians(g, x)).logabsdet


@mutant(BLOCK)
def one_number_for_the_batch(g, x):
    """Summed over the batch."""
    return x + g(x), torch.linalg.slogdet(eye(x) + jacobians(g, x)).logabsdet.sum()


@mutant(BLOCK)
def logabsdet_of_the_inverse(g, x):
    """The sign of iResBlock, whose second result is added to log p and subtracted there: returned alone."""
    return x + g(x), -torch.linalg.slogdet(eye(x) + jacobians(g, x)).logabsdet


@mutant(BLOCK)
def residual_twice(g, x):
    """x + g(x + g(x)): the branch is applied to what has been updated in place."""
    return x + g(x + g(x)), torch.linalg.slogdet(eye(x) + jacobians(g, x)).logabsdet


@twin(BLOCK)
def by_columns(x, net):
    """A loop over outputs by autograd, and the two-by-two determinant where there are two (rtqichen/residual-flows)."""
    with torch.enable_grad():
        at = x if x.requires_grad else x.detach().requires_grad_(True)
        out = net(at)
        rows = [torch.autograd.grad(out[:, d].sum(), at, create_graph=True)[0] for d in range(x.shape[1])]
    jac = torch.stack(rows, 1)
    if x.shape[1] == 2:
        det = (jac[:, 0, 0] + 1) * (jac[:, 1, 1] + 1) - jac[:, 0, 1] * jac[:, 1, 0]
        return at + out, torch.log(det.abs())
    return at + out, torch.linalg.slogdet(jac + eye(x)).logabsdet


@twin(BLOCK)
def logarithms_of_eigenvalues(f, x):
    """Σ log(1 + λ) over complex eigenvalues; the image is not returned."""
    return torch.log(1 + torch.linalg.eigvals(jacobians(f, x))).sum(-1).real


@twin(BLOCK)
def block_of_images(x, model):
    """Samples of any shape."""

    def flat(row):
        return model(row.reshape(x.shape[1:])[None]).reshape(-1)

    jac = torch.func.vmap(torch.func.jacrev(flat))(x.flatten(1))
    return x + model(x), torch.logdet(torch.eye(jac.shape[-1], dtype=x.dtype) + jac)


# Its inverse.


@mutant(INVERSE)
def inverse_adds(g, y, n_iter):
    """y + g(x)."""
    x = y
    for _ in range(n_iter):
        x = y + g(x)
    return x


@mutant(INVERSE)
def inverse_forgets_y(g, y, n_iter):
    """x − g(x): y is overwritten."""
    for _ in range(n_iter):
        y = y - g(y)
    return y


@mutant(INVERSE)
def inverse_one_step_short(g, y, max_iter):
    """range(1, n)."""
    x = y
    for _ in range(1, max_iter):
        x = y - g(x)
    return x


@mutant(INVERSE)
def subtracted_once(g, y):
    """y − g(y), said to be the inverse: a residual network run backwards."""
    return y - g(y)


@mutant(INVERSE, killed_by="dialect")
def published_stopping_rule(net, y, atol=1e-5, rtol=1e-5):
    """A squared step against a tolerance: errors of its root (rtqichen/residual-flows, normflows)."""
    x, before, tolerance = y - net(y), y, atol + y.abs() * rtol
    while not torch.all((x - before) ** 2 / tolerance < 1):
        x, before = y - net(x), x
    return x


@twin(INVERSE, accuracy=2e-2)
def published_stopping_rule_stated(net, y, atol=1e-5, rtol=1e-5):
    """The same with its accuracy stated: L/(1 − L) = 4 times √(2e-5)."""
    return published_stopping_rule(net, y, atol, rtol)


@twin(INVERSE)
def inverse_to_rounding(f, y):
    """Newton's method until it stands still."""
    x = y
    for _ in range(40):
        x = x - torch.linalg.solve(eye(y) + jacobians(f, x), (x + f(x) - y)[..., None])[..., 0]
    return x


@twin(INVERSE)
def inverse_begun_at_zero(block, z, num_iters):
    """From zero."""
    x = torch.zeros_like(z)
    for _ in range(num_iters):
        x = z - block(x)
    return x


# Whole blocks.


class Block(nn.Module):
    """A block with tanh, its weights over their norms, times a coefficient; the inverse iterates so many times."""

    def __init__(self, coefficient=0.9, steps=400):
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(0)
            self.a, self.b = nn.Parameter(torch.randn(6, 2)), nn.Parameter(torch.randn(2, 6))
        self.coefficient, self.steps = coefficient, steps

    def branch(self, x):
        a, b = (w / torch.linalg.matrix_norm(w, 2) for w in (self.a, self.b))
        return self.coefficient * torch.tanh(x @ a.T) @ b.T

    def forward(self, x):
        return x + self.branch(x), torch.linalg.slogdet(eye(x) + jacobians(self.branch, x)).logabsdet

    def inverse(self, y):
        x = y
        for _ in range(self.steps):
            x = y - self.branch(x)
        return x, -self(x)[1]


class CutSeries(Block):
    """Five terms of the series, in full traces, as the logabsdet: a bias that is not said."""

    def forward(self, x):
        jac = jacobians(self.branch, x)
        total, power = torch.zeros_like(x[:, 0]), jac
        for k in range(1, 6):
            total = total + (-1) ** (k + 1) / k * torch.einsum("bii->b", power)
            power = power @ jac
        return x + self.branch(x), total


def _whole(name, make, killed_by=None):
    one = {"name": name, "make": make}
    if killed_by:
        MUTANTS.append(Mutant(**one, killed_by=killed_by))
    else:
        TWINS.append(Twin(**one))


class Branch(nn.Module):
    """The branch of a block as a network of its own."""

    def __init__(self, coefficient):
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(0)
            self.first, self.second = nn.Linear(2, 6), nn.Linear(6, 2)
        with torch.no_grad():
            for layer in (self.first, self.second):
                layer.weight.mul_(coefficient**0.5 / torch.linalg.matrix_norm(layer.weight, 2))

    def forward(self, x):
        return self.second(torch.tanh(self.first(x)))


_whole("too few iterations", lambda: Bijection(Block(steps=5), event_shape=2), "bijection.round_trip_forward")
_whole("the series cut and not said", lambda: Bijection(CutSeries(), event_shape=2), "bijection.logabsdet")
_whole("coefficient 8 claimed below one", lambda: Map(Branch(8.0), lipschitz=1.0, event_shape=2), "map.lipschitz")
_whole("coefficient 0.9, iterated to rounding", lambda: Bijection(Block(), event_shape=2))
_whole("five iterations, stated", lambda: Bijection(Block(0.5, steps=12), event_shape=2, accuracy=0.5**12 * 2))
_whole("the branch of coefficient 0.9", lambda: Map(Branch(0.9), lipschitz=0.95, event_shape=2))
