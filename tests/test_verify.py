"""The composer, on a toy whose outcome is known for every path."""

from __future__ import annotations

import subprocess
import sys

import pytest

import genverify as gv
from genverify.subjects.budget import BUDGETS
from genverify.subjects.token import Token
from genverify.verdict import Outcome
from tests.toy_kind import Toy, raises_from_seven, registered, square, wrong_from_seven


@pytest.fixture(autouse=True)
def _toys():
    with registered():
        yield


def verdict_of(subject, name, **rest):
    (verdict,) = gv.verify(subject, checks=[name], budget="quick", **rest)
    return verdict


def test_a_right_function_passes_and_says_over_how_many_cases():
    verdict = verdict_of(Toy(square), "toy.square")
    assert verdict.outcome is Outcome.PASS
    assert verdict.evidence.examined == BUDGETS["quick"].cases
    assert (verdict.evidence.observed, verdict.evidence.allowed) == (0.0, 0.0)


def test_a_wrong_function_fails_at_the_smallest_input_that_shows_it():
    verdict = verdict_of(Toy(wrong_from_seven), "toy.square")
    assert verdict.outcome is Outcome.FAIL
    assert verdict.evidence.witness == {"x": "7"}
    assert verdict.evidence.observed == 49.0
    assert verdict.source == "Euclid, Elements, II.4"


def test_the_token_of_a_failure_replays_it_and_spares_the_repaired_function():
    verdict = verdict_of(Toy(wrong_from_seven), "toy.square")
    assert gv.replay(verdict.replay, Toy(wrong_from_seven)).evidence.witness == {"x": "7"}
    assert gv.replay(verdict.replay, Toy(square)).outcome is Outcome.PASS


def test_a_subject_that_raises_fails_with_the_input_as_witness():
    verdict = verdict_of(Toy(raises_from_seven), "toy.square")
    assert verdict.outcome is Outcome.FAIL
    assert "OverflowError: too large" in verdict.evidence.message
    assert verdict.evidence.witness == {"x": "7"}


def test_our_own_fault_is_an_error_and_never_a_failure_of_the_subject():
    verdict = verdict_of(Toy(square, settings={"fault": "1"}), "toy.fault")
    assert verdict.outcome is Outcome.ERROR
    assert "a bug of ours" in verdict.evidence.message


def test_a_check_that_could_judge_no_case_is_inconclusive():
    verdict = verdict_of(Toy(square, settings={"saturated": "1"}), "toy.saturated")
    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert "saturated" in verdict.evidence.message


def test_a_pass_that_examined_nothing_is_inconclusive():
    verdict = verdict_of(Toy(square, settings={"vacuous": "1"}), "toy.vacuous")
    assert verdict.outcome is Outcome.INCONCLUSIVE


def test_cases_that_were_not_judged_are_counted_beside_a_pass():
    verdict = verdict_of(Toy(square, settings={"half": "1"}), "toy.half")
    assert verdict.outcome is Outcome.PASS
    assert 0 < verdict.evidence.examined < 20
    assert any("were not judged" in note for note in verdict.evidence.notes)


def test_a_capability_that_is_not_claimed_is_not_applicable_and_named():
    verdict = verdict_of(Toy(square), "toy.slope")
    assert verdict.outcome is Outcome.NOT_APPLICABLE
    assert "declare slope=" in verdict.evidence.message
    assert verdict_of(Toy(square, settings={"never": "1"}), "toy.never").outcome is Outcome.NOT_APPLICABLE


def test_an_expected_failure_is_shown_and_does_not_fail_the_run():
    report = gv.verify(
        Toy(wrong_from_seven), checks=["toy.square"], budget="quick", expected_failures={"toy.square": "issue 7"}
    )
    (verdict,) = report
    assert (verdict.outcome, verdict.expected) == (Outcome.FAIL, "issue 7")
    assert report.exit_status() == 0
    assert report.counts["expected_failures"] == 1


