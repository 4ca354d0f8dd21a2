"""The process in which the command line runs a stranger's code; its only answer is JSON, never pickle.

It reads one request from its standard input, and writes one event a line to what was its standard output. The subject's
own output, from import to exit, goes to standard error, which the supervising process keeps.
"""

from __future__ import annotations

import faulthandler
import gc
import importlib
import io
import json
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, TextIO

from genverify.errors import UsageError

if TYPE_CHECKING:
    from genverify.subjects.subject import Subject
    from genverify.verdict import Verdict

__all__ = ["main"]

# So many more objects made than given back set off a collection.
_ALLOCATIONS = 20_000


def main() -> None:
    """Carries out the request, and says how it ended."""
    request = json.loads(sys.stdin.buffer.read())
    # Whoever prints, in Python or in C, prints to standard error from here on; events keep a descriptor of their own.
    events = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    # Unbuffered, so that what is printed stands in the order in which it was, and is there when the process ends.
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(write_through=True, line_buffering=True)
    faulthandler.enable()

    def tell(event: str, **data: Any) -> None:  # noqa: ANN401 - JSON data
        _write(events, {"event": event, **data})

    # The time that Python needs to read genverify and torch is not the subject's: its clock starts after this.
    for module in ("genverify.cli.declaring", "genverify.verify"):
        importlib.import_module(module)
    tell("ready")
    try:
        _MODES[request["mode"]](request, tell)
    except UsageError as error:
        tell("usage", given=error.given, expected=error.expected, do=error.do)
    except BaseException as error:  # also SystemExit: the supervisor hears of it in any case
        import traceback

        traceback.print_exc()
        # SystemExit and KeyboardInterrupt come from the subject: this process has no terminal, and ends itself below.
        whose = "genverify itself failed" if isinstance(error, Exception) else "the subject tried to end the process"
        tell("fault", message=f"{whose}: {type(error).__name__}: {error}")
    events.flush()
    sys.stderr.flush()
    # A subject's threads and exit hooks have nothing to add, and must not keep the process.
    os._exit(0)


def _write(out: TextIO, data: Mapping[str, Any]) -> None:
    out.write(json.dumps(data) + "\n")
    out.flush()


def _check(request: Mapping[str, Any], tell: Any) -> None:  # noqa: ANN401
    from genverify.cli.declaring import declare

    subject = declare(request["target"], request["kind"], [(name, text) for name, text in request["fields"]])
    if request["replay"]:
        _replay(subject, request, tell)
    else:
        _run([subject], request, tell)


def _verify(request: Mapping[str, Any], tell: Any) -> None:  # noqa: ANN401
    import torch

    from genverify.formulas.references import reference_subjects

    # The sums of a large tensor depend on the number of threads: the report must not depend on the number of processes.
    torch.set_num_threads(1)
    # What is loaded by now is there to stay: the collector need not walk through torch and SymPy again and again.
    gc.freeze()
    gc.set_threshold(_ALLOCATIONS, 20, 50)
    kinds = {name.partition(".")[0] for name in request["checks"]}
    _run([one for one in reference_subjects() if not kinds or one.kind in kinds], request, tell)


