"""The references of schedules refuse what is no schedule, and say what to do."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from genverify.reference.schedules import decay, one_cycle, warmup, waves

NAN = float("nan")
_REFUSED: list[tuple[Callable[[], float], str]] = [
    (lambda: decay.constant(0, -1.0), "base=-1.0"),
    (lambda: decay.linear(0, 0, 1.0), "total=0"),
    (lambda: decay.exponential(-1, 1.0, 0.5), "step=-1"),
    (lambda: decay.exponential(1, 1.0, -0.5), "gamma=-0.5"),
    (lambda: decay.step(1, 1.0, 0.5, 0), "period=0"),
    (lambda: decay.multi_step(1, NAN, 0.5, (2,)), "base=nan"),
    (lambda: decay.polynomial(1, -3, 1.0), "total=-3"),
    (lambda: one_cycle.one_cycle(1, 0, 1.0), "total=0"),
    (lambda: one_cycle.one_cycle(1, 9, -1.0), "max_lr=-1.0"),
    (lambda: warmup.linear_warmup(1, 0), "warmup=0"),
    (lambda: warmup.warmup_cosine(1, 1, 0, 1.0), "total=0"),
    (lambda: warmup.warmup_exponential(1, 1, -1.0, 0.5), "base=-1.0"),
    (lambda: warmup.inverse_square_root(0, 4, 1.0), "step=0"),
    (lambda: warmup.noam(1, 4, 0), "width=0"),
    (lambda: warmup.warmup_linear(1, 1, 4, 1.0, -1.0), "end=-1.0"),
    (lambda: waves.cosine(1, 0, 1.0), "total=0"),
    (lambda: waves.cosine_restarts(5, 1, 1.0, growth=0), "growth=0"),
    (lambda: waves.triangular(1, 0.0, 1.0, 0), "up=0"),
    (lambda: waves.annealing_cycles(1, 8, 0), "number=0"),
    (lambda: waves.sigmoid(1, -1.0, 1.0, 0.0), "base=-1.0"),
]


@pytest.mark.parametrize(("refused", "given"), _REFUSED, ids=[given for _, given in _REFUSED])
def test_what_is_no_schedule_is_refused(refused: Callable[[], float], given: str) -> None:
    with pytest.raises(ValueError, match=rf"got {given}; expected .+; .+"):
        refused()
