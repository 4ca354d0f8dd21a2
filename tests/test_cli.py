"""The command line, from the shell's side: what it prints, writes and returns."""

from __future__ import annotations

import re
import subprocess
import sys
import textwrap
import time

import pytest

import genverify as gv
from genverify.claims import Status
from genverify.cli import main
from genverify.cli.declaring import declare, fields_of, kinds
from genverify.formulas.catalogue import all_claims, all_formulas
from genverify.report import Report
from genverify.verdict import Outcome
from tests.toy_kind import Toy, registered

TOYS = """
    import os, sys, time
    print("printed at import")
    from tests.toy_kind import *
    register()

    def hangs(x):
        while True:
            time.sleep(0.01)

    def leaves(x):
        os._exit(5)

    def exits(x):
        raise SystemExit(6)

    def chatty(x):
        print("printed in a call")
        os.write(1, b"written past Python")
        return x * x

    right = Toy(square, name="right")
    wrong = Toy(wrong_from_seven)
    both = Toy(square, settings={"saturated": "1"})
"""


@pytest.fixture
def toys(tmp_path, monkeypatch):
    (tmp_path / "toys.py").write_text(textwrap.dedent(TOYS))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments):
    with pytest.raises(SystemExit) as ended:
        main([str(one) for one in arguments])
    return ended.value.code


def test_help_answers_at_once_and_without_torch():
    code = "import sys; from genverify.cli import main\ntry: main(['--help'])\nfinally: print('torch' in sys.modules)"
    start = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    took = time.perf_counter() - start
    assert done.stdout.rstrip().endswith("False")
    for command in ("verify", "check", "list", "explain", "identify"):
        assert command in done.stdout
    # The promise is half a second on an idle machine; a loaded one gets the benefit of the doubt, torch would not.
    assert took < 2.5


def test_version(capsys):
    assert run("--version") == 0
    assert capsys.readouterr().out == f"genverify {gv.__version__}\n"


def test_a_failure_is_shown_written_and_replayed_by_its_own_command(toys, capfd):
    status = run("check", "toys.py:wrong_from_seven", "--as", "toy", "--budget", "quick", "--check", "toy.square",
                 "--json", "out.json", "--html", "out.html")  # fmt: skip
    shown = capfd.readouterr()
    assert status == 1
    assert "[1/1] FAIL wrong_from_seven toy.square" in shown.out
    assert "printed at import" not in shown.out.replace("the subject printed 'printed at import'", "")
    report = Report.from_json((toys / "out.json").read_text())
    (verdict,) = report
    assert verdict.evidence.witness == {"x": "7"}
    assert "wrong_from_seven" in (toys / "out.html").read_text()
    command = re.search(r"replay: genverify (.*)", shown.out)
    assert command is not None
    assert run(*command[1].split()) == 1
    assert "at x=7" in capfd.readouterr().out
    assert "load('toys.py:wrong_from_seven')" in verdict.snippet


def test_the_snippet_of_a_failure_runs_when_it_is_pasted(toys, capfd):
    assert run("check", "toys:wrong", "--budget", "quick", "--check", "toy.square") == 1
    snippet = capfd.readouterr().out.partition("in Python:\n")[2].partition("\n\nnote:")[0]
    assert snippet.startswith("import genverify as gv")
    path = [str(toys), *sys.path]
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path[:0] = {path!r}\n{snippet}"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "FAIL toy.square" in done.stdout


def test_a_subject_that_is_right_passes_and_what_it_prints_is_a_note(toys, capfd):
    assert (
        run("check", "toys.py:chatty", "--as", "toy", "--budget", "quick", "--seed", "3", "--check", "toy.square") == 0
    )
    out = capfd.readouterr().out
    assert "1 planned, 1 run: 1 passed" in out
    assert "written past Python" not in out
    assert "note: outside the checks, the subject printed 'printed at import'" in out


def test_inconclusive_is_status_4_unless_it_is_allowed(toys, capfd):
    assert run("check", "toys.py:both", "--budget", "quick") == 4
    out = capfd.readouterr().out
    assert re.search(r"INCONCLUSIVE +searched", out)
    assert run("check", "toys.py:both", "--budget", "quick", "--allow-inconclusive") == 0


