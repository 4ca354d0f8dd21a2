"""Autoregressive steps and coupling layers: of given scales and shifts, or of the networks that make them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from genverify.formulas.flow_arguments import DIRECTION, ONE_EVENT, ROWS, point, slip, transform
from genverify.formulas.naming import MEAN
from genverify.oracles import flow_coupling as oracle
from genverify.subjects.domains import binary, linear_map, positive, real, unit_interval
from genverify.subjects.parametrisation import any_real, plain
from genverify.subjects.specification import Argument, Axis, Form, Layout, Option, Role

__all__ = [
    "ADDITIVE_COUPLING", "AFFINE_COUPLING", "GATED_AUTOREGRESSIVE", "INVERSE_AUTOREGRESSIVE", "MASKED_AUTOREGRESSIVE",
]  # fmt: skip

_SHIFT = any_real("mean", "batch event", *MEAN, "shift", "t", "b", "bias", "m_i", "translation", "beta", "h_t")
_LOG_SCALE = Argument(
    name="scale",
    axes="batch event",
    forms=(
        Form(name="scale", domain=positive(), aliases=("sigma", "std", "scales", "stddev", "sig", "sd")),
        Form(
            name="log_scale", domain=real(), canonical=torch.exp,
            aliases=("log_scale", "alpha", "a", "s", "log_s", "logs", "log_sigma", "log_std", "logstd", "logsigma",
                     "loga", "log_a", "scale_log", "ls", "log_scales", "a_i", "logscale"),
        ),
        Form(
            name="log_variance", domain=real(), canonical=lambda one: torch.exp(0.5 * one),
            aliases=("logvar", "log_var", "log_sigma2", "log_variance", "lv"),
        ),
        Form(
            name="inverse_log_scale", domain=real(), canonical=lambda one: torch.exp(-one),
            aliases=("neg_log_scale", "minus_log_scale", "log_precision_half"),
        ),
    ),
)  # fmt: skip
_GIVEN: dict[str, Any] = {"layouts": (ROWS, ONE_EVENT), "dialects": (DIRECTION,)}


def _normalising(*, x: Tensor, mean: Tensor, scale: Tensor, inverse: bool = False) -> Any:  # noqa: ANN401
    return oracle.affine(x, mean, scale, normalises=not inverse)


def _generating(*, x: Tensor, mean: Tensor, scale: Tensor, inverse: bool = False) -> Any:  # noqa: ANN401
    return oracle.affine(x, mean, scale, normalises=inverse)


_EVENT = point(without=("t", "u", "h", "v", "eps"))
MASKED_AUTOREGRESSIVE = transform(
    "masked_autoregressive", "u_i = (x_i − μ_i) exp(−α_i) with μ_i and α_i of x_1 … x_(i−1); logabsdet = −Σ α_i",
    "Papamakarios, Pavlakou & Murray 2017, eqs. 3–5",
    (point(without=("t", "h", "v")), _SHIFT, _LOG_SCALE), _normalising, derivation="flow.autoregressive.logabsdet",
    **_GIVEN,
)  # fmt: skip
INVERSE_AUTOREGRESSIVE = transform(
    "inverse_autoregressive", "z'_i = σ_i z_i + μ_i with μ_i and σ_i of z_1 … z_(i−1); logabsdet = Σ log σ_i",
    "Kingma et al. 2016, eqs. 10 and 11",
    (_EVENT, _SHIFT, _LOG_SCALE), _generating, derivation="flow.autoregressive.logabsdet", **_GIVEN,
)  # fmt: skip

_GATE = Argument(
    name="gate",
    axes="batch event",
    forms=(
        Form(name="gate", domain=unit_interval(), aliases=("sigma", "g", "gates", "sig", "scale")),
        Form(
            name="gate_logits",
            domain=real(),
            canonical=torch.sigmoid,
            aliases=("s", "logits", "s_i", "gate_logit", "raw_gate", "pre_gate", "s_t", "log_s", "raw_scale"),
        ),
    ),
)
GATED_AUTOREGRESSIVE = transform(
    "gated_autoregressive", "z'_i = σ_i z_i + (1 − σ_i) m_i with σ_i = sigmoid(s_i); logabsdet = Σ log σ_i",
    "Kingma et al. 2016, eqs. 12–14",
    (_EVENT, _SHIFT, _GATE), oracle.gated, derivation="flow.autoregressive.logabsdet",
    layouts=(ROWS, ONE_EVENT),
    dialects=(
        DIRECTION,
        Axis(name="bias", options=(
            Option(name=""),
            Option(name="sigmoid(s + 1)", keywords={"added": 1.0}, note="begins near the identity"),
            Option(name="sigmoid(s + 1.5)", keywords={"added": 1.5}, note="begins near the identity"),
            Option(name="sigmoid(s + 2)", keywords={"added": 2.0}, note="begins near the identity"),
        )),
    ),
)  # fmt: skip


def _network(name: str, axes: str, *aliases: str) -> Argument:
    """A network of the kept entries, drawn as a linear map; its weights are not differentiated."""
    return plain(
        name, axes, replace(linear_map(), low=-1.0, high=1.0), aliases, role=Role.FUNCTION, default=None,
        differentiable=False,
    )  # fmt: skip


_MASK = plain("mask", "event", binary(), ("m", "b", "masks"), default=None, differentiable=False)
_NET = _network(
    "net", "doubled half", "nn", "st_net", "network", "conditioner", "f", "param_net", "nn_st", "subnet", "scale_shift",
    "model", "mlp", "transform_net",
)  # fmt: skip
_SCALES = _network(
    "log_scale", "out half", "s", "scale", "scale_net", "s_net", "log_s", "snet", "net_s", "scale_fn", "s_fn", "nets",
    "log_scale_net", "log_scale_fn", "nn_s", "sigma_net",
)  # fmt: skip
_SHIFTS = _network(
    "shift", "out half", "t", "translate", "t_net", "translation", "shift_net", "tnet", "net_t", "shift_fn", "t_fn",
    "nett", "m", "mu_net", "nn_t", "coupling_fn", "net", "nn", "f", "func", "translate_net", "mlp", "coupling",
)  # fmt: skip


def _settle(sizes: Mapping[str, int], given: Mapping[str, Any]) -> dict[str, int]:
    """Halves of an even number of features; under a mask, networks of all of them."""
    if "half" in sizes:
        return {"event": 2 * sizes["half"], "out": sizes["half"], "doubled": 2 * sizes["half"]}
    return {"other": sizes["event"], "doubled": 2 * sizes["event"]}


_BY_MASK = {"log_scale": "event other", "shift": "event other", "net": "doubled other"}
_COUPLED: dict[str, Any] = {
    "layouts": (
        Layout(name="halves"), Layout(name="by a mask", instead=_BY_MASK, needs=("mask",)),
        Layout(name="one event at a time", drop=("batch", "row")),
    ),
    "sizes": {"half": (2, 1), "event": (4, 2)},
    "settle": _settle,
}  # fmt: skip
_KEPT = Axis(name="kept", options=(
    Option(name=""), Option(name="the second part kept", keywords={"second": True}, note="which part is kept is open"),
))  # fmt: skip

AFFINE_COUPLING = transform(
    "affine_coupling", "y = (a, b·exp s(a) + t(a)), logabsdet = Σ s(a)",
    "Dinh, Sohl-Dickstein & Bengio 2017, eqs. 4–9",
    (point(without=("t", "h", "u", "v")), _MASK, _NET, _SCALES, replace(_SHIFTS, forms=(replace(
        _SHIFTS.forms[0], aliases=tuple(n for n in _SHIFTS.forms[0].aliases if n not in ("net", "nn", "f", "m", "mlp")),
    ),))),
    oracle.affine_coupling, derivation="affine_coupling.logabsdet",
    log=(
        slip("s before its bound", "the image is scaled by exp tanh s, and Σ s counted", slip="before"),
        slip("the shift counted", "a shift has no slope", slip="shift too"),
    ),
    dialects=(
        _KEPT,
        Axis(name="scale", options=(
            Option(name=""), Option(name="exp tanh s", keywords={"bound": "tanh"}),
            Option(name="sigmoid(s + 2)", keywords={"bound": "sigmoid"}, note="as in the code of Glow"),
        )),
        Axis(name="network", options=(
            Option(name=""), Option(name="gives shift, scale", keywords={"turned": True}),
        )),
        DIRECTION,
    ),
    **_COUPLED,
)  # fmt: skip
ADDITIVE_COUPLING = transform(
    "additive_coupling", "y = (a, b + t(a)), logabsdet = 0", "Dinh, Krueger & Bengio 2015, eqs. 9 and 10",
    (point(without=("t", "h", "u", "v")), replace(_MASK, forms=(replace(_MASK.forms[0], aliases=("masks", "b")),)),
     _SHIFTS),
    oracle.additive_coupling, shared=True, derivation="flow.additive_coupling.logabsdet",
    dialects=(_KEPT, DIRECTION), **_COUPLED,
)  # fmt: skip
