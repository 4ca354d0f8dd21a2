"""Draws that a formula makes itself: any way of making them is spared, one that has not their law is caught."""

from __future__ import annotations

import pytest
import torch

from genverify.formulas.catalogue import reduction
from genverify.subjects.domains import real
from genverify.subjects.parametrisation import any_real, draw
from genverify.subjects.specification import Layout
from tests.checks.toy_formula import known, outcome, right, wrong


def unlike(mu, one, other):
    """Three uses that tell the two draws apart."""
    return mu + one + 2 * other * one**2


def two_draws():
    return known(
        arguments=(
            any_real("mu", "batch event"),
            draw("one", "batch event", "normal", real(), "noise"),
            draw("other", "batch event", "normal", real(), "noise2"),
        ),
        oracle=unlike, output="batch event", layouts=(Layout(name="batched"),),
        dialects=(reduction("event", ("none", "sum")), reduction("batch", ("none", "mean"))),
    )  # fmt: skip


def in_order(mu):
    one = torch.randn_like(mu)
    return unlike(mu, one, torch.randn_like(mu))


def in_the_other_order(mu):
    other, one = torch.randn_like(mu), torch.randn_like(mu)
    return unlike(mu, one, other)


def at_once(mu):
    one, other = torch.randn(2, *mu.shape, dtype=mu.dtype)
    return unlike(mu, one, other)


def side_by_side(mu):
    other, one = torch.randn(len(mu), 2 * mu.shape[1], dtype=mu.dtype).chunk(2, -1)
    return unlike(mu, one, other)


def pairs(mu):
    one, other = torch.randn(*mu.shape, 2, dtype=mu.dtype).unbind(-1)
    return unlike(mu, one, other)


def row_by_row(mu):
    rows = [unlike(row, torch.randn_like(row), torch.randn_like(row)) for row in mu]
    return torch.stack(rows)


def turned(mu):
    one = torch.randn(mu.shape[::-1], dtype=mu.dtype).T
    return unlike(mu, one, torch.randn_like(mu))


def and_one_for_nothing(mu):
    torch.randn_like(mu)
    return in_order(mu)


STYLES = (in_order, in_the_other_order, at_once, side_by_side, pairs, row_by_row, turned, and_one_for_nothing)


@pytest.mark.parametrize("f", STYLES, ids=lambda f: f.__name__)
def test_draws_of_one_law_in_any_order_and_form(f):
    with two_draws() as like:
        right(f, like, checks=("formula.dialect", "formula.value"))


def used_twice(mu):
    one = torch.randn_like(mu)
    torch.randn_like(mu)
    return unlike(mu, one, one)


def the_same_for_all_rows(mu):
    one, other = torch.randn(2, mu.shape[1], dtype=mu.dtype)
    return unlike(mu, one, other)


def of_another_law(mu):
    return unlike(mu, torch.randn_like(mu), torch.rand_like(mu))


def by_the_value(mu):
    first, second = torch.randn_like(mu), torch.randn_like(mu)
    return unlike(mu, torch.maximum(first, second), torch.minimum(first, second))


def another_order_in_every_case(mu):
    one, other = torch.randn_like(mu), torch.randn_like(mu)
    return unlike(mu, one, other) if len(mu) > 2 else unlike(mu, one, -other)


def rows_mixed_up(mu):
    one, other = torch.randn_like(mu), torch.randn_like(mu)
    return unlike(mu, one, other.flip(0) * 1.01)


WRONG = (used_twice, the_same_for_all_rows, of_another_law, by_the_value, another_order_in_every_case, rows_mixed_up)


@pytest.mark.parametrize("f", WRONG, ids=lambda f: f.__name__)
def test_what_is_no_such_draw_is_refuted(f):
    with two_draws() as like:
        wrong(f, like, "dialect")


def test_draws_of_different_sizes_that_may_be_the_same():
    with known(
        arguments=(
            any_real("mu", "batch event"),
            draw("inner", "batch event", "normal", real()),
            draw("outer", "batch", "normal", real()),
        ),
        oracle=lambda mu, inner, outer: mu + inner * outer[:, None] ** 2, output="batch event",
        layouts=(Layout(name="batched"),),
    ) as like:  # fmt: skip

        def backwards(mu):
            outer = torch.randn(len(mu), dtype=mu.dtype)
            return mu + torch.randn_like(mu) * (outer**2).unsqueeze(1)

        right(backwards, like)  # its gradient, too
        right(lambda mu: mu + torch.randn_like(mu) * torch.randn(len(mu), 1, dtype=mu.dtype) ** 2, like)
        wrong(lambda mu: mu + torch.randn_like(mu) ** 2 * torch.randn(len(mu), 1, dtype=mu.dtype), like, "dialect")
        assert outcome(lambda mu: mu + torch.randn_like(mu), like, by="dialect") == "FAIL"
