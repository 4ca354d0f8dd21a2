"""Dense layers: the affine map, one hidden layer, the softmax classifier."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

from genverify.errors import UsageError
from genverify.formulas.catalogue import formula
from genverify.formulas.naming import VALUE
from genverify.formulas.references import declares_reference
from genverify.oracles import dense
from genverify.reference.layers import dense as reference
from genverify.subjects.domains import integer, real
from genverify.subjects.formula import Formula
from genverify.subjects.parametrisation import any_real, plain
from genverify.subjects.specification import Argument, Axis, Layout, Option, Role, Specification
from genverify.subjects.structured_domains import listed

__all__ = ["AFFINE", "DEEP_MLP", "MLP", "SOFTMAX_CLASSIFIER"]

_INPUT = (*VALUE, "input", "X", "features", "a", "h", "feats", "inp", "x_in")
_WEIGHT = ("W", "weights", "w", "kernel", "A", "matrix", "Theta", "theta", "fc.weight", "linear.weight", "lin.weight",
           "dense.weight", "layer.weight", "proj.weight", "out.weight", "0.weight")  # fmt: skip
_BIAS = ("b", "biases", "beta", "offset", "fc.bias", "linear.bias", "lin.bias", "dense.bias", "layer.bias",
         "proj.bias", "out.bias", "0.bias", "bias_", "c")  # fmt: skip
_IN = ("in_features", "n_in", "d_in", "dim_in", "input_dim", "in_dim", "fan_in", "input_size", "nin", "in_", "din",
       "in_size", "num_inputs", "n_inputs")  # fmt: skip
_OUT = ("out_features", "n_out", "d_out", "dim_out", "output_dim", "out_dim", "fan_out", "output_size", "nout", "out_",
        "units", "dout", "out_size", "num_classes", "n_classes", "num_outputs", "n_outputs")  # fmt: skip
_SIZES = {"in": (1, 2, 3), "hidden": (1, 3, 5), "out": (1, 2, 4)}


def _size(name: str, axis: str, aliases: tuple[str, ...]) -> object:
    return plain(name, axis, integer(1, 4), aliases, role=Role.SIZE, differentiable=False)


def _layouts(**kept: str) -> tuple[Layout, ...]:
    """Batched and single, with weights as [out, in], which is torch's way, or as [in, out]."""
    return (
        Layout(name="weight as [out, in]"),
        Layout(name="weight as [in, out]", shapes=kept),
        Layout(name="one sample at a time", drop=("batch",)),
        Layout(name="one sample at a time, weight as [in, out]", drop=("batch",), shapes=kept),
    )


_AFFINE_ARGUMENTS = (
    any_real("x", "batch in", *_INPUT),
    any_real("weight", "out in", *_WEIGHT),
    any_real("bias", "out", *_BIAS, default=None),
    _size("in_features", "in", _IN),
    _size("out_features", "out", _OUT),
)

AFFINE = formula(
    Specification(
        name="dense.affine",
        statement="y_no = Σ_i W_oi x_ni + b_o",
        source="Goodfellow, Bengio & Courville 2016, section 6.1",
        arguments=_AFFINE_ARGUMENTS,  # type: ignore[arg-type]
        oracle=dense.affine,
        output="batch out",
        layouts=_layouts(weight="in out"),
        sizes=_SIZES,
        derivation="dense_layer.weight_gradient",
    )
)

_YIELDS = Axis(
    name="result",
    options=(
        Option(name="probabilities"),
        Option(name="log-probabilities", keywords={"yields": "log"}),
        Option(
            name="logits", keywords={"yields": "logits"}, accepted=False,
            note="the softmax is left to the loss: declare it as dense.affine",
        ),
    ),
)  # fmt: skip

SOFTMAX_CLASSIFIER = formula(
    Specification(
        name="dense.softmax_classifier",
        statement="p_no = exp z_no / Σ_j exp z_nj with z = W x + b",
        source="Goodfellow, Bengio & Courville 2016, section 6.2.2.3",
        arguments=_AFFINE_ARGUMENTS,  # type: ignore[arg-type]
        oracle=dense.softmax_classifier,
        output="batch out",
        dialects=(_YIELDS,),
        layouts=_layouts(weight="in out"),
        sizes=_SIZES,
        measured=True,
        derivation="dense_layer.weight_gradient",
    )
)


# Layers between the first and the last that a module may have.
_INNER = 4


def _layers(module: nn.Module, training: bool) -> Mapping[str, object]:
    """The matrices of a module in the order in which it registers them, each with the vector of its own layer.

    The first and the last are those of the formula with one hidden layer; the others stand between them.
    """
    tensors = dict(module.named_parameters())
    matrices = [path for path, tensor in tensors.items() if tensor.dim() == 2]
    found: dict[str, object] = {}
    if len(matrices) < 2:
        return found
    if len(matrices) > _INNER + 2:
        raise UsageError(
            given=f"a module with {len(matrices)} matrices", expected=f"2 to {_INNER + 2} layers",
            do="declare a smaller one of its kind, or a part of it",
        )  # fmt: skip
    inner = [f"_inner{k}" for k in range(1, len(matrices) - 1)]
    for number, path in zip(("1", *inner, "2"), matrices, strict=True):
        found[f"weight{number}"] = path
        bias = path.removesuffix("weight") + "bias"
        if path.endswith("weight") and bias in tensors:
            found[f"bias{number}"] = bias
    return found


