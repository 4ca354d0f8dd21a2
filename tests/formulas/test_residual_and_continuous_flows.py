"""Residual and continuous flows at the ends of what they claim, and the messages where something is missing."""

from __future__ import annotations

import pytest
import torch

import genverify as gv
from genverify.errors import UsageError
from genverify.formulas.flow_continuous import continuous_formula
from genverify.formulas.flow_residual import series_formula
from genverify.oracles import flow_continuous as continuous
from genverify.oracles import flow_residual as residual
from genverify.reference.flows import residual_series
from genverify.subjects.contractions import Contraction
from genverify.subjects.smooth_domains import contraction
from genverify.subjects.timed_functions import TimedWaves

D = torch.float64
WEIGHT = torch.tensor([[[0.9, -0.4], [0.3, 0.8]], [[0.5, 0.2], [-0.3, 0.4]]], dtype=D)


def dialect(f, like, **declared):
    (found,) = gv.verify(gv.Formula(f, like=like, **declared), checks=["formula.dialect"], budget="quick").verdicts
    return found


@pytest.mark.parametrize("batch", [0, 1, 3])
@pytest.mark.parametrize("event", [1, 2])
def test_oracle_and_reference_agree_on_empty_batches_and_one_number(batch, event):
    weight = WEIGHT[:, :, :event]
    x = torch.linspace(-1, 1, batch * event, dtype=D).reshape(batch, event)
    exact = sum(term for one in residual.exact_trace_terms(weight, x, 3) for term in one)
    made = residual_series.logabsdet_series(Contraction(weight), x, 3) if batch else torch.zeros(0, dtype=D)
    torch.testing.assert_close(made, torch.as_tensor(exact).reshape(made.shape))
    y, logabsdet = continuous.flowed(weight, x, 0.0, 1.0)
    assert (y.shape, logabsdet.shape) == (x.shape, x.shape[:1])


def test_no_terms_make_an_empty_sum():
    def none(g, x):
        return torch.zeros(len(x), dtype=x.dtype)

    found = dialect(none, "flow.residual_logabsdet_series", fixed={"terms": 0})
    assert found.outcome is gv.Outcome.PASS


def test_a_branch_is_a_contraction_whatever_is_drawn():
    made = contraction().make(torch.full((12,), 1.5, dtype=D), (2, 2, 3), D)
    slopes = residual.jacobian(made.weight, torch.zeros(1, 3, dtype=D))
    assert float(torch.linalg.matrix_norm(slopes, 2)) <= 0.8 + 8 * torch.finfo(D).eps


def test_a_coefficient_above_one_folds():
    def fold(x):
        return x + 1.5 * torch.sin(2 * x)

    (found,) = gv.verify(gv.Bijection(fold, event_shape=1), checks=["bijection.invertible"]).verdicts
    assert found.outcome is gv.Outcome.FAIL


def test_a_branch_refuses_what_it_cannot_map():
    with pytest.raises(ValueError, match="expected an event of 2 numbers"):
        Contraction(WEIGHT)(torch.zeros(3, 5))


def test_one_row_without_its_batch_is_a_sample_where_nothing_else_can_be():
    field, x = TimedWaves(WEIGHT), torch.tensor([0.5, -1.0], dtype=D)
    torch.testing.assert_close(field(x, 0.25), field(x[None], torch.tensor([0.25], dtype=D))[0])
    with pytest.raises(ValueError, match="or one row of these"):
        field(torch.zeros(3), 0.0)


def test_a_series_without_its_number_of_terms_is_refused():
    def unsaid(g, x):
        return residual_series.logabsdet_series(g, x, 3)

    with pytest.raises(UsageError, match="terms"):
        dialect(unsaid, "flow.residual_logabsdet_series")
    assert dialect(unsaid, "flow.residual_logabsdet_series", fixed={"terms": 3}).outcome is gv.Outcome.PASS


def test_a_stop_that_is_drawn_inside_is_asked_for():
    def inside(g, x, v, p):
        return residual_series.logabsdet_roulette(g, x, v, 1, p)

    with pytest.raises(UsageError, match="last"):
        dialect(inside, "flow.residual_logabsdet_roulette")


def test_the_dialects_are_named():
    assert "Runge–Kutta" in str(_notes(continuous_formula()))
    assert "per batch" in str(_notes(series_formula()))


def _notes(subject):
    return [
        note for one in gv.verify(subject, checks=["formula.dialect"], budget="quick") for note in one.evidence.notes
    ]
