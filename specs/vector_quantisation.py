"""Vector quantisation: which term moves what, and codes that are running means.

A quantiser replaces each vector with the nearest of a codebook. Nothing passes backward through that choice, so three
devices stand in for it: the decoder's gradient is handed to the encoder as if nothing had been quantised, one term of
the loss moves the codes to their vectors, and another the vectors to their codes. The value of the loss does not tell
the two apart; their gradients do.

Source: van den Oord, Vinyals & Kavukcuoglu 2017, "Neural discrete representation learning".
"""

from __future__ import annotations

from dataclasses import replace

import sympy
import torch

import genverify as gv
from genverify.claims import proves
from genverify.formulas import vq, vq_claims, vq_codebook
from genverify.numerics.rounding import gamma
from genverify.oracles import vector_quantisation as oracle
from genverify.reference.autoencoders import vector_quantisation as reference
from genverify.subjects.budget import BUDGETS

_NO_SHRINKING = replace(BUDGETS["quick"], shrinks=0)
_CODES = torch.tensor([[-1.0, 0.5], [0.25, -0.75], [1.0, 1.0]], dtype=torch.float64)
_Z = torch.tensor([[-0.5, 0.25], [0.75, 1.5], [1.0, 0.5], [-1.5, 0.75]], dtype=torch.float64)

# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# argmin_k ‖z − e_k‖² = argmin_k (‖e_k‖² − 2 z·e_k).
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# The square is multiplied out; ‖z‖² is the same for every k, and ‖e_k‖² is not. Leaving the latter out prefers long
# codes: there are a vector and two codes for which it chooses the farther one.


@proves("vq.nearest_code.expanded_square")
def test_the_square_is_multiplied_out():
    """The displayed equation; and what happens where the codes' norms are left out."""
    shown = vq_claims.EXPANDED_SQUARE.equation()
    assert sympy.expand(shown.lhs - shown.rhs) == 0
    z, codes = torch.tensor([[1.0]]), torch.tensor([[1.0], [3.0]])
    assert reference.nearest_code(z, codes).item() == 0
    assert (-2 * z @ codes.T).argmin().item() == 1


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# y = z + sg(e − z) is e, with ∂y/∂z = I and ∂y/∂e = 0.
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# What stands in sg is a constant c of the derivative: ∂(z + c)/∂z = 1, and nothing depends on e. Between the codes'
# borders e(z) is constant, so that its own derivative is zero: an encoder would learn nothing.


@proves("vq.straight_through.gradient")
def test_the_gradient_passes_by():
    """The displayed derivative; the reference's two gradients, against those of the code itself."""
    shown = vq_claims.STRAIGHT_THROUGH.equation()
    assert shown.lhs.doit() == shown.rhs
    upstream = torch.arange(1.0, 9.0, dtype=torch.float64).reshape(4, 2)
    z, codes = _Z.clone().requires_grad_(), _CODES.clone().requires_grad_()
    chosen = codes[reference.nearest_code(z, codes)]
    to_z, to_codes = torch.autograd.grad(
        reference.straight_through(z, chosen), (z, codes), upstream, allow_unused=True, retain_graph=True
    )
    assert torch.equal(to_z, upstream)
    assert to_codes is None
    itself = torch.autograd.grad(chosen, (z, codes), upstream, allow_unused=True)
    assert itself[0] is None
    assert bool(itself[1].abs().sum() > 0)


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# ‖sg(z) − e‖² moves the code alone, β ‖z − sg(e)‖² the vector alone, and a code is at rest at the mean of its vectors.
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# With respect to what is not stopped each term is a square: ∂(z − e)²/∂e = 2(e − z), ∂β(z − e)²/∂z = 2β(z − e). Over
# the n vectors of a code the first sums to 2(n e − Σ z), which is zero at their mean; β is not in it.


@proves("vq.loss.which_term_moves_what")
def test_the_gradients_and_the_place_of_rest():
    """The displayed derivatives, and the mean as the only root for three vectors."""
    shown = vq_claims.WHICH_MOVES_WHAT.equation()
    assert sympy.simplify(shown.lhs.doit() - shown.rhs).is_zero_matrix
    e, vectors = sympy.Symbol("e", real=True), sympy.symbols("z_1:4", real=True)
    (rest,) = sympy.solve(sum(sympy.diff((z - e) ** 2, e) for z in vectors), e)
    assert sympy.simplify(rest - sum(vectors) / 3) == 0