def test_a_hang_is_an_error_that_names_the_timeout_and_the_line(toys, capfd):
    start = time.perf_counter()
    assert run("check", "toys.py:hangs", "--as", "toy", "--timeout", "2", "--json", "out.json") == 3
    assert time.perf_counter() - start < 60
    out = capfd.readouterr().out
    assert "no answer within 2 s, during toy.square" in out
    assert re.search(r"toys\.py:\d+ in hangs", out)
    report = Report.from_json((toys / "out.json").read_text())
    assert report.counts["not_reached"] > 0


def test_a_process_that_ends_itself_is_an_error(toys, capfd):
    assert run("check", "toys.py:leaves", "--as", "toy") == 3
    assert "ended with exit status 5, during toy.square" in capfd.readouterr().out


def test_a_subject_that_calls_exit_does_not_end_the_run_in_silence(toys, capfd):
    assert run("check", "toys.py:exits", "--as", "toy", "--check", "toy.square") in (1, 3)
    assert "SystemExit: 6" in capfd.readouterr().out


@pytest.fixture
def toy_kind():
    with registered():
        yield


def test_any_kind_of_subject_is_declared_without_the_command_line_knowing_it(toy_kind):
    assert kinds()["toy"] is Toy
    assert set(fields_of(Toy)) == {"event_shape", "slope", "settings"}
    words = [("event_shape", "2, 3"), ("slope", "0.5"), ("settings", "a=1"), ("settings", "b=2")]
    subject = declare("math:sqrt", "toy", words)
    assert subject.event_shape == (2, 3)
    assert subject.slope == 0.5
    assert subject.settings == {"a": "1", "b": "2"}
    assert subject.reference == "math:sqrt"
    assert declare("math:sqrt", "toy", [("event_shape", "()"), ("slope", "none")]).slope is None
    assert declare("math:sqrt", None, [("slope", "1")]).kind == "toy"  # the only kind that has a slope


def test_a_known_object_needs_no_kind():
    subject = declare("torch.distributions:ExpTransform", None, [])
    assert subject.kind == "bijection"
    assert type(subject.f).__name__ == "ExpTransform"


def test_the_lists_hold_what_the_catalogue_holds(capsys):
    assert run("list", "checks") == 0
    assert "bijection.logabsdet" in capsys.readouterr().out
    assert run("list", "formulas") == 0
    assert "kl.diagonal_to_standard_normal(" in capsys.readouterr().out
    assert run("list", "subjects") == 0
    assert "--event-shape" in capsys.readouterr().out
    assert run("list", "counts") == 0
    lines = {line.split()[0]: line.split() for line in capsys.readouterr().out.splitlines() if line.startswith("  ")}
    assert int(lines["kl"][1]) == sum(name.startswith("kl.") for name in all_formulas())
    assert int(lines["in"][4]) == sum(claim.status is Status.DERIVED for claim in all_claims().values())


def test_explain_shows_statement_source_and_dialects(capsys):
    assert run("explain", "kl.diagonal_to_standard_normal") == 0
    out = capsys.readouterr().out
    for part in ("Kingma & Welling", "log_variance", "logvar", "mean over batch"):
        assert part in out
    assert run("explain", "logabsdet") == 0  # the last part of the name is enough
    assert "check bijection.logabsdet" in capsys.readouterr().out


def test_a_pipe_gets_plain_lines(toys, capfd):
    run("check", "toys.py:right", "--budget", "quick", "--check", "toy.square")
    out = capfd.readouterr().out
    assert "\x1b" not in out
    assert out.startswith("[1/1] PASS right toy.square")


def test_verify_runs_every_reference(tmp_path, capfd):
    # One check is enough here: that every reference passes every check is what `genverify verify` itself is for.
    status = run("verify", "--budget", "quick", "--check", "bijection.finite", "--json", tmp_path / "all.json")
    report = Report.from_json((tmp_path / "all.json").read_text())
    assert status == 0, capfd.readouterr().out
    assert len({verdict.subject for verdict in report}) > 1
    assert report.count(Outcome.PASS) > 0
