"""The loss landscape of a trained network, and what makes a picture of it honest.

![Level lines of the loss around a trained network, with its critical points](pictures/loss_landscape.svg)

The picture shows the loss of a small tanh network over the plane θ* + αδ + βη around its trained parameters θ*. A
random direction is meaningless by itself: a ReLU network computes the same function with one layer ten times as large
and the next a tenth, and looks flat along raw directions in the first and sharp in the second. Li et al. give each
filter of a direction the norm of the network's own filter; then rescalings of filters that do not change the function
do not change the picture. What is marked are critical points of the *surface that is shown*; only at the centre, where
the network was trained, does the whole gradient vanish.

`python -m specs.loss_landscape` draws the picture anew (matplotlib: `pip install genverify[plot]`).

Sources: Li, Xu, Taylor, Studer & Goldstein 2018, "Visualizing the loss landscape of neural nets" (NeurIPS), section 4;
Dinh, Pascanu, Bengio & Bengio 2017, "Sharp minima can generalize for deep nets" (ICML), on the rescaling.
"""

from __future__ import annotations

import functools
import re
import sys
from pathlib import Path

import pytest
import sympy
import torch
from torch.func import grad, jacrev, vmap
from torch.nn import functional

import genverify as gv
from genverify.claims import proves
from genverify.errors import UsageError
from genverify.formulas import landscape as formulas
from genverify.numerics.rounding import unit_roundoff
from genverify.oracles import calculus, landscape
from genverify.reference.calculus.curvature import critical_point
from genverify.reference.landscape.filter_normalisation import filter_normalised_directions
from genverify.reference.landscape.plane import plane

PICTURE = Path(__file__).resolve().parent / "pictures" / "loss_landscape.svg"
LARGEST = 60_000  # bytes
REACH, STEPS = 1.5, 41

# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# ‖d_i ‖w_i‖/‖d_i‖‖ = ‖w_i‖; the length of the random draw does not count, and the direction grows with the filter.
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# Norms are homogeneous: ‖c d‖ = c ‖d‖ for c > 0.


@proves("landscape.filter_normalised_direction.norms")
def test_the_norm_of_a_normalised_filter():
    """For two entries a filter, all symbols: the norm, and both rescalings."""
    d, w = (sympy.Matrix(sympy.symbols(f"{name}1 {name}2", real=True, nonzero=True)) for name in "dw")
    c = sympy.Symbol("c", positive=True)

    def normalised(d, w):
        return d * sympy.sqrt((w.T * w)[0]) / sympy.sqrt((d.T * d)[0])

    made = normalised(d, w)
    assert sympy.simplify((made.T * made)[0] - (w.T * w)[0]) == 0
    assert (normalised(c * d, w) - made).applyfunc(sympy.simplify).is_zero_matrix
    assert (normalised(d, c * w) - c * made).applyfunc(sympy.simplify).is_zero_matrix


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# w · (θ + αδ + βη) = w·θ + α w·δ + β w·η: over a plane a ridge φ(w · θ) is φ of an affine function of (α, β).


@proves("landscape.plane.substitution")
def test_a_ridge_over_a_plane():
    """w · (θ + αδ + βη) is affine in (α, β); the oracle's plane at one point against the ridge itself."""
    w, t, d, e = (sympy.Matrix(sympy.symbols(f"{name}1 {name}2", real=True)) for name in "wtde")
    a, b = sympy.symbols("alpha beta", real=True)
    along = [(w.T * one)[0] for one in (t, d, e)]
    assert sympy.expand((w.T * (t + a * d + b * e))[0] - (along[0] + a * along[1] + b * along[2])) == 0
    numbers = [torch.tensor(one, dtype=torch.float64) for one in ([[1.0, 2.0]], [0.5, -1.0], [0.25, 0.0], [0.0, 1.0])]
    grid = sum(landscape.plane(*numbers, torch.tensor([2.0]).double(), torch.tensor([0.5]).double()))
    assert abs(grid.item() - calculus.wave(1.0 * (0.5 + 0.5) + 2.0 * (-1.0 + 0.5))) <= 8 * unit_roundoff(torch.float64)


# ── Claim (SUPPORTED) ────────────────────────────────────────────────────────────────────────────────────────────────
# Rescalings that leave the function unchanged leave the picture unchanged. They are by powers of two here, for which
# floating-point arithmetic is exact: the pictures are equal in every bit.

