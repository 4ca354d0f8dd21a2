"""Adversarial training at work: five ways to learn a ring of normal laws, and one to lose it.

![Samples of six generators over the ring that they learn](pictures/adversarial_training.png)

A generator can be judged here, since the law of the data is known: how many of the eight laws it finds, how much of
what it draws lies near to one (three standard deviations), and how far its samples are from the mixture's own (W₁ of
1000 and 1000 samples, by the cheapest pairing). The bars are what the mixture's own samples reach, and those of the
normal law with its mean and covariance, which is the best that knows nothing of modes.

| | modes of 8 | near one | W₁ |
| --- | --- | --- | --- |
| the mixture itself | 8 | 0.986 | 0.127 |
| its best normal law | 0 | 0.066 | 0.833 |
| GAN | 8 | 0.736 | 0.504 |
| GAN with R1 | 8 | 0.744 | 0.161 |
| WGAN, clipped | 8 | 0.591 | 0.239 |
| WGAN-GP | 8 | 0.691 | 0.178 |
| SN-GAN | 8 | 0.693 | 0.171 |
| a GAN that collapses | 2 | 0.940 | 2.005 |

`python -m specs.adversarial_training` prints the table anew, and draws the picture (`pip install genverify[plot]`).

Sources: Goodfellow et al. 2014, "Generative adversarial nets"; Metz et al. 2017, "Unrolled generative adversarial
networks"; Arjovsky, Chintala & Bottou 2017, "Wasserstein GAN"; Gulrajani et al. 2017, "Improved training of
Wasserstein GANs"; Miyato et al. 2018, "Spectral normalization for generative adversarial networks"; Mescheder, Geiger
& Nowozin 2018, "Which training methods for GANs do actually converge?".
"""

from __future__ import annotations

import functools
import re

import pytest
import sympy
import torch

from genverify.claims import proves
from specs import drawing
from specs.ring import CENTRES, MODES, RADIUS, RECIPES, best_normal, coverage, distance, held_out, samples, trained

PLAIN, COLLAPSED = "GAN", "a GAN that collapses"
BOUNDED = [name for name in RECIPES if name not in (PLAIN, COLLAPSED)]
# Training magnifies rounding, so another machine ends elsewhere: as far as another seed does.
SHARES_DIFFER, DISTANCES_DIFFER = 0.2, 0.15


@functools.cache
def apart(name: str, seed: int = 0) -> float:
    """How far the generator's samples are from the mixture's."""
    return distance(samples(name, seed), held_out())


def unevenness(name: str) -> float:
    """The deviation of the counts of the modes over their mean."""
    counts = coverage(samples(name)).counts.double()
    return float(counts.std(correction=0) / counts.mean())


# ── Claim (SUPPORTED) ────────────────────────────────────────────────────────────────────────────────────────────────
# Where the slope of the critic is bounded, all modes are found.


@proves("gan.training.modes")
@pytest.mark.parametrize("name", BOUNDED)
def test_all_modes_are_found(name):
    """Each by a tenth of its due at least; and half as far from the mixture as the best normal law is, or nearer."""
    assert coverage(samples(name)).covered() == MODES
    assert apart(name) < distance(best_normal(), held_out()) / 2


@pytest.mark.slow
@proves("gan.training.modes")
@pytest.mark.parametrize("seed", range(1, 8))
@pytest.mark.parametrize("name", BOUNDED)
def test_other_seeds_do_as_well(name, seed):
    """The same bars."""
    assert coverage(samples(name, seed)).covered() == MODES
    assert apart(name, seed) < distance(best_normal(), held_out()) / 2


@proves("gan.training.modes")
def test_without_a_bound_they_are_found_less_evenly():
    """Six of eight at least; their counts differ by half as much again as those of the same game with R1, or more."""
    assert coverage(samples(PLAIN)).covered() >= 6
    assert unevenness(PLAIN) > 1.5 * unevenness("GAN with R1")
    assert apart(PLAIN) > apart("GAN with R1")


@proves("gan.training.modes")
def test_the_bars_are_what_they_should_be():
    """The mixture's own samples are near to its modes as a normal deviate is (98.9 %); a normal law has no modes."""
    own = coverage(held_out(5))
    assert own.covered() == MODES
    assert own.near > 0.97
    assert distance(held_out(5), held_out()) < 0.25
    assert coverage(best_normal()).near < 0.2


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# Against a discriminator that stays, the best answer is a point mass where the score is highest.
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# With s_i = s* − g_i, g_i ≥ 0, the mean score of a law q is Σ q_i s_i = s* − Σ q_i g_i ≤ s*, and a point mass where
# g_i = 0 reaches it. So nothing but the discriminator's own movement keeps a generator from collapsing.


