"""A run in several processes."""

from __future__ import annotations

import pytest

from genverify.cli import main
from genverify.cli.together import cores, together
from genverify.report import Report
from genverify.verdict import Outcome

REQUEST = {"mode": "verify", "budget": "quick", "alpha": 1e-6, "seed": 0, "checks": ["bijection.shape", "sampler.law"]}


def test_the_report_does_not_depend_on_the_number_of_processes(tmp_path, capfd):
    # A statistical check among them: its share of alpha is that of the whole run.
    written = []
    for jobs in (1, 3):
        file = tmp_path / f"{jobs}.json"
        with pytest.raises(SystemExit) as ended:
            main(["verify", "--budget", "quick", "--check", "bijection.shape", "--check", "sampler.law",
                  "--jobs", str(jobs), "--json", str(file)])  # fmt: skip
        assert ended.value.code == 0, capfd.readouterr().out
        written.append(file.read_text())
    assert written[0] == written[1]
    assert len({verdict.subject for verdict in Report.from_json(written[0])}) > 10


def test_progress_counts_the_whole_run():
    heard = []
    answer = together(
        REQUEST, jobs=2, timeout=300.0, listener=lambda verdict, done, planned: heard.append((done, planned))
    )
    assert answer.report is not None
    assert [done for done, _ in heard] == list(range(1, answer.report.planned + 1))
    assert {planned for _, planned in heard} == {answer.report.planned}


def test_a_process_that_does_not_answer_is_an_error_beside_the_verdicts_of_the_others():
    report = together(REQUEST, jobs=2, timeout=1e-9).report
    assert report is not None
    assert report.count(Outcome.ERROR) == 2
    assert report.exit_status() == 3
    assert all("no answer within" in verdict.evidence.message for verdict in report if verdict.outcome == "ERROR")


def test_an_interrupt_ends_every_process():
    class Interrupted(BaseException):
        pass

    def listener(verdict: object, done: int, planned: int) -> None:
        raise Interrupted

    # Everything, which takes minutes: it comes back at once or not at all.
    with pytest.raises(Interrupted):
        together({**REQUEST, "budget": "thorough", "checks": []}, jobs=2, timeout=0.0, listener=listener)


def test_a_negative_number_of_processes_is_refused(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["verify", "--jobs", "-1"])
    assert ended.value.code == 2
    assert "--jobs -1" in capsys.readouterr().err
    assert cores() >= 1
