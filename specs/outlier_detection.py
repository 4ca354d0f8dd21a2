"""Outliers by their density under a VAE: where it finds them, and where the outliers are denser than the data.

![Histograms of log p(x): held-out digits against turned, mirrored and pale ones](pictures/outlier_detection.svg)

A model of the data gives each picture a log p(x), and a threshold on it is a detector of outliers. With pixels on or
off and pictures that break the shapes it works well. With grey pixels it can fail completely: a pale digit lies nearer
to what the decoder says on average, and so is denser than the digit itself, although there is none in the data.

`python -m specs.outlier_detection` draws the picture anew (`pip install genverify[plot,data]`).

Sources: Bishop 1994, "Novelty detection and neural network validation"; Nalisnick, Matsukawa, Teh, Gorur &
Lakshminarayanan 2019, "Do deep generative models know what they don't know?"; Nalisnick, Matsukawa, Teh &
Lakshminarayanan 2019, "Detecting out-of-distribution inputs to deep generative models using typicality".
"""

from __future__ import annotations

import functools

import sympy
import torch
from sympy.stats import E, Normal

from genverify.claims import proves
from genverify.reference.autoencoders.likelihood import importance_weighted_bound
from genverify.reference.autoencoders.vae import VAE
from specs import digits as data
from specs import drawing

TRAIN, HELD = data.digits()
LATENT, DRAWS, CONTRAST = 8, 100, 0.5
SEEDS_DIFFER = 0.05  # of an area under a curve, between machines and seeds


@functools.cache
def trained(decoder):
    rows = TRAIN.binary if decoder == "bernoulli" else TRAIN.grey
    make = functools.partial(VAE, data.PIXELS, data.HIDDEN, LATENT, decoder=decoder)
    return data.trained(make, lambda model, x, step: model.loss(x), rows)


def log_p(decoder, x):
    """Log p(x) of each row, from below."""
    return data.measured(importance_weighted_bound, trained(decoder), x, DRAWS, draws=1)


def area_under_the_curve(inside, outside):
    """The probability that a picture from inside scores higher than one from outside (Hanley & McNeil 1982)."""
    gaps = inside[:, None] - outside[None]
    return float((gaps > 0).double().mean() + (gaps == 0).double().mean() / 2)


# ── Claim (SUPPORTED) ────────────────────────────────────────────────────────────────────────────────────────────────
# Where it works: pixels on or off, shapes that no digit has.


def others():
    """Pictures that are no digits, or not quite, made from the held-out ones."""
    square = HELD.binary.reshape(-1, data.SIDE, data.SIDE)
    made = {"inverted": 1 - square, "turned": square.rot90(1, (1, 2)), "mirrored": square.flip(2)}
    return {name: pictures.flatten(1) for name, pictures in made.items()}


@functools.cache
def scores():
    """Log p(x) of the held-out digits and of the others."""
    return {"held out": log_p("bernoulli", HELD.binary)} | {k: log_p("bernoulli", x) for k, x in others().items()}


@proves("vae.outliers.binary")
def test_inverted_and_turned_digits_are_found():
    """Almost without fail; mirrored ones less well."""
    found = {name: area_under_the_curve(scores()["held out"], scores()[name]) for name in others()}
    assert found["inverted"] > 0.99
    assert found["turned"] > 0.99
    assert 0.8 < found["mirrored"] < 0.95


# ── Counterexample ───────────────────────────────────────────────────────────────────────────────────────────────────
# Where it fails: x̄ + ½ (x − x̄) is denser than x, and x̄ is denser than every digit.


def pale():
    """The held-out digits, nearer to the mean picture."""
    mean = TRAIN.grey.mean(0)
    return mean + CONTRAST * (HELD.grey - mean)


@functools.cache
def grey_scores():
    """Log p(x) of held-out digits, of the same at half contrast, of the mean picture and of digits of the training."""
    parts = {"held out": HELD.grey, "pale": pale(), "mean": TRAIN.grey.mean(0, keepdim=True), "train": TRAIN.grey[:360]}
    return {name: log_p("gaussian", x) for name, x in parts.items()}


