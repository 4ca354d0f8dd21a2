"""Spectral normalisation: the power iteration as a step, a weight over its norm, a kernel as a matrix."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch

from genverify.formulas.catalogue import formula
from genverify.formulas.hyperparameter import hyperparameter
from genverify.formulas.operator_norm import KERNEL, MATRIX
from genverify.formulas.references import declares_reference
from genverify.oracles import spectral_norm as oracle
from genverify.reference.layers import spectral_norm as reference
from genverify.subjects.choices import option
from genverify.subjects.domains import Domain, integer, real
from genverify.subjects.formula import Formula
from genverify.subjects.parametrisation import plain
from genverify.subjects.specification import Argument, Axis, Layout, Option, Specification

__all__ = [
    "CONV_MATRIX",
    "CONV_TRANSPOSE_MATRIX",
    "EPSILON",
    "NORMALIZE",
    "POWER_ITERATION",
    "POWER_ITERATION_FROM_V",
    "STEPS",
]


def _unit_vector() -> Domain:
    """Vectors of length one; the simplest is along the first axis."""

    def make(raw: torch.Tensor, shape: tuple[int, ...], dtype: torch.dtype) -> torch.Tensor:
        vector = raw.reshape(shape).clone()
        vector[..., 0] += 1.0 * (vector.abs().amax(-1) < 1e-3)
        return (vector / vector.norm(dim=-1, keepdim=True)).to(dtype)

    return Domain(name="unit vector", make=make)


_WEIGHT = plain("weight", "out in", real(), MATRIX, normwise=True)
_U = plain("u", "out", _unit_vector(), ("u_", "u0", "left", "weight_u", "u_vec", "singular_vect_left", "_u", "sn_u"),
           default=None, differentiable=False)  # fmt: skip
_V = plain("v", "in", _unit_vector(), ("v_", "v0", "right", "weight_v", "v_vec", "singular_vect_right", "_v", "sn_v"),
           default=None, differentiable=False)  # fmt: skip
STEPS = option(
    "steps", integer(1, 3), 1,
    "n_iter", "num_iters", "n_iters", "iterations", "Ip", "ip", "n_power_iterations", "power_iterations", "n", "iters",
    "num_iterations", "iteration", "n_steps", "num_steps", "n_power_iter", "power_iters", "niter", "n_power",
)  # fmt: skip
_EPS = hyperparameter("eps", "epsilon", "e", default=None, low=1e-12, high=1e-6)
EPSILON = Axis(
    name="ε",
    options=(
        Option(name=""),
        Option(name="ε added", keywords={"added": True}, note="‖·‖ + ε for max(‖·‖, ε); 10⁻¹² where it is not given"),
        Option(name="10⁻⁸ added", keywords={"added": True, "assumed": 1e-8}),
    ),
)  # fmt: skip
_ORDER = Axis(
    name="order",
    options=(
        Option(name=""), Option(name="u first", keywords={"u_first": True}, note="from v: u ← Wv, then v ← Wᵀu"),
        Option(name="v alone", keywords={"back": False}, accepted=False,
               note="u is never renewed, so that the next call begins where this one did"),
    ),
)  # fmt: skip
_SIZES = {"out": (3, 2, 4), "in": (2, 4, 3)}
_LAYOUTS = (
    Layout(name="vectors"),
    Layout(name="vectors as rows", shapes={"u": "one out", "v": "one in"}),
    Layout(name="vectors as columns", shapes={"u": "out one", "v": "in one"}),
)


def _vectors(weight: torch.Tensor, steps: int, eps: Any, assumed: float = 1e-12, **given: Any) -> Any:  # noqa: ANN401
    start = {"u": None, "v": None, **given}
    return oracle.iterate(weight, steps=int(steps), eps=assumed if eps is None else eps, **start)


def _value(weight: torch.Tensor, **given: Any) -> torch.Tensor:  # noqa: ANN401
    return oracle.estimate(weight, *_vectors(weight, **given))


def _value_and_u(weight: torch.Tensor, **given: Any) -> tuple[torch.Tensor, torch.Tensor]:  # noqa: ANN401
    u, v = _vectors(weight, **given)
    return oracle.estimate(weight, u, v), u


def _value_and_vectors(weight: torch.Tensor, **given: Any) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:  # noqa: ANN401
    u, v = _vectors(weight, **given)
    return oracle.estimate(weight, u, v), u, v


# What people return: both vectors, σ, σ with u, or all three; the first is the formula, the others its namesakes.
_RESULTS: dict[str, tuple[Any, str, tuple[str, ...]]] = {
    "": (_vectors, "out|in", ("u", "v")),
    "_value": (_value, "", ()),
    "_value_and_u": (_value_and_u, "|out", ("sigma", "u")),
    "_value_and_vectors": (_value_and_vectors, "|out|in", ("sigma", "u", "v")),
}


def _iteration(name: str, start: tuple[Argument, ...]) -> Specification:
    """The power iteration from u (and v), or from v alone, under a name for each kind of result."""
    made = {
        end: formula(
            Specification(
                name=f"spectral_norm.{name}{end}", statement="v ← Wᵀu/‖Wᵀu‖, u ← Wv/‖Wv‖, and σ = uᵀWv",
                source="Miyato et al. 2018, algorithm 1", arguments=(_WEIGHT, *start, STEPS, _EPS), oracle=compute,
                output=output, outputs=outputs, layouts=_LAYOUTS, sizes=_SIZES, operations=128, gradient=False,
                dialects=(EPSILON, _ORDER) if name == "power_iteration" else (EPSILON,),
                namesakes=() if end else tuple(f"spectral_norm.{name}{one}" for one in _RESULTS if one),
                derivation="spectral_norm.power_iteration.step",
            )
        )
        for end, (compute, output, outputs) in _RESULTS.items()
    }  # fmt: skip
    return made[""]


POWER_ITERATION = _iteration("power_iteration", (replace(_U, default=...), _V))
POWER_ITERATION_FROM_V = _iteration("power_iteration_from_v", (replace(_V, default=...),))

_BOUND = hyperparameter(
    "bound", "coeff", "c", "coefficient", "lipschitz", "k", "lip", "scale", "max_norm", "gamma", "target", "L",
    default=None, low=0.5, high=2.0,
)  # fmt: skip
NORMALIZE = formula(
    Specification(
        name="spectral_norm.normalize",
        statement="W/σ, σ = uᵀWv for given u and v and else ‖W‖; its gradient (G − ⟨G, W/σ⟩ uvᵀ)/σ goes through σ",
        source="Miyato et al. 2018, eqs. 8 and 12",
        arguments=(_WEIGHT, _U, _V, _BOUND),
        oracle=oracle.normalized,
        surrogate=lambda weight, u, v, bound, **how: oracle.normalized(weight, u, v, bound, apart=True, **how),
        output="out in",
        dialects=(
            Axis(name="form", options=(
                Option(name=""),
                Option(name="where σ exceeds the bound", keywords={"soft": True}, note="Behrmann et al. 2019: soft"),
            )),
            Axis(name="norm", options=(
                Option(name=""),
                Option(name="of Frobenius", keywords={"norm": "frobenius"}, accepted=False,
                       note="divides by more than the slope"),
                Option(name="largest entry", keywords={"norm": "largest"}, accepted=False,
                       note="divides by less than the slope"),
                Option(name="squared", keywords={"norm": "squared"}, accepted=False, note="σ² for σ"),
            )),
        ),
        layouts=_LAYOUTS, sizes=_SIZES, operations=128, kinks=True,
        derivation="spectral_norm.gradient",
    )
)  # fmt: skip


def _matrix(name: str, statement: str, axes: str, turn: bool) -> Specification:
    def oriented(kernel: torch.Tensor) -> torch.Tensor:
        return oracle.row_gram((kernel.transpose(0, 1) if turn else kernel).flatten(1))

    return formula(
        Specification(
            name=f"spectral_norm.{name}", statement=statement, source="Miyato et al. 2018, section 2.1",
            arguments=(replace(plain("kernel", axes, real(), KERNEL), normwise=True),),
            oracle=oriented, output="", gradient=False,
            invariant=lambda result, kernel: oracle.row_gram(result.to(torch.float64)) if result.dim() == 2 else None,
            layouts=(Layout(name="a kernel"),),
            sizes={"out": (2, 4, 1), "in": (3, 2), "kh": (3, 1), "kw": (2, 3)}, operations=96,
            derivation="lipschitz.spectral_norm_of_a_kernel.places",
        )
    )  # fmt: skip


CONV_MATRIX = _matrix("conv_matrix", "kernel [out, in, kh, kw] → matrix [out, in·kh·kw]", "out in kh kw", False)
CONV_TRANSPOSE_MATRIX = _matrix(
    "conv_transpose_matrix", "kernel [in, out, kh, kw] → matrix [out, in·kh·kw]: outputs first", "in out kh kw", True
)


@declares_reference
def power_iteration() -> Formula:
    """The reference steps of the power iteration."""
    return Formula(reference.power_iteration, like="spectral_norm.power_iteration")


@declares_reference
def normalize() -> Formula:
    """The reference weight over its norm."""
    return Formula(reference.normalize, like="spectral_norm.normalize")


@declares_reference
def conv_matrix() -> Formula:
    """The reference matrix of a kernel."""
    return Formula(reference.conv_matrix, like="spectral_norm.conv_matrix")


@declares_reference
def conv_transpose_matrix() -> Formula:
    """The reference matrix of a transposed convolution's kernel."""
    return Formula(reference.conv_transpose_matrix, like="spectral_norm.conv_transpose_matrix")
