"""Mutants of parity, each wrong in one execution only, and twins that are right in all of them in an unusual way."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from genverify.parity.execution import Execution
from genverify.subjects.map import Map

F32, BF16 = Execution(dtype=torch.float32), Execution(dtype=torch.bfloat16)
MANY, LAST = Execution(threads=2), Execution(dtype=torch.float32, channels_last=True)
ALONE, COMPILED = Execution(batch=1), Execution(dtype=torch.float32, compiled=True)


@dataclass(frozen=True, kw_only=True)
class Strange:
    """A function of a batch, the shape of its events, and for a mutant the execution in which it is wrong."""

    f: Callable[..., Any]
    event: tuple[int, ...]
    wrong: Execution | None = None

    def subject(self) -> Map:
        return Map(self.f, event_shape=self.event, batched=True, name=self.f.__name__)


MUTANTS: list[Strange] = []
TWINS: list[Strange] = []


def mutant(wrong: Execution, *event: int) -> Callable[[Any], Any]:
    def declare(f: Any) -> Any:
        MUTANTS.append(Strange(f=f, event=event or (4,), wrong=wrong))
        return f

    return declare


def twin(*event: int) -> Callable[[Any], Any]:
    def declare(f: Any) -> Any:
        TWINS.append(Strange(f=f, event=event or (4,)))
        return f

    return declare


@mutant(F32)
def half_in_one_dtype(x: Tensor) -> Tensor:
    """The factor ½ stands in the branch for float64 alone, where the tests run."""
    squares = x.square().sum(-1)
    return 0.5 * squares if x.dtype == torch.float64 else squares


@mutant(F32)
def sum_in_half_precision(x: Tensor) -> Tensor:
    """Autocast that nobody meant: a float32 sum is accumulated in float16, and the float64 test never sees it."""
    return (x.half().sum(-1) if x.dtype == torch.float32 else x.sum(-1)).to(x.dtype)


@mutant(F32)
def no_gradient_in_one_dtype(x: Tensor) -> Tensor:
    """A cast through `.data` in the branch for narrow types: the value is right, and no gradient flows."""
    return (x if x.dtype == torch.float64 else x.data).exp()


@mutant(F32)
def clamps_at_the_wrong_type(x: Tensor) -> Tensor:
    """The guard of a logarithm is bfloat16's eps in every dtype but float64."""
    guard = torch.finfo(torch.float64 if x.dtype == torch.float64 else torch.bfloat16).eps
    return (x.square() * 1e-3 + guard).log()


class _HalfTheSlope(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x.square()

    @staticmethod
    def backward(ctx: Any, slope: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        return slope * x * (2.0 if x.dtype == torch.float64 else 1.0)


@mutant(BF16)
def backward_of_the_wrong_branch(x: Tensor) -> Tensor:
    """A hand-written backward pass that gradcheck saw in float64 alone: the value is right, the slope is half of it."""
    return _HalfTheSlope.apply(x)


@mutant(F32)
def looks_for_the_smallest(x: Tensor) -> Tensor:
    """The fast path for float32 has the sign of its scores the other way round: another index comes out."""
    return (x if x.dtype == torch.float64 else -x).argmax(-1)


@mutant(BF16)
def slope_of_the_wrong_branch(x: Tensor) -> Tensor:
    """A leaky ReLU whose narrow kernel has the other slope."""
    return torch.where(x > 0, x, x * (0.01 if x.dtype != torch.bfloat16 else 0.9)).sum(-1)


@mutant(LAST, 2, 3, 4)
def reads_memory_in_order(x: Tensor) -> Tensor:
    """A custom kernel that walks memory as if it were contiguous: on channels-last images it mixes the channels up."""
    flat = torch.as_strided(x, (x.numel(),), (1,))
    return flat.reshape(x.shape) * torch.arange(1.0, 5.0, dtype=x.dtype)


@mutant(LAST, 2, 3, 4)
def views_instead_of_reshaping(x: Tensor) -> Tensor:
    """`view` where `reshape` belongs: it raises on channels-last images."""
    return x.view(len(x), -1).tanh()


@mutant(ALONE)
def squeezes_the_batch(x: Tensor) -> Tensor:
    """`squeeze()` after a sum that keeps its axis takes the batch along when there is one row."""
    return x.square().sum(-1, keepdim=True).squeeze()


@mutant(ALONE)
def normalises_a_single_row(x: Tensor) -> Tensor:
    """A special case for a batch of one, left over from serving, that centres the row."""
    return x.sin() if len(x) > 1 else (x - x.mean()).sin()


@mutant(MANY)
def loses_a_chunk(x: Tensor) -> Tensor:
    """The work is split over the threads, and the rest of the division is lost."""
    kept = x.shape[-1] - (x.shape[-1] - 1) % torch.get_num_threads()
    return x[..., :kept].square().sum(-1)


@mutant(COMPILED)
def skips_a_term_when_compiled(x: Tensor) -> Tensor:
    """A term that the compiler choked on once is left out when compiling."""
    return x.exp() if torch.compiler.is_compiling() else x.exp() + x


@twin()
def sums_backwards(x: Tensor) -> Tensor:
    """The sum in the other order, one number after the other."""
    total = torch.zeros_like(x[..., 0])
    for column in reversed(range(x.shape[-1])):
        total = total + x[..., column]
    return total


@twin()
def reparameterised(x: Tensor) -> Tensor:
    """A draw, scaled and moved."""
    return x.tanh() + x.square() * torch.randn_like(x)


@twin(64)
def drops_and_chooses(x: Tensor) -> Tensor:
    """Dropout, and a Bernoulli choice by a uniform number: rounding the number must not flip the choice."""
    kept = nn.functional.dropout(x, 0.3, training=True)
    return torch.where(torch.rand_like(x) < 0.375, kept, x)


@twin()
def works_in_place(x: Tensor) -> Tensor:
    """In place on a copy."""
    y = x.clone()
    y.mul_(2.0).add_(1.0)
    y[..., 0] = y[..., 1]
    return y.relu_()


@twin(32)
def kinks_everywhere(x: Tensor) -> Tensor:
    """A sawtooth: in bfloat16 some number is always near a tooth, and falls on its other side."""
    return (8.0 * x).frac().relu().sum(-1)


@twin(8)
def sorts_and_ranks(x: Tensor) -> Tensor:
    """Sorted numbers, weighted by their rank."""
    return x.sort(-1).values * torch.arange(8, dtype=x.dtype) + x.logsumexp(-1, keepdim=True)


@twin()
def narrow_everywhere(x: Tensor) -> Tensor:
    """It computes in float32 whatever it is given: narrowness is reported, not accused."""
    return x.float().exp().to(x.dtype)


@twin()
def cancels(x: Tensor) -> Tensor:
    """cosh from exponentials less cosh: nothing but rounding is left, beside the number itself."""
    return 0.5 * (x.exp() + (-x).exp()) - x.cosh() + x


@twin(3, 4, 4)
def convolves(x: Tensor) -> Tensor:
    """A convolution and a pooling, whose kernels differ between memory formats."""
    weight = torch.linspace(-1.0, 1.0, 2 * 3 * 3 * 3, dtype=x.dtype).reshape(2, 3, 3, 3)
    return nn.functional.avg_pool2d(nn.functional.conv2d(x, weight, padding=1), 2).flatten(1)


@twin()
def softmax_by_hand(x: Tensor) -> Tensor:
    """The largest is taken off by hand, and the sum is of exponentials in base two."""
    powers = torch.exp2((x - x.amax(-1, keepdim=True)) / math.log(2.0))
    return powers / powers.sum(-1, keepdim=True)
