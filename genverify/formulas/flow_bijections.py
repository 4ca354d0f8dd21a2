"""The reference flows as bijections: each is held against its own Jacobian, both ways."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from genverify.formulas.references import declares_reference
from genverify.reference.flows import actnorm as reference_actnorm
from genverify.reference.flows import conv1x1 as reference_conv1x1
from genverify.reference.flows.additive_coupling import AdditiveCoupling
from genverify.reference.flows.affine_coupling import AffineCoupling
from genverify.reference.flows.batch_norm import BatchNormFlow
from genverify.reference.flows.householder import Householder, householder
from genverify.reference.flows.inverse_autoregressive import GatedAutoregressive, InverseAutoregressive
from genverify.reference.flows.lu_linear import LuLinear
from genverify.reference.flows.masked_autoregressive import MaskedAutoregressive
from genverify.reference.flows.mixture_cdf import MixtureCdf
from genverify.reference.flows.multiscale import Multiscale
from genverify.reference.flows.permutation import Permutation
from genverify.reference.flows.spline_coupling import SplineCoupling
from genverify.reference.flows.squeeze import Squeeze
from genverify.subjects.bijection import Bijection
from genverify.subjects.formula import Formula

__all__: list[str] = []


def _seeded(make: Callable[[], torch.nn.Module]) -> torch.nn.Module:
    """A module with fixed parameters, the global random state as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        return make()


def _normalising() -> torch.nn.Module:
    """A normalising layer in eval mode, with moments as a training would leave them."""
    made = BatchNormFlow(2)
    made.running_mean.copy_(torch.tensor([0.5, -1.0]))
    made.running_var.copy_(torch.tensor([2.0, 0.25]))
    return made.eval()


def _declared(make: Callable[[], torch.nn.Module], *event: int, vary: bool = True, **claims: Any) -> None:  # noqa: ANN401
    def subject() -> Bijection:
        module = _seeded(make)
        name = type(module).__name__ + (" of a context" if "context_shape" in claims else "")
        return Bijection(module, event_shape=event, vary_parameters=vary, name=name, **claims)

    declares_reference(subject)


_declared(lambda: Permutation([2, 0, 1]), 3, vary=False)
_declared(lambda: Householder(3, 2), 3)
_declared(lambda: LuLinear(3), 3)
_declared(lambda: reference_conv1x1.Conv1x1(2), 2, 2, 3)
_declared(lambda: reference_actnorm.ActNorm(2), 2, 2, 3)
_declared(_normalising, 2)
_declared(Squeeze, 1, 2, 4, vary=False)
_declared(lambda: SplineCoupling(3), 3)
_declared(lambda: AdditiveCoupling(3), 3, autoregressive=True)
_declared(lambda: MaskedAutoregressive(3), 3, autoregressive=True)
_declared(lambda: MaskedAutoregressive(2, context=2), 2, autoregressive=True, context_shape=(2,))
_declared(lambda: InverseAutoregressive(3), 3, autoregressive=True)
_declared(lambda: GatedAutoregressive(3), 3, autoregressive=True)
_declared(lambda: Multiscale([AffineCoupling(4), AffineCoupling(2)]), 4)
_declared(lambda: MixtureCdf(2), 2, image=(0, 1), monotone=True, autoregressive=True)


@declares_reference
def householder_formula() -> Formula:
    """The reference reflection."""
    return Formula(householder, like="flow.householder")


@declares_reference
def conv1x1_formula() -> Formula:
    """The reference convolution."""
    return Formula(reference_conv1x1.conv1x1, like="flow.conv1x1")


@declares_reference
def actnorm_formula() -> Formula:
    """The reference scale and shift."""
    return Formula(reference_actnorm.actnorm, like="flow.actnorm")
