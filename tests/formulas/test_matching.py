"""Matching: whatever people call their arguments, and what is refused in one line."""

from __future__ import annotations

import functools

import pytest
import torch
from torch import nn

from genverify.errors import UsageError
from genverify.formulas.catalogue import find_formula
from genverify.formulas.matching import match

STANDARD, PAIR, MVN = "kl.diagonal_to_standard_normal", "kl.diagonal_normals", "kl.mvn_covariance"
FORMS = {"mean", "std", "variance", "log_variance", "log_std"}


def found(f, like, arguments=None, fixed=None, **rest):
    """Parameter → argument or argument:form."""
    made = match(f, find_formula(like), arguments, fixed or {}, **rest)
    named = {}
    for b in made.bound:
        form = b.form.name if b.form.name in FORMS | {"covariance", "cholesky"} else ""
        named[b.parameter] = (
            b.argument.name if form in ("", b.argument.name, "std", "mean") else f"{b.argument.name}:{form}"
        )
    return named


def signature(names):
    return eval(f"lambda {names}: None")


@pytest.mark.parametrize(
    ("names", "form"),
    [
        ("mu, logvar", "std:log_variance"),
        ("mean, log_var", "std:log_variance"),
        ("z_mean, z_log_var", "std:log_variance"),
        ("loc, scale", "std"),
        ("m, s", "std"),
        ("mu, sigma2", "std:variance"),
        ("mu, var", "std:variance"),
        ("mu, log_sigma", "std:log_std"),
        ("Mu, LogVar", "std:log_variance"),
    ],
)
def test_aliases_ignore_case_and_underscores(names, form):
    first, second = (one.strip() for one in names.split(","))
    assert found(signature(names), STANDARD) == {first: "mean", second: form}


@pytest.mark.parametrize(
    ("names", "order"),
    [
        ("mu1, sigma1, mu2, sigma2", ("mean_p", "std_p", "mean_q", "std_q")),
        ("m1, std1, m2, std2", ("mean_p", "std_p", "mean_q", "std_q")),
        ("mu0, s0, mu1, s1", ("mean_p", "std_p", "mean_q", "std_q")),
        ("mu_q, sigma_q, mu_p, sigma_p", ("mean_p", "std_p", "mean_q", "std_q")),
        ("mu_p, sigma_p, mu_q, sigma_q", ("mean_p", "std_p", "mean_q", "std_q")),
        ("q_mu, q_sigma, p_mu, p_sigma", ("mean_p", "std_p", "mean_q", "std_q")),
        ("prior_mean, prior_std, post_mean, post_std", ("mean_q", "std_q", "mean_p", "std_p")),
        ("mu, sigma, mu_prior, sigma_prior", ("mean_p", "std_p", "mean_q", "std_q")),
        ("mu, sigma, nu, tau", ("mean_p", "std_p", "mean_q", "std_q")),
        ("mu_a, mu_b, sigma_a, sigma_b", ("mean_p", "mean_q", "std_p", "std_q")),
    ],
)
def test_pairs_by_suffix_prefix_and_order_of_appearance(names, order):
    assert tuple(found(signature(names), PAIR).values()) == order


def test_a_variance_is_still_a_variance_where_nothing_is_numbered():
    assert found(signature("mu_p, sigma2_p, mu_q, sigma2_q"), PAIR)["sigma2_q"] == "std_q:variance"
    assert found(signature("mu1, var1, mu2, var2"), PAIR)["var2"] == "std_q:variance"


def test_explicit_words_name_an_argument_a_form_or_both():
    f = signature("a, b")
    assert found(f, STANDARD, {"a": "mean", "b": "log_variance"})["b"] == "std:log_variance"
    assert found(f, STANDARD, ("mean", "std:variance"))["b"] == "std:variance"
    assert found(signature("mu, b"), STANDARD, {"b": "log_std"}) == {"mu": "mean", "b": "std:log_std"}


def test_callables_without_a_signature_and_with_loose_ones():
    def loose(*args, **keywords): ...

    assert list(found(loose, STANDARD, ("mean", "std")).values()) == ["mean", "std"]
    assert found(loose, STANDARD, {"mu": "mean", "lv": "log_variance"}) == {"mu": "mean", "lv": "std:log_variance"}
    with pytest.raises(UsageError, match="parameters"):
        found(loose, STANDARD)

    assert found(torch.add, "normal.standard_log_prob", ("x",)) == {"#0": "x"}


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_compiled_script_has_the_names_of_its_source():
    schema = torch._C.parse_schema("kl(Tensor mu, Tensor logvar, float beta=1.0) -> Tensor")

    class Scripted:
        def __call__(self, *args): ...

    scripted = Scripted()
    scripted.schema = schema
    made = match(scripted, find_formula(STANDARD), None, {})
    assert [b.parameter for b in made.bound] == ["mu", "logvar"]
    assert made.left == (("beta", 1.0),)


def test_partials_methods_classes_and_modules():
    def kl(mu, logvar, beta): ...

    assert set(found(functools.partial(kl, beta=1.0), STANDARD, fixed={})) >= {"mu", "logvar"}

    class Loss:
        def __init__(self, scale): ...

        def __call__(self, mu): ...

    made = match(Loss, find_formula(STANDARD), None, {})
    assert {b.parameter: str(b.place) for b in made.bound} == {"scale": "constructor", "mu": "call"}

    class Held(nn.Module):
        def __init__(self):
            super().__init__()
            self.log_std = nn.Parameter(torch.zeros(2))

        def forward(self, mu): ...

    held = match(Held(), find_formula(STANDARD), None, {}, held=True)
    assert {b.parameter: str(b.place) for b in held.bound} == {"mu": "call", "log_std": "held"}
    with pytest.raises(UsageError):
        match(Held(), find_formula(STANDARD), None, {})


@pytest.mark.parametrize(
    ("f", "arguments", "words"),
    [
        (lambda mu, zebra: 0, None, "parameter 'zebra'"),
        (lambda mu: 0, None, "say which parameter is std"),
        (lambda mu, mean: 0, None, "both look like mean"),
        (lambda mu, s: 0, {"x": "std"}, "a mapping for parameter 'x'"),
        (lambda mu, s: 0, {"s": "log_varianse"}, "did you mean 'log_variance'?"),
        (lambda mu, s: 0, ("mean", "std", "std"), "leave out those that it does not take"),
    ],
)
def test_what_is_refused_says_why_in_one_line(f, arguments, words):
    with pytest.raises(UsageError) as caught:
        match(f, find_formula(STANDARD), arguments, {})
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_form_that_two_arguments_have_must_be_told_apart():
    with pytest.raises(UsageError, match="std_p:log_variance or std_q:log_variance"):
        match(lambda a, b, c, d: 0, find_formula(PAIR), {"b": "log_variance"}, {})
