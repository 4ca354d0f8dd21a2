"""Flows at work: two that learn laws of known density, how far from the truth they stay, and one that beats it.

![Densities of three laws, of two flows trained on each, and samples of the flows](pictures/flow_training.png)

A log-likelihood says little by itself: of densities it has no upper end, and a bug raises it as easily as learning
does. Here the law of the data is known, and with it the greatest log-likelihood that there is on average, minus the
entropy (Gibbs). So each number below has a ceiling, and a floor: the best normal law. They are means over 10,000 draws
that nothing was trained on, in nats.

| | moons | rings | board |
| --- | --- | --- | --- |
| the law itself | -2.394 | -2.663 | -2.079 |
| spline coupling | -2.448 | -2.737 | -2.406 |
| i-ResNet | -2.458 | -2.958 | -2.532 |
| its best normal law | -3.292 | -3.097 | -3.105 |
| a flow behind a fold | -1.747 | | |

The last row is above its ceiling, and no density: it counts both of the points that it folds on one another.

`python -m specs.flow_training` prints the table anew, and draws the picture (`pip install genverify[plot]`).

Sources: Dinh, Sohl-Dickstein & Bengio 2017, "Density estimation using Real NVP"; Durkan, Bekasov, Murray &
Papamakarios 2019, "Neural spline flows"; Behrmann, Grathwohl, Chen, Duvenaud & Jacobsen 2019, "Invertible residual
networks"; Cover & Thomas 2006, "Elements of information theory".
"""

from __future__ import annotations

import functools
import math
import re

import pytest
import sympy
import torch
from torch import nn

import genverify as gv
from genverify.claims import proves
from genverify.numerics.rounding import unit_roundoff
from genverify.reference.flows.residual import ContractiveResidual
from specs import drawing
from specs import planar_laws as laws
from specs.planar_flows import BLOCKS, SLOPE, Fold, as_reference, trained
from specs.planar_laws import LAWS, best_normal, drawn, expectation, lead, truth

KINDS = ("spline coupling", "i-ResNet")
JUDGED = 10_000  # held-out draws
# What a model may stay behind the truth by, in nats. Of seeds 0 to 4: couplings 0.037 to 0.064 on moons, 0.046 to 0.065
# on rings, 0.28 to 0.38 on the board; residual blocks 0.06 to 0.32, 0.289 to 0.304 and 0.45 to 0.50.
STATED = {
    "spline coupling": {"moons": 0.12, "rings": 0.12, "board": 0.5},
    "i-ResNet": {"moons": 0.45, "rings": 0.35, "board": 0.65},
}
# By how many nats another machine's rounding may move a log-likelihood: as far as another seed.
SEEDS_DIFFER = {"spline coupling": 0.15, "i-ResNet": 0.35, "a flow behind a fold": 0.05}

CERTIFICATE = 1e-6  # the norms of two layers are certified up to their own relative error


@functools.cache
def held_out(name):
    """Draws in float64, and log p of each."""
    x = drawn(name, JUDGED, 1).double()
    return x, LAWS[name].density(x, 0.0)


def gap(kind, name, seed=0):
    """KL(p ‖ q) = −H(p) − E log q, by quadrature, and its error."""
    model = trained(kind, name, seed)
    return expectation(name, lambda x: LAWS[name].density(x, 0.0) - model.log_prob(x))


def verdicts(subject, *checks, budget="quick"):
    """The outcomes of these checks."""
    return {v.outcome for v in gv.verify(subject, checks=list(checks), budget=budget)}


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# E log q ≤ −H(p) + log M for every model q of total mass M.
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# log t ≤ t − 1, since the slope of t − 1 − log t, 1 − 1/t, is negative before t = 1 and positive after, where it is 0.
# So E log q/p − log M = E log (q/Mp) ≤ E (q/Mp − 1) = Σ q/M − Σ p = 0.


