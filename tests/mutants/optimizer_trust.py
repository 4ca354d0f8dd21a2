"""LARS, LAMB and Adafactor: wrong in ways that still descend, and right in unusual dress."""

from __future__ import annotations

import torch

from genverify.reference.optimizers.adafactor import Adafactor
from genverify.reference.optimizers.lamb import LAMB
from genverify.reference.optimizers.lars import LARS
from genverify.subjects.optimizer import Optimizer
from tests.mutants.mutant import Mutant, Twin
from tests.mutants.optimizer import _Held, _kept


class _LARS(_Held):
    def __init__(self, params, lr=0.1, momentum=0.9, weight_decay=1e-2, trust_coefficient=0.02):
        super().__init__(params, lr, momentum=momentum, weight_decay=weight_decay, trust_coefficient=trust_coefficient)

    def ratio(self, p, g, group):
        weights, gradients = p.norm(), g.norm()
        if not (weights > 0 and gradients > 0):
            return torch.ones_like(weights)
        return group["trust_coefficient"] * weights / (gradients + group["weight_decay"] * weights)

    def update(self, p, g, state, group):
        r = self.ratio(p, g, group)
        b = _kept(state, "b", p).mul_(group["momentum"]).add_(group["lr"] * r * (g + group["weight_decay"] * p))
        p.sub_(b)


class LarsScalesVelocity(_LARS):
    """The ratio scales the velocity when it is applied, and with it all the past (ooples/AiDotNet.Tensors#955)."""

    def update(self, p, g, state, group):
        r = self.ratio(p, g, group)
        b = _kept(state, "b", p).mul_(group["momentum"]).add_(g + group["weight_decay"] * p)
        p.sub_(group["lr"] * r * b)


class LarsZeroStays(_LARS):
    """≥ for >: a parameter that begins at zero has ratio 0, and never moves (Spijkervet/SimCLR#27)."""

    def ratio(self, p, g, group):
        weights, gradients = p.norm(), g.norm()
        if not gradients > 0:
            return torch.ones_like(weights)
        return group["trust_coefficient"] * weights / (gradients + group["weight_decay"] * weights)


class LarsOnlyDecayed(_LARS):
    """The ratio is used only where there is weight decay (PaddlePaddle/Paddle#40892)."""

    def ratio(self, p, g, group):
        return super().ratio(p, g, group) if group["weight_decay"] else torch.ones_like(p.norm())


class LarsForgetsDecay(_LARS):
    """The decay is missing from the ratio. Classical."""

    def ratio(self, p, g, group):
        return super().ratio(p, g, {**group, "weight_decay": 0.0})


class LarsOneNorm(_LARS):
    """The norms are taken over the whole group, not over each parameter. Classical."""

    def ratio(self, p, g, group):
        weights = torch.cat([q.reshape(-1) for q in group["params"]]).double().norm().to(p.dtype)
        gradients = torch.cat([q.grad.reshape(-1) for q in group["params"] if q.grad is not None]).double().norm()
        if not (weights > 0 and gradients > 0):
            return torch.ones_like(weights)
        return group["trust_coefficient"] * weights / (gradients.to(p.dtype) + group["weight_decay"] * weights)


class _LAMB(_Held):
    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-6, weight_decay=1e-2):
        super().__init__(params, lr, betas=betas, eps=eps, weight_decay=weight_decay)

    def ratio(self, p, r, x):
        weights, length = p.norm(), r.norm()
        return weights / length if weights > 0 and length > 0 else torch.ones_like(weights)

    def corrected(self, m, v, t, b1, b2):
        return m / (1 - b1**t), v / (1 - b2**t)

    def update(self, p, g, state, group):
        b1, b2 = group["betas"]
        m = _kept(state, "m", p).mul_(b1).add_((1 - b1) * g)
        v = _kept(state, "v", p).mul_(b2).add_((1 - b2) * g * g)
        m, v = self.corrected(m, v, state["t"], b1, b2)
        x = m / (v.sqrt() + group["eps"])
        r = x + group["weight_decay"] * p
        p.sub_(group["lr"] * self.ratio(p, r, x) * r)


class LambMultiplies(_LAMB):
    """The corrections are multiplied, not divided by (fastai/swiftai#13)."""

    def corrected(self, m, v, t, b1, b2):
        return m * (1 - b1**t), v


class LambFirstOnly(_LAMB):
    """Only the first moment is corrected. Classical."""

    def corrected(self, m, v, t, b1, b2):
        return m / (1 - b1**t), v


class LambBeforeDecay(_LAMB):
    """The ratio is taken of the update before the decay is added. Classical."""

    def ratio(self, p, r, x):
        return super().ratio(p, x, x)


class LambInverted(_LAMB):
    """‖r‖/‖θ‖ for ‖θ‖/‖r‖. Classical."""

    def ratio(self, p, r, x):
        return 1 / super().ratio(p, r, x)


class LambZeroByZero(_LAMB):
    """The case of a norm that is zero is forgotten: a parameter at zero stays, or is 0/0. Classical."""

    def ratio(self, p, r, x):
        return p.norm() / r.norm()