@proves("vae.outliers.density_order")
def test_pale_digits_are_denser_than_digits():
    """Each than itself, nearly without exception; a threshold on the density sorts them the wrong way round."""
    held, half = grey_scores()["held out"], grey_scores()["pale"]
    assert float((half > held).float().mean()) > 0.95
    assert area_under_the_curve(held, half) < 0.1


@proves("vae.outliers.density_order")
def test_the_mean_picture_is_denser_than_every_digit():
    """It is a grey cloud."""
    assert float(grey_scores()["mean"]) > float(grey_scores()["held out"].max())


# ── What holds ───────────────────────────────────────────────────────────────────────────────────────────────────────
# The densest point of a normal law is not where its draws are: E log p(X) = log p(μ) − d/2.


@proves("vae.outliers.density_order")
def test_the_densest_point_of_a_normal_law_is_not_typical():
    """For one coordinate, all μ and σ, the gap is ½; log-densities of independent coordinates add."""
    mu, x = sympy.symbols("mu x", real=True)
    sigma = sympy.Symbol("sigma", positive=True)
    log_density = -((x - mu) ** 2) / (2 * sigma**2) - sympy.log(sigma) - sympy.log(2 * sympy.pi) / 2
    at_the_mean, on_average = log_density.subs(x, mu), E(log_density.subs(x, Normal("X", mu, sigma)))
    assert sympy.simplify(at_the_mean - on_average - sympy.Rational(1, 2)) == 0


@proves("vae.outliers.density_order")
def test_what_is_unusual_in_either_direction_is_found():
    """The distance of log p(x) from its mean over the training's digits sorts pale digits the right way round."""
    usual = grey_scores()["train"].mean()
    held, half = (-(grey_scores()[name] - usual).abs() for name in ("held out", "pale"))
    assert area_under_the_curve(held, half) > 0.8


# ── The picture ──────────────────────────────────────────────────────────────────────────────────────────────────────


def numbers():
    """The areas under the curves that the picture's legends say."""
    areas = {name: area_under_the_curve(scores()["held out"], scores()[name]) for name in ("turned", "mirrored")}
    return areas | {"pale": area_under_the_curve(grey_scores()["held out"], grey_scores()["pale"])}


def draw(folder=drawing.PICTURES):
    """Writes the picture."""

    def parts(figure):
        left, right = figure.subplots(1, 2)
        shown = numbers()
        for axes, found, names in ((left, scores(), ("turned", "mirrored")), (right, grey_scores(), ("pale",))):
            bins = torch.linspace(*({"turned": (-120.0, 0.0), "pale": (-40.0, 60.0)}[names[0]]), 41).tolist()
            for name in ("held out", *names):
                label = name if name == "held out" else f"{name}: AUC {shown[name]:.2f}"
                axes.hist(
                    found[name].clamp(bins[0], bins[-1]).tolist(), bins, histtype="stepfilled", alpha=0.5, label=label
                )
            axes.set(xlabel="log p(x), nats", yticks=[])
            axes.legend(loc="upper left")
        right.axvline(float(grey_scores()["mean"]), color="black", linewidth=1)
        right.annotate("the mean picture", (float(grey_scores()["mean"]), 5), rotation=90, ha="right")
        left.set_title("pixels on or off: it works")
        right.set_title("grey pixels: pale digits are denser")
        return "; ".join(f"{name} {value:.2f}" for name, value in shown.items())

    return drawing.save("outlier_detection.svg", parts, (6.4, 3.0), folder)


@proves("vae.outliers.density_order")
def test_the_committed_picture_says_these_numbers():
    """To the spread between machines and seeds."""
    shown = drawing.said("outlier_detection.svg")
    assert shown.keys() == numbers().keys()
    assert all(abs(shown[name] - value) < SEEDS_DIFFER for name, value in numbers().items())


if __name__ == "__main__":
    print(draw())
