"""Layers of critics and discriminators: sorting in groups, the deviation over a minibatch, one hidden ReLU layer."""

from __future__ import annotations

from typing import Any

import torch

from genverify.claims import Status, claim
from genverify.formulas.catalogue import formula
from genverify.formulas.naming import VALUE
from genverify.formulas.references import declares_reference
from genverify.oracles import critic_layers as oracle
from genverify.reference.layers import critic_layers as reference
from genverify.subjects.choices import choice, option
from genverify.subjects.formula import Formula
from genverify.subjects.parametrisation import any_real
from genverify.subjects.specification import Axis, Layout, Option, Specification

__all__ = ["GROUP_SORT", "MINIBATCH_STANDARD_DEVIATION", "ONE_HIDDEN_RELU"]

_X = (*VALUE, "input", "inp", "features", "h")
_SIZE_NAMES = ("group", "groupsize", "n", "k", "G", "size", "mbstd_group_size", "n_per_group", "groups", "g")


def _sorted(x: torch.Tensor, group_size: int, **how: bool) -> torch.Tensor:
    return oracle.group_sorted(x, int(group_size), **how)


def _sorted_apart(x: torch.Tensor, group_size: int, **how: bool) -> torch.Tensor:
    """For the gradient: of features that are equal nothing says which is the first."""
    gaps = torch.diff(x.detach().movedim(1, -1).sort(-1).values, dim=-1)
    return _sorted(x, group_size, **how) * torch.where(gaps.min() > 0, 1.0, torch.nan)


GROUP_SORT = formula(
    Specification(
        name="lipschitz.group_sort",
        statement="features in groups of a size, each group sorted: MaxMin for pairs",
        source="Anil, Lucas & Grosse 2019, section 4.1",
        arguments=(
            any_real("x", "batch channel height width", *_X),
            option("group_size", choice(2, 3), 2, *_SIZE_NAMES),
        ),
        oracle=_sorted, surrogate=_sorted_apart, output="batch channel height width",
        dialects=(
            Axis(name="groups", options=(
                Option(name=""), Option(name="of the halves", keywords={"halves": True}, note="feature i with i + n/2"),
                Option(name="gathered", keywords={"gathered": True}, note="all least ones first, then the next"),
            )),
            Axis(name="order", options=(
                Option(name=""), Option(name="falling", keywords={"falling": True}, note="the largest first"),
            )),
        ),
        layouts=(
            Layout(name="rows", drop=("height", "width")), Layout(name="images"),
        ),
        settle=lambda sizes, given: {"channel": 2 * int(given.get("group_size", 2) or 2)},
        sizes={"batch": (3, 1, 2), "channel": (4, 6), "height": (2, 1), "width": (3, 1)}, kinks=True, operations=4,
        derivation="lipschitz.group_sort.permutation",
    )
)  # fmt: skip


def _deviation(x: torch.Tensor, group_size: int | None, assumed: int | None = None, **how: Any) -> torch.Tensor:  # noqa: ANN401
    return oracle.batch_deviation(x, assumed if group_size is None else int(group_size), **how)


