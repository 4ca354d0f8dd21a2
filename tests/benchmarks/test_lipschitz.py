"""What a certificate and a witness of a critic cost: twenty convolutions of 64 channels on 32 × 32 places."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm

from genverify.numerics.lipschitz_certificate import certificate
from genverify.numerics.lipschitz_witness import longest_chord

EVENT = (3, 32, 32)


def critic(mode="zeros", *, strided=False, normalised=True, layers=20, channels=64):
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(0)
        made, size = [], EVENT[1]
        for i in range(layers):
            step = 2 if strided and i in (5, 10, 15) else 1
            layer = nn.Conv2d(channels if i else EVENT[0], channels, 3, step, padding=1, padding_mode=mode)
            made += [spectral_norm(layer) if normalised else layer, nn.LeakyReLU(0.2)]
            size = -(-size // step)
        net = nn.Sequential(*made, nn.Flatten(), nn.Linear(channels * size**2, 1))
        for _ in range(3):
            net(torch.randn(2, *EVENT))
    return net.eval().double()


CRITICS = {
    "zeros": {}, "zeros, unnormalised": {"normalised": False}, "zeros, strided": {"strided": True},
    "circular": {"mode": "circular"}, "circular, strided": {"mode": "circular", "strided": True},
}  # fmt: skip


@pytest.mark.parametrize("name", CRITICS)
def test_certificate(benchmark, name):
    net = critic(**CRITICS[name])
    benchmark.group = "A critic of twenty convolutions: certificate and witness"
    benchmark.extra_info["label"] = f"certificate, {name}"
    found = benchmark.pedantic(certificate, args=(net, EVENT), rounds=1, warmup_rounds=0)
    assert found.upper < float("inf")


@pytest.mark.parametrize("name", CRITICS)
def test_witness(benchmark, name):
    net = critic(**CRITICS[name])
    starts = torch.sin(torch.arange(32.0 * 3 * 32 * 32, dtype=torch.float64)).reshape(32, *EVENT)
    benchmark.group = "A critic of twenty convolutions: certificate and witness"
    benchmark.extra_info["label"] = f"witness, {name}"
    found = benchmark.pedantic(longest_chord, args=(net, starts), rounds=1, warmup_rounds=0)
    assert found is not None
