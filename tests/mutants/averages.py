"""Mutants of averages of whole models, and of schedules that a script's own settings make long."""

from __future__ import annotations

import copy
import math

import torch

from genverify.subjects.formula import Formula
from tests.mutants.mutant import Mutant, Twin

EMA, COSINE = "ema.weights", "schedule.warmup_cosine"


class Shadow:
    """The average as most training scripts keep it."""

    def __init__(self, model, decay=0.999):
        self.decay = decay
        self.shadow = {name: p.detach().clone() for name, p in model.named_parameters()}

    def update(self, model):
        for name, p in model.named_parameters():
            self.shadow[name].mul_(self.decay).add_(p.detach(), alpha=1 - self.decay)


class WithoutCopies(Shadow):
    """The shadow is the weights themselves, which the optimizer overwrites. Met as `p.data` kept without `clone()`."""

    def __init__(self, model, decay=0.999):
        self.decay = decay
        self.shadow = {name: p.detach() for name, p in model.named_parameters()}


class FirstAlone(Shadow):
    """Returns inside the loop: the first parameter alone is averaged."""

    def update(self, model):
        for name, p in model.named_parameters():
            self.shadow[name].mul_(self.decay).add_(p.detach(), alpha=1 - self.decay)
            return


class Copied:
    """A deep copy of the model, updated without being handed the model again."""

    def __init__(self, model, beta=0.99):
        self.model, self.ema_model, self.beta = model, copy.deepcopy(model), beta

    @torch.no_grad()
    def update(self):
        for average, p in zip(self.ema_model.parameters(), self.model.parameters(), strict=True):
            average.lerp_(p, 1 - self.beta)


class WarmedUp(Shadow):
    """Counts its updates, and averages over few at first."""

    def __init__(self, model, decay=0.999):
        super().__init__(model, decay)
        self.num_updates, self.final = 0, decay

    def update(self, model):
        self.num_updates += 1
        self.decay = min(self.final, (1 + self.num_updates) / (10 + self.num_updates))
        super().update(model)


def soft_update(target_net, policy_net, tau):
    with torch.no_grad():
        for average, p in zip(target_net.parameters(), policy_net.parameters(), strict=True):
            average.copy_(tau * p + (1 - tau) * average)


def soft_update_exchanged(target_net, policy_net, tau):
    """τ keeps the old network instead of letting in the new. Met in reinforcement learning's target networks."""
    soft_update(target_net, policy_net, 1 - tau)


def _script(total_of_decay):
    WARMUP_ITERS, MAX_ITERS, MAX_LR, MIN_LR = 2000, 600_000, 6e-4, 6e-5

    def get_lr(it):
        if it < WARMUP_ITERS:
            return MAX_LR * (it + 1) / WARMUP_ITERS
        if it > MAX_ITERS:
            return MIN_LR
        ratio = (it - WARMUP_ITERS) / total_of_decay(WARMUP_ITERS, MAX_ITERS)
        return MIN_LR + 0.5 * (1 + math.cos(math.pi * ratio)) * (MAX_LR - MIN_LR)

    return get_lr


def long_decay():
    """With settings in capitals that it captures."""
    return _script(lambda warmup, total: total - warmup)


def decay_over_all_steps():
    """The phase of the cosine is divided by T, and not by T − w: it ends high, and jumps."""
    return _script(lambda warmup, total: total)


def _declared(f, like):
    return lambda: Formula(f, like=like)


MUTANTS = [
    Mutant(name=f"{EMA}: {f.__name__}", make=_declared(f, EMA), killed_by="formula.dialect")
    for f in (WithoutCopies, FirstAlone, soft_update_exchanged)
]
MUTANTS.append(
    Mutant(
        name="decay_over_all_steps", make=lambda: Formula(decay_over_all_steps(), like=COSINE),
        killed_by="formula.dialect",
    )
)  # fmt: skip
TWINS = [
    Twin(name=f"{EMA}: {f.__name__}", make=_declared(f, EMA)) for f in (Shadow, Copied, WarmedUp, soft_update)
]  # fmt: skip
TWINS.append(Twin(name="long_decay", make=lambda: Formula(long_decay(), like=COSINE)))
