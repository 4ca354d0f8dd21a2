"""Unrolled games: what the generator learns when it looks through steps of the discriminator.

A generator that descends against the discriminator of this moment runs after it. Metz et al. let it descend against
the discriminator as it will be K steps later, and, what matters, differentiate through these steps: then it knows how
it will be answered. Code that runs the K steps by an optimizer and then differentiates has the right value of the loss
and not its gradient.

Source: Metz, Poole, Pfau & Sohl-Dickstein 2017, "Unrolled generative adversarial networks".
"""

from __future__ import annotations

import sympy
import torch
from torch import nn

import genverify as gv
from genverify.claims import proves
from genverify.oracles import unrolled as oracle
from genverify.reference.adversarial.steps import unrolled_step


class Points(nn.Module):
    """A generator that is its samples."""

    def __init__(self, points: torch.Tensor) -> None:
        super().__init__()
        self.points = nn.Parameter(points)

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        """The points, whatever the noise."""
        return self.points


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# Through one step of a linear discriminator the generator's slope has a second term, which is D's answer.
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# L_D = log(1 + e^(−w·x)) + log(1 + e^(w·y)); w₁ = w − η ∂L_D/∂w depends on y. So d(w₁·y)/dy = w₁ + (∂w₁/∂y)ᵀ y, with
# ∂w₁/∂y = −η (σ(w·y) I + σ′(w·y) y wᵀ).


@proves("gan.unrolled.linear_discriminator")
def test_the_slope_through_one_step():
    """SymPy differentiates through the step; the reference's gradient is the oracle's, and not that with w₁ held."""
    w, x, y = (sympy.Matrix(sympy.symbols(f"{name}1 {name}2", real=True)) for name in "wxy")
    rate = sympy.Symbol("eta", positive=True)

    def sigma(t):
        return 1 / (1 + sympy.exp(-t))

    loss = sympy.log(1 + sympy.exp(-w.dot(x))) + sympy.log(1 + sympy.exp(w.dot(y)))
    after = sympy.Matrix([w[i] - rate * sympy.diff(loss, w[i]) for i in range(2)])
    stated = w + rate * (sigma(-w.dot(x)) * x - sigma(w.dot(y)) * y)
    assert sympy.simplify(after - stated) == sympy.zeros(2, 1)
    caught, t = sigma(w.dot(y)), sympy.Symbol("t")
    slope = sympy.diff(sigma(t), t).subs(t, w.dot(y))
    inner = stated - rate * (caught * y + slope * y.dot(y) * w)
    by_sympy = sympy.Matrix([sympy.diff(stated.dot(y), one) for one in y])
    assert sympy.simplify(by_sympy - inner) == sympy.zeros(2, 1)
    assert sympy.simplify(sympy.diff(sympy.log(1 + sympy.exp(-t)), t) + sigma(-t)) == 0

    torch.manual_seed(0)
    real, fake = torch.randn(4, 3).double(), torch.randn(4, 3).double()
    D, G = nn.Linear(3, 1, bias=False).double(), Points(fake.clone())
    unrolled_step(G, D, real, fake, torch.optim.SGD(G.parameters(), lr=0.1), unroll_steps=1, lr=0.7)
    weight = D.weight.detach()[0]
    found = G.points.grad
    torch.testing.assert_close(found, oracle.linear_unrolled_gradient(weight, real, fake, 0.7))
    held = oracle.linear_unrolled_gradient(weight, real, fake, 0.7, held=True)
    assert float((found - held).norm() / found.norm()) > 0.1


@proves("gan.unrolled.linear_discriminator")
def test_the_steps_by_an_optimizer_are_held():
    """The reference passes; K steps by an optimizer with D put back afterwards are FAIL, and said to be held."""
    subject = gv.TrainingStep(unrolled_step, like="gan.unrolled_step")
    report = gv.verify(subject, budget="quick")
    assert {v.outcome for v in report} <= {gv.Outcome.PASS, gv.Outcome.NOT_APPLICABLE}, str(report)

    def by_an_optimizer(G, D, real, z, opt_G, opt_D, unrolled_steps=3):
        before = {name: t.clone() for name, t in D.state_dict().items()}
        for _ in range(unrolled_steps):
            opt_D.zero_grad()
            loss = nn.functional.softplus(-D(real)).mean() + nn.functional.softplus(D(G(z))).mean()
            loss.backward(create_graph=True)
            opt_D.step()
        opt_G.zero_grad()
        nn.functional.softplus(-D(G(z))).mean().backward()
        opt_G.step()
        D.load_state_dict(before)

    (failure,) = gv.verify(gv.TrainingStep(by_an_optimizer, like="gan.unrolled_step"), budget="quick").failures
    assert failure.check == "training_step.unrolled"
    assert "held there" in str(failure)


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# In the game φθ it is the derivative through the step that makes the game contract.
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# K steps up lead from θ to θ + K η φ. So G's loss is φθ + K η φ², with the slope θ + 2 K η φ; with D held, θ + K η φ.
# One step of both is linear, and its determinant is the factor of areas.


@proves("gan.unrolled.bilinear")
def test_the_determinant_of_a_step():
    """The determinants in SymPy, and their consequence: the distance from the equilibrium after many steps."""
    phi, theta, rate, steps = sympy.symbols("phi theta eta K", positive=True)
    after = theta + steps * rate * phi
    through, held = sympy.diff(phi * after, phi), after
    now = sympy.diff(phi * theta, phi)
    factors = {}
    for name, slope in (("through", through), ("held", held), ("now", now)):
        step = sympy.Matrix([phi - rate * slope, theta + rate * sympy.diff(phi * theta, theta)])
        factors[name] = sympy.expand(step.jacobian([phi, theta]).det())
    assert sympy.expand(factors["through"] - (1 - (2 * steps - 1) * rate**2)) == 0
    assert sympy.expand(factors["held"] - (1 - (steps - 1) * rate**2)) == 0
    assert sympy.expand(factors["now"] - (1 + rate**2)) == 0
    # By induction K steps are those K η φ: one more adds η φ, whatever θ is.
    assert sympy.expand(after.subs(steps, steps + 1) - after - rate * phi) == 0
    assert factors["held"].subs(steps, 1) == 1
    matrix = sympy.Matrix([phi - rate * through, theta + rate * phi]).jacobian([phi, theta]).subs({steps: 1, rate: 0.1})
    assert all(abs(sympy.im(one)) > 0 for one in matrix.eigenvals())
    lengths = {}
    for name, slope in (("through", through), ("held", held), ("now", now)):
        f = sympy.lambdify((phi, theta), slope.subs({steps: 1, rate: 0.1}))
        a, b = 1.0, 0.0
        for _ in range(500):
            a, b = a - 0.1 * f(a, b), b + 0.1 * a
        lengths[name] = (a * a + b * b) ** 0.5
    assert lengths["through"] < 0.1 < 0.5 < lengths["held"] < 2 < lengths["now"]
