"""The laws of dropout: what is dropped, one number or many at once, what the rest is scaled by, and evaluation mode."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from genverify.formulas.law import names_law
from genverify.formulas.references import declares_reference
from genverify.oracles import dropout as oracle
from genverify.oracles import laws
from genverify.reference.layers import dropout as reference
from genverify.subjects.domains import Domain
from genverify.subjects.parametrisation import any_real
from genverify.subjects.sampler import JointLaw, NamedLaw, Sampler
from genverify.subjects.specification import Argument, Form, Layout, Role, Specification

__all__ = ["ALPHA", "BERNOULLI", "CHANNEL", "CHANNEL_ALPHA", "CLASSICAL", "GAUSSIAN", "PATH"]

_INPUT = ("input", "inputs", "X", "h", "z", "a", "features", "inp", "activations", "value", "hidden_states", "tensor")
_RATE = Domain(
    name="probability",
    low=1,
    high=6,
    integral=True,
    simple=4.0,
    make=lambda raw, shape, dtype: float(raw.reshape(())) / 8,
)
Points = Callable[[Tensor, float], tuple[Tensor, Tensor]]


def _rate() -> Argument:
    forms = (
        Form(name="p", domain=_RATE, aliases=("rate", "drop", "drop_prob", "prob", "dropout", "p_drop", "drop_rate",
             "dropout_rate", "dropout_prob", "probability", "drop_path", "drop_path_rate", "survival_drop")),
        Form(name="keep_prob", domain=_RATE, aliases=("keep", "p_keep", "retain", "keep_rate", "survival_prob",
             "survival_rate"), canonical=lambda keep: 1.0 - keep),
    )  # fmt: skip
    return Argument(name="p", forms=forms, role=Role.OPTION, differentiable=False)


def _joint(points: Points, own: int | None) -> Callable[..., JointLaw]:
    """Numbers that are each one of two, (kept, dropped) = `points`(x, p); all of a group are the same of the two.

    A group is an index of the first `own` axes; of all axes for None.
    """

    def joint(*, x: Tensor, p: float | Tensor) -> JointLaw:
        rate, wide = float(p), x.to(torch.float64)
        kept, dropped = (one.reshape(-1) for one in points(wide, rate))
        groups = math.prod(x.shape if own is None else x.shape[:own])
        apart = (kept - dropped).reshape(groups, -1)
        covariance = torch.block_diag(*(rate * (1.0 - rate) * torch.outer(one, one) for one in apart))

        def far(outputs: Tensor) -> list[Tensor]:
            """Distances of each group [..., groups] to what it is when kept, and when dropped."""
            kept_, dropped_ = ((outputs - one.detach()).abs() for one in (kept, dropped))
            return [one.reshape(*outputs.shape[:-1], groups, -1).sum(-1) for one in (kept_, dropped_)]

        def slopes(output: Tensor) -> dict[str, Tensor]:
            leaf = wide.detach().requires_grad_(True)
            moving = [torch.autograd.grad(one.sum(), leaf)[0].reshape(groups, -1) for one in points(leaf, rate)]
            up, down = (one[:, None] for one in far(output))
            found = torch.where(up < down, moving[0], moving[1])
            # A number that is the same kept or dropped does not tell which it was.
            return {"x": torch.where(up == down, torch.nan, found).reshape(-1)}

        def possible(outputs: Tensor) -> bool:
            up, down = far(outputs)
            near = torch.minimum(up, down) <= torch.finfo(torch.float32).eps ** 0.5 * apart.detach().abs().sum(1)
            alike = (up < down)[:, :, None] == (up < down)[:, None, :]
            # Two groups that are never told apart are one group, of which only part was looked at.
            return bool(near.all()) and (len(outputs) == 1 or int(alike.all(0).sum()) == groups)

        return JointLaw(
            shape=tuple(x.shape), mean=(1.0 - rate) * kept + rate * dropped, covariance=covariance,
            spread=float(torch.diagonal(covariance).detach().mean().sqrt()), slopes=slopes, possible=possible,
            characteristic=lambda w: oracle.two_point_characteristic(w, kept, dropped, rate, groups),
        )  # fmt: skip

    return joint


def _gaussian(*, x: Tensor, p: float | Tensor) -> JointLaw:
    rate, flat = float(p), x.to(torch.float64).reshape(-1)
    deviation = math.sqrt(rate / (1.0 - rate)) * flat.abs()
    covariance = torch.diag(deviation**2)
    return JointLaw(
        shape=tuple(x.shape), mean=flat, covariance=covariance, normal=True,
        spread=float(deviation.detach().square().mean().sqrt()),
        characteristic=lambda w: laws.normal_characteristic(w, flat, covariance),
    )  # fmt: skip


def _identity(*, x: Tensor, p: float | Tensor) -> Tensor:
    return x


_NUMBERS = (Layout(name="batched"),)
_LAYOUTS = {
    1: (Layout(name="[batch, feature]", drop=("channel", "length", "height", "width")),
        Layout(name="[batch, channel, height, width]", drop=("feature", "length")),
        Layout(name="[batch, length, feature]", drop=("channel", "height", "width"))),
    2: (Layout(name="[batch, channel, height, width]", drop=("length", "depth")),
        Layout(name="[batch, channel, length]", drop=("depth", "height", "width")),
        Layout(name="[batch, channel, depth, height, width]", drop=("length",))),
}  # fmt: skip
_AXES = {1: "batch channel length height width feature", 2: "batch channel length depth height width"}
_SIZES = {"batch": (2, 1), "feature": (2, 1), "channel": (2, 1), "length": (2, 1), "depth": (1,), "height": (2, 1),
          "width": (1, 2)}  # fmt: skip


def _law(
    name: str, statement: str, source: str, joint: Callable[..., JointLaw], *, own: int | None = None,
    evaluation: Callable[..., Tensor] = _identity, ends: tuple[float, ...] = (0.0, 1.0),
    recognised: tuple[NamedLaw, ...] = (), moments: str = "",
) -> NamedLaw:  # fmt: skip
    axes = "batch feature" if own is None else _AXES[own]
    return names_law(
        NamedLaw(
            specification=Specification(
                name=f"dropout.{name}", statement=statement, source=source, oracle=joint,
                arguments=(any_real("x", axes, *_INPUT), _rate()),
                sizes={"batch": (3, 1), "feature": (1, 2)} if own is None else _SIZES,
                layouts=_NUMBERS if own is None else _LAYOUTS[own],
                derivation=f"dropout.{moments or name}_moments",
            ),
            evaluation=evaluation, ends={"p": ends}, recognised=recognised,
        )
    )  # fmt: skip


_SRIVASTAVA, _KLAMBAUER = "Srivastava et al. 2014, section ", "Klambauer, Unterthiner, Mayr & Hochreiter 2017"
CLASSICAL = _law(
    "classical", "y = x m, m = 0 with probability p and else 1, for each number by itself; in evaluation y = (1 − p) x",
    _SRIVASTAVA + "4", _joint(oracle.masked, None), moments="bernoulli",
    evaluation=lambda *, x, p: (1.0 - float(p)) * x,
)  # fmt: skip
CHANNEL = _law(
    "channel", "y = x m / (1 − p), m = 0 with probability p and else 1, for each channel as a whole; in evaluation "
    "y = x", "Tompson, Goroshin, Jain, LeCun & Bregler 2015, section 3.2", _joint(oracle.inverted, 2), own=2,
    moments="bernoulli",
)  # fmt: skip
PATH = _law(
    "path", "y = x m / (1 − p), m = 0 with probability p and else 1, for each row as a whole; in evaluation y = x",
    "Huang, Sun, Liu, Sedra & Weinberger 2016, section 3, with the scaling in training", _joint(oracle.inverted, 1),
    own=1, moments="bernoulli",
)  # fmt: skip
GAUSSIAN = _law(
    "gaussian", "y = x ε, ε ~ N(1, p / (1 − p)), for each number by itself; in evaluation y = x", _SRIVASTAVA + "10",
    _gaussian, ends=(0.0,), moments="bernoulli",
)  # fmt: skip
BERNOULLI = _law(
    "bernoulli", "y = x m / (1 − p), m = 0 with probability p and else 1, for each number by itself; in evaluation "
    "y = x", _SRIVASTAVA + "10", _joint(oracle.inverted, None), recognised=(CLASSICAL, GAUSSIAN),
)  # fmt: skip
CHANNEL_ALPHA = _law(
    "channel_alpha", "y = a (x m + α' (1 − m)) + b with the a, b and α' of alpha dropout, m for each channel as a "
    "whole; in evaluation y = x", _KLAMBAUER, _joint(oracle.alpha, 2), own=2, moments="alpha",
)  # fmt: skip
ALPHA = _law(
    "alpha", "y = a (x m + α' (1 − m)) + b with a = ((1 − p)(1 + p α'²))^(−½), b = −a p α'; in evaluation y = x",
    f"{_KLAMBAUER}, section on alpha dropout", _joint(oracle.alpha, None),
)  # fmt: skip


@declares_reference
def bernoulli() -> Sampler:
    """The reference dropout."""
    return Sampler(reference.dropout, law="dropout.bernoulli")


@declares_reference
def classical() -> Sampler:
    """The reference of dropout as it was."""
    return Sampler(reference.classical_dropout, law="dropout.classical")


@declares_reference
def alpha() -> Sampler:
    """The reference alpha dropout."""
    return Sampler(reference.alpha_dropout, law="dropout.alpha")


@declares_reference
def channel() -> Sampler:
    """The reference dropout of whole channels."""
    return Sampler(reference.channel_dropout, law="dropout.channel")


@declares_reference
def channel_alpha() -> Sampler:
    """The reference alpha dropout of whole channels."""
    return Sampler(reference.channel_alpha_dropout, law="dropout.channel_alpha")


@declares_reference
def path() -> Sampler:
    """The reference stochastic depth."""
    return Sampler(reference.path_dropout, law="dropout.path")


@declares_reference
def gaussian() -> Sampler:
    """The reference Gaussian dropout."""
    return Sampler(reference.gaussian_dropout, law="dropout.gaussian")
