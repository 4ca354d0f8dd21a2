"""Rprop, Lion, ASGD and SGDW: wrong in ways that still descend, and right in unusual dress."""

from __future__ import annotations

import torch

from genverify.reference.optimizers.asgd import ASGD
from genverify.reference.optimizers.lion import Lion
from genverify.reference.optimizers.rprop import Rprop
from genverify.reference.optimizers.sgdw import SGDW
from genverify.subjects.optimizer import Optimizer
from tests.mutants.mutant import Mutant, Twin
from tests.mutants.optimizer import _Held, _kept


class _Rprop(_Held):
    def __init__(self, params, lr=0.01, etas=(0.5, 1.2), step_sizes=(1e-6, 50.0)):
        super().__init__(params, lr, etas=etas, step_sizes=step_sizes)

    def clamped(self, size, group):
        return size.clamp(*group["step_sizes"])

    def moved(self, g, kept, size, state):
        return kept.sign() * size

    def remembered(self, g, kept):
        return kept

    def update(self, p, g, state, group):
        agreement = g * _kept(state, "previous", p)
        size = state.get("size", torch.full_like(p, group["lr"]))
        size = torch.where(agreement > 0, size * group["etas"][1], size)
        size = torch.where(agreement < 0, size * group["etas"][0], size)
        size = state["size"] = self.clamped(size, group)
        kept = torch.where(agreement < 0, torch.zeros_like(g), g)
        p.sub_(self.moved(g, kept, size, state))
        state["previous"] = self.remembered(g, kept)


class RpropStale(_Rprop):
    """The step of the step before is taken: the first one does not move (google-deepmind/optax#1725)."""

    def moved(self, g, kept, size, state):
        last = state.get("last", torch.zeros_like(g))
        state["last"] = kept.sign() * size
        return torch.where(kept == 0, torch.zeros_like(last), last)


class RpropRemembers(_Rprop):
    """No step at a change of sign, but the gradient is remembered, so that the next agrees with it. Classical."""

    def remembered(self, g, kept):
        return g


class RpropZeroIsPositive(_Rprop):
    """After a change of sign the zeroed gradient counts as positive, and moves (libfann/fann#85)."""

    def moved(self, g, kept, size, state):
        return torch.where(kept < 0, -size, size) * (g != 0)


class RpropUnclamped(_Rprop):
    """Step sizes grow without end: the bounds are taken and not heeded. Classical."""

    def clamped(self, size, group):
        return size


class RpropIsRmsprop(_Held):
    """RMSprop under the name of Rprop (wolny/pytorch-3dunet#126)."""

    def __init__(self, params, lr=0.01, etas=(0.5, 1.2), step_sizes=(1e-6, 50.0)):
        super().__init__(params, lr, etas=etas, step_sizes=step_sizes)

    def update(self, p, g, state, group):
        v = _kept(state, "v", p).mul_(0.99).add_(0.01 * g * g)
        p.sub_(group["lr"] * g / (v.sqrt() + 1e-8))


class _Lion(_Held):
    def __init__(self, params, lr=1e-4, betas=(0.9, 0.99), weight_decay=0.0):
        super().__init__(params, lr, betas=betas, weight_decay=weight_decay)

    def update(self, p, g, state, group):
        b1, b2 = group["betas"]
        m = _kept(state, "m", p)
        p.mul_(1 - group["lr"] * group["weight_decay"])
        p.sub_(group["lr"] * (b1 * m + (1 - b1) * g).sign())
        m.mul_(b2).add_((1 - b2) * g)


class LionCoupled(_Lion):
    """Decay is added to the gradient, where it changes what is under the sign (bitsandbytes#1992)."""

    def update(self, p, g, state, group):
        super().update(p, g + group["weight_decay"] * p, state, {**group, "weight_decay": 0.0})


class LionSwapped(_Lion):
    """β₁ and β₂ change places. Classical."""

    def update(self, p, g, state, group):
        super().update(p, g, state, {**group, "betas": group["betas"][::-1]})