@proves("vq.loss.which_term_moves_what")
def test_each_way_of_stopping_is_told_from_the_others_by_its_gradient_alone():
    """The four ways that are met have one value and four pairs of gradients, each as worked out on paper."""
    beta, scale = 0.25, _Z.numel()
    e = _CODES[reference.nearest_code(_Z, _CODES)]
    pull = 2 * (e - _Z) / scale
    claimed = {
        "": (-beta * pull, pull), "exchanged": (-pull, beta * pull), "straight through": ((1 - beta) * pull, 0 * e),
        "nowhere": (-(1 + beta) * pull, (1 + beta) * pull),
    }  # fmt: skip
    values = set()
    for stops, wanted in claimed.items():
        z, code = _Z.clone().requires_grad_(), e.clone().requires_grad_()
        total = sum(oracle.loss(z, code, beta, stops=stops)).mean()
        found = torch.autograd.grad(total, (z, code), allow_unused=True)
        values.add(round(total.item(), 12))
        for one, want in zip(found, wanted, strict=True):
            gap = want if one is None else one - want
            assert bool((gap.abs() <= gamma(8, torch.float64) * pull.abs()).all()), stops
    assert len(values) == 1
    z, code = _Z.clone().requires_grad_(), e.clone().requires_grad_()
    to_z, to_code = torch.autograd.grad(reference.vq_loss(z, code, beta), (z, code))
    assert torch.allclose(to_z, claimed[""][0])
    assert torch.allclose(to_code, claimed[""][1])


@proves("vq.loss.which_term_moves_what")
def test_the_first_vqgan_is_named():
    """β on the codebook's term: FAIL by its gradient alone, and the dialect is told; PASS where it is declared."""

    def first_vqgan(z, z_q, beta=0.25):
        return torch.mean((z_q.detach() - z) ** 2) + beta * torch.mean((z_q - z.detach()) ** 2)

    checks = ["formula.dialect", "formula.value", "formula.gradient"]
    report = gv.verify(gv.Formula(first_vqgan, like="vq.loss"), budget=_NO_SHRINKING, checks=checks)
    (failure,) = report.failures
    assert failure.check == "formula.gradient"
    assert "β on the codebook's term" in failure.evidence.message
    declared = gv.Formula(first_vqgan, like="vq.loss", dialect="β on the codebook's term")
    gv.verify(declared, budget="quick", checks=checks).raise_for_failures()


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# Begun at N = 0 and m = 0, e = m/N is the mean of all vectors that the code was chosen for, with weights γ^age.
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# The recursion m ← γ m + (1 − γ) s is unrolled as that of any moving average; so is N. With s_t = Σ z and n_t how many,
# e = Σ_t γ^(T−t) s_t / Σ_t γ^(T−t) n_t: the factor 1 − γ cancels, and so does any common divisor such as 1 − γ^T.


@proves("vq.ema_codebook.running_mean")
def test_the_recursion_is_a_weighted_mean():
    """The displayed step for T ≤ 3; and three steps of the formula that runs, as that quotient."""
    shown = vq_claims.RUNNING_MEAN.equation()
    steps = next(one for one in shown.free_symbols if str(one) == "T")
    for count in range(1, 4):
        assert sympy.expand((shown.lhs - shown.rhs).subs(steps, count).doit()) == 0
    m, s, count, n, decay = oracle.ema_code.symbols
    sums, counts = sympy.symbols("s_1:4", real=True), sympy.symbols("n_1:4", positive=True)
    total, size = sympy.Integer(0), sympy.Integer(0)
    for one, many in zip(sums, counts, strict=True):
        code = oracle.ema_code.expression.subs({m: total, s: one, count: size, n: many}, simultaneous=True)
        total, size = decay * total + (1 - decay) * one, decay * size + (1 - decay) * many
    weighted = [decay ** (2 - t) for t in range(3)]
    mean = sum(w * one for w, one in zip(weighted, sums, strict=True))
    mean /= sum(w * many for w, many in zip(weighted, counts, strict=True))
    assert sympy.simplify(code - mean) == 0


