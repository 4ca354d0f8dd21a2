"""Claims on one step of adversarial training: where gradients go, and what is left behind."""

from __future__ import annotations

from genverify.claims import Status, claim

__all__ = ["ACCUMULATED", "DETACH", "LEAK", "NO_GRAPH"]

_GOODFELLOW = "Goodfellow et al. 2014, algorithm 1"

DETACH = claim(
    "training_step.detach", Status.DERIVED,
    statement="with and without detach the discriminator's own gradient is the same: the samples enter it as numbers",
    source=_GOODFELLOW, assumptions=("executed for D(x) = wx + b and G(z) = θz, one real and one generated sample",),
    theorems=("the partial derivative in the discriminator's weights holds the samples fixed",),
)  # fmt: skip

LEAK = claim(
    "training_step.leak", Status.DERIVED,
    statement="without detach the discriminator's step leaves in the generator minus the gradient of its saturating "
    "loss: added to that, nothing is left of it; added to the non-saturating one, the generator's gradient at the "
    "logit f shrinks to 2 D(f) − 1, and turns its sign where the discriminator is fooled",
    source=_GOODFELLOW, assumptions=("minimax loss; gradients that are not zeroed between the steps",),
)  # fmt: skip

ACCUMULATED = claim(
    "training_step.accumulated", Status.DERIVED,
    statement="gradient descent that never zeroes its gradients is w_{t+1} = 2 w_t − w_{t−1} − η g_t, descent with "
    "momentum one: on a parabola of curvature λ it turns about the minimum for ever",
    source="torch's own convention: backward adds to .grad", assumptions=("0 < η λ < 4",),
)  # fmt: skip

NO_GRAPH = claim(
    "training_step.generator_without_graph", Status.REFUTED,
    statement="a discriminator that must stay may be run without a graph in the generator's step",
    source="implementations that wrap the discriminator in no_grad, or detach what it is given",
    counterexample="G moves nothing: the loss has no gradient in it, though its value is right",
    corrected="the path from the loss to G leads through D: its weights may be frozen (requires_grad off), its graph "
    "may not be cut",
)  # fmt: skip
