"""Two flows for the plane, spline couplings and invertible residual blocks, trained by maximum likelihood."""

from __future__ import annotations

import functools
from collections.abc import Callable

import torch
from torch import Tensor, nn

from genverify.reference.autoencoders.training import fit
from genverify.reference.flows.change_of_variables import FlowDensity
from genverify.reference.flows.composition import Composition
from genverify.reference.flows.elementwise import Standardize
from genverify.reference.flows.lu_linear import LuLinear
from genverify.reference.flows.permutation import Permutation
from genverify.reference.flows.residual import ContractiveResidual
from genverify.reference.flows.spline_coupling import SplineCoupling
from specs.planar_laws import drawn

LEARNT_FROM, BATCH = 20_000, 256
LAYERS, HIDDEN, BINS, BOUND = 4, 32, 8, 3.0
BLOCKS, UNITS, SLOPE = 10, 16, 0.8
ITERATIONS = 176  # of a block's inverse: SLOPE^n/(1 − SLOPE) is then below half a unit of float64
TIE = 1e-6  # singular values that are nearer to each other than so are taken for so far apart


def _standardized(x: Tensor) -> Standardize:
    return Standardize(x.mean(0), x.std(0))


def couplings(x: Tensor) -> Composition:
    """Splines of one coordinate whose knots depend on the other, in turn."""
    layers = [layer for _ in range(LAYERS) for layer in (SplineCoupling(2, HIDDEN, BINS, BOUND), Permutation([1, 0]))]
    return Composition([_standardized(x), *layers])


def _linear() -> LuLinear:
    """A linear map that starts as a shift."""
    made = LuLinear(2)
    with torch.no_grad():
        made.order.copy_(torch.arange(2))
        made.signs.fill_(1.0)
        for one in (made.log_scale, made.lower, made.upper):
            one.zero_()
        made.bias.mul_(0.5)
    return made


def _unit(w: Tensor) -> Tensor:
    """A matrix with two rows or columns over its largest singular value: of σ₁² + σ₂² and σ₁⁴ + σ₂⁴."""
    squares = w @ w.mT if len(w) == 2 else w.mT @ w
    total, spread = w.square().sum(), squares.square().sum()
    least = TIE**2 * float(total.detach()) ** 2  # the root of zero has no slope
    apart = (spread / 2 - total**2 / 4).clamp(min=least)  # ((σ₁² − σ₂²)/2)²
    return w * torch.rsqrt(total / 2 + torch.sqrt(apart))


class PlanarResidual(ContractiveResidual):
    """The reference's block, with norms and a determinant written out for the plane: the same numbers, sooner."""

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """X → (y, log|det ∂y/∂x|)."""
        a, b = _unit(self.inner), self.coefficient * _unit(self.outer)
        h = torch.tanh(x @ a.mT)
        j = (1 - h.square()) @ (a[:, :, None] * b.mT[:, None, :]).flatten(1)
        p, q, r, s = j.unbind(1)
        return x + h @ b.mT, torch.log((1 + p) * (1 + s) - q * r)


def residuals(x: Tensor, block: Callable[..., nn.Module] = PlanarResidual) -> Composition:
    """Invertible residual blocks with linear maps before, between and after."""
    layers = [layer for _ in range(BLOCKS) for layer in (_linear(), block(2, UNITS, SLOPE, ITERATIONS))]
    return Composition([_standardized(x), *layers, _linear()])


class Fold(nn.Module):
    """Each point, or its image in zero if that is further to the right: two to one, with |det| = 1."""

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """What is on the left goes to the right."""
        return torch.where(x[:, :1] < 0, -x, x), x.new_zeros(len(x))


def folded(x: Tensor) -> Composition:
    """Couplings behind a fold."""
    return Composition([Fold(), *couplings(Fold()(x)[0]).flows])


# How, at which rate, in how many steps.
FLOWS: dict[str, tuple[Callable[[Tensor], Composition], float, int]] = {
    "spline coupling": (couplings, 1e-2, 320),
    "i-ResNet": (residuals, 5e-2, 360),
    "folded": (folded, 1e-2, 200),
}


def trained(kind: str, name: str, seed: int = 0) -> FlowDensity:
    """The density that a flow of this kind makes of the law of that name, in float64 after training in float32."""
    return _trained(kind, name, seed)


@functools.cache
def _trained(kind: str, name: str, seed: int) -> FlowDensity:
    make, rate, steps = FLOWS[kind]
    x, threads = drawn(name, LEARNT_FROM, 0), torch.get_num_threads()
    torch.set_num_threads(1)  # the tensors are so small that threads would only wait for each other
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            model = FlowDensity(make(x))
            fit(
                lambda rows, step: -model.log_prob(rows).mean(), model.parameters(), [x], steps=steps, batch=BATCH,
                rate=rate,
            )  # fmt: skip
    finally:
        torch.set_num_threads(threads)
    return model.double().eval().requires_grad_(False)


def as_reference(model: FlowDensity) -> FlowDensity:
    """The same i-ResNet of the reference's own blocks."""
    made = FlowDensity(residuals(torch.randn(2, 2), ContractiveResidual)).double()
    made.load_state_dict(model.state_dict())
    return made.eval().requires_grad_(False)
