"""Unrolled steps of a generator with one bug each, and right ones in other styles."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.func import functional_call

from genverify.subjects.training_step import TrainingStep
from tests.mutants.mutant import Mutant, Twin
from tests.mutants.training_step_twins import d_loss, g_loss

UNROLLED = "gan.unrolled_step"


def down(D, theta, real, fake, lr, graph=True):
    """One step of D's own loss."""
    at = list(theta.values())
    loss = d_loss(functional_call(D, theta, (real,)), functional_call(D, theta, (fake,)))
    slopes = torch.autograd.grad(loss, at, create_graph=graph)
    return {name: p - lr * slope for (name, p), slope in zip(theta.items(), slopes, strict=True)}


def finish(loss, opt_G):
    opt_G.zero_grad()
    loss.backward()
    opt_G.step()


def without_create_graph(G, D, real, z, opt_G, unroll_steps=3, lr=0.2):
    """create_graph=False: the iterates are right, and constants."""
    fake, theta = G(z), dict(D.named_parameters())
    for _ in range(unroll_steps):
        theta = down(D, theta, real, fake, lr, graph=False)
    finish(g_loss(functional_call(D, theta, (fake,))), opt_G)


def inner_samples_detached(G, D, real, z, opt_G, unroll_steps=3, lr=0.2):
    """D's steps see detached samples: G's part in them is lost; andrewliao11/unrolled-gans#1."""
    fake, theta = G(z), dict(D.named_parameters())
    for _ in range(unroll_steps):
        theta = down(D, theta, real, fake.detach(), lr)
    finish(g_loss(functional_call(D, theta, (fake,))), opt_G)


def by_an_optimizer(G, D, real, z, opt_G, opt_D, unrolled_steps=3):
    """optimizer.step() writes numbers: andrewliao11/unrolled-gans#2, "is this truly unrolled GAN?"."""
    backup = copy.deepcopy(D.state_dict())
    for _ in range(unrolled_steps):
        opt_D.zero_grad()
        d_loss(D(real), D(G(z))).backward(create_graph=True)
        opt_D.step()
    finish(g_loss(D(G(z))), opt_G)
    D.load_state_dict(backup)


def on_a_copy_by_adam(G, D, real, z, opt_G, k=2):
    """The same on a copy of D, with another optimizer."""
    ahead = copy.deepcopy(D)
    optimizer = torch.optim.Adam(ahead.parameters(), lr=0.05)
    for _ in range(k):
        optimizer.zero_grad()
        d_loss(ahead(real), ahead(G(z))).backward()
        optimizer.step()
    finish(g_loss(ahead(G(z))), opt_G)


def not_put_back(G, D, real, z, opt_G, opt_D, unrolled_steps=2):
    """D stays where its K steps have led it."""
    for _ in range(unrolled_steps):
        opt_D.zero_grad()
        d_loss(D(real), D(G(z))).backward()
        opt_D.step()
    finish(g_loss(D(G(z))), opt_G)


def put_back_in_part(G, D, real, z, opt_G, opt_D, unrolled_steps=2):
    """`state_dict()` without a copy holds the moving tensors; only the first was cloned."""
    backup = D.state_dict()
    first = next(iter(backup))
    backup[first] = backup[first].clone()
    not_put_back(G, D, real, z, opt_G, opt_D, unrolled_steps)
    D.load_state_dict(backup)


def one_step_too_many(G, D, real, z, opt_G, unroll_steps=3, lr=0.2):
    """K + 1 steps: range(1, K + 2)."""
    fake, theta = G(z), dict(D.named_parameters())
    for _ in range(1, unroll_steps + 2):
        theta = down(D, theta, real, fake, lr)
    finish(g_loss(functional_call(D, theta, (fake,))), opt_G)


def one_step_too_few(G, D, real, z, opt_G, unroll_steps=3, lr=0.2):
    """K − 1 steps: range(1, K)."""
    fake, theta = G(z), dict(D.named_parameters())
    for _ in range(1, unroll_steps):
        theta = down(D, theta, real, fake, lr)
    finish(g_loss(functional_call(D, theta, (fake,))), opt_G)


def ascent_for_descent(G, D, real, z, opt_G, unroll_steps=3, lr=0.2):
    """θ + η ∇L: the paper's sign, which is of a value that D raises, with a loss."""
    fake, theta = G(z), dict(D.named_parameters())
    for _ in range(unroll_steps):
        theta = down(D, theta, real, fake, -lr)
    finish(g_loss(functional_call(D, theta, (fake,))), opt_G)


def through_the_last_step(G, D, real, z, opt_G, unroll_steps=3, lr=0.2):
    """The iterates are detached between the steps, for memory: truncated."""
    fake, theta = G(z), dict(D.named_parameters())
    for _ in range(unroll_steps):
        theta = {name: p.detach().requires_grad_() for name, p in theta.items()}
        theta = down(D, theta, real, fake, lr)
    finish(g_loss(functional_call(D, theta, (fake,))), opt_G)


def slopes_at_held_parameters(G, D, real, z, opt_G, unroll_steps=3, lr=0.2):
    """Each slope is taken at detached parameters: no step acts through the next (first-order, as in meta-learning)."""
    fake, theta = G(z), dict(D.named_parameters())
    for _ in range(unroll_steps):
        held = {name: p.detach().requires_grad_() for name, p in theta.items()}
        moved = down(D, held, real, fake, lr)
        theta = {name: theta[name] + (moved[name] - held[name]) for name in theta}
    finish(g_loss(functional_call(D, theta, (fake,))), opt_G)


