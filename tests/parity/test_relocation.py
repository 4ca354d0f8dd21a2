"""Copies that are moved: everything that a program reaches, once, and nothing of the subject's own."""

from __future__ import annotations

import functools

import torch
from torch import nn

from genverify.noise import record
from genverify.parity.execution import BASELINE, Execution, executions, missing, settings_of
from genverify.parity.observation import tape_in
from genverify.parity.relocation import Relocation

NARROW = Execution(dtype=torch.float32)
X = torch.ones(2, 2)
LAYER = nn.Linear(2, 2).double()


def speaks_of_a_global(x):
    return LAYER(x)


def test_what_a_function_closes_over_or_names_is_moved():
    weight, layer, affine = (
        torch.ones(2, dtype=torch.float64),
        nn.Linear(2, 2).double(),
        {"shift": torch.ones(2).double()},
    )

    def inner(x):
        return layer(x) * weight

    def outer(x):
        return inner(x) + affine["shift"]

    for f in (outer, functools.partial(outer), layer.forward, speaks_of_a_global):
        there = Relocation(NARROW)
        assert there.of(f)(X).dtype == torch.float32
        assert [p.dtype for p in there.parameters.values()] == [torch.float32] * 2
    assert outer(X.double()).dtype == torch.float64
    assert LAYER.weight.dtype == torch.float64


def test_what_two_parts_share_their_copies_share():
    shared = nn.Linear(2, 2)
    first, second = nn.Sequential(shared, nn.ReLU()), nn.Sequential(shared)
    there = Relocation(NARROW)
    copies = there.of((first, second))
    assert copies[0][0] is copies[1][0]
    assert copies[0][0] is not shared
    assert len(there.parameters) == 2


def test_an_optimizer_goes_along_with_its_parameters():
    layer = nn.Linear(2, 2)
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.1)
    there = Relocation(BASELINE)
    moved, copied = there.of([layer, optimizer])
    assert copied.param_groups[0]["params"][0] is moved.weight
    assert moved.weight.dtype == torch.float64


def test_tensors_that_a_module_keeps_as_attributes_are_moved():
    class Scaled(nn.Module):
        def __init__(self):
            super().__init__()
            self.scale, self.many = torch.ones(2), [torch.ones(2), torch.ones(2)]

        def forward(self, x):
            return x * self.scale + sum(self.many)

    assert Relocation(BASELINE).of(Scaled())(X.double()).dtype == torch.float64
    law = torch.distributions.Normal(torch.tensor(0.5), torch.tensor(2.0))
    assert Relocation(BASELINE).of(law.log_prob)(X.double()).dtype == torch.float64
    assert law.loc.dtype == torch.float32


def test_numbers_go_through_a_narrow_type_and_channels_to_the_end():
    value = torch.tensor([0.1], dtype=torch.float64)
    assert float(Relocation(BASELINE, torch.bfloat16).numbers(value)) == float(value.bfloat16())
    image = torch.zeros(2, 3, 4, 5)
    moved = Relocation(Execution(channels_last=True)).numbers(image)
    assert moved.is_contiguous(memory_format=torch.channels_last)
    assert Relocation(Execution(channels_last=True)).of(nn.Conv2d(3, 4, 3)).weight.stride()[1] == 1


def test_a_uniform_draw_stays_below_the_end_of_its_range():
    with record() as recorder:
        u = torch.empty(4096, dtype=torch.float64).uniform_()
    assert bool((u.bfloat16() == 1).any())
    assert bool((tape_in(recorder.tape, torch.bfloat16).draws[0].value < 1).all())


def test_settings_are_put_back():
    threads = torch.get_num_threads()
    with settings_of(Execution(threads=threads + 1)):
        assert torch.get_num_threads() == threads + 1
    assert torch.get_num_threads() == threads


def test_every_execution_has_a_name_of_its_own_and_says_why_it_is_missing():
    names = [one.name for one in executions()]
    assert len(set(names)) == len(names)
    assert not missing(BASELINE)
    assert missing(Execution(device="mps")) == "mps has no float64"
