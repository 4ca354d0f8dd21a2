"""What penalties on the slope of a critic have in common: the critic, the samples, the layouts, the norm."""

from __future__ import annotations

from typing import Any

import torch

from genverify.formulas.catalogue import reduction
from genverify.formulas.hyperparameter import hyperparameter
from genverify.oracles import penalties as oracle
from genverify.subjects.domains import discriminator
from genverify.subjects.parametrisation import any_real, plain
from genverify.subjects.specification import Argument, Axis, Layout, Option, Role

__all__ = ["CRITIC", "FAKE", "OVER", "REAL", "SIZES", "STEEP", "TIMES_TEN", "WEIGHT", "layouts", "norms", "samples"]

CRITIC = plain(
    "critic", "hidden event scores", discriminator(),
    (
        "D", "netD", "discriminator", "disc", "d", "model", "net", "f", "C", "crit", "critic_fn", "dis", "d_model",
        "critic_model", "D_net", "discriminator_model", "network", "net_d", "module",
    ),
    role=Role.FUNCTION,
)  # fmt: skip


def samples(name: str, *words: str) -> Argument:
    """Samples of one side, under the names that people make of these words; no gradient in them is claimed."""
    patterns = (
        "{}", "{}_data", "{}_samples", "{}_images", "{}_imgs", "{}_img", "x_{}", "{}_x", "{}_batch", "{}_sample",
        "data_{}", "{}_image", "images_{}", "{}s", "{}_input", "{}_points", "{}_inputs", "samples_{}", "img_{}",
    )  # fmt: skip
    aliases = tuple(dict.fromkeys(pattern.format(word) for word in words for pattern in patterns))
    more = ("x", "images", "data", "samples") if name == "real" else ("y", "x_tilde", "x_gen", "G_z")
    return any_real(name, "batch event", *aliases, *more, differentiable=False)


REAL, FAKE = samples("real", "real", "true", "target"), samples("fake", "fake", "generated", "gen", "synthetic")
WEIGHT = hyperparameter(
    "weight", "lambda_gp", "gp_weight", "lambda_", "lam", "lmbda", "gp_lambda", "lambda_term", "gp_coef", "LAMBDA",
    "gradient_penalty_weight", "penalty_weight", "lambda_reg", "gp_scale", "coef", default=1.0, low=0.5, high=10.0,
)  # fmt: skip


def _both(axes: str) -> dict[str, str]:
    return dict.fromkeys(("real", "fake", "delta", "noise", "beta", "shares"), f"batch {axes}")


_SHAPES = (
    ("vectors", {}), ("images", _both("channel height width")), ("sequences", _both("channel width")),
)  # fmt: skip


def layouts(*names: str) -> tuple[Layout, ...]:
    """Vectors, images and sequences, each with a critic that returns a column or a number a sample."""
    return tuple(
        Layout(
            name=f"{kind}, a critic with {'one column' if not drop else 'one number a sample'}", drop=drop,
            shapes={name: axes for name, axes in shapes.items() if name in names},
        )
        for kind, shapes in _SHAPES
        for drop in ((), ("scores",))
    )  # fmt: skip


SIZES = {"batch": (3, 2, 1), "event": (4, 2, 1), "hidden": (3, 2), "scores": (1,), "channel": (2, 1), "height": (2,),
          "width": (3, 2)}  # fmt: skip
OVER = (reduction("batch", ("mean", "sum", "none")),)
TIMES_TEN = Axis(
    name="weight",
    options=(Option(name=""), Option(name="times 10", keywords={"scale": 10.0}, note="λ = 10, as a constant")),
)  # fmt: skip

# Beside a slope of zero a norm has no gradient, and √(Σ g² + 10⁻¹²), as people guard it, one of its own.
STEEP = 0.02


def norms(critic: Any, at: torch.Tensor, *, squared: bool, whole: bool) -> torch.Tensor:  # noqa: ANN401
    """The norm of the slope at each sample; squared, or that of the whole batch, as a slip has it."""
    squares = oracle.squared_slopes(critic, at)
    total = squares.sum() / len(squares) * torch.ones_like(squares[:, 0]) if whole else squares.sum(-1)
    if whole:
        total = total * len(squares)
    return total if squared else total.sqrt()
