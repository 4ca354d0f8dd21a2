"""The laws of initial weights: of Xavier and Kaiming initialisation."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from genverify.formulas.law import names_law
from genverify.formulas.plain_numbers import number
from genverify.formulas.references import declares_reference
from genverify.oracles import initialization as spread_of
from genverify.oracles import laws as oracle
from genverify.reference.layers import initialization as reference
from genverify.subjects.domains import Domain, real
from genverify.subjects.sampler import JointLaw, NamedLaw, Sampler
from genverify.subjects.specification import Argument, Form, Layout, Role, Specification

__all__ = ["HAAR_ORTHOGONAL", "KAIMING_NORMAL", "KAIMING_UNIFORM", "XAVIER_NORMAL", "XAVIER_UNIFORM"]

_SHAPES = ((2, 3), (3, 1), (1, 2, 2, 1))


def _shapes() -> Domain:
    """Shapes of a dense and of a convolution's weight; fan in and fan out differ in each."""
    return Domain(
        name="shape of a weight [out, in, *kernel]", low=0, high=len(_SHAPES) - 1, integral=True,
        make=lambda raw, shape, dtype: _SHAPES[int(raw.reshape(-1)[0].round())],
    )  # fmt: skip


def _weight() -> Argument:
    forms = (
        Form(name="shape", domain=_shapes(), aliases=("size", "dims", "weight_shape", "dim", "s")),
        Form(
            name="tensor", domain=real(), aliases=("t", "w", "weight", "W", "param", "p", "x", "weights"),
            canonical=lambda tensor: tuple(tensor.shape),
        ),
    )  # fmt: skip
    return Argument(name="shape", forms=forms, axes="out in", differentiable=False)


def _gain(default: float) -> Argument:
    form = Form(name="gain", domain=number(0.5, 3.0), aliases=("scale", "g"))
    return Argument(name="gain", forms=(form,), role=Role.OPTION, differentiable=False, default=default)


def _normal(of: Callable[[Sequence[int], float], float], usual: float) -> Callable[..., JointLaw]:
    def joint(*, shape: Sequence[int] | Tensor, gain: float | Tensor = usual) -> JointLaw:
        sizes, std = _std(of, shape, gain)
        zero, size = torch.zeros(math.prod(sizes), dtype=torch.float64), math.prod(sizes)
        covariance = std**2 * torch.eye(size, dtype=torch.float64)
        return JointLaw(
            shape=sizes, mean=zero, covariance=covariance, normal=True, spread=std,
            characteristic=lambda w: oracle.normal_characteristic(w, zero, covariance),
            cdf=lambda z: oracle.normal_cdf(z, zero, std + zero),
        )  # fmt: skip

    return joint


def _uniform(of: Callable[[Sequence[int], float], float], usual: float) -> Callable[..., JointLaw]:
    def joint(*, shape: Sequence[int] | Tensor, gain: float | Tensor = usual) -> JointLaw:
        sizes, std = _std(of, shape, gain)
        zero, size = torch.zeros(math.prod(sizes), dtype=torch.float64), math.prod(sizes)
        bound = math.sqrt(3.0) * std + zero
        return JointLaw(
            shape=sizes, mean=zero, covariance=std**2 * torch.eye(size, dtype=torch.float64), spread=std,
            characteristic=lambda w: oracle.uniform_characteristic(w, -bound, bound),
            cdf=lambda z: oracle.uniform_cdf(z, -bound, bound),
        )  # fmt: skip

    return joint


def _std(
    of: Callable[[Sequence[int], float], float], shape: Sequence[int] | Tensor, gain: float | Tensor
) -> tuple[tuple[int, ...], float]:
    sizes = tuple(int(one) for one in shape)
    return sizes, of(sizes, float(gain))


def _law(name: str, statement: str, source: str, joint: Callable[..., JointLaw], usual: float) -> NamedLaw:
    return names_law(
        NamedLaw(
            specification=Specification(
                name=f"initialization.{name}", statement=statement, source=source, oracle=joint,
                arguments=(_weight(), _gain(usual)), layouts=(Layout(name="batched"),),
                sizes={"out": (2, 1), "in": (3, 2)},
                derivation=f"initialization.{name.partition('_')[0]}_variance",
            )
        )
    )  # fmt: skip


