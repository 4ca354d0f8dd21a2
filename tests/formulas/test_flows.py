"""Flows as formulas: their names, what is made of pairs, and libraries' functions that must not be accused."""

from __future__ import annotations

import warnings

import pytest
import torch

import genverify as gv
from genverify.formulas.catalogue import all_formulas, find_formula
from genverify.subjects.formula import Formula

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what they warn of when imported is not ours to judge
    rational_quadratic = pytest.importorskip("nflows.transforms.splines.rational_quadratic")

NAMES = (
    "standardize", "tanh", "sigmoid", "logit", "softplus", "leaky_relu", "mixture_cdf", "permutation", "householder",
    "lu_linear", "conv1x1", "actnorm", "batch_norm", "additive_coupling", "affine_coupling", "masked_autoregressive",
    "inverse_autoregressive", "gated_autoregressive", "planar", "radial", "sylvester", "rational_quadratic_spline",
    "squeeze", "composition", "log_prob", "log_prob_after_flows", "multiscale_log_prob",
)  # fmt: skip
OTHERS = ("mask.made", "mask.made_conditional", "mask.checkerboard", "mask.pixelcnn", "dequantization.uniform",
          "dequantization.variational")  # fmt: skip


def verdicts(f, like, **how):
    return {v.check: v for v in gv.verify(Formula(f, like=like, **how), budget="quick")}


@pytest.mark.parametrize("name", [*(f"flow.{one}" for one in NAMES), *OTHERS])
def test_the_name_stands_in_the_catalogue(name):
    found = find_formula(name)
    assert found.source
    assert found.statement
    assert all(one in all_formulas() for one in found.namesakes)


def test_nothing_is_picked_out_of_a_pair_whose_other_half_is_wrong():
    """A right image does not excuse a wrong logabsdet."""
    made = verdicts(lambda x: (torch.tanh(x), x.sum(-1)), "flow.tanh")
    assert made["formula.dialect"].outcome is gv.Outcome.FAIL


@pytest.mark.parametrize("member", [0, 1])
def test_half_of_a_pair_is_judged_by_what_it_is(member):
    def half(x):
        return (torch.sigmoid(x), (torch.nn.functional.logsigmoid(x) - torch.nn.functional.softplus(x)).sum(-1))[member]

    made = verdicts(half, "flow.sigmoid")
    assert made["formula.dialect"].outcome is gv.Outcome.PASS
    assert any("judged as flow.sigmoid_" in note for note in made["formula.dialect"].evidence.notes)


def test_the_splines_of_nflows_are_not_accused():
    made = verdicts(
        rational_quadratic.unconstrained_rational_quadratic_spline, "flow.rational_quadratic_spline_unconstrained"
    )
    assert {v.outcome for v in made.values()} <= {gv.Outcome.PASS, gv.Outcome.NOT_APPLICABLE}, made


def test_shapes_of_a_logabsdet_that_are_not_one_number_a_row_are_named():
    made = verdicts(lambda x: (torch.sigmoid(x), (-x - 2 * torch.nn.functional.softplus(-x))), "flow.sigmoid")
    assert "one number an element" in made["formula.dialect"].evidence.message


def test_an_image_layout_shows_a_sum_over_one_axis():
    """Right for rows of features, wrong for images: the layout is what tells (vislearn/FrEIA#176)."""
    log = lambda x: -torch.nn.functional.softplus(x) - torch.nn.functional.softplus(-x)  # noqa: E731
    rows = verdicts(lambda x: (torch.sigmoid(x), log(x).sum(1)), "flow.sigmoid")
    images = verdicts(lambda x: (torch.sigmoid(x), log(x).sum(1)), "flow.sigmoid", layout="images")
    assert rows["formula.value"].outcome is gv.Outcome.PASS
    assert images["formula.value"].outcome is gv.Outcome.FAIL
