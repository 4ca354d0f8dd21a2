"""Wrong optimizers whose mistakes show late, in a switch, or in another scale of the gradients."""

from __future__ import annotations

import torch

from genverify.subjects.optimizer import Optimizer
from tests.mutants.mutant import Mutant, Twin
from tests.mutants.optimizer import _Adam, _Held, _kept


class AdamCountsInAByte(_Adam):
    """The step count is a uint8 tensor, which begins again at 0 after 255 steps. Classical in quantised state."""

    def update(self, p, g, state, group):
        self.count = getattr(self, "count", torch.zeros((), dtype=torch.uint8)) + 1
        state["t"] = max(1, int(self.count))
        super().update(p, g, state, group)


class AdamClipsQuietly(_Adam):
    """Clips each gradient to norm 1 before it is used, and does not say so. Met in wrappers of training loops."""

    def update(self, p, g, state, group):
        super().update(p, g * (1.0 / g.norm().clamp_min(1.0)), state, group)


class ForeachForgetsDecay(_Held):
    """The branch over lists of tensors leaves the weight decay out. Classical in duplicated code paths."""

    def __init__(self, params, lr=1e-2, weight_decay=0.1, foreach=False):
        super().__init__(params, lr, weight_decay=weight_decay, foreach=foreach)

    def update(self, p, g, state, group):
        if not group["foreach"]:
            g = g + group["weight_decay"] * p
        p.sub_(group["lr"] * g)


class ClosureTwice(_Held):
    """The closure is called again after the step, so that its gradients stand in .grad for nobody. Classical."""

    def update(self, p, g, state, group):
        p.sub_(group["lr"] * _kept(state, "b", p).mul_(0.9).add_(g))

    def step(self, closure=None):
        super().step(closure)
        with torch.enable_grad():
            return closure() if closure is not None else None


class HeavyBallKeepsTheGradient(_Held):
    """The buffer begins as .grad itself, into which the next backward() writes: a clone is forgotten. Classical."""

    def update(self, p, g, state, group):
        if "b" in state:
            state["b"].mul_(0.9).add_(g)
        else:
            state["b"] = p.grad
        p.sub_(group["lr"] * state["b"])


def _kill(name, kind, rule, check, **hyper):
    return Mutant(name=name, make=lambda: Optimizer(kind, rule=rule, name=kind.__name__, **hyper), killed_by=check)


MUTANTS = [
    _kill("adam_counts_in_a_byte", AdamCountsInAByte, "adam", "optimizer.long_trajectory"),
    _kill("adam_clips_quietly", AdamClipsQuietly, "adam", "optimizer.scale_invariance"),
    _kill("foreach_forgets_decay", ForeachForgetsDecay, "gradient_descent", "optimizer.switches_agree"),
    _kill("heavy_ball_keeps_the_gradient", HeavyBallKeepsTheGradient, "heavy_ball", "optimizer.trajectory"),
    _kill("closure_twice", ClosureTwice, "heavy_ball", "optimizer.closure"),
]
TWINS: list[Twin] = []
