"""How fast samplers converge: the law that they reach on normal data, over ever more steps.

With the exact network of normal data every sampler is an affine map of its draws, and the law that it reaches is known
to rounding. So an order is measured, and not told: of DDIM, DDPM with either variance, PLMS, and DPM-Solver. The steps
of Euler, Heun and DPM-Solver++ in noise levels are measured on the page `edm_sampling`; here are those in ᾱ.

Sources: Ho, Jain & Abbeel 2020; Song, Meng & Ermon 2021; Liu, Ren, Lin & Zhao 2022; Lu, Zhou, Bao, Chen, Li & Zhu 2022,
"DPM-Solver"; Salimans & Ho 2022.
"""

from __future__ import annotations

import math
from itertools import pairwise

import sympy
import torch

from genverify.claims import proves
from genverify.formulas import diffusion_convergence_claims as topic
from genverify.numerics.rounding import gamma
from genverify.oracles import diffusion as oracle
from genverify.reference.diffusion import samplers
from specs import drawing

D = torch.float64
MEAN, VARIANCE = 1.5, 0.25
STEPS = (25, 50, 100, 200, 400, 800)


def levels(times):
    """ᾱ(t) of a linear β(t) from 0.1 to 20, as in Song et al. 2021."""
    return torch.exp(-(0.1 * times + 9.95 * times**2))


def rates(steps, end=0.0):
    """β over equally spaced times from `end` to 1; all that lies before `end` is the first step."""
    kept = levels(torch.linspace(end, 1.0, steps + 1, dtype=D))
    kept = kept[1:] if end == 0 else kept
    return 1 - kept / torch.cat([torch.ones(1, dtype=D), kept[:-1]])


def exact(x, level):
    """E[ε | x_t]."""
    return (1 - level).sqrt() * (x - level.sqrt() * MEAN) / (level * VARIANCE + 1 - level)


def spread(level):
    """The variance of x_t."""
    return level * VARIANCE + 1 - level


def reached(sampler, steps, end=0.0):
    """How far mean and variance are off after all steps, from those of the data (of the level at `end`)."""
    betas = rates(steps, end)
    kept = torch.cumprod(1 - betas, 0)
    mean, variance = kept[-1].sqrt() * MEAN, spread(kept[-1])
    x, z = torch.tensor([0.0, 1.0, 0.0], dtype=D), torch.tensor([0.0, 0.0, 1.0], dtype=D)
    past = []
    goal = kept[0] if end else torch.ones((), dtype=D)
    state = None
    for t in reversed(range(int(end > 0), steps + int(end > 0))):
        if sampler == "PLMS":  # it remembers, so that its whole map is followed
            state = x[:2] if state is None else state
            eps = exact(state, kept[t])
            state = samplers.plms_step(state, eps, past[-3:], t, t - 1, betas)
            past.append(eps)
            continue
        value = stepped(sampler, x, z, t, betas, kept)
        gain, drawn = value[1] - value[0], value[2] - value[0]
        mean, variance = gain * mean + value[0], gain**2 * variance + drawn**2
    if state is not None:
        gain = state[1] - state[0]
        mean, variance = gain * mean + state[0], gain**2 * variance
    return float(mean - goal.sqrt() * MEAN), float(variance - spread(goal))


def stepped(sampler, x, z, t, betas, kept):
    """One step on rows of samples and draws."""
    eps = exact(x, kept[t])
    if sampler == "DDIM":
        return samplers.ddim_step(x, eps, t, t - 1, betas, z)
    if sampler == "DDPM, β̃":
        return samplers.ddpm_step(x, eps, t, betas, z)
    return samplers.ddpm_mean(x, eps, t, betas) + (betas[t].sqrt() * z if t else 0 * z)


def errors(sampler, end=0.0):
    """Of the variance, over ever more steps."""
    return [abs(reached(sampler, steps, end)[1]) for steps in STEPS]


def orders(found):
    """Measured between each number of steps and twice as many."""
    return [math.log2(a / b) for a, b in pairwise(found)]


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# A DDIM step is an exponential step, DPM-Solver-1.
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# e^h = √(ᾱ'(1 − ᾱ)/(ᾱ(1 − ᾱ'))), so that √(1 − ᾱ') (e^h − 1) = √(ᾱ'/ᾱ) √(1 − ᾱ) − √(1 − ᾱ'): the coefficient of −ε.


