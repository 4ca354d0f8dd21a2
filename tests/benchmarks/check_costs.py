"""Subjects of any size of which every claim holds, so that each check of their kind can be run at that size.

An event has d numbers, a case so many rows, and a subject so many layers, one after the other.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

import genverify as gv
from genverify.checks.check import Check, checks_for
from genverify.preparation import prepare
from genverify.subjects.budget import BUDGETS, Run
from genverify.subjects.case import Case
from genverify.subjects.formula_case import axis_sizes, build
from genverify.subjects.preservation import preserved
from genverify.verdict import Judgement

DOUBLE = torch.float64
RUN = Run(budget=BUDGETS["quick"])


@dataclass(frozen=True, kw_only=True)
class Size:
    """How large a case and its subject are."""

    d: int = 8
    batch: int = 4
    depth: int = 2


def numbers(*shape: int, turn: float = 1.0) -> Tensor:
    """Generic numbers between -1 and 1."""
    count = torch.Size(shape).numel()
    return torch.sin(turn * torch.arange(1.0, count + 1.0, dtype=DOUBLE)).reshape(shape)


def coupling(size: Size) -> gv.Bijection:
    """Affine couplings of the second half given the first: triangular, and monotone in each number."""

    def halves(x: Tensor) -> tuple[Tensor, Tensor]:
        return x[..., : size.d // 2], x[..., size.d // 2 :]

    def terms(a: Tensor, layer: int, like: Tensor) -> tuple[Tensor, Tensor]:
        total = a.sum(-1, keepdim=True) / size.d
        # Every other layer stretches: so many layers leave the Jacobian as regular as one.
        scale = (-1) ** layer * 0.3 * torch.tanh(total + 1.0)
        return scale.expand_as(like), torch.sin(total - layer).expand_as(like)

    def forward(x: Tensor) -> tuple[Tensor, Tensor]:
        a, b = halves(x)
        logabsdet = torch.zeros_like(x[..., 0])
        for layer in range(size.depth):
            scale, shift = terms(a, layer, b)
            b, logabsdet = b * scale.exp() + shift, logabsdet + scale.sum(-1)
        return torch.cat((a, b), -1), logabsdet

    def inverse(y: Tensor) -> tuple[Tensor, Tensor]:
        a, b = halves(y)
        logabsdet = torch.zeros_like(y[..., 0])
        for layer in reversed(range(size.depth)):
            scale, shift = terms(a, layer, b)
            b, logabsdet = (b - shift) * (-scale).exp(), logabsdet - scale.sum(-1)
        return torch.cat((a, b), -1), logabsdet

    return gv.Bijection(
        forward, inverse=inverse, event_shape=size.d, autoregressive=True, monotone=True, name="couplings"
    )


class _Network(nn.Module):
    """Layers of tanh(W x + b), |W| < 1."""

    def __init__(self, size: Size) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(size.d, size.d).double() for _ in range(size.depth))
        with torch.no_grad():
            for place, layer in enumerate(self.layers, 1):
                weight = numbers(size.d, size.d, turn=1.3 + place)
                layer.weight.copy_(weight / torch.linalg.matrix_norm(weight, 2))
                layer.bias.copy_(numbers(size.d, turn=2.7 * place))

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = torch.tanh(layer(x))
        return x


class _Residual(_Network):
    """x and what the network adds."""

    def forward(self, x: Tensor) -> Tensor:
        return x + super().forward(x)


def network(size: Size) -> gv.Map:
    """A network of Lipschitz constant one, all of whose outputs depend on all inputs, beside itself."""
    return gv.Map(
        _Network(size), event_shape=size.d, equals=_Network(size), depends_on=lambda i, j: True,
        lipschitz=1.0 + 1e-9, output_shape=(size.d,), name="network",
    )  # fmt: skip


def residual(size: Size) -> gv.Map:
    """A residual network: what it adds, and its path beside the parameters."""
    return gv.Map(
        _Residual(size), event_shape=size.d, residual_of=_Network(size), identity_path=True, name="residual network"
    )


def mean_field(size: Size) -> gv.Map:
    """x/2 plus the mean, again and again: linear, symmetric, and equivariant under permutations."""

    def layers(x: Tensor) -> Tensor:
        for _ in range(size.depth):
            x = x / 2 + x.mean(-1, keepdim=True)
        return x

    matrix = layers(torch.eye(size.d, dtype=DOUBLE))
    return gv.Map(
        layers, event_shape=size.d, linear=True, affine=True, adjoint=layers, matrix=matrix, equivariant="permutation",
        name="mean field",
    )  # fmt: skip


def elementwise(size: Size) -> gv.Map:
    """tanh of each number, again and again: no output depends on another input."""

    def layers(x: Tensor) -> Tensor:
        for _ in range(size.depth):
            x = torch.tanh(x)
        return x

    return gv.Map(layers, event_shape=size.d, ignores=lambda i, j: i != j, name="elementwise")


def total(size: Size) -> gv.Map:
    """A sum over the event, after so many layers of tanh: invariant under permutations."""

    def layers(x: Tensor) -> Tensor:
        for _ in range(size.depth):
            x = torch.tanh(x)
        return x.sum(-1)

    return gv.Map(layers, event_shape=size.d, invariant="permutation", name="total")


def divergence(size: Size) -> gv.Formula:
    """The VAE's KL term, as a stranger writes it; its size is that of the case alone."""

    def kl(mu: Tensor, logvar: Tensor) -> Tensor:
        return -0.5 * (1 + logvar - mu**2 - logvar.exp()).sum(-1)

    return gv.Formula(kl, like="kl.diagonal_to_standard_normal", name="kl")


