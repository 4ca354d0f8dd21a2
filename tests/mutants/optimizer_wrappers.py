"""Wrong wrappers around optimizers: Lookahead and sharpness-aware minimisation; and right ones in other styles."""

from __future__ import annotations

import torch

from genverify.reference.optimizers.lookahead import Lookahead
from genverify.reference.optimizers.sam import SAM
from genverify.subjects.optimizer import Optimizer
from tests.mutants.mutant import Mutant, Twin


class SlowByComplement(Lookahead):
    """The slow weights keep α and take 1 - α. Classical: an average's weight the other way round."""

    def __init__(self, optimizer, k=5, alpha=0.3):
        super().__init__(optimizer, k, 1 - alpha)
        self.weight = self.__dict__.pop("alpha")

    def __getattr__(self, name):
        if name == "alpha":
            return self.weight
        raise AttributeError(name)


class SlowNotKept(Lookahead):
    """The fast weights are drawn back, and the slow ones stay where training began. Classical."""

    def step(self, closure=None):
        kept = [one.clone() for one in self.slow]
        loss = super().step(closure)
        self.slow = kept
        return loss


class SlowTooLate(Lookahead):
    """The counter begins at 1, so that the first way back comes a step early. Classical off-by-one."""

    def __init__(self, optimizer, k=5, alpha=0.5):
        super().__init__(optimizer, k, alpha)
        self.steps = 1


class SlowNotSaved(Lookahead):
    """state_dict is the inner optimizer's: slow weights and counter are lost. Met often."""

    def state_dict(self):
        return self.optimizer.state_dict()

    def load_state_dict(self, state):
        self.optimizer.load_state_dict(state)


class _SAM(SAM):
    """SAM in pieces, each of which a mutant breaks."""

    def norm(self, p, moved):
        return sum(g.square().sum().item() for _, _, g in moved) ** 0.5

    def restore(self, p, before):
        p.copy_(before)

    def scale(self, g, norm):
        return g * (self.rho / (norm + 1e-12))

    def asks(self, closure):
        with torch.enable_grad():
            closure()

    def step(self, closure):
        with torch.enable_grad():
            loss = closure()
        held = [p for group in self.param_groups for p in group["params"] if p.grad is not None]
        moved = [(p, p.detach().clone(), p.grad.clone()) for p in held]
        with torch.no_grad():
            for p, _, g in moved:
                p += self.scale(g, self.norm(p, moved))
        self.asks(closure)
        with torch.no_grad():
            for p, before, _ in moved:
                self.restore(p, before)
        self.optimizer.step()
        return loss


class SamNotRestored(_SAM):
    """The inner step is made from the perturbed point. Classical: the second half is forgotten."""

    def restore(self, p, before):
        pass


class SamNormEach(_SAM):
    """The norm is each parameter's own, not that of all. Met in early ports of the JAX code."""

    def norm(self, p, moved):
        return p.grad.norm().item()


class SamDescends(_SAM):
    """The perturbation goes down the gradient: the flattest point nearby, not the worst. Classical sign."""

    def scale(self, g, norm):
        return -super().scale(g, norm)


class SamSquaredNorm(_SAM):
    """Divides by ‖g‖², for the root is forgotten. Classical."""

    def norm(self, p, moved):
        return super().norm(p, moved) ** 2


class SamAsksOnce(_SAM):
    """Perturbs, and does not evaluate again: the inner step has the first gradient. Classical."""

    def asks(self, closure):
        pass


class SamRestoredBySubtraction(_SAM):
    """Steps back by subtracting what was added: right up to rounding."""

    def step(self, closure):
        with torch.enable_grad():
            loss = closure()
        held = [p for group in self.param_groups for p in group["params"] if p.grad is not None]
        norm = torch.stack([p.grad.norm() for p in held]).norm()
        added = [self.rho * p.grad / (norm + 1e-12) for p in held]
        with torch.no_grad():
            torch._foreach_add_(held, added)
        self.asks(closure)
        with torch.no_grad():
            torch._foreach_sub_(held, added)
        self.optimizer.step()
        return loss


