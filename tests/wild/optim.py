"""Wild pairs: optimizers. What people wrote, wrong and right."""

import torch

from genverify.subjects.optimizer import Optimizer
from tests.wild.pair import Pair


class _Opt(torch.optim.Optimizer):
    """Loop over parameters that have a gradient; state["t"] counts steps from 1."""

    def __init__(self, params, **defaults):
        super().__init__(params, defaults)

    @torch.no_grad()
    def step(self, closure=None):
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    s = self.state[p]
                    s["t"] = s.get("t", 0) + 1
                    self.update(p, p.grad.clone(), s, group)
        return loss

    @staticmethod
    def buf(s, name, p, value=0.0):
        if name not in s:
            s[name] = torch.full_like(p, value)
        return s[name]


class Adagrad(_Opt):
    """G += g^2; p -= lr/(1+(t-1) lr_decay) g/(sqrt G + eps)."""

    def __init__(self, params, lr, lr_decay=0.0, eps=1e-10):
        super().__init__(params, lr=lr, lr_decay=lr_decay, eps=eps)

    def lr_t(self, t, group):
        return group["lr"] / (1 + (t - 1) * group["lr_decay"])

    def update(self, p, g, s, group):
        G = self.buf(s, "G", p).addcmul_(g, g)
        p.sub_(self.lr_t(s["t"], group) * g / (G.sqrt() + group["eps"]))


class AdagradSharedAccumulator(Adagrad):
    """WRONG: the parameter index is not advanced, so every parameter uses the first one's accumulator.

    Source: PennyLaneAI/pennylane#1928, fixed in #1929.  Symptom: from the second parameter on (shapes
    must broadcast); hides for a single parameter.
    """

    def update(self, p, g, s, group):
        s = self.state[group["params"][0]]
        s.setdefault("t", 1)
        G = self.buf(s, "G", p).addcmul_(g, g)
        p.sub_(self.lr_t(s["t"], group) * g / (G.sqrt() + group["eps"]))


class RMSprop(_Opt):
    """v = a v + (1-a) g^2; denominator sqrt(v) + eps (torch); centered: v - m^2 with m the mean gradient."""

    def __init__(self, params, lr, alpha=0.9, eps=1e-8, centered=False):
        super().__init__(params, lr=lr, alpha=alpha, eps=eps, centered=centered)

    def denom(self, v, eps):
        return v.sqrt() + eps

    def center(self, v, m):
        return v - m**2

    def update(self, p, g, s, group):
        a = group["alpha"]
        v = self.buf(s, "v", p).mul_(a).addcmul_(g, g, value=1 - a)
        if group["centered"]:
            m = self.buf(s, "m", p).mul_(a).add_((1 - a) * g)
            v = self.center(v, m)
        p.sub_(group["lr"] * g / self.denom(v, group["eps"]))


class RMSpropCenteredNoSquare(RMSprop):
    """WRONG: centred variance as v - m instead of v - m^2.

    Source: classical.  Symptom: only centered=True; may take the root of a negative number; right where
    m is 0 or 1.
    """

    def center(self, v, m):
        return v - m


class Adam(_Opt):
    """Adam with the usual options; hooks isolate the places where implementations go wrong."""

    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0, amsgrad=False, decoupled=False):
        super().__init__(
            params, lr=lr, betas=betas, eps=eps, weight_decay=weight_decay, amsgrad=amsgrad, decoupled=decoupled
        )

    def corrections(self, t, b1, b2):
        return 1 - b1**t, 1 - b2**t

    def denom(self, v, c2, eps):
        return (v / c2).sqrt() + eps

    def second(self, s, p, v, c2, group):
        if group["amsgrad"]:
            x = self.buf(s, "max", p)
            torch.maximum(x, v, out=x)
            return x
        return v

    def before(self, p, g, group):
        if group["decoupled"]:
            p.mul_(1 - group["lr"] * group["weight_decay"])
            return g
        return g + group["weight_decay"] * p

    def after(self, p, p_old, group):
        pass

    def update(self, p, g, s, group):
        b1, b2 = group["betas"]
        p_old = p.clone()
        g = self.before(p, g, group)
        m = self.buf(s, "m", p).mul_(b1).add_((1 - b1) * g)
        v = self.buf(s, "v", p).mul_(b2).addcmul_(g, g, value=1 - b2)
        c1, c2 = self.corrections(s["t"], b1, b2)
        p.sub_(group["lr"] * (m / c1) / self.denom(self.second(s, p, v, c2, group), c2, group["eps"]))
        self.after(p, p_old, group)