X = torch.linspace(-2.0, 2.0, 24, dtype=torch.float64).reshape(12, 2)
Y = torch.sin(2 * X[:, :1]) + X[:, 1:] ** 2 / 4
GRID = torch.tensor([-1.0, -0.25, 0.0, 0.5, 1.0], dtype=torch.float64)
WEIGHTS_SHAPE = ((5, 2), (5,), (1, 5), (1,))


def drawn(seed):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(shape, dtype=torch.float64, generator=generator) for shape in WEIGHTS_SHAPE]


def relu_network(parameters, x):
    w1, b1, w2, b2 = parameters
    return torch.relu(x @ w1.mT + b1) @ w2.mT + b2


def batch_norm_network(parameters, x):
    w1, b1, w2, b2 = parameters  # in training, with shift b1, scale 1 and ε = 0
    before = x @ w1.mT
    hidden = (before - before.mean(0)) / before.std(0, correction=0) + b1
    return torch.relu(hidden) @ w2.mT + b2


def picture(network, parameters, normalise):
    """The loss over the plane of two raw draws, after a normalisation."""
    flat = torch.cat([one.reshape(-1) for one in parameters])
    along = [torch.cat([d.reshape(-1) for d in normalise(drawn(seed), parameters)]) for seed in (1, 2)]

    def loss(theta):
        parts = theta.split([torch.Size(shape).numel() for shape in WEIGHTS_SHAPE])
        shaped = [part.reshape(shape) for part, shape in zip(parts, WEIGHTS_SHAPE, strict=True)]
        return functional.mse_loss(network(shaped, X), Y)

    return plane(loss, flat, *along, GRID, GRID)


def raw(directions, weights):
    return [d if d.dim() > 1 else torch.zeros_like(d) for d in directions]


def per_layer(directions, weights):
    return [
        d * w.norm() / d.norm() if d.dim() > 1 else torch.zeros_like(d)
        for d, w in zip(directions, weights, strict=True)
    ]


def differs(one, other):
    """By far more than rounding: some point of the picture by more than a tenth of its value."""
    return bool(((one - other).abs() > 0.1 * one.abs()).any())


@proves("landscape.invariance.rescaling")
@pytest.mark.parametrize("factor", [0.25, 8.0])
def test_whole_layers_of_a_relu_network(factor):
    """W₁, b₁ by c and W₂ by 1/c: normalised by filter or by layer the picture stays, raw it does not."""
    w1, b1, w2, b2 = drawn(0)
    rescaled = [factor * w1, factor * b1, w2 / factor, b2]
    assert torch.equal(relu_network([w1, b1, w2, b2], X), relu_network(rescaled, X))
    for normalise, kept in ((filter_normalised_directions, True), (per_layer, True), (raw, False)):
        before, after = (picture(relu_network, one, normalise) for one in ([w1, b1, w2, b2], rescaled))
        assert torch.equal(before, after) if kept else differs(before, after)


@proves("landscape.invariance.rescaling")
def test_single_filters_before_batch_norm():
    """Each row of W₁ by a factor of its own: by filter the picture stays, by layer and raw it does not."""
    w1, b1, w2, b2 = drawn(0)
    factors = torch.tensor([0.25, 1.0, 8.0, 0.5, 16.0], dtype=torch.float64)
    rescaled = [factors[:, None] * w1, b1, w2, b2]
    assert torch.equal(batch_norm_network([w1, b1, w2, b2], X), batch_norm_network(rescaled, X))
    for normalise, kept in ((filter_normalised_directions, True), (per_layer, False), (raw, False)):
        before, after = (picture(batch_norm_network, one, normalise) for one in ([w1, b1, w2, b2], rescaled))
        assert torch.equal(before, after) if kept else differs(before, after)


# ── Claim (SUPPORTED) ────────────────────────────────────────────────────────────────────────────────────────────────
# (0, 0) is the trained loss, and a minimum of the picture.
#
# The network has three tanh units and is fitted to forty points of a wave; a little weight decay makes its minimum
# isolated. Gradient descent with momentum, then Newton's method, with the sizes of the eigenvalues in place of the
# eigenvalues so that it descends (Dauphin et al. 2014), until the gradient is rounding.

INPUT = torch.linspace(-1.0, 1.0, 40, dtype=torch.float64)[:, None]
TARGET = torch.sin(5 * INPUT) * (1 - INPUT / 3)
SHAPES = ((3, 1), (3,), (1, 3), (1,))
DECAY = 1e-3


