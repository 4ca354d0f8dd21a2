"""What a Map can declare, and what each declaration is judged by."""

from __future__ import annotations

import re
from typing import Any

import pytest
import torch
from torch import nn

import genverify as gv
from genverify.cli import main
from genverify.cli.declaring import declare
from genverify.subjects.map import Map


def verdict(subject: Map, check: str) -> Any:
    """The verdict of one check."""
    (found,) = gv.verify(subject, checks=[f"map.{check}"], budget="quick")
    return found


def outcome(subject: Map, check: str) -> gv.Outcome:
    """Its outcome."""
    return verdict(subject, check).outcome


@pytest.mark.parametrize(
    ("claims", "words"),
    [
        ({"lipschitz": -1.0}, "a constant K ≥ 0"),
        ({"equivariant": "transl"}, "did you mean 'translation'?"),
        ({"equivariant": torch.relu}, "a pair of functions"),
        ({"invariant": (torch.relu, torch.relu)}, "a function g of a batch"),
        ({"output_shape": "same"}, "a tuple of positive integers"),
        ({"event_shapes": "3"}, "a list of event shapes"),
        ({"shift": (0, 1)}, "two positive integers"),
        ({"margin": -1}, "at least 0"),
        ({"accuracy": 2.0}, "a relative accuracy"),
    ],
)
def test_what_cannot_be_claimed_is_refused_when_it_is_declared(claims, words):
    with pytest.raises(gv.UsageError, match=re.escape(words)):
        Map(torch.tanh, event_shape=3, **claims)


@pytest.mark.parametrize(
    ("subject", "words"),
    [
        (Map(torch.tanh), "without event_shape"),
        (Map(nn.Linear), "an instance, or a function"),
        (Map(lambda x: (x, x), event_shape=3), "output=0"),
        (Map(lambda x: (x, x), event_shape=3, output=2), "the index or key"),
        (Map(torch.tanh, event_shape=3, ignores=torch.ones(2, 2)), "a mask of shape (3, 3)"),
        (Map(torch.tanh, event_shape=3, matrix=torch.ones(2, 2)), "a tensor of shape (3, 3)"),
        (Map(torch.tanh, event_shape=3, output_shape=lambda event: 3), "a tuple of integers"),
    ],
    ids=["event", "class", "pair", "index", "mask", "matrix", "shape"],
)
def test_what_does_not_fit_the_map_is_refused_when_it_is_tried(subject, words):
    with pytest.raises(gv.UsageError, match=re.escape(words)):
        gv.verify(subject, budget="quick")


def test_the_event_shape_of_a_layer_that_tells_it_is_found():
    report = gv.verify(Map(nn.Linear(3, 2), affine=True), checks=["map.affine"], budget="quick")
    assert report.count(gv.Outcome.PASS) == 1


def test_a_module_is_judged_in_evaluation_mode_and_stays_as_it_was():
    net = nn.Sequential(nn.Linear(3, 3), nn.Dropout(0.5), nn.BatchNorm1d(3))
    before = {name: value.clone() for name, value in net.state_dict().items()}
    found = verdict(Map(net, event_shape=3), "deterministic")
    assert found.outcome is gv.Outcome.PASS
    assert "judged in evaluation mode" in found.evidence.notes
    training = verdict(Map(net, event_shape=3, training=True, batch_independent=False), "deterministic")
    assert training.outcome is gv.Outcome.FAIL
    assert "bernoulli" in training.evidence.message
    assert net.training
    assert all(torch.equal(before[name], value) for name, value in net.state_dict().items())


def test_dependence_is_claimed_by_a_mask_or_by_indices():
    lower = torch.ones(4, 4).triu(1).bool()
    for claim in (lower, lower.numpy().tolist(), lambda i, j: j > i):
        assert outcome(Map(lambda x: x.cumsum(-1), event_shape=4, ignores=claim), "ignores") is gv.Outcome.PASS
        assert outcome(Map(lambda x: x.flip(-1).cumsum(-1), event_shape=4, ignores=claim), "ignores") is gv.Outcome.FAIL


def test_a_dependence_of_values_alone_counts():
    assert outcome(Map(torch.sign, event_shape=2, depends_on=lambda i, j: i == j), "depends_on") is gv.Outcome.PASS
    assert (
        outcome(Map(torch.zeros_like, event_shape=2, depends_on=lambda i, j: i == j), "depends_on") is gv.Outcome.FAIL
    )


