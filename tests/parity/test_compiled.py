"""Compiled code gets its draws as inputs; what was not compiled settles nothing. Each compilation takes seconds."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import genverify as gv
from genverify.noise import record
from genverify.noise.draw import TapeMismatch
from genverify.parity.compiled import Compiled
from genverify.parity.execution import Execution, missing
from genverify.parity.matrix import parity
from tests.parity.strange_executions import COMPILED, MUTANTS

pytestmark = pytest.mark.skipif(bool(missing(COMPILED)), reason=missing(COMPILED) or "never")


def draws_of_all_kinds(x):
    """Every way in which a draw gets into a graph: fused, in place, of a parameter, of computed ones, of a choice."""
    h = nn.functional.dropout(x, 0.5)
    e = torch.randn_like(h) * torch.empty(3, dtype=x.dtype).uniform_(1, 2)
    chosen = torch.bernoulli(torch.sigmoid(h)) + torch.multinomial(torch.softmax(h, -1), 1)
    moved = torch.distributions.Normal(h, h.exp()).rsample() + torch.normal(h, h.exp().detach())
    return (h * e + chosen * moved + nn.functional.gumbel_softmax(h)).sum(-1)


def test_compiled_code_is_fed_the_tape_forwards_and_backwards():
    x = torch.linspace(-1.0, 1.0, 12, dtype=torch.float64).reshape(4, 3).requires_grad_(True)
    with record() as recorder:
        eager = draws_of_all_kinds(x)
    compiled = Compiled(draws_of_all_kinds)
    with compiled.playing(recorder.tape):
        found = compiled(x)
        (slope,) = torch.autograd.grad(found.sum(), x)
    torch.testing.assert_close(found, eager)
    torch.testing.assert_close(slope, torch.autograd.grad(eager.sum(), x)[0])
    assert compiled.calls >= 2
    assert compiled.unread == []
    with pytest.raises(TapeMismatch, match="one more draw"), compiled.playing(gv.noise.Tape()):
        compiled(x)


def test_a_mutant_that_notices_the_compiler_is_killed():
    one = next(m for m in MUTANTS if m.wrong == COMPILED)
    report = parity(one.subject(), executions=[Execution(dtype=torch.float32), COMPILED])
    assert [v.outcome for v in report] == [gv.Outcome.PASS, gv.Outcome.FAIL]


def test_a_stochastic_network_is_spared_and_its_graph_break_named():
    class Noisy(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(3, 3)

        def forward(self, x):
            h = self.layer(x).tanh()
            torch._dynamo.graph_break("on purpose")
            return (h + 0.1 * torch.randn_like(h)).square()

    torch.manual_seed(0)
    (verdict,) = parity(gv.Map(Noisy(), stochastic=True), executions=[COMPILED])
    assert verdict.outcome is gv.Outcome.PASS
    assert "the graph broke" in " ".join(verdict.evidence.notes)
    assert verdict.evidence.figures["speed"] > 0


def test_a_run_in_which_no_compiled_code_executed_settles_nothing():
    @torch.compiler.disable
    def eager_only(x):
        return x.sin()

    (verdict,) = parity(gv.Map(eager_only, event_shape=2), executions=[COMPILED])
    assert verdict.outcome is gv.Outcome.INCONCLUSIVE
    assert "no compiled code was executed" in verdict.evidence.message


def test_a_draw_that_cannot_be_fed_is_named():
    def leaky(x):
        return nn.functional.rrelu(x, training=True)

    (verdict,) = parity(gv.Map(leaky, event_shape=2, stochastic=True), executions=[COMPILED])
    assert verdict.outcome is gv.Outcome.INCONCLUSIVE
    assert "rrelu" in verdict.evidence.message


def test_draws_outside_the_compiled_graphs_settle_nothing():
    @torch.compiler.disable
    def drawn(x):
        return torch.randn_like(x)

    def partly(x):
        return x.sin() + drawn(x)

    (verdict,) = parity(gv.Map(partly, event_shape=2, stochastic=True), executions=[COMPILED])
    assert verdict.outcome is gv.Outcome.INCONCLUSIVE
