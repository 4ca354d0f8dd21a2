"""Claims on what adversarial training reaches: Wasserstein's duality, games with a known end, modes on a ring."""

from __future__ import annotations

from typing import TYPE_CHECKING

from genverify.claims import Status, claim

if TYPE_CHECKING:
    import sympy

__all__ = [
    "BLIND_STEP", "COLLAPSE", "CRITICS", "GAP", "MODES", "NORMAL_GAME", "NORMAL_LOGIT", "TRANSLATION", "TWO_POINT_GAME",
    "WEAK_DUALITY",
]  # fmt: skip

_VILLANI = "Villani 2009, particular case 5.16 (Kantorovich & Rubinstein)"


def _weak() -> sympy.Basic:
    import sympy

    i, j, n, m = sympy.symbols("i j n m", integer=True, positive=True)
    score, plan, distance = (sympy.IndexedBase(name) for name in ("C", "pi", "d"))
    x, y = sympy.IndexedBase("x"), sympy.IndexedBase("y")
    pairs = ((i, 1, n), (j, 1, m))
    difference = plan[i, j] * (score[x[i]] - score[y[j]])  # type: ignore[operator]
    cost = sympy.Sum(plan[i, j] * distance[i, j], *pairs)  # type: ignore[operator]
    return sympy.Le(sympy.Sum(difference, *pairs), sympy.Symbol("L") * cost, evaluate=False)


WEAK_DUALITY = claim(
    "wgan.duality.weak", Status.DERIVED,
    statement="E C(x) − E C(y) ≤ L Σ π |x − y| for every critic C of Lipschitz constant L and every coupling π: a "
    "critic's value over its constant is at most the Wasserstein distance",
    source=_VILLANI, assumptions=("finite samples; executed for two and three points, with symbols for masses",),
    equation=_weak,
)  # fmt: skip

TRANSLATION = claim(
    "wgan.duality.translation", Status.DERIVED,
    statement="a law and itself moved by v are at the Wasserstein distance |v|, so two normal laws of one covariance "
    "are at the distance of their means: the coupling x ↦ x + v costs |v|, and the critic ⟨x, v⟩/|v| finds as much",
    source=_VILLANI, assumptions=("finite mean; executed in the plane",),
    theorems=("|⟨x, v⟩| ≤ |x| |v| (Cauchy & Schwarz)",),
)  # fmt: skip

CRITICS = claim(
    "wgan.duality.critics", Status.SUPPORTED,
    statement="what clipped, penalised and spectrally normalised critics find over their exact Lipschitz constant "
    "never exceeds the Wasserstein distance; without the division, clipping finds more than there is",
    source="Arjovsky et al. 2017, theorem 3; Gulrajani et al. 2017, section 3; Miyato et al. 2018, section 2",
    assumptions=("128 and 128 points in the plane; one hidden layer of 14 ReLU units, whose constant is exact",),
)  # fmt: skip

GAP = claim(
    "wgan.duality.gap", Status.SUPPORTED,
    statement="a critic of orthogonal layers with sorted pairs between closes the gap of the duality to a twentieth on "
    "16 and 16 points, and one with ReLU between finds less: a sort keeps gradients long, ReLU cuts them",
    source="Anil, Lucas & Grosse 2019, sections 4 and 7.1", assumptions=("three hidden layers of 32 units",),
)  # fmt: skip

TWO_POINT_GAME = claim(
    "gan.game.two_points", Status.SUPPORTED,
    statement="natural-gradient steps on the exact losses bring a generator on two points to the data's law, and the "
    "value of the game to −log 4, with the saturating loss and with the non-saturating one",
    source="Goodfellow et al. 2014, propositions 1 and 2",
    assumptions=("one logit a point for the discriminator, which moves to its best between the generator's steps",),
)  # fmt: skip

NORMAL_LOGIT = claim(
    "gan.game.normal_logit", Status.DERIVED,
    statement="between two normal laws on the line the best discriminator's logit is a quadratic, "
    "a x² + b x + c with a = (1/τ² − 1/σ²)/2, b = μ/σ² − ν/τ²; of equal variance, it is linear",
    source="Goodfellow et al. 2014, proposition 1, for N(μ, σ²) and N(ν, τ²)", assumptions=("σ, τ > 0",),
)  # fmt: skip

NORMAL_GAME = claim(
    "gan.game.normal", Status.SUPPORTED,
    statement="against a quadratic discriminator the generator z ↦ ν + τz comes to the data's mean and |τ| to its "
    "deviation, with expectations by quadrature, and the value to −log 4",
    source="Goodfellow et al. 2014, proposition 2",
    assumptions=("data N(1, ½²), start N(0, 1); the discriminator moves to its best between the generator's steps",),
)  # fmt: skip

MODES = claim(
    "gan.training.modes", Status.SUPPORTED,
    statement="WGAN, WGAN-GP, SN-GAN and a GAN with R1 find all eight normal laws on a ring, and come nearer to the "
    "mixture than the best normal law does, by half; a GAN without a bound on slopes finds them less evenly",
    source="Metz et al. 2017, section 3.1; Arjovsky et al. 2017; Gulrajani et al. 2017; Miyato et al. 2018; Mescheder, "
    "Geiger & Nowozin 2018",
    assumptions=("two hidden layers of 64 ReLU units on either side; 1200 rounds of 128 samples",),
)  # fmt: skip

COLLAPSE = claim(
    "gan.training.collapse", Status.SUPPORTED,
    statement="with five steps of the discriminator to one of the generator and momentum, the same GAN ends on three "
    "modes or fewer; what it draws lies near to modes all the same, so that a look at single samples shows nothing",
    source="Metz et al. 2017, section 3.1", assumptions=("the same networks and rounds",),
)  # fmt: skip

BLIND_STEP = claim(
    "gan.training.best_answer", Status.DERIVED,
    statement="against a discriminator that stays, the generator's best answer is to put all mass where the score is "
    "highest: the mean score of any law is at most the highest score, and a point mass has it",
    source="Metz et al. 2017, section 2.1", assumptions=("finitely many points; executed for three",),
)  # fmt: skip
