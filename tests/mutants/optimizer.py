"""Wrong optimizers that pass "the loss goes down", and right ones in unusual dress."""

from __future__ import annotations

import torch

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

TWINS: list[Twin] = []  # they stand in optimizer_twins.py