@proves("gan.training.best_answer")
def test_the_best_answer_to_one_discriminator_is_one_point():
    """Three points: the mean falls short of the highest score by Σ q_i g_i, and of nothing at the highest."""
    top, g = sympy.Symbol("s", real=True), sympy.symbols("g1 g2", nonnegative=True)
    q = sympy.symbols("q1 q2", nonnegative=True)
    mean = (1 - q[0] - q[1]) * top + q[0] * (top - g[0]) + q[1] * (top - g[1])
    lost = sympy.expand(top - mean)
    assert lost == q[0] * g[0] + q[1] * g[1]
    assert lost.is_nonnegative
    assert lost.subs({q[0]: 0, q[1]: 0}) == 0


# ── Claim (SUPPORTED) ────────────────────────────────────────────────────────────────────────────────────────────────
# The same GAN with momentum and five steps of the discriminator to one: it collapses.


@proves("gan.training.collapse")
def test_modes_are_lost_and_single_samples_do_not_show_it():
    """Three modes or fewer, most samples near to one, and further from the mixture than the best normal law is."""
    found = coverage(samples(COLLAPSED))
    assert found.covered() <= 3
    assert found.near > 0.7
    assert apart(COLLAPSED) > distance(best_normal(), held_out())


@pytest.mark.slow
@proves("gan.training.collapse")
@pytest.mark.parametrize("seed", range(1, 4))
def test_modes_are_lost_from_other_starts(seed):
    """Three or fewer."""
    assert coverage(samples(COLLAPSED, seed)).covered() <= 3


# ── The table and the picture ────────────────────────────────────────────────────────────────────────────────────────


def numbers() -> dict[str, tuple[float, float, float]]:
    """Modes, share near one, and distance of each."""
    found = {name: coverage(samples(name)) for name in RECIPES}
    return {name: (float(one.covered()), one.near, apart(name)) for name, one in found.items()}


def table() -> list[str]:
    """A row for each model."""
    return [f"| {name} | {modes:.0f} | {near:.3f} | {far:.3f} |" for name, (modes, near, far) in numbers().items()]


def _agree(shown: dict[str, tuple[float, ...]]) -> None:
    assert shown.keys() == RECIPES.keys()
    for name, (modes, near, far) in numbers().items():
        loose = name in (PLAIN, COLLAPSED)
        assert abs(shown[name][0] - modes) <= (2 if loose else 0)
        assert abs(shown[name][1] - near) < SHARES_DIFFER
        assert abs(shown[name][2] - far) < (4 if loose else 1) * DISTANCES_DIFFER


@proves("gan.training.modes")
def test_the_table_says_these_numbers():
    """To what seeds differ."""
    assert __doc__ is not None
    rows = [line.strip("| ").split(" | ") for line in __doc__.splitlines() if re.match(r"\| .* \| [\d.]+ \|$", line)]
    shown = {row[0]: tuple(float(one) for one in row[1:]) for row in rows}
    own, normal = held_out(5), best_normal()
    for name, x in (("the mixture itself", own), ("its best normal law", normal)):
        modes, near, far = shown.pop(name)
        found = coverage(x)
        assert modes == found.covered()
        assert (near, far) == pytest.approx((found.near, distance(x, held_out())), abs=1e-3)
    _agree(shown)


def draw(folder=drawing.PICTURES):
    """Writes the picture."""

    def parts(figure):
        shown = numbers()
        for axes, name in zip(figure.subplots(2, 3, sharex=True, sharey=True).flat, RECIPES, strict=True):
            x = samples(name)
            axes.scatter(x[:, 0].tolist(), x[:, 1].tolist(), s=1, color="tab:blue", rasterized=True)
            axes.scatter(CENTRES[:, 0].tolist(), CENTRES[:, 1].tolist(), s=60, facecolor="none", edgecolor="tab:red")
            modes, _, far = shown[name]
            axes.set_title(f"{name}\n{modes:.0f} of 8, W₁ {far:.2f}")
            axes.set(xlim=(-1.5 * RADIUS, 1.5 * RADIUS), ylim=(-1.5 * RADIUS, 1.5 * RADIUS), aspect="equal")
        return "; ".join(
            f"{name} {what} {value:.3f}"
            for name, found in shown.items()
            for what, value in zip(("modes", "near", "W1"), found, strict=True)
        )

    return drawing.save("adversarial_training.png", parts, (6.4, 4.8), folder)


@proves("gan.training.collapse")
def test_the_committed_picture_says_these_numbers():
    """To what seeds differ."""
    said = drawing.said("adversarial_training.png")
    _agree({name: tuple(said[f"{name} {what}"] for what in ("modes", "near", "W1")) for name in RECIPES})


@proves("gan.training.modes")
def test_training_leaves_torch_as_it_was():
    """Threads, random numbers; and what is trained is not trained any further."""
    before, threads = torch.get_rng_state(), torch.get_num_threads()
    G, D = trained(PLAIN, seed=0, rounds=2)
    assert torch.equal(before, torch.get_rng_state())
    assert torch.get_num_threads() == threads
    assert not any(p.requires_grad for network in (G, D) for p in network.parameters())


if __name__ == "__main__":
    print(*table(), draw(), sep="\n")
