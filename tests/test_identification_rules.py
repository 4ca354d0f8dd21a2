"""Naming rules beyond Adam from behaviour alone."""

from __future__ import annotations

import pytest
import torch

from genverify.formulas import optimizer_references as references
from genverify.identification import identify
from tests.mutants import optimizer_moments as moments
from tests.mutants import optimizer_signs as signs
from tests.mutants import optimizer_trust as trust


@pytest.mark.parametrize(
    "name",
    ["adadelta", "adamax", "nadam", "radam", "rprop", "asgd", "lion", "sgdw", "lars", "lamb", "adafactor"],
)
def test_a_reference_is_named_and_is_nothing_else(name):
    found = identify(getattr(references, name)().f)
    assert (found.rule, found.standing) == (f"optimizer.{name}", "accepted")
    assert not found.others


@pytest.mark.parametrize(
    ("f", "hyper", "words"),
    [
        (torch.optim.NAdam, {}, "nadam: μ_t warms up, with"),
        (torch.optim.RAdam, {}, "radam: rectified where ρ_t > 5, ε added to √v before the correction, with"),
        (torch.optim.Rprop, {}, "rprop: no step at a change of sign"),
        (torch.optim.Adamax, {}, "adamax: ε beside |g|: max(β₂ u, |g| + ε), with"),
        (torch.optim.Adafactor, {}, "adafactor: ε₁ a floor of V̂, with"),
        (moments.RAdamPaper, {}, "radam: rectified where ρ_t > 4, ε outside the root √v̂"),
        (moments.AdamaxBare, {}, "adamax: the rule itself, with"),
        (moments.nadam_functional, {}, "nadam: constant μ = β₁, with"),
        (moments.NAdamSameMomentum, {"rule": "nadam"}, "the nearest is nadam; probably μ_t in place of μ_{t+1}"),
        (signs.RpropBacktracks, {}, "rprop: the last step taken back at a change of sign (Rprop⁺)"),
        (signs.LionCoupled, {"rule": "lion", "weight_decay": 0.1}, "lion: coupled decay (recognised"),
        (signs.SgdwTimm, {}, "sgdw: decoupled decay η λ θ, η outside the velocity"),
        (trust.LarsJoint, {}, "lars: c ‖θ‖/‖g + λ θ‖, η outside the velocity"),
        (trust.LarsSkipsVectors, {}, "lars: parameters of one dimension neither adapted nor decayed"),
        (trust.LambUncorrected, {}, "lamb: no bias correction"),
    ],
)
def test_the_dialect_is_named(f, hyper, words):
    assert words in str(identify(f, **hyper))
