"""Autoencoders: tied weights, the denoising loss, the contractive penalty, principal components."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from genverify.formulas.catalogue import formula, reduction
from genverify.formulas.hyperparameter import hyperparameter
from genverify.formulas.naming import VALUE
from genverify.formulas.references import declares_reference
from genverify.oracles import linear_autoencoder as oracle
from genverify.reference.autoencoders import linear_autoencoder as reference
from genverify.reference.autoencoders import regularised_autoencoder as regularised
from genverify.subjects.domains import integer, real, unit_interval
from genverify.subjects.formula import Formula
from genverify.subjects.parametrisation import any_real, draw, plain
from genverify.subjects.smooth_domains import smooth_map
from genverify.subjects.specification import Argument, Axis, Layout, Option, Role, Specification

__all__ = ["CONTRACTIVE_PENALTY", "DENOISING_LOSS", "DENOISING_LOSS_OF_CORRUPTED", "TIED_LINEAR"]

_X = (
    *VALUE,
    "input",
    "X",
    "clean",
    "x_clean",
    "original",
    "img",
    "images",
    "batch",
    "feats",
    "features",
    "x_in",
    "inp",
)
_WEIGHT = ("W", "weights", "w", "kernel", "encoder.weight", "enc.weight", "fc.weight", "linear.weight", "fc1.weight",
           "encode.weight", "W_enc", "w_enc", "lin.weight", "encoder_weight")  # fmt: skip
_BIAS = ("b", "b_enc", "bias_enc", "encoder.bias", "enc.bias", "encoder_bias", "b_h", "hbias", "bh", "b1",
         "enc_bias", "hidden_bias", "bias_hidden", "bias_h", "linear.bias", "fc.bias", "bias1")  # fmt: skip
_BIAS_OUT = ("c", "b_dec", "bias_dec", "decoder.bias", "dec.bias", "decoder_bias", "b_v", "vbias", "bv", "b2",
             "dec_bias", "bias_visible", "b_prime", "bias2", "bias_decoder", "visible_bias", "b_out")  # fmt: skip
_SIZES = {"in": (3, 2, 1), "hidden": (2, 1, 4), "batch": (3, 2, 1)}


def _size(name: str, axis: str, *aliases: str) -> Argument:
    return plain(name, axis, integer(1, 4), aliases, role=Role.SIZE, differentiable=False, default=None)


def _tied_options() -> Axis:
    names = ("sigmoid", "tanh", "relu")
    return Axis(
        name="activation",
        options=(
            Option(name="linear", keywords={}),
            *(Option(name=name, keywords={"activation": name}) for name in names),
            Option(name="sigmoid, and one after the decoder", keywords={"activation": "sigmoid", "last": "sigmoid"}),
            Option(name="relu, and a sigmoid after the decoder", keywords={"activation": "relu", "last": "sigmoid"}),
            Option(name="tanh twice", keywords={"activation": "tanh", "last": "tanh"}),
        ),
    )  # fmt: skip


_COLUMNS = {"weight": "in hidden"}
TIED_LINEAR = formula(
    Specification(
        name="autoencoder.tied_linear",
        statement="x̂ = Wᵀ σ(W x + b) + c, σ the identity where nothing else is said",
        source="Baldi & Hornik 1989; Vincent, Larochelle, Bengio & Manzagol 2008, section 2.2",
        arguments=(
            any_real("x", "batch in", *_X),
            any_real("weight", "hidden in", *_WEIGHT),
            any_real("bias", "hidden", *_BIAS, default=None),
            any_real("bias_out", "in", *_BIAS_OUT, default=None),
            _size(
                "in_features",
                "in",
                "n_in",
                "d_in",
                "input_dim",
                "in_dim",
                "input_size",
                "n_visible",
                "d",
                "num_inputs",
                "n_features",
                "features",
                "n_input",
                "input_features",
                "D",
                "visible",
                "dim",
            ),
            _size(
                "hidden_features",
                "hidden",
                "hidden",
                "n_hidden",
                "hidden_dim",
                "latent_dim",
                "hidden_size",
                "k",
                "bottleneck",
                "code_dim",
                "latent",
                "n_latent",
                "encoding_dim",
                "z_dim",
                "embedding_dim",
                "out_features",
            ),
        ),
        oracle=oracle.tied,
        output="batch in",
        dialects=(_tied_options(),),
        layouts=(
            Layout(name="weight as [hidden, in]"),
            Layout(name="weight as [in, hidden]", shapes=_COLUMNS),
            Layout(name="one sample at a time", drop=("batch",)),
            Layout(name="one sample at a time, weight as [in, hidden]", drop=("batch",), shapes=_COLUMNS),
        ),
        sizes=_SIZES,
        kinks=True,
        measured=True,
        derivation="autoencoder.tied_linear.projection",
    )
)

_SIGMA = hyperparameter("sigma", "noise_std", "std", "noise_factor", "noise_level", "scale", "noise_scale",
                        "sd", "noise_stddev", "s", "noise_sigma", default=None, low=0.05, high=1.5)  # fmt: skip
_MODEL = plain(
    "model", "event event", smooth_map(), ("f", "autoencoder", "ae", "net", "network", "dae", "reconstruct", "g", "fn",
    "denoiser", "forward", "model_fn", "autoenc"),
)  # fmt: skip
_OVER = (reduction("batch", ("mean", "sum", "none")), reduction("event", ("mean", "sum")))


def _against(name: str, note: str, target: str) -> Option:
    return Option(name=name, keywords={"target": target}, accepted=False, note=note)


_TARGET = Axis(
    name="target",
    options=(
        Option(name=""),
        _against("against the corrupted data", "it learns to keep the noise", "corrupted"),
        _against("against the noise", "that is a network that predicts the noise", "noise"),
        _against("the error not squared", "a mean absolute error", "absolute"),
    ),
)


def _denoised(
    model: Callable[[Tensor], Tensor], x: Tensor, corrupted: Tensor, target: str = ""
) -> Tensor:  # fmt: skip
    wanted = {"corrupted": corrupted, "noise": corrupted - x}.get(target, x)
    error = model(corrupted) - wanted
    return error.abs() if target == "absolute" else error**2


def _with_noise(
    model: Callable[[Tensor], Tensor], x: Tensor, noise: Tensor, sigma: Any, assumed: float | None = None, **how: Any  # noqa: ANN401
) -> Tensor:  # fmt: skip
    if sigma is not None and assumed is not None:
        return torch.full_like(x, torch.nan)
    scale = sigma if sigma is not None else (1.0 if assumed is None else assumed)
    return _denoised(model, x, x + scale * noise, **how)


_DENOISING = "Vincent, Larochelle, Lajoie, Bengio & Manzagol 2010, sections 3.1 and 3.3"
DENOISING_LOSS = formula(
    Specification(
        name="autoencoder.denoising_loss",
        statement="‖f(x + σ ε) − x‖², ε ~ N(0, I)",
        source=_DENOISING,
        arguments=(
            _MODEL,
            any_real("x", "batch event", *_X, differentiable=False),
            draw("noise", "batch event", "normal", real(extreme=8.0), "eps", "epsilon", "n", "e", "z", "randn"),
            _SIGMA,
        ),
        oracle=_with_noise,
        output="batch event",
        dialects=(
            *_OVER, _TARGET,
            Axis(name="hard-coded σ", options=(
                Option(name=""),
                *(Option(name=f"σ = {one}", keywords={"assumed": one}) for one in (0.1, 0.3, 0.5)),
            )),
        ),
        sizes={"event": (3, 2, 1)},
        operations=128,
        trains=True, derivation="autoencoder.denoising_loss.against_the_data",
    )
)  # fmt: skip

DENOISING_LOSS_OF_CORRUPTED = formula(
    Specification(
        name="autoencoder.denoising_loss_of_corrupted",
        statement="‖f(x̃) − x‖² for data x and what corruption made of them, x̃",
        source=_DENOISING,
        arguments=(
            _MODEL,
            any_real("x", "batch event", *_X, "target_clean", differentiable=False),
            any_real(
                "corrupted",
                "batch event",
                "noisy",
                "x_noisy",
                "x_tilde",
                "noisy_x",
                "x_corrupted",
                "noised",
                "noisy_imgs",
                "noisy_img",
                "x_noise",
                "x_t",
                "noisy_data",
                "noisy_input",
                "inputs_noisy",
                "xn",
                differentiable=False,
            ),
        ),
        oracle=_denoised,
        output="batch event",
        dialects=(*_OVER, _TARGET),
        sizes={"event": (3, 2, 1)},
        operations=128,
        trains=True,
        derivation="autoencoder.denoising_loss.against_the_data",
    )
)


def _penalty(
    encoder: Callable[[Tensor], Tensor] | None, x: Tensor | None, hidden: Tensor | None, weight: Tensor | None,
    bias: Tensor | None, lam: Any, slip: str = "",  # noqa: ANN401
) -> tuple[Tensor, ...]:  # fmt: skip
    if weight is not None:
        if hidden is None:
            assert x is not None
            hidden = torch.sigmoid(torch.stack(oracle.affine(x, weight, bias)).sum(0))
        terms = oracle.sigmoid_penalty(hidden, weight, slip=slip)
    else:
        assert encoder is not None
        assert x is not None
        terms = oracle.jacobian_penalty(encoder, x, slip=slip)
    return tuple(lam * term for term in terms)


def _penalty_slips() -> Axis:
    known = {
        "summed first": ("the Jacobian's entries are summed before they are squared", "Σ_i (Σ_k ∂h_k/∂x_i)², the "
                         "gradient of the summed outputs, or (Σ_i W_ki)²: what cancels is not penalised"),
        "root": ("the norm, not its square", "the penalty is the squared Frobenius norm"),
        "slope not squared": ("h (1 − h) not squared", "Σ_k h_k (1 − h_k) Σ_i W_ki²"),
        "weights alone": ("weights alone", "weight decay, without the slope of the sigmoid"),
    }  # fmt: skip
    return Axis(
        name="slip",
        options=(
            Option(name=""),
            *(Option(name=n, keywords={"slip": k}, accepted=False, note=note) for k, (n, note) in known.items()),
        ),
    )


CONTRACTIVE_PENALTY = formula(
    Specification(
        name="autoencoder.contractive_penalty",
        statement="λ ‖J_f(x)‖_F² = λ Σ_ki (∂h_k/∂x_i)²; for h = sigmoid(W x + b) λ Σ_k (h_k (1 − h_k))² Σ_i W_ki²",
        source="Rifai, Vincent, Muller, Glorot & Bengio 2011, eq. 1 and section 2",
        arguments=(
            plain(
                "encoder",
                "hidden in",
                smooth_map(),
                ("f", "model", "encode", "net", "enc", "fn", "func", "phi", "network", "encoder_fn"),
                default=None,
            ),
            any_real("x", "batch in", *_X, default=None, differentiable=False),
            plain(
                "hidden",
                "batch hidden",
                unit_interval(),
                (
                    "h",
                    "hidden",
                    "encoded",
                    "z",
                    "latent",
                    "code",
                    "hidden_representation",
                    "encoding",
                    "hs",
                    "a",
                    "hiddens",
                    "outputs_e",
                    "encodings",
                    "hid",
                ),
                default=None,
            ),
            any_real("weight", "hidden in", *_WEIGHT, default=None),
            any_real("bias", "hidden", *_BIAS, default=None),
            hyperparameter(
                "lam",
                "lambda_",
                "lambd",
                "lamda",
                "weight_lambda",
                "coef",
                "alpha",
                "beta",
                "lmbda",
                "lambda_c",
                "penalty_weight",
                "reg",
                "strength",
                default=1.0,
                low=0.01,
                high=2.0,
                apart=(0.0,),
            ),
        ),
        oracle=_penalty,
        surrogate=_penalty,  # a penalty without its graph teaches nothing
        output="batch",
        dialects=(reduction("batch", ("mean", "sum", "none")), _penalty_slips()),
        layouts=(
            Layout(name="weight as [hidden, in]"),
            Layout(name="weight as [in, hidden]", shapes=_COLUMNS),
            Layout(name="one sample at a time", drop=("batch",)),
        ),
        sizes=_SIZES,
        operations=128,
        trains=True,
        derivation="autoencoder.contractive_penalty.sigmoid",
    )
)


@declares_reference
def tied_linear() -> Formula:
    """The reference with tied weights."""
    return Formula(reference.tied_linear, like="autoencoder.tied_linear", dialect="linear")


@declares_reference
def denoising_loss() -> Formula:
    """The reference's denoising loss."""
    return Formula(regularised.denoising_loss, like="autoencoder.denoising_loss")


@declares_reference
def contractive_penalty() -> Formula:
    """The reference's penalty of any encoder."""
    return Formula(regularised.contractive_penalty, like="autoencoder.contractive_penalty")


@declares_reference
def sigmoid_contractive_penalty() -> Formula:
    """The reference's penalty of a sigmoid layer."""
    return Formula(regularised.sigmoid_contractive_penalty, like="autoencoder.contractive_penalty")
