"""The linear-Gaussian VAE: a laboratory in which the evidence, the bound, the gap and every gradient are known.

z ~ N(0, I), x | z ~ N(Wz + c, Ψ) with Ψ = diag s², and an affine encoder q(z | x) = N(Ax + b, LLᵀ). Everything that the
pages on the bound, on its estimates and on importance weights claim is measured here against an exact number.

Sources: Tipping & Bishop 1999, "Probabilistic principal component analysis"; Bishop 2006, section 2.3.3; Kingma &
Welling 2014, "Auto-encoding variational Bayes"; Petersen & Pedersen 2012, "The matrix cookbook"; Neal & Hinton 1998, "A
view of the EM algorithm that justifies incremental, sparse, and other variants".
"""

from __future__ import annotations

import pytest
import sympy
import torch

from genverify.claims import proves
from genverify.formulas import linear_gaussian_claims as claims
from genverify.numerics.rounding import unit_roundoff
from genverify.oracles import gaussian, linear_gaussian
from genverify.oracles import linear_gaussian_scalar as scalar
from genverify.oracles.normal_moments import normal_mean
from genverify.reference.likelihood.linear_gaussian import LinearGaussianVAE

WIDE = torch.float64


def same(left: sympy.Expr, right: sympy.Expr) -> bool:
    """Whether the difference simplifies to zero."""
    gap = sympy.expand_log(sympy.expand(left - right), force=True)
    return gap == 0 or sympy.simplify(gap) == 0


# ── The model with two latents and two pixels, every entry a symbol ──────────────────────────────────────────────────

W = sympy.Matrix(2, 2, sympy.symbols("w11 w12 w21 w22", real=True))
S = sympy.symbols("s1 s2", positive=True)
Y = sympy.Matrix(sympy.symbols("y1 y2", real=True))  # x − c
MEAN = sympy.Matrix(sympy.symbols("m1 m2", real=True))
A1, A3 = sympy.symbols("a1 a3", positive=True)
A2 = sympy.Symbol("a2", real=True)
L = sympy.Matrix([[A1, 0], [A2, A3]])
NOISE = sympy.diag(*(s**2 for s in S))
PRECISION = sympy.eye(2) + W.T * NOISE.inv() * W
EPSILON = sympy.symbols("epsilon1 epsilon2", real=True)


def log_joint(z: sympy.Matrix) -> sympy.Expr:
    """The logarithm of p(x, z)."""
    residual = Y - W * z
    quadratic = (residual.T * NOISE.inv() * residual + z.T * z)[0, 0]
    return -quadratic / 2 - 2 * sympy.log(2 * sympy.pi) - sympy.log(S[0]) - sympy.log(S[1])


def bound(mean: sympy.Matrix) -> sympy.Expr:
    """The ELBO in the matrix form that the oracle computes."""
    residual = Y - W * mean
    quadratic = (residual.T * NOISE.inv() * residual)[0, 0] + (W.T * NOISE.inv() * W * L * L.T).trace()
    likelihood = -quadratic / 2 - sympy.log(2 * sympy.pi) - sympy.log(S[0]) - sympy.log(S[1])
    return likelihood - ((L * L.T).trace() + (mean.T * mean)[0, 0] - 2) / 2 + sympy.log(A1) + sympy.log(A3)


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# x ~ N(c, WWᵀ + Ψ), and z | x is normal with precision M = I + WᵀΨ⁻¹W and mean μ = M⁻¹WᵀΨ⁻¹(x − c).
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# As a function of z, −2 log p(x, z) is a quadratic with matrix M and least point μ: completing the square leaves
# yᵀ(Ψ⁻¹ − Ψ⁻¹WM⁻¹WᵀΨ⁻¹)y = yᵀ(WWᵀ + Ψ)⁻¹y, y = x − c, and det(WWᵀ + Ψ) = det Ψ det M. What remains in z has mass one.


@proves("linear_gaussian.evidence")
def test_completing_the_square():
    """At one dimension in the oracle's own steps; at two through the two identities of matrices, entry by entry."""
    assert scalar.posterior.steps[0].title == "complete the square in z"
    equation = claims.EVIDENCE.equation()
    x, w, c, s = scalar.log_evidence.symbols
    density = gaussian.log_prob
    places = dict(zip(density.symbols, (x, c, sympy.sqrt(w**2 + s**2)), strict=True))
    assert same(equation.rhs, density.expression.subs(places, simultaneous=True))
    whole = W * W.T + NOISE
    assert sympy.expand(whole.det() - NOISE.det() * PRECISION.det()) == 0
    inverse = NOISE.inv() - NOISE.inv() * W * PRECISION.inv() * W.T * NOISE.inv()
    assert (whole * inverse - sympy.eye(2)).applyfunc(sympy.simplify) == sympy.zeros(2, 2)


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# The ELBO, with its expectations taken, and the gap to log p(x), which is KL(q ‖ p(z | x)).
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# z = m + Lε: log p(x, z) − log q(z) is a polynomial of degree two in ε, with E ε = 0 and E εεᵀ = I. The gap is the
# divergence of two normal laws with precision matrix M: ½ [tr MLLᵀ + (m − μ)ᵀM(m − μ) − k − log det MLLᵀ].