@proves("flow.training.gibbs")
def test_no_model_of_mass_one_beats_the_law_itself():
    """The inequality for one t, and its sum over three points for symbolic p and q."""
    t = sympy.Symbol("t", positive=True)
    below = t - 1 - sympy.log(t)
    assert below.subs(t, 1) == 0
    assert sympy.factor(sympy.diff(below, t)) == (t - 1) / t
    p, q = sympy.symbols("p1:4", positive=True), sympy.symbols("q1:4", positive=True)
    mass = sum(q)
    terms = [b / (mass * a) for a, b in zip(p, q, strict=True)]
    bound = sum(a * (one - 1) for a, one in zip(p, terms, strict=True))
    assert sympy.simplify(bound - (1 - sum(p))) == 0
    logarithms = sum(a * (sympy.log(b) - sympy.log(a) - sympy.log(mass)) for a, b in zip(p, q, strict=True))
    gap = sum(a * sympy.log(one) for a, one in zip(p, terms, strict=True)) - logarithms
    assert sympy.simplify(sympy.expand_log(gap)) == 0


@proves("flow.training.gibbs")
@pytest.mark.parametrize("name", LAWS)
def test_the_truth_is_known(name):
    """The law's density has mass one, without noise and with; draws agree with it; the nodes that are used suffice."""
    for noise in (0.0, 0.25):
        density = gv.Density(lambda x, noise=noise: LAWS[name].density(x, noise), event_shape=2, around=(0.0, 2.0))
        if noise or name != "board":  # steps are no matter for a quadrature: the board is 1/8 on eight fields
            assert verdicts(density, "density.integrates_to_one") == {gv.Outcome.PASS}
    x, density = held_out(name)
    found, error = expectation(name, lambda x: LAWS[name].density(x, 0.0))
    assert error < 1e-6
    mean, sure = lead(density)
    rounding = len(x) * unit_roundoff(torch.float64)  # all that there is on the board, where the density is one number
    assert abs(mean - found) <= sure + error + rounding * abs(found)
    if name == "board":
        assert found == pytest.approx(-math.log(8), rel=1e-12)
    if name == "moons":
        assert float((laws.moons_density(x) - laws.moons_density(x, nodes=2 * laws.NODES)).abs().max()) < 1e-9


@proves("flow.training.gibbs")
@pytest.mark.parametrize("name", ["moons", "rings"])
def test_scikit_learn_draws_the_same_laws(name):
    """Without noise its points are on the arcs, twice as large; and each moon is the other's image in the centre."""
    datasets = pytest.importorskip("sklearn.datasets")
    make = datasets.make_moons if name == "moons" else functools.partial(datasets.make_circles, factor=0.5)
    found = 2 * torch.from_numpy(make(1000, shuffle=False, noise=None)[0])
    if name == "rings":
        lengths = found.norm(dim=1)
        assert torch.allclose(lengths, lengths.new_tensor([2.0, 1.0]).repeat_interleave(500))
        return
    outer, inner = (found - torch.tensor([1.0, 0.5])).split(500)
    assert torch.allclose(outer, -inner)
    t = torch.linspace(0, math.pi, 500, dtype=torch.float64)
    assert torch.allclose(outer, torch.stack([2 * torch.cos(t) - 1, 2 * torch.sin(t) - 0.5], 1))


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# Maximum likelihood is minimum divergence: KL(p ‖ q_θ) + E log q_θ does not depend on θ.


@proves("flow.training.least_divergence")
def test_likelihood_and_divergence_have_one_gradient():
    """Three points, log q any functions of θ."""
    theta = sympy.Symbol("theta", real=True)
    p = sympy.symbols("p1:4", positive=True)
    logs = [sympy.Function(f"l{i}", real=True)(theta) for i in range(3)]
    divergence = sum(a * (sympy.log(a) - one) for a, one in zip(p, logs, strict=True))
    likelihood = sum(a * one for a, one in zip(p, logs, strict=True))
    assert sympy.expand(sympy.diff(divergence, theta) + sympy.diff(likelihood, theta)) == 0
    assert not sympy.expand(divergence + likelihood).has(theta)


# ── Claim (SUPPORTED) ────────────────────────────────────────────────────────────────────────────────────────────────
# Both flows end between the best normal law and the truth, as near to the truth as stated.


@proves("flow.training.coupling")
@pytest.mark.parametrize("name", LAWS)
def test_couplings_come_near(name):
    """A stated gap at most."""
    _comes_near("spline coupling", name)


