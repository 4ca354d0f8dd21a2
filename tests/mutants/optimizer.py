"""Wrong optimizers that pass "the loss goes down", and right ones in unusual dress."""

from __future__ import annotations

import torch

from genverify.reference.optimizers.adam import Adam
from genverify.reference.optimizers.gradient_descent import GradientDescent
from genverify.reference.optimizers.heavy_ball import HeavyBall
from genverify.reference.optimizers.momentum_ema import MomentumEMA
from genverify.reference.optimizers.nesterov import Nesterov
from genverify.subjects.optimizer import Optimizer
from tests.mutants.mutant import Mutant, Twin


class _Held(torch.optim.Optimizer):
    """The loop that everybody writes; `update` is what differs."""

    def __init__(self, params, lr=1e-2, **more):
        super().__init__(params, {"lr": lr, **more})

    @torch.no_grad()
    def step(self, closure=None):
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    state = self.state[p]
                    state["t"] = state.get("t", 0) + 1
                    self.update(p, p.grad.clone(), state, group)
        return loss


def _kept(state, name, p):
    if name not in state:
        state[name] = torch.zeros_like(p)
    return state[name]


class _Adam(_Held):
    """Adam in pieces, each of which a mutant breaks."""

    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0, amsgrad=False):
        super().__init__(params, lr, betas=betas, eps=eps, weight_decay=weight_decay, amsgrad=amsgrad)

    def corrections(self, t, b1, b2):
        return 1 - b1**t, 1 - b2**t

    def decayed(self, p, g, group):
        return g + group["weight_decay"] * p

    def square(self, g, m):
        return g * g

    def denominator(self, v, c2, eps):
        return (v / c2).sqrt() + eps

    def held(self, p, v, state, group):
        if not group["amsgrad"]:
            return v
        return torch.maximum(_kept(state, "x", p), v, out=_kept(state, "x", p))

    def rate(self, group):
        return group["lr"]

    def memory(self, p, state, group):
        return state

    def after(self, p, group):
        pass

    def update(self, p, g, state, group):
        b1, b2 = group["betas"]
        g = self.decayed(p, g, group)
        state = self.memory(p, state, group)
        m = _kept(state, "m", p).mul_(b1).add_((1 - b1) * g)
        v = _kept(state, "v", p).mul_(b2).add_((1 - b2) * self.square(g, m))
        c1, c2 = self.corrections(state["t"], b1, b2)
        p.sub_(self.rate(group) * (m / c1) / self.denominator(self.held(p, v, state, group), c2, group["eps"]))
        self.after(p, group)


class AdamUncorrected(_Adam):
    """No bias correction (BertAdam sold as Adam): the first steps are 3.2 times as long as Adam's."""

    def corrections(self, t, b1, b2):
        return 1.0, 1.0


class AdamFirstOnly(_Adam):
    """Only the first moment is corrected. Classical."""

    def corrections(self, t, b1, b2):
        return 1 - b1**t, 1.0


class AdamCountsAhead(_Adam):
    """The step count is increased twice before it is first used: t + 1 for t. Classical."""

    def corrections(self, t, b1, b2):
        return 1 - b1 ** (t + 1), 1 - b2 ** (t + 1)


class AdamEpsilonInside(_Adam):
    """√(v̂ + ε): seen in many reimplementations; ε = 1e-8 becomes 1e-4 beside √v̂."""

    def denominator(self, v, c2, eps):
        return (v / c2 + eps).sqrt()


class AdamNoRoot(_Adam):
    """The step divides by v̂ + ε, without the root: printed so on an annotated-paper site."""

    def denominator(self, v, c2, eps):
        return v / c2 + eps


class AdamRateDoubled(_Adam):
    """The learning rate is doubled: passes "loss goes down" everywhere."""

    def rate(self, group):
        return 2 * group["lr"]


class AdamRateTwice(_Adam):
    """The learning rate is applied twice. Classical where it is folded into a moment."""

    def rate(self, group):
        return group["lr"] ** 2


class AdamBetasSwapped(_Adam):
    """β₁ and β₂ change places. Classical in positional calls."""

    def update(self, p, g, state, group):
        super().update(p, g, state, {**group, "betas": group["betas"][::-1]})


