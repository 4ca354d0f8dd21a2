"""The catalogue: every name resolves, every derivation is a claim, and what is not there is answered helpfully."""

from __future__ import annotations

import pytest

import genverify as gv
from genverify.claims import Status
from genverify.formulas.catalogue import all_claims, all_formulas, find_claim, find_formula, reduction
from genverify.formulas.references import reference_subjects
from genverify.subjects.formula import Formula

GAUSSIAN = ("normal", "mvn", "kl", "gaussian")


@pytest.mark.parametrize("name", all_formulas())
def test_every_derivation_is_a_registered_claim(name):
    specification = find_formula(name)
    if specification.derivation:
        assert find_claim(specification.derivation).status is not Status.REFUTED
    elif specification.topic in GAUSSIAN:
        pytest.fail(f"{name} has no derivation")


@pytest.mark.parametrize("name", all_formulas())
def test_every_formula_says_what_it_is_and_where_it_comes_from(name):
    specification = find_formula(name)
    assert specification.name == name
    assert specification.statement
    assert specification.source
    assert specification.arguments
    assert any(one.accepted for one in specification.all_dialects())
    for argument in specification.arguments:
        assert argument.forms, argument.name
        assert len({form.name for form in argument.forms}) == len(argument.forms)


def test_every_reference_of_the_gaussian_family_is_declared():
    declared = {one.like for one in reference_subjects() if isinstance(one, Formula)}
    formulas = {name for name, one in all_formulas().items() if one.topic in GAUSSIAN}
    assert formulas <= declared


@pytest.mark.parametrize("name", all_claims())
def test_every_claim_is_stated_with_its_source(name):
    claim = find_claim(name)
    assert claim.statement
    assert claim.source
    if claim.equation is not None:
        assert claim.latex()
    if claim.status is Status.REFUTED:
        assert claim.counterexample
        assert claim.corrected


def test_names_that_are_not_there_are_answered_with_the_nearest():
    with pytest.raises(gv.UsageError, match=r"kl\.diagonal_normals"):
        find_formula("kl.diagonal_normal")
    with pytest.raises(gv.UsageError, match=r"kl\.normal\.closed_form"):
        find_claim("kl.normal.closed_from")
    with pytest.raises(gv.UsageError, match="like="):
        find_formula("")
    with pytest.raises(gv.UsageError, match="catalogue"):
        gv.verify(gv.Formula(lambda x: x, like="nothing.like_it"))


def test_what_is_no_function_is_refused():
    with pytest.raises(gv.UsageError, match="not callable"):
        gv.verify(gv.Formula(3, like="normal.entropy"))  # type: ignore[arg-type]


def test_a_dialect_and_a_layout_must_exist():
    def entropy(std):
        return 0.5 * (2 * std.log() + 1)

    with pytest.raises(gv.UsageError, match="dialect"):
        gv.verify(gv.Formula(entropy, like="normal.entropy", dialect="in bits"))
    with pytest.raises(gv.UsageError, match="layout"):
        gv.verify(gv.Formula(entropy, like="normal.entropy", layout="transposed"))


def test_a_reduction_lists_what_is_citable_and_what_is_a_slip():
    axis = reduction("latent", ("sum", "none"), {"mean": "weighted by 1/k"})
    assert axis.reduces
    assert {option.name: option.accepted for option in axis.options} == {"sum": True, "none": True, "mean": False}
