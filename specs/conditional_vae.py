"""The conditional variational autoencoder: the class is given, and the latents are left with the handwriting.

![Samples for each class, and a grid over the styles of one class](pictures/conditional_vae.png)

A class can say log 10 = 2.3 nats of a picture at most, on average: the mutual information of the two. What the
conditional bound gains beyond that is not owed to the label but to a better use of two latents, which need not tell
the classes apart any more. `python -m specs.conditional_vae` draws the picture anew (`pip install
genverify[plot,data]`).

Sources: Sohn, Lee & Yan 2015, "Learning structured output representation using deep conditional generative models";
Doersch 2016, "Tutorial on variational autoencoders", section 3.
"""

from __future__ import annotations

import functools
import math

import torch

import genverify as gv
from genverify.claims import proves
from genverify.formulas import autoencoder_models as models
from genverify.reference.autoencoders.conditional_vae import ConditionalVAE
from genverify.reference.autoencoders.likelihood import log_mean_exp
from genverify.reference.autoencoders.traversal import latent_grid
from genverify.reference.autoencoders.vae import VAE
from specs import digits as data
from specs import drawing

TRAIN, HELD = data.digits()
LATENT, DRAWS, EACH = 2, 20, 40
SEEDS_DIFFER = 0.5  # nats by which another machine's rounding, or another seed, may move a mean
CLASSES = torch.eye(data.CLASSES)


@functools.cache
def conditional():
    make = functools.partial(ConditionalVAE, data.PIXELS, data.CLASSES, data.HIDDEN, LATENT)
    return data.trained(make, lambda model, x, c, step: model.loss(x, c), TRAIN.binary, TRAIN.one_hot)


@functools.cache
def unconditional():
    make = functools.partial(VAE, data.PIXELS, data.HIDDEN, LATENT)
    return data.trained(make, lambda model, x, step: model.loss(x), TRAIN.binary)


@functools.cache
def bounds():
    """Of the held-out pictures, ELBO(x|c) and ELBO(x)."""
    given = data.measured(conditional().elbo, HELD.binary, HELD.one_hot)
    return given, data.measured(unconditional().elbo, HELD.binary)


# ── Claim (SUPPORTED) ────────────────────────────────────────────────────────────────────────────────────────────────
# ELBO(x|c) − log 10 bounds log p(x, c), and is still above the ELBO of log p(x).


@proves("conditional_vae.training.bound")
def test_the_class_buys_more_than_it_says():
    """More than log 10 above the VAE with as many latents, and above independent pixels given the class."""
    given, alone = bounds()
    assert f"{math.log(data.CLASSES):.1f}" == "2.3"
    assert data.surely_above(given, alone, by=math.log(data.CLASSES))
    bar = data.given_class(HELD.binary).gather(1, HELD.label[:, None])[:, 0]
    assert data.surely_above(given, bar)


@proves("conditional_vae.training.bound")
def test_the_reference_passes():
    """The terms of its loss, their gradient, and that the condition reaches both networks."""
    checks = [f"latent_variable_model.{name}" for name in ("condition_used", "kl_term", "gradient")]
    report = gv.verify(models.conditional(), budget="quick", checks=checks)
    assert [verdict.outcome for verdict in report] == [gv.Outcome.PASS] * len(checks)


# ── Claim (SUPPORTED) ────────────────────────────────────────────────────────────────────────────────────────────────
# Bayes' rule, with classes that are equally frequent: the class under which the picture is most probable.


@functools.cache
def named():
    """For each held-out picture the class of the largest importance-weighted bound."""

    def evidence():
        rows = len(HELD.binary)
        weights = [conditional().log_weights(HELD.binary, one.expand(rows, -1), DRAWS) for one in CLASSES]
        return log_mean_exp(torch.stack(weights, -1))

    return data.measured(evidence, draws=1).argmax(-1)


@proves("conditional_vae.training.classifier")
def test_bayes_rule_names_the_class():
    """In nine of ten cases, and more often than independent pixels do."""
    right = (named() == HELD.label).float().mean()
    assert right >= 0.9
    assert right > (data.recognised(HELD.binary) == HELD.label).float().mean()


# ── Claim (SUPPORTED) ────────────────────────────────────────────────────────────────────────────────────────────────
# The condition decides the class, the latents the style.


@functools.cache
def samples():
    """E[x | z, c] for the same draws of z with every class: [class, draw, pixel]."""
    z = torch.randn(EACH, LATENT, generator=torch.Generator().manual_seed(3))
    return torch.stack([torch.sigmoid(conditional().decode(z, one)) for one in CLASSES])


@proves("conditional_vae.training.samples")
def test_samples_are_of_the_class_that_was_asked_for():
    """The same draws of z, under each class: nine in ten are recognised as what was asked for."""
    asked = torch.arange(data.CLASSES)[:, None].expand(-1, EACH)
    found = data.recognised((samples() > 0.5).float().flatten(0, 1)).reshape(data.CLASSES, EACH)
    assert (found == asked).float().mean() >= 0.9


# ── The picture ──────────────────────────────────────────────────────────────────────────────────────────────────────


def numbers():
    """What the picture's title says."""
    given, alone = bounds()
    return {"ELBO given the class": float(given.mean()), "ELBO": float(alone.mean())}


def draw(folder=drawing.PICTURES):
    """Writes the picture."""

    def parts(figure):
        left, right = figure.subplots(1, 2)
        shown = numbers()
        drawing.show(left, samples()[:, :10].flatten(0, 1), 10, "a row a class, a column a draw of z")
        grid = torch.sigmoid(conditional().decode(latent_grid(10), CLASSES[4]))
        drawing.show(right, grid, 10, "a grid over the two latents, class 4")
        figure.suptitle(
            f"ELBO {shown['ELBO given the class']:.1f} nats given the class, {shown['ELBO']:.1f} of a VAE without it"
        )
        return "; ".join(f"{name} {value:.1f}" for name, value in shown.items())

    return drawing.save("conditional_vae.png", parts, (6.4, 3.7), folder)


@proves("conditional_vae.training.bound")
def test_the_committed_picture_says_these_numbers():
    """To the spread between machines and seeds."""
    shown = drawing.said("conditional_vae.png")
    assert shown.keys() == numbers().keys()
    assert all(abs(shown[name] - value) < SEEDS_DIFFER for name, value in numbers().items())


if __name__ == "__main__":
    print(draw())