def _between() -> tuple[Argument, ...]:
    """The layers between the first and the last, which only a module's own tell."""
    return tuple(
        one
        for k in range(1, _INNER + 1)
        for one in (
            any_real(f"weight_inner{k}", f"to{k} from{k}", default=None),
            any_real(f"bias_inner{k}", f"to{k}", default=None),
        )
    )


def _settle(sizes: Mapping[str, int], options: Mapping[str, Any]) -> dict[str, int]:
    """All hidden layers are of one width, where a module has none of its own."""
    if "weight1" in options["held"] and "hidden_features" not in options["given"]:
        return {}
    ties = ("last", *(f"{end}{k}" for k in range(1, _INNER + 1) for end in ("to", "from")))
    return dict.fromkeys(ties, sizes["hidden"])


_NAMES = ("relu", "tanh", "sigmoid", "gelu", "silu", "softplus", "elu", "leaky_relu")
_ACTIVATION = Axis(
    name="activation", options=tuple(Option(name=name, keywords={"activation": name}) for name in _NAMES)
)
_LAST = Axis(
    name="last",
    options=(
        Option(name=""),
        Option(
            name="activation after the last layer, too", keywords={"last": True}, accepted=False,
            note="the last layer of a multilayer perceptron is affine",
        ),
    ),
)  # fmt: skip

MLP = formula(
    Specification(
        name="dense.mlp",
        statement="y = W₂ σ(W₁ x + b₁) + b₂, and of a module with more layers W_L σ(… σ(W₁ x + b₁) …) + b_L",
        source="Goodfellow, Bengio & Courville 2016, section 6.1",
        arguments=(
            any_real("x", "batch in", *_INPUT),
            any_real("weight1", "hidden in", "W1", "w1", "weights1", "fc1.weight", "l1.weight", "w_1"),
            any_real("bias1", "hidden", "b1", "fc1.bias", "l1.bias", default=None),
            any_real("weight2", "out last", "W2", "w2", "weights2", "fc2.weight", "l2.weight", "w_2"),
            any_real("bias2", "out", "b2", "fc2.bias", "l2.bias", default=None),
            *_between(),
            _size("in_features", "in", _IN),  # type: ignore[arg-type]
            _size("hidden_features", "hidden", ("hidden", "hidden_dim", "n_hidden", "d_hidden", "width", "hidden_size",
                                                "dim_hidden", "h_dim")),
            _size("out_features", "out", _OUT),
        ),
        oracle=dense.mlp,
        output="batch out",
        dialects=(_ACTIVATION, _LAST),
        layouts=_layouts(weight1="in hidden", weight2="last out"),
        sizes={**_SIZES, "last": _SIZES["hidden"]},
        kinks=True,
        measured=True,
        anatomy=_layers,
        settle=_settle,
        derivation="dense_layer.weight_gradient",
    )
)  # fmt: skip

DEEP_MLP = formula(
    Specification(
        name="dense.deep_mlp",
        statement="h_l = σ(W_l h_{l−1} + b_l) for l < L, y = W_L h_{L−1} + b_L, with h_0 = x",
        source="Goodfellow, Bengio & Courville 2016, section 6.1",
        arguments=(
            any_real("x", "batch width", *_INPUT),
            plain("weights", "layer width width", listed(real()), ("Ws", "weight_list", "w", "ws", "W", "matrices")),
            plain("biases", "layer width", listed(real()), ("bs", "bias_list", "b", "bias"), default=None),
        ),
        oracle=dense.deep_mlp,
        output="batch width",
        dialects=(_ACTIVATION, _LAST),
        layouts=(Layout(name="batched"), Layout(name="one sample at a time", drop=("batch",))),
        sizes={"layer": (2, 3, 1), "width": (1, 2, 3)},
        kinks=True,
        measured=True,
        derivation="dense_layer.weight_gradient",
    )
)


@declares_reference
def affine() -> Formula:
    """The reference dense layer."""
    return Formula(reference.affine, like="dense.affine")


@declares_reference
def mlp() -> Formula:
    """The reference multilayer perceptron, with ReLU."""
    return Formula(reference.mlp, like="dense.mlp", dialect="relu")


@declares_reference
def mlp_module() -> Formula:
    """The reference multilayer perceptron as a module, made by its constructor."""
    return Formula(reference.MLP, like="dense.mlp")


@declares_reference
def softmax_classifier() -> Formula:
    """The reference softmax classifier."""
    return Formula(reference.softmax_classifier, like="dense.softmax_classifier")
