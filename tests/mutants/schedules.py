"""Mutants of schedules: functions of the step, objects that are stepped, factories of torch's schedulers."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch.optim import lr_scheduler

from genverify.subjects.formula import Formula
from tests.mutants.mutant import Mutant, Twin

MUTANTS: list[Mutant] = []
TWINS: list[Twin] = []


def mutant(like: str, killed_by: str = "dialect") -> Callable[[Any], Any]:
    """Declares the decorated schedule, as a stranger would, as a wrong implementation of the formula."""

    def declare(f: Any) -> Any:
        name = f"schedule.{like}: {f.__name__}"
        MUTANTS.append(
            Mutant(name=name, make=lambda: Formula(f, like=f"schedule.{like}"), killed_by=f"formula.{killed_by}")
        )
        return f

    return declare


def twin(like: str, **declared: Any) -> Callable[[Any], Any]:
    """Declares the decorated schedule as an unusual but correct one."""

    def declare(f: Any) -> Any:
        name = f"schedule.{like}: {f.__name__}"
        TWINS.append(Twin(name=name, make=lambda: Formula(f, like=f"schedule.{like}", **declared)))
        return f

    return declare


@mutant("cosine")
def end_one_step_early(step, total_steps, lr_max, lr_min=0.0):
    """T − 1 for T: off by one at the end. Met wherever the T rates of linspace are taken for T steps."""
    return lr_min + 0.5 * (lr_max - lr_min) * (1 + math.cos(math.pi * step / max(1, total_steps - 1)))


@mutant("cosine")
def first_rate_skipped(epoch, epochs, lr):
    """t + 1 for t: off by one at the start. Met where an epoch counter is incremented before it is used."""
    return 0.5 * lr * (1 + math.cos(math.pi * (epoch + 1) / epochs))


@mutant("cosine")
def floor_is_added(t, T, lr, eta_min):
    """η_min + ½ η₀ (1 + cos): begins above η₀. Met where the difference η₀ − η_min is forgotten."""
    return eta_min + 0.5 * lr * (1 + math.cos(math.pi * t / T))


@mutant("cosine")
def quarter_of_a_wave(t, T, lr):
    """cos(πt/2T), a quarter of a wave, for half a wave. Met as "cosine decay" in hand-written loops."""
    return lr * math.cos(0.5 * math.pi * t / T)


@mutant("cosine", "value")
def whole_percents(step, total_steps, lr):
    """Integer division: the progress is rounded down to eighths of the way. Met as `100 * step // total`."""
    return 0.5 * lr * (1 + math.cos(math.pi * (8 * step // total_steps) / 8))


@mutant("cosine_restarts")
def restart_at_the_lowest(t, T_0, lr, T_mult=1):
    """At a restart the rate is still the lowest: > for ≥. Met where the last step of a period is counted to it."""
    while t > T_0:
        t, T_0 = t - T_0, T_0 * T_mult
    return 0.5 * lr * (1 + math.cos(math.pi * t / T_0))


@mutant("cosine_restarts")
def period_never_grows(t, T_0, lr, T_mult=1):
    """T_mult is taken and not used: right for T_mult = 1."""
    return 0.5 * lr * (1 + math.cos(math.pi * (t % T_0) / T_0))


@mutant("step")
def drop_one_step_late(epoch, lr, gamma, step_size):
    """⌊(t − 1)/s⌋: the drop comes one step late. Met where epochs are counted from one and the formula is not."""
    return lr * gamma ** (max(0, epoch - 1) // step_size)


@mutant("step")
def rounded_period(epoch, lr, gamma, step_size):
    """round(t/s) for ⌊t/s⌋: the first drop comes half a period early."""
    return lr * gamma ** round(epoch / step_size)


@mutant("multi_step")
def once_however_many(step, lr, gamma, milestones):
    """One drop, however many milestones have passed. Met as `if step in milestones` on a rate that is not kept."""
    return lr * gamma if any(step >= m for m in milestones) else lr


@mutant("multi_step")
def after_the_milestone(step, lr, gamma, milestones):
    """> for ≥: each drop comes one step late."""
    return lr * gamma ** sum(step > m for m in milestones)


class Compounding:
    """The power and the rate both accumulate: γ^(t(t+1)/2). Met as `lr = lr * gamma ** epoch` in a loop."""

    def __init__(self, lr, gamma):
        self.lr, self.gamma, self.t = lr, gamma, 0

    def step(self):
        self.t += 1
        self.lr *= self.gamma**self.t


mutant("exponential")(Compounding)


@mutant("exponential")
def continuous_compounding(t, lr, decay):
    """exp(−(1 − γ) t) for γᵗ: equal to first order at γ near one only."""
    return lr * math.exp(-(1 - decay) * t)


@mutant("polynomial")
def power_of_the_progress(step, total_steps, lr, power=2.0):
    """1 − (t/T)^p for (1 − t/T)^p: right for p = 1. Met in segmentation code that says "poly"."""
    return lr * (1 - (step / total_steps) ** power)


@mutant("polynomial")
def floor_not_reached(step, max_steps, lr, lr_min, power):
    """max(η_min, η₀ (1 − t/T)^p): clipped at the floor in place of ending there."""
    return max(lr_min, lr * (1 - step / max_steps) ** power)


@mutant("linear")
def falls_too_far(step, total_steps, lr, lr_min):
    """η₀ − η₀ t/T + η_min: begins above η₀."""
    return lr * (1 - step / total_steps) + lr_min


class NeverStops:
    """Equal steps without end: below the final rate, and below zero, once T is over. Met in loops that run longer."""

    def __init__(self, lr, total_steps, lr_min=0.0):
        self.lr, self.slope = lr, (lr - lr_min) / total_steps

    def step(self):
        self.lr -= self.slope


mutant("linear")(NeverStops)


@mutant("linear_warmup")
def warm_up_without_end(step, warmup_steps, lr):
    """The min is forgotten: the rate goes on rising."""
    return lr * step / warmup_steps


@mutant("warmup_cosine")
def cosine_not_shifted(step, warmup_steps, total_steps, lr):
    """cos πt/T also after the warm-up: the rate drops at the seam. Met where a warm-up is put before a schedule."""
    if step < warmup_steps:
        return lr * step / warmup_steps
    return 0.5 * lr * (1 + math.cos(math.pi * step / total_steps))


@mutant("warmup_cosine")
def sequential_with_the_whole_length(optimizer, warmup_steps, total_steps):
    """T_max = T in SequentialLR, where the cosine has T − w steps: the rate never reaches the end."""
    first = lr_scheduler.LinearLR(optimizer, start_factor=1e-12, total_iters=warmup_steps)
    then = lr_scheduler.CosineAnnealingLR(optimizer, T_max=total_steps)
    return lr_scheduler.SequentialLR(optimizer, [first, then], milestones=[warmup_steps])


@mutant("warmup_linear")
def decay_over_all_steps(step, num_warmup_steps, num_training_steps):
    """(T − t)/T for (T − t)/(T − w): the rate drops at the end of the warm-up."""
    if step < num_warmup_steps:
        return step / num_warmup_steps
    return (num_training_steps - step) / num_training_steps


@mutant("warmup_exponential")
def decay_from_the_start(step, warmup_steps, lr, gamma):
    """γᵗ for γ^(t−w): a jump at the end of the warm-up."""
    return lr * step / warmup_steps if step < warmup_steps else lr * gamma**step


@mutant("inverse_square_root")
def no_warmup_in_the_root(step, warmup_steps, lr):
    """η₀/√t after the warm-up, where η₀ √(w/t) belongs: the rate falls by √w at once."""
    return lr * step / warmup_steps if step < warmup_steps else lr / math.sqrt(step)


@mutant("noam")
def exponent_of_the_warmup(step, warmup, d_model):
    """w^(−1/2) for w^(−3/2): the rise is w times too steep, and the peak is not at w."""
    return d_model**-0.5 * min(step**-0.5, step * warmup**-0.5)


@mutant("one_cycle")
def final_rate_of_the_peak_over_both(step, total_steps, max_lr, pct_start=0.3, div_factor=25.0, final_div_factor=1e4):
    """The descent ends at the first rate; the final division is forgotten."""
    low, peak = max_lr / div_factor, pct_start * total_steps - 1
    if step <= peak:
        part = step / peak
        return max_lr + (low - max_lr) * (1 + math.cos(math.pi * part)) / 2
    part = (step - peak) / (total_steps - 1 - peak)
    return low + (max_lr - low) * (1 + math.cos(math.pi * part)) / 2


@mutant("cyclical")
def half_the_period(step, base_lr, max_lr, step_size):
    """⌊1 + t/s⌋ for ⌊1 + t/2s⌋: a saw-tooth. Met as the misread line of the paper's listing."""
    cycle = math.floor(1 + step / step_size)
    x = abs(step / step_size - cycle + 1)
    return base_lr + (max_lr - base_lr) * max(0.0, 1 - x)


