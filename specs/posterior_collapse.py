"""Posterior collapse, made on purpose, and what annealing the KL term does about it.

![KL term and ELBO while training, with a constant weight and with three annealed ones](pictures/posterior_collapse.svg)

A latent is worth its KL term only if the decoder says more with it than without. Two things take that away: a weight
β that makes the term dear, and a decoder that does without. Then q(z|x) falls back to the prior. With a strong
decoder the collapse is also one of the order of learning: early on the latents say nothing yet, and their price is
paid at once. Annealing lifts the price slowly, so that they are in use before it is due.

`python -m specs.posterior_collapse` draws the picture anew (`pip install genverify[plot,data]`).

Sources: Bowman, Vilnis, Vinyals, Dai, Jozefowicz & Bengio 2016, "Generating sentences from a continuous space",
section 3.1; Higgins et al. 2017, "β-VAE"; Fu et al. 2019, "Cyclical annealing schedule".
"""

from __future__ import annotations

import functools

import torch
from torch import nn

from genverify.claims import proves
from genverify.reference.autoencoders.likelihood import importance_weighted_bound
from genverify.reference.autoencoders.vae import VAE
from genverify.reference.likelihood.densities import bernoulli
from genverify.reference.likelihood.kl import diagonal_to_standard_normal
from genverify.reference.schedules.warmup import linear_warmup
from genverify.reference.schedules.waves import annealing_cycles, sigmoid
from specs import digits as data
from specs import drawing