@proves("flow.training.residual")
@pytest.mark.parametrize("name", LAWS)
def test_residual_blocks_come_near(name):
    """A stated gap at most."""
    _comes_near("i-ResNet", name)


def _comes_near(kind, name, seed=0):
    """Below the truth, above the normal law and the stated figure; and held-out draws find what the quadrature does."""
    found, error = gap(kind, name, seed)
    normal, _ = expectation(name, lambda x: LAWS[name].density(x, 0.0) - best_normal(name).log_prob(x))
    assert 0 < found - error
    assert found + error < STATED[kind][name] < normal
    x, density = held_out(name)
    likelihood = trained(kind, name, seed).log_prob(x)
    mean, sure = lead(likelihood)
    assert mean - sure <= truth(name)
    behind, sure = lead(density, likelihood)
    assert abs(behind - found) <= sure + error
    above, sure = lead(likelihood, best_normal(name).log_prob(x))
    assert above - sure > 0


@pytest.mark.slow
@proves("flow.training.coupling")
@pytest.mark.parametrize("seed", range(1, 5))
@pytest.mark.parametrize("name", LAWS)
@pytest.mark.parametrize("kind", KINDS)
def test_other_seeds_come_as_near(kind, name, seed):
    """The same figures."""
    _comes_near(kind, name, seed)


# ── Claim (SUPPORTED) ────────────────────────────────────────────────────────────────────────────────────────────────
# What was trained is what it claims to be: a bijection, a density, a contraction.


@proves("flow.training.certified")
@pytest.mark.parametrize("name", LAWS)
def test_the_trained_densities_have_mass_one(name):
    """By genverify's own quadrature."""
    for kind in KINDS:
        subject = gv.Density(trained(kind, name), event_shape=2, around=(0.0, 2.0))
        assert verdicts(subject, "density.integrates_to_one", budget="standard") == {gv.Outcome.PASS}


@proves("flow.training.certified")
def test_the_trained_flows_are_bijections():
    """The log-determinant is that of the Jacobian, and the inverse finds its way back."""
    checks = [f"bijection.{one}" for one in ("logabsdet", "round_trip_forward")]
    for kind in KINDS:
        model = trained(kind, "moons")
        flow = as_reference(model).flow if kind == "i-ResNet" else model.flow
        assert verdicts(gv.Bijection(flow, event_shape=2), *checks) == {gv.Outcome.PASS}


@proves("flow.training.certified")
@pytest.mark.parametrize("name", LAWS)
def test_each_trained_branch_contracts(name):
    """Certified at 0.8, though training never measured it: the product of the norms of its layers."""
    found = []
    for block in as_reference(trained("i-ResNet", name)).flow.flows:
        if not isinstance(block, ContractiveResidual):
            continue
        a, b = block._weights()
        branch = nn.Sequential(nn.Linear(2, len(a), bias=False), nn.Tanh(), nn.Linear(len(a), 2, bias=False)).double()
        branch.load_state_dict({"0.weight": a, "2.weight": SLOPE * b})
        assert torch.allclose(branch(held_out(name)[0][:9]), block.residual(held_out(name)[0][:9]))
        claimed = gv.Map(branch, event_shape=2, lipschitz=SLOPE, accuracy=CERTIFICATE)
        found.append(verdicts(claimed, "map.lipschitz"))
    assert found == [{gv.Outcome.PASS}] * BLOCKS


@proves("flow.training.certified")
def test_the_block_for_the_plane_is_the_references():
    """The same log-density as blocks of the reference with the same parameters."""
    model = trained("i-ResNet", "rings")
    x = held_out("rings")[0][:500]
    assert torch.allclose(model.log_prob(x), as_reference(model).log_prob(x), rtol=1e-9)


# ── Claim (SUPPORTED) ────────────────────────────────────────────────────────────────────────────────────────────────
# A layer that folds the plane raises the log-likelihood beyond what is possible.


