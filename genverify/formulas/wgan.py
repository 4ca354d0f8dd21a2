"""Losses of Wasserstein critics and of their generators."""

from __future__ import annotations

import torch

from genverify.formulas.catalogue import formula
from genverify.formulas.gan_arguments import FACTOR, LAYOUTS, OVER, SIGN, generated, of_the_data
from genverify.formulas.references import declares_reference
from genverify.reference.adversarial import losses as reference
from genverify.subjects.formula import Formula
from genverify.subjects.specification import Axis, Option, Specification

__all__ = ["CRITIC_LOSS", "DUAL_VALUE", "GENERATOR_LOSS"]

_SOURCE = "Arjovsky et al. 2017, algorithm 1"
_SUM = Axis(
    name="means",
    options=(
        Option(name=""),
        Option(
            name="sum of the two means", keywords={"both": 1.0}, accepted=False,
            note="E C(x) + E C(G(z)): the sign of one mean is wrong",
        ),
    ),
)  # fmt: skip


def _difference(
    real: torch.Tensor, fake: torch.Tensor, *, factor: float = 1.0, sign: float = 1.0, both: float = -1.0
) -> tuple[torch.Tensor, ...]:
    return factor * sign * both * real, factor * sign * fake


CRITIC_LOSS = formula(
    Specification(
        name="wgan.critic_loss",
        statement="E C(G(z)) − E C(x)",
        source=_SOURCE,
        arguments=(of_the_data(), generated()),
        oracle=_difference, output="batch event", dialects=(*OVER, FACTOR, SIGN, _SUM), layouts=LAYOUTS, trains=True,
        derivation="wgan.critic.shift",
    )
)  # fmt: skip

DUAL_VALUE = formula(
    Specification(
        name="wgan.dual_value",
        statement="E C(x) − E C(G(z)), at most W₁ times the Lipschitz constant of C",
        source="Villani 2009, particular case 5.16 (Kantorovich & Rubinstein)",
        arguments=(of_the_data(), generated()),
        oracle=lambda real, fake, sign=1.0, both=-1.0: _difference(real, fake, sign=-sign, both=both),
        output="batch event", dialects=(*OVER, SIGN, _SUM), layouts=LAYOUTS,
        derivation="wgan.critic.shift",
    )
)  # fmt: skip

GENERATOR_LOSS = formula(
    Specification(
        name="wgan.generator_loss",
        statement="−E C(G(z))",
        source=_SOURCE,
        arguments=(generated(alone=True),),
        oracle=lambda fake, sign=1.0: (-sign * fake,),
        output="batch event", dialects=(*OVER, SIGN), layouts=LAYOUTS, trains=True,
        derivation="wgan.critic.shift",
    )
)  # fmt: skip


@declares_reference
def critic_loss() -> Formula:
    """The reference critic's loss."""
    return Formula(reference.critic_loss, like="wgan.critic_loss")


@declares_reference
def generator_loss() -> Formula:
    """The reference generator's loss."""
    return Formula(reference.generator_loss_wasserstein, like="wgan.generator_loss")