@proves("linear_gaussian.bound")
def test_the_bound_and_the_gap():
    """Moment by moment at two latents and two pixels; log p(x) less the bound is the divergence to the posterior."""
    epsilon = sympy.Matrix(EPSILON)
    z = MEAN + L * epsilon
    log_q = -(epsilon.T * epsilon)[0, 0] / 2 - sympy.log(2 * sympy.pi) - sympy.log(A1) - sympy.log(A3)
    assert same(normal_mean(log_joint(z) - log_q, *EPSILON), bound(MEAN))
    # With μ = M⁻¹h the divergence and log p(x) have hᵀM⁻¹h alike, which is left out of both.
    h = W.T * NOISE.inv() * Y
    quadratic = ((MEAN.T * PRECISION * MEAN)[0, 0] - 2 * (MEAN.T * h)[0, 0] + (PRECISION * L * L.T).trace() - 2) / 2
    divergence = quadratic - (sympy.Symbol("log_det_M") + 2 * sympy.log(A1) + 2 * sympy.log(A3)) / 2
    logs = 2 * sympy.log(S[0]) + 2 * sympy.log(S[1]) + sympy.Symbol("log_det_M")
    evidence = -(Y.T * NOISE.inv() * Y)[0, 0] / 2 - sympy.log(2 * sympy.pi) - logs / 2
    assert same(evidence - bound(MEAN), divergence)
    assert same(claims.BOUND.equation().rhs, scalar.elbo.expression)
    assert [one.title for one in scalar.gap.steps] == ["log p(x) − ELBO"]  # and at one dimension in full


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# Every gradient of the bound, written out.


@proves("linear_gaussian.gradients")
def test_every_gradient_of_the_bound():
    """SymPy's derivatives of the bound at two latents and two pixels, against the matrix forms, all 17 of them."""
    gain, x = sympy.Matrix(2, 2, sympy.symbols("g11 g12 g21 g22", real=True)), sympy.symbols("x1 x2", real=True)
    offset, bias = sympy.symbols("b1 b2", real=True), sympy.symbols("c1 c2", real=True)
    mean = gain * sympy.Matrix(x) + sympy.Matrix(offset)
    y = sympy.Matrix(x) - sympy.Matrix(bias)
    value = bound(MEAN).subs(dict(zip([*MEAN, *Y], [*mean, *y], strict=True)), simultaneous=True)
    r = NOISE.inv() * (y - W * mean)
    g = W.T * r - mean
    carried = W * L * L.T * W.T
    factor = (L.inv().T - PRECISION * L).applyfunc(sympy.simplify)
    claimed = {
        **dict(zip(W, r * mean.T - NOISE.inv() * W * L * L.T, strict=True)),
        **dict(zip(bias, r, strict=True)),
        **{s: s * r[i] ** 2 + carried[i, i] / s**3 - 1 / s for i, s in enumerate(S)},
        **dict(zip(gain, g * sympy.Matrix(x).T, strict=True)),
        **dict(zip(offset, g, strict=True)),
        A1: factor[0, 0], A2: factor[1, 0], A3: factor[1, 1],
    }  # fmt: skip
    assert len(claimed) == 17
    for symbol, slope in claimed.items():
        assert sympy.expand(sympy.diff(value, symbol) - slope) == 0, symbol


# ── At any size ──────────────────────────────────────────────────────────────────────────────────────────────────────
# The oracle in matrices, with 3 latents and 5 pixels: the identity, and each written gradient against autodiff.


def laboratory(observed: int = 5, latent: int = 3) -> tuple[torch.Tensor, LinearGaussianVAE]:
    """Four rows of data and a VAE with generic parameters, the same every time."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        vae = LinearGaussianVAE(observed, latent).double()
        with torch.no_grad():
            vae.log_noise.uniform_(-0.7, 0.3)
            # Well conditioned, so that rounding is that of the sums.
            vae.factor.copy_(torch.tril(0.2 * torch.randn(latent, latent, dtype=WIDE), -1) + 0.6 * torch.eye(latent))
        return torch.randn(4, observed, dtype=WIDE), vae


def described(vae: LinearGaussianVAE) -> tuple[linear_gaussian.Model, linear_gaussian.Encoder]:
    """The reference's parameters as the oracle takes them."""
    held = {name: one.detach() for name, one in vae.named_parameters()}
    model = linear_gaussian.Model(
        weight=held["decoder.weight"], bias=held["decoder.bias"], noise=held["log_noise"].exp()
    )
    encoder = linear_gaussian.Encoder(
        gain=held["encoder.weight"], offset=held["encoder.bias"], factor=held["factor"].tril()
    )
    return model, encoder


