"""A critic bounds the Wasserstein distance from below: the duality, and what three kinds of critics make of it.

![Level lines of three critics between the same two samples; what each finds over its constant](pictures/duality.png)

W₁ is the least cost of a coupling, and the largest difference of means that a function of slope one can show
(Kantorovich & Rubinstein). So any critic gives a lower bound, if its difference is divided by its Lipschitz constant:
by the true one, or by one that is certified from above. On samples the distance itself is a linear programme, and the
bound can be looked at.

`python -m specs.duality` prints the table below anew, and draws the picture (`pip install genverify[plot]`).

| critic | finds | steepest pair ≤ constant ≤ product of norms | found / constant | W₁ |
| --- | --- | --- | --- | --- |
| clipped | 2.070 | 2.014 ≤ 2.014 ≤ 2.313 | 1.028 | 1.511 |
| gradient penalty | 1.420 | 1.415 ≤ 1.415 ≤ 2.303 | 1.004 | 1.511 |
| spectrally normalised | 1.173 | 0.999 ≤ 0.999 ≤ 1.001 | 1.174 | 1.511 |

Sources: Villani 2009, "Optimal transport: old and new"; Arjovsky, Chintala & Bottou 2017, "Wasserstein GAN"; Gulrajani
et al. 2017, "Improved training of Wasserstein GANs"; Miyato et al. 2018, "Spectral normalization for generative
adversarial networks"; Anil, Lucas & Grosse 2019, "Sorting out Lipschitz function approximation".
"""

from __future__ import annotations

import functools
import math
import re
from dataclasses import dataclass

import pytest
import sympy
import torch
from scipy import sparse
from scipy.optimize import linprog
from torch import Tensor, nn
from torch.nn.utils import parametrizations

import genverify as gv
from genverify.claims import proves
from genverify.numerics.lipschitz_witness import longest_chord
from genverify.numerics.operator_norm import dense_norm
from genverify.numerics.relu_regions import one_hidden_relu_constant
from genverify.oracles import transport as oracle
from genverify.reference.adversarial import losses, penalties
from genverify.reference.adversarial.training import clipped
from genverify.reference.adversarial.transport import wasserstein_1d, wasserstein_normals
from genverify.reference.layers.critic_layers import group_sort
from genverify.reference.layers.spectral_norm import SpectralNormDense
from specs import drawing
from specs.ring import distance, draws

MANY, FEW, UNITS, WIDE = 128, 16, 14, 32
STEPS, CLIP, PENALTY = 800, 0.4, 10.0
# Critics are trained in float32; another machine's rounding may lead them to other ends.
MACHINES_DIFFER = 0.05


def programme(x: Tensor, y: Tensor) -> float:
    """The least cost of a coupling of two samples, by its definition: a linear programme over all couplings."""
    n, m = len(x), len(y)
    cost = torch.cdist(x.reshape(n, -1), y.reshape(m, -1)).flatten().numpy()
    rows = sparse.kron(sparse.eye(n), [[1.0] * m])
    columns = sparse.kron([[1.0] * n], sparse.eye(m))
    found = linprog(cost, A_eq=sparse.vstack([rows, columns]).tocsr(), b_eq=[1 / n] * n + [1 / m] * m, method="highs")
    assert found.success, found.message
    return float(found.fun)


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# E C(x) − E C(y) ≤ L Σ π |x − y|, for every critic of constant L and every coupling π.
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# The rows of π sum to the masses p and its columns to q, so Σ_ij π_ij (C(x_i) − C(y_j)) = Σ p_i C(x_i) − Σ q_j C(y_j);
# and each term is at most π_ij L |x_i − y_j|, since π ≥ 0.