def test_a_stale_expectation_fails():
    verdict = verdict_of(Toy(square), "toy.square", expected_failures={"toy.square": "issue 7"})
    assert verdict.outcome is Outcome.FAIL
    assert "stale" in verdict.evidence.message
    assert not verdict.expected


def test_the_same_seed_gives_the_same_report_and_another_seed_is_another_run():
    def run(seed):
        return gv.verify([Toy(wrong_from_seven), Toy(square, slope=0.0)], budget="quick", seed=seed).to_json()

    assert run(3) == run(3)
    assert '"seed": 4' in run(4)


def test_every_check_of_every_subject_is_planned_and_counted():
    report = gv.verify([Toy(square), Toy(square, name="twice", settings={"half": "1"})], budget="quick")
    counts = report.counts
    assert counts["planned"] == len(report) == 18
    assert counts["not_applicable"] == 15
    assert counts["run"] == counts["passed"] == 3
    assert "only 3 of the 18 planned checks ran" in str(report)


def test_alpha_is_split_over_the_statistical_checks_and_their_cases():
    subject = Toy(square, settings={"mean": "1"})
    one, two = gv.verify(subject, checks=["toy.mean", "toy.mean_again"], budget="quick", alpha=1e-3)
    assert one.evidence.figures["alpha"] == two.evidence.figures["alpha"] == 1e-3 / 2 / 2  # checks, cases
    assert one.evidence.examined == 2


def test_progress_hears_of_every_verdict_in_order():
    heard = []
    gv.verify(
        Toy(square), checks=["toy.square", "toy.slope"], budget="quick",
        progress=lambda verdict, done, planned: heard.append((verdict.check, done, planned)),
    )  # fmt: skip
    assert heard == [("toy.slope", 1, 2), ("toy.square", 2, 2)]


def test_what_the_subject_prints_becomes_a_note(capsys):
    def chatty(x):
        print("computing", x)
        return x * x

    verdict = verdict_of(Toy(chatty), "toy.square")
    assert any("printed 'computing" in note for note in verdict.evidence.notes)
    assert capsys.readouterr().out == ""


def test_the_token_carries_alpha_seed_and_budget():
    verdict = verdict_of(Toy(wrong_from_seven), "toy.square", seed=11)
    token = Token.read(verdict.replay)
    assert (token.check, token.seed, token.budget) == ("toy.square", 11, "quick")


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: gv.verify(Toy(square), checks=["toy.sqare"]), "did you mean 'toy.square'?"),
        (lambda: gv.verify(Toy(square), budget="quik"), "did you mean 'quick'?"),
        (lambda: gv.verify(Toy(square), alpha=0.0), "a probability between 0 and 1"),
        (lambda: gv.verify(Toy(square), expected_failures={"toy.squre": "-"}), "did you mean 'toy.square'?"),
    ],
)
def test_a_request_that_cannot_be_understood_runs_nothing(call, words):
    with pytest.raises(gv.UsageError, match=words.replace("?", r"\?")):
        call()


def test_a_token_of_another_kind_is_refused():
    token = verdict_of(Toy(wrong_from_seven), "toy.square").replay

    class Other(Toy):
        kind = "other"

    with pytest.raises(gv.UsageError, match="kind 'toy'"):
        gv.replay(token, Other(square))


def test_the_face_is_the_function_whichever_module_was_imported_first():
    code = (
        "import genverify.verify, genverify as gv; assert not hasattr(gv.verify, '__path__'); gv.verify([], alpha=2.0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "UsageError: got alpha=2.0" in done.stderr


def test_a_bare_function_is_refused_with_what_to_say():
    # In a process of its own: here beartype would refuse it first.
    done = subprocess.run(
        [sys.executable, "-c", "import genverify as gv; gv.verify(len)"], capture_output=True, text=True
    )
    assert "UsageError: got an object of type builtin_function_or_method" in done.stderr
    assert "say what is claimed of it" in done.stderr
