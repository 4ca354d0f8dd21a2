"""Residual blocks of two convolutions: the basic block, and the one with the activations first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from genverify.formulas.catalogue import formula
from genverify.formulas.convolution import size_argument
from genverify.formulas.references import declares_reference
from genverify.formulas.residual_anatomy import residual_layers
from genverify.oracles import residual
from genverify.oracles.convolution import pair
from genverify.reference.layers import residual as reference
from genverify.subjects.choices import choice, option
from genverify.subjects.domains import integer, positive
from genverify.subjects.formula import Formula
from genverify.subjects.parametrisation import any_real, plain
from genverify.subjects.specification import Argument, Axis, Constraint, Layout, Option, Specification

__all__ = ["BASIC_BLOCK", "PREACTIVATION_BLOCK"]

_SIZES = {
    "batch": (1, 2), "in": (1, 2), "mid": (1, 2), "out": (2, 1), "kh": (3,), "kw": (3,), "sh": (1,), "sw": (1,),
    "height": (2, 3), "width": (3, 4),
}  # fmt: skip


def _held(name: str, axes: str, *aliases: str) -> Argument:
    return any_real(name, axes, *aliases, default=None)


def _norm(name: str, axis: str) -> tuple[Argument, ...]:
    return (
        _held(f"{name}_weight", axis),
        _held(f"{name}_bias", axis),
        _held(f"{name}_mean", axis),
        plain(f"{name}_var", axis, positive(), default=None),
    )


def _arguments(norm1: str, norm2: str) -> tuple[Argument, ...]:
    return (
        any_real("x", "batch in height width", "input", "inputs", "X", "h", "inp", "features", "identity"),
        any_real("weight1", "mid in kh kw", "w1", "W1", "conv1.weight", "conv1", "k1"),
        any_real("weight2", "out mid kh kw", "w2", "W2", "conv2.weight", "conv2", "k2"),
        _held("bias1", "mid", "b1", "conv1.bias"),
        _held("bias2", "out", "b2", "conv2.bias"),
        any_real("shortcut", "out in sh sw", "ws", "Ws", "shortcut.weight", "w_skip", "w_shortcut", "proj",
                 default=None),
        _held("shortcut_bias", "out", "shortcut.bias"),
        *_norm("norm1", norm1),
        *_norm("norm2", norm2),
        *_norm("shortcut_norm", "out"),
        option("stride", integer(1, 2), 1, "strides", "s", "downsample_stride"),
        option("padding", choice(1), 1),
        option("padding2", choice(1), 1),
        option("norm", choice("none"), "none"),
        option("norm_groups", choice(1), 1),
        option("eps", choice(1e-5), 1e-5),
        option("training", choice(True), True),
        option("projects", choice(None), None),
        size_argument("in_channels", "in", "cin", "c_in", "inplanes", "in_planes", "in_ch", "channels", "in_dim", "dim",
                      "nf", "n_feats", "num_channels", "ch", "in_c", "filters", "n_channels", "in_filters"),
        size_argument("out_channels", "out", "cout", "c_out", "planes", "out_planes", "out_ch", "out_dim", "out_c",
                      "dim_out", "out_filters", "num_filters"),
    )  # fmt: skip


def _settle(sizes: Mapping[str, int], options: Mapping[str, Any]) -> dict[str, int]:
    """Channels that the shortcut can carry, and an image that two pixels are left of."""
    given, strides = options["given"], pair(options.get("stride") or 1)
    found = dict(_channels(sizes, given, options["held"]))
    for axis, stride in (("height", strides[0]), ("width", strides[1])):
        found[axis] = max(sizes[axis], stride + 1)
    return found


def _channels(sizes: Mapping[str, int], given: frozenset[str], held: frozenset[str]) -> Mapping[str, int]:
    if "in_channels" in given or "out_channels" in given:  # made by a constructor: as many inside as come out
        out = sizes["out"] if "out_channels" in given else sizes["in"]
        return {"out": out, "mid": out, "kw": sizes["kh"]}
    if "weight2" in held:  # what a module has for good
        return {}
    if "shortcut" not in given:
        return {"out": sizes["in"]}
    return {} if "stride" in given else {"out": 3 - sizes["in"]}  # a projection of 1 or 2 channels to 2 or 1


def _carried(values: Mapping[str, Any]) -> bool:
    """A function is given a projection exactly where shapes change; of a module its layers tell."""
    if values["projects"] is not None or isinstance(values["in_channels"], int):
        return True
    changes = values.get("in") != values.get("out") or pair(values.get("stride") or 1) != (1, 1)
    return changes == (values["shortcut"] is not None)


_CARRIED = Constraint(statement="a projection is given exactly where shapes change", holds=_carried)
_ACTIVATION = Axis(
    name="activation",
    options=tuple(Option(name=name, keywords={"activation": name}) for name in ("relu", "silu", "leaky_relu")),
)


def _slip(name: str, wiring: str, note: str) -> Option:
    return Option(name=name, keywords={"wiring": wiring}, accepted=False, note=note)


_LATE = "the sum is to be activated, and not the branch alone"
_POST = Axis(
    name="wiring",
    options=(
        Option(name="activated after the sum", keywords={"wiring": "post"}),
        Option(name="not activated after the sum", keywords={"wiring": "open"}, note="as in EDSR (Lim et al. 2017)"),
        _slip("skip after the activation", "late", _LATE),
        _slip("branch activated before the sum", "twice", "the branch can then only increase its input"),
        _slip("no skip", "lost", "the input is not added"),
        _slip("stride on the second convolution", "second", "the first one has it (He et al. 2016, table 1)"),
        _slip("no activation between the convolutions", "bare", "the branch is then one linear map"),
    ),
)
_PRE = Axis(
    name="wiring",
    options=(
        Option(name="", keywords={"wiring": "pre"}),
        Option(
            name="projection of the activated input", keywords={"wiring": "pre_shared"},
            note="where shapes change (He et al. 2016b, appendix)",
        ),
        _slip("no skip", "pre_lost", "the input is not added"),
        _slip("activations after the convolutions", "post", "that is the basic block"),
    ),
)  # fmt: skip


def _block(name: str, statement: str, source: str, wiring: Axis, norms: tuple[str, str]) -> Specification:
    return Specification(
        name=f"residual.{name}",
        statement=statement,
        source=source,
        arguments=_arguments(*norms),
        oracle=residual.block,
        output="batch out oh ow",
        dialects=(wiring, _ACTIVATION),
        layouts=(Layout(name="batched"),),
        operations=96,
        measured=True,
        sizes=_SIZES,
        settle=_settle,
        constraints=(_CARRIED,),
        anatomy=residual_layers,
        kinks=True,
        derivation="residual_block.identity_path",
    )


BASIC_BLOCK = formula(
    _block(
        "basic_block",
        "y = σ(S(x) + N₂ K₂ σ(N₁ K₁ x)), the stride on K₁, S the identity where shapes agree",
        'He, Zhang, Ren & Sun 2016, "Deep residual learning", section 3.3',
        _POST,
        ("mid", "out"),
    )
)
PREACTIVATION_BLOCK = formula(
    _block(
        "preactivation_block",
        "y = S(x) + K₂ σ(N₂ K₁ σ(N₁ x)), the stride on K₁, S the identity where shapes agree",
        'He, Zhang, Ren & Sun 2016, "Identity mappings", figure 4(e)',
        _PRE,
        ("in", "mid"),
    )
)


@declares_reference
def basic_block() -> Formula:
    """The reference basic block, made by its constructor."""
    return Formula(reference.BasicBlock, like="residual.basic_block")


@declares_reference
def preactivation_block() -> Formula:
    """The reference block with the activations first, made by its constructor."""
    return Formula(reference.PreactivationBlock, like="residual.preactivation_block")
