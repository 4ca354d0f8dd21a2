"""torch's spectral normalisation and orthogonal parametrisation as their users declare them."""

from __future__ import annotations

import warnings

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations
from torch.nn.utils import spectral_norm as older

import genverify as gv


def _old(layer: nn.Module, **how: int) -> nn.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        return older(layer, **how)


def _settled(layer: nn.Module, *shape: int) -> nn.Module:
    """After enough steps in training for σ to have converged."""
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(0)
        for _ in range(60):
            layer(torch.randn(2, *shape))
    return layer.eval()


def _dense(inputs: int, outputs: int) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return nn.Linear(inputs, outputs)


def _ones() -> nn.Module:
    layer = nn.Conv2d(1, 1, 3, padding=1, bias=False)
    nn.init.ones_(layer.weight)
    return layer


CLAIMS: dict[str, gv.Map] = {
    "spectral_norm, dense": gv.Map(
        _settled(parametrizations.spectral_norm(_dense(5, 4), n_power_iterations=20), 5), event_shape=5, lipschitz=1.0
    ),
    "spectral_norm, dense, older": gv.Map(
        _settled(_old(_dense(5, 4), n_power_iterations=20), 5), event_shape=5, lipschitz=1.0
    ),
    "orthogonal, square": gv.Map(parametrizations.orthogonal(_dense(4, 4)), event_shape=4, lipschitz=1.0),
    "orthogonal, wide": gv.Map(parametrizations.orthogonal(_dense(5, 3)), event_shape=5, lipschitz=1.0),
    "orthogonal, tall": gv.Map(parametrizations.orthogonal(_dense(3, 5)), event_shape=3, lipschitz=1.0),
}
REFUTED = {
    "spectral_norm, convolution": gv.Map(
        _settled(parametrizations.spectral_norm(_ones()), 1, 8, 8), event_shape=(1, 8, 8), lipschitz=1.0
    ),
    "spectral_norm, convolution, older": gv.Map(_settled(_old(_ones()), 1, 8, 8), event_shape=(1, 8, 8), lipschitz=1.0),
}


def _formulas() -> dict[str, gv.Formula]:
    """The layers with weights and first vectors that are the same every time."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        layers = {
            "spectral_norm, dense": parametrizations.spectral_norm(nn.Linear(4, 3)),
            "spectral_norm, convolution": parametrizations.spectral_norm(nn.Conv2d(1, 2, 2, padding=1)),
            "spectral_norm, dense, older": _old(nn.Linear(3, 4), n_power_iterations=2),
        }
    like = {nn.Linear: "spectral_norm.dense", nn.Conv2d: "spectral_norm.convolution"}
    return {
        name: gv.Formula(layer, like=next(found for kind, found in like.items() if isinstance(layer, kind)))
        for name, layer in layers.items()
    }


FORMULAS = _formulas()


@pytest.mark.parametrize("name", CLAIMS)
def test_the_constant_is_one(name):
    (verdict,) = gv.verify(CLAIMS[name], checks=["map.lipschitz"], budget="quick")
    assert verdict.outcome is gv.Outcome.PASS, str(verdict)


@pytest.mark.parametrize("name", REFUTED)
def test_of_a_convolution_it_is_not(name):
    """FAIL, with two images that are nearly three times as far apart afterwards."""
    (verdict,) = gv.verify(REFUTED[name], checks=["map.lipschitz"], budget="quick")
    assert verdict.outcome is gv.Outcome.FAIL, str(verdict)
    assert 2.5 < verdict.evidence.observed < 3.0


@pytest.mark.parametrize("name", FORMULAS)
def test_the_layers_follow_the_algorithm(name):
    """Values over calls in both modes, with the state that the module keeps."""
    report = gv.verify(FORMULAS[name], budget="quick", checks=["formula.dialect", "formula.value"])
    assert report.count(gv.Outcome.PASS) == 2, str(report)


@pytest.mark.parametrize("claimed", ["1", "one", (1.0,), 1j, True, -1.0, float("nan"), float("inf")])
def test_a_constant_that_is_none_is_refused(claimed):
    """What was given, what was expected, and what to type, where no annotation is enforced."""
    with pytest.raises(gv.UsageError, match="a constant K ≥ 0") as refused:
        gv.Map(nn.ReLU(), lipschitz=claimed, event_shape=2)
    assert f"lipschitz={claimed!r}" in str(refused.value)
    assert "for example lipschitz=1.0" in str(refused.value)


def test_the_older_one_cannot_be_trained_through_both_modes():
    """In evaluation it does not copy u and v, which training then overwrites: backward raises. The newer one copies."""
    x = torch.ones(1, 3)
    for made, raises in ((_old(_dense(3, 4)), True), (parametrizations.spectral_norm(_dense(3, 4)), False)):
        total = made.eval()(x).sum() + made.train()(x).sum()
        if raises:
            with pytest.raises(RuntimeError, match="modified by an inplace operation"):
                total.backward()
        else:
            total.backward()