MINIBATCH_STANDARD_DEVIATION = formula(
    Specification(
        name="gan.minibatch_standard_deviation",
        statement="x with one more channel: the deviation over a group of samples, averaged over channels and places",
        source="Karras et al. 2018, section 3",
        arguments=(
            any_real("x", "batch channel height width", *_X, "out", "output"),
            option("group_size", choice(4, 2), None, *_SIZE_NAMES),
        ),
        oracle=_deviation, output="batch wide height width",
        dialects=(
            Axis(name="group", options=(
                Option(name=""), Option(name="of four", keywords={"assumed": 4}, note="as a constant"),
            )),
            Axis(name="ε", options=(
                Option(name=""), Option(name="without ε", keywords={"eps": 0.0}),
            )),
            Axis(name="which", options=(
                Option(name=""), Option(name="neighbours", keywords={"neighbours": True}, note="next to each other"),
            )),
            Axis(name="divisor", options=(
                Option(name=""), Option(name="n − 1", keywords={"unbiased": True}),
            )),
            Axis(name="slip", options=(
                Option(name=""),
                Option(name="of all numbers", keywords={"whole": True}, accepted=False,
                       note="one deviation of all numbers: how samples differ is lost among how pixels differ"),
                Option(name="variance", keywords={"variance": True}, accepted=False, note="without its root"),
            )),
        ),
        layouts=(Layout(name="images"),),
        sizes={"batch": (8, 4), "channel": (2, 1), "height": (2, 1), "width": (1, 2)}, operations=96, measured=True,
        derivation="gan.minibatch_standard_deviation.collapse",
    )
)  # fmt: skip

_BIAS = ("bias", "b1", "b", "bias1", "b_1")
ONE_HIDDEN_RELU = formula(
    Specification(
        name="lipschitz.one_hidden_relu",
        statement="the Lipschitz constant of x ↦ W₂ relu(W₁ x + b): max ‖W₂ diag(s) W₁‖ over the patterns s that occur",
        source="Montúfar, Pascanu, Cho & Bengio 2014 (linear regions)",
        arguments=(
            any_real("inner", "hidden in", "W1", "w1", "W_1", "A", "weight1", "W_in", "first"),
            any_real("bias", "hidden", *_BIAS, default=None),
            any_real("outer", "out hidden", "W2", "w2", "W_2", "B", "weight2", "W_out", "second", "V"),
        ),
        oracle=oracle.steepest_cell, output="", gradient=False,
        dialects=(Axis(name="bound", options=(
            Option(name=""),
            Option(name="over all patterns", keywords={"bound": "patterns"}, accepted=False,
                   note="a bound: patterns that no input has are counted"),
            Option(name="product of the norms", keywords={"bound": "product"}, accepted=False,
                   note="a bound: lipschitz.product_bound"),
        )),),
        layouts=(Layout(name="two matrices"),),
        sizes={"hidden": (3, 4, 2), "in": (1, 2), "out": (2, 1)}, operations=256,
        derivation="lipschitz.one_hidden_relu.cells",
    )
)  # fmt: skip

PERMUTATION = claim(
    "lipschitz.group_sort.permutation", Status.DERIVED,
    statement="sorting in groups is a permutation of the features at every point, so its Jacobian is orthogonal: slope "
    "one, and lengths of gradients are kept",
    source="Anil, Lucas & Grosse 2019, section 4.1", assumptions=("executed for pairs; where features differ",),
)  # fmt: skip

COLLAPSE = claim(
    "gan.minibatch_standard_deviation.collapse", Status.DERIVED,
    statement="the appended channel is √ε where all samples of a group are equal, whatever they are, and is not "
    "changed by adding one image to all of them",
    source="Karras et al. 2018, section 3", assumptions=("executed for a group of two samples of one number",),
)  # fmt: skip

CELLS = claim(
    "lipschitz.one_hidden_relu.cells", Status.DERIVED,
    statement="where a pattern s of active units is taken the map has the Jacobian W₂ diag(s) W₁, so its constant is "
    "the largest norm over the patterns that occur, which may be less than over all patterns",
    source="Montúfar et al. 2014", assumptions=("executed for |x| = relu(x) + relu(−x) with weights that are symbols",),
    theorems=("the mean value inequality along a segment (lipschitz.mean_value)",),
)  # fmt: skip


@declares_reference
def group_sort() -> Formula:
    """The reference sort in groups."""
    return Formula(reference.group_sort, like="lipschitz.group_sort")


@declares_reference
def minibatch_standard_deviation() -> Formula:
    """The reference deviation over a minibatch."""
    return Formula(reference.minibatch_standard_deviation, like="gan.minibatch_standard_deviation")
