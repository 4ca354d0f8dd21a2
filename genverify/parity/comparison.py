"""One subject under one execution after the other: each held against the float64 run at the same numbers."""

from __future__ import annotations

import math
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import _disable_current_modes

from genverify.errors import GenverifyError, SubjectRaised
from genverify.noise import Tape, TapeMismatch, replay
from genverify.noise.generators import preserved_generators
from genverify.parity.execution import BASELINE, Execution, missing
from genverify.parity.judgement import Difference, Model, differences
from genverify.parity.observation import Observed, identical, numbers_of_run, observe, recorded, seconds_of, tape_in
from genverify.parity.program import Maker, Program
from genverify.parity.refusal import refusal
from genverify.parity.relocation import CannotBeCopied, Relocation
from genverify.parity.rows import DependentRows, row_differences
from genverify.subjects.calling import subject_code
from genverify.subjects.case import Case
from genverify.verdict import Evidence, Judgement, Outcome, failed, inconclusive, not_applicable, passed

__all__ = ["Comparison"]

_FORMATS = (4, 5)
_TRIES = 8


@dataclass
class Comparison:
    """A prepared subject at one case, with its tape and its float64 runs.

    Attributes:
        subject: The prepared subject.
        maker: How programs are made of it.
        case: The case.
        repeats: How many runs are timed.
    """

    subject: Any
    maker: Maker
    case: Case
    repeats: int
    _tape: Tape | None = None
    _models: dict[tuple[torch.dtype, float], Model] = field(default_factory=dict)
    _seconds: float | None = None

    def judge(self, execution: Execution) -> Judgement:
        """The execution against the float64 run on the CPU, at this case."""
        reason = missing(execution)
        if reason:
            return not_applicable(reason)
        try:
            return self._judged(execution)
        except CannotBeCopied as error:
            return inconclusive(str(error))
        except DependentRows as reason:
            return not_applicable(str(reason))
        except SubjectRaised as raised:  # in float64 on the CPU: what else raises is caught where it runs
            return inconclusive(f"nothing to compare with: in float64 on the CPU {raised}")
        except TapeMismatch as error:
            return inconclusive(f"it does not make the same draws as in float64 on the CPU: {error}")
        except GenverifyError:
            raise
        except Exception as error:
            last = traceback.extract_tb(error.__traceback__)[-1]
            where = f"{Path(last.filename).name}:{last.lineno}"
            said = f"genverify itself failed: {type(error).__name__}: {error} ({where})"
            return Judgement(outcome=Outcome.ERROR, evidence=Evidence(message=said))

    def _judged(self, execution: Execution) -> Judgement:
        tape = self._recorded()
        model = self._model(execution)
        if execution.channels_last and not self._has_channels():
            return not_applicable("it has no tensor with four or five axes, whose channels could be last")
        if not model.names:
            return not_applicable("it returns no numbers")
        unsteady = self._unsteady(self._model(BASELINE))
        if unsteady:
            return inconclusive(unsteady)
        try:
            if execution.batch:
                return self._of_rows(execution, tape, model)
            program = self._program(execution)
            observed = observe(program, execution, tape_in(tape, execution.dtype), self.case.seed)
        except (SubjectRaised, MemoryError) as raised:
            return refusal(raised, execution, self.case, always=self._raises_in(execution))
        return self._concluded(execution, model, program, observed)

    def _concluded(self, execution: Execution, model: Model, program: Program, observed: Observed) -> Judgement:
        withheld = _withheld(execution, observed)
        if withheld:
            return inconclusive(withheld)
        tape = tape_in(self._recorded(), execution.dtype)
        found = differences(model, observed.numbers, execution.dtype)
        notes, again = [], observed.twice
        if not execution.compiled:
            second = observe(self._program(execution), execution, tape, self.case.seed).numbers
            again = identical(observed.numbers, second)
            if not again:
                found = max(found, differences(model, second, execution.dtype), key=_worst)
        if again is False:
            notes.append("nondeterministic: two runs on the same draws differ in their bits")
        if observed.breaks:
            notes.append(f"the graph broke: {'; '.join(observed.breaks[:3])}")
        judgement = _verdict(execution, model, found, self.case, tuple(notes))
        if judgement.outcome is not Outcome.PASS:
            return judgement
        return _timed(judgement, self._speed(program, execution, tape, observed))

    def _raises_in(self, execution: Execution) -> bool:
        """Whether it raises in that dtype on that device whatever else is as in the baseline."""
        plain = Execution(device=execution.device, dtype=execution.dtype)
        if plain == BASELINE:
            return False
        try:
            observe(self._program(plain), plain, tape_in(self._recorded(), plain.dtype), self.case.seed)
        except (SubjectRaised, MemoryError):
            return True
        return False

    def _of_rows(self, execution: Execution, tape: Tape, model: Model) -> Judgement:
        def under(one: Execution) -> Any:  # noqa: ANN401 - (case, tape) → numbers
            def run(case: Case, draws: Tape) -> Mapping[str, Tensor]:
                program = self.maker.program(self.subject, case, Relocation(one, through=execution.dtype))
                return observe(program, one, tape_in(draws, one.dtype), case.seed).numbers

            return run

        rows = self.maker.rows(self.subject, self.case)
        found = row_differences(rows, self.case, tape, model, under(BASELINE), under(execution), execution.dtype)
        return _verdict(execution, model, found, self.case, ())

    def _program(self, execution: Execution, through: torch.dtype | None = None) -> Program:
        """A program on copies that nobody has run; no mode that watches or perturbs sees how it is made."""
        with _disable_current_modes(), preserved_generators(self.case.seed):
            return self.maker.program(self.subject, self.case, Relocation(execution, through))

    def _recorded(self) -> Tape:
        if self._tape is None:
            # Draws that drop everything would leave nothing to compare.
            for seed in range(self.case.seed, self.case.seed + _TRIES):
                numbers, self._tape = recorded(self._program(BASELINE), seed)
                if not self._tape.draws or any(bool(one.any()) for one in numbers.values()):
                    break
        assert self._tape is not None
        return self._tape

    def _model(self, execution: Execution) -> Model:
        """The float64 run at the numbers that the execution's dtype can hold."""
        key = (execution.dtype, execution.unit)
        if key not in self._models:
            tape = tape_in(self._recorded(), execution.dtype).to(dtype=torch.float64)

            def run() -> Mapping[str, Tensor]:
                program = self._program(BASELINE, through=execution.dtype)
                with subject_code(), replay(tape):
                    return numbers_of_run(program)

            self._models[key] = Model(run, execution)
        return self._models[key]

    def _unsteady(self, model: Model) -> str:
        """Why the float64 run itself is nothing to compare with; empty where it is."""
        again = dict(zip(model.names, model.rounding.compute(), strict=True))
        if identical({n: v.to(torch.float64) for n, v in again.items()}, model.values):
            return ""
        found = differences(model, again, torch.float64)
        if _worst(found) <= 1:
            return ""
        unseen = self._recorded().uncontrolled
        why = f": {', '.join(unseen)}" if unseen else ", and what makes them differ is not seen"
        return f"nondeterministic: two float64 runs on the same draws differ by {found[0].ulps:.2g} ULPs{why}"

    def _has_channels(self) -> bool:
        program = self._program(BASELINE)
        there = [*program.leaves.values(), *(one for one in program.arguments if isinstance(one, Tensor))]
        return any(one.dim() in _FORMATS for one in there)

    def _speed(self, program: Program, execution: Execution, tape: Tape, observed: Observed) -> float:
        """How many times as fast as the float64 run it is; NaN where it cannot be timed."""
        try:
            if self._seconds is None:
                self._seconds = seconds_of(
                    self._program(BASELINE), BASELINE, self._recorded(), repeats=self.repeats, seed=self.case.seed
                )
            took = seconds_of(
                program, execution, tape, repeats=self.repeats, seed=self.case.seed, compiled=observed.compiled
            )
        except (SubjectRaised, GenverifyError):  # a second call is another thing than the first: it has been judged
            return math.nan
        return self._seconds / took if took else math.nan


