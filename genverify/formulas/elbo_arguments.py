"""The arguments of a bound: data, what the decoder makes of it, the encoder's mean and scale, and how it is written."""

from __future__ import annotations

from dataclasses import replace

import torch

from genverify.errors import UsageError
from genverify.subjects.domains import Domain, real, unit_interval
from genverify.subjects.parametrisation import any_real, positive_scale
from genverify.subjects.specification import BATCHED, SINGLE, Argument, Axis, Form, Layout, Option
from genverify.subjects.structured_domains import listed

__all__ = [
    "AVERAGED", "PER_PIXEL", "SIGN", "SIZES", "UNWRITTEN", "WEIGHTS", "binary_image", "decoded", "decoder_mean",
    "encoder_mean", "encoder_scale", "image", "image_layouts", "layered_mean", "layered_scale", "likelihood_logit",
    "noise", "one_of", "pixel_scale", "prior_mean", "prior_scale", "residual_scale", "with_axes",
]  # fmt: skip

_DATA = (
    "x", "target", "targets", "data", "original", "input", "inputs", "img", "image", "images", "x_true", "real", "orig",
    "y_true", "x_in", "batch", "x_input", "obs", "observation", "true_x", "x_orig", "label",
)  # fmt: skip
_DECODED = (
    "recon_x", "x_recon", "x_hat", "xhat", "reconstruction", "recon", "recons", "reconstructed", "reconstructed_x",
    "x_reconstructed", "x_rec", "rec_x", "x_tilde", "x_prime", "output", "outputs", "out", "o", "decoded", "decoded_x",
    "x_decoded", "y", "y_pred", "pred", "prediction", "x_pred", "x_out", "generated", "reconstructed_input",
    "recon_batch",
    "x_reconst", "rec", "preds", "reconstructions", "x_dash", "xr", "x_r",
)  # fmt: skip
_LOGIT = (
    "logits", "logit", "x_logit", "x_logits", "logits_x", "recon_logits", "recon_x_logits", "x_hat_logits",
    "x_recon_logits", "decoder_logits", "dec_logits", "logit_x", "reconstruction_logits", "recon_logit",
    "output_logits",
)  # fmt: skip
_PROBABILITY = (
    "p", "probs", "prob", "x_probs", "x_prob", "recon_probs", "probability", "probabilities", "p_x", "px", "x_p",
    "probs_x", "theta", "decoder_probs", "rho",
)  # fmt: skip
_MEANS = ("mu", "mean", "mus", "means", "m", "loc")
_OF_LATENT = ("{}", "z_{}", "{}_z", "q_{}", "{}_q", "enc_{}", "{}_enc", "encoder_{}", "latent_{}", "qz_{}", "post_{}",
              "posterior_{}", "encoded_{}", "{}_post", "recog_{}", "{}1")  # fmt: skip
_OF_PIXEL = ("x_{}", "{}_x", "recon_{}", "px_{}", "dec_{}", "{}_dec", "decoder_{}", "out_{}", "{}_recon", "p_{}")
_OF_NOISE = ("{}", "noise_{}", "{}_noise", "obs_{}", "{}_obs", "likelihood_{}", "output_{}", "observation_{}")
_OF_PRIOR = ("prior_{}", "{}_prior", "p_{}", "{}_p", "pz_{}", "{}_pz", "cond_{}", "{}_cond", "{}2", "prior_z_{}")
# Scales of one float, where (x − μ)²/σ² would overflow in float32 long before the formula is in doubt.
_NEAR = 1.0


