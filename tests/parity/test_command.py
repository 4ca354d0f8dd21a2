"""`genverify parity`, from the shell's side: the matrix, the exit status, what is refused."""

from __future__ import annotations

import textwrap

import pytest
import torch

from genverify.cli import main
from genverify.report import Report

THEIRS = """
    import torch

    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Tanh(), torch.nn.Linear(4, 2))

    def kl(mu, logvar):
        factor = 0.5 if mu.dtype == torch.float64 else 1.0
        return -factor * (1 + logvar - mu**2 - logvar.exp()).sum(-1)
"""


@pytest.fixture(autouse=True)
def theirs(tmp_path, monkeypatch):
    (tmp_path / "theirs.py").write_text(textwrap.dedent(THEIRS))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments):
    with pytest.raises(SystemExit) as ended:
        main(["parity", *arguments])
    return ended.value.code


def test_a_module_in_every_execution_of_the_cpu(capsys):
    assert run("theirs.py:net", "--as", "map", "--device", "cpu", "--no-compile") == 0
    printed = capsys.readouterr().out
    assert "cpu.float32.channels-last  NOT APPLICABLE" in printed
    assert "speed" in printed


def test_a_formula_that_is_another_in_float32_fails(theirs, capsys):
    like = ("--like", "kl.diagonal_to_standard_normal")
    assert run("theirs.py:kl", *like, "--device", "cpu", "--no-compile", "--json", "report.json") == 1
    report = Report.from_json((theirs / "report.json").read_text("utf-8"))
    assert {v.check: v.outcome.value for v in report}["parity.cpu.float32"] == "FAIL"
    assert "times what rounding may do" in capsys.readouterr().out


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is such a device")
def test_a_device_that_is_not_there_is_named_and_settles_nothing(capsys):
    assert run("theirs.py:net", "--as", "map", "--device", "cuda") == 4
    assert "cuda.float32.compiled" in capsys.readouterr().out


@pytest.mark.parametrize("words", [("--device", "gpu"), ("--budget", "huge"), ("--seed", "0", "--frobnicate", "1")])
def test_what_cannot_be_understood_is_refused(words, capsys):
    assert run("theirs.py:net", "--as", "map", *words) == 2
    assert "expected" in capsys.readouterr().err
