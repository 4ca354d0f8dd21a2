"""Adversarial games whose end is known: two points, and two normal laws on the line.

A generator that is trained against a discriminator minimises a divergence, if the discriminator is the best one. Where
all expectations are exact and the discriminator does move to its best, nothing is left to luck: the game must end at
the data's law, at the value −log 4. What real training adds to this, samples, networks and a discriminator that lags
behind, is on the page of [adversarial training](adversarial_training.py).

Sources: Goodfellow et al. 2014, "Generative adversarial nets", propositions 1 and 2; Arjovsky & Bottou 2017, "Towards
principled methods for training generative adversarial networks", theorem 2.5.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import sympy
import torch
from numpy.polynomial.hermite_e import hermegauss
from torch import Tensor
from torch.nn.functional import logsigmoid

from genverify.claims import proves
from genverify.numerics.rounding import unit_roundoff
from genverify.reference.adversarial import losses

Scores = Callable[[Tensor], Tensor]
# What the generator moves down at a logit, of one generated point: log(1 − D), or −log D.
FORMS: dict[str, Scores] = {"saturating": lambda f: logsigmoid(-f), "non-saturating": lambda f: -logsigmoid(f)}
ROUNDS = 40  # steps of the generator along its natural gradient, each of which halves what is left near the end
# A gradient that is nothing but rounding moves no further; the value is flat there, and known better.
SETTLED = math.sqrt(unit_roundoff(torch.float64))


def slope_of(loss: Callable[[Tensor], Tensor], at: Tensor) -> Tensor:
    """The gradient of a number."""
    at = at.detach().requires_grad_(True)
    (slope,) = torch.autograd.grad(loss(at), at)
    return slope


def best(loss: Callable[[Tensor], Tensor], start: Tensor, steps: int = 12) -> Tensor:
    """The minimum of a convex function of a few numbers, by damped steps of Newton."""
    at = start.detach()
    for _ in range(steps):
        slope, bend = slope_of(loss, at), torch.autograd.functional.hessian(loss, at)
        if slope.norm() < unit_roundoff(torch.float64):
            break
        step = torch.linalg.lstsq(bend, slope).solution
        while loss(at - step) > loss(at) and step.norm() > SETTLED:
            step = step / 2
        at = at - step
    return at.detach()


# ── Claim (SUPPORTED) ────────────────────────────────────────────────────────────────────────────────────────────────
# Two points: the data's law is (p, 1 − p), the generator's (q, 1 − q) with q = σ(θ); one logit a point.


def two_points(p: float, form: Scores) -> tuple[float, float]:
    """Where q ends, and the value of the game there."""
    data = torch.tensor([p, 1 - p], dtype=torch.float64)
    theta, logits = torch.zeros((), dtype=torch.float64), torch.zeros(2, dtype=torch.float64)

    def law(theta: Tensor) -> Tensor:
        return torch.stack([torch.sigmoid(theta), torch.sigmoid(-theta)])

    def game(logits: Tensor) -> Tensor:
        return -(data * logsigmoid(logits) + law(theta) * logsigmoid(-logits)).sum()

    for _ in range(ROUNDS):
        logits = best(game, logits)
        step = slope_of(lambda at: (law(at) * form(logits)).sum(), theta)  # noqa: B023
        theta = theta - step / law(theta).prod()  # Fisher's information is q (1 − q)
    logits = best(game, logits)
    return float(torch.sigmoid(theta)), -float(game(logits))


@proves("gan.game.two_points")
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("p", [0.6, 0.5, 0.05])
def test_a_generator_on_two_points_finds_the_law(p, form):
    """To the root of rounding; the value is −log 4, and nowhere on the way less."""
    q, value = two_points(p, FORMS[form])
    assert abs(q - p) < SETTLED
    assert abs(value + math.log(4)) < SETTLED


@proves("gan.game.two_points")
def test_the_exact_losses_are_those_of_samples():
    """Three samples of five at the first point are the law (0.6, 0.4): the reference losses of samples say the same."""
    logits = torch.tensor([0.7, -0.4], dtype=torch.float64)
    real, fake = logits[[0, 0, 0, 1, 1]], logits[[0, 0, 1, 1, 1]]
    p, q = torch.tensor([0.6, 0.4], dtype=torch.float64), torch.tensor([0.4, 0.6], dtype=torch.float64)
    exact = -(p * logsigmoid(logits) + q * logsigmoid(-logits)).sum()
    assert float(losses.discriminator_loss_minimax(real, fake)) == pytest.approx(float(exact), rel=1e-14)
    for form, loss in (
        ("saturating", losses.generator_loss_saturating),
        ("non-saturating", losses.generator_loss_nonsaturating),
    ):
        assert float(loss(fake)) == pytest.approx(float((q * FORMS[form](logits)).sum()), rel=1e-14)


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# Between N(μ, σ²) and N(ν, τ²) the best logit is a x² + b x + c.
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# D* = p/(p + q), so its logit is log p − log q, a difference of two quadratics.


@proves("gan.game.normal_logit")
def test_the_best_logit_between_normal_laws_is_a_quadratic():
    """Its coefficients; of equal variances the first is zero."""
    x, mu, nu = sympy.symbols("x mu nu", real=True)
    sigma, tau = sympy.symbols("sigma tau", positive=True)

    def log_density(mean, deviation):
        return -((x - mean) ** 2) / (2 * deviation**2) - sympy.log(deviation) - sympy.log(2 * sympy.pi) / 2

    logit = sympy.Poly(sympy.expand(log_density(mu, sigma) - log_density(nu, tau)), x)
    assert logit.degree() == 2
    assert sympy.simplify(logit.coeff_monomial(x**2) - (1 / tau**2 - 1 / sigma**2) / 2) == 0
    assert sympy.simplify(logit.coeff_monomial(x) - (mu / sigma**2 - nu / tau**2)) == 0
    assert sympy.Poly(logit.as_expr().subs(tau, sigma), x).degree() == 1


# ── Claim (SUPPORTED) ────────────────────────────────────────────────────────────────────────────────────────────────
# Against such a discriminator the generator z ↦ ν + τz comes to the data's law.

MEAN, DEVIATION = 1.0, 0.5
NODES, MASSES = (torch.from_numpy(one) for one in hermegauss(80))
MASSES = MASSES / MASSES.sum()


def normal_laws(form: Scores) -> tuple[float, float, float]:
    """Where ν and τ end, and the value of the game there."""
    x, at = MEAN + DEVIATION * NODES, torch.tensor([0.0, 1.0], dtype=torch.float64)
    logit = torch.zeros(3, dtype=torch.float64)

    def scores(logit: Tensor, x: Tensor) -> Tensor:
        return logit[0] * x**2 + logit[1] * x + logit[2]

    def game(logit: Tensor) -> Tensor:
        y = at[0] + at[1] * NODES
        return -(MASSES * (logsigmoid(scores(logit, x)) + logsigmoid(-scores(logit, y)))).sum()

    for _ in range(ROUNDS):
        logit = best(game, logit)
        step = slope_of(lambda at: (MASSES * form(scores(logit, at[0] + at[1] * NODES))).sum(), at)  # noqa: B023
        at = at - step * at[1] ** 2 / torch.tensor([1.0, 2.0])  # Fisher's information is 1/τ² and 2/τ²
    logit = best(game, logit)
    return float(at[0]), float(at[1]), -float(game(logit))


@proves("gan.game.normal")
@pytest.mark.parametrize("form", FORMS)
def test_a_generator_of_a_normal_law_finds_mean_and_deviation(form):
    """To the root of rounding, and up to the sign of τ, which turns z; the value is −log 4."""
    mean, deviation, value = normal_laws(FORMS[form])
    assert abs(mean - MEAN) < SETTLED
    assert abs(abs(deviation) - DEVIATION) < SETTLED
    assert abs(value + math.log(4)) < SETTLED
