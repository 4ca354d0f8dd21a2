"""Adadelta, Adamax, NAdam and RAdam: wrong in ways that still descend, and right in unusual dress."""

from __future__ import annotations

import torch

from genverify.reference.optimizers.adadelta import Adadelta
from genverify.reference.optimizers.adamax import Adamax
from genverify.reference.optimizers.nadam import NAdam
from genverify.reference.optimizers.radam import RAdam
from genverify.subjects.optimizer import Optimizer
from tests.mutants.mutant import Mutant, Twin
from tests.mutants.optimizer import _Held, _kept


class _Adadelta(_Held):
    def __init__(self, params, lr=1.0, rho=0.9, eps=1e-6):
        super().__init__(params, lr, rho=rho, eps=eps)

    def delta(self, g, v, u, eps):
        return (u + eps).sqrt() / (v + eps).sqrt() * g

    def kept_step(self, delta, lr):
        return delta

    def update(self, p, g, state, group):
        rho, eps = group["rho"], group["eps"]
        v = _kept(state, "v", p).mul_(rho).add_((1 - rho) * g * g)
        u = _kept(state, "u", p)
        delta = self.delta(g, v, u, eps)
        u.mul_(rho).add_((1 - rho) * self.kept_step(delta, group["lr"]) ** 2)
        p.sub_(group["lr"] * delta)


class AdadeltaSwapped(_Adadelta):
    """The two accumulators change places in the quotient. Classical."""

    def delta(self, g, v, u, eps):
        return (v + eps).sqrt() / (u + eps).sqrt() * g


class AdadeltaEarly(_Adadelta):
    """The accumulator of steps is updated before it is used. Classical."""

    def update(self, p, g, state, group):
        rho, eps = group["rho"], group["eps"]
        v = _kept(state, "v", p).mul_(rho).add_((1 - rho) * g * g)
        u = _kept(state, "u", p)
        u.mul_(rho).add_((1 - rho) * ((u + eps) / (v + eps)) * g * g)
        p.sub_(group["lr"] * self.delta(g, v, u, eps))


class AdadeltaRateInside(_Adadelta):
    """The accumulator sees the steps times the rate, so that the rate feeds on itself (as in BRML/climin#29)."""

    def kept_step(self, delta, lr):
        return lr * delta


class AdadeltaSquareOfSum(_Adadelta):
    """The accumulator averages the gradient's own square: it is RMSProp at rate 1. Classical."""

    def delta(self, g, v, u, eps):
        return (v + eps).sqrt() / (v + eps).sqrt() * g


class _Adamax(_Held):
    def __init__(self, params, lr=2e-3, betas=(0.9, 0.999), eps=1e-8):
        super().__init__(params, lr, betas=betas, eps=eps)

    def largest(self, u, g, b2, eps):
        return torch.maximum(b2 * u, g.abs() + eps)

    def corrections(self, t, b1, b2):
        return 1 - b1**t, 1.0

    def update(self, p, g, state, group):
        b1, b2 = group["betas"]
        m = _kept(state, "m", p).mul_(b1).add_((1 - b1) * g)
        u = _kept(state, "u", p)
        u.copy_(self.largest(u, g, b2, group["eps"]))
        c1, c2 = self.corrections(state["t"], b1, b2)
        p.sub_(group["lr"] * (m / c1) / (u / c2))


class AdamaxBothCorrected(_Adamax):
    """The maximum is bias-corrected, too, as if it were a mean (tensorflow/swift-apis#313 mended its like)."""

    def corrections(self, t, b1, b2):
        return 1 - b1**t, 1 - b2**t


class AdamaxNeverForgets(_Adamax):
    """The old maximum does not decay: max(u, |g|). Classical."""

    def largest(self, u, g, b2, eps):
        return torch.maximum(u, g.abs() + eps)


class AdamaxOfTensor(_Adamax):
    """The largest entry of the whole parameter is taken: torch.max for torch.maximum. Classical."""

    def largest(self, u, g, b2, eps):
        return torch.maximum(b2 * u, g.abs().max() + eps)


