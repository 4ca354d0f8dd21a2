"""Batch normalisation: a module through training and evaluation, and its parts as functions."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from genverify.formulas.catalogue import formula
from genverify.formulas.normalization import EPS, INPUT, SCALE, SHIFT, epsilon_of, epsilons, slip
from genverify.formulas.plain_numbers import number
from genverify.formulas.references import declares_reference
from genverify.oracles import normalization_running as oracle
from genverify.oracles.normalization import statistics
from genverify.reference.layers import normalization as reference
from genverify.subjects.choices import choice, option
from genverify.subjects.domains import integer, positive
from genverify.subjects.formula import Formula
from genverify.subjects.parametrisation import any_real, plain
from genverify.subjects.specification import Argument, Axis, Form, Layout, Option, Role, Specification
from genverify.subjects.structured_domains import modes

__all__ = ["BATCH_NORM", "BATCH_NORM_INFERENCE", "BATCH_NORM_RUNNING"]

_MOMENTUM = Argument(
    name="momentum", differentiable=False, default=None,
    forms=(
        Form(name="momentum", domain=number(0.05, 0.4), aliases=("mom", "m")),
        Form(name="decay", domain=number(0.6, 0.95), aliases=("ema_decay", "bn_decay"), canonical=lambda d: 1.0 - d),
    ),
)  # fmt: skip
_SIZES = {"call": (3, 2), "batch": (2, 3), "channel": (2, 1), "height": (1,), "width": (2, 1)}


def _images(*held: str, call: str = "call ") -> tuple[Layout, ...]:
    """Images, signals or rows, with `held` as [channel] or as [1, channel, 1, 1]."""

    def layout(name: str, inner: str, wide: str = "", drop: tuple[str, ...] = (), back: bool = False) -> Layout:
        x = f"{call}batch {inner}"
        shapes = {"x": x, **({"return": x} if back else {}), **(dict.fromkeys(held, wide) if wide else {})}
        return Layout(name=name, drop=drop, shapes=shapes)

    return (
        Layout(name="batch, channel, height, width"),
        layout("weights as [1, channel, 1, 1]", "channel height width", "one channel one one"),
        layout("batch, channel, length", "channel height", drop=("width",)),
        layout("weights as [1, channel, 1]", "channel height", "one channel one", ("width",)),
        layout("batch, channel", "channel", drop=("height", "width")),
        layout("weights as [1, channel]", "channel", "one channel", ("height", "width")),
        layout("channels last", "height width channel", back=True),
    )


_HOW = option("convention", choice("new", "old", "cumulative", "untracked"), "new")
_COUNTED = option("tracked", integer(0, 3), 0)
_INITIAL = tuple(any_real(name, "channel", default=None, differentiable=False) for name in ("mean_at_start",
                 "variance_at_start"))  # fmt: skip


def _state(module: nn.Module, training: bool) -> Mapping[str, Any]:
    """The moments that a module starts from, and what its momentum weighs: by its own default, more than a half is old.

    Of a state that no tensor is called by, nothing is known: it starts from zero and one.
    """
    found: dict[str, Any] = {}
    for part in module.modules():
        tensors = {name: one for name, one in vars(part).items() if isinstance(one, Tensor)}
        tensors.update({name: one for name, one in part.named_buffers(recurse=False)})
        for name, one in tensors.items():
            for word, argument in (("mean", "mean_at_start"), ("var", "variance_at_start")):
                if word in name.lower() and one.is_floating_point() and one.dim():
                    found[argument] = one.detach().clone().reshape(-1).to(torch.float64)
            if name == "num_batches_tracked":
                found["tracked"] = int(one)
        if "running_mean" in {**vars(part), **part._buffers} and getattr(part, "running_mean", 0) is None:
            found["convention"] = "untracked"
        elif hasattr(part, "momentum"):
            found["convention"] = _convention(part)
    return found


def _convention(part: nn.Module) -> str:
    if part.momentum is None:
        return "cumulative"
    known = inspect.signature(type(part).__init__).parameters.get("momentum")
    typical = known.default if known is not None and isinstance(known.default, float) else part.momentum
    return "old" if isinstance(typical, float) and typical > 0.5 else "new"


def _batch_norm(
    x: Tensor, mode: tuple[str, ...] | None, weight: Tensor | None, bias: Tensor | None, eps: Any, momentum: Any,  # noqa: ANN401
    mean_at_start: Tensor | None, variance_at_start: Tensor | None, tracked: int, convention: str,
    assumed: float | None = None, hard_coded: float | None = None, **slips: Any,  # noqa: ANN401
) -> tuple[Tensor, ...]:  # fmt: skip
    start, used = (mean_at_start, variance_at_start), epsilon_of(eps, assumed)
    # A constant that is given is not hard-coded, and of moments that are never used nothing is known.
    unknowable = (hard_coded is not None and momentum is not None) or (
        mode is None and (hard_coded is not None or "running_unbiased" in slips)
    )
    rate = 0.1 if hard_coded is None else hard_coded
    return oracle.batch_norm(
        x, mode, torch.nan if unknowable else used, weight, bias, momentum, start, tracked, convention=convention,
        hard_coded=rate, **slips,
    )  # fmt: skip


def _detached(**given: Any) -> tuple[Tensor, ...]:  # noqa: ANN401
    return _batch_norm(**given, carries_gradient=False)


BATCH_NORM = formula(
    Specification(
        name="normalization.batch_norm",
        statement="training: y = γ (x − μ_B) / √(σ_B² + ε) + β, and the running moments move by the momentum towards "
        "those of the batch; evaluation: y = γ (x − μ) / √(σ² + ε) + β with the running moments",
        source="Ioffe & Szegedy 2015, algorithms 1 and 2",
        arguments=(
            any_real("x", "call batch channel height width", *INPUT),
            any_real("weight", "channel", *SCALE, "bn.weight", default=None),
            any_real("bias", "channel", *SHIFT, "bn.bias", default=None),
            EPS,
            _MOMENTUM,
            plain("num_features", "channel", integer(1, 4), ("features", "channels", "num_channels", "dim", "c",
                  "n_features", "size", "d", "n_channels", "in_channels", "ch", "nf"), role=Role.SIZE,
                  differentiable=False),
            plain("mode", "call", modes(), role=Role.MODE, differentiable=False, default=None),
            *_INITIAL,
            _COUNTED,
            _HOW,
        ),
        oracle=_batch_norm,
        surrogate=_detached,
        output="call batch channel height width",
        dialects=(
            Axis(name="running variance", options=(
                Option(name=""),
                Option(name="running variance biased", keywords={"running_unbiased": False}),
            )),
            epsilons(
                slip("ε outside the root", "√v + ε for √(v + ε)", slip="outside"),
                slip("unbiased variance normalises", "it is divided by n − 1; the layer's is by n", slip="unbiased"),
                slip("the batch's moments in evaluation, too", "rows of a batch are not treated apart, and a batch of "
                     "one is all zeros", slip="untracked"),
                slip("moments move in evaluation", "what is evaluated leaks into the model", slip="follows"),
                slip("momentum weighs the other moments", "the running moments are all but the last batch's",
                     slip="reversed"),
            ),
            Axis(name="hard-coded momentum", options=(
                Option(name=""),
                Option(name="momentum 0.01", keywords={"hard_coded": 0.01}),
            )),
        ),
        layouts=_images("weight", "bias"),
        sizes=_SIZES,
        operations=96,
        anatomy=_state,
        derivation="normalization.batch_norm_gradient",
    )
)  # fmt: skip

_PER_CHANNEL = ("mean", "variance", "weight", "bias")
_POSITIVE = positive(low=0.3, high=2.0, tiny=1e-3, huge=1e3)


def _inference(
    x: Tensor, mean: Tensor, variance: Tensor, weight: Tensor | None, bias: Tensor | None, eps: Any,  # noqa: ANN401
    assumed: float | None = None, **slips: bool,
) -> tuple[Tensor, ...]:  # fmt: skip
    return oracle.inference(x, mean, variance, epsilon_of(eps, assumed), weight, bias, **slips)


BATCH_NORM_INFERENCE = formula(
    Specification(
        name="normalization.batch_norm_inference",
        statement="y = γ (x − μ) / √(σ² + ε) + β with given moments of each channel",
        source="Ioffe & Szegedy 2015, algorithm 2",
        arguments=(
            any_real("x", "batch channel height width", *INPUT),
            any_real("mean", "channel", "running_mean", "moving_mean", "mu", "m", "rm",
                     differentiable=False),
            plain("variance", "channel", _POSITIVE, ("running_var", "var", "moving_var", "sigma2", "v", "rv",
                  "running_variance", "moving_variance"), differentiable=False),
            any_real("weight", "channel", *SCALE, default=None),
            any_real("bias", "channel", *SHIFT, default=None),
            EPS,
        ),
        oracle=_inference,
        output="batch channel height width",
        dialects=(epsilons(slip("ε outside the root", "√v + ε for √(v + ε)", outside=True)),),
        layouts=_images(*_PER_CHANNEL, call=""),
        sizes={**_SIZES, "batch": (2, 1, 3)},
        operations=48,
        derivation="normalization.batch_norm_gradient",
    )
)  # fmt: skip


def _running(
    x: Tensor, running_mean: Tensor, running_var: Tensor, momentum: Any, hard_coded: float = 0.1, unbiased: bool = True,  # noqa: ANN401
    old: bool = False,
) -> tuple[Any, Any]:  # fmt: skip
    dims = [i for i in range(x.dim()) if i != 1]
    mean, variance, square = (one.reshape(-1) for one in statistics(x, dims, unbiased=unbiased))
    rate = oracle.rate_of(momentum, "old" if old else "new", 1, hard_coded)
    cancelled = (rate * square).abs().detach()
    kept = (1 - rate) * running_var
    return ((1 - rate) * running_mean, rate * mean), (kept, rate * variance, cancelled, -cancelled)


BATCH_NORM_RUNNING = formula(
    Specification(
        name="normalization.batch_norm_running",
        statement="μ ← (1 − a) μ + a μ_B and σ² ← (1 − a) σ² + a n/(n − 1) σ_B² for a batch of n numbers a channel",
        source="Ioffe & Szegedy 2015, section 3.1",
        arguments=(
            any_real("x", "batch channel height width", *INPUT),
            any_real("running_mean", "channel", "moving_mean", "mean", "mu", "rm"),
            plain("running_var", "channel", _POSITIVE, ("moving_var", "var", "running_variance", "variance", "rv")),
            _MOMENTUM,
        ),
        oracle=_running,
        output="channel|channel",
        outputs=("running_mean", "running_var"),
        gradient=False,
        dialects=(
            Axis(name="running variance", options=(
                Option(name=""), Option(name="biased", keywords={"unbiased": False}),
            )),
            Axis(name="momentum", options=(
                Option(name=""), Option(name="momentum weighs the old moments", keywords={"old": True}),
            )),
        ),
        layouts=(
            Layout(name="batch, channel, height, width"),
            Layout(name="batch, channel", drop=("height", "width"), shapes={"x": "batch channel"}),
        ),
        sizes=_SIZES,
        operations=48,
        derivation="normalization.running_variance",
    )
)  # fmt: skip


@declares_reference
def batch_norm() -> Formula:
    """The reference batch normalisation, made by its constructor and called in both modes."""
    return Formula(reference.BatchNorm, like="normalization.batch_norm")


@declares_reference
def batch_norm_inference() -> Formula:
    """The reference with given moments."""
    return Formula(reference.batch_norm_inference, like="normalization.batch_norm_inference")


@declares_reference
def batch_norm_running() -> Formula:
    """The reference update of the running moments."""
    return Formula(reference.batch_norm_running, like="normalization.batch_norm_running")