TRAIN, HELD = data.digits()
LATENT = 8
SCHEDULES = {
    "constant": lambda step: 1.0,
    "linear": lambda step: linear_warmup(step, data.STEPS // 2),
    "sigmoid": lambda step: sigmoid(step, 1.0, 20 / data.STEPS, 0.3 * data.STEPS),
    "cyclical": lambda step: annealing_cycles(step, data.STEPS, 4),
    "β = 8": lambda step: 8.0,
}
SEEDS_DIFFER = 0.5  # nats by which another machine's rounding, or another seed, may move a mean


class StrongDecoder(VAE):
    """A VAE whose pixels also see the pixels before them: log p(x|z) = Σ log p(x_i | x_<i, z).

    The logits are g(z) + W x with W strictly lower triangular. Without z this is a logistic autoregressive network
    (Frey, Hinton & Dayan 1996), a good model of the pictures by itself.
    """

    def __init__(self, data: int, hidden: int, latent: int) -> None:
        super().__init__(data, hidden, latent)
        self.before = nn.Parameter(torch.zeros(data, data))

    def log_likelihood(self, x, z):
        return bernoulli(x, self.decode(z) + x @ torch.tril(self.before, -1).mT).sum(-1)


DECODERS = {"plain": VAE, "strong": StrongDecoder}


@functools.cache
def trained(decoder, schedule):
    """The model, and (log p(x|z), KL) of each batch on the way."""
    trace = []

    def loss(model, x, step):
        log_likelihood, kl = (term.mean() for term in model.terms(x))
        trace.append((log_likelihood.item(), kl.item()))
        return SCHEDULES[schedule](step) * kl - log_likelihood

    make = functools.partial(DECODERS[decoder], data.PIXELS, data.HIDDEN, LATENT)
    return data.trained(make, loss, TRAIN.binary), torch.tensor(trace)


@functools.cache
def bounds(decoder, schedule):
    """ELBO, KL and the importance-weighted bound of 100 draws of the held-out pictures, each [n]."""
    model, _ = trained(decoder, schedule)
    kl = diagonal_to_standard_normal(*model.encode(HELD.binary))
    weighted = data.measured(importance_weighted_bound, model, HELD.binary, 100, draws=1)
    return data.measured(model.elbo, HELD.binary), kl, weighted


# ── Claim (SUPPORTED) ────────────────────────────────────────────────────────────────────────────────────────────────
# β = 8: the posterior is the prior, and what is left of the model is its bar, independent pixels.


@proves("vae.collapse.beta")
def test_a_dear_kl_term_empties_the_latents():
    """No held-out picture's posterior is a hundredth of a nat away from the prior; at β = 1 they are, by nats."""
    dear, kl, weighted = bounds("plain", "β = 8")
    assert float(kl.max()) < 0.01
    assert float(bounds("plain", "constant")[1].min()) > 1.0
    for bound in (dear, weighted):
        assert abs(data.lead(bound, data.independent_pixels(HELD.binary))[0]) < 0.1


@proves("vae.collapse.beta")
def test_the_collapsed_decoder_paints_the_mean_picture():
    """Whatever z is, each pixel is on as often as in all pictures, to two hundredths."""
    model, _ = trained("plain", "β = 8")
    z = torch.randn(100, LATENT, generator=torch.Generator().manual_seed(0))
    assert float((model.pixels(z) - TRAIN.binary.mean(0)).abs().mean()) < 0.02


# ── Claim (SUPPORTED) ────────────────────────────────────────────────────────────────────────────────────────────────
# A decoder that knows much by itself uses its latents less, and is no worse a model for that.


@proves("vae.collapse.strong_decoder")
def test_a_strong_decoder_uses_its_latents_less():
    """Less KL by 1.5 nats at least, and no less ELBO."""
    strong, kl, _ = bounds("strong", "constant")
    plain, plain_kl, _ = bounds("plain", "constant")
    assert data.surely_above(plain_kl, kl, by=1.5)
    assert data.lead(strong, plain)[0] > 0


# ── Claim (SUPPORTED) ────────────────────────────────────────────────────────────────────────────────────────────────
# What annealing does: with the strong decoder it brings the latents back into use. The ELBO does not show it, since
# its gap to log p(x) grows with what the latents must say; the importance-weighted bound, which is nearer, does.


@proves("vae.annealing.strong_decoder")
def test_annealing_brings_the_latents_of_a_strong_decoder_back():
    """KL up by nats, ELBO the same to half a nat, the nearer bound surely up."""
    constant, annealed = bounds("strong", "constant"), bounds("strong", "linear")
    assert data.surely_above(annealed[1], constant[1], by=2.0)
    assert abs(data.lead(annealed[0], constant[0])[0]) < 0.5
    assert data.surely_above(annealed[2], constant[2])


@proves("vae.annealing.plain_decoder")
def test_annealing_buys_nothing_for_a_plain_decoder():
    """More KL, no more ELBO, and the nearer bound as it was to a quarter of a nat."""
    constant, annealed = bounds("plain", "constant"), bounds("plain", "linear")
    assert data.surely_above(annealed[1], constant[1])
    assert data.lead(annealed[0], constant[0])[0] < 0.1
    assert abs(data.lead(annealed[2], constant[2])[0]) < 0.25


# ── The picture ──────────────────────────────────────────────────────────────────────────────────────────────────────


def numbers():
    """KL and nearer bound of the strong decoder, without annealing and with it."""
    return {
        f"{what} {schedule}": float(bounds("strong", schedule)[place].mean())
        for schedule in ("constant", "linear")
        for what, place in (("KL", 1), ("log p", 2))
    }


def draw(folder=drawing.PICTURES):
    """Writes the picture."""

    def parts(figure):
        left, right = figure.subplots(1, 2)
        for schedule in ("constant", "linear", "sigmoid", "cyclical"):
            _, trace = trained("strong", schedule)
            smooth = trace.unfold(0, 25, 25).mean(-1)
            steps = [25 * k + 12 for k in range(len(smooth))]
            left.plot(steps, smooth[:, 1].tolist(), linewidth=1)
            right.plot(steps, (smooth[:, 0] - smooth[:, 1]).tolist(), label=schedule, linewidth=1)
        left.set(title="KL term, nats", xlabel="step", ylim=(0, 12))
        right.set(title="ELBO of the batches, nats", xlabel="step", ylim=(-25, -16))
        right.legend(title="weight of the KL term")
        shown = numbers()
        figure.suptitle(
            "A strong decoder, held out: "
            f"KL {shown['KL constant']:.1f} and log p(x) ≥ {shown['log p constant']:.1f} with a constant weight,\n"
            f"KL {shown['KL linear']:.1f} and log p(x) ≥ {shown['log p linear']:.1f} with a linear rise to it"
        )
        return "; ".join(f"{name} {value:.1f}" for name, value in shown.items())

    return drawing.save("posterior_collapse.svg", parts, (6.4, 3.2), folder)


@proves("vae.annealing.strong_decoder")
def test_the_committed_picture_says_these_numbers():
    """To the spread between machines and seeds."""
    shown = drawing.said("posterior_collapse.svg")
    assert shown.keys() == numbers().keys()
    assert all(abs(shown[name] - value) < SEEDS_DIFFER for name, value in numbers().items())


if __name__ == "__main__":
    print(draw())
