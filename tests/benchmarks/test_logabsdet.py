"""logabsdet of one large event against jacrev + slogdet, on the same machine in the same run."""

from __future__ import annotations

import time

import torch

from genverify.numerics.jacobian import dense_logabsdet

_SIZE = 3072


def _flow(x: torch.Tensor) -> torch.Tensor:
    """Four couplings with smooth scales, alternating halves."""
    for _ in range(4):
        a, b = x.chunk(2, -1)
        b = b * torch.exp(0.3 * torch.tanh(a)) + torch.sin(a)
        x = torch.cat((b, a), -1)
    return x


def _seconds(function, runs: int = 3) -> float:
    best = float("inf")
    for _ in range(runs):
        started = time.perf_counter()
        function()
        best = min(best, time.perf_counter() - started)
    return best


def test_a_dense_logabsdet_costs_what_the_jacobian_and_its_determinant_cost(benchmark):
    x = torch.sin(torch.arange(_SIZE, dtype=torch.float64))

    def plain() -> torch.Tensor:
        return torch.linalg.slogdet(torch.func.jacrev(_flow)(x)).logabsdet

    benchmark.group = "Log-determinant of a large event"
    benchmark.extra_info.update(label="dense logabsdet", d=_SIZE, baseline="jacrev + slogdet")
    ours = benchmark.pedantic(dense_logabsdet, args=(_flow, x), rounds=3, warmup_rounds=1)
    torch.testing.assert_close(ours, plain())
    ratio = min(benchmark.stats.stats.data) / _seconds(plain)
    benchmark.extra_info["ratio"] = ratio
    assert ratio <= 1.2