def allowed(*parts: torch.Tensor) -> float:
    """Rounding of a sum of terms of these sizes: a growth count of 4,096 roundings."""
    return 4096 * unit_roundoff(WIDE) * max(1.0, *(float(part.detach().abs().max()) for part in parts))


@proves("linear_gaussian.bound")
@pytest.mark.parametrize(("observed", "latent"), [(5, 3), (2, 4), (1, 1)])
def test_the_identity_holds_at_any_size(observed, latent):
    """log p(x) − ELBO = KL(q ‖ posterior) in every row, and at one dimension the matrix forms are the closed forms."""
    x, vae = laboratory(observed, latent)
    model, encoder = described(vae)
    evidence, value = linear_gaussian.log_evidence(x, model), linear_gaussian.elbo(x, model, encoder)
    gap = linear_gaussian.gap(x, model, encoder)
    assert float((evidence - value - gap).abs().max()) <= allowed(evidence, value, gap)
    assert bool((gap > 0).all())
    if observed == latent == 1:
        w, c, s = model.weight[0, 0], model.bias[0], model.noise[0]
        m, spread = encoder.mean(x)[:, 0], encoder.factor[0, 0].abs()
        exact = scalar.elbo.torch(x[:, 0], w, c, s, m, spread)
        assert float((value - exact).abs().max()) <= allowed(exact)


@proves("linear_gaussian.gradients")
def test_the_gradients_at_any_size():
    """Autodiff of the oracle's value, by parameter, and of log p(x)."""
    x, vae = laboratory()
    model, encoder = described(vae)
    leaves = {**vars(model), **vars(encoder)}
    values = [leaf.detach().clone().requires_grad_() for leaf in leaves.values()]
    given = dict(zip(leaves, values, strict=True))
    model = linear_gaussian.Model(**{name: given[name] for name in ("weight", "bias", "noise")})
    encoder = linear_gaussian.Encoder(**{name: given[name] for name in ("gain", "offset", "factor")})
    with torch.no_grad():
        written = linear_gaussian.elbo_gradients(x, model, encoder)
    found = torch.autograd.grad(linear_gaussian.elbo(x, model, encoder).sum(), values)
    for name, slope in zip(given, found, strict=True):
        slope = slope.tril() if name == "factor" else slope
        assert float((written[name] - slope).abs().max()) <= allowed(slope), name
    with torch.no_grad():
        written = linear_gaussian.log_evidence_gradients(x, model)
    found = torch.autograd.grad(linear_gaussian.log_evidence(x, model).sum(), values[:3])
    for name, slope in zip(("weight", "bias", "noise"), found, strict=True):
        assert float((written[name] - slope).abs().max()) <= allowed(slope), name


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# Where q is the posterior the bound touches log p(x), and so do the decoder's gradients: the gap is 0 and at its least,
# so that its gradient vanishes. A step on the bound is then a step on the likelihood, as in EM.


@proves("linear_gaussian.tangent")
def test_the_bound_touches_the_evidence():
    """At the posterior: gap 0, the gradients of both alike, and the encoder's own gradients 0."""
    x, vae = laboratory()
    model, _ = described(vae)
    mean, covariance = linear_gaussian.posterior(x, model)
    pull = torch.linalg.solve(torch.linalg.inv(covariance), model.weight.mT / model.noise**2)
    exact = linear_gaussian.Encoder(
        gain=pull, offset=-pull @ model.bias, factor=torch.linalg.cholesky(covariance)
    )  # fmt: skip
    assert float((exact.mean(x) - mean).abs().max()) <= allowed(mean)
    assert float(linear_gaussian.gap(x, model, exact).abs().max()) <= allowed(linear_gaussian.elbo(x, model, exact))
    ours, theirs = (
        linear_gaussian.elbo_gradients(x, model, exact), linear_gaussian.log_evidence_gradients(x, model),
    )  # fmt: skip
    largest = allowed(*ours.values(), *(1 / model.noise**3,))
    for name, slope in theirs.items():
        assert float((ours[name] - slope).abs().max()) <= largest, name
    for name in ("gain", "offset", "factor"):
        assert float(ours[name].abs().max()) <= largest, name