class LionLate(_Lion):
    """The momentum is updated before the interpolation; at β₂ near 1 that seldom turns a sign. Classical."""

    def update(self, p, g, state, group):
        b1, b2 = group["betas"]
        m = _kept(state, "m", p).mul_(b2).add_((1 - b2) * g)
        p.mul_(1 - group["lr"] * group["weight_decay"])
        p.sub_(group["lr"] * (b1 * m + (1 - b1) * g).sign())


class LionInPlace(_Lion):
    """m.mul_(β₁) overwrites the momentum by the interpolation. Classical in in-place code."""

    def update(self, p, g, state, group):
        b1, _ = group["betas"]
        m = _kept(state, "m", p).mul_(b1).add_((1 - b1) * g)
        p.mul_(1 - group["lr"] * group["weight_decay"])
        p.sub_(group["lr"] * m.sign())


class LionSignOfZero(_Lion):
    """A sign that is never 0: parameters move without a gradient. Classical where g ≥ 0 stands for sign."""

    def update(self, p, g, state, group):
        b1, b2 = group["betas"]
        m = _kept(state, "m", p)
        p.mul_(1 - group["lr"] * group["weight_decay"])
        p.sub_(group["lr"] * (2.0 * (b1 * m + (1 - b1) * g >= 0) - 1.0))
        m.mul_(b2).add_((1 - b2) * g)


class _ASGD(_Held):
    def __init__(self, params, lr=0.01, lambd=1e-4, alpha=0.75):
        super().__init__(params, lr, lambd=lambd, alpha=alpha)

    def rate(self, t, group):
        return group["lr"] / (1 + group["lambd"] * group["lr"] * (t - 1)) ** group["alpha"]

    def update(self, p, g, state, group):
        rate = self.rate(state["t"], group)
        p.mul_(1 - group["lambd"] * rate).sub_(rate * g)


class AsgdNoPower(_ASGD):
    """The power α of the falling rate is forgotten. Classical."""

    def rate(self, t, group):
        return super().rate(t, {**group, "alpha": 1.0})


class AsgdNoDecay(_ASGD):
    """λ slows the rate down, and does not decay the parameters. Classical."""

    def update(self, p, g, state, group):
        p.sub_(self.rate(state["t"], group) * g)


class AsgdIsAverage(_ASGD):
    """The parameters are overwritten by their average, from which the next step begins. Classical."""

    def update(self, p, g, state, group):
        before = p.clone()
        super().update(p, g, state, group)
        p.copy_(before + (p - before) / state["t"])


class _SGDW(_Held):
    def __init__(self, params, lr=0.01, momentum=0.9, weight_decay=1e-2):
        super().__init__(params, lr, momentum=momentum, weight_decay=weight_decay)

    def update(self, p, g, state, group):
        m = _kept(state, "m", p).mul_(group["momentum"]).add_(group["lr"] * g)
        p.sub_(m + group["weight_decay"] * p)


class SgdwCoupled(_SGDW):
    """Decay goes through the momentum: that is SGD with L2. Classical."""

    def update(self, p, g, state, group):
        super().update(p, g + group["weight_decay"] * p, state, {**group, "weight_decay": 0.0})


class SgdwTwice(_SGDW):
    """Decay in the gradient and beside the step. Classical after a merge."""

    def update(self, p, g, state, group):
        super().update(p, g + group["weight_decay"] * p, state, group)


class SgdwGrows(_SGDW):
    """θ (1 + λ): the sign of the decay. Classical."""

    def update(self, p, g, state, group):
        super().update(p, g, state, {**group, "weight_decay": -group["weight_decay"]})


def _kill(name, kind, rule, check="optimizer.trajectory", **hyper):
    return Mutant(name=name, make=lambda: Optimizer(kind, rule=rule, name=kind.__name__, **hyper), killed_by=check)