class _NAdam(_Held):
    def __init__(self, params, lr=2e-3, betas=(0.9, 0.999), eps=1e-8, momentum_decay=4e-3):
        super().__init__(params, lr, betas=betas, eps=eps, momentum_decay=momentum_decay)

    def next(self, mu, t, b1, psi):
        return self.momentum(t + 1, b1, psi)

    def momentum(self, t, b1, psi):
        return b1 * (1 - 0.5 * 0.96 ** (t * psi))

    def shares(self, state, mu, following, t, b1):
        state["k"] = state.get("k", 1.0) * mu
        return following / (1 - state["k"] * following), (1 - mu) / (1 - state["k"])

    def update(self, p, g, state, group):
        (b1, b2), t = group["betas"], state["t"]
        m = _kept(state, "m", p).mul_(b1).add_((1 - b1) * g)
        v = _kept(state, "v", p).mul_(b2).add_((1 - b2) * g * g)
        mu = self.momentum(t, b1, group["momentum_decay"])
        of_m, of_g = self.shares(state, mu, self.next(mu, t, b1, group["momentum_decay"]), t, b1)
        p.sub_(group["lr"] * (of_m * m + of_g * g) / ((v / (1 - b2**t)).sqrt() + group["eps"]))


class NAdamSameMomentum(_NAdam):
    """μ_t stands for μ_{t+1} in the look-ahead. Classical."""

    def next(self, mu, t, b1, psi):
        return mu


class NAdamWithoutProduct(_NAdam):
    """1 - β₁ᵗ stands for one less the product of the μ. Classical."""

    def shares(self, state, mu, following, t, b1):
        return following / (1 - b1 ** (t + 1)), (1 - mu) / (1 - b1**t)


class NAdamProductResets(_NAdam):
    """The product of the μ is not kept from step to step. Classical."""

    def shares(self, state, mu, following, t, b1):
        return following / (1 - mu * following), 1.0


class NAdamScalesGradient(_NAdam):
    """The gradient is multiplied where decay should be added, with λ = 0 by the scale alone (apache/mxnet#8925)."""

    def __init__(self, params, lr=2e-3, betas=(0.9, 0.999), eps=1e-8, momentum_decay=4e-3, weight_decay=0.0):
        super().__init__(params, lr, betas, eps, momentum_decay)
        self.param_groups[0]["weight_decay"] = self.defaults["weight_decay"] = weight_decay

    def update(self, p, g, state, group):
        super().update(p, g * (1 + group.get("weight_decay", 0.0) * p), state, group)


class _RAdam(_Held):
    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8):
        super().__init__(params, lr, betas=betas, eps=eps)

    def rectified(self, n, longest):
        return ((n - 4) * (n - 2) * longest / ((longest - 4) * (longest - 2) * n)) ** 0.5

    def length(self, t, b2, longest):
        return longest - 2 * t * b2**t / (1 - b2**t)

    def count(self, state, p):
        return state["t"]

    def denominator(self, v, c2, eps):
        return (v.sqrt() + eps) / c2**0.5

    def early(self, m_hat, g):
        return m_hat

    def update(self, p, g, state, group):
        (b1, b2), t = group["betas"], self.count(state, p)
        m = _kept(state, "m", p).mul_(b1).add_((1 - b1) * g)
        v = _kept(state, "v", p).mul_(b2).add_((1 - b2) * g * g)
        m_hat, longest = m / (1 - b1**t), 2 / (1 - b2) - 1
        n = self.length(t, b2, longest)
        if n > 5:
            factor = self.rectified(n, longest)
            p.sub_(group["lr"] * factor * m_hat / self.denominator(v, 1 - b2**t, group["eps"]))
        else:
            p.sub_(group["lr"] * self.early(m_hat, g))


class RAdamUnrectified(_RAdam):
    """r_t is left out: it is Adam with a warm-up of momentum. Classical."""

    def rectified(self, n, longest):
        return 1.0


class RAdamNoRoot(_RAdam):
    """r_t without its square root. Classical."""

    def rectified(self, n, longest):
        return super().rectified(n, longest) ** 2


class RAdamCountsTwice(_RAdam):
    """The step count is increased twice in every step (geoopt/geoopt#164)."""

    def count(self, state, p):
        return 2 * state["t"] - 1


class RAdamUncorrectedLength(_RAdam):
    """ρ_t without the division by 1 - β₂ᵗ. Classical."""

    def length(self, t, b2, longest):
        return longest - 2 * t * b2**t


class RAdamEpsilonInside(_RAdam):
    """√(v̂ + ε), the step ten thousand times shorter where v is small (CyberZHG/keras-radam#29)."""

    def denominator(self, v, c2, eps):
        return (v / c2 + eps).sqrt()


def _kill(name, kind, rule, check="optimizer.trajectory", **hyper):
    return Mutant(name=name, make=lambda: Optimizer(kind, rule=rule, name=kind.__name__, **hyper), killed_by=check)