def down_the_generators_loss(G, D, real, z, opt_G, k=2, lr=0.2):
    """D's steps are down G's loss: both cooperate."""
    fake, theta = G(z), dict(D.named_parameters())
    for _ in range(k):
        loss = g_loss(functional_call(D, theta, (fake,)))
        slopes = torch.autograd.grad(loss, list(theta.values()), create_graph=True)
        theta = {name: p - lr * slope for (name, p), slope in zip(theta.items(), slopes, strict=True)}
    finish(g_loss(functional_call(D, theta, (fake,))), opt_G)


def to_be_recognised(G, D, real, z, opt_G, unroll_steps=2, lr=0.2):
    """G goes down D's loss after the steps: it helps D."""
    fake, theta = G(z), dict(D.named_parameters())
    for _ in range(unroll_steps):
        theta = down(D, theta, real, fake, lr)
    finish(d_loss(functional_call(D, theta, (real,)), functional_call(D, theta, (fake,))), opt_G)


def not_unrolled(G, D, real, z, opt_G, unroll_steps=3, lr=0.2):
    """The iterates are computed, and D as it was is asked."""
    fake, theta = G(z), dict(D.named_parameters())
    for _ in range(unroll_steps):
        theta = down(D, theta, real, fake, lr)
    finish(g_loss(D(fake)), opt_G)


# Correct, in other styles.


def value_of_the_game(G, D, real, z, opt_G, unrolled_steps=3, d_lr=0.1):
    """The paper's surrogate: the whole value, whose part on the data moves with D's steps, too."""
    fake, theta = G(z), dict(D.named_parameters())
    for _ in range(unrolled_steps):
        theta = down(D, theta, real, fake, d_lr)
    finish(-d_loss(functional_call(D, theta, (real,)), functional_call(D, theta, (fake,))), opt_G)


def on_fresh_samples(G, D, real, z, opt_G, k=2, lr=0.2):
    """Least squares; every inner step makes generated samples of its own."""
    theta = dict(D.named_parameters())
    for _ in range(k):
        r, f = functional_call(D, theta, (real,)), functional_call(D, theta, (G(torch.randn_like(z)),))
        slopes = torch.autograd.grad(
            (r - 1).square().mean() + f.square().mean(), list(theta.values()), create_graph=True
        )
        theta = {name: p - lr * slope for (name, p), slope in zip(theta.items(), slopes, strict=True)}
    finish((functional_call(D, theta, (G(z),)) - 1).square().mean(), opt_G)


def in_functional_style(G, D, real, z, opt_G, k=2, lr=0.2):
    """torch.func.grad for the inner steps and for the outer one."""
    start = {name: p.detach() for name, p in D.named_parameters()}
    own = dict(G.named_parameters())

    def outer(phi):
        fake, theta = functional_call(G, phi, (z,)), start
        for _ in range(k):
            slopes = torch.func.grad(lambda t: d_loss(functional_call(D, t, (real,)), functional_call(D, t, (fake,))))(
                theta
            )
            theta = {name: theta[name] - lr * slopes[name] for name in theta}
        return g_loss(functional_call(D, theta, (fake,)))

    found = torch.func.grad(outer)({name: p.detach() for name, p in own.items()})
    for name, p in own.items():
        p.grad = found[name]
    opt_G.step()


def on_a_copy(G, D, real, z, opt_G, unroll=4):
    """A copy of D carries the iterates."""
    ahead, fake = copy.deepcopy(D), G(z)
    theta = dict(ahead.named_parameters())
    for _ in range(unroll):
        theta = down(ahead, theta, real, fake, 0.1)
    finish(g_loss(functional_call(ahead, theta, (fake,))), opt_G)


def of_probabilities(G, D, real, z, opt_G, k=2, lr=0.2):
    """A discriminator that ends in a sigmoid, with BCELoss, whose second derivative has a guard of 1e-12."""
    fake, theta, bce = G(z), dict(D.named_parameters()), nn.BCELoss()
    for _ in range(k):
        r, f = functional_call(D, theta, (real,)), functional_call(D, theta, (fake,))
        loss = bce(r, torch.ones_like(r)) + bce(f, torch.zeros_like(f))
        slopes = torch.autograd.grad(loss, list(theta.values()), create_graph=True)
        theta = {name: p - lr * slope for (name, p), slope in zip(theta.items(), slopes, strict=True)}
    f = functional_call(D, theta, (fake,))
    finish(bce(f, torch.ones_like(f)), opt_G)


def _of(f: Callable[..., Any]) -> Callable[[], TrainingStep]:
    return lambda: TrainingStep(f, like=UNROLLED)


_KILLED = (
    without_create_graph, inner_samples_detached, by_an_optimizer, on_a_copy_by_adam, one_step_too_many,
    one_step_too_few, ascent_for_descent, through_the_last_step, slopes_at_held_parameters, down_the_generators_loss,
    to_be_recognised, not_unrolled,
)  # fmt: skip
_SPARED = (value_of_the_game, on_fresh_samples, in_functional_style, on_a_copy, of_probabilities)
MUTANTS = [
    *(Mutant(name=f.__name__, make=_of(f), killed_by="training_step.unrolled") for f in _KILLED),
    *(Mutant(name=f.__name__, make=_of(f), killed_by="training_step.stays") for f in (not_put_back, put_back_in_part)),
]
TWINS = [Twin(name=f.__name__, make=_of(f)) for f in _SPARED]
