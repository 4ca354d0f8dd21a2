"""Linear flows: permutation, reflection, LU-factorised map, 1 × 1 convolution, actnorm, batch norm, squeeze."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from genverify.formulas.flow_arguments import DIRECTION, ONE_EVENT, ROWS, point, slip, transform
from genverify.formulas.naming import MEAN
from genverify.formulas.normalization import EPS, SCALE, SHIFT, epsilon_of, epsilons
from genverify.oracles import flow_linear as oracle
from genverify.subjects import structured_domains
from genverify.subjects.domains import Domain, positive, real
from genverify.subjects.parametrisation import any_real, plain
from genverify.subjects.specification import Argument, Axis, Form, Layout, Option

__all__ = ["ACTNORM", "BATCH_NORM", "CONV1X1", "HOUSEHOLDER", "LU_LINEAR", "PERMUTATION", "SQUEEZE"]

_ROWWISE = (ROWS, ONE_EVENT)
PERMUTATION = transform(
    "permutation", "y_i = x_order(i), logabsdet = 0", "Dinh, Sohl-Dickstein & Bengio 2017, section 3.5",
    (
        point(),
        plain("order", "event", structured_domains.permutation(),
              ("permutation", "perm", "indices", "idx", "p", "ordering", "index", "P"), differentiable=False),
    ),
    oracle.permutation, separable=False, shared=True, layouts=_ROWWISE, dialects=(DIRECTION,),
    derivation="flow.linear.logabsdet",
)  # fmt: skip

_FAR = Domain(
    name="a vector away from zero",
    make=lambda raw, shape, dtype: (raw.reshape(shape) + torch.where(raw.reshape(shape) < 0, -0.5, 0.5)).to(dtype),
)  # fmt: skip
HOUSEHOLDER = transform(
    "householder", "y = x − 2 v vᵀx/‖v‖², logabsdet = 0", "Householder 1958; Tomczak & Welling 2016, eq. 12",
    (
        point(without=("v",)),
        plain("v", "event", _FAR, ("w", "normal", "vector", "reflection", "householder_vector", "vec", "q", "V")),
    ),
    oracle.householder, separable=False, shared=True, derivation="flow.householder.orthogonal",
    layouts=(
        *_ROWWISE, Layout(name="a vector a row", instead={"v": "batch event"}),
        Layout(name="the vector as a row", shapes={"v": "one event"}),
    ),
    sizes={"event": (3, 2)},  # on the line it is −x, whatever v is
    dialects=(
        Axis(name="factor", options=(
            Option(name=""),
            slip("divided by ‖v‖", "‖v‖ for ‖v‖²: no reflection", slip="norm"),
            slip("factor 2 missing", "that is the projection, which is singular", slip="once"),
            slip("not divided", "right for unit vectors alone", slip="plain"),
        )),
    ),
)  # fmt: skip

_DIAGONAL = Argument(
    name="diagonal",
    axes="event",
    forms=(
        Form(name="diagonal", domain=positive(), aliases=("diag", "s", "d", "diag_u", "S", "scale", "upper_diag")),
        Form(
            name="log_diagonal",
            domain=real(),
            canonical=torch.exp,
            aliases=("log_diag", "log_s", "logs", "log_scale", "log_d", "logd", "log_diagonal", "w_s"),
        ),
    ),
)
_ORDER = plain(
    "order", "event other",
    Domain(
        name="permutation matrix",
        make=lambda raw, shape, dtype: torch.eye(shape[-1])[
            raw.reshape(shape)[..., 0].argsort(dim=-1, stable=True)
        ].to(dtype),
    ),
    ("P", "p", "perm", "permutation", "w_p"), default=None, differentiable=False,
)  # fmt: skip
LU_LINEAR = transform(
    "lu_linear", "y = W x + b, W = P L (U + diag s), logabsdet = Σ log|s|", "Kingma & Dhariwal 2018, eqs. 10 and 11",
    (
        point(without=("u",)),
        any_real("lower", "event other", "L", "l", "lower_entries", "w_l", "lo"),
        any_real("upper", "event other", "U", "u", "upper_entries", "w_u", "up"),
        _DIAGONAL, _ORDER, any_real("bias", "event", "b", "shift", "offset", default=None),
    ),
    oracle.lu_linear, separable=False, shared=True, derivation="flow.lu_linear.logabsdet", layouts=_ROWWISE,
    log=(slip("sum of the diagonal", "the logarithm is missing: Σ s for Σ log|s|", slip="plain"),),
    dialects=(
        Axis(name="side", options=(
            Option(name=""), Option(name="x W", keywords={"turned": True}, note="rows times W: Wᵀ x"),
        )),
        DIRECTION,
    ),
    settle=lambda sizes, given: {"other": sizes["event"]},
)  # fmt: skip

_CHANNELS = {"batch": (2, 1, 3), "channel": (2, 3, 1), "height": (2, 1, 3), "width": (3, 2)}
_ONCE = slip("the factor h·w missing", "the map is applied at every pixel; each counts", once=True)


def _invertible(raw: Tensor, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
    """L U with a unit lower L and a positive diagonal of U: a determinant that is positive, and not small."""
    square = raw.reshape(shape) / 2
    one = torch.eye(shape[-1], dtype=square.dtype)
    upper = torch.triu(square, 1) + torch.diag_embed(torch.diagonal(square, dim1=-2, dim2=-1).exp())
    return ((torch.tril(square, -1) + one) @ upper).to(dtype)


CONV1X1 = transform(
    "conv1x1", "y = K x at every pixel, logabsdet = h·w·log|det K|", "Kingma & Dhariwal 2018, eq. 9",
    (
        point("batch channel height width", without=("w", "W", "k")),
        plain("weight", "channel other", Domain(name="invertible matrix", make=_invertible),
              ("W", "w", "K", "k", "kernel", "matrix", "A", "conv.weight", "filt"), normwise=True),
    ),
    oracle.conv1x1, image="batch channel height width", separable=False, shared=True, log=(_ONCE,),
    layouts=(
        Layout(name="images"),
        Layout(name="kernel as [out, in, 1, 1]", shapes={"weight": "channel other one one"}),
        Layout(name="sequences", drop=("width",), shapes={"x": "batch channel height"}),
        Layout(name="sequences, kernel as [out, in, 1]", drop=("width",),
               shapes={"x": "batch channel height", "weight": "channel other one"}),
    ),
    dialects=(
        Axis(name="side", options=(
            Option(name=""), Option(name="Kᵀ", keywords={"turned": True}, note="channels times K"),
        )),
        DIRECTION,
    ),
    sizes=_CHANNELS, settle=lambda sizes, given: {"other": sizes["channel"]}, operations=96,
    derivation="flow.conv1x1.logabsdet",
)  # fmt: skip


def _by_channel(*names: str) -> tuple[Layout, ...]:
    """Numbers for each channel as [C], [1, C, 1, 1] or [C, 1, 1]; images, sequences or rows of features."""

    def shaped(name: str, axes: str, x: str, drop: tuple[str, ...] = ()) -> Layout:
        return Layout(name=name, drop=drop, shapes={"x": x, **dict.fromkeys(names, axes)})

    return (
        Layout(name="images"),
        shaped("images, numbers as [1, C, 1, 1]", "one channel one one", "batch channel height width"),
        shaped("images, numbers as [C, 1, 1]", "channel one one", "batch channel height width"),
        Layout(name="rows of features", drop=("height", "width")),
        shaped("rows of features, numbers as [1, C]", "one channel", "batch channel", ("height", "width")),
        shaped("sequences", "channel", "batch channel height", ("width",)),
        shaped("sequences, numbers as [1, C, 1]", "one channel one", "batch channel height", ("width",)),
    )  # fmt: skip


_SCALE = Argument(
    name="scale",
    axes="channel",
    forms=(
        Form(name="scale", domain=positive(), aliases=("s", "weight", "w", "gamma", "sigma", "std", "a", "g")),
        Form(
            name="log_scale", domain=real(), canonical=torch.exp,
            aliases=("log_scale", "logs", "log_s", "log_sigma", "logscale", "log_std", "log_a", "ls", "log_gamma"),
        ),
    ),
)  # fmt: skip
ACTNORM = transform(
    "actnorm", "y = s x + b for each channel, logabsdet = h·w·Σ log|s|", "Kingma & Dhariwal 2018, table 1",
    (
        point("batch channel height width"), _SCALE,
        any_real("shift", "channel", "b", "bias", "loc", "beta", "mu", "mean", "t", "offset", "m", default=None),
    ),
    oracle.actnorm, image="batch channel height width", separable=False, shared=True, log=(_ONCE,),
    layouts=_by_channel("scale", "shift"), sizes=_CHANNELS, derivation="flow.linear.logabsdet",
    dialects=(
        Axis(name="form", options=(
            Option(name=""),
            Option(name="s (x + b)", keywords={"form": "after"}, note="as in the code of Glow"),
            Option(name="s (x − b)", keywords={"form": "centred"}),
            Option(name="(x − b)/s", keywords={"form": "divided"}, note="the inverse of s x + b, or standardisation"),
            Option(name="x/s − b", keywords={"form": "inverse"}, note="the inverse of s (x + b)"),
        )),
    ),
)  # fmt: skip


def _normalised(
    *,
    x: Tensor,
    mean: Tensor,
    variance: Tensor,
    gamma: Tensor | None,
    beta: Tensor | None,
    eps: Any,  # noqa: ANN401
    assumed: float | None = None,
    **how: Any,  # noqa: ANN401
) -> Any:  # noqa: ANN401
    return oracle.batch_norm(x, mean, variance, gamma, beta, epsilon_of(eps, assumed), **how)


_GAMMA = Argument(
    name="gamma", axes="channel", default=None,
    forms=(
        Form(name="gamma", domain=positive(), aliases=tuple(one for one in SCALE if one not in ("alpha",))),
        Form(name="log_gamma", domain=real(), canonical=torch.exp, aliases=("log_gamma", "log_weight", "log_scale")),
    ),
)  # fmt: skip
BATCH_NORM = transform(
    "batch_norm", "y = γ (x − μ)/√(v + ε) + β with given moments, logabsdet = h·w·Σ (log γ − ½ log(v + ε))",
    "Dinh, Sohl-Dickstein & Bengio 2017, section 3.7",
    (
        point("batch channel height width", without=("t", "u", "v", "h")),
        any_real("mean", "channel", *MEAN, "running_mean", "moving_mean"),
        plain("variance", "channel", positive(), ("var", "running_var", "v", "sigma2", "moving_var", "vars")),
        _GAMMA, any_real("beta", "channel", *SHIFT, default=None), EPS,
    ),
    _normalised, image="batch channel height width", separable=False, shared=True,
    log=(
        slip("the factor h·w missing", "the map is applied at every pixel; each counts", slip="once"),
        slip("½ missing", "log v is twice the logarithm of the standard deviation", slip="variance"),
        slip("ε left out", "the image is divided by √(v + ε)", slip="no ε"),
        slip("γ left out", "the scale after the normalisation is a slope, too", slip="no γ"),
    ),
    dialects=(replace(epsilons(), name="epsilon"), DIRECTION), sizes=_CHANNELS,
    layouts=_by_channel("mean", "variance", "gamma", "beta"), derivation="flow.linear.logabsdet",
)  # fmt: skip

SQUEEZE = transform(
    "squeeze", "blocks of 2 × 2 pixels as four channels; logabsdet = 0",
    "Dinh, Sohl-Dickstein & Bengio 2017, section 3.6",
    (point("batch channel height width"),),
    oracle.squeeze, image="batch stacked rows columns", separable=False, shared=True,
    layouts=(Layout(name="images"),), derivation="flow.squeeze.permutes",
    dialects=(
        Axis(name="order", options=(
            Option(name=""),
            Option(name="place first", keywords={"order": "place first"}, note="all channels of a place together"),
            Option(name="columns first", keywords={"order": "columns first"}),
            slip("reshaped", "four rows apart, not a block: neighbours are torn apart", order="reshaped"),
        )),
    ),
    sizes={"batch": (2, 1), "channel": (2, 1, 3), "height": (2, 4), "width": (4, 2)},
)  # fmt: skip
