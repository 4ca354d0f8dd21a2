"""Elementwise flows: log-determinants that are sums of the logarithms of slopes.

A map that takes each number by itself has a diagonal Jacobian. What can go wrong is the slope, and the sum: over which
axes it goes, and how many digits of it are left where the slope is a difference of numbers near one.

Sources: Dinh, Sohl-Dickstein & Bengio 2017, "Density estimation using Real NVP" (ICLR); Haarnoja et al. 2018, "Soft
actor-critic" (ICML); Ho et al. 2019, "Flow++" (ICML).
"""

from __future__ import annotations

import pytest
import sympy
import torch

import genverify as gv
from genverify.claims import proves
from genverify.formulas import flow_claims
from genverify.oracles import flow_elementwise as oracle
from genverify.reference.flows import elementwise as reference
from genverify.subjects.bijection import Bijection

# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# logabsdet = Σ_i log|f_i′(x_i)|, over all axes of the event.
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# ∂y_i/∂x_j = 0 for i ≠ j, and the determinant of a diagonal matrix is the product of its diagonal.


@proves("flow.elementwise.logabsdet")
def test_the_jacobian_is_diagonal():
    """For applied functions of which nothing is known."""
    x = sympy.symbols("x1:4", real=True)
    image = sympy.Matrix([sympy.Function(f"f{i}")(xi) for i, xi in enumerate(x)])
    jacobian = image.jacobian(x)
    assert jacobian.is_diagonal()
    assert sympy.simplify(jacobian.det() - sympy.prod([jacobian[i, i] for i in range(3)])) == 0


@proves("flow.elementwise.logabsdet")
def test_a_sum_over_the_first_axis_alone_is_seen_on_images():
    """Of rows of features it is right; of images it is not one number a row (vislearn/FrEIA#176)."""

    class FirstAxis(reference.Sigmoid):
        def forward(self, x):
            return torch.sigmoid(x), -(torch.nn.functional.softplus(x) + torch.nn.functional.softplus(-x)).sum(1)

    flat = gv.verify(Bijection(FirstAxis(), event_shape=2, image=(0, 1)), checks=["bijection.logabsdet"])
    image = gv.verify(Bijection(FirstAxis(), event_shape=(2, 3), image=(0, 1)), checks=["bijection.logabsdet"])
    assert [v.outcome for v in (*flat, *image)] == [gv.Outcome.PASS, gv.Outcome.FAIL]


# ── Claims ───────────────────────────────────────────────────────────────────────────────────────────────────────────
# The slopes of tanh, sigmoid, logit and softplus. Each closed form carries its derivation: SymPy differentiates the map
# and confirms the displayed logarithm when the form is made.


@proves("flow.tanh.slope")
@proves("flow.sigmoid.slope")
@proves("flow.logit.slope")
@proves("flow.softplus.slope")
@pytest.mark.parametrize("name", sorted(flow_claims.SLOPES))
def test_the_logarithm_of_the_slope(name):
    """The derivation runs, and its first step is the derivative."""
    steps = flow_claims.SLOPES[name].steps
    assert steps
    first = steps[0].equation
    assert isinstance(first.lhs, sympy.Derivative)
    assert sympy.simplify((first.lhs.doit() - first.rhs).rewrite(sympy.exp)) == 0


@proves("flow.logit.slope")
def test_the_squeeze_before_a_logit_has_a_slope():
    """d/dx logit(α + (1 − 2α) x) = (1 − 2α)/(u (1 − u))."""
    x, alpha = sympy.symbols("x alpha", positive=True)
    u = alpha + (1 - 2 * alpha) * x
    slope = sympy.diff(sympy.log(u) - sympy.log(1 - u), x)
    assert sympy.simplify(slope - (1 - 2 * alpha) / (u * (1 - u))) == 0


@proves("flow.tanh.slope")
def test_the_usual_way_to_write_it_overflows_and_this_one_does_not():
    """log(1 − tanh² 20) is −∞ in float64, where the logarithm of the slope is −38.6."""
    x = torch.tensor(20.0, dtype=torch.float64)
    assert torch.isneginf(torch.log(1 - torch.tanh(x) ** 2))
    assert abs(float(oracle.tanh_slope(x)) + 38.6) < 0.02


@proves("flow.leaky_relu.slope")
def test_the_slope_of_a_leaky_rectifier():
    """On either side of the kink; at zero the slopes from both sides differ."""
    x, a = sympy.symbols("x a", positive=True)
    f = lambda t: sympy.Max(t, 0) + a * sympy.Min(t, 0)  # noqa: E731
    assert sympy.diff(f(x), x) == 1
    assert sympy.diff(f(-x), x) == -a
    assert sympy.limit(f(x) / x, x, 0, "+") - sympy.limit(f(-x) / -x, x, 0, "+") == 1 - a


@proves("flow.mixture_cdf.slope")
def test_the_slope_of_a_mixture_of_distribution_functions_is_its_density():
    """Differentiated term by term, and positive: the map increases."""
    x, m1, m2 = sympy.symbols("x mu1 mu2", real=True)
    p, s1, s2 = sympy.symbols("p s1 s2", positive=True)
    value = sum(w / (1 + sympy.exp(-(x - m) / s)) for w, m, s in ((p, m1, s1), (1 - p, m2, s2)))
    density = sum(w * sympy.exp(-(x - m) / s) / (s * (1 + sympy.exp(-(x - m) / s)) ** 2)
                  for w, m, s in ((p, m1, s1), (1 - p, m2, s2)))  # fmt: skip
    assert sympy.simplify(sympy.diff(value, x) - density) == 0


# ── Reference and verdict ────────────────────────────────────────────────────────────────────────────────────────────


@proves("flow.elementwise.logabsdet")
@pytest.mark.parametrize(
    ("module", "claims"),
    [
        (reference.Tanh(), {"image": (-1, 1)}), (reference.Sigmoid(), {"image": (0, 1)}),
        (reference.Logit(0.05), {"domain": (0, 1)}), (reference.Softplus(), {"image": (0, None)}),
        (reference.LeakyRelu(0.5), {}),
    ],
    ids=["tanh", "sigmoid", "logit", "softplus", "leaky relu"],
)  # fmt: skip
def test_the_references_hold_on_images(module, claims):
    """Both directions, log-determinants of both, rows on their own, on events of several axes."""
    gv.verify(Bijection(module, event_shape=(2, 1, 2), **claims), budget="quick").raise_for_failures()