MUTANTS = [
    _kill("rprop_stale", RpropStale, "rprop", "optimizer.first_step"),
    _kill("rprop_remembers", RpropRemembers, "rprop"),
    _kill("rprop_zero_is_positive", RpropZeroIsPositive, "rprop"),
    _kill("rprop_unclamped", RpropUnclamped, "rprop"),
    _kill("rprop_is_rmsprop", RpropIsRmsprop, "rprop"),
    _kill("lion_coupled", LionCoupled, "lion"),
    _kill("lion_swapped", LionSwapped, "lion"),
    _kill("lion_late", LionLate, "lion", betas=(0.9, 0.5)),
    _kill("lion_in_place", LionInPlace, "lion"),
    _kill("lion_sign_of_zero", LionSignOfZero, "lion", "optimizer.zero_gradient"),
    _kill("asgd_no_power", AsgdNoPower, "asgd", lambd=0.1),
    _kill("asgd_no_decay", AsgdNoDecay, "asgd", lambd=0.1),
    _kill("asgd_is_average", AsgdIsAverage, "asgd"),
    _kill("sgdw_coupled", SgdwCoupled, "sgdw"),
    _kill("sgdw_twice", SgdwTwice, "sgdw"),
    _kill("sgdw_grows", SgdwGrows, "sgdw"),
]


class RpropMasks(_Rprop):
    """Boolean masks and in-place fills."""

    def update(self, p, g, state, group):
        agreement = torch.sign(_kept(state, "previous", p)) * torch.sign(g)
        size = state.setdefault("size", torch.full_like(p, group["lr"]))
        size[agreement == 1] *= group["etas"][1]
        size[agreement == -1] *= group["etas"][0]
        size.clamp_(*group["step_sizes"])
        g[agreement == -1] = 0
        p.sub_(size * torch.sign(g))
        state["previous"].copy_(g)


class RpropBacktracks(_Rprop):
    """Rprop⁺, as it was first published: the last step is taken back at a change of sign."""

    def moved(self, g, kept, size, state):
        back = -state.get("last", torch.zeros_like(g))
        state["last"] = torch.where((kept == 0) & (g != 0), back, kept.sign() * size)
        return state["last"]


def lion_update(params, grads, state, learning_rate=1e-4, b1=0.9, b2=0.99, wd=0.0):
    """Lists, a dict, and one expression as in the paper's listing."""
    new = []
    for i, (p, g) in enumerate(zip(params, grads, strict=True)):
        m = state.get(i, torch.zeros_like(p))
        new.append(p - learning_rate * (torch.sign(torch.lerp(g, m, b1)) + wd * p))
        state[i] = torch.lerp(g, m, b2)
    return new, state


class LionFloat16(_Lion):
    """The momentum in bfloat16, as memory-saving code keeps it: narrow, not wrong."""

    def update(self, p, g, state, group):
        b1, b2 = group["betas"]
        m = state.get("m", torch.zeros_like(p, dtype=torch.bfloat16)).to(p.dtype)
        p.sub_(group["lr"] * ((b1 * m + (1 - b1) * g).sign() + group["weight_decay"] * p))
        state["m"] = (b2 * m + (1 - b2) * g).to(torch.bfloat16)


class SgdwTimm(_SGDW):
    """Decay scaled by the rate, and the rate outside of the buffer."""

    def update(self, p, g, state, group):
        p.mul_(1 - group["lr"] * group["weight_decay"])
        p.add_(_kept(state, "m", p).mul_(group["momentum"]).add_(g), alpha=-group["lr"])


TWINS = [
    Twin(name="rprop_reference", make=lambda: Optimizer(Rprop, rule="rprop")),
    Twin(name="rprop_masks", make=lambda: Optimizer(RpropMasks, rule="rprop")),
    Twin(name="rprop_backtracks", make=lambda: Optimizer(RpropBacktracks, rule="rprop")),
    Twin(name="lion_reference", make=lambda: Optimizer(Lion, rule="lion")),
    Twin(name="lion_update", make=lambda: Optimizer(lion_update, rule="lion")),
    Twin(name="lion_bfloat16", make=lambda: Optimizer(LionFloat16, rule="lion")),
    Twin(name="asgd_reference", make=lambda: Optimizer(ASGD, rule="asgd")),
    Twin(name="asgd_closed_form", make=lambda: Optimizer(_ASGD, rule="asgd")),
    Twin(name="sgdw_reference", make=lambda: Optimizer(SGDW, rule="sgdw")),
    Twin(name="sgdw_timm", make=lambda: Optimizer(SgdwTimm, rule="sgdw")),
]