@mutant("cyclical_annealing")
def ratio_of_the_whole(step, total, n_cycle, ratio=0.5):
    """The ratio is taken of the whole length, and not of a cycle: the weight never comes to one."""
    length = total / n_cycle
    return min(1.0, (step % length) / (total * ratio))


@mutant("sigmoid")
def slope_on_the_midpoint_too(step, k, x0):
    """exp(−(k t − t₀)): the midpoint is at t₀/k. Met as a lost pair of brackets."""
    return 1 / (1 + math.exp(-(k * step - x0)))


# Correct, in other styles.


@twin("cosine")
def squared_cosine(t, T, lr, lr_min=0.0):
    """cos² of half the angle: no difference of two numbers near one."""
    return lr_min + (lr - lr_min) * math.cos(0.5 * math.pi * t / T) ** 2


@twin("cosine")
def by_torch_tensors(step, total_steps, base_lr, min_lr):
    """For a tensor of steps at once, in the default dtype."""
    return min_lr + (base_lr - min_lr) * 0.5 * (1 + torch.cos(torch.pi * step / total_steps))


@twin("cosine")
def as_a_generator(lr, total_steps):
    """A generator that ends with the schedule."""
    for t in range(total_steps + 1):
        yield 0.5 * lr * (1 + math.cos(math.pi * t / total_steps))