@proves("wgan.duality.weak")
def test_a_value_over_its_constant_is_below_the_cost_of_any_coupling():
    """The sum of differences is the difference of means, with any masses; each term by the constant of the critic."""
    plan = sympy.Matrix(2, 3, lambda i, j: sympy.Symbol(f"pi{i}{j}", nonnegative=True))
    c, d = sympy.symbols("c0:2"), sympy.symbols("d0:3")
    together = sum(plan[i, j] * (c[i] - d[j]) for i in range(2) for j in range(3))
    p, q = [sum(plan[i, :]) for i in range(2)], [sum(plan[:, j]) for j in range(3)]
    apart = sum(p[i] * c[i] for i in range(2)) - sum(q[j] * d[j] for j in range(3))
    assert sympy.expand(together - apart) == 0
    gap, steep, far = sympy.symbols("gap L far", nonnegative=True)  # C(x) − C(y) = L |x − y| − gap
    assert (plan[0, 0] * steep * far - plan[0, 0] * (steep * far - gap)).expand().is_nonnegative


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# A law and itself moved by v are at the distance |v|; so are normal laws of one covariance with means v apart.
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# The coupling x ↦ x + v costs |v|. The critic C(x) = ⟨x, v⟩/|v| has the constant one (Cauchy & Schwarz), and
# E C(x + v) − E C(x) = ⟨v, v⟩/|v| = |v|: no coupling costs less.


@proves("wgan.duality.translation")
def test_moving_a_law_costs_the_length_of_the_way():
    """Both sides in symbols; then the programme, sorting and the closed form of normal laws say the same."""
    v, x = sympy.symbols("v1 v2", real=True), sympy.symbols("x1 x2", real=True)
    length = sympy.sqrt(v[0] ** 2 + v[1] ** 2)

    def critic(at):
        return sum(a * b for a, b in zip(at, v, strict=True)) / length

    moved = tuple(a + b for a, b in zip(x, v, strict=True))
    assert sympy.simplify(critic(moved) - critic(x) - length) == 0
    # |∇C| = 1, and (Cauchy & Schwarz in the plane) |x|²|v|² − ⟨x, v⟩² is a square.
    slope = [sympy.diff(critic(x), a) for a in x]
    assert sympy.simplify(sum(s**2 for s in slope)) == 1
    lost = sum(a**2 for a in x) * length**2 - (critic(x) * length) ** 2
    assert sympy.simplify(lost - (v[0] * x[1] - v[1] * x[0]) ** 2) == 0


@proves("wgan.duality.translation")
def test_programme_sorting_and_closed_form_agree():
    """In the plane: the programme, the pairing and |v|. On the line sorting, too, and equal normal laws' formula."""
    x, _ = samples(FEW)
    way = torch.tensor([0.6, -0.8], dtype=torch.float64)
    assert programme(x, x + 2 * way) == pytest.approx(2.0, rel=1e-9)
    assert distance(x, x + 2 * way) == pytest.approx(2.0, rel=1e-9)
    one, other = samples(FEW)[0][:, 0], samples(FEW)[1][:, 0]
    assert programme(one, other) == pytest.approx(float(wasserstein_1d(one, other)), rel=1e-9)
    at = [torch.tensor(number, dtype=torch.float64) for number in (0.25, 1.5, -1.0, 1.5)]
    assert float(wasserstein_normals(*at)) == pytest.approx(1.25**2, rel=1e-12)  # squared
    assert float(oracle.normals_first(at[0] - at[2], torch.zeros((), dtype=torch.float64))) == pytest.approx(1.25)
    middles = torch.special.ndtri((torch.arange(64, dtype=torch.float64) + 0.5) / 64)  # quantiles of N(0, 1)
    first, second = (mean + 1.5 * middles for mean in (0.25, -1.0))
    for found in (programme(first, second), float(wasserstein_1d(first, second))):
        assert found == pytest.approx(1.25, rel=1e-9)


# ── Claim (SUPPORTED) ────────────────────────────────────────────────────────────────────────────────────────────────
# What trained critics find, over their constant, never exceeds the distance.


