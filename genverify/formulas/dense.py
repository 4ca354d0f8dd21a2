"""Dense layers: the affine map, one hidden layer, the softmax classifier."""

from __future__ import annotations

from collections.abc import Mapping

from torch import nn

from genverify.formulas.catalogue import formula
from genverify.formulas.naming import VALUE
from genverify.formulas.references import declares_reference
from genverify.oracles import dense
from genverify.reference.layers import dense as reference
from genverify.subjects.domains import integer
from genverify.subjects.formula import Formula
from genverify.subjects.parametrisation import any_real, plain
from genverify.subjects.specification import Axis, Layout, Option, Role, Specification

__all__ = ["AFFINE", "MLP", "SOFTMAX_CLASSIFIER"]

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


def _two_layers(module: nn.Module, training: bool) -> Mapping[str, object]:
    """The two matrices of a module in the order in which it registers them, each with the vector of its own layer."""
    tensors = dict(module.named_parameters())
    matrices = [path for path, tensor in tensors.items() if tensor.dim() == 2]
    found: dict[str, object] = {}
    if len(matrices) != 2:
        return found
    for number, path in enumerate(matrices, 1):
        found[f"weight{number}"] = path
        bias = path.removesuffix("weight") + "bias"
        if path.endswith("weight") and bias in tensors:
            found[f"bias{number}"] = bias
    return found


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
        statement="y = W₂ σ(W₁ x + b₁) + b₂",
        source="Goodfellow, Bengio & Courville 2016, section 6.1",
        arguments=(
            any_real("x", "batch in", *_INPUT),
            any_real("weight1", "hidden in", "W1", "w1", "weights1", "fc1.weight", "l1.weight", "w_1"),
            any_real("bias1", "hidden", "b1", "fc1.bias", "l1.bias", default=None),
            any_real("weight2", "out hidden", "W2", "w2", "weights2", "fc2.weight", "l2.weight", "w_2"),
            any_real("bias2", "out", "b2", "fc2.bias", "l2.bias", default=None),
            _size("in_features", "in", _IN),  # type: ignore[arg-type]
            _size("hidden_features", "hidden", ("hidden", "hidden_dim", "n_hidden", "d_hidden", "width", "hidden_size",
                                                "dim_hidden", "h_dim")),
            _size("out_features", "out", _OUT),
        ),
        oracle=dense.mlp,
        output="batch out",
        dialects=(_ACTIVATION, _LAST),
        layouts=_layouts(weight1="in hidden", weight2="hidden out"),
        sizes=_SIZES,
        kinks=True,
        measured=True,
        anatomy=_two_layers,
        derivation="dense_layer.weight_gradient",
    )
)  # fmt: skip


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