def split(theta):
    parts = theta.split([torch.Size(shape).numel() for shape in SHAPES])
    return [part.reshape(shape) for part, shape in zip(parts, SHAPES, strict=True)]


def objective(theta):
    """Mean squared error and weight decay."""
    w1, b1, w2, b2 = split(theta)
    output = torch.tanh(INPUT @ w1.mT + b1) @ w2.mT + b2
    return ((output - TARGET) ** 2).mean() + DECAY / 2 * (theta**2).sum()


def hessian(f):
    """The Jacobian of the gradient."""
    return jacrev(grad(f))


@functools.cache
def trained():
    """θ*, after 500 steps with momentum and at most 60 of Newton's method."""
    generator = torch.Generator().manual_seed(0)
    theta = torch.randn(sum(torch.Size(shape).numel() for shape in SHAPES), dtype=torch.float64, generator=generator)
    theta.requires_grad_()
    optimizer = torch.optim.SGD([theta], lr=0.05, momentum=0.9)
    for _ in range(500):
        optimizer.zero_grad()
        objective(theta).backward()
        optimizer.step()
    theta = theta.detach()
    for _ in range(60):
        slope = grad(objective)(theta)
        if slope.norm() <= 2**8 * unit_roundoff(torch.float64):
            break
        values, vectors = torch.linalg.eigh(hessian(objective)(theta))
        step = vectors @ ((vectors.mT @ slope) / values.abs().clamp(min=DECAY / 2**10))
        while objective(theta - step) > objective(theta) + 2**4 * unit_roundoff(torch.float64):
            step = step / 2
        theta = theta - step
    return theta


@functools.cache
def surface():
    """θ*, and the two filter-normalised directions, flat."""
    theta = trained()
    found = []
    for seed in (4, 5):
        generator = torch.Generator().manual_seed(seed)
        draws = [torch.randn(shape, dtype=torch.float64, generator=generator) for shape in SHAPES]
        found.append(torch.cat([one.reshape(-1) for one in filter_normalised_directions(draws, split(theta))]))
    return theta, found[0], found[1]


def height(point):
    """The loss at (α, β)."""
    theta, first, second = surface()
    return objective(theta + point[0] * first + point[1] * second)


@functools.cache
def critical_points():
    """(α, β, kind, loss) of the critical points of the surface inside the picture: Newton's method from a grid."""
    ticks = torch.linspace(-REACH, REACH, 31, dtype=torch.float64)
    points = torch.cartesian_prod(ticks, ticks)
    surface()  # trained before vmap, which forbids draws
    slope, bend = vmap(grad(height)), vmap(hessian(height))
    for _ in range(25):
        step = torch.linalg.lstsq(bend(points), slope(points)[..., None]).solution[..., 0]
        points = points - step * (REACH / 4 / step.norm(dim=1, keepdim=True)).clamp(max=1.0)
    settled = slope(points).norm(dim=1) <= 2**14 * unit_roundoff(torch.float64)
    found: list[torch.Tensor] = []
    for point in points[settled & (points.abs() <= REACH).all(1)]:
        if all((point - other).norm() > 2**-10 for other in found):
            found.append(point)
    found.sort(key=lambda point: float(height(point)))
    return [(*point.tolist(), critical_point(hessian(height)(point)), float(height(point))) for point in found]


@proves("landscape.plane.centre")
def test_the_centre_of_the_picture_is_the_trained_network():
    """The loss at (0, 0), to the bit; the whole gradient vanishes there; the surface has its minimum there."""
    theta, first, second = surface()
    zero = torch.zeros(1, dtype=torch.float64)
    assert torch.equal(plane(objective, theta, first, second, zero, zero)[0, 0], objective(theta))
    assert float(grad(objective)(theta).norm()) <= 2**10 * unit_roundoff(torch.float64)
    assert critical_point(hessian(objective)(theta)) == "minimum"
    alpha, beta, kind, loss = critical_points()[0]
    assert max(abs(alpha), abs(beta)) <= 2**-10
    assert (kind, loss) == ("minimum", pytest.approx(float(objective(theta)), rel=2**10 * unit_roundoff(torch.float64)))