MAKERS: dict[str, tuple[Callable[[Size], Any], ...]] = {
    "bijection": (coupling,),
    "map": (network, residual, mean_field, elementwise, total),
    "formula": (divergence,),
}
# What is not measured, and why.
LEFT_OUT = {
    "formula.accuracy": "it walks through the range of a dtype, and has no case of a size",
    "formula.order": "it halves the step of a formula that has one, and has no case of a size",
}


def measured(kind: str) -> dict[str, Callable[[Size], Any]]:
    """Each check of the kind with the first maker of a subject that it applies to."""
    prepared = [(make, prepare(make(Size()))) for make in MAKERS[kind]]
    found = {}
    for one in checks_for(kind):
        if one.name in LEFT_OUT:
            continue
        applies = [make for make, subject in prepared if one.requires(subject) is None]
        assert applies, f"no subject here has what {one.name} judges"
        found[one.name] = applies[0]
    return found


def case_of(subject: Any, size: Size) -> Case:
    """Generic numbers in that many rows, and whatever else a check of the kind takes."""
    if subject.kind == "formula":
        identity = (subject.memory.get("identities") or [None])[0]
        layout = identity.layout if identity is not None else subject.layouts()[0]
        sizes = {axis: size.batch if axis == "batch" else size.d for axis in axis_sizes(subject, layout)}
        return build(subject, layout, sizes, DOUBLE, lambda name, domain, count: numbers(count))
    x = numbers(size.batch, size.d)
    if subject.kind == "bijection":
        return Case(values={"x": x})
    output = subject.calls.output_event
    return Case(values={
        "x": x, "z": numbers(size.batch, size.d, turn=1.7), "a": 0.5, "b": -2.0, "direction": 1,
        "y": numbers(size.batch, *output, turn=2.3), "order": list(reversed(range(size.d))), "steps": [1],
    })  # fmt: skip


def introduced(subject: Any, kind: str) -> Any:
    """The subject, prepared, and known to those checks of its kind that learn something of it first."""
    found = prepare(subject)
    with preserved(found) as keeper:
        for before in {one.before for one in checks_for(kind) if one.before is not None}:
            keeper.watch_globals()
            before(found)
            keeper.restore()
    return found


_introduced = functools.cache(lambda make, size, kind: introduced(make(size), kind))


@contextmanager
def ready(one: Check, make: Callable[[Size], Any], size: Size) -> Iterator[Callable[[], Judgement]]:
    """The check as a function of nothing, on a subject that has been introduced; a formula is of no size itself."""
    subject = _introduced(make, Size() if one.kind == "formula" else size, one.kind)
    case = case_of(subject, size)
    with preserved(subject):
        yield lambda: one.judge(subject, case, RUN)
