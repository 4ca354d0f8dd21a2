"""Claims on the evidence lower bound and on the losses made of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from genverify.claims import Status, claim

if TYPE_CHECKING:
    import sympy

__all__ = [
    "BETA_BOUND", "BETA_MINUS", "CHAIN_RULE", "CONDITIONAL", "EXPERTS", "IDENTITY", "JENSEN", "MEAN_REDUCED",
    "ONE_DRAW",
]  # fmt: skip

_TWO = ("the algebra is executed at two outcomes of z, all probabilities symbols", "q(z) > 0 and p(z | x) > 0")


def _identity() -> sympy.Basic:
    import sympy

    names = (
        r"\log p(x)", r"\mathrm{KL}\left(q \,\Vert\, p(z \mid x)\right)", r"\operatorname{E}_q \log p(x \mid z)",
        r"\mathrm{KL}\left(q \,\Vert\, p(z)\right)",
    )  # fmt: skip
    evidence, gap, likelihood, divergence = (sympy.Symbol(name) for name in names)
    return sympy.Eq(evidence - gap, likelihood - divergence, evaluate=False)


def _variance() -> sympy.Basic:
    import sympy

    d, s, v = sympy.symbols("D S v", positive=True)
    return sympy.Eq(s / d, (s / (2 * v)).subs(v, d / 2), evaluate=False)


def _product() -> sympy.Basic:
    import sympy

    mu: Any = sympy.IndexedBase("mu")
    t: Any = sympy.IndexedBase("T")
    i, m = sympy.Symbol("i", integer=True), sympy.Symbol("M", integer=True, positive=True)
    above: Any = sympy.Sum(t[i] * mu[i], (i, 1, m))
    below: Any = sympy.Sum(t[i], (i, 1, m))
    return sympy.Eq(sympy.Symbol("mu"), above / below, evaluate=False)


IDENTITY = claim(
    "elbo.identity", Status.DERIVED,
    statement="log p(x) − KL(q ‖ p(z | x)) = E_q log p(x | z) − KL(q ‖ p(z)) for every q",
    source="CSDS440 slides; Kingma & Welling 2014, eq. 1–3; Doersch 2016, eq. 5",
    assumptions=_TWO, equation=_identity,
)  # fmt: skip

JENSEN = claim(
    "elbo.jensen", Status.DERIVED,
    statement="E_q log p(x, z)/q(z) ≤ log E_q p(x, z)/q(z) = log p(x), with equality only where p(x, z)/q(z) is the "
    "same for every z, that is q = p(z | x)",
    source="CSDS440 slides; Jordan et al. 1999, section 6",
    assumptions=(*_TWO, "log t ≤ t − 1, which is proved"),
)  # fmt: skip

ONE_DRAW = claim(
    "elbo.one_draw", Status.SUPPORTED,
    statement="one draw z = m + Lε for each x is enough: log p(x | z) − KL and its gradients with respect to the "
    "parameters of both networks are unbiased, for the bound in closed form and for its gradients",
    source="VAE-GAN post; Kingma & Welling 2014, section 2.3",
    assumptions=("the linear-Gaussian model at the spec's parameters; the draws are integrated out",),
)  # fmt: skip

BETA_BOUND = claim(
    "vae.beta_loss.bound", Status.DERIVED,
    statement="the loss −E log p(x | z) + β KL is the negative bound at β = 1, and for β ≥ 1 at least that, so "
    "that its "
    "negative is still a lower bound of log p(x)",
    source="Higgins et al. 2017, eq. 4", assumptions=("KL ≥ 0",),
)  # fmt: skip

BETA_MINUS = claim(
    "vae.beta_loss.minus", Status.REFUTED,
    statement="the loss of a β-VAE is (reconstruction loss) − β (regularisation)",
    source="VAE-GAN post, on β-VAE",
    counterexample="w = 0: the reconstruction loss does not depend on the encoder, and with m = 10, 100, 1000 and "
    "l = 1 "
    "the loss falls without bound, by ½ β m²",
    corrected="(reconstruction loss) + β KL, which is bounded below by that of the bound where β ≥ 1",
)  # fmt: skip

MEAN_REDUCED = claim(
    "elbo.gaussian.mean_reduced", Status.REFUTED,
    statement="mean-reduced MSE + KL is the negative ELBO of a Gaussian decoder with unit variance",
    source="VAE tutorials in general; Rybkin, Daniilidis & Levine 2021, section 3, on the balance of the two terms",
    counterexample="D = 4 pixels with (x − x̂)² = 1 each: the mean is 1, and −log N is 2 but for its constant",
    corrected="it is that of a decoder with variance D/2, up to a constant; or that of unit variance times 2/D with "
    "β = D/2", equation=_variance,
)  # fmt: skip

CONDITIONAL = claim(
    "vae.conditional_loss.identity", Status.DERIVED,
    statement="log p(x | c) − KL(q(z | x, c) ‖ p(z | x, c)) = E_q log p(x | z, c) − KL(q(z | x, c) ‖ p(z | c)): "
    "the prior "
    "is that of the condition",
    source="Sohn, Lee & Yan 2015",
    assumptions=("two outcomes of z at one value of c, all probabilities symbols",),
)  # fmt: skip

EXPERTS = claim(
    "vae.product_of_experts.closed_form", Status.DERIVED,
    statement="a product of normal densities is, up to a factor, the one with precision Σ T_i and mean Σ T_i μ_i/Σ T_i",
    source="Cao & Fleet 2014; Wu & Goodman 2018, section 2.1",
    assumptions=("two experts with symbolic parameters; more by induction",), equation=_product,
)  # fmt: skip

CHAIN_RULE = claim(
    "kl.hierarchical.chain_rule", Status.DERIVED,
    statement="KL(q(z₁, z₂) ‖ p(z₁, z₂)) = KL(q(z₂) ‖ p(z₂)) + E_{q(z₂)} KL(q(z₁ | z₂) ‖ p(z₁ | z₂)): the "
    "divergences of "
    "the layers add up, each at the z above that was drawn",
    source="Cover & Thomas 2006, theorem 2.5.3; Sønderby et al. 2016",
    assumptions=("two binary layers, all probabilities symbols; more layers by induction",),
)  # fmt: skip
