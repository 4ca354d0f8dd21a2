"""Residual blocks: basic, bottleneck, each with the activations first, too, and the block of dense layers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
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

__all__ = ["BASIC_BLOCK", "BOTTLENECK_BLOCK", "DENSE_BLOCK", "PREACTIVATION_BLOCK", "PREACTIVATION_BOTTLENECK"]

_SIZES = {
    "batch": (1, 2), "in": (1, 2), "mid": (1, 2), "mid2": (1, 2), "out": (2, 1), "height": (2, 3), "width": (3, 4),
    **{axis: (3,) for axis in ("kh", "kw", "kh2", "kw2")}, "kh3": (1,), "kw3": (1,), "sh": (1,), "sw": (1,),
}  # fmt: skip
_WIDE = {**_SIZES, "in": (8, 4), "out": (4, 8), "kh": (1,), "kw": (1,)}
_IN = ("cin", "c_in", "inplanes", "in_planes", "in_ch", "channels", "in_dim", "dim", "nf", "n_feats", "num_channels",
       "ch", "in_c", "filters", "n_channels", "in_filters", "inchannel", "in_channel", "inchannels", "nchannels",
       "input_dim", "input_channels", "num_features", "n_feat", "num_feat", "ngf", "ich", "inp", "nin", "ni", "fin",
       "in_features", "nc", "conv_dim", "n_filters", "num_filters_in", "feats")  # fmt: skip
_OUT = ("cout", "c_out", "out_planes", "out_ch", "out_dim", "out_c", "dim_out", "out_filters", "num_filters",
        "outchannel", "out_channel", "outchannels", "output_dim", "output_channels", "och", "oup", "nout", "no", "fout",
        "outplanes", "out_features", "num_hiddens")  # fmt: skip
_MID = ("mid_ch", "hidden_channels", "hidden_dim", "channel", "num_residual_hiddens", "res_channel", "n_res_channel",
        "bottleneck_channels", "mid_planes", "midplanes", "width", "res_h_dim", "mid_dim", "midchannel",
        "hidden_features", "hidden", "d_hidden")  # fmt: skip


def _held(name: str, axes: str, *aliases: str) -> Argument:
    return any_real(name, axes, *aliases, default=None)


def _norm(name: str, axis: str) -> tuple[Argument, ...]:
    return (
        _held(f"{name}_weight", axis),
        _held(f"{name}_bias", axis),
        _held(f"{name}_mean", axis),
        plain(f"{name}_var", axis, positive(), default=None),
    )


def _kept(name: str, value: object) -> Argument:
    """What only the layers of a module tell."""
    return option(name, choice(value), value)


def _third(norm: str) -> tuple[Argument, ...]:
    """What a third convolution adds."""
    return (
        any_real("weight3", "out mid2 kh3 kw3", "w3", "W3", "conv3.weight", "conv3", "k3"),
        _held("bias3", "out", "b3", "conv3.bias"),
        _kept("padding3", None),
        *_norm("norm3", norm),
    )


def _arguments(norms: tuple[str, ...]) -> tuple[Argument, ...]:
    last, planes = ("out", ("planes",)) if len(norms) == 2 else ("mid2", ())
    return (
        any_real("x", "batch in height width", "input", "inputs", "X", "h", "inp", "features", "identity"),
        any_real("weight1", "mid in kh kw", "w1", "W1", "conv1.weight", "conv1", "k1"),
        any_real("weight2", f"{last} mid kh2 kw2", "w2", "W2", "conv2.weight", "conv2", "k2"),
        _held("bias1", "mid", "b1", "conv1.bias"),
        _held("bias2", last, "b2", "conv2.bias"),
        any_real("shortcut", "out in sh sw", "ws", "Ws", "shortcut.weight", "w_skip", "w_shortcut", "proj",
                 default=None),
        _held("shortcut_bias", "out", "shortcut.bias"),
        *_norm("norm1", norms[0]),
        *_norm("norm2", norms[1]),
        *(_third(norms[2]) if len(norms) == 3 else ()),
        *_norm("shortcut_norm", "out"),
        option("stride", integer(1, 2), 1, "strides", "s", "downsample_stride"),
        *(_kept(name, value) for name, value in _LAYERS.items()),
        option("res_scale", choice(1.0, 0.5), 1.0, "residual_scale", "residual_scaling", "scale_factor"),
        size_argument("in_channels", "in", *_IN),
        size_argument("mid_channels", "mid", *_MID, *(() if planes else ("planes",))),
        size_argument("out_channels", "out", *_OUT, *planes),
    )  # fmt: skip


_LAYERS: Mapping[str, object] = {
    "padding": None, "padding2": None, "padding_mode": "zeros", "shortcut_padding": 0, "shortcut_kernel": None,
    "kernels": None, "norm": "none", "norms": None, "norm_groups": 1, "eps": 1e-5, "training": True, "slope": 0.01,
    "projects": None, "carries": None, "expansion": 4,
}  # fmt: skip


def _settle(sizes: Mapping[str, int], options: Mapping[str, Any]) -> dict[str, int]:
    """Channels that the shortcut can carry, and an image that two pixels are left of."""
    strides = pair(options.get("stride") or 1)
    found = dict(_channels(sizes, options))
    for k, kernel in enumerate(options.get("kernels") or (), 1):
        found |= dict(zip(("kh", "kw") if k == 1 else (f"kh{k}", f"kw{k}"), kernel, strict=True))
    found |= dict(zip(("sh", "sw"), options.get("shortcut_kernel") or (1, 1), strict=True))
    around = options.get("padding")
    # Reflection needs an image that is larger than what it mirrors.
    mirrored = pair(around or 0) if options.get("padding_mode") != "zeros" and not isinstance(around, str) else (0, 0)
    for axis, stride, margin in (("height", strides[0], mirrored[0]), ("width", strides[1], mirrored[1])):
        if axis in sizes:
            found[axis] = max(sizes[axis], stride * (margin + 1) + 1)
    return found


def _channels(sizes: Mapping[str, int], options: Mapping[str, Any]) -> Mapping[str, int]:
    given, held, carries = options["given"], options["held"], options["carries"] != "no"
    expansion, deep = options["expansion"] or 4, "weight3" in given
    if given & {"in_channels", "mid_channels", "out_channels"}:  # made by a constructor
        if "out_channels" in given:
            out = sizes["out"]
        else:
            out = expansion * sizes["mid"] if deep and "mid_channels" in given else sizes["in"]
        mid = sizes["mid"] if "mid_channels" in given else out // expansion if deep else out
        enters = sizes["in"] if "in_channels" in given and carries else out
        return {"in": enters, "out": out, "mid": mid, "mid2": mid}
    if "weight2" in held:  # what a module has for good
        return {}
    if "shortcut" not in given:
        return {"out": sizes["in"]}
    return {} if "stride" in given else {"out": 3 - sizes["in"]}  # a projection of 1 or 2 channels to 2 or 1


def _carried(values: Mapping[str, Any]) -> bool:
    """A function is given a projection exactly where shapes change; of a module its layers tell."""
    changes = values.get("in") != values.get("out") or pair(values.get("stride") or 1) != (1, 1)
    if values["carries"] == "no" and isinstance(values["in_channels"], int):
        return not changes  # a projection would be passed to the constructor
    if values["projects"] is not None:
        return True
    if isinstance(values["in_channels"], int):  # whether it projects where it need not was not to be seen
        return changes or values["shortcut"] is None
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
        Option(
            name="stride on the second convolution",
            keywords={"wiring": "post", "strided": 2},
            accepted=False,
            note="the first one has it (He et al. 2016, table 1)",
        ),
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


def _block(
    name: str,
    statement: str,
    source: str,
    dialects: tuple[Axis, ...],
    norms: tuple[str, ...],
    **rest: Any,  # noqa: ANN401
) -> Specification:
    deep = len(norms) == 3
    return Specification(
        **{
            "name": f"residual.{name}", "statement": statement, "source": source, "dialects": (*dialects, _ACTIVATION),
            "arguments": _arguments(norms), "oracle": residual.block, "output": "batch out oh ow",
            "layouts": (Layout(name="batched"),), "operations": 96, "measured": True,
            "sizes": _WIDE if deep else _SIZES, "settle": _settle, "constraints": (_CARRIED,),
            "anatomy": residual_layers(len(norms)), "kinks": True, "derivation": "residual_block.identity_path", **rest,
        }
    )  # fmt: skip


BASIC_BLOCK = formula(
    _block(
        "basic_block",
        "y = σ(S(x) + N₂ K₂ σ(N₁ K₁ x)), the stride on K₁, S the identity where shapes agree",
        'He, Zhang, Ren & Sun 2016, "Deep residual learning", section 3.3',
        (_POST,),
        ("mid", "out"),
    )
)
PREACTIVATION_BLOCK = formula(
    _block(
        "preactivation_block",
        "y = S(x) + K₂ σ(N₂ K₁ σ(N₁ x)), the stride on K₁, S the identity where shapes agree",
        'He, Zhang, Ren & Sun 2016, "Identity mappings", figure 4(e)',
        (_PRE,),
        ("in", "mid"),
    )
)

_STRIDED = Axis(
    name="stride",
    options=(
        Option(name="", keywords={"strided": 2}),
        Option(name="stride on the first convolution", keywords={"strided": 1}, note="as in He et al. 2016"),
        Option(
            name="stride on the last convolution", keywords={"strided": 3}, accepted=False,
            note="the first or the second one has it",
        ),
    ),
)  # fmt: skip
_DEEP_POST = Axis(name="wiring", options=tuple(one for one in _POST.options if "strided" not in one.keywords))

BOTTLENECK_BLOCK = formula(
    _block(
        "bottleneck_block",
        "y = σ(S(x) + N₃ K₃ σ(N₂ K₂ σ(N₁ K₁ x))), K₁ and K₃ of 1×1, K₂ of 3×3 and with the stride",
        'He, Zhang, Ren & Sun 2016, "Deep residual learning", figure 5 (stride on the first 1×1); Goyal et al. 2017, '
        '"Accurate, large minibatch SGD", section 5.1 (on the 3×3)',
        (_DEEP_POST, _STRIDED),
        ("mid", "mid2", "out"),
    )
)
PREACTIVATION_BOTTLENECK = formula(
    _block(
        "preactivation_bottleneck",
        "y = S(x) + K₃ σ(N₃ K₂ σ(N₂ K₁ σ(N₁ x))), K₁ and K₃ of 1×1, K₂ of 3×3 and with the stride",
        'He, Zhang, Ren & Sun 2016, "Identity mappings", figure 4(e) and section 5',
        (_PRE, _STRIDED),
        ("in", "mid", "mid2"),
    )
)

_PIXELS = {"height", "width", "kh", "kw", "kh2", "kw2", "sh", "sw"}


def _of_vectors(one: Argument) -> Argument:
    return replace(one, axes=" ".join(axis for axis in one.axes.split() if axis not in _PIXELS))


DENSE_BLOCK = formula(
    _block(
        "dense_block",
        "y = σ(S(x) + N₂ W₂ σ(N₁ W₁ x)), S the identity where shapes agree",
        'He, Zhang, Ren & Sun 2016, "Deep residual learning", section 3.2, equation 1 with fully connected layers',
        (_DEEP_POST,),
        ("mid", "out"),
        arguments=tuple(_of_vectors(one) for one in _arguments(("mid", "out")) if one.name != "stride"),
        oracle=residual.dense_block,
        output="batch out",
        sizes={axis: known for axis, known in _SIZES.items() if axis not in _PIXELS},
        anatomy=residual_layers(2, "Linear"),
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


@declares_reference
def bottleneck_block() -> Formula:
    """The reference bottleneck, made by its constructor."""
    return Formula(reference.BottleneckBlock, like="residual.bottleneck_block")
