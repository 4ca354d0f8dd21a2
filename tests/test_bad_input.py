"""Bad input: one line on standard error that says what was given, what was expected and what to do; exit status 2."""

from __future__ import annotations

import textwrap

import pytest
import torch
from torch.distributions import Normal
from torch.distributions.transforms import ExpTransform

import genverify as gv
from genverify.cli import main
from genverify.cli.declaring import declare
from genverify.subjects.case import Case
from genverify.subjects.density import Density
from genverify.subjects.loading import load
from genverify.subjects.token import Token
from tests.toy_kind import registered


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    (tmp_path / "mine.py").write_text(
        textwrap.dedent("""
        from torch import nn

        def squared(x):
            return x * x

        class Wide(nn.Module):
            def __init__(self, width):
                super().__init__()

        class Broken:
            def __init__(self):
                raise RuntimeError("no licence")
        """)
    )
    (tmp_path / "broken.py").write_text("1 / 0\n")
    (tmp_path / "leaving.py").write_text("raise SystemExit(3)\n")
    monkeypatch.chdir(tmp_path)


def refused(capfd, *arguments):
    """The line on standard error of a command that is refused; nothing on standard output, no file."""
    with pytest.raises(SystemExit) as ended:
        main([str(one) for one in arguments])
    shown = capfd.readouterr()
    assert ended.value.code == 2
    assert shown.out == ""
    assert shown.err.count("\n") == 1
    assert shown.err.startswith("error: ")
    return shown.err


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("mine", "a colon"),
        (":squared", "package.module:attr or path/to/file.py:attr"),
        ("mine.py:sqared", "did you mean 'squared'?"),
        ("mine.py:squared.inner", "attribute 'inner' of mine.py:squared"),
        ("mien.py:squared", "did you mean 'mine.py'?"),
        ("nowhere/mine.py:squared", "a Python file"),
        ("mien:squared", "did you mean 'mine'?"),
        ("torch.optm:Adam", "did you mean 'optim'?"),
        ("torch.optim:SDG", "did you mean 'SGD'?"),
        ("broken.py:f", "raises ZeroDivisionError: division by zero"),
        ("broken:f", "raises ZeroDivisionError: division by zero"),
        ("leaving.py:f", "raises SystemExit: 3"),
    ],
)
def test_a_target_that_is_not_there(target, words):
    with pytest.raises(gv.UsageError) as caught:
        load(target)
    text = str(caught.value)
    assert words in text
    assert text.startswith("got ")
    assert "; expected " in text


@pytest.mark.parametrize(
    ("target", "kind", "fields", "words"),
    [
        ("mine.py:squared", "bijektion", [], "did you mean 'bijection'?"),
        ("mine.py:squared", None, [], "torch.distributions.Transform"),  # what was tried
        ("mine.py:Wide", "optimizer", [("rule", "adam")], "which needs arguments (width)"),
        ("mine.py:Broken", "bijection", [], "raises RuntimeError: no licence when it is made"),
        ("mine.py:squared", "bijection", [("event_shap", "2"), ("evnt_shape", "3")], "did you mean 'event_shape'?"),
        ("mine.py:squared", "bijection", [("event_shape", "two")], "write numbers with commas"),
        ("torch.optim:Adam", "optimizer", [], "add --rule"),
        ("torch.nn:Identity", "bijection", [("event_shape", "2"), ("device", "abacus")], "a device of this machine"),
        ("torch.nn:Identity", "bijection", [("event_shape", "2"), ("device", "cuda:99")], "a device of this machine"),
        ("mine.py:squared", "bijection", [("event_shape", "2"), ("device", "cpu")], "no torch.nn.Module"),
        ("torch.nn:Identity", "bijection", [("event_shape", "2"), ("dtype", "flot32")], "did you mean 'float32'?"),
    ],
)
def test_a_declaration_that_cannot_be_understood(target, kind, fields, words):
    with pytest.raises(gv.UsageError) as caught:
        declare(target, kind, fields)
    assert words in str(caught.value)