class AdamBetasIgnored(_Adam):
    """The defaults are written into the update: the argument is ignored. Classical."""

    def update(self, p, g, state, group):
        super().update(p, g, state, {**group, "betas": (0.9, 0.999)})


class AdamSquaresMoment(_Adam):
    """The second moment averages m² in place of g². Classical."""

    def square(self, g, m):
        return m * m


class AdamAbsolute(_Adam):
    """The second moment averages |g| in place of g². Classical."""

    def square(self, g, m):
        return g.abs()


class AdamDecoupled(_Adam):
    """Decay beside the step in a class that is called Adam: that is AdamW (Loshchilov & Hutter 2019)."""

    def decayed(self, p, g, group):
        p.mul_(1 - group["lr"] * group["weight_decay"])
        return g


class AdamWCoupled(_Adam):
    """AdamW whose decay is added to the gradient: that is Adam with L2. Classical."""

    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=1e-2):
        super().__init__(params, lr, betas, eps, weight_decay)


class AdamWAfter(AdamWCoupled):
    """AdamW whose decay shrinks the parameters after the step (transformers.AdamW, now deprecated)."""

    def decayed(self, p, g, group):
        return g

    def after(self, p, group):
        p.mul_(1 - group["lr"] * group["weight_decay"])


class AdamStateShared(_Adam):
    """One state for all parameters, as in PennyLaneAI/pennylane#1928."""

    def memory(self, p, state, group):
        shared = self.state[group["params"][0]]
        shared.setdefault("t", 1)
        return shared


class AmsgradNotStored(_Adam):
    """The maximum is computed and not kept (pytorch/pytorch#78807): hides while v grows."""

    def held(self, p, v, state, group):
        return torch.maximum(torch.zeros_like(v), v)


class AmsgradOfMoment(_Adam):
    """The maximum is taken of m² in place of v. Classical."""

    def held(self, p, v, state, group):
        x = _kept(state, "x", p)
        return torch.maximum(x, state["m"] ** 2, out=x) if group["amsgrad"] else v


class AdamByRow(_Adam):
    """The second moment is the mean square of each row: entries influence each other. Classical, keepdim left in."""

    def square(self, g, m):
        return (g * g).mean(-1, keepdim=True).expand_as(g) if g.dim() else g * g


class AdamForgetsMoment(_Adam):
    """state_dict leaves the second moment out, so that resumed training begins with v = 0. Classical."""

    def state_dict(self):
        saved = super().state_dict()
        saved["state"] = {k: {n: x for n, x in one.items() if n != "v"} for k, one in saved["state"].items()}
        return saved


class AdamZeroByZero(_Adam):
    """ε is forgotten: 0/0 where the gradient is zero. Classical."""

    def denominator(self, v, c2, eps):
        return (v / c2).sqrt()


class AdamNoneIsZero(_Adam):
    """A parameter without a gradient is stepped as if it were zero: its momentum carries it on. Classical."""

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            for p in group["params"]:
                state = self.state[p]
                state["t"] = state.get("t", 0) + 1
                self.update(p, torch.zeros_like(p) if p.grad is None else p.grad.clone(), state, group)


class AdamClosureUnderNoGrad(_Adam):
    """The closure is called under no_grad: backward() inside it raises, or the gradients stay old. Classical."""

    @torch.no_grad()
    def step(self, closure=None):
        loss = closure() if closure is not None else None
        super().step()
        return loss


class AdamFirstGroup(_Adam):
    """The first group's learning rate is used for all groups. Classical."""

    def rate(self, group):
        return self.param_groups[0]["lr"]


class MaximizeDecays(_Held):
    """Maximize negates the step and not the gradient, so that weight decay grows the weights. Classical."""

    def __init__(self, params, lr=1e-2, weight_decay=0.0, maximize=False):
        super().__init__(params, lr, weight_decay=weight_decay, maximize=maximize)

    def update(self, p, g, state, group):
        g = g + group["weight_decay"] * p
        p.sub_(group["lr"] * (-g if group["maximize"] else g))


class Ascent(_Held):
    """θ + η g. Classical."""

    def update(self, p, g, state, group):
        p.add_(group["lr"] * g)


class _Momentum(_Held):
    def __init__(self, params, lr=1e-2, momentum=0.9):
        super().__init__(params, lr, momentum=momentum)


