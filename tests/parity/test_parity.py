"""Parity kills what is wrong in one execution, spares what is right in all, and says why nothing is settled."""

from __future__ import annotations

import threading

import numpy as np
import pytest
import torch
from torch import nn
from torch.distributions.transforms import AffineTransform
from torch.nn.functional import logsigmoid

import genverify as gv
from genverify.parity.comparison import Comparison
from genverify.parity.execution import BASELINE, Execution, executions, missing
from genverify.parity.matrix import ParityReport, parity
from tests.parity.strange_executions import ALONE, BF16, F32, LAST, MANY, MUTANTS, TWINS

EAGER = [BASELINE, F32, BF16, MANY, LAST, ALONE]


def outcomes(report):
    return {verdict.check.removeprefix("parity."): verdict.outcome for verdict in report}


@pytest.mark.parametrize("one", [m for m in MUTANTS if not m.wrong.compiled], ids=lambda one: one.f.__name__)
def test_a_mutant_is_killed_in_its_execution_and_in_no_wider_one(one):
    found = outcomes(parity(one.subject(), executions=[BASELINE, one.wrong]))
    assert found == {BASELINE.name: gv.Outcome.PASS, one.wrong.name: gv.Outcome.FAIL}


@pytest.mark.parametrize("one", TWINS, ids=lambda one: one.f.__name__)
def test_a_twin_is_spared(one):
    report = parity(one.subject(), executions=EAGER)
    assert not [str(v) for v in report if v.outcome in (gv.Outcome.FAIL, gv.Outcome.ERROR)]
    assert outcomes(report)[F32.name] is gv.Outcome.PASS


@pytest.mark.parametrize("seed", range(5))
def test_bfloat16_is_allowed_its_rounding_on_a_network_and_no_more(seed):
    torch.manual_seed(seed)
    net = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.BatchNorm1d(4), nn.Linear(4, 2)).eval()
    assert outcomes(parity(gv.Map(net), executions=[BF16], seed=seed))[BF16.name] is gv.Outcome.PASS

    class Half(nn.Module):
        def forward(self, x):
            return x * (0.5 if x.dtype == torch.bfloat16 else 1.0)

    wrong = parity(gv.Map(nn.Sequential(net, Half()), event_shape=3), executions=[BF16], seed=seed)
    assert outcomes(wrong)[BF16.name] is gv.Outcome.FAIL


def test_narrowness_is_reported():
    narrow = next(one for one in TWINS if one.f.__name__ == "narrow_everywhere")
    (verdict,) = parity(narrow.subject(), executions=[F32])
    assert "narrow: it computes in float32 inside" in " ".join(verdict.evidence.notes)


def test_where_no_digit_is_promised_nothing_is_settled():
    def corrected(x):
        return x / (1.0 - torch.as_tensor(0.999, dtype=x.dtype).square() + 0.0 * x)

    def lost(x):
        return ((x + 1e4) - 1e4).square()

    for f in (lost, corrected):
        found = outcomes(parity(gv.Map(f, event_shape=3), executions=[BASELINE, BF16]))
        assert found == {BASELINE.name: gv.Outcome.PASS, BF16.name: gv.Outcome.INCONCLUSIVE}


def test_randomness_that_no_tape_holds_is_named():
    own = np.random.default_rng()

    def hidden(x):
        return x + float(own.standard_normal())

    (verdict,) = parity(gv.Map(hidden, event_shape=2, stochastic=True), executions=[F32])
    assert verdict.outcome is gv.Outcome.INCONCLUSIVE
    assert "nondeterministic" in verdict.evidence.message


def test_runs_that_differ_in_their_last_bits_are_named():
    flips = []

    def unsteady(x):
        flips.append(1)
        total = x.sum(-1) if len(flips) % 2 else x.flip(-1).sum(-1)
        return total + 1e-16 * len(flips) if x.dtype == torch.float64 else total * (1.0 + 2.0**-23 * (len(flips) % 2))

    (verdict,) = parity(gv.Map(unsteady, event_shape=5), executions=[F32])
    assert verdict.outcome is gv.Outcome.PASS
    assert "nondeterministic" in " ".join(verdict.evidence.notes)


