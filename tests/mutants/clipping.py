"""Mutants of what stands between a loss and a step: clipping, unscaling, accumulation, averages of the weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from genverify.subjects.formula import Formula
from tests.mutants.mutant import Mutant, Twin

MUTANTS: list[Mutant] = []
TWINS: list[Twin] = []


def mutant(like: str, killed_by: str = "dialect") -> Callable[[Any], Any]:
    """Declares the decorated function, as a stranger would, as a wrong implementation of the formula."""

    def declare(f: Any) -> Any:
        MUTANTS.append(
            Mutant(name=f"{like}: {f.__name__}", make=lambda: Formula(f, like=like), killed_by=f"formula.{killed_by}")
        )
        return f

    return declare


def twin(like: str, **declared: Any) -> Callable[[Any], Any]:
    """Declares the decorated function as an unusual but correct one."""

    def declare(f: Any) -> Any:
        TWINS.append(Twin(name=f"{like}: {f.__name__}", make=lambda: Formula(f, like=like, **declared)))
        return f

    return declare


NORM, VALUE, SCALED = "clipping.global_norm", "clipping.value", "accumulation.loss_scaling"


@mutant(NORM)
def each_by_itself(params, max_norm):
    """The norm of each parameter by itself, which turns the whole. Met as a loop over clip_grad_norm_(p, c)."""
    for p in params:
        torch.nn.utils.clip_grad_norm_(p, max_norm)


@mutant(NORM)
def up_as_well_as_down(params, max_norm):
    """No min(1, ·): small gradients are scaled up to the bound. Met in hand-written clipping."""
    norm = torch.cat([p.grad.reshape(-1) for p in params]).norm()
    for p in params:
        p.grad.mul_(max_norm / (norm + 1e-6))


@mutant(NORM)
def largest_entry(params, max_norm):
    """The largest entry for the Euclidean norm: a vector of n equal entries keeps √n times the bound."""
    norm = max(p.grad.abs().max() for p in params)
    for p in params:
        p.grad.mul_(torch.clamp(max_norm / (norm + 1e-6), max=1.0))


@mutant(NORM)
def norms_added_up(params, max_norm):
    """The sum of the parameters' norms, where the root of the sum of their squares belongs: clips too much."""
    norm = sum(p.grad.norm() for p in params)
    for p in params:
        p.grad.mul_(torch.clamp(max_norm / (norm + 1e-6), max=1.0))


@mutant(NORM)
def entries_clamped(params, max_norm):
    """By value in place of by norm: the direction changes. Met as `clip_grad_value_` with a norm's bound."""
    torch.nn.utils.clip_grad_value_(params, max_norm)


@mutant(NORM)
def root_forgotten(params, max_norm):
    """‖g‖² against c: the square root is forgotten."""
    square = sum((p.grad**2).sum() for p in params)
    for p in params:
        p.grad.mul_(torch.clamp(max_norm / (square + 1e-6), max=1.0))


@mutant(NORM)
def copies_clipped(grads, max_norm):
    """Clipped copies that nobody keeps. Met as `g = g * scale` in a loop."""
    norm = torch.cat([g.reshape(-1) for g in grads]).norm()
    for g in grads:
        g = g * min(1.0, max_norm / float(norm + 1e-6))


@mutant(NORM, "value")
def zero_over_zero(grads, max_norm):
    """c/‖g‖ · ‖g‖/c: a zero gradient becomes NaN. Met where the unit vector is made first."""
    norm = torch.sqrt(sum((g**2).sum() for g in grads))
    return [g / norm * torch.clamp(norm, max=max_norm) for g in grads]


@mutant(VALUE)
def upper_side_only(params, clip_value):
    """min(g, c): large negative entries stay. Met as `clamp_(max=c)`."""
    for p in params:
        p.grad.clamp_(max=clip_value)


@mutant(VALUE)
def large_ones_dropped(params, clip_value):
    """Entries beyond the bound are set to zero, where they should be set to it."""
    for p in params:
        p.grad.masked_fill_(p.grad.abs() > clip_value, 0.0)


@mutant(SCALED)
def clipped_first(params, scale, max_norm):
    """Clipped before unscaling: the bound is S times too tight. Met in mixed-precision loops without `unscale_`."""
    torch.nn.utils.clip_grad_norm_(params, max_norm)
    for p in params:
        p.grad.div_(scale)


@mutant(SCALED)
def unscaled_twice(params, scale, max_norm=None):
    """Unscaled by hand and by the scaler."""
    for p in params:
        p.grad.div_(scale).div_(scale)
    if max_norm is not None:
        torch.nn.utils.clip_grad_norm_(params, max_norm)


@mutant("accumulation.mean_gradient")
def mean_of_means(grads, sizes):
    """Each micro-batch counts alike. Met as `loss / accumulation_steps` when the last micro-batch is smaller."""
    return sum(grads) / len(grads)


