"""The VQ-VAE at work: every picture that it can paint, how often each code is used, and the exact likelihood.

![All 256 pictures of two codes of sixteen; reconstructions; how often each code is used](pictures/vqvae.png)

With two codes of sixteen for a picture there are 256 pictures in all, so that nothing needs to be estimated: log p(x)
is a sum over them. The bound that training raises takes only the pair of codes that the encoder chose, and pays for
it with log 256 nats under a uniform prior, or with what a learned prior asks for.

`python -m specs.vqvae` draws the picture anew (`pip install genverify[plot,data]`).

Source: van den Oord, Vinyals & Kavukcuoglu 2017, "Neural discrete representation learning".
"""

from __future__ import annotations

import functools
import math

import pytest
import torch

from genverify.claims import proves
from genverify.numerics.rounding import unit_roundoff
from genverify.reference.autoencoders.vector_quantisation import perplexity
from genverify.reference.autoencoders.vqvae import VQVAE
from genverify.reference.likelihood.densities import bernoulli
from specs import digits as data
from specs import drawing

TRAIN, HELD = data.digits()
POSITIONS, DIM, CODES = 2, 4, 16
STATED = -20.0  # nats a held-out picture, with half a nat to spare: the slow test trains from five more seeds
SEEDS_DIFFER = 0.5  # nats by which another machine's rounding, or another seed, may move a mean


@functools.cache
def trained(seed=0):
    make = functools.partial(VQVAE, data.PIXELS, data.HIDDEN, POSITIONS, DIM, CODES, decay=0.99)
    return data.trained(make, lambda model, x, step: model.loss(x), TRAIN.binary, seed=seed)


def pairs():
    """Every pair of codes, [256, 2]."""
    return torch.cartesian_prod(torch.arange(CODES), torch.arange(CODES))


def learned_prior():
    """Log p of each pair of codes: how often the pictures of the training have it.

    A count for each code and position is spread over the pairs as if the two were independent: none has probability 0.
    """
    found = trained().indices(TRAIN.binary)
    counts = torch.zeros(CODES, CODES).index_put_(tuple(found.mT), torch.ones(len(found)), accumulate=True)
    spread = (counts.sum(1) + 1)[:, None] * (counts.sum(0) + 1)
    strength = POSITIONS * CODES
    smoothed = counts + strength * spread / spread.sum()
    return (smoothed / smoothed.sum()).log()


# ── Claim (SUPPORTED) ────────────────────────────────────────────────────────────────────────────────────────────────
# log p(x|e) − 2 log 16 bounds log p(x) from below; a learned prior takes the place of the uniform one.


@functools.cache
def bounds():
    """Of each held-out picture: the bound under a uniform prior, and under the learned one."""
    model = trained()
    learned = model.log_likelihood(HELD.binary) + learned_prior()[tuple(model.indices(HELD.binary).mT)]
    return model.elbo(HELD.binary), learned


@proves("vqvae.training.bound")
def test_the_bound_beats_independent_pixels():
    """By four nats; and the learned prior beats the uniform one."""
    uniform, learned = bounds()
    assert uniform.mean() > STATED
    assert data.surely_above(uniform, data.independent_pixels(HELD.binary), by=4.0)
    assert data.surely_above(learned, uniform)


@pytest.mark.slow
@proves("vqvae.training.bound")
@pytest.mark.parametrize("seed", range(1, 6))
def test_other_seeds_do_as_well(seed):
    """The stated bound with half a nat to spare, and the bar; the codebook is in use."""
    model = trained(seed)
    assert model.elbo(HELD.binary).mean() > STATED + SEEDS_DIFFER
    assert data.surely_above(model.elbo(HELD.binary), data.independent_pixels(HELD.binary), by=4.0)
    assert perplexity(model.indices(HELD.binary), CODES) > 12


@proves("vqvae.training.bound")
def test_the_learned_prior_is_one():
    """Probabilities of all pairs add up to one."""
    assert abs(float(learned_prior().exp().sum()) - 1) < CODES**2 * unit_roundoff(torch.float32)


# ── Claim (SUPPORTED) ────────────────────────────────────────────────────────────────────────────────────────────────
# log p(x) = log (1/256) Σ p(x | e_i, e_j), over all pairs.


@functools.cache
def exact():
    """Log p(x) of each held-out picture under the uniform prior."""
    model = trained()
    logits = model.decode(model.quantizer.codebook[pairs()].movedim(-1, 1))
    return torch.logsumexp(bernoulli(HELD.binary[:, None], logits).sum(-1), -1) - math.log(len(pairs()))


@proves("vqvae.training.exact")
def test_no_bound_exceeds_the_likelihood():
    """Of no held-out picture, but for rounding; on average the gap is below two nats."""
    assert len(pairs()) == 256
    gap = exact() - bounds()[0]
    rounding = 2 * data.PIXELS * unit_roundoff(torch.float32) * exact().abs()
    assert bool((gap >= -rounding).all())
    assert gap.mean() < 2.0


# ── Claim (SUPPORTED) ────────────────────────────────────────────────────────────────────────────────────────────────
# The codebook is in use.


@proves("vqvae.training.usage")
def test_the_codebook_is_in_use():
    """Perplexity of the codes, both positions together."""
    assert perplexity(trained().indices(HELD.binary), CODES) > 12


# ── The picture ──────────────────────────────────────────────────────────────────────────────────────────────────────


def numbers():
    """What the picture's titles say."""
    uniform, learned = bounds()
    return {
        "bound": float(uniform.mean()), "bound with a learned prior": float(learned.mean()),
        "exact": float(exact().mean()), "perplexity": float(perplexity(trained().indices(HELD.binary), CODES)),
    }  # fmt: skip


def draw(folder=drawing.PICTURES):
    """Writes the picture."""

    def parts(figure):
        (first, second), (third, fourth) = figure.subplots(2, 2)
        shown, model = numbers(), trained()
        drawing.show(
            first,
            model.pixels(pairs()),
            CODES,
            f"all {len(pairs())} pictures: a row a first code,\na column a second one",
        )
        back = model.pixels(model.indices(HELD.binary))
        both = torch.cat([half for k in range(0, 50, 10) for half in (HELD.binary[k : k + 10], back[k : k + 10])])
        drawing.show(
            second,
            both,
            10,
            f"held out, and their reconstructions\nbound {shown['bound']:.1f}, log p(x) {shown['exact']:.1f} nats",
        )
        third.imshow(learned_prior().exp().tolist(), cmap="gray_r")
        third.set(title="the learned prior of pairs", ylabel="first code", xlabel="second code", xticks=[], yticks=[])
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(4)
            drawn = pairs()[torch.multinomial(learned_prior().exp().flatten(), 100, replacement=True)]
        drawing.show(
            fourth,
            model.pixels(drawn),
            10,
            f"samples from it\nperplexity of the codes {shown['perplexity']:.1f} of {CODES}",
        )
        return "; ".join(f"{name} {value:.1f}" for name, value in shown.items())

    return drawing.save("vqvae.png", parts, (6.4, 6.8), folder)


@proves("vqvae.training.usage")
def test_the_committed_picture_says_these_numbers():
    """To the spread between machines and seeds; a perplexity is no number of nats, and may differ by two codes."""
    shown = drawing.said("vqvae.png")
    assert shown.keys() == numbers().keys()
    for name, value in numbers().items():
        assert abs(shown[name] - value) < (2.0 if name == "perplexity" else SEEDS_DIFFER)


if __name__ == "__main__":
    print(draw())