def test_what_cannot_be_copied_is_said_and_left_alone():
    class Locked(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer, self.lock = nn.Linear(2, 2), threading.Lock()

        def forward(self, x):
            with self.lock:
                return self.layer(x)

    made = Locked()
    before = made.layer.weight.clone()
    (verdict,) = parity(gv.Map(made, event_shape=2), executions=[F32])
    assert verdict.outcome is gv.Outcome.INCONCLUSIVE
    assert "cannot be copied" in verdict.evidence.message
    assert torch.equal(made.layer.weight, before)


def test_a_full_device_is_said_and_the_others_still_run():
    def greedy(x):
        return x * (torch.empty(2**55, dtype=x.dtype)[0] if x.dtype == torch.float32 else 1.0)

    found = {v.check: v for v in parity(gv.Map(greedy, event_shape=2), executions=[F32, BF16])}
    assert found["parity.cpu.float32"].outcome is gv.Outcome.INCONCLUSIVE
    assert "cpu is full" in found["parity.cpu.float32"].evidence.message
    assert found["parity.cpu.bfloat16"].outcome is gv.Outcome.PASS


def test_what_does_not_run_in_a_dtype_is_not_accused():
    (verdict,) = parity(gv.Map(torch.linalg.cholesky_ex, event_shape=(2, 2), output=0), executions=[BF16])
    assert verdict.outcome is gv.Outcome.NOT_APPLICABLE
    assert "it does not run in bfloat16" in verdict.evidence.message


def test_absent_executions_are_named():
    absent = [one for one in executions() if missing(one)]
    report = parity(gv.Map(torch.sin, event_shape=2), executions=[F32, *absent])
    found = outcomes(report)
    assert all(found[one.name] is gv.Outcome.NOT_APPLICABLE for one in absent)
    assert report.exit_status() == 0
    if not torch.cuda.is_available():
        assert "cuda.float32" in found
    with pytest.raises(gv.UsageError, match="did you mean 'cuda'"):
        Execution(device="cudaa")


def test_a_subject_is_never_changed():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3), nn.Dropout(), nn.Linear(3, 1))
    before = {name: value.clone() for name, value in net.state_dict().items()}
    state, threads = torch.get_rng_state(), torch.get_num_threads()
    parity(gv.Map(net, event_shape=2, training=True, stochastic=True, batch_independent=False), executions=EAGER)
    assert all(torch.equal(before[name], value) for name, value in net.state_dict().items())
    assert net.training
    assert net[0].weight.grad is None
    assert net[0].weight.dtype == torch.float32
    assert torch.equal(state, torch.get_rng_state())
    assert torch.get_num_threads() == threads


def test_a_step_of_gradient_descent_and_gradients_are_compared():
    torch.manual_seed(0)
    (verdict,) = parity(gv.Map(nn.Linear(3, 2)), executions=[F32])
    assert verdict.outcome is gv.Outcome.PASS
    assert verdict.evidence.examined == 6  # the image; by x, weight and bias; weight and bias after a step
    assert verdict.evidence.figures["speed"] > 0


@pytest.mark.parametrize(
    "subject",
    [
        gv.Formula(lambda mu, logvar: -0.5 * (1 + logvar - mu**2 - logvar.exp()).sum(-1),
                   like="kl.diagonal_to_standard_normal", name="kl"),
        gv.Optimizer(torch.optim.Adam, rule="adam", lr=1e-3),
        gv.Density(torch.distributions.Normal(torch.tensor(0.5), torch.tensor(2.0))),
        gv.Bijection(AffineTransform(torch.tensor(1.0), torch.tensor(3.0)), event_shape=2),
        gv.Sampler(lambda mean, std: mean + std * torch.randn_like(mean), law="law.normal_diagonal", name="draw"),
    ],
    ids=lambda one: one.kind,
)  # fmt: skip
def test_any_kind_of_subject(subject):
    found = outcomes(parity(subject, executions=[BASELINE, F32]))
    assert set(found.values()) == {gv.Outcome.PASS}


def test_an_optimizer_that_is_another_in_float32_is_killed():
    class Careless(torch.optim.SGD):
        def step(self, closure=None):
            for group in self.param_groups:
                for p in group["params"]:
                    factor = 1.0 if p.dtype == torch.float64 else 1.5
                    p.data.add_(p.grad, alpha=-factor * group["lr"])

    found = outcomes(parity(gv.Optimizer(Careless, rule="gradient_descent", lr=0.1), executions=[BASELINE, F32]))
    assert found == {BASELINE.name: gv.Outcome.PASS, F32.name: gv.Outcome.FAIL}


def test_a_training_step_that_is_another_in_float32_is_killed():
    def step(D, G, opt_d, real, z):
        opt_d.zero_grad()
        weight = 1.0 if real.dtype == torch.float64 else 0.5
        loss = -(logsigmoid(D(real)).mean() + weight * logsigmoid(-D(G(z).detach())).mean())
        loss.backward()
        opt_d.step()

    found = outcomes(parity(gv.TrainingStep(step, like="gan.discriminator_step"), executions=[BASELINE, F32]))
    assert found == {BASELINE.name: gv.Outcome.PASS, F32.name: gv.Outcome.FAIL}


def test_attention_with_dropout_is_spared():
    torch.manual_seed(0)
    layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.1, batch_first=True)
    subject = gv.Map(layer, event_shape=(4, 8), training=True, stochastic=True)
    assert set(outcomes(parity(subject, executions=[F32, BF16, MANY, ALONE])).values()) == {gv.Outcome.PASS}


def test_a_fault_of_our_own_is_an_error(monkeypatch):
    def broken(self, execution):
        raise RuntimeError("ours")

    monkeypatch.setattr(Comparison, "_judged", broken)
    (verdict,) = parity(gv.Map(torch.sin, event_shape=2), executions=[F32])
    assert verdict.outcome is gv.Outcome.ERROR


def test_the_report_is_a_matrix_and_survives_json():
    report = parity(gv.Map(torch.sin, event_shape=2, name="sine"), executions=[F32, LAST])
    assert "cpu.float32 " in str(report)
    assert "speed" in str(report)
    assert ParityReport.from_json(report.to_json()) == report
    several = parity([gv.Map(torch.sin, event_shape=2, name="sine"), gv.Map(torch.cos, event_shape=2, name="cosine")],
                     executions=[F32])  # fmt: skip
    assert "cosine" in str(several)
