"""The log-densities that flows make: of data, after a chain of flows, over several scales."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from torch import Tensor

from genverify.formulas.catalogue import formula, reduction
from genverify.formulas.flow_arguments import moderate, slip
from genverify.formulas.naming import MEAN
from genverify.formulas.references import declares_reference
from genverify.oracles import flow_density as oracle
from genverify.reference.flows import densities as reference
from genverify.subjects.domains import real
from genverify.subjects.formula import Formula
from genverify.subjects.parametrisation import any_real, plain, positive_scale
from genverify.subjects.specification import Argument, Axis, Layout, Option, Specification
from genverify.subjects.structured_domains import listed

__all__ = ["COMPOSITION", "LOG_PROB", "LOG_PROB_AFTER_FLOWS", "LOG_PROB_AFTER_FLOWS_OF_NORMAL", "MULTISCALE_LOG_PROB"]

_TOTAL = (
    "logabsdet", "logdet", "log_det", "ldj", "log_abs_det", "log_det_jacobian", "sldj", "ladj", "log_det_J", "logdet_J",
    "log_jacobian", "log_det_jac", "sum_log_det", "log_abs_det_jacobian", "delta_logp", "log_jac", "ld", "log_dets",
    "logdets", "sum_log_abs_det", "sum_ldj", "total_logdet", "logjac", "objective", "log_det_sum", "sum_log_abs_det_j",
    "sum_logdet", "log_abs_dets", "log_dets_sum", "log_detjac", "logabsdets", "sldjs", "ldjs", "log_jacobians",
)  # fmt: skip
_BATCH = reduction("batch", ("none", "mean", "sum"))
_LOSS = Axis(name="sign", options=(
    Option(name=""), Option(name="as a loss", keywords={"loss": True}, note="the negative log-likelihood"),
))  # fmt: skip
_ROWS = (Layout(name="batched"), Layout(name="one event", drop=("batch",)))


def _total(**rest: Any) -> Argument:  # noqa: ANN401
    return plain("logabsdet", "batch", real(), _TOTAL, **rest)


def _each(name: str = "logabsdets") -> Argument:
    return plain(name, "flow batch", listed(real()), _TOTAL)


LOG_PROB = formula(
    Specification(
        name="flow.log_prob",
        statement="log p(x) = log N(z | 0, I) + log|det ∂z/∂x|",
        source="Dinh, Sohl-Dickstein & Bengio 2017, eqs. 2 and 3",
        arguments=(
            moderate(any_real("z", "batch event", "u", "noise", "latent", "latents", "y", "x", "zs", "z_k", "zK", "eps",
                              "z0", "h", "base", "output", "outputs", "noises")),
            moderate(_total()),
        ),
        oracle=oracle.log_prob,
        output="batch",
        dialects=(
            _BATCH, _LOSS,
            Axis(name="unit", options=(
                Option(name=""), Option(name="in bits per dimension", keywords={"bits": True}),
            )),
            Axis(name="terms", options=(
                Option(name=""),
                slip("logabsdet subtracted", "that is right for the logabsdet of noise → data", sign=-1.0),
                slip("logabsdet left out", "the density of the noise is not that of the data", sign=0.0),
                slip("½ D log 2π left out", "no density: its mass is not one; gradients are right", constant=False),
                slip("½ of the square missing", "log N has −½ z²", half=False),
            )),
        ),
        layouts=(
            *_ROWS, Layout(name="images", shapes={"z": "batch channel height width"}),
        ),
        sizes={"channel": (2, 1), "height": (2, 1), "width": (1, 2)},
        derivation="change_of_variables.density",
    )
)  # fmt: skip
COMPOSITION = formula(
    Specification(
        name="flow.composition",
        statement="log|det| of a composition is the sum of those of its parts, each at its own input",
        source="Rezende & Mohamed 2015, eq. 7",
        arguments=(moderate(_each()),),
        oracle=oracle.composition,
        output="batch",
        dialects=(
            Axis(name="terms", options=(
                Option(name=""),
                slip("the last one alone", "the total is overwritten by each", only="last"),
                slip("the first one alone", "the total is never added to", only="first"),
            )),
        ),
        layouts=_ROWS, sizes={"flow": (2, 3, 1)}, derivation="change_of_variables.composition",
    )
)  # fmt: skip

_AFTER = Axis(name="terms", options=(
    Option(name=""),
    slip("logabsdets added", "z_K = f(z_0) is spread out where |det| > 1, and its density falls", sign=1.0),
    slip("the last flow alone", "the total is overwritten by each", only="last"),
    slip("the first flow alone", "the others are forgotten", only="first"),
    slip("logabsdets summed over the batch", "each row has its own", coupled=True),
))  # fmt: skip
_CHAIN: dict[str, Any] = {
    "source": "Rezende & Mohamed 2015, eq. 7", "output": "batch", "dialects": (_BATCH, _AFTER),
    "layouts": (
        *_ROWS,
        Layout(name="the total of all flows", instead={"logabsdets": "batch"}),
    ),
    "sizes": {"flow": (2, 3, 1)}, "derivation": "change_of_variables.composition",
}  # fmt: skip


def _chain(*, log_q0: Tensor, logabsdets: Sequence[Tensor], **how: Any) -> Any:  # noqa: ANN401
    return oracle.after_flows((log_q0,), logabsdets, **how)


def _normal_chain(
    *,
    z0: Tensor,
    mean: Tensor,
    std: Tensor,
    logabsdets: Sequence[Tensor],
    **how: Any,  # noqa: ANN401
) -> Any:  # noqa: ANN401
    scales = (-std.log()).expand_as(z0).unbind(-1)
    return oracle.after_flows((*oracle.standard_normal((z0 - mean) / std), *scales), logabsdets, **how)


_LOG_Q0 = moderate(any_real("log_q0", "batch", "log_q_0", "log_q", "logq0", "log_p0", "base_log_prob", "log_prob",
                            "log_prob_0", "log_qz0", "log_base", "logp", "log_pz0", "log_qz"))  # fmt: skip
LOG_PROB_AFTER_FLOWS = formula(
    Specification(
        name="flow.log_prob_after_flows", statement="log q_K(z_K) = log q_0(z_0) − Σ_k log|det ∂f_k/∂z_(k−1)|",
        arguments=(_LOG_Q0, moderate(_each())), oracle=_chain,
        namesakes=("flow.log_prob_after_flows_by_total", "flow.log_prob_after_flows_of_normal",
                   "flow.log_prob_after_flows_of_normal_by_total"),
        **{**_CHAIN, "layouts": _ROWS},
    )
)  # fmt: skip
_START = (
    moderate(any_real("z0", "batch event", "z", "z_0", "x0", "z0s", "x")),
    moderate(any_real("mean", "batch event", *MEAN)), moderate(positive_scale("std", "batch event")),
)  # fmt: skip
LOG_PROB_AFTER_FLOWS_OF_NORMAL = formula(
    replace(
        LOG_PROB_AFTER_FLOWS, name="flow.log_prob_after_flows_of_normal", arguments=(*_START, moderate(_each())),
        oracle=_normal_chain, namesakes=(), operations=96,
    )
)  # fmt: skip
_NO_FLOW_ALONE = Axis(name="terms", options=tuple(o for o in _AFTER.options if "flow alone" not in o.name))
for _whole in (LOG_PROB_AFTER_FLOWS, LOG_PROB_AFTER_FLOWS_OF_NORMAL):
    formula(
        replace(
            _whole, name=f"{_whole.name}_by_total", namesakes=(),
            arguments=(*_whole.arguments[:-1], moderate(_total())), dialects=(_BATCH, _NO_FLOW_ALONE),
            oracle=lambda *, logabsdet, _of=_whole.oracle, **given: _of(logabsdets=[logabsdet], **given),
        )
    )  # fmt: skip

MULTISCALE_LOG_PROB = formula(
    Specification(
        name="flow.multiscale_log_prob",
        statement="log p(x) = Σ_l log N(z_l | 0, I) + logabsdet over all parts z_l that are factored out",
        source="Dinh, Sohl-Dickstein & Bengio 2017, section 3.6",
        arguments=(
            moderate(plain("parts", "scale batch event", listed(real()),
                           ("zs", "z", "z_list", "latents", "z_outs", "outputs", "scales", "z_parts", "eps", "factored",
                            "z_s", "zlist", "noises"))),
            moderate(_total()),
        ),
        oracle=oracle.multiscale,
        output="batch",
        dialects=(
            _BATCH,
            Axis(name="terms", options=(
                Option(name=""),
                slip("the last part alone", "what is factored out counts under the prior, too", only="last"),
                slip("the first part alone", "the other scales count, too", only="first"),
                slip("logabsdet subtracted", "that is right for the logabsdet of noise → data", sign=-1.0),
                slip("logabsdet left out", "the density of the noise is not that of the data", sign=0.0),
            )),
        ),
        layouts=_ROWS, sizes={"scale": (2, 3, 1)}, derivation="flow.multiscale.density",
    )
)  # fmt: skip


@declares_reference
def log_prob() -> Formula:
    """The reference log-density."""
    return Formula(reference.log_prob, like="flow.log_prob")


@declares_reference
def total_logabsdet() -> Formula:
    """The reference total of a composition."""
    return Formula(reference.total_logabsdet, like="flow.composition")


@declares_reference
def log_prob_after_flows() -> Formula:
    """The reference log-density after a chain of flows."""
    return Formula(reference.log_prob_after_flows, like="flow.log_prob_after_flows")


@declares_reference
def multiscale_log_prob() -> Formula:
    """The reference log-density over several scales."""
    return Formula(reference.multiscale_log_prob, like="flow.multiscale_log_prob")
