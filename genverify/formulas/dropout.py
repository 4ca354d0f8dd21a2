"""The laws of dropout: zeros with the rest scaled up, and the one that keeps a self-normalising layer's moments."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from genverify.formulas.law import names_law
from genverify.formulas.references import declares_reference
from genverify.oracles import dropout as oracle
from genverify.reference.layers import dropout as reference
from genverify.subjects.domains import Domain
from genverify.subjects.parametrisation import any_real
from genverify.subjects.sampler import JointLaw, NamedLaw, Sampler
from genverify.subjects.specification import Argument, Form, Layout, Role, Specification

__all__ = ["ALPHA", "BERNOULLI"]

_INPUT = ("input", "inputs", "X", "h", "z", "a", "features", "inp", "activations", "value")
_RATE = Domain(
    name="probability",
    low=1,
    high=6,
    integral=True,
    simple=4.0,
    make=lambda raw, shape, dtype: float(raw.reshape(())) / 8,
)


def _rate() -> Argument:
    forms = (
        Form(name="p", domain=_RATE, aliases=("rate", "drop", "drop_prob", "prob", "dropout", "p_drop", "drop_rate",
             "dropout_rate", "dropout_prob")),
        Form(name="keep_prob", domain=_RATE, aliases=("keep", "p_keep", "retain", "keep_rate"),
             canonical=lambda keep: 1.0 - keep),
    )  # fmt: skip
    return Argument(name="p", forms=forms, role=Role.OPTION, differentiable=False, default=0.5)


def _joint(points: Callable[[Tensor, float], tuple[Tensor, Tensor]]) -> Callable[..., JointLaw]:
    """Independent numbers, each one of two: `points` maps (x, p) to the kept value and to the dropped one."""

    def joint(*, x: Tensor, p: float | Tensor = 0.5) -> JointLaw:
        rate = float(p)
        kept, dropped = (one.reshape(-1) for one in points(x.to(torch.float64), rate))
        mean = (1.0 - rate) * kept + rate * dropped
        variance = rate * (1.0 - rate) * (kept - dropped) ** 2
        return JointLaw(
            shape=tuple(x.shape), mean=mean, covariance=torch.diag(variance),
            spread=float(variance.detach().mean().sqrt()),
            characteristic=lambda w: oracle.two_point_characteristic(w, kept, dropped, rate),
        )  # fmt: skip

    return joint


def _law(name: str, statement: str, source: str, points: Callable[[Tensor, float], tuple[Tensor, Tensor]]) -> NamedLaw:
    return names_law(
        NamedLaw(
            specification=Specification(
                name=f"dropout.{name}", statement=statement, source=source, oracle=_joint(points),
                arguments=(any_real("x", "batch feature", *_INPUT), _rate()), layouts=(Layout(name="batched"),),
                sizes={"batch": (3, 1), "feature": (1, 2)}, derivation=f"dropout.{name}_moments",
            )
        )
    )  # fmt: skip


BERNOULLI = _law(
    "bernoulli", "y = x m / (1 − p), m = 0 with probability p and else 1, for each number by itself",
    "Srivastava et al. 2014, section 10", oracle.inverted,
)  # fmt: skip
ALPHA = _law(
    "alpha", "y = a (x m + α' (1 − m)) + b with a = ((1 − p)(1 + p α'²))^(−½), b = −a p α'",
    "Klambauer, Unterthiner, Mayr & Hochreiter 2017, section on alpha dropout", oracle.alpha,
)  # fmt: skip


@declares_reference
def bernoulli() -> Sampler:
    """The reference dropout."""
    return Sampler(reference.dropout, law="dropout.bernoulli")


@declares_reference
def alpha() -> Sampler:
    """The reference alpha dropout."""
    return Sampler(reference.alpha_dropout, law="dropout.alpha")
