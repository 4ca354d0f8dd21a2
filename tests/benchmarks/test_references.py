"""What plain costs: each reference against torch's own implementation, forwards and backwards, once they agree."""

from __future__ import annotations

import statistics
import time

import pytest
import torch
from torch.nn import functional

from genverify.parity.execution import Execution, settings_of
from tests.benchmarks.reference_pairs import Pair, assert_parity, devices, executed, moved, pairs

_ROUNDS, _ITERATIONS, _ALTERNATIONS = 15, 3, 20
_PAIRS = {pair.name: pair for pair in pairs()}
_AGREE: set[tuple[str, str]] = set()


def _agree(pair: Pair, device: str) -> None:
    """Asks once for the two tests of a pair."""
    if (pair.name, device) not in _AGREE:
        assert_parity(pair, device)
        _AGREE.add((pair.name, device))


def _alternating(first, second, rounds: int) -> float:
    """How many times as long the second takes: the median over rounds in which each ran once, the order changing."""

    def seconds(run) -> float:
        begun = time.perf_counter()
        run()
        return time.perf_counter() - begun

    ratios = []
    for number in range(rounds):
        if number % 2:
            other = seconds(second)
            ratios.append(other / seconds(first))
        else:
            one = seconds(first)
            ratios.append(seconds(second) / one)
    return statistics.median(ratios)


@pytest.mark.parametrize("who", ["torch", "reference"])
@pytest.mark.parametrize("name", _PAIRS)
@pytest.mark.parametrize("device", devices())
def test_time(benchmark, device, name, who):
    pair, execution = _PAIRS[name], Execution(device=device, dtype=torch.float32)
    _agree(pair, device)
    arguments = moved(pair, execution)

    def run(program):
        executed(pair, program, arguments)
        if device != "cpu":
            torch.accelerator.synchronize()

    benchmark.group = f"Reference against torch, {device}, float32"
    benchmark.extra_info["label"] = f"{name}: {who}"
    with settings_of(execution):
        if who == "reference":
            benchmark.extra_info["baseline"] = f"{name}: torch"
            ratio = _alternating(lambda: run(pair.torch), lambda: run(pair.reference), _ALTERNATIONS)
            benchmark.extra_info["ratio"] = ratio
        benchmark.pedantic(run, args=(getattr(pair, who),), rounds=_ROUNDS, iterations=_ITERATIONS, warmup_rounds=1)


def _unbiased_layer_norm(x, weight, bias):
    centred = x - x.mean(-1, keepdim=True)
    return weight * centred / torch.sqrt(x.var(-1, keepdim=True) + 1e-5) + bias


def _adam_with_another_epsilon(start, gradients):
    parameter = torch.nn.Parameter(start.clone())
    optimizer = torch.optim.Adam([parameter], eps=1e-9)
    for one in gradients:
        parameter.grad = one
        optimizer.step()
    return parameter.detach()


WRONG = {
    "Linear": lambda x, weight, bias: functional.linear(x, weight, bias.detach()) + 0 * bias,
    "Conv2d": lambda x, weight, bias: functional.conv2d(x, weight.flip(-1, -2), bias, padding=1),
    "LayerNorm": _unbiased_layer_norm,
    "cross entropy": lambda x, target: functional.cross_entropy(x, target, label_smoothing=1e-6),
    "GELU": lambda x: functional.gelu(x, approximate="tanh"),
    "Adam, 10 steps": _adam_with_another_epsilon,
}


@pytest.mark.parametrize("name", WRONG)
def test_what_computes_something_else_is_not_timed(name):
    wrong = Pair(**{**vars(_PAIRS[name]), "torch": WRONG[name]})
    with pytest.raises(AssertionError, match="times what rounding may do"):
        assert_parity(wrong, "cpu")


def test_a_ratio_in_alternation_is_that_of_the_work():
    assert 1.5 <= _alternating(lambda: time.sleep(0.002), lambda: time.sleep(0.006), 5) <= 4.5
