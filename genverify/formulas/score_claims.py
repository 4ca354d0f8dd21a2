"""Claims on scores."""

from __future__ import annotations

from typing import TYPE_CHECKING

from genverify.claims import Status, claim
from genverify.oracles import score as oracle

if TYPE_CHECKING:
    import sympy

__all__ = ["EXPLICIT", "LANGEVIN", "SLICED", "TWEEDIE", "VARIANCE"]


def _mean() -> sympy.Basic:
    import sympy

    return sympy.Eq(sympy.Symbol(r"E[y \mid x]"), oracle.tweedie_mean.expression, evaluate=False)


EXPLICIT = claim(
    "score.denoising_matching.explicit", Status.DERIVED,
    statement="denoising score matching differs from explicit score matching of the noisy density by a constant that "
    "does not depend on the score",
    source="Vincent 2011, section 4.2",
    assumptions=("normal data in one dimension, and a score that is any polynomial of degree three",),
)  # fmt: skip

SLICED = claim(
    "score.sliced_matching.unbiased", Status.DERIVED,
    statement="with E vvᵀ = I the sliced loss has the mean of E tr ∇s + ½ ‖s‖², which is explicit score matching up "
    "to a "
    "constant; v of unit length makes it 1/d of that, and without ½ half of the score is learnt",
    source="Hyvärinen 2005, theorem 1; Song et al. 2020, section 3",
    assumptions=("two dimensions for v; normal data in one dimension, and a score that is a polynomial",),
)  # fmt: skip

TWEEDIE = claim(
    "score.tweedie.normal", Status.DERIVED,
    statement="x + σ² ∇ log p(x) is the mean of the data behind x, where x = y + σ ε; of x = α y + σ ε it is α times "
    "that",
    source="Robbins 1956; Efron 2011, eq. 1.4", equation=_mean, assumptions=("normal data; in one dimension",),
)  # fmt: skip

LANGEVIN = claim(
    "score.langevin_step.stationary", Status.REFUTED,
    statement="Langevin's step, x + (ε/2) s(x) + √ε z, leaves the density as it is",
    source="as often read into Welling & Teh 2011, eq. 4",
    counterexample="of a standard normal density the step at ε = 1 leaves the variance 4/3",
    corrected="of a standard normal density the variance that it leaves is 1/(1 − ε/4), one only as ε → 0",
    assumptions=("0 < ε < 4; one dimension",),
)  # fmt: skip

VARIANCE = claim(
    "score.langevin_step.variance", Status.DERIVED,
    statement="of a standard normal density the variance that small steps x + (ε/2) s + √ε z leave tends to one; with "
        "the "
    "noise ε z it tends to zero, and with the whole of the drift, ε s, to one half",
    source="Welling & Teh 2011, eq. 4; Parisi 1981", assumptions=("one dimension, ε → 0",),
)  # fmt: skip