def test_a_soft_mask_that_leaks_a_little_is_a_leak():
    def attend(strength):
        def f(x):
            bias = -strength * torch.ones(3, 3, dtype=x.dtype).triu(1)
            return (x[:, :, None] * x[:, None, :] + bias).softmax(-1) @ x[..., None]

        return f

    claim = {"event_shape": 3, "ignores": lambda i, j: j > i[0]}
    assert outcome(Map(attend(30.0), **claim), "ignores") is gv.Outcome.FAIL
    assert outcome(Map(attend(1e9), **claim), "ignores") is gv.Outcome.PASS


def test_groups_may_be_given_as_functions():
    flip = lambda x: x.flip(-1)  # noqa: E731
    assert outcome(Map(torch.tanh, event_shape=3, equivariant=(flip, flip)), "equivariant") is gv.Outcome.PASS
    assert outcome(Map(lambda x: x.sum(-1), event_shape=3, invariant=flip), "invariant") is gv.Outcome.PASS
    assert (
        outcome(Map(lambda x: x.cumsum(-1), event_shape=3, equivariant=(flip, flip)), "equivariant") is gv.Outcome.FAIL
    )
    negate = torch.neg
    assert outcome(Map(torch.sin, event_shape=3, equivariant=(negate, negate)), "equivariant") is gv.Outcome.PASS
    assert outcome(Map(torch.exp, event_shape=3, equivariant=(negate, negate)), "equivariant") is gv.Outcome.FAIL


def test_a_residual_path_may_be_scaled():
    class Scaled(nn.Module):
        def __init__(self):
            super().__init__()
            self.branch = nn.Linear(2, 2)

        def forward(self, x):
            return (x + self.branch(x)) * 0.5

    assert outcome(Map(Scaled(), event_shape=2, identity_path=0.5), "identity_path") is gv.Outcome.PASS
    assert outcome(Map(Scaled(), event_shape=2, identity_path=True), "identity_path") is gv.Outcome.FAIL
    without = Map(lambda x: x + torch.tanh(x), event_shape=2, identity_path=True)
    assert outcome(without, "identity_path") is gv.Outcome.INCONCLUSIVE


def test_a_context_is_drawn_for_a_conditional_map():
    net = nn.Bilinear(2, 3, 2)
    subject = Map(net, event_shape=2, context_shape=3)
    report = gv.verify(subject, budget="quick")
    assert {v.outcome for v in report} == {gv.Outcome.PASS, gv.Outcome.NOT_APPLICABLE}, str(report)


def test_what_works_in_place_and_says_so_is_noted():
    for f in (nn.ReLU(inplace=True), torch.sigmoid_):
        found = verdict(Map(f, event_shape=2), "inputs_untouched")
        assert found.outcome is gv.Outcome.PASS
        assert any("in place" in note for note in found.evidence.notes)


@pytest.mark.parametrize(
    ("words", "outcome"), [(["--affine", "true"], 0), (["--linear", "true"], 1), (["--lipschitz", "one"], 2)]
)
def test_the_command_line_declares_a_map(tmp_path, monkeypatch, capfd, words, outcome):
    (tmp_path / "nets.py").write_text("from torch import nn\nlayer = nn.Conv1d(1, 2, 3, padding=1)\n")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        main(["check", "nets.py:layer", "--as", "map", "--event-shape", "1,4", "--budget", "quick", *words])
    assert ended.value.code == outcome
    shown = capfd.readouterr()
    assert ("--lipschitz" in shown.err) == (outcome == 2)


def test_the_command_line_takes_functions_and_lists_of_shapes(tmp_path, monkeypatch):
    (tmp_path / "nets.py").write_text("import torch\nfrom torch import nn\nlayer = nn.Tanh()\ndef back(y): return y\n")
    monkeypatch.chdir(tmp_path)
    words = [("event-shape", "3"), ("event-shapes", "[(2,), (5,)]"), ("equals", "nets.py:back")]
    subject = declare("nets.py:layer", "map", [(name.replace("-", "_"), text) for name, text in words])
    assert isinstance(subject, Map)
    assert subject.event_shapes == ((2,), (5,))
    assert outcome(subject, "equals") is gv.Outcome.FAIL
    assert outcome(subject, "output_shape") is gv.Outcome.PASS