def samples(count: int) -> tuple[Tensor, Tensor]:
    """Of a ring of normal laws, and of one normal law beside its centre."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return draws(count).double(), (0.5 * torch.randn(count, 2) + torch.tensor([1.0, 0.0])).double()


@dataclass(frozen=True, kw_only=True)
class Critic:
    """A trained critic with one hidden layer, and what is known of it.

    Attributes:
        network: In float64.
        finds: E C(x) − E C(y).
        lower: The steepest pair of points that was found.
        constant: Its Lipschitz constant, exactly.
        upper: The product of the norms of its layers.
    """

    network: nn.Module
    finds: float
    lower: float
    constant: float
    upper: float


def _hidden(layer: type[nn.Module]) -> nn.Module:
    return nn.Sequential(layer(2, UNITS), nn.ReLU(), layer(UNITS, 1))


def train(network: nn.Module, x: Tensor, y: Tensor, optimizer, penalty=None, after=lambda network: None, steps=STEPS):
    """Moves a critic up its value (less a penalty) on all points."""
    fall = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=steps)
    real, fake = x.float(), y.float()
    for _ in range(steps):
        loss = losses.critic_loss(network(real), network(fake))
        if penalty is not None:
            loss = loss + penalty(network, real, fake)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        after(network)
        fall.step()
    return network.eval().requires_grad_(False)


def _gp(network, real, fake):
    return PENALTY * penalties.wgan_gp(network, real, fake)


def _adam(network):
    return torch.optim.Adam(network.parameters(), lr=1e-2, betas=(0.5, 0.9))


KINDS = {
    "clipped": lambda net, x, y: train(
        net, x, y, torch.optim.RMSprop(net.parameters(), lr=1e-2), after=clipped(CLIP)
    ),
    "gradient penalty": lambda net, x, y: train(net, x, y, _adam(net), penalty=_gp),
    "spectrally normalised": lambda net, x, y: train(net, x, y, _adam(net)),
}  # fmt: skip


def plain(network: nn.Module) -> nn.Sequential:
    """The same function with ordinary layers, in float64: what normalises the weights is carried out."""
    first, second = (
        one.weight / (one.u @ one.weight @ one.v) if isinstance(one, SpectralNormDense) else one.weight
        for one in (network[0], network[2])
    )
    made = nn.Sequential(nn.Linear(2, UNITS), nn.ReLU(), nn.Linear(UNITS, 1)).double().requires_grad_(False)
    for layer, weight, bias in ((made[0], first, network[0].bias), (made[2], second, network[2].bias)):
        layer.weight.copy_(weight.double())
        layer.bias.copy_(bias.double())
    return made


@functools.cache
def critic(kind: str, seed: int = 1) -> Critic:
    """Trains one, and asks what it is worth."""
    x, y = samples(MANY)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            network = KINDS[kind](_hidden(SpectralNormDense if kind.startswith("spectrally") else nn.Linear), x, y)
    finally:
        torch.set_num_threads(threads)
    network = plain(network)
    exact = one_hidden_relu_constant(network[0].weight, network[0].bias, network[2].weight)
    chord = longest_chord(network, torch.cat([x, y, exact.point.reshape(1, 2)])[::8])
    return Critic(
        network=network, finds=float(network(x).mean() - network(y).mean()), lower=chord.slope, constant=exact.constant,
        upper=float(dense_norm(network[0].weight) * dense_norm(network[2].weight)),
    )  # fmt: skip


@proves("wgan.duality.critics")
@pytest.mark.parametrize("kind", KINDS)
def test_no_critic_finds_more_than_there_is(kind):
    """Over its constant, and lower ≤ constant ≤ upper; none of them is idle."""
    found, whole = critic(kind), programme(*samples(MANY))
    assert found.lower <= found.constant * (1 + 1e-12) <= found.upper * (1 + 1e-9)
    assert found.finds / found.upper <= found.finds / found.constant <= whole * (1 + 1e-9)
    assert found.finds / found.constant > whole / 2


@proves("wgan.duality.critics")
def test_clipping_alone_says_nothing_of_the_distance():
    """A clipped critic is steeper than one here, and finds more than the distance: its constant is not in the name."""
    found, whole = critic("clipped"), programme(*samples(MANY))
    assert found.constant > 1.5
    assert found.finds > whole
    assert max(float(p.abs().max()) for p in found.network.parameters()) <= CLIP * (1 + 1e-6)
    for constant, outcome in ((1.0, gv.Outcome.FAIL), (1.001 * found.constant, gv.Outcome.PASS)):
        subject = gv.Map(found.network, event_shape=2, lipschitz=constant)
        (verdict,) = gv.verify(subject, checks=["map.lipschitz"], budget="quick")
        assert verdict.outcome is outcome, str(verdict)


# ── Claim (SUPPORTED) ────────────────────────────────────────────────────────────────────────────────────────────────
# The gap closes where the critic can be steep everywhere: orthogonal layers, and a sort of pairs between.


class _Pairs(nn.Module):
    def forward(self, x):
        return group_sort(x, 2)


@functools.cache
def closing(between: type[nn.Module]) -> float:
    """What a critic of orthogonal layers finds on few points, with this between them, over W₁."""
    x, y = samples(FEW)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        sizes = ((2, WIDE), (WIDE, WIDE), (WIDE, WIDE))
        inner = [part for i, o in sizes for part in (parametrizations.orthogonal(nn.Linear(i, o)), between())]
        network = nn.Sequential(*inner, parametrizations.orthogonal(nn.Linear(WIDE, 1)))
        network = train(network, x, y, torch.optim.Adam(network.parameters(), lr=3e-2), steps=300)
    for layer in network:  # orthogonal to rounding: so the constant is one
        if isinstance(layer, nn.Linear):
            assert float(dense_norm(layer.weight.double())) < 1 + 1e-5
    return float(network(x.float()).mean() - network(y.float()).mean()) / programme(x, y)


@proves("wgan.duality.gap")
def test_sorting_closes_the_gap():
    """To a twentieth, from below; ReLU stays further away."""
    sorted_, cut = closing(_Pairs), closing(nn.ReLU)
    assert 0.95 < sorted_ < 1 + 1e-4
    assert cut < sorted_ - 0.05


# ── The table and the picture ────────────────────────────────────────────────────────────────────────────────────────


def table() -> list[str]:
    """A row for each critic."""
    whole = programme(*samples(MANY))
    return [
        f"| {kind} | {one.finds:.3f} | {one.lower:.3f} ≤ {one.constant:.3f} ≤ {one.upper:.3f} | "
        f"{one.finds / one.constant:.3f} | {whole:.3f} |"
        for kind, one in ((kind, critic(kind)) for kind in KINDS)
    ]


@proves("wgan.duality.critics")
def test_the_table_says_these_numbers():
    """Those of this page's head, to what machines differ in the training."""
    assert __doc__ is not None
    shown = [line for line in __doc__.splitlines() if line.startswith(tuple(f"| {kind}" for kind in KINDS))]
    assert len(shown) == len(KINDS)
    for line, now in zip(shown, table(), strict=True):
        old, new = ([float(one) for one in re.findall(r"\d+\.\d+", text)] for text in (line, now))
        assert new == pytest.approx(old, rel=MACHINES_DIFFER)