class VelocityAfterStep(_Momentum):
    """The velocity is updated after the step, so that the first step does not move. Classical."""

    def update(self, p, g, state, group):
        b = _kept(state, "b", p)
        p.sub_(group["lr"] * b)
        b.mul_(group["momentum"]).add_(g)


class EmaUndamped(_Momentum):
    """The first step is undamped, as in torch.optim.SGD(dampening=momentum), and it is sold as the average."""

    def update(self, p, g, state, group):
        beta = group["momentum"]
        state["m"] = g.clone() if "m" not in state else beta * state["m"] + (1 - beta) * g
        p.sub_(group["lr"] * state["m"])


class NesterovWithoutGradient(_Momentum):
    """The look-ahead forgets the gradient: θ - η β b. Classical."""

    def update(self, p, g, state, group):
        b = _kept(state, "b", p).mul_(group["momentum"]).add_(g)
        p.sub_(group["lr"] * group["momentum"] * b)


class NesterovIsHeavyBall(_Momentum):
    """The look-ahead is missing: it is the heavy ball. Classical."""

    def update(self, p, g, state, group):
        p.sub_(group["lr"] * _kept(state, "b", p).mul_(group["momentum"]).add_(g))


def _kill(name, kind, rule, check="optimizer.trajectory", **hyper):
    return Mutant(name=name, make=lambda: Optimizer(kind, rule=rule, name=kind.__name__, **hyper), killed_by=check)


MUTANTS = [
    _kill("adam_uncorrected", AdamUncorrected, "adam", "optimizer.first_step", lr=1e-3),
    _kill("adam_first_moment_only", AdamFirstOnly, "adam", "optimizer.first_step", lr=1e-3),
    _kill("adam_counts_ahead", AdamCountsAhead, "adam", "optimizer.first_step", lr=1e-3),
    _kill("adam_epsilon_inside", AdamEpsilonInside, "adam", lr=1e-3),
    _kill("adam_no_root", AdamNoRoot, "adam", lr=1e-3),
    _kill("adam_rate_doubled", AdamRateDoubled, "adam", lr=1e-3),
    _kill("adam_rate_twice", AdamRateTwice, "adam", lr=1e-3),
    _kill("adam_betas_swapped", AdamBetasSwapped, "adam", lr=1e-3),
    _kill("adam_betas_ignored", AdamBetasIgnored, "adam", lr=1e-3),
    _kill("adam_squares_moment", AdamSquaresMoment, "adam", lr=1e-3),
    _kill("adam_absolute", AdamAbsolute, "adam", lr=1e-3),
    _kill("adam_decoupled", AdamDecoupled, "adam", lr=1e-3),
    _kill("adamw_coupled", AdamWCoupled, "adamw"),
    _kill("adamw_after", AdamWAfter, "adamw"),
    _kill("adam_state_shared", AdamStateShared, "adam", "optimizer.parameters_independent", lr=1e-3),
    _kill("amsgrad_not_stored", AmsgradNotStored, "amsgrad"),
    _kill("amsgrad_of_moment", AmsgradOfMoment, "amsgrad"),
    _kill("adam_by_row", AdamByRow, "adam", "optimizer.permutation_equivariance"),
    _kill("adam_forgets_moment", AdamForgetsMoment, "adam", "optimizer.state_round_trip"),
    _kill("adam_zero_by_zero", AdamZeroByZero, "adam", "optimizer.zero_gradient"),
    _kill("adam_none_is_zero", AdamNoneIsZero, "adam", "optimizer.none_gradient_skipped"),
    _kill("adam_closure_under_no_grad", AdamClosureUnderNoGrad, "adam", "optimizer.closure"),
    _kill("adam_first_group", AdamFirstGroup, "adam", "optimizer.parameter_groups"),
    _kill("maximize_decays", MaximizeDecays, "gradient_descent", "optimizer.maximize"),
    _kill("ascent", Ascent, "gradient_descent"),
    _kill("velocity_after_step", VelocityAfterStep, "heavy_ball"),
    _kill("ema_undamped", EmaUndamped, "momentum_ema", "optimizer.first_step"),
    _kill("nesterov_without_gradient", NesterovWithoutGradient, "nesterov"),
    _kill("nesterov_is_heavy_ball", NesterovIsHeavyBall, "nesterov"),
]


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