class _Adafactor(_Held):
    def __init__(self, params, lr=0.01, beta2_decay=-0.8, eps=(1e-30, 1e-3), d=1.0):
        super().__init__(params, lr, beta2_decay=beta2_decay, eps=eps, d=d)

    def estimate(self, rows, columns):
        return rows * columns / rows.mean(-2, keepdim=True)

    def clipped(self, u, d):
        return u / (u.square().mean().sqrt() / d).clamp(min=1.0)

    def scale(self, p, eps2):
        return p.square().mean().sqrt().clamp(min=eps2)

    def rate(self, t, group):
        return min(group["lr"], t**-0.5)

    def update(self, p, g, state, group):
        t, (eps1, eps2) = state["t"], group["eps"]
        keep = 1 - t ** group["beta2_decay"]
        square = g * g + eps1
        if g.dim() < 2:
            v = state["v"] = keep * state.get("v", 0.0) + (1 - keep) * square
        else:
            rows, columns = square.mean(-1, keepdim=True), square.mean(-2, keepdim=True)
            rows = state["r"] = keep * state.get("r", 0.0) + (1 - keep) * rows
            columns = state["c"] = keep * state.get("c", 0.0) + (1 - keep) * columns
            v = self.estimate(rows, columns)
        u = self.clipped(g / v.sqrt(), group["d"])
        p.sub_(self.scale(p, eps2) * self.rate(t, group) * u)


class AdafactorUnnormalised(_Adafactor):
    """R C is not divided by the mean of R. Classical."""

    def estimate(self, rows, columns):
        return rows * columns


class AdafactorClipsUp(_Adafactor):
    """The divisor is clipped at 1 from above: small updates grow, great ones stay (pytorch-image-models#2790)."""

    def clipped(self, u, d):
        return u / (u.square().mean().sqrt() * d).clamp(max=1.0)


class AdafactorNormOfSum(_Adafactor):
    """The norm stands for the root mean square in the clipping. Classical."""

    def clipped(self, u, d):
        return u / (u.norm() / d).clamp(min=1.0)


class AdafactorUnscaled(_Adafactor):
    """The step does not scale with the parameter: scale_parameter is ignored. Classical."""

    def scale(self, p, eps2):
        return 1.0


def _kill(name, kind, rule, check="optimizer.trajectory", **hyper):
    return Mutant(name=name, make=lambda: Optimizer(kind, rule=rule, name=kind.__name__, **hyper), killed_by=check)


MUTANTS = [
    _kill("lars_scales_velocity", LarsScalesVelocity, "lars"),
    _kill("lars_zero_stays", LarsZeroStays, "lars"),
    _kill("lars_only_decayed", LarsOnlyDecayed, "lars", weight_decay=0.0),
    _kill("lars_forgets_decay", LarsForgetsDecay, "lars"),
    _kill("lars_one_norm", LarsOneNorm, "lars", "optimizer.parameters_independent"),
    _kill("lamb_multiplies", LambMultiplies, "lamb", "optimizer.first_step"),
    _kill("lamb_first_only", LambFirstOnly, "lamb"),
    _kill("lamb_before_decay", LambBeforeDecay, "lamb"),
    _kill("lamb_inverted", LambInverted, "lamb"),
    _kill("lamb_zero_by_zero", LambZeroByZero, "lamb"),
    _kill("adafactor_unnormalised", AdafactorUnnormalised, "adafactor"),
    _kill("adafactor_clips_up", AdafactorClipsUp, "adafactor"),
    _kill("adafactor_norm_of_sum", AdafactorNormOfSum, "adafactor"),
    _kill("adafactor_unscaled", AdafactorUnscaled, "adafactor"),
]


class LarsSkipsVectors(_LARS):
    """Biases and scales are neither adapted nor decayed, as in most vision recipes."""

    def update(self, p, g, state, group):
        if p.dim() > 1:
            super().update(p, g, state, group)
        else:
            p.sub_(_kept(state, "b", p).mul_(group["momentum"]).add_(group["lr"] * g))


class LarsJoint(_LARS):
    """The ratio of the norms of θ and of g + λ θ, and the rate outside of the velocity, as optax has them."""

    def update(self, p, g, state, group):
        u = g + group["weight_decay"] * p
        weights, length = torch.linalg.vector_norm(p), torch.linalg.vector_norm(u)
        ratio = torch.where(
            (weights == 0) | (length == 0), torch.ones_like(weights), group["trust_coefficient"] * weights / length
        )
        b = state["b"] = group["momentum"] * state.get("b", 0.0) + ratio * u
        p.add_(b, alpha=-group["lr"])


class LambUncorrected(_LAMB):
    """Without bias correction, and with φ(z) = min(z, 10), as the first implementations had it."""

    def corrected(self, m, v, t, b1, b2):
        return m, v

    def ratio(self, p, r, x):
        weights, length = p.square().sum().sqrt().clamp(0, 10), r.square().sum().sqrt()
        return torch.where((weights == 0) | (length == 0), torch.ones_like(weights), weights / length)


class AdafactorOuter(_Adafactor):
    """Rows and columns as vectors, the estimate as an outer product of roots."""

    def estimate(self, rows, columns):
        r, c = rows.squeeze(-1), columns.squeeze(-2)
        return torch.outer((r / r.mean()).sqrt(), c.sqrt()) ** 2


TWINS = [
    Twin(name="lars_reference", make=lambda: Optimizer(LARS, rule="lars")),
    Twin(name="lars_in_pieces", make=lambda: Optimizer(_LARS, rule="lars")),
    Twin(name="lars_skips_vectors", make=lambda: Optimizer(LarsSkipsVectors, rule="lars")),
    Twin(name="lars_joint", make=lambda: Optimizer(LarsJoint, rule="lars")),
    Twin(name="lamb_reference", make=lambda: Optimizer(LAMB, rule="lamb")),
    Twin(name="lamb_uncorrected", make=lambda: Optimizer(LambUncorrected, rule="lamb")),
    Twin(name="adafactor_reference", make=lambda: Optimizer(Adafactor, rule="adafactor")),
    Twin(name="adafactor_outer", make=lambda: Optimizer(AdafactorOuter, rule="adafactor")),
]
