"""Running a stranger's code in a child process: a hang or a crash becomes a verdict, and its prints become notes."""

from __future__ import annotations

import json
import os
import queue
import re
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import IO, Any

from genverify.errors import UsageError
from genverify.report import Report
from genverify.report.data import verdict_from_data
from genverify.verdict import Evidence, Outcome, Verdict

__all__ = ["Child", "Listener", "Supervised", "stop", "supervise"]

Child = subprocess.Popen[bytes]
Listener = Callable[[Verdict, int, int], None]
# How long a process that was told to stop may take to say where it was.
_GRACE_S = 2.0


@dataclass
class Supervised:
    """What a child process answered.

    Attributes:
        report: Its report, made up from what arrived when it ended early; None when the answer is `text`.
        text: The answer of a request that makes no report.
        planned: Subject, kind and check of what it was to run.
        order: The places of these in the whole run, of which this one may have a part.
        whole: How many there are in the whole run.
    """

    report: Report | None = None
    text: str = ""
    planned: list[tuple[str, str, str]] = field(default_factory=list)
    order: list[int] = field(default_factory=list)
    whole: int = 0
    verdicts: list[Verdict] = field(default_factory=list)
    total: int = 0
    fault: str = ""


def supervise(
    request: Mapping[str, Any],
    *,
    timeout: float,
    listener: Listener | None = None,
    started: Callable[[Child], object] = lambda child: None,
) -> Supervised:
    """Carries out a request in a child process.

    Args:
        request: Plain data; see `genverify.cli.child`.
        timeout: Seconds that loading, or one check, may take; 0 for no limit.
        listener: Called after each verdict, with how many are done and planned.
        started: Called with the child, for whoever may have to end it early: see `stop`.

    Raises:
        UsageError: The request cannot be carried out as it was written.
    """
    answer = Supervised()
    with tempfile.TemporaryFile() as printed:
        child = _start(printed)
        started(child)
        try:
            ended = _converse(child, request, answer, timeout, listener)
        finally:
            stop(child)
        printed.seek(0)
        output = printed.read(1 << 20).decode(errors="replace")
    if answer.report is None and not answer.text:
        answer.report = _cut_short(answer, request, ended, output)
    elif answer.report is not None and output.strip():
        note = f"outside the checks, the subject printed {output.strip().splitlines()[0][:100]!r}"
        answer.report = replace(answer.report, notes=(*answer.report.notes, note))
    return answer


def _start(printed: IO[bytes]) -> Child:
    # The child sees the modules that this process sees, however it was started.
    code = f"import sys; sys.path[:] = {sys.path!r}; from genverify.cli.child import main; main()"
    return subprocess.Popen(
        [sys.executable, "-X", "faulthandler", "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=printed, start_new_session=os.name == "posix",
    )  # fmt: skip


def _converse(
    child: Child,
    request: Mapping[str, Any],
    answer: Supervised,
    timeout: float,
    listener: Listener | None,
) -> str:
    """Hears the child out; returns, in words, how it ended."""
    assert child.stdin is not None
    assert child.stdout is not None
    lines: queue.Queue[bytes] = queue.Queue()
    threading.Thread(target=_read, args=(child.stdout, lines), daemon=True).start()
    try:
        child.stdin.write(json.dumps(request).encode())
        child.stdin.close()
    except BrokenPipeError:
        pass  # it died before it could be asked; what it printed says why
    ready = False
    while True:
        try:
            line = lines.get(timeout=timeout or None if ready else None)
        except queue.Empty:
            _ask_where(child)
            return f"no answer within {timeout:g} s"
        if not line:
            return _exit_words(child.wait())
        ready = True
        _hear(json.loads(line), answer, listener)
        if answer.report is not None or answer.text or answer.fault:
            return answer.fault


def _read(stream: IO[bytes], lines: queue.Queue[bytes]) -> None:
    for line in stream:
        lines.put(line)
    lines.put(b"")


def _hear(event: Mapping[str, Any], answer: Supervised, listener: Listener | None) -> None:
    kind = event["event"]
    if kind == "usage":
        raise UsageError(given=event["given"], expected=event["expected"], do=event["do"])
    if kind == "plan":
        answer.planned += [(subject, of_kind, check) for subject, of_kind, check in event["checks"]]
        answer.total = len(answer.planned)
        answer.order += event.get("order", range(answer.total))
        answer.whole = event.get("planned", answer.total)
    elif kind == "verdict":
        answer.verdicts.append(verdict_from_data(event["verdict"]))
        if listener is not None:
            listener(answer.verdicts[-1], event["done"], event["planned"])
    elif kind == "report":
        answer.report = Report.from_json(event["report"])
    elif kind == "text":
        answer.text = event["text"]
    elif kind == "fault":
        answer.fault = event["message"]


def _ask_where(child: Child) -> None:
    """Has the child's fault handler write down where it hangs."""
    if os.name == "posix":
        child.send_signal(signal.SIGABRT)
        try:
            child.wait(_GRACE_S)
        except subprocess.TimeoutExpired:
            return


def stop(child: Child) -> None:
    """Ends a child, and every process that the subject started."""
    if os.name == "posix":
        try:
            os.killpg(child.pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            pass
    elif child.poll() is None:
        child.kill()
    child.wait()
    if child.stdout is not None:
        child.stdout.close()


def _exit_words(status: int) -> str:
    if status < 0:
        try:
            name = signal.Signals(-status).name
        except ValueError:
            name = f"signal {-status}"
        return f"the process was killed by {name}"
    return f"the process ended with exit status {status}"


def _cut_short(answer: Supervised, request: Mapping[str, Any], ended: str, output: str) -> Report:
    """The verdicts that arrived, and an ERROR for the check in which the child ended."""
    done = len(answer.verdicts)
    if answer.planned and done < len(answer.planned):
        subject, kind, check = answer.planned[done]
        during = f"during {check}"
    else:
        subject, kind, check = request.get("target", "genverify"), request.get("kind") or "subject", "loading"
        during = "while the subject was loaded" if not done else "after the last check"
    message = f"{ended}, {during}"
    if ended.startswith("no answer"):
        message += "; raise --timeout if the subject is only slow"
    where = _where(output)
    if where:
        message += f"; it was at {where}"
    printed = [f"its last words: {line[:120]!r}" for line in output.strip().splitlines()[-1:] if not where]
    verdict = Verdict(
        check=check, subject=subject, kind=kind, outcome=Outcome.ERROR,
        evidence=Evidence(message=message, notes=tuple(printed)),
    )  # fmt: skip
    settings = {name: request[name] for name in ("budget", "alpha", "seed") if name in request}
    planned = max(answer.total, done + 1)
    return Report(verdicts=(*answer.verdicts, verdict), planned=planned, settings=settings)


def _where(output: str) -> str:
    """The innermost frame of the fault handler's traceback that belongs to neither Python, torch nor genverify."""
    _, marker, trace = output.rpartition("Current thread")
    if not marker:
        return ""
    frames = re.findall(r'File "(.*?)", line (\d+) in (\S+)', trace)
    own = os.path.dirname(os.path.abspath(__file__))
    library = (os.sep + "site-packages" + os.sep, os.path.dirname(os.__file__), own)
    theirs = [f for f in frames if not any(part in f[0] for part in library) and not f[0].startswith("<")]
    file, line, function = (theirs or frames or [("", "", "")])[0]
    return f"{file}:{line} in {function}" if file else ""