class AMSGradMaxNotStored(Adam):
    """WRONG: the maximum is computed and not kept.

    Source: pytorch/pytorch#78807 (multi-tensor Adam).  Symptom: amsgrad only; equals Adam with
    max(0, v) = v; hides while v grows.
    """

    def second(self, s, p, v, c2, group):
        return torch.maximum(torch.zeros_like(v), v) if group["amsgrad"] else v


class RAdam(_Opt):
    """Rectified Adam; the length of the average decides whether the second moment is used."""

    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8):
        super().__init__(params, lr=lr, betas=betas, eps=eps)

    def count(self, s):
        return s["t"]

    def update(self, p, g, s, group):
        (b1, b2), t = group["betas"], self.count(s)
        m = self.buf(s, "m", p).mul_(b1).add_((1 - b1) * g)
        v = self.buf(s, "v", p).mul_(b2).addcmul_(g, g, value=1 - b2)
        longest = 2 / (1 - b2) - 1
        n = longest - 2 * t * b2**t / (1 - b2**t)
        step = m / (1 - b1**t)
        if n > 5:
            r = ((n - 4) * (n - 2) * longest / ((longest - 4) * (longest - 2) * n)) ** 0.5
            step = r * step * (1 - b2**t) ** 0.5 / (v.sqrt() + group["eps"])
        p.sub_(group["lr"] * step)


class RAdamCountsTwice(RAdam):
    """WRONG: the step count is increased before and again inside the loop, so that it is 1, 3, 5, …

    Source: geoopt/geoopt#164.  Symptom: the first step is right; corrections fade and rectification begins too early.
    """

    def count(self, s):
        return 2 * s["t"] - 1


class LARS(_Opt):
    """Layer-wise rates: the ratio of norms scales what enters the velocity."""

    def __init__(self, params, lr=0.1, momentum=0.9, weight_decay=1e-2, trust_coefficient=0.02):
        super().__init__(
            params, lr=lr, momentum=momentum, weight_decay=weight_decay, trust_coefficient=trust_coefficient
        )

    def ratio(self, p, g, group):
        w, n = p.norm(), g.norm()
        if not (w > 0 and n > 0):
            return 1.0
        return group["trust_coefficient"] * w / (n + group["weight_decay"] * w)

    def update(self, p, g, s, group):
        rate = group["lr"] * self.ratio(p, g, group)
        p.sub_(self.buf(s, "b", p).mul_(group["momentum"]).add_(rate * (g + group["weight_decay"] * p)))


class LARSScalesVelocity(LARS):
    """WRONG: the ratio of today scales the whole velocity, and the decay is in the ratio only.

    Source: ooples/AiDotNet.Tensors#955.  Symptom: the first step without decay is right; the past is rescaled whenever
    the ratio changes, and weights do not decay.
    """

    def update(self, p, g, s, group):
        b = self.buf(s, "b", p).mul_(group["momentum"]).add_(g)
        p.sub_(group["lr"] * self.ratio(p, g, group) * b)


PAIRS = [
    Pair(
        name="adagrad_shared",
        wrong=lambda: Optimizer(AdagradSharedAccumulator, rule="adagrad", lr=0.1),
        right=lambda: Optimizer(Adagrad, rule="adagrad", lr=0.1),
    ),
    Pair(
        name="rmsprop_centered",
        wrong=lambda: Optimizer(RMSpropCenteredNoSquare, rule="rmsprop", lr=0.01),
        right=lambda: Optimizer(RMSprop, rule="rmsprop", lr=0.01),
    ),
    Pair(
        name="amsgrad_not_stored",
        wrong=lambda: Optimizer(AMSGradMaxNotStored, rule="adam", lr=1e-3),
        right=lambda: Optimizer(Adam, rule="adam", lr=1e-3),
    ),
    Pair(
        name="radam_counts_twice",
        wrong=lambda: Optimizer(RAdamCountsTwice, rule="radam", lr=1e-3),
        right=lambda: Optimizer(RAdam, rule="radam", lr=1e-3),
    ),
    Pair(
        name="lars_scales_velocity",
        wrong=lambda: Optimizer(LARSScalesVelocity, rule="lars"),
        right=lambda: Optimizer(LARS, rule="lars"),
    ),
]
