"""Claims on what maximum likelihood reaches with flows, where the density of the data is known."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from genverify.claims import Status, claim

if TYPE_CHECKING:
    import sympy

__all__ = ["CERTIFIED", "COUPLING", "FOLDED", "GIBBS", "LEAST_DIVERGENCE", "RESIDUAL"]

_GIBBS = "Gibbs 1902, chapter XI, theorem II; Cover & Thomas 2006, theorem 8.6.1"
_LAWS = "moons, rings and a checkerboard in the plane, whose densities are known"


def _gibbs() -> sympy.Basic:
    import sympy

    i, n = sympy.symbols("i n", integer=True, positive=True)
    p: Any = sympy.IndexedBase("p")
    q: Any = sympy.IndexedBase("q")
    left = sympy.Sum(p[i] * sympy.log(q[i]), (i, 1, n))
    right = sympy.Sum(p[i] * sympy.log(p[i]), (i, 1, n))
    return sympy.Le(left, right + sympy.log(sympy.Sum(q[i], (i, 1, n))), evaluate=False)


GIBBS = claim(
    "flow.training.gibbs", Status.DERIVED,
    statement="the expected log-likelihood of a model of total mass M is at most −H(p) + log M, whatever the model: of "
    "one of mass one it is at most that of the data's own law, −H(p), and reaches it for q = p only",
    source=_GIBBS, assumptions=("q > 0 where p > 0; finitely many points, for the algebra executed: three",),
    theorems=("log t ≤ t − 1, with equality at t = 1 only: shown by the slope 1/t − 1",), equation=_gibbs,
)  # fmt: skip

LEAST_DIVERGENCE = claim(
    "flow.training.least_divergence", Status.DERIVED,
    statement="−E log q_θ(x) is KL(p ‖ q_θ) and a constant, H(p): the parameters of the greatest expected likelihood "
    "are those of the least divergence, and the gradients of the two are the same",
    source="Bishop 2006, section 1.6.1", assumptions=("finite entropy of p; executed for three points",),
)  # fmt: skip

COUPLING = claim(
    "flow.training.coupling", Status.SUPPORTED,
    statement="four spline couplings trained by maximum likelihood come to within 0.12 nats of minus the entropy on "
    "moons and rings, and on the checkerboard to half of what the best normal law falls short of it",
    source="Durkan et al. 2019, section 5.1", assumptions=(_LAWS, "320 steps of 256 of 20,000 draws"),
)  # fmt: skip

RESIDUAL = claim(
    "flow.training.residual", Status.SUPPORTED,
    statement="ten invertible residual blocks with linear maps between come nearer to minus the entropy than the best "
    "normal law: to half of its distance on moons and two thirds on the checkerboard; on rings four fifths are left",
    source="Behrmann et al. 2019, section 5.1", assumptions=(_LAWS, "360 steps of 256 of 20,000 draws; Lip F ≤ 0.8"),
)  # fmt: skip

CERTIFIED = claim(
    "flow.training.certified", Status.SUPPORTED,
    statement="after training each flow is a bijection with the log-determinant of its Jacobian, each density has "
    "mass one, and each residual branch the Lipschitz constant that makes its block invertible",
    source="Dinh, Sohl-Dickstein & Bengio 2017, eqs. 2–8; Behrmann et al. 2019, theorem 1", assumptions=(_LAWS,),
)  # fmt: skip

FOLDED = claim(
    "flow.training.folded", Status.SUPPORTED,
    statement="a flow behind a layer that folds the plane (two halves on one another, log|det| = 0) is given by the "
    "change of variables a log-likelihood above that of the data's own law; the log-determinant is right, and only the "
    "mass, nearly two, tells",
    source="Gibbs' inequality above; Behrmann et al. 2019, section 2, on maps that are not invertible",
    assumptions=("the two moons, each the other's image",),
)  # fmt: skip