def numbers() -> dict[str, float]:
    """What each finds over its constant, and the distance."""
    return {
        **{kind: critic(kind).finds / critic(kind).constant for kind in KINDS}, "W1": programme(*samples(MANY))
    }  # fmt: skip


def draw(folder=drawing.PICTURES):
    """Writes the picture."""

    def parts(figure):
        x, y = samples(MANY)
        side = torch.linspace(-3, 3, 61, dtype=torch.float64)
        grid = torch.cartesian_prod(side, side)
        for axes, kind in zip(figure.subplots(1, 3, sharey=True), KINDS, strict=True):
            found = critic(kind)
            height = found.network(grid).reshape(61, 61).mT / found.constant
            axes.contour(side.tolist(), side.tolist(), height.tolist(), levels=14, linewidths=0.6, cmap="viridis")
            for points, colour in ((x, "black"), (y, "tab:red")):
                axes.scatter(points[:, 0].tolist(), points[:, 1].tolist(), s=1.5, color=colour)
            axes.set_title(f"{kind}\n{found.finds / found.constant:.2f} of {programme(x, y):.2f}")
            axes.set_aspect("equal")
        return "; ".join(f"{name} {value:.2f}" for name, value in numbers().items())

    return drawing.save("duality.png", parts, (6.4, 2.6), folder)


@proves("wgan.duality.critics")
def test_the_committed_picture_says_these_numbers():
    """To what machines differ in the training."""
    shown = drawing.said("duality.png")
    assert shown.keys() == numbers().keys()
    for name, value in numbers().items():
        assert math.isclose(shown[name], value, rel_tol=MACHINES_DIFFER)


if __name__ == "__main__":
    print(*table(), draw(), sep="\n")
