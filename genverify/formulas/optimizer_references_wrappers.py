"""The reference optimizers around an optimizer, declared as a stranger would declare their own."""

from __future__ import annotations

from genverify.formulas.references import declares_reference
from genverify.subjects.optimizer import Optimizer

__all__ = ["lookahead", "sam"]


@declares_reference
def lookahead() -> Optimizer:
    """Lookahead around SGD with momentum."""
    import torch

    from genverify.reference.optimizers.lookahead import Lookahead

    def around(params: list[torch.nn.Parameter]) -> Lookahead:
        return Lookahead(torch.optim.SGD(params, lr=0.1, momentum=0.9), k=3)

    return Optimizer(around, rule="lookahead", name="Lookahead")


@declares_reference
def sam() -> Optimizer:
    """SAM around SGD with momentum."""
    import torch

    from genverify.reference.optimizers.sam import SAM

    def around(params: list[torch.nn.Parameter]) -> SAM:
        return SAM(torch.optim.SGD(params, lr=0.1, momentum=0.9))

    return Optimizer(around, rule="sam", name="SAM")