@proves("diffusion.ddim_step.exponential")
def test_a_ddim_step_is_dpm_solver_1():
    """The oracle's step less the exponential one."""
    xt, eps, noise, level, previous, variance = oracle.ddim_step.symbols
    plain = oracle.ddim_step.expression.subs({variance: 0, noise: 0})
    grown = sympy.sqrt(previous * (1 - level) / (level * (1 - previous)))
    step = sympy.sqrt(previous / level) * xt - sympy.sqrt(1 - previous) * (grown - 1) * eps
    assert sympy.simplify(sympy.diff(plain - step, xt)) == 0
    slope = sympy.diff(plain - step, eps)
    for now, then in ((sympy.Rational(1, 4), sympy.Rational(1, 2)), (sympy.Rational(1, 3), sympy.Rational(9, 10))):
        assert sympy.simplify(slope.subs({level: now, previous: then})) == 0
    # For all levels: with 1 − ᾱ = b², 1 − ᾱ' = b'² the roots multiply out.
    b, c = sympy.symbols("b c", positive=True)
    inside = c * sympy.sqrt(1 - c**2) * b / (sympy.sqrt(1 - b**2) * c) - c
    assert sympy.simplify(inside - (sympy.sqrt(1 - c**2) * b / sympy.sqrt(1 - b**2) - c)) == 0


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# DDIM is of first order.
#
# ── Evidence ─────────────────────────────────────────────────────────────────────────────────────────────────────────
# The orders over 25 to 800 steps rise to one; n times the error settles.


@proves("diffusion.ddim_step.order")
def test_ddim_is_of_first_order():
    """The mean to rounding at every number of steps; the order of the variance."""
    found = errors("DDIM")
    assert all(abs(reached("DDIM", steps)[0]) < gamma(100 * steps, D) for steps in STEPS)
    assert [round(one, 1) for one in orders(found)[1:]] == [1.0] * 4
    assert orders(found) == sorted(orders(found))


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# DDPM is of first order with σ² = β, and later so with σ² = β̃.
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# The exact variance is β V_{t−1}/V_t (diffusion.ddpm_step.data_moments). β is off by β² (1 − c)/V_t, of second order at
# every step. β̃ is off by c β² / ((1 − ᾱ_t) V_t) to first order in β, and near the data 1 − ᾱ_t is as small as β.


@proves("diffusion.ddpm_step.weak_order")
def test_ddpm_is_of_first_order_and_the_small_variance_is_later():
    """The defect of either variance; both orders; the larger error of the smaller variance."""
    level, previous, c = sympy.symbols("abar abar' c", positive=True)
    now, then = level * c + 1 - level, previous * c + 1 - previous
    beta = 1 - level / previous
    right = beta * then / now
    assert sympy.simplify(beta - right - beta**2 * previous * (1 - c) / now) == 0
    small = beta * (1 - previous) / (1 - level)
    assert sympy.simplify(right - small - beta**2 * c * previous / ((1 - level) * now)) == 0
    large, small_ = errors("DDPM, β"), errors("DDPM, β̃")
    for name in ("DDPM, β", "DDPM, β̃"):
        assert all(abs(reached(name, steps)[0]) < gamma(100 * steps, D) for steps in STEPS)
    assert [round(one, 1) for one in orders(large)[-2:]] == [1.0, 1.0]
    assert all(a > b for a, b in zip(small_, large, strict=True))
    assert orders(small_) == sorted(orders(small_))
    assert 0.9 < orders(small_)[-1] < orders(large)[-1] < 1


# ── Claim, as it is told ─────────────────────────────────────────────────────────────────────────────────────────────
# PLMS is of second order, down to the data.
#
# ── Counterexample, and what holds ───────────────────────────────────────────────────────────────────────────────────
# Its weights are Adams' of order four (diffusion.plms_step.order), for ε as a smooth function of the number of the
# step. Down to the data it is not: λ has no bound. Above, its first step is Euler's, which loses h² once.


@proves("diffusion.plms_step.global_order")
def test_plms_is_of_first_order_down_to_the_data_and_of_second_above():
    """Both orders, beside those of DDIM on the same levels."""
    assert [round(one, 1) for one in orders(errors("PLMS"))[-2:]] == [1.0, 1.0]
    assert [round(one, 1) for one in orders(errors("PLMS", 0.1))[-3:]] == [2.0, 2.0, 2.0]
    assert [round(one, 1) for one in orders(errors("DDIM", 0.1))[-3:]] == [1.0, 1.0, 1.0]
    assert all(a < b for a, b in zip(errors("PLMS"), errors("DDIM"), strict=True))


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# DPM-Solver-1, -2 and -3 have these orders.
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# At σ = 1 the series of the third's step over the flow's factor is 1 + O(h⁴).


