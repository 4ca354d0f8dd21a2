"""The matrix of mutants × checks: ``python -m tests.mutants.matrix``; it fails on a survivor and on an accused twin.

Of some families alone with their names: ``python -m tests.mutants.matrix gan penalty``.
"""

from __future__ import annotations

import importlib
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import genverify as gv

_LETTERS = {"PASS": ".", "FAIL": "F", "INCONCLUSIVE": "?", "ERROR": "E", "NOT_APPLICABLE": " "}
_NOT_FAMILIES = ("mutant", "matrix", "test_kills")


def families() -> list[str]:
    """The files that hold MUTANTS and TWINS."""
    return sorted(path.stem for path in Path(__file__).parent.glob("*.py") if path.stem not in _NOT_FAMILIES)


def run(family: str, which: str, index: int) -> tuple[dict[str, str], float]:
    """Check → outcome of one mutant or twin, and the seconds that its own check took (all of them, for a twin)."""
    one = getattr(importlib.import_module(f"tests.mutants.{family}"), which)[index]
    started = time.perf_counter()
    own = gv.verify(one.make(), checks=[one.killed_by]) if which == "MUTANTS" else gv.verify(one.make())
    seconds = time.perf_counter() - started
    report = gv.verify(one.make(), budget="quick") if which == "MUTANTS" else own
    outcomes = {verdict.check: str(verdict.outcome) for verdict in report}
    return outcomes | {verdict.check: str(verdict.outcome) for verdict in own}, seconds


def main(chosen: list[str]) -> int:
    unknown = [name for name in chosen if name not in families()]
    if unknown:
        print(f"no such family: {', '.join(unknown)}; choose among {', '.join(families())}")
        return 2
    bad, times, killed, spared = [], [], 0, 0
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        for family in chosen or families():
            module = importlib.import_module(f"tests.mutants.{family}")
            kills = list(pool.map(run, *_columns(family, "MUTANTS", len(module.MUTANTS))))
            spares = list(pool.map(run, *_columns(family, "TWINS", len(module.TWINS))))
            checks = sorted({name for outcomes, _ in [*kills, *spares] for name in outcomes})
            print(f"\n{family}: {len(kills)} mutants, {len(spares)} twins")
            for number, name in enumerate(checks):
                print(f"  {number:2d} {name}")
            print(f"  {'':44s} {' '.join(f'{n:2d}' for n in range(len(checks)))}")
            for mutant, (outcomes, seconds) in zip(module.MUTANTS, kills, strict=True):
                dead = outcomes[mutant.killed_by] == "FAIL"
                times.append(seconds)
                killed += dead
                bad += [] if dead else [f"{family}: {mutant.name} survives {mutant.killed_by}"]
                _row(mutant.name, outcomes, checks, seconds)
            for twin, (outcomes, seconds) in zip(module.TWINS, spares, strict=True):
                accused = [name for name, outcome in outcomes.items() if outcome in ("FAIL", "ERROR", "INCONCLUSIVE")]
                spared += not accused
                bad += [f"{family}: twin {twin.name} is accused by {name}" for name in accused]
                _row(f"= {twin.name}", outcomes, checks, seconds)
    times.sort()
    print(f"\nF fail  . pass  ? inconclusive  E error;  = is a twin.  {killed} killed, {spared} twins spared.")
    if times:
        at = f"median {times[len(times) // 2]:.2f} s, p95 {times[int(0.95 * (len(times) - 1))]:.2f} s"
        print(f"time to refute, a mutant by its own check: {at}")
    print("\n".join(bad))
    print(f"{killed + spared} passed, {len(bad)} failed")
    return bool(bad)


def _columns(family: str, which: str, count: int) -> tuple[list[str], list[str], range]:
    return [family] * count, [which] * count, range(count)


def _row(name: str, outcomes: dict[str, str], checks: list[str], seconds: float) -> None:
    letters = " ".join(f" {_LETTERS[outcomes.get(check, 'NOT_APPLICABLE')]}" for check in checks)
    print(f"  {name[:44]:44s} {letters}  {seconds:6.2f} s", flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