def test_what_the_command_line_refuses_before_it_runs_anything(capfd, tmp_path):
    before = sorted(tmp_path.iterdir())
    assert "folder" in refused(capfd, "check", "mine.py:squared", "--json", tmp_path)
    assert "report path" in refused(capfd, "verify", "--json", tmp_path / "missing" / "r.json")
    assert "ending in .html" in refused(capfd, "verify", "--html", "r.json")
    assert "0 means no limit" in refused(capfd, "verify", "--timeout", "-1")
    assert "NAME=VALUE" in refused(capfd, "check", "mine.py:squared", "--option", "width")
    assert "one target and options" in refused(capfd, "check", "mine.py:squared", "mine.py:squared")
    assert "--bugdet" in refused(capfd, "verify", "--bugdet", "quick")
    assert "chekc" in refused(capfd, "chekc")
    assert "number" in refused(capfd, "verify", "--alpha", "small")
    assert "did you mean 'checks'?" in refused(capfd, "list", "cheks")
    assert "did you mean 'bijection.logabsdet'?" in refused(capfd, "explain", "bijection.logabsdt")
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("mine.py:squared", "--like", "kl.diagonal_to_standard_nomal"), "'kl.diagonal_to_standard_normal'"),
        (("torch.optim:Adam", "--as", "optimizer", "--rule", "adm"), "did you mean 'adam'?"),
        (("torch.optim:Adam", "--as", "optimizer", "--rule", "adam", "--check", "optimizer.trajectry"), "did you mean"),
        (("mine.py:squared", "--as", "bijection", "--replay", "gv1.x"), "replay token"),
    ],
)
def test_what_only_the_child_can_know_comes_back_as_one_line(capfd, tmp_path, arguments, words):
    assert words in refused(capfd, "check", *arguments, "--json", "report.json")
    assert not (tmp_path / "report.json").exists()


NOTHING = torch.zeros(0, 2, dtype=torch.float64)


def _refuses(x):
    raise RuntimeError("an empty batch")


@pytest.mark.parametrize(
    ("subject", "check", "values"),
    [
        (
            gv.Formula(lambda mu, logvar: 0.5 * (mu**2 + logvar.exp() - 1 - logvar).sum(-1),
                       like="kl.diagonal_to_standard_normal"),
            "formula.value",
            {"mean": NOTHING, "std": NOTHING, "#sizes": {"batch": 0, "latent": 2}, "#layout": "batched"},
        ),
        (gv.Formula(_refuses, like="normal.standard_log_prob"), "formula.inputs_untouched",
         {"x": NOTHING, "#sizes": {"batch": 0, "event": 2}, "#layout": "batched"}),
        (gv.Bijection(ExpTransform(), event_shape=(2,)), "bijection.logabsdet", {"x": NOTHING}),
        (gv.Bijection(ExpTransform(), event_shape=(2,)), "bijection.shape", {"x": NOTHING}),
        (Density(Normal(0.0, 1.0)), "density.batch_independence", {"x": NOTHING[:, 0]}),
        (Density(Normal(0.0, 1.0)), "density.integrates_to_one", {"context": NOTHING}),
    ],
)  # fmt: skip
def test_a_batch_of_no_rows_is_refused_and_never_judged(subject, check, values):
    with pytest.raises(gv.UsageError, match="at least one row"):
        gv.replay(Token(check=check, case=Case(values=values)).write(), subject)


def test_a_target_without_numbers_is_refused():
    for fields in ({"target": torch.zeros(0), "at": (torch.ones(1),)}, {"target": torch.ones(1), "at": (NOTHING,)}):
        with pytest.raises(gv.UsageError, match="at least one row"):
            gv.verify(gv.GradientEstimator(lambda theta: theta + torch.randn_like(theta), **fields))


def test_an_event_or_a_batch_without_numbers_is_refused_when_it_is_declared(capfd):
    for shape in ("0", "2,0"):
        words = refused(capfd, "check", "torch.nn:Identity", "--as", "bijection", "--event-shape", shape)
        assert "event" in words


def _token():
    return Token(check="toy.square", case=Case(values={"x": 7})).write()


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda t: "", "does not begin"),
        (lambda t: "hello", "does not begin"),
        (lambda t: t.replace("gv1", "gv2"), "does not begin"),
        (lambda t: t[:-8], "checksum"),
        (lambda t: t[:-9], "expected a token"),
        (lambda t: t.replace(t.split(".")[1], "00000000"), "checksum"),
        (lambda t: t[:-1] + "é", "expected a token"),
        (lambda t: t[:30] + "\n" + t[30:], "expected a token"),
    ],
)
def test_a_corrupt_or_foreign_token(spoil, words):
    with registered(), pytest.raises(gv.UsageError, match=words):
        Token.read(spoil(_token()))


def test_a_module_that_has_seen_no_input_is_refused():
    with pytest.raises(gv.UsageError, match=r"has no shape yet.*call it once"):
        gv.verify(gv.Map(torch.nn.LazyLinear(3), event_shape=2))