def _run(subjects: list[Subject], request: Mapping[str, Any], tell: Any) -> None:  # noqa: ANN401
    """Runs the subjects: all of them, or those that this process is the first to claim."""
    from genverify.checks.check import checks_for, find_check
    from genverify.report import Report
    from genverify.report.data import verdict_to_data
    from genverify.verify import verify

    names = request["checks"] or None
    for name in names or ():
        find_check(name)
    whole = [
        (index, one, c)
        for index, one in enumerate(subjects) for c in checks_for(one.kind) if not names or c.name in names
    ]  # fmt: skip
    done, reports = 0, []

    def progress(verdict: Verdict, _: int, __: int) -> None:
        nonlocal done
        done += 1
        tell("verdict", verdict=verdict_to_data(verdict), done=done, planned=len(whole))

    claims = request.get("claims", "")
    for mine in _shares(len(subjects), claims):
        tell(
            "plan", checks=[(one.label, one.kind, c.name) for index, one, c in whole if index in mine],
            order=[place for place, (index, _, _) in enumerate(whole) if index in mine], planned=len(whole),
        )  # fmt: skip
        chosen = subjects[mine.start : mine.stop]
        made = verify(
            chosen,
            checks=names if names is None or not claims else [name for name in names if _of_a_kind(name, chosen[0])],
            budget=request["budget"],
            alpha=request["alpha"],
            seed=request["seed"],
            progress=progress,
            statistical=sum(c.statistical for _, _, c in whole),
        )
        reports.append(made)
    settings = {name: request[name] for name in ("budget", "alpha", "seed")}
    report = Report(
        verdicts=tuple(verdict for one in reports for verdict in one.verdicts),
        planned=sum(one.planned for one in reports), settings=reports[0].settings if reports else settings,
    )  # fmt: skip
    tell("report", report=report.to_json())


def _of_a_kind(check: str, subject: Subject) -> bool:
    return check.partition(".")[0] == subject.kind


def _shares(count: int, claims: str) -> Iterator[range]:
    """The places of subjects to run: all at once, or one after the other those that no other process has claimed.

    A claim is a file in the folder `claims`, which only one process can make.
    """
    if not claims:
        yield range(count)
        return
    for index in range(count):
        try:
            os.close(os.open(os.path.join(claims, str(index)), os.O_CREAT | os.O_EXCL | os.O_WRONLY))
        except FileExistsError:
            continue
        yield range(index, index + 1)


def _replay(subject: Subject, request: Mapping[str, Any], tell: Any) -> None:  # noqa: ANN401
    from genverify.report import Report
    from genverify.subjects.token import Token
    from genverify.verify import replay

    token = Token.read(request["replay"])
    if request["checks"] and request["checks"] != [token.check]:
        raise UsageError(
            given=f"--check {', '.join(request['checks'])} with a token of {token.check!r}",
            expected="the token's own check",
            do=f"leave out --check, or write --check {token.check}",
        )  # fmt: skip
    tell("plan", checks=[(subject.label, subject.kind, token.check)])
    settings = {"budget": token.budget, "alpha": token.alpha, "seed": token.seed}
    verdict = replay(request["replay"], subject)
    tell("report", report=Report(verdicts=(verdict,), planned=1, settings=settings).to_json())


def _identify(request: Mapping[str, Any], tell: Any) -> None:  # noqa: ANN401
    from genverify.cli.declaring import literal
    from genverify.subjects.loading import load

    found = load(request["target"])
    identify = importlib.import_module("genverify.identification").identify
    settings: Iterable[tuple[str, str]] = request["fields"]
    answer = identify(found, **{name: literal(text) for name, text in settings})
    tell("text", text=str(answer))


def _parity(request: Mapping[str, Any], tell: Any) -> None:  # noqa: ANN401
    from genverify.parity.execution import executions
    from genverify.parity.matrix import parity
    from genverify.report.data import verdict_to_data

    if request["target"]:
        from genverify.cli.declaring import declare

        subjects = [declare(request["target"], request["kind"], [(name, text) for name, text in request["fields"]])]
    else:
        from genverify.formulas.references import reference_subjects

        subjects = reference_subjects()
    tried = executions(request["device"], compiled=request["compiled"])
    tell("plan", checks=[(one.label, one.kind, f"parity.{execution.name}") for one in subjects for execution in tried])

    def progress(verdict: Verdict, done: int, planned: int) -> None:
        tell("verdict", verdict=verdict_to_data(verdict), done=done, planned=planned)

    report = parity(subjects, executions=tried, budget=request["budget"], seed=request["seed"], progress=progress)
    tell("report", report=report.to_json())


_MODES = {"check": _check, "verify": _verify, "identify": _identify, "parity": _parity}

if __name__ == "__main__":
    main()