class SamTwoCalls(torch.optim.Optimizer):
    """first_step and second_step, between which the caller evaluates again; the base is made inside."""

    def __init__(self, params, lr=0.1, momentum=0.0, rho=0.05):
        super().__init__(params, {"lr": lr, "momentum": momentum, "rho": rho})
        self.base = torch.optim.SGD(self.param_groups, lr=lr, momentum=momentum)
        self.state = self.base.state

    @torch.no_grad()
    def first_step(self):
        self.kept = {}
        grads = [p.grad for group in self.param_groups for p in group["params"] if p.grad is not None]
        norm = torch.cat([g.reshape(-1) for g in grads]).norm(p=2)
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    self.kept[p] = p.data.clone()
                    p.data.add_(p.grad / norm.clamp_min(1e-12), alpha=group["rho"])

    @torch.no_grad()
    def second_step(self):
        for p, before in self.kept.items():
            p.data.copy_(before)
        self.base.step()

    def load_state_dict(self, state_dict):
        super().load_state_dict(state_dict)
        self.base.param_groups, self.base.state = self.param_groups, self.state


class LookaheadByLerp:
    """Slow weights in the optimizer's state, lerp, and a counter that runs down."""

    def __init__(self, params, lr=0.01, la_steps=4, la_alpha=0.8):
        self.inner = torch.optim.Adam(params, lr=lr)
        self.la_steps, self.la_alpha, self.left = la_steps, la_alpha, la_steps
        self.cached = {id(p): p.data.clone() for p in self.inner.param_groups[0]["params"]}
        self.param_groups = self.inner.param_groups

    @torch.no_grad()
    def step(self):
        self.inner.step()
        self.left -= 1
        if not self.left:
            self.left = self.la_steps
            for p in self.inner.param_groups[0]["params"]:
                p.data = torch.lerp(self.cached[id(p)], p.data, self.la_alpha)
                self.cached[id(p)] = p.data.clone()


def _around(kind, **more):
    return lambda params: kind(torch.optim.SGD(params, lr=0.1, momentum=0.9), **more)


def _kill(kind, rule, check, **more):
    return Mutant(
        name=kind.__name__,
        make=lambda: Optimizer(_around(kind, **more), rule=rule, name=kind.__name__),
        killed_by=check,
    )


_TRAJECTORY, _PERTURBATION = "optimizer.trajectory", "optimizer.perturbation"
MUTANTS = [
    Mutant(
        name="SlowByComplement",
        make=lambda: Optimizer(_around(SlowByComplement, k=2), rule="lookahead", alpha=0.3, name="SlowByComplement"),
        killed_by=_TRAJECTORY,
    ),
    _kill(SlowNotKept, "lookahead", _TRAJECTORY, k=2),
    _kill(SlowTooLate, "lookahead", _TRAJECTORY, k=2),
    _kill(SlowNotSaved, "lookahead", "optimizer.state_round_trip", k=2),
    _kill(SamNotRestored, "sam", _TRAJECTORY),
    _kill(SamNormEach, "sam", _PERTURBATION),
    _kill(SamDescends, "sam", _PERTURBATION),
    _kill(SamSquaredNorm, "sam", _PERTURBATION),
    _kill(SamAsksOnce, "sam", _PERTURBATION),
]
TWINS = [
    Twin(name="lookahead_reference", make=lambda: Optimizer(_around(Lookahead, k=3), rule="lookahead")),
    Twin(name="lookahead_by_lerp", make=lambda: Optimizer(LookaheadByLerp, rule="lookahead", k=4, alpha=0.8)),
    Twin(name="sam_reference", make=lambda: Optimizer(_around(SAM), rule="sam")),
    Twin(name="sam_restored_by_subtraction", make=lambda: Optimizer(_around(SamRestoredBySubtraction), rule="sam")),
    Twin(name="sam_two_calls", make=lambda: Optimizer(SamTwoCalls, rule="sam")),
]