def _named(patterns: tuple[str, ...], names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(pattern.format(name) for name in names for pattern in patterns)


def _renamed(argument: Argument, patterns: tuple[str, ...], *, near: bool = False) -> Argument:
    """A scale under names that say whose it is; a bare one only where nothing need be said."""
    forms = []
    for form in argument.forms:
        own = tuple(one for one in form.aliases if not one.startswith("="))
        domain = form.domain
        if near:
            domain = replace(domain, low=-_NEAR, high=_NEAR, extreme_low=None, extreme_high=None, interval=None)
        forms.append(replace(form, aliases=_named(patterns, own), domain=domain, by_name="{}" in patterns))
    return replace(argument, forms=tuple(forms))


def image(name: str = "x") -> Argument:
    """The data, a real number a pixel; no gradient is claimed of it."""
    form = Form(name=name, aliases=_DATA, domain=real(extreme=1e3))
    return Argument(name=name, axes="batch event", forms=(form,), differentiable=False)


def binary_image(name: str = "x") -> Argument:
    """The data, 0 or 1 a pixel, as floating numbers."""
    domain = Domain(name="0 or 1", low=0, high=1, integral=True,
                    make=lambda raw, shape, dtype: (raw.reshape(shape) > 0.5).to(dtype))  # fmt: skip
    form = Form(name=name, aliases=_DATA, domain=domain)
    return Argument(name=name, axes="batch event", forms=(form,), differentiable=False)


def _inside() -> Domain:
    return replace(unit_interval(), low=-3.0, high=3.0, extreme_low=-6.0, extreme_high=6.0)


def likelihood_logit(name: str = "logit") -> Argument:
    """What the decoder gives for each pixel, where its name says whether that is a logit or a probability."""
    forms = (
        Form(name="logit", aliases=_LOGIT, domain=real(low=-4.0, high=4.0, extreme=1e4)),
        Form(name="probability", aliases=_PROBABILITY, domain=_inside(), canonical=torch.logit),
    )
    return Argument(name=name, axes="batch event", forms=forms, default=None)


def decoded(name: str = "reconstruction") -> Argument:
    """What the decoder gives for each pixel under a name that does not say what it is: a number between 0 and 1."""
    form = Form(name=name, aliases=_DECODED, domain=_inside())
    return Argument(name=name, axes="batch event", forms=(form,), default=None)


def decoder_mean(name: str = "reconstruction") -> Argument:
    """The mean of a Gaussian decoder."""
    form = Form(name=name, aliases=(*_DECODED, *_named(_OF_PIXEL, _MEANS)), domain=real(extreme=1e3))
    return Argument(name=name, axes="batch event", forms=(form,))


def pixel_scale(name: str = "scale") -> Argument:
    """The scale of a Gaussian decoder for each pixel, in any parametrisation."""
    return _renamed(positive_scale(name, "batch event", default=None), _OF_PIXEL, near=True)


def noise(name: str = "noise") -> Argument:
    """The scale of a Gaussian decoder, one number for all pixels."""
    return _renamed(positive_scale(name, "", default=None, differentiable=False), _OF_NOISE, near=True)


def encoder_mean(name: str = "mean") -> Argument:
    """The encoder's mean."""
    return any_real(name, "batch latent", *_named(_OF_LATENT, _MEANS))


def encoder_scale(name: str = "std") -> Argument:
    """The encoder's scale, in any parametrisation."""
    return _renamed(positive_scale(name, "batch latent"), _OF_LATENT)


def prior_mean(name: str = "prior_mean") -> Argument:
    """The mean of a prior that is learned; N(0, I) without one."""
    return any_real(name, "batch latent", *_named(_OF_PRIOR, _MEANS), default=None)


def prior_scale(name: str = "prior_std") -> Argument:
    """The scale of a prior that is learned."""
    return _renamed(positive_scale(name, "batch latent", default=None), _OF_PRIOR, near=True)


def residual_scale(name: str = "delta_std") -> Argument:
    """The factor by which a posterior's standard deviation is that of the prior."""
    return _renamed(positive_scale(name, "batch latent"), ("delta_{}", "d_{}", "residual_{}", "{}_delta"))


def with_axes(argument: Argument, axes: str) -> Argument:
    """The argument with other axes."""
    return replace(argument, axes=axes)


def _layers(argument: Argument, patterns: tuple[str, ...]) -> Argument:
    """A tensor for each layer: stacked, or as a list where the name is a plural."""
    forms = []
    for form in argument.forms:
        names = tuple(one for one in form.aliases if not one.endswith("s") or one in ("logs", "s"))
        whose = _named(patterns, names)
        several = (*_named(patterns, tuple(f"{one}s" for one in names)), *(f"{one}_list" for one in whose))
        near = replace(form.domain, low=-_NEAR, high=_NEAR, extreme_low=None, extreme_high=None, interval=None)
        forms += [
            replace(form, aliases=whose, domain=near),
            replace(form, name=f"{form.name}s", aliases=several, domain=listed(near)),
        ]
    return replace(argument, axes="layer batch latent", forms=tuple(forms))


def layered_mean(name: str, *, prior: bool = False) -> Argument:
    """The mean of each layer's latents."""
    return _layers(any_real(name, "", "mu", "mean", "m", "loc"), _OF_PRIOR if prior else _OF_LATENT)


def layered_scale(name: str, *, prior: bool = False) -> Argument:
    """The scale of each layer's latents, in any parametrisation."""
    return _layers(positive_scale(name, ""), _OF_PRIOR if prior else _OF_LATENT)


def one_of(first: object, second: object, words: str) -> None:
    """Refuses a subject that was given neither, or both, of two ways to say one thing.

    Raises:
        UsageError: Neither is given, or both are.
    """
    if (first is None) == (second is None):
        raise UsageError(
            given="neither" if first is None else "both", expected=f"one of {words}",
            do="say which parameter it is: arguments={…: …}",
        )  # fmt: skip


SIZES = {"channel": (1, 2), "height": (2, 1), "width": (1, 2), "mnist": (784,)}


def image_layouts(*arguments: str) -> tuple[Layout, ...]:
    """Rows of pixels, one sample, images with their axes; or what is written for 28 × 28 pixels alone."""
    wide = dict.fromkeys(arguments, "batch channel height width")
    row = dict.fromkeys(arguments, "batch mnist")
    return (
        BATCHED,
        SINGLE,
        Layout(name="images", shapes=wide),
        Layout(name="28 × 28 pixels in a row", shapes=row, last_resort=True),
    )


SIGN = Axis(
    name="sign",
    options=(Option(name="the negative: a loss", keywords={"sign": -1.0}), Option(name="the bound itself")),
)
PER_PIXEL = Option(name="over the number of pixels", keywords={"weights": "per pixel"}, note="nats per dimension")
AVERAGED = Option(
    name="each term averaged over its axis", keywords={"weights": "each averaged"}, accepted=False,
    note="the reconstruction term over the D pixels and the divergence over the k latents: β = D/k",
)  # fmt: skip
UNWRITTEN = (
    Option(
        name="reconstruction averaged over pixels", keywords={"weights": "likelihood averaged"}, accepted=False,
        note="the reconstruction term is averaged over the D pixels and the divergence is not: β = D, which is the "
        "bound of a Gaussian decoder whose variance is D times as large",
    ),
    Option(
        name="divergence averaged over latents", keywords={"weights": "divergence averaged"}, accepted=False,
        note="the divergence is averaged over the k latents, where it is a sum: β = 1/k",
    ),
    Option(
        name="divergence over the number of pixels", keywords={"weights": "divergence per pixel"}, accepted=False,
        note="the divergence is divided by the number of pixels, the reconstruction term is not: β = 1/D",
    ),
    Option(
        name="divergence with the wrong sign", keywords={"weights": "divergence added"}, accepted=False,
        note="the divergence is rewarded, and not punished: the objective has no bound",
    ),
)  # fmt: skip
WEIGHTS = Axis(name="weights", options=(Option(name=""), PER_PIXEL, *UNWRITTEN, AVERAGED))