@proves("landscape.plane.centre")
def test_elsewhere_the_marks_are_critical_for_the_picture_only():
    """There are saddles in the picture, and at none of the other marks does the gradient of the network vanish."""
    theta, first, second = surface()
    others = critical_points()[1:]
    assert {kind for _, _, kind, _ in others} == {"minimum", "maximum", "saddle"}
    for alpha, beta, _, _ in others:
        whole = grad(objective)(theta + alpha * first + beta * second)
        assert float(whole.norm()) > 1e-3


# ── The picture ──────────────────────────────────────────────────────────────────────────────────────────────────────

MARKS = {"minimum": ("o", "tab:blue"), "maximum": ("^", "tab:red"), "saddle": ("X", "tab:orange")}


def draw(path=PICTURE):
    """Writes the picture; the same bytes every time on the same machine.

    Raises:
        UsageError: matplotlib is not installed.
    """
    try:
        import matplotlib
        from matplotlib.figure import Figure
    except ImportError as error:
        raise UsageError(
            given="no matplotlib", expected="matplotlib, to draw the picture", do="pip install genverify[plot]"
        ) from error
    ticks = torch.linspace(-REACH, REACH, STEPS, dtype=torch.float64)
    losses = plane(objective, *surface(), ticks, ticks).log10()
    with matplotlib.rc_context({"svg.hashsalt": "genverify", "svg.fonttype": "none", "font.size": 9}):
        figure = Figure(figsize=(5.6, 4.4), layout="constrained")
        axes = figure.add_subplot()
        levels = torch.linspace(losses.min(), losses.max(), 18).tolist()
        lines = axes.contour(ticks, ticks, losses.mT, levels=levels, cmap="viridis", linewidths=0.8)
        figure.colorbar(lines, label="log₁₀ loss", format="%.1f")
        for alpha, beta, kind, loss in critical_points():
            shape, colour = MARKS[kind]
            axes.plot(alpha, beta, shape, color=colour, markersize=7, markeredgecolor="black")
            place = {"xytext": (0, 7 if kind == "maximum" else -14), "textcoords": "offset points", "ha": "center"}
            axes.annotate(f"{kind} {loss:.3f}", (alpha, beta), **place)
        axes.set(xlabel="α", ylabel="β", title="Loss around a trained network, filter-normalised", aspect="equal")
        figure.savefig(path, metadata={"Date": None, "Creator": None})
    return path


@proves("landscape.plane.centre")
def test_the_committed_picture_shows_these_points():
    """Every mark of the picture, with its kind and its loss to three decimals; the file is small."""
    text = PICTURE.read_text(encoding="utf-8")
    assert len(text.encode()) <= LARGEST
    shown = re.findall(r">(minimum|maximum|saddle) (\d+\.\d{3})<", text)
    computed = [(kind, loss) for _, _, kind, loss in critical_points()]
    assert [kind for kind, _ in shown] == [kind for kind, _ in computed]
    for (_, written), (_, loss) in zip(shown, computed, strict=True):
        assert abs(float(written) - loss) <= 0.001


@proves("landscape.plane.centre")
def test_without_matplotlib_the_extra_is_named(monkeypatch, tmp_path):
    """An import that fails is answered with what to install."""
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(UsageError, match=r"genverify\[plot\]"):
        draw(tmp_path / "picture.svg")


# ── Reference and verdict ────────────────────────────────────────────────────────────────────────────────────────────
# `genverify.reference.landscape`: filter normalisation and the plane.


@proves("landscape.filter_normalised_direction.norms")
@pytest.mark.parametrize(
    "make", [formulas.filter_normalised_direction, formulas.filter_normalised_directions, formulas.plane],
    ids=lambda make: make.__name__,
)  # fmt: skip
def test_the_references_pass(make):
    """Value and dialect."""
    report = gv.verify(make(), budget="quick", checks=["formula.dialect", "formula.value"])
    assert {verdict.outcome for verdict in report} == {gv.Outcome.PASS}


@proves("landscape.filter_normalised_direction.norms")
def test_normalising_by_layer_is_named():
    """FAIL, with the dialect that it follows."""

    def by_layer(d, w):
        return d * (w.norm() / d.norm())

    subject = gv.Formula(by_layer, like="landscape.filter_normalised_direction")
    (verdict,) = gv.verify(subject, checks=["formula.dialect"])
    assert verdict.outcome is gv.Outcome.FAIL
    assert "per layer" in verdict.evidence.message


if __name__ == "__main__":
    print(draw())