_GLOROT, _HE = "Glorot & Bengio 2010", "He, Zhang, Ren & Sun 2015"
XAVIER_UNIFORM = _law(
    "xavier_uniform", "W ~ U(−a, a), a = gain √(6 / (fan in + fan out))", f"{_GLOROT}, eq. 16",
    _uniform(spread_of.xavier, 1.0), 1.0,
)  # fmt: skip
XAVIER_NORMAL = _law(
    "xavier_normal", "W ~ N(0, gain² · 2 / (fan in + fan out))", f"{_GLOROT}, eq. 12",
    _normal(spread_of.xavier, 1.0), 1.0,
)  # fmt: skip
KAIMING_UNIFORM = _law(
    "kaiming_uniform", "W ~ U(−a, a), a = gain √(3 / fan in), gain √2 for ReLU", f"{_HE}, eq. 10",
    _uniform(spread_of.kaiming, math.sqrt(2.0)), math.sqrt(2.0),
)  # fmt: skip
KAIMING_NORMAL = _law(
    "kaiming_normal", "W ~ N(0, gain² / fan in), gain √2 for ReLU", f"{_HE}, eq. 10",
    _normal(spread_of.kaiming, math.sqrt(2.0)), math.sqrt(2.0),
)  # fmt: skip


def _haar(*, shape: Sequence[int] | Tensor) -> JointLaw:
    n = int(shape[0])
    return JointLaw(
        shape=(n, n), mean=torch.zeros(n * n, dtype=torch.float64), spread=n**-0.5,
        covariance=torch.eye(n * n, dtype=torch.float64) / n,
        characteristic=lambda w: spread_of.haar_characteristic(w, n),
    )  # fmt: skip


_SQUARE = Domain(
    name="1 to 3 rows", low=1, high=3, integral=True, simple=2.0,
    make=lambda raw, shape, dtype: (int(raw.reshape(-1)[0].round()),) * 2,
)  # fmt: skip
_COUNT = Domain(
    name="1 to 3",
    low=1,
    high=3,
    integral=True,
    simple=2.0,
    make=lambda raw, shape, dtype: int(raw.reshape(-1)[0].round()),
)
HAAR_ORTHOGONAL = names_law(
    NamedLaw(
        specification=Specification(
            name="initialization.haar_orthogonal",
            statement="Q uniform on the orthogonal matrices: UQ and QV follow the law of Q for all orthogonal U and V; "
            "judged for one row, for two and for three",
            source="Mezzadri 2007, section 5",
            arguments=(
                Argument(
                    name="shape", axes="out in", differentiable=False,
                    forms=(
                        Form(name="shape", domain=_SQUARE, aliases=("size", "dims")),
                        Form(name="n", domain=_COUNT, aliases=("dim", "d", "N"), canonical=lambda n: (n, n)),
                        Form(name="tensor", domain=real(), aliases=("t", "w", "weight", "W", "param", "x"),
                             canonical=lambda tensor: tuple(tensor.shape)),
                    ),
                ),
            ),
            oracle=_haar, layouts=(Layout(name="batched"),), sizes={"out": (2,), "in": (2,)},
            derivation="initialization.haar_invariance",
        )
    )
)  # fmt: skip


@declares_reference
def xavier_uniform() -> Sampler:
    """The reference Xavier initialisation, uniform."""
    return Sampler(reference.xavier_uniform, law="initialization.xavier_uniform")


@declares_reference
def xavier_normal() -> Sampler:
    """The reference Xavier initialisation, normal."""
    return Sampler(reference.xavier_normal, law="initialization.xavier_normal")


@declares_reference
def kaiming_uniform() -> Sampler:
    """The reference Kaiming initialisation, uniform."""
    return Sampler(reference.kaiming_uniform, law="initialization.kaiming_uniform")


@declares_reference
def kaiming_normal() -> Sampler:
    """The reference Kaiming initialisation, normal."""
    return Sampler(reference.kaiming_normal, law="initialization.kaiming_normal")


@declares_reference
def haar_orthogonal() -> Sampler:
    """The reference orthogonal initialisation."""
    return Sampler(reference.haar_orthogonal, law="initialization.haar_orthogonal")