@proves("vq.ema_codebook.running_mean")
def test_the_reference_runs_it():
    """Two batches: every code of the reference is the weighted mean of its own vectors and of what it began with."""
    layer = reference.EMACodebook(_CODES, decay=0.75)
    sums, sizes = _CODES.clone(), torch.ones(3, dtype=torch.float64)
    for batch in (_Z, _Z.flip(1) / 2):
        chosen = torch.nn.functional.one_hot(reference.nearest_code(batch, layer.codebook), 3).double()
        sums, sizes = 0.75 * sums + 0.25 * chosen.T @ batch, 0.75 * sizes + 0.25 * chosen.sum(0)
        layer.update(batch)
    room = gamma(32, torch.float64) * (1 + sums.abs() / sizes[:, None])
    assert bool(((layer.codebook - sums / sizes[:, None]).abs() <= room).all())


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# A code with N = 0 and m = e that is not chosen at first is multiplied by about γ/ε under Laplace smoothing.
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# Its sum becomes γ e and its count stays zero, which is smoothed to ε n/(n + K ε), n being the sum of all counts.


@proves("vq.ema_codebook.explodes")
def test_an_unused_code_is_thrown_far_away():
    """The displayed quotient; and for ε = 10⁻⁵, γ = 0.99 a code of length one that lands nearly 10⁵ away."""
    shown = vq_claims.EXPLODES.equation()
    assert sympy.simplify(shown.lhs - shown.rhs) == 0
    eps, decay = 1e-5, 0.99
    hot = torch.tensor([[1.0, 0.0]] * 10, dtype=torch.float64)
    z, start = torch.ones(10, 1, dtype=torch.float64), torch.ones(2, 1, dtype=torch.float64)
    size, old, new = oracle.stepped(*oracle.gathered(z, hot), torch.zeros(2, dtype=torch.float64), start, decay)
    code = (old + new)[1] / oracle.laplace(size, eps)[1]
    total = float(size.sum())
    wanted = decay * (total + 2 * eps) / (eps * total)
    assert abs(float(code) - wanted) <= gamma(16, torch.float64) * wanted
    assert 0.9 * decay / eps < float(code) < 1.1 * decay / eps


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# The perplexity lies in [1, K], and is M where M codes are used equally often.
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# For M equal p each term is (1/M) log(1/M). −Σ p log p ≥ 0 as p ≤ 1, and ≤ log K since log is concave (Jensen).


@proves("vq.perplexity.range")
def test_it_counts_the_codes_in_use():
    """The displayed sum for M ≤ 4; the two bounds on the reference, with codes that are never used."""
    shown = vq_claims.PERPLEXITY_RANGE.equation()
    used = next(iter(shown.rhs.free_symbols))
    for count in range(1, 5):
        assert sympy.simplify((shown.lhs - shown.rhs).subs(used, count).doit()) == 0
    p, q = sympy.symbols("p q", positive=True)
    entropy = -p * sympy.log(p) - q * sympy.log(q)
    slope = sympy.diff(entropy.subs(q, 1 - p), p)
    assert sympy.solve(slope, p) == [sympy.Rational(1, 2)]  # two codes: largest where both are used alike
    room = gamma(32, torch.float32) * 8
    assert abs(float(reference.perplexity(torch.tensor([5, 5, 5]), 8)) - 1) <= room
    assert abs(float(reference.perplexity(torch.arange(8), 8)) - 8) <= room
    assert 1 < float(reference.perplexity(torch.tensor([0, 0, 0, 7]), 8)) < 2


# ── Reference and verdict ────────────────────────────────────────────────────────────────────────────────────────────
# `genverify.reference.autoencoders.vector_quantisation`: the parts as formulas, and the whole layer as a map of
# pictures, which quantises every position by itself.


@proves("vq.straight_through.gradient")
def test_the_references_pass():
    """Each under its name."""
    for subject in (vq.nearest_code(), vq.straight_through(), vq.perplexity(), vq_codebook.ema_codebook_over_steps()):
        gv.verify(subject, budget="quick").raise_for_failures()


@proves("vq.straight_through.gradient")
def test_the_layer_is_a_map_of_positions():
    """Moving a picture moves its codes; and its gradient is declared to be what it is, none of its values'."""
    with torch.random.fork_rng():
        torch.manual_seed(1)
        layer = reference.VectorQuantizer(codes=4, dim=2)
    subject = gv.Map(layer, event_shape=(2, 3, 3), output=0, equivariant="translation", gradient=False)
    gv.verify(subject, budget="quick").raise_for_failures()
    claiming = gv.Map(layer, event_shape=(2, 3, 3), output=0)
    (verdict,) = gv.verify(claiming, budget="quick", checks=["map.gradient"])
    assert verdict.outcome is gv.Outcome.FAIL
