"""A subject is never changed: also when a check fails, and global state with it."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch
from torch import nn

import genverify as gv
from genverify.subjects.preservation import preserved
from genverify.verdict import Outcome
from tests.toy_kind import Toy, registered


def state_of(module):
    return {
        "tensors": {name: t.clone() for name, t in module.state_dict().items()},
        "grads": {name: None if p.grad is None else p.grad.clone() for name, p in module.named_parameters()},
        "training": [m.training for m in module.modules()],
        "hooks": [len(m._forward_hooks) for m in module.modules()],
        "requires": [p.requires_grad for p in module.parameters()],
        "identities": [id(p) for p in module.parameters()],
    }


def same(a, b):
    if isinstance(a, torch.Tensor):
        return torch.equal(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    return a == b


def _steps(net):
    net(torch.randn(4, 2)).sum().backward()


def _optimizes(net):
    _steps(net)
    torch.optim.SGD(net.parameters(), lr=0.1).step()


def _swaps(net):
    net[0].weight = nn.Parameter(torch.zeros(2, 2))


def _grows(net):
    net.register_buffer("seen", torch.ones(1))
    net.count = 3


def _sets_data(net):
    net[0].weight.data = torch.zeros(3, 3)


MESSES = {
    "train mode and batch statistics": lambda net: net.train()(torch.randn(4, 2)),
    "gradients": _steps,
    "a step": _optimizes,
    "eval mode": lambda net: net.eval(),
    "a hook": lambda net: net[0].register_forward_hook(lambda *a: None),
    "requires_grad": lambda net: net[0].weight.requires_grad_(False),
    "a swapped parameter": _swaps,
    "new attributes": _grows,
    "new data": _sets_data,
    "values in place": lambda net: net[0].weight.detach().fill_(7.0),
    "zeroed gradients": lambda net: net.zero_grad(set_to_none=True),
}


@pytest.fixture
def net():
    torch.manual_seed(0)
    made = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2), nn.Dropout(0.5))
    made(torch.randn(3, 2)).sum().backward()
    return made


@pytest.mark.parametrize("mess", MESSES)
def test_a_module_is_put_back_and_the_change_is_named(net, mess):
    before = state_of(net)
    with preserved(net) as keeper:
        MESSES[mess](net)
        assert not same(state_of(net), before) or mess == "new attributes"
    assert same(state_of(net), before)
    assert not hasattr(net, "count")
    assert keeper.changes


def test_also_when_an_exception_passes_through(net):
    before = state_of(net)
    with pytest.raises(ZeroDivisionError), preserved(net):  # noqa: PT012 - the change comes before the exception
        _optimizes(net)
        raise ZeroDivisionError
    assert same(state_of(net), before)


def test_an_untouched_module_has_nothing_to_report(net):
    with preserved(net) as keeper:
        net.eval()(torch.zeros(1, 2))
        net.train()
    assert keeper.changes == []


def test_modules_are_found_in_closures_methods_lists_and_attributes(net):
    class Holder:
        def __init__(self, inner):
            self.parts = [{"net": inner}]

        def call(self, x):
            return self.parts[0]["net"](x)

    def closure(x):
        return net(x)

    before = state_of(net)
    for found in (closure, Holder(net), Holder(net).call, net.forward, [net], {"a": (net,)}, Toy(closure)):
        with preserved(found):
            _optimizes(net)
        assert same(state_of(net), before), found


GLOBALS = {
    "torch's default dtype": (lambda: torch.set_default_dtype(torch.float16), torch.get_default_dtype),
    "torch's grad mode": (lambda: torch.set_grad_enabled(False), torch.is_grad_enabled),
    "torch's default device": (lambda: torch.set_default_device("meta"), torch.get_default_device),
    "torch's deterministic algorithms": (
        lambda: torch.use_deterministic_algorithms(True), torch.are_deterministic_algorithms_enabled
    ),
    "NumPy's random state": (lambda: np.random.seed(1), lambda: np.random.get_state()[1].tolist()),  # noqa: NPY002
}  # fmt: skip


@pytest.mark.parametrize("name", GLOBALS)
def test_global_state_is_put_back_and_named(name):
    change, read = GLOBALS[name]
    before = read()
    with preserved() as keeper:
        change()
        assert read() != before
        keeper.restore()  # as after each case
        assert read() == before
        change()
    assert read() == before
    # beartype, on in tests, draws from Python's generator when it looks into a container.
    assert [one for one in keeper.changes if "Python's" not in one] == [f"{name}: changed"]


def test_torchs_random_state_is_put_back_in_silence():
    before = torch.get_rng_state()
    with preserved() as keeper:
        torch.manual_seed(1)
        torch.randn(3)
    assert torch.equal(torch.get_rng_state(), before)
    assert keeper.changes == []


def test_a_failing_check_leaves_the_subject_as_it_was_and_reports_what_moved(net):
    def meddles(x):
        net.train()
        _optimizes(net)
        torch.set_default_dtype(torch.float64)
        return x * x if x < 7 else 0

    before = state_of(net)
    with registered():
        (verdict,) = gv.verify(Toy(meddles), checks=["toy.square"], budget="quick")
    assert verdict.outcome is Outcome.FAIL
    assert torch.get_default_dtype() is torch.float32
    assert same(state_of(net), before)
    notes = " ".join(verdict.evidence.notes)
    assert "default dtype" in notes
    assert "values" in notes


def test_pythons_random_state_is_put_back_and_named():
    # In a process of its own: here beartype draws from it whenever it looks into a container.
    code = """
import random
from genverify.subjects.preservation import preserved
before = random.getstate()
with preserved() as keeper:
    random.seed(1)
    keeper.restore()
assert random.getstate() == before
assert keeper.changes == ["Python's random state: changed"], keeper.changes
"""
    subprocess.run([sys.executable, "-c", code], check=True)
