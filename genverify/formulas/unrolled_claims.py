"""Claims on games in which the generator looks through steps of the discriminator."""

from __future__ import annotations

from genverify.claims import Status, claim

__all__ = ["ANSWER", "BILINEAR"]

_METZ = "Metz, Poole, Pfau & Sohl-Dickstein 2017"

ANSWER = claim(
    "gan.unrolled.linear_discriminator", Status.DERIVED,
    statement="through one step w₁ = w + η (σ(−w·x) x − σ(w·y) y) of a linear discriminator the slope of −log σ(w₁·y) "
    "in y is −σ(−w₁·y) (w₁ − η (σ(w·y) y + σ′(w·y) (y·y) w)); with w₁ held, −σ(−w₁·y) w₁",
    source=f"{_METZ}, eq. 9",
    assumptions=("one real and one generated sample; the algebra is executed in two dimensions",),
)  # fmt: skip

BILINEAR = claim(
    "gan.unrolled.bilinear", Status.DERIVED,
    statement="in the game φθ, which G lowers and D raises, one step of both multiplies areas by 1 + η² without "
    "unrolling, by 1 − (2K − 1) η² through K steps of D, and by 1 − (K − 1) η² with D after K steps held: through one "
    "step the game contracts, and with that step held it turns in circles",
    source=f"{_METZ}, section 2.2, on the game of Goodfellow 2016, section 8.2",
    assumptions=("the same small η for both, and for the steps that are unrolled; simultaneous steps",),
    theorems=("where the eigenvalues of a step are complex, the modulus of each is the root of its determinant",),
)  # fmt: skip
