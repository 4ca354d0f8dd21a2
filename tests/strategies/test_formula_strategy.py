"""The cases that are drawn: every size, dtype and style comes up, and witnesses shrink to simple ones."""

from __future__ import annotations

import torch

import genverify as gv
from genverify.formulas.catalogue import introduce
from genverify.strategies.formula import extreme_cases, formula_cases
from genverify.strategies.search import fixed_cases
from genverify.subjects.budget import Run
from genverify.subjects.formula import Formula


def test_sizes_dtypes_views_and_special_points_all_come_up():
    subject = introduce(Formula(lambda mu, logvar: mu, like="kl.diagonal_to_standard_normal"))
    cases = fixed_cases(formula_cases(subject, Run()), cases=60, seed=0)
    sizes = {(case["#sizes"]["batch"], case["#sizes"]["latent"]) for case in cases}
    assert {1, 2, 3} == {b for b, _ in sizes} == {k for _, k in sizes}
    assert {case["mean"].dtype for case in cases} == {torch.float64, torch.float32}
    assert any(not case["mean"].is_contiguous() for case in cases)
    flat = [case["mean"] for case in cases if case["mean"].numel() > 1]
    assert any(bool((one == 0).all()) for one in flat)
    assert any(bool((one == one.reshape(-1)[0]).all()) and bool((one != 0).all()) for one in flat)
    assert any(one.unique().numel() > 1 for one in flat)


def test_arguments_that_are_alike_come_up():
    subject = introduce(Formula(lambda mu1, s1, mu2, s2: mu1, like="kl.diagonal_normals"))
    cases = fixed_cases(formula_cases(subject, Run()), cases=60, seed=1)
    assert any(
        torch.equal(c["mean_p"], c["mean_q"]) and torch.equal(c["std_p"], c["std_q"]) and bool((c["mean_p"] != 0).any())
        for c in cases
    )


def test_extremes_are_narrower_in_narrow_dtypes():
    subject = introduce(Formula(lambda mu, sigma: mu, like="kl.diagonal_to_standard_normal"))
    cases = fixed_cases(extreme_cases(subject, Run()), cases=80, seed=0)
    assert any(float(c["std"].max()) > 1e12 for c in cases if c["std"].dtype is torch.float64)
    assert all(bool(torch.isfinite(c["std"]).all()) for c in cases)


def test_a_witness_is_small_and_simple():
    def overlooks(mu, logvar):
        k = (0.5 * (mu**2 + logvar.exp() - 1 - logvar)).sum(1)
        return k / 2 if mu.shape[0] > 1 else k

    found = gv.verify(Formula(overlooks, like="kl.diagonal_to_standard_normal"), checks=["formula.value"])
    (verdict,) = found.verdicts
    assert verdict.outcome is gv.Outcome.FAIL
    assert len(verdict.evidence.witness["mu"]) <= len("[[0.], [0.125]]")
