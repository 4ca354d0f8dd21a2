"""References beside torch's own implementations of the same, and whether they agree: that is asked before any timing.

Both run in float64 and float32 on the CPU and in float32 on each device, results and gradients, and each is held
against the reference's float64 run on the CPU, within what rounding in its dtype may do (`genverify.parity.judgement`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from genverify.parity.execution import DEVICES, Execution, missing, settings_of
from genverify.parity.judgement import Model, differences
from genverify.reference.layers import activations, dense, losses, normalization
from genverify.reference.layers.convolution import cross_correlation_2d
from genverify.reference.layers.pooling import average
from genverify.reference.likelihood import kl, mvn
from genverify.reference.optimizers.adam import Adam
from genverify.reference.optimizers.adamw import AdamW
from genverify.reference.optimizers.gradient_descent import GradientDescent
from genverify.reference.optimizers.heavy_ball import HeavyBall
from genverify.reference.optimizers.rmsprop import RMSprop

Program = Callable[..., Tensor]
_STEPS = 10


@dataclass(frozen=True, kw_only=True)
class Pair:
    """One computation twice, at the same arguments, by whose floating ones it is differentiated if at all."""

    name: str
    reference: Program
    torch: Program
    arguments: tuple[Tensor, ...]
    differentiated: bool = True


def devices() -> list[str]:
    """The CPU, and each accelerator of this machine."""
    return [name for name in DEVICES if not missing(Execution(device=name, dtype=torch.float32))]


def pairs() -> Iterator[Pair]:
    """Every pair; numbers are such that float32 has them, too."""
    drawn = torch.Generator().manual_seed(0)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=drawn).double()

    def classes(count: int, below: int) -> Tensor:
        return torch.randint(below, (count,), generator=drawn)

    x, image, (gain, shift) = normal(64, 256), normal(8, 16, 16, 16), normal(2, 256)
    dense_weights, kernels = (normal(256, 256) / 16, normal(256)), (normal(16, 16, 3, 3) / 12, normal(16))
    yield _pair("Linear", dense.affine, functional.linear, x, *dense_weights)
    yield _pair("Conv2d", lambda *a: cross_correlation_2d(*a, padding=1), lambda *a: functional.conv2d(*a, padding=1),
                image, *kernels)  # fmt: skip
    yield _pair("AvgPool2d", lambda x: average(x, 2), lambda x: functional.avg_pool2d(x, 2), image)
    yield _pair("LayerNorm", normalization.layer_norm, lambda x, w, b: functional.layer_norm(x, (256,), w, b),
                x, gain, shift)  # fmt: skip
    yield _pair("GroupNorm", lambda x, w, b: normalization.group_norm(x, 4, w, b),
                lambda x, w, b: functional.group_norm(x, 4, w, b), image, gain[:16], shift[:16])  # fmt: skip
    yield _pair("BatchNorm2d, training", _batch_norm(normalization.BatchNorm), _batch_norm(nn.BatchNorm2d), image)
    yield _pair("GELU", activations.gelu, functional.gelu, x)
    yield _pair("softmax", activations.softmax, lambda x: functional.softmax(x, -1), x)
    yield _pair("cross entropy", losses.cross_entropy, functional.cross_entropy, normal(128, 100), classes(128, 100))
    yield _pair("Huber", losses.huber, functional.huber_loss, x, normal(64, 256))
    yield from _laws(normal)
    made = {
        "SGD": (GradientDescent, lambda p: torch.optim.SGD(p, lr=0.01)), "RMSprop": (RMSprop, torch.optim.RMSprop),
        "SGD, momentum": (lambda p: HeavyBall(p, momentum=0.5), lambda p: torch.optim.SGD(p, lr=0.01, momentum=0.5)),
        "Adam": (Adam, torch.optim.Adam), "AdamW": (AdamW, torch.optim.AdamW),
    }  # fmt: skip
    start, gradients = normal(128, 128), normal(_STEPS, 128, 128)
    for name, (ours, theirs) in made.items():
        one = _pair(f"{name}, {_STEPS} steps", _steps(ours), _steps(theirs), start, gradients)
        yield Pair(**{**vars(one), "differentiated": False})


def _laws(normal: Callable[..., Tensor]) -> Iterator[Pair]:
    from torch import distributions as law

    def theirs(mean: Tensor, log_variance: Tensor) -> Tensor:
        standard = law.Normal(torch.zeros_like(mean), torch.ones_like(mean))
        return law.kl_divergence(law.Normal(mean, (log_variance / 2).exp()), standard).sum(-1)

    yield _pair("KL to the standard normal", kl.diagonal_to_standard_normal, theirs, normal(256, 32), normal(256, 32))
    factor = (torch.eye(16) + normal(64, 16, 16).tril(-1).float() / 8).double()
    yield _pair(
        "MultivariateNormal, log density", mvn.log_prob_cholesky,
        lambda x, mean, factor: law.MultivariateNormal(mean, scale_tril=factor, validate_args=False).log_prob(x),
        normal(64, 16), normal(64, 16), factor,
    )  # fmt: skip


def _pair(name: str, reference: Program, theirs: Program, *arguments: Tensor) -> Pair:
    return Pair(name=name, reference=reference, torch=theirs, arguments=arguments)


def _batch_norm(make: Callable[[int], nn.Module]) -> Program:
    def normalised(x: Tensor) -> Tensor:
        return make(x.shape[1]).to(x)(x)

    return normalised


def _steps(make: Callable[[list[Tensor]], torch.optim.Optimizer]) -> Program:
    """Where a parameter is after some steps with these gradients."""

    def stepped(start: Tensor, gradients: Tensor) -> Tensor:
        parameter = nn.Parameter(start.detach().clone())
        optimizer = make([parameter])
        for one in gradients:
            parameter.grad = one.detach()
            optimizer.step()
        return parameter.detach()

    return stepped


def moved(pair: Pair, execution: Execution) -> list[Tensor]:
    """The arguments there, in that dtype."""
    return [
        one.to(execution.device, execution.dtype).requires_grad_(pair.differentiated)
        if one.is_floating_point() else one.to(execution.device)
        for one in pair.arguments
    ]  # fmt: skip


def executed(pair: Pair, program: Program, arguments: list[Tensor]) -> tuple[Tensor, ...]:
    """Its result, and the gradients of a fixed combination of it."""
    result = program(*arguments)
    if not pair.differentiated:
        return (result,)
    leaves = [one for one in arguments if one.requires_grad]
    weights = torch.linspace(0.5, 1.5, result.numel(), dtype=result.dtype, device=result.device).reshape(result.shape)
    return (result, *torch.autograd.grad(result, leaves, weights))


def assert_parity(pair: Pair, device: str) -> None:
    """Both of the pair, on the CPU and on that device, are the reference's float64 run up to rounding."""

    def numbers(program: Program, execution: Execution, through: torch.dtype) -> dict[str, Any]:
        rounded = Pair(**{**vars(pair), "arguments": tuple(
            one.to(through).double() if one.is_floating_point() else one for one in pair.arguments
        )})  # fmt: skip
        found = executed(pair, program, moved(rounded, execution))
        return {"result" if i == 0 else f"gradient {i}": one.detach() for i, one in enumerate(found)}

    tried = [Execution(), Execution(dtype=torch.float32)]
    tried += [Execution(device=device, dtype=torch.float32)] if device != "cpu" else []
    for execution in tried:
        model = Model(lambda dtype=execution.dtype: numbers(pair.reference, Execution(), dtype), execution)
        for who, program in (("the reference", pair.reference), ("torch", pair.torch)):
            with settings_of(execution):
                found = differences(model, numbers(program, execution, execution.dtype), execution.dtype)
            worst = found[0]
            assert any(one.promised for one in found), f"{pair.name} in {execution.name}: rounding may change all of it"
            assert worst.ratio <= 1, (
                f"{pair.name} of {who} in {execution.name}: {worst.fault or worst.name} is {worst.ulps:.2g} ULPs off, "
                f"{worst.ratio:.2g} times what rounding may do"
            )
