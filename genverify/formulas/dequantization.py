"""Dequantisation, uniform and variational."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from genverify.claims import Status, claim
from genverify.formulas.catalogue import formula, reduction
from genverify.formulas.flow_arguments import moderate, slip
from genverify.formulas.references import declares_reference
from genverify.oracles import dequantization as oracle
from genverify.reference.flows import dequantization as reference
from genverify.subjects.choices import choice
from genverify.subjects.domains import Domain, real
from genverify.subjects.formula import Formula
from genverify.subjects.parametrisation import any_real, draw
from genverify.subjects.specification import Argument, Axis, Form, Layout, Option, Role, Specification

__all__ = ["UNIFORM", "VARIATIONAL"]

UNIFORM_BOUND = claim(
    "dequantization.uniform.bound", Status.DERIVED,
    statement="E_u log p(x + u) ≤ log ∫_[0,1) p(x + u) du = log P(x) for u uniform on [0, 1), with equality where p is "
    "constant on the cell",
    source="Theis, van den Oord & Bethge 2016, section 3.1, eqs. 3–6",
    assumptions=("p a density, positive almost everywhere on the cell", "D = 1, a density affine on the cell, for "
                 "the algebra that is executed"),
    theorems=("Jensen's inequality",),
)  # fmt: skip
VARIATIONAL_BOUND = claim(
    "dequantization.variational.bound", Status.DERIVED,
    statement="log P(x) − E_q(log p(x + u) − log q(u | x)) = KL(q ‖ p(u | x)) ≥ 0; uniform dequantisation is q = 1",
    source="Ho et al. 2019, eqs. 9 and 10",
    assumptions=("q and p positive on the cell", "two values of u, for the algebra that is executed"),
    theorems=("Gibbs' inequality",),
)  # fmt: skip


def _codes(raw: Tensor, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
    return raw.round().reshape(shape).to(dtype)


_DATA = Argument(
    name="x", axes="batch event", differentiable=False,
    forms=(
        Form(
            name="x", domain=Domain(name="integers as floats", low=0, high=3, integral=True, make=_codes),
            aliases=("x", "data", "images", "image", "img", "imgs", "inputs", "input", "batch", "samples", "x_int", "z",
                     "x_discrete", "pixels", "values", "y"),
        ),
    ),
)  # fmt: skip
_LEVELS = Argument(
    name="levels", role=Role.OPTION, differentiable=False, default=None,
    forms=(
        Form(
            name="levels", domain=choice(256, 32, 4),
            aliases=("n_levels", "num_levels", "n_bins", "bins", "num_bins", "k", "K", "quants", "n_values", "q_levels",
                     "quantization", "num_values", "quantization_levels", "n_quant", "max_val", "alphabet_size"),
        ),
        Form(
            name="bits", domain=choice(8, 5, 2), canonical=lambda n: 2**n,
            aliases=("bits", "n_bits", "num_bits", "nbits", "bit_depth", "n_bits_x"),
        ),
    ),
)  # fmt: skip
_NOISE = draw("u", "batch event", "uniform", real(low=0.0, high=0.9), "noise", "eps", "rand", "uniform", "unif", "r")


def _both(*, x: Tensor, u: Tensor, levels: Any, **how: Any) -> Any:  # noqa: ANN401
    return oracle.uniform(x, u, float(256 if levels is None else levels), **how)


def _pair(**given: Any) -> Any:  # noqa: ANN401
    made, logs = _both(**given)
    return made, tuple(one for log in logs for one in log.unbind(-1))


_FORM = (
    Axis(name="scale", options=(
        Option(name=""),
        Option(name="not scaled", keywords={"scaled": False}, note="in [0, levels)"),
        Option(name="of data in [0, 1]", keywords={"unit": True}, note="first multiplied by levels − 1"),
    )),
    Axis(name="noise", options=(
        Option(name=""),
        slip("centred", "u − ½ leads out of the cell, and below zero", slip="centred"),
        slip("divided by levels − 1", "x + u reaches levels; y is then above 1", slip="levels less one"),
        slip("not scaled with x", "x/levels + u: the noise is as wide as all levels together", slip="twice"),
        slip("left out", "integers have no density", slip="none"),
        slip("both signs", "u on (−1, 1) covers two cells", slip="both signs"),
    )),
)  # fmt: skip
_LAYOUTS = (
    Layout(name="rows"), Layout(name="images", shapes={"x": "batch channel height width"}),
    Layout(name="one event", drop=("batch", "row")),
)  # fmt: skip
UNIFORM = formula(
    Specification(
        name="dequantization.uniform", statement="y = (x + u)/levels, u uniform on [0, 1)",
        source="Theis, van den Oord & Bethge 2016, section 3.1",
        arguments=(_DATA, _NOISE, _LEVELS), oracle=lambda **given: _both(**given)[:1], output="batch event",
        outputs=("image",), dialects=_FORM, layouts=_LAYOUTS, gradient=False,
        namesakes=("dequantization.uniform_with_logabsdet",),
        sizes={"channel": (1, 2), "height": (2, 1), "width": (1, 2)}, derivation="dequantization.uniform.bound",
    )
)  # fmt: skip
UNIFORM_WITH_LOGABSDET = formula(
    replace(
        UNIFORM,
        name="dequantization.uniform_with_logabsdet",
        oracle=_pair,
        output="batch event|row",
        outputs=("image", "logabsdet"),
        namesakes=(),
        statement="y = (x + u)/levels, u uniform on [0, 1), and logabsdet = −D log levels",
    )
)

VARIATIONAL = formula(
    Specification(
        name="dequantization.variational", statement="log p(x + u) − log q(u | x), u drawn from q",
        source="Ho et al. 2019, eq. 10",
        arguments=(
            moderate(any_real("log_p", "batch", "log_px", "logp", "log_prob", "log_px_u", "log_p_xu", "log_pxu",
                              "log_py", "log_p_x", "log_p_y", "log_density", "log_likelihood")),
            moderate(any_real("log_q", "batch", "log_qu", "logq", "log_q_u", "log_qu_x", "log_q_u_x", "log_qux",
                              "log_q_given_x", "log_q_noise", "log_prob_u", "log_qu_given_x")),
        ),
        oracle=oracle.variational, output="batch",
        dialects=(
            reduction("batch", ("none", "mean", "sum")),
            Axis(name="sign", options=(
                Option(name=""), Option(name="as a loss", keywords={"loss": True}),
                slip("log q added", "the entropy of the noise counts for the bound, not against it", sign=1.0),
                slip("log q left out", "right for uniform noise alone, where it is zero", sign=0.0),
            )),
        ),
        layouts=(Layout(name="batched"), Layout(name="one event", drop=("batch",))),
        derivation="dequantization.variational.bound",
    )
)  # fmt: skip


@declares_reference
def uniform_dequantization() -> Formula:
    """The reference dequantisation, with its logabsdet."""
    return Formula(reference.uniform_dequantization, like="dequantization.uniform")


@declares_reference
def variational_bound() -> Formula:
    """The reference bound."""
    return Formula(reference.variational_bound, like="dequantization.variational")