MUTANTS = [
    _kill("adadelta_swapped", AdadeltaSwapped, "adadelta"),
    _kill("adadelta_early", AdadeltaEarly, "adadelta"),
    _kill("adadelta_rate_inside", AdadeltaRateInside, "adadelta"),
    _kill("adadelta_is_gradient_descent", AdadeltaSquareOfSum, "adadelta"),
    _kill("adamax_both_corrected", AdamaxBothCorrected, "adamax", "optimizer.first_step"),
    _kill("adamax_never_forgets", AdamaxNeverForgets, "adamax"),
    _kill("adamax_of_tensor", AdamaxOfTensor, "adamax"),
    _kill("nadam_same_momentum", NAdamSameMomentum, "nadam"),
    _kill("nadam_without_product", NAdamWithoutProduct, "nadam"),
    _kill("nadam_product_resets", NAdamProductResets, "nadam"),
    _kill("nadam_scales_gradient", NAdamScalesGradient, "nadam"),
    _kill("radam_unrectified", RAdamUnrectified, "radam"),
    _kill("radam_no_root", RAdamNoRoot, "radam"),
    _kill("radam_counts_twice", RAdamCountsTwice, "radam"),
    _kill("radam_uncorrected_length", RAdamUncorrectedLength, "radam"),
    _kill("radam_epsilon_inside", RAdamEpsilonInside, "radam"),
]


class AdadeltaRoots(_Adadelta):
    """One root of a quotient, computed in place."""

    def delta(self, g, v, u, eps):
        return ((u + eps) / (v + eps)).sqrt_().mul_(g)


class AdamaxStacked(_Adamax):
    """The maximum over a stack of the two, as torch once wrote it."""

    def largest(self, u, g, b2, eps):
        return torch.stack([u * b2, g.abs() + eps]).amax(0)


class AdamaxBare(_Adamax):
    """No ε, as the paper has it: 0/0 where every gradient was zero, and nothing else."""

    def __init__(self, params, lr=2e-3, betas=(0.9, 0.999)):
        super().__init__(params, lr, betas, 0.0)

    def largest(self, u, g, b2, eps):
        return torch.maximum(b2 * u, g.abs())


class RAdamPaper(_RAdam):
    """The paper's threshold 4, and ε outside the root."""

    def denominator(self, v, c2, eps):
        return (v / c2).sqrt() + eps

    def update(self, p, g, state, group):
        (b1, b2), t = group["betas"], state["t"]
        m = _kept(state, "m", p).lerp_(g, 1 - b1)
        v = _kept(state, "v", p).lerp_(g.square(), 1 - b2)
        longest = 2 / (1 - b2) - 1
        n, m_hat = self.length(t, b2, longest), m / (1 - b1**t)
        step = m_hat if n <= 4 else self.rectified(n, longest) * m_hat / self.denominator(v, 1 - b2**t, group["eps"])
        p.copy_(p - group["lr"] * step)


def nadam_functional(w, g, state, lr=2e-3, beta1=0.9, beta2=0.999, eps=1e-8):
    """Constant μ: m̂ a step ahead, state in a tuple."""
    m, v, t = state or (torch.zeros_like(w), torch.zeros_like(w), 0)
    t = t + 1
    m, v = m + (1 - beta1) * (g - m), v + (1 - beta2) * (g * g - v)
    ahead = beta1 * m / (1 - beta1 ** (t + 1)) + (1 - beta1) * g / (1 - beta1**t)
    return w - lr * ahead / (torch.sqrt(v / (1 - beta2**t)) + eps), (m, v, t)


TWINS = [
    Twin(name="adadelta_reference", make=lambda: Optimizer(Adadelta, rule="adadelta")),
    Twin(name="adadelta_roots", make=lambda: Optimizer(AdadeltaRoots, rule="adadelta")),
    Twin(name="adamax_reference", make=lambda: Optimizer(Adamax, rule="adamax")),
    Twin(name="adamax_stacked", make=lambda: Optimizer(AdamaxStacked, rule="adamax")),
    Twin(name="nadam_reference", make=lambda: Optimizer(NAdam, rule="nadam")),
    Twin(name="nadam_functional", make=lambda: Optimizer(nadam_functional, rule="nadam")),
    Twin(name="radam_reference", make=lambda: Optimizer(RAdam, rule="radam")),
    Twin(name="radam_paper", make=lambda: Optimizer(RAdamPaper, rule="radam")),
]
