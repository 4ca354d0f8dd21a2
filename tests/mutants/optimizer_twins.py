"""Optimizers in unusual styles that are right: no check may accuse them."""

from __future__ import annotations

import torch

from genverify.reference.optimizers.adam import Adam
from genverify.reference.optimizers.gradient_descent import GradientDescent
from genverify.reference.optimizers.heavy_ball import HeavyBall
from genverify.reference.optimizers.momentum_ema import MomentumEMA
from genverify.reference.optimizers.nesterov import Nesterov
from genverify.subjects.optimizer import Optimizer
from tests.mutants.mutant import Mutant, Twin
from tests.mutants.optimizer import AdamDecoupled, _Adam, _kept, _Momentum

MUTANTS: list[Mutant] = []  # they stand in optimizer.py


class AdamOutOfPlace:
    """Not a torch.optim.Optimizer; other names; replaces its buffers; writes p.data; lerp forms."""

    def __init__(self, parameters, learning_rate=1e-3, beta_1=0.9, beta_2=0.999, epsilon=1e-8):
        self.parameters = list(parameters)
        self.learning_rate, self.beta_1, self.beta_2, self.epsilon = learning_rate, beta_1, beta_2, epsilon
        self.m = [torch.zeros_like(p) for p in self.parameters]
        self.v = [torch.zeros_like(p) for p in self.parameters]
        self.iterations = 0

    def step(self):
        self.iterations += 1
        for i, p in enumerate(self.parameters):
            self.m[i] = self.m[i] + (1 - self.beta_1) * (p.grad - self.m[i])
            self.v[i] = torch.lerp(self.v[i], p.grad.square(), 1 - self.beta_2)
            rate = self.learning_rate / (1 - self.beta_1**self.iterations)
            scaled = self.v[i].sqrt() / (1 - self.beta_2**self.iterations) ** 0.5
            p.data = p.data - rate * self.m[i] / (scaled + self.epsilon)


class AdamHat(_Adam):
    """The efficient form at the end of Kingma & Ba's section 2: accepted, and named."""

    def denominator(self, v, c2, eps):
        return (v.sqrt() + eps) / c2**0.5


class AdamFloat32(_Adam):
    """Moments in float32 whatever the parameters are: narrow, not wrong."""

    def update(self, p, g, state, group):
        b1, b2 = group["betas"]
        g = self.decayed(p, g, group).float()
        m = state["m"] = b1 * state.get("m", torch.zeros_like(g)) + (1 - b1) * g
        v = state["v"] = b2 * state.get("v", torch.zeros_like(g)) + (1 - b2) * g * g
        x = state["x"] = torch.maximum(state.get("x", torch.zeros_like(g)), v)
        c1, c2 = self.corrections(state["t"], b1, b2)
        p.sub_((group["lr"] * (m / c1) / self.denominator(x if group["amsgrad"] else v, c2, group["eps"])).to(p.dtype))


class AdamSharedClock(_Adam):
    """One step count for all parameters, as in Kingma & Ba's single t."""

    @torch.no_grad()
    def step(self, closure=None):
        self.clock = getattr(self, "clock", 0) + 1
        return super().step(closure)

    def state_dict(self):
        return {**super().state_dict(), "clock": getattr(self, "clock", 0)}

    def load_state_dict(self, state_dict):
        self.clock = state_dict["clock"]
        super().load_state_dict({k: v for k, v in state_dict.items() if k != "clock"})

    def update(self, p, g, state, group):
        state["t"] = self.clock
        super().update(p, g, state, group)


class HeavyBallFolded(_Momentum):
    """v ← β v - η g; θ ← θ + v (Sutskever et al. 2013, eqs. 1-2)."""

    def update(self, p, g, state, group):
        p.add_(_kept(state, "v", p).mul_(group["momentum"]).sub_(group["lr"] * g))


class SumOfProducts:
    """Holds no parameters: ``update(params, grads)`` changes them in place, as in many course notes."""

    def __init__(self, lr=0.01, beta=0.9):
        self.lr, self.beta, self.v = lr, beta, None

    def update(self, params, grads):
        if self.v is None:
            self.v = [torch.zeros_like(p) for p in params]
        for v, p, g in zip(self.v, params, grads, strict=True):
            v.copy_(self.beta * v + (1 - self.beta) * g)
            p -= self.lr * v


def adam_functional(w, g, m, v, t, lr=1e-3, beta1=0.9, beta2=0.999, eps=1e-8):
    """Everything by value; the caller counts from 1."""
    m = beta1 * m + (1 - beta1) * g
    v = beta2 * v + (1 - beta2) * g**2
    return w - lr * (m / (1 - beta1**t)) / (torch.sqrt(v / (1 - beta2**t)) + eps), m, v


def adam_counting(theta, grad, m, v, t, lr=1e-3, beta1=0.9, beta2=0.999, eps=1e-8):
    """Counts by itself, and gives the count back."""
    t = t + 1
    moved, m, v = adam_functional(theta, grad, m, v, t, lr, beta1, beta2, eps)
    return moved, m, v, t


def momentum_lists(params, grads, state, lr=0.1, mu=0.9):
    """Lists in, lists out, state in a dict."""
    new = []
    for i, (p, g) in enumerate(zip(params, grads, strict=True)):
        state[i] = mu * state.get(i, torch.zeros_like(p)) + g
        new.append(p - lr * state[i])
    return new, state


def sgd_in_place(w, dw, learning_rate=0.1):
    """Moves w in place and returns nothing."""
    w -= learning_rate * dw


TWINS = [
    Twin(name="gradient_descent_reference", make=lambda: Optimizer(GradientDescent, rule="gradient_descent")),
    Twin(name="adam_reference", make=lambda: Optimizer(Adam, rule="adam")),
    Twin(name="nesterov_reference", make=lambda: Optimizer(Nesterov, rule="nesterov")),
    Twin(name="heavy_ball_reference", make=lambda: Optimizer(HeavyBall, rule="heavy_ball")),
    Twin(name="momentum_ema_reference", make=lambda: Optimizer(MomentumEMA, rule="momentum_ema")),
    Twin(name="adam_in_pieces", make=lambda: Optimizer(_Adam, rule="adam", lr=1e-3)),
    Twin(name="adam_out_of_place", make=lambda: Optimizer(AdamOutOfPlace, rule="adam")),
    Twin(name="adam_hat", make=lambda: Optimizer(AdamHat, rule="adam")),
    Twin(name="adam_float32", make=lambda: Optimizer(AdamFloat32, rule="adam")),
    Twin(name="adam_shared_clock", make=lambda: Optimizer(AdamSharedClock, rule="adam")),
    Twin(name="adam_decoupled_declared", make=lambda: Optimizer(AdamDecoupled, rule="adam", dialect="decoupled")),
    Twin(name="heavy_ball_folded", make=lambda: Optimizer(HeavyBallFolded, rule="heavy_ball")),
    Twin(name="holds_no_parameters", make=lambda: Optimizer(SumOfProducts, rule="momentum_ema")),
    Twin(name="adam_functional", make=lambda: Optimizer(adam_functional, rule="adam")),
    Twin(name="adam_counting", make=lambda: Optimizer(adam_counting, rule="adam")),
    Twin(name="momentum_lists", make=lambda: Optimizer(momentum_lists, rule="heavy_ball")),
    Twin(name="sgd_in_place", make=lambda: Optimizer(sgd_in_place, rule="gradient_descent")),
    Twin(name="torch_foreach", make=lambda: Optimizer(lambda p: torch.optim.Adam(p, foreach=True), rule="adam")),
]
