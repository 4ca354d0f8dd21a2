"""The U-Net's formulas: the join of skip and upsampled features, and the size of the output."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from genverify.formulas.catalogue import formula
from genverify.formulas.references import declares_reference
from genverify.oracles import unet
from genverify.reference.layers import unet as reference
from genverify.subjects.choices import choice, option
from genverify.subjects.domains import integer
from genverify.subjects.formula import Formula
from genverify.subjects.map import Map
from genverify.subjects.parametrisation import any_real
from genverify.subjects.specification import Axis, Constraint, Layout, Option, Specification

__all__ = ["CROP_AND_CONCATENATE", "OUTPUT_SIZE", "unseen"]

_ORDER = Axis(
    name="order",
    options=(
        Option(name="skip first", keywords={"skip_first": True}),
        Option(name="upsampled features first", keywords={"skip_first": False}),
    ),
)
_PLACE = Axis(
    name="crop",
    options=(
        Option(name="centre"),
        Option(name="centre, the odd pixel before", keywords={"late": True}),
        Option(name="corner", keywords={"corner": True}, accepted=False, note="pixels meet their neighbours"),
        Option(
            name="features padded to the skip's size", keywords={"padded": True}, accepted=False,
            note="legitimate where an odd size was pooled, but no crop",
        ),
    ),
)  # fmt: skip

CROP_AND_CONCATENATE = formula(
    Specification(
        name="unet.crop_and_concatenate",
        statement="[crop of the skip's centre to h×w ; upsampled features] along the channels",
        source="Ronneberger, Fischer & Brox 2015, section 2",
        arguments=(
            any_real("skip", "batch c skip_height skip_width", "encoder", "enc", "bridge", "x2", "skip_connection",
                     "enc_features", "encoder_features", "low", "residual", "x_skip", "down", "contracting", "left"),
            any_real("up", "batch d height width", "x", "x1", "decoder", "dec", "upsampled", "x_up", "features",
                     "right", "dec_features", "expanding"),
        ),
        oracle=unet.crop_and_concatenate,
        output="batch both height width",
        dialects=(_ORDER, _PLACE),
        layouts=(Layout(name="batched"), Layout(name="one sample at a time", drop=("batch",))),
        sizes={"c": (1, 2), "d": (1, 3), "skip_height": (4, 5), "skip_width": (4, 6), "height": (1, 2, 4),
               "width": (1, 3, 4)},
    )
)  # fmt: skip


def _size(size_: Any, depth: Any, **options: Any) -> Tensor:  # noqa: ANN401
    found = unet.network_size(size_, depth, **options)
    return torch.tensor(float("nan" if found is None else found), dtype=torch.float64)


OUTPUT_SIZE = formula(
    Specification(
        name="unet.output_size",
        statement="(n − ℓ)/2 on each of d levels, − ℓ below, 2n − ℓ on the way up, ℓ = c (k − 1 − 2p)",
        source="Ronneberger, Fischer & Brox 2015, section 2",
        arguments=(
            option("size_", integer(2, 160), ..., "n", "size", "in_size", "input_size", "h", "w", "x", "tile", "n_in"),
            option("depth", integer(1, 3), ..., "levels", "n_levels", "d", "num_levels", "n_layers", "steps"),
            option("kernel", integer(2, 5), 3, "kernel_size", "k", "ks"),
            option("padding", choice(0, 1), 0, "pad", "p"),
            option("convolutions", integer(1, 3), 2, "n_convs", "convs", "num_convs", "convs_per_level", "c"),
        ),
        oracle=_size,
        output="",
        layouts=(Layout(name="one axis"),),
        gradient=False,
        constraints=(
            Constraint(
                statement="every pooling halves an even size, and something is left",
                holds=lambda v: unet.legal(
                    v["size_"], v["depth"], v["kernel"], int(v["padding"]), v["convolutions"]
                ),
            ),
        ),
        derivation="unet.same_size",
    )
)  # fmt: skip


@declares_reference
def crop_and_concatenate() -> Formula:
    """The reference join."""
    return Formula(reference.crop_and_concatenate, like="unet.crop_and_concatenate")


@declares_reference
def output_size() -> Formula:
    """The reference size."""
    return Formula(reference.output_size, like="unet.output_size")


def _made(depth: int, width: int) -> reference.UNet:
    state = torch.random.get_rng_state()
    torch.manual_seed(0)
    made = reference.UNet(1, 1, depth=depth, width=width)
    torch.random.set_rng_state(state)
    return made


@declares_reference
def network() -> Map:
    """The reference U-Net: its output has the size of its input wherever it is legal, and it refuses the others."""
    return Map(
        _made(2, 2), event_shape=(1, 4, 8), output_shape=lambda shape: shape,
        event_shapes=((1, 4, 4), (1, 8, 4), (1, 12, 8)), refuses=((1, 6, 8), (1, 8, 5), (1, 2, 4)),
    )  # fmt: skip


def unseen(depth: int, *, skip_alone: bool = False) -> Callable[[tuple[int, ...], tuple[int, ...]], bool]:
    """Whether an output pixel (channel, row, column) of a U-Net of this depth cannot see an input pixel."""

    def far(of: int, at: int) -> bool:
        first, last = unet.receptive_field(of, depth, skip_alone=skip_alone)
        return not first <= at <= last

    return lambda y, x: far(y[1], x[1]) or far(y[2], x[2])


@declares_reference
def receptive_field() -> Map:
    """The reference U-Net of one level: no output sees beyond its receptive field."""
    return Map(_made(1, 4), event_shape=(1, 2, 24), ignores=unseen(1), name="receptive field of the U-Net")


@declares_reference
def skips_alone() -> Map:
    """The reference U-Net with nothing coming up from below: each pixel still reaches its own place, and no far one."""
    made = _made(2, 4)
    for expand in made.expand:
        torch.nn.init.zeros_(expand.weight)  # type: ignore[arg-type]
    return Map(
        made, event_shape=(1, 4, 12), depends_on=lambda y, x: y == x, ignores=unseen(2, skip_alone=True),
        name="skips of the U-Net",
    )  # fmt: skip