def _worst(found: list[Difference]) -> float:
    return max((one.ratio for one in found), default=0.0)


def _withheld(execution: Execution, observed: Observed) -> str:
    """Why a run that ended settles nothing; empty where it does."""
    broken = f"; the graph broke: {'; '.join(observed.breaks[:3])}" if observed.breaks else ""
    if observed.unread:
        return f"compiled code makes draws that cannot be replayed: {', '.join(sorted({*observed.unread}))}"
    if observed.stray:
        return f"it makes draws that are not seen{' outside the compiled graphs' * execution.compiled}{broken}"
    if execution.compiled and not observed.calls:
        return f"no compiled code was executed{broken or '; torch.compile found nothing to compile'}"
    return ""


def _verdict(
    execution: Execution, model: Model, found: list[Difference], case: Case, notes: tuple[str, ...]
) -> Judgement:
    if not found:
        return inconclusive("there is no number to compare")
    worst, dtype = found[0], str(execution.dtype).removeprefix("torch.")
    if torch.finfo(model.rounding.narrowest).eps > torch.finfo(torch.float64).eps:
        narrow = str(model.rounding.narrowest).removeprefix("torch.")
        notes = (*notes, f"narrow: it computes in {narrow} inside, also where its numbers are float64")
    about: dict[str, Any] = {
        "examined": sum(one.promised or bool(one.fault) for one in found), "quantity": "error",
        "unit": f"ULPs of {dtype}", "notes": notes,
    }  # fmt: skip
    if worst.fault:
        return failed(**about, message=f"{worst.fault}", witness=case.rendered())
    if worst.ratio > 1:
        text = f"{worst.name} is {worst.ulps:.2g} ULPs off, {worst.ratio:.2g} times what rounding may do"
        if notes and "nondeterministic" in notes[0]:
            text += "; two runs on the same draws differ"
        return failed(
            **about, observed=worst.ulps, allowed=worst.allowed, message=text, witness=case.rendered(),
            figures={"ulps": worst.ulps, "result": worst.name},
        )  # fmt: skip
    told = [one for one in found if one.promised]
    if not told:
        why = model.rounding.problem or f"rounding in {dtype} may change every digit of every result"
        return inconclusive(f"{why}; {worst.name} is {worst.ulps:.2g} ULPs off", notes=notes)
    shown = max(told, key=lambda one: (one.ratio, one.ulps))
    left = [one.name for one in found if not one.promised and not one.zero]
    if left:
        notes = (*notes, f"not judged, since rounding may change all of it: {_listed(left)}")
    if zero := [one.name for one in found if one.zero]:
        notes = (*notes, f"zero at this input, which says little: {_listed(zero)}")
    most = max(told, key=lambda one: one.ulps)
    return passed(
        **{**about, "notes": notes}, observed=shown.ulps, allowed=shown.allowed,
        message=f"{most.ulps:.2g} ULPs at most, in {most.name}", figures={"ulps": most.ulps, "result": most.name},
        guarantee="the same numbers at this input and with these draws, up to what rounding may do",
    )  # fmt: skip


def _listed(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f", and {len(names) - 3} more" if len(names) > 3 else "")


def _timed(judgement: Judgement, speed: float) -> Judgement:
    if math.isnan(speed):
        return judgement
    figures = {**judgement.evidence.figures, "speed": float(f"{speed:.3g}")}
    return replace(judgement, evidence=replace(judgement.evidence, figures=figures))
