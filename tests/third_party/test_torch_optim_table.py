"""Every optimizer of torch.optim, in its documented options, follows its rule: prints the table with ``-s``."""

from __future__ import annotations

import pytest
import torch

from genverify.verdict import Outcome
from tests.third_party.torch_optim_table import CONFIGURATIONS, row

# The full battery stands in the table; here what tells one option from another.
_CHECKS = ["optimizer.trajectory", "optimizer.line_search"]


@pytest.mark.parametrize(("name", "rule", "options"), CONFIGURATIONS, ids=lambda one: str(one)[:60])
def test_torch_follows_its_rule(name, rule, options):
    line, report = row(name, rule, options, "quick", _CHECKS)
    print(line)
    bad = [str(one) for one in report if one.outcome not in (Outcome.PASS, Outcome.NOT_APPLICABLE)]
    assert not bad, "\n".join(bad)
    assert report.count(Outcome.PASS)


def test_the_table_forgets_no_optimizer():
    known = {
        name
        for name, one in vars(torch.optim).items()
        if isinstance(one, type) and issubclass(one, torch.optim.Optimizer) and one is not torch.optim.Optimizer
    }
    assert {name for name, _, _ in CONFIGURATIONS} == known


@pytest.mark.xfail(strict=True, reason="torch 2.13: L-BFGS views each gradient as a vector, whatever its strides")
def test_lbfgs_takes_parameters_that_are_laid_out_by_columns():
    w = torch.nn.Parameter(torch.ones(2, 2).mT.contiguous().mT)
    optimizer = torch.optim.LBFGS([w])

    def closure():
        optimizer.zero_grad()
        loss = (w**2).sum()
        loss.backward()
        return loss

    optimizer.step(closure)


@pytest.mark.xfail(strict=True, reason="torch 2.13: Adafactor takes the machine epsilon of the first parameter for all")
def test_adafactor_heeds_the_dtype_of_each_parameter():
    def moved(dtypes):
        held = [torch.nn.Parameter(torch.zeros(2, dtype=dtype)) for dtype in dtypes]
        for p in held:
            p.grad = torch.full_like(p, 1e-9)
        torch.optim.Adafactor(held, foreach=False).step()
        return held[-1].detach()

    assert torch.equal(moved([torch.float64, torch.float32]), moved([torch.float32]))


@pytest.mark.xfail(strict=True, raises=TypeError, reason="torch 2.13: fused SGD wants all its buffers, or none")
def test_fused_sgd_takes_a_parameter_whose_gradient_comes_later():
    held = [torch.nn.Parameter(torch.zeros(1)) for _ in range(2)]
    optimizer = torch.optim.SGD(held, lr=0.1, momentum=0.9, fused=True)
    for grads in ((None, torch.ones(1)), (torch.ones(1), torch.ones(1))):
        for p, g in zip(held, grads, strict=True):
            p.grad = g
        optimizer.step()
