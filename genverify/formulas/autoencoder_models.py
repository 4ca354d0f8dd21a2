"""The variational autoencoders of `reference` as subjects, declared as a stranger would declare their own."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from genverify.formulas.references import declares_reference
from genverify.reference.autoencoders.autoencoder import Autoencoder
from genverify.reference.autoencoders.conditional_vae import ConditionalVAE
from genverify.reference.autoencoders.full_covariance_vae import FullCovarianceVAE
from genverify.reference.autoencoders.vae import VAE
from genverify.subjects.latent_variable_model import LatentVariableModel
from genverify.subjects.map import Map

__all__: list[str] = []

DATA, HIDDEN, LATENT, CLASSES = 4, 3, 2, 2


def _seeded(make: Callable[[], nn.Module], seed: int = 0) -> nn.Module:
    """A module with weights that are the same every time."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        return make()


@declares_reference
def bernoulli() -> LatentVariableModel:
    """Pixels on or off."""
    model = _seeded(lambda: VAE(DATA, HIDDEN, LATENT))
    return LatentVariableModel(
        model, event_shape=DATA, data="binary", beta=1.0, name="VAE with a Bernoulli decoder"
    )  # fmt: skip


@declares_reference
def gaussian() -> LatentVariableModel:
    """Real numbers, one learned variance."""
    model = _seeded(lambda: VAE(DATA, HIDDEN, LATENT, decoder="gaussian"))
    return LatentVariableModel(model, event_shape=DATA, data="real", name="VAE with a Gaussian decoder")


@declares_reference
def bound() -> LatentVariableModel:
    """The ELBO of each row in place of the loss."""
    model = _seeded(lambda: VAE(DATA, HIDDEN, LATENT))
    return LatentVariableModel(model, event_shape=DATA, data="binary", elbo="elbo", name="VAE by its ELBO")


@declares_reference
def weighted() -> LatentVariableModel:
    """The same model as a β-VAE."""
    model = _seeded(lambda: VAE(DATA, HIDDEN, LATENT))
    return LatentVariableModel(model, event_shape=DATA, data="binary", beta=4.0, fixed={"beta": 4.0}, name="β-VAE")


@declares_reference
def full_covariance() -> LatentVariableModel:
    """Z = μ + L ε."""
    model = _seeded(lambda: FullCovarianceVAE(DATA, HIDDEN, LATENT))
    return LatentVariableModel(model, event_shape=DATA, data="binary", beta=1.0, name="FullCovarianceVAE")


@declares_reference
def conditional() -> LatentVariableModel:
    """Encoder and decoder see a class."""
    model = _seeded(lambda: ConditionalVAE(DATA, CLASSES, HIDDEN, LATENT))
    return LatentVariableModel(
        model, event_shape=DATA, condition_shape=CLASSES, data="binary", beta=1.0, name="ConditionalVAE"
    )  # fmt: skip


@declares_reference
def autoencoder() -> Map:
    """The plain autoencoder: a map from rows to rows, with nothing drawn."""
    return Map(_seeded(lambda: Autoencoder(DATA, HIDDEN, LATENT)), event_shape=DATA, name="Autoencoder")
