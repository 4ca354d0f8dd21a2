"""A claimed Lipschitz constant (ℓ2): a certificate above, two points below."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from genverify.checks.check import check
from genverify.numerics.lipschitz_certificate import Certificate, certificate
from genverify.numerics.lipschitz_rules import own_layer
from genverify.numerics.lipschitz_witness import Chord, longest_chord
from genverify.numerics.relu_regions import SteepestCell, one_hidden_relu_constant
from genverify.numerics.rounding import gamma, unit_roundoff
from genverify.subjects.budget import Run
from genverify.subjects.case import Case
from genverify.subjects.map import Map
from genverify.subjects.map_evaluation import MapEvaluation, evaluated
from genverify.verdict import Judgement, Rung, failed, inconclusive, not_applicable, passed

__all__ = ["lipschitz"]

_SCALES = (1.0, 0.1, 10.0, 0.0)
_MOST_UNITS, _MOST_INPUTS = 20, 4


class CertificateRefuted(Exception):
    """Two points that are steeper than what was certified: no verdict on the map, but on the certificate."""


@check(
    "map.lipschitz",
    statement="|f(x) − f(y)| ≤ K |x − y| for all x and y, in the Euclidean norm",
    source="the claim; certificates: Szegedy et al. 2014, section 4.3 (products), Sedghi, Gupta & Long 2019",
    rung=Rung.CERTIFIED,
    searched=False,
    requires=lambda subject: None if subject.lipschitz is not None else "no Lipschitz constant is claimed",
)
def lipschitz(subject: Map, case: Case, run: Run) -> Judgement:
    """PASS where the certificate is below K, FAIL where two points beat K, INCONCLUSIVE between."""
    at = evaluated(subject, case)
    claimed = _claimed(subject)
    above = _above(subject)
    slack = subject.accuracy + _rounding(subject)
    allowed = claimed * (1.0 + slack)
    below = _below(at)
    steep = 0.0 if below is None else below.slope - _spread(at, below)
    if below is not None and steep > allowed:
        return failed(
            rung=Rung.CERTIFIED, examined=1, quantity="|f(x) − f(y)|/|x − y|", observed=below.slope, allowed=allowed,
            witness=_pair(below), notes=at.notes,
            message=f"two points at the distance {float((below.x - below.y).norm()):.3g} have images that are "
            f"{below.slope:.6g} times as far apart; {claimed:g} is claimed"
            + (f", and {above.upper:.6g} is certified" if steep <= above.upper < math.inf else ""),
        )  # fmt: skip
    if steep > above.upper * (1.0 + slack):
        raise CertificateRefuted(f"{below} is steeper than the certified {above.upper:.6g}: a fault of genverify's")
    if above.upper <= allowed:
        return passed(
            rung=Rung.CERTIFIED, examined=1, quantity="Lipschitz constant", observed=above.upper, allowed=allowed,
            guarantee=f"{_words(below)}{above.upper:.6g} certified from {above.layers} factors",
            message=f"{_words(below)}{above.upper:.6g}", notes=at.notes,
        )  # fmt: skip
    if not math.isfinite(above.upper):
        why = above.unknown if " " in above.unknown else f"{above.unknown} has no rule"
        return not_applicable(
            f"no certificate: {why}; the steepest pair of points that was found has "
            f"{0.0 if below is None else below.slope:.6g}, within {claimed:g}"
        )
    return inconclusive(
        f"{_words(below)}{above.upper:.6g}, and {claimed:g} is claimed: the certificate is a product of norms, and no "
        "pair of points beats the claim"
    )


def _claimed(subject: Map) -> float:
    assert subject.lipschitz is not None
    return float(subject.lipschitz)


def _words(below: Chord | None) -> str:
    return "L ≤ " if below is None else f"{below.slope:.6g} ≤ L ≤ "


def _above(subject: Map) -> Certificate:
    """The certificate of the copy that is judged, made once; exact for one hidden ReLU layer on few inputs."""
    if "certificate" not in subject.memory:
        module = subject.calls.module
        if module is None:
            found = Certificate(unknown="a function that is no module")
        elif not subject.batched:
            found = Certificate(unknown="a module that takes no batch")
        else:
            for live, kept in subject.calls.state:
                live.data.copy_(kept)
            found = certificate(module, subject.event, dtype=subject.calls.dtype, output=subject.output)
            exact = _one_hidden(module) if found.upper > _claimed(subject) else None
            if exact is not None:
                found = Certificate(upper=min(exact.constant, found.upper), layers=found.layers)
                subject.memory["steepest"] = exact.point
        subject.memory["certificate"] = found
    return subject.memory["certificate"]


def _one_hidden(module: nn.Module) -> SteepestCell | None:
    """Where Linear, ReLU, Linear in this order is steepest; None for any other network, or layers of their own kind."""
    plain = type(module) is nn.Sequential and not (module._forward_hooks or module._forward_pre_hooks)
    layers = list(module) if isinstance(module, nn.Sequential) else []  # each as often as it is called
    if not plain or [own_layer(one) for one in layers] != [nn.Linear, nn.ReLU, nn.Linear]:
        return None
    inner, _, outer = layers
    assert isinstance(inner, nn.Linear)
    assert isinstance(outer, nn.Linear)
    if inner.out_features > _MOST_UNITS or inner.in_features > _MOST_INPUTS:
        return None
    bias = torch.zeros(inner.out_features) if inner.bias is None else inner.bias
    return one_hidden_relu_constant(inner.weight, bias, outer.weight)


def _rounding(subject: Map) -> float:
    """How far weights may be from their claim by rounding alone: so many units as their matrices have rows and columns.

    A layer that is normalised or orthogonalised is so up to the roundings of the algorithm that does it.
    """
    unit = max((unit_roundoff(one) for one in subject.calls.own_dtypes), default=unit_roundoff(torch.float64))
    module = subject.calls.module
    sizes = [len(p) + p.numel() // max(1, len(p)) for p in ([] if module is None else module.parameters()) if p.dim()]
    return 8.0 * unit * max(1, sum(sizes))


def _below(at: MapEvaluation) -> Chord | None:
    starts = torch.cat([scale * at.x for scale in _SCALES]) if at.subject.where.whole else at.x
    steepest = at.subject.memory.get("steepest")
    if steepest is not None:
        starts = torch.cat([starts, steepest.to(at.x).reshape(1, *at.x.shape[1:])])
    region = at.subject.where

    def inside(x: Tensor) -> Tensor:
        if region.whole:
            return x
        low, high = torch.tensor(region.low), torch.tensor(region.high)
        span = float(high - low) if math.isfinite(float(high - low)) else 1.0
        return x.clamp(float(low) + 1e-6 * span, float(high) - 1e-6 * span)

    if region.simplex:
        return None
    return longest_chord(at, starts, inside=inside)


def _spread(at: MapEvaluation, pair: Chord) -> float:
    """How much the roundings of the two images may have lengthened the chord."""
    with torch.no_grad():
        size = max(float(at(one).detach().double().norm()) for one in (pair.x, pair.y))
    module = at.subject.calls.module
    operations = 64 + sum(p.numel() for p in ([] if module is None else module.parameters()))
    return 2.0 * gamma(operations, pair.x.dtype) * size / float((pair.x - pair.y).norm())


def _pair(chord: Chord) -> dict[str, Any]:
    return {"x": str(chord.x.tolist()), "y": str(chord.y.tolist())}