@proves("flow.training.folded")
def test_a_fold_beats_the_truth_and_its_mass_tells():
    """Above minus the entropy, by the logarithm of its mass at most; its determinant is right, and no mass is one."""
    found, error = gap("folded", "moons")
    assert -math.log(2) < found - error
    assert found + error < -0.5
    x, density = held_out("moons")
    above, sure = lead(trained("folded", "moons").log_prob(x), density)
    assert above - sure > 0
    subject = gv.Density(trained("folded", "moons"), event_shape=2, around=(0.0, 2.0))
    (verdict,) = gv.verify(subject, checks=["density.integrates_to_one"], budget="quick")
    assert verdict.outcome is gv.Outcome.FAIL
    mass = verdict.evidence.figures["mass"]
    assert 1.8 < mass < 2.01
    assert -math.log(mass) < found + error
    assert verdicts(gv.Bijection(Fold(), event_shape=2), "bijection.logabsdet") == {gv.Outcome.PASS}


# ── The table and the picture ────────────────────────────────────────────────────────────────────────────────────────


def numbers():
    """Mean log-likelihood of the held-out draws, row by row."""
    found = {kind: [float(trained(kind, name).log_prob(held_out(name)[0]).mean()) for name in LAWS] for kind in KINDS}
    normal = [float(best_normal(name).log_prob(held_out(name)[0]).mean()) for name in LAWS]
    fold = [float(trained("folded", "moons").log_prob(held_out("moons")[0]).mean())]
    return {
        "the law itself": [truth(name) for name in LAWS], **found, "its best normal law": normal,
        "a flow behind a fold": fold,
    }  # fmt: skip


def table():
    """A row for each model."""
    return ["| " + " | ".join([name, *(f"{one:.3f}" for one in row)]) + " |" for name, row in numbers().items()]


@proves("flow.training.coupling")
def test_the_table_and_the_picture_say_these_numbers():
    """To what seeds differ."""
    rows = [line.strip("| ").split(" | ") for line in __doc__.splitlines() if re.match(r"\| .*\d\.\d", line)]
    shown = {row[0]: [float(one) for one in row[1:] if one.strip()] for row in rows}
    now = numbers()
    assert shown.keys() == now.keys()
    for name, row in now.items():
        assert shown[name] == pytest.approx(row, abs=SEEDS_DIFFER.get(name, 1e-3))
    said = drawing.said("flow_training.png")
    for kind in KINDS:
        assert [said[f"{kind} {name}"] for name in LAWS] == pytest.approx(now[kind], abs=SEEDS_DIFFER[kind])


def draw(folder=drawing.PICTURES):
    """Writes the picture."""
    x, _ = laws.grid(80)
    seen, side = 3.2, round(len(x) ** 0.5)

    def heat(axes, density):
        with torch.no_grad():
            values = density(x).exp().reshape(side, side)
        reach = [-laws.HALF_WIDTH, laws.HALF_WIDTH] * 2
        axes.imshow(values.tolist(), extent=reach, origin="lower", cmap="magma", vmin=0, vmax=0.17,
                    interpolation="nearest")  # fmt: skip

    def parts(figure):
        shown = numbers()
        rows = figure.subplots(3, 5, sharex=True, sharey=True)
        for (number, name), row in zip(enumerate(LAWS), rows, strict=True):
            heat(row[0], lambda x, name=name: LAWS[name].density(x, 0.0))
            row[0].set_title(f"{name}\n{truth(name):.2f}")
            for place, kind in enumerate(KINDS):
                model = trained(kind, name)
                heat(row[1 + 2 * place], model.log_prob)
                row[1 + 2 * place].set_title(f"{kind}\n{shown[kind][number]:.2f}")
                noise = torch.randn(500, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
                drawn_by = model if kind != "i-ResNet" else as_reference(model)
                points = drawn_by.sample(noise)
                row[2 + 2 * place].scatter(points[:, 0].tolist(), points[:, 1].tolist(), s=0.2, rasterized=True)
                row[2 + 2 * place].set_title("samples")
            for axes in row:
                axes.set(xlim=(-seen, seen), ylim=(-seen, seen), aspect="equal", xticks=[], yticks=[])
        return "; ".join(f"{kind} {name} {shown[kind][i]:.3f}" for kind in KINDS for i, name in enumerate(LAWS))

    return drawing.save("flow_training.png", parts, (5.6, 3.7), folder)


if __name__ == "__main__":
    print(*table(), draw(), sep="\n")