@mutant("accumulation.mean_gradient")
def sum_of_means(grads, sizes):
    """Not divided at all: the rate is multiplied by the number of micro-batches. Met as the forgotten division."""
    return sum(grads)


@mutant("ema.weights")
def weights_of_the_roles(ema, params, decay):
    """β weighs the new weights: roles exchanged. Met as `ema.lerp_(p, decay)`."""
    return torch.lerp(ema, params, decay)


@mutant("ema.weights")
def added_without_fading(ema, params, decay):
    """The old average is not multiplied by β, and grows without end."""
    return ema + (1 - decay) * params


class NeverCorrected:
    """Begun at zero and not corrected: at first it is (1 − β) times the weights. Met in hand-written averages."""

    def __init__(self, decay):
        self.decay, self.mean = decay, 0.0

    def __call__(self, weights):
        self.mean = self.decay * self.mean + (1 - self.decay) * weights
        return self.mean


class CorrectedOnce(NeverCorrected):
    """The power of β counts from zero: divided by 1 − β^(n−1), one step late. Met where the count is raised after."""

    def __init__(self, decay):
        super().__init__(decay)
        self.count = 1

    def __call__(self, weights):
        mean = super().__call__(weights) / (1 - self.decay**self.count)
        self.count += self.count == 1 or 2
        return mean


class SharesTheFirst:
    """The average is the first weights themselves, changed in place: the model is averaged along with it."""

    def __init__(self, decay):
        self.decay, self.mean = decay, None

    def __call__(self, weights):
        if self.mean is None:
            self.mean = weights
        return self.mean.mul_(self.decay).add_(weights, alpha=1 - self.decay)


mutant("ema.weights_bias_corrected")(NeverCorrected)
mutant("ema.weights_bias_corrected")(CorrectedOnce)
mutant("ema.weights_over_steps")(NeverCorrected)
mutant("ema.weights_over_steps", "inputs_untouched")(SharesTheFirst)


# Correct, in other styles.


@twin(NORM)
def by_norms_of_norms(model, max_norm):
    """Of a model; the norm of the norms."""
    with torch.no_grad():
        held = [p.grad for p in model.parameters() if p.grad is not None]
        norm = torch.linalg.vector_norm(torch.stack([torch.linalg.vector_norm(g) for g in held]))
        for g in held:
            g.mul_(torch.clamp(max_norm / (norm + 1e-6), max=1.0))
    return norm


@twin(NORM)
def divided_by_the_larger(gradients, clip_norm):
    """g c / max(‖g‖, c), as TensorFlow writes it: new tensors, and the norm beside them."""
    norm = torch.sqrt(sum((g * g).sum() for g in gradients))
    return [g * clip_norm / torch.clamp(norm, min=clip_norm) for g in gradients], norm


@twin(NORM)
def one_gradient(grad, c):
    """One tensor in, one out; a branch."""
    norm = grad.norm()
    return grad * (c / norm) if norm > c else grad


@twin(NORM)
def replaced(params, max_norm):
    """New gradients are hung into `.grad`, in float32 arithmetic of the norm."""
    norm = float(torch.cat([p.grad.flatten().float() for p in params]).norm())
    for p in params:
        p.grad = p.grad * min(1.0, max_norm / (norm + 1e-12))


@twin(VALUE)
def by_minimum_and_maximum(grads, c):
    """Two comparisons."""
    return [torch.maximum(torch.minimum(g, torch.full_like(g, c)), torch.full_like(g, -c)) for g in grads]


@twin(SCALED)
def inverse_scale(params, loss_scale):
    """Multiplied by 1/S, without clipping."""
    for p in params:
        p.grad.mul_(1.0 / loss_scale)


@twin("accumulation.mean_gradient")
def sums_then_divided(grads, batch_sizes):
    """By a matrix product over the parts."""
    return torch.tensor(batch_sizes, dtype=grads[0].dtype) @ torch.stack(grads) / sum(batch_sizes)


@twin("ema.weights", in_place=("ema",))
def in_place(ema, params, decay):
    """Overwrites the average, as is meant."""
    ema.mul_(decay).add_(params, alpha=1 - decay)


@twin("ema.weights")
def soft_update(target, source, tau):
    """By the rate τ = 1 − β, as in deep reinforcement learning."""
    return target + tau * (source - target)


class Averaged:
    """torch's AveragedModel on a model of one parameter."""

    def __init__(self, decay):
        self.model = torch.nn.ParameterList([])
        self.averaged, self.decay = None, decay

    def __call__(self, weights):
        if self.averaged is None:
            self.model = torch.nn.ParameterList([torch.nn.Parameter(weights.clone())])
            self.averaged = AveragedModel(self.model, multi_avg_fn=get_ema_multi_avg_fn(self.decay))
        with torch.no_grad():
            self.model[0].copy_(weights)
        self.averaged.update_parameters(self.model)
        return self.averaged.module[0].detach().clone()


twin("ema.weights_over_steps")(Averaged)