class ReturnsThenCounts:
    """step() gives the rate for this step and counts afterwards; nothing is shown; held at the end."""

    def __init__(self, lr, total_steps):
        self._peak, self._total, self._t = lr, total_steps, 0

    def step(self):
        part = min(1.0, self._t / self._total)
        self._t += 1
        return 0.5 * self._peak * (1 + math.cos(math.pi * part))


class CountsThenReturns(ReturnsThenCounts):
    """step() counts first, so that its first answer is the second rate; the first is what one began with."""

    def step(self):
        self._t += 1
        return 0.5 * self._peak * (1 + math.cos(math.pi * min(1.0, self._t / self._total)))


class RefusesToGoOn(ReturnsThenCounts):
    """Raises when the schedule is over."""

    def step(self):
        if self._t > self._total:
            raise ValueError(f"the schedule has {self._total} steps")
        return super().step()


class KeepsThePeak(ReturnsThenCounts):
    """`lr` is where it began, and not the rate in force, which is shown elsewhere; step() returns nothing."""

    def __init__(self, lr, total_steps):
        super().__init__(lr, total_steps)
        self.lr = self.current_lr = lr

    def step(self):
        self._t += 1
        self.current_lr = 0.5 * self.lr * (1 + math.cos(math.pi * min(1.0, self._t / self._total)))


for _kind in (CountsThenReturns, RefusesToGoOn, KeepsThePeak):
    twin("cosine")(_kind)


@twin("exponential")
def by_the_decay_constant(t, lr, lam):
    """exp(−λt)."""
    return lr * math.exp(-lam * t)


@twin("warmup_linear")
def linear_with_warmup(optimizer, num_warmup_steps, num_training_steps):
    """A factory of LambdaLR, as Hugging Face's transformers writes it."""

    def multiplier(current):
        if current < num_warmup_steps:
            return current / max(1, num_warmup_steps)
        return max(0.0, (num_training_steps - current) / max(1, num_training_steps - num_warmup_steps))

    return lr_scheduler.LambdaLR(optimizer, multiplier)


@twin("warmup_cosine")
def nano_style(it, warmup_iters, lr_decay_iters, learning_rate, min_lr):
    """The first step is not at zero; held after the end."""
    if it < warmup_iters:
        return learning_rate * (it + 1) / (warmup_iters + 1)
    if it > lr_decay_iters:
        return min_lr
    ratio = (it - warmup_iters) / (lr_decay_iters - warmup_iters)
    return min_lr + 0.5 * (1.0 + math.cos(math.pi * ratio)) * (learning_rate - min_lr)


@twin("cyclical")
def as_in_the_paper(iteration, stepsize, base_lr, max_lr):
    """The listing of Smith 2017."""
    cycle = np.floor(1 + iteration / (2 * stepsize))
    x = np.abs(iteration / stepsize - 2 * cycle + 1)
    return base_lr + (max_lr - base_lr) * np.maximum(0, 1 - x)


@twin("polynomial")
def stepwise(step, total_steps, lr, power):
    """torch's recursion: each rate from the one before."""
    for t in range(1, step + 1):
        lr = lr * ((1 - t / total_steps) / (1 - (t - 1) / total_steps)) ** power
    return lr


class _Momentum:
    """A scheduler of momentum alone, in pieces."""

    def __init__(self, optimizer, base_momentum, max_momentum, step_size_up):
        self.group, self.t = optimizer.param_groups[0], 0
        self.low, self.high, self.up = base_momentum, max_momentum, step_size_up
        self.write()

    def part(self):
        return abs(self.t % (2 * self.up) - self.up) / self.up

    def write(self):
        self.group["momentum"] = self.low + (self.high - self.low) * self.part()

    def step(self):
        self.t += 1
        self.write()


@mutant("cyclical_momentum")
class MomentumWithTheRate(_Momentum):
    """Momentum rises where the rate does. Met where one interpolation serves for both (Smith 2018 has them opposed)."""

    def part(self):
        return 1 - super().part()


@mutant("cyclical_momentum")
class MomentumOnce(_Momentum):
    """Momentum falls in the first half of a cycle, and stays down."""

    def part(self):
        return max(0.0, 1 - self.t / self.up)


@twin("cyclical_momentum")
class MomentumAgainstTheRate(_Momentum):
    """As it should be."""
