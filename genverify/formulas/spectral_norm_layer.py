"""Layers with a spectrally normalised weight: modules whose u and v move in training and stay in evaluation."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from genverify.errors import UsageError
from genverify.formulas.catalogue import formula
from genverify.formulas.naming import VALUE
from genverify.formulas.references import declares_reference
from genverify.formulas.spectral_norm import EPSILON, STEPS
from genverify.oracles import convolution
from genverify.oracles import spectral_norm as oracle
from genverify.reference.layers import spectral_norm as reference
from genverify.subjects.choices import choice, option
from genverify.subjects.domains import Domain, real
from genverify.subjects.formula import Formula
from genverify.subjects.parametrisation import any_real, plain
from genverify.subjects.specification import Argument, Axis, Layout, Option, Role, Specification
from genverify.subjects.structured_domains import modes

__all__ = ["CONVOLUTION", "DENSE"]

_WEIGHT = re.compile(r"(^|\.)(weight|weight_orig|weight_bar|weight_raw|original|original0|w|W|kernel)$")
_BIAS_OF = re.compile(r"(^|\.)(bias|b)$")
_VECTOR = {
    "u_at_start": re.compile(r"(^|\.)(u|_u|weight_u|sn_u|u0)$"),
    "v_at_start": re.compile(r"(^|\.)(v|_v|weight_v|sn_v|v0)$"),
}  # fmt: skip
_STEPS = (STEPS.name, *STEPS.forms[0].aliases)


def _anatomy(module: nn.Module, training: bool) -> Mapping[str, Any]:
    """Where the raw weight is, what u and v start from, and how many steps there are."""
    found: dict[str, Any] = {}
    for name, tensor in [*module.named_parameters(), *module.named_buffers()]:
        if _WEIGHT.search(name) and tensor.dim() >= 2:
            found.setdefault("weight", name)
        if _BIAS_OF.search(name) and tensor.dim() == 1:
            found.setdefault("bias", name)
        for vector, pattern in _VECTOR.items():
            if pattern.search(name):
                found[vector] = tensor.detach().clone().reshape(-1).to(torch.float64)
    for owner in _owners(module):
        steps = next((vars(owner)[name] for name in _STEPS if isinstance(vars(owner).get(name), int)), None)
        if steps is not None:
            found.setdefault("steps", steps)
        if isinstance(owner, nn.Conv2d):
            found["settings"] = (owner.stride, owner.padding, owner.dilation, owner.groups, owner.padding_mode)
    if "weight" in found:
        _examine(found, tuple(module.get_parameter(found["weight"]).shape))
    return found


def _examine(found: Mapping[str, Any], shape: tuple[int, ...]) -> None:
    """Refuses vectors that belong to no matrix of this weight.

    Raises:
        UsageError: Their sizes are neither its rows and columns, nor those of the matrix with inputs first.
    """
    entries = math.prod(shape)
    for name, sizes in (("u", shape[:2]), ("v", (entries // max(1, shape[0]), entries // max(1, shape[1])))):
        vector = found.get(f"{name}_at_start")
        if vector is not None and vector.numel() not in sizes:
            raise UsageError(
                given=f"a module with a vector {name} of {vector.numel()} numbers beside a weight of shape {shape}",
                expected=f"{sizes[0]} for the matrix [out, in·…], or {sizes[1]} for [in, out·…]",
                do=f"look at the axis along which the weight is flattened, or rename what is no {name} of a power "
                "iteration",
            )  # fmt: skip


def _owners(module: nn.Module) -> Iterator[Any]:
    for part in module.modules():
        yield part
        yield from part._forward_pre_hooks.values()


_ORDER = Axis(
    name="order",
    options=(
        Option(name=""), Option(name="u first", keywords={"u_first": True}, note="from v: u ← Wv, then v ← Wᵀu"),
        Option(name="moves in evaluation, too", keywords={"always": True}, accepted=False,
               note="a model in evaluation is to stay as it is"),
        Option(name="moves in evaluation, too, u first", keywords={"always": True, "u_first": True}, accepted=False,
               note="a model in evaluation is to stay as it is"),
    ),
)  # fmt: skip


def _unit(name: str) -> Argument:
    return replace(any_real(name, "vector", default=None, differentiable=False), of_instance=True)


def _turned(accepted: bool, note: str) -> Axis:
    """Whether the matrix has the inputs for its rows, so that u is as long as these."""
    turned = Option(name="inputs first", keywords={"turned": True}, accepted=accepted, note=note)
    return Axis(name="matrix", options=(Option(name=""), turned))


# A class makes vectors of its own in every instance, which nobody could know: an instance has to be declared.
_STATE = (
    _unit("u_at_start"), _unit("v_at_start"), STEPS,
    plain("mode", "call", modes(), role=Role.MODE, differentiable=False, default=None),
)  # fmt: skip
_X = (*VALUE, "input", "inp", "h", "features")
_BIAS = ("b", "bias_", "module.bias")


def _calls(
    apply: Callable[[Tensor, Tensor], Tensor], x: Tensor, mode: tuple[str, ...] | None, weight: Tensor,
    u: Tensor | None, v: Tensor | None, steps: int, assumed: float = 1e-12, turned: bool = False, **how: bool,
) -> Tensor:  # fmt: skip
    """Each call with the weight as it is normalised then; of a start that is not known, nothing is said."""
    matrix = (weight.transpose(0, 1) if turned else weight).flatten(1)
    fits = all(one is None or len(one) == size for one, size in zip((u, v), matrix.shape, strict=True))
    if (u is None and v is None) or not fits:
        return torch.stack([apply(one, weight * torch.nan) for one in x])
    scales = oracle.scales(matrix, mode, len(x), u, v, int(steps), eps=assumed, **how)
    return torch.stack([apply(one, weight / scale) for one, scale in zip(x, scales, strict=True)])


def _dense(
    x: Tensor, weight: Tensor, bias: Tensor | None, u_at_start: Tensor | None, v_at_start: Tensor | None, steps: int,
    mode: tuple[str, ...] | None, **how: Any,  # noqa: ANN401
) -> Tensor:  # fmt: skip
    def apply(one: Tensor, matrix: Tensor) -> Tensor:
        return one @ matrix.mT + (0.0 if bias is None else bias)

    return _calls(apply, x, mode, weight, u_at_start, v_at_start, steps, **how)


_MODULE: dict[str, Any] = {
    "source": "Miyato et al. 2018, algorithm 1",
    "layouts": (Layout(name="batched"),), "anatomy": _anatomy, "operations": 160,
    "derivation": "spectral_norm.gradient",
}  # fmt: skip
DENSE = formula(
    Specification(
        name="spectral_norm.dense",
        statement="y = x (W/σ)ᵀ + b, σ = uᵀWv; u and v take steps of the power iteration before each call in training, "
        "and stay in evaluation; the gradient goes through σ",
        arguments=(
            any_real("x", "call batch in", *_X),
            plain("weight", "out in", real(), ("W", "w"), normwise=True),
            any_real("bias", "out", *_BIAS, default=None),
            *_STATE,
        ),
        oracle=_dense, output="call batch out",
        sizes={"call": (3, 2), "batch": (2, 1), "in": (3, 2, 4), "out": (2, 4, 3)},
        dialects=(EPSILON, _ORDER, _turned(True, "Wᵀ has the norm of W, and u is then as long as the inputs")),
        **_MODULE,
    )
)  # fmt: skip


def _settings() -> Domain:
    return choice(((1, 1), (0, 0), (1, 1), 1, "zeros"))


def _convolution(
    x: Tensor, weight: Tensor, bias: Tensor | None, u_at_start: Tensor | None, v_at_start: Tensor | None, steps: int,
    mode: tuple[str, ...] | None, settings: tuple[Any, ...], **how: Any,  # noqa: ANN401
) -> Tensor:  # fmt: skip
    stride, padding, dilation, groups, padding_mode = settings

    def apply(one: Tensor, kernel: Tensor) -> Tensor:
        terms = convolution.cross_correlation(
            one, kernel, bias, stride=stride, padding=padding, dilation=dilation, groups=groups,
            padding_mode=padding_mode,
        )  # fmt: skip
        return torch.stack(torch.broadcast_tensors(*terms)).sum(0)

    return _calls(apply, x, mode, weight, u_at_start, v_at_start, steps, **how)


CONVOLUTION = formula(
    Specification(
        name="spectral_norm.convolution",
        statement="y = (k/σ) ⋆ x + b with σ = uᵀMv of the kernel as a matrix M [out, in·kh·kw]: which bounds the slope "
        "by √(kh·kw), and not by one",
        arguments=(
            any_real("x", "call batch channel height width", *_X),
            plain("weight", "out in kh kw", real(), ("W", "w"), normwise=True),
            any_real("bias", "out", *_BIAS, default=None),
            *_STATE,
            option("settings", _settings(), ((1, 1), (0, 0), (1, 1), 1, "zeros")),
        ),
        oracle=_convolution, output="call batch out height width",
        # A grouped kernel has fewer channels than the image: sizes follow the kernel that the module holds.
        settle=lambda sizes, given: {
            "channel": sizes.get("in", 1) * (given["settings"][3] if "settings" in given else 1),
            "height": max(4, sizes.get("kh", 1)), "width": max(4, sizes.get("kw", 1)),
        },
        sizes={"call": (3, 2), "batch": (2, 1), "in": (2, 1), "out": (2, 3), "kh": (3, 2), "kw": (3, 2)},
        dialects=(
            EPSILON, _ORDER,
            _turned(False, "σ of the matrix [in, out·kh·kw], as for a transposed convolution: another number"),
        ),
        measured=True, **_MODULE,
    )
)  # fmt: skip


@declares_reference
def dense() -> Formula:
    """The reference layer, as an instance: what u and v start from is its own."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return Formula(reference.SpectralNormDense(3, 2), like="spectral_norm.dense")