def solved(order, steps):
    """The factor that DPM-Solver of that order multiplies x by from λ = −3 to 3, for data N(0, c), less the flow's."""
    lam = torch.linspace(-3.0, 3.0, steps + 1, dtype=D)
    x = torch.ones((), dtype=D)

    def eps(u, at):
        level = torch.sigmoid(2 * at)
        return (1 - level).sqrt() * u / spread(level)

    def part(now, then):
        a, b = torch.sigmoid(2 * now), torch.sigmoid(2 * then)
        return (b / a).sqrt(), (1 - b).sqrt() * torch.expm1(then - now), (1 - b).sqrt()

    for now, then in pairwise(lam):
        h, start = then - now, eps(x, now)
        kept, grown, scale = part(now, then)
        if order == 1:
            x = kept * x - grown * start
        elif order == 2:
            keep, grow, _ = part(now, now + h / 2)
            x = kept * x - grown * eps(keep * x - grow * start, now + h / 2)
        else:
            first, second = now + h / 3, now + 2 * h / 3
            keep, grow, _ = part(now, first)
            d1 = eps(keep * x - grow * start, first) - start
            keep, grow, other = part(now, second)
            u2 = keep * x - grow * start - 2 * other * (torch.expm1(2 * h / 3) / (2 * h / 3) - 1) * d1
            x = kept * x - grown * start - 1.5 * scale * (torch.expm1(h) / h - 1) * (eps(u2, second) - start)
    ends = torch.sigmoid(2 * lam[[0, -1]])
    return abs(float(x - (spread(ends[1]) / spread(ends[0])).sqrt()))


SOLVER_STEPS = (8, 16, 32, 64)


@proves("diffusion.dpm_solver.orders")
def test_dpm_solver_has_its_orders():
    """The displayed series is one; it is not so one order on; the orders of whole samplers."""
    ratio, h = topic.third_order()
    s = next(one for one in ratio.free_symbols if one != h)
    gap = sympy.series(ratio.subs(s, 1), h, 0, 5).removeO()
    assert sympy.simplify(topic.DPM_SOLVER.equation().rhs) == 1
    assert sympy.simplify(gap.coeff(h, 4)) != 0
    for order in (1, 2, 3):
        found = orders([solved(order, steps) for steps in SOLVER_STEPS])
        assert round(found[-1]) == order
        assert abs(found[-1] - order) < abs(found[0] - order)


# ── The picture ──────────────────────────────────────────────────────────────────────────────────────────────────────

NAMES = ("DDPM, β̃", "DDIM", "DDPM, β", "PLMS")


def numbers():
    """The order between the last two numbers of steps."""
    found = {f"order of {name}": orders(errors(name))[-1] for name in NAMES}
    solvers = {f"order of DPM-Solver-{k}": orders([solved(k, n) for n in SOLVER_STEPS])[-1] for k in (1, 2, 3)}
    return {name.replace(",", ""): value for name, value in {**found, **solvers}.items()}


def draw(folder=drawing.PICTURES):
    """Writes the picture."""

    def parts(figure):
        left, right = figure.subplots(1, 2)
        shown = numbers()
        for name in NAMES:
            order = shown[f"order of {name}".replace(",", "")]
            left.loglog(STEPS, errors(name), marker=".", linewidth=1, label=f"{name}: {order:.2f}")
        for k in (1, 2, 3):
            found = [solved(k, n) for n in SOLVER_STEPS]
            order = shown[f"order of DPM-Solver-{k}"]
            right.loglog(SOLVER_STEPS, found, marker=".", linewidth=1, label=f"DPM-Solver-{k}: {order:.2f}")
        left.set(title="error of the variance, down to the data", xlabel="steps, equally spaced in time")
        right.set(title="error of the flow's factor", xlabel="steps, equally spaced in λ")
        for axes in (left, right):
            axes.legend(title="measured order")
        figure.suptitle("Samplers on normal data with the exact network")
        return "; ".join(f"{name} {value:.3f}" for name, value in shown.items())

    return drawing.save("sampler_convergence.svg", parts, (6.8, 3.4), folder)


@proves("diffusion.dpm_solver.orders")
def test_the_committed_picture_says_these_numbers():
    """To the digits that it shows."""
    shown = drawing.said("sampler_convergence.svg")
    assert shown == {name: round(value, 3) for name, value in numbers().items()}


if __name__ == "__main__":
    print(draw())
