"""A recurrence: the lines of one optimizer step as SymPy expressions, run on running-error balls and in mpmath.

The lines are assignments carried out in order, as a paper's algorithm is read: each uses the values of the lines above,
and the old value of everything assigned below. Buffers begin at their `initial` value, `t` counts from 1. A line may
have cases (Piecewise), and sums over whole parameters (`genverify.oracles.recurrences_reductions`).
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from genverify.oracles.recurrences_compiled import compiled, names_in, symbol, symbols
from genverify.oracles.recurrences_reductions import Layout
from genverify.oracles.recurrences_unrolled import Unrolling
from genverify.oracles.running_error import Ball

if TYPE_CHECKING:
    import sympy

__all__ = ["Recurrence", "symbol", "symbols"]


@dataclass(frozen=True, kw_only=True)
class Recurrence:
    """One step θ ← … of an optimizer.

    Attributes:
        lines: (name, expression) in the order in which they are carried out; `theta` is among the names.
        initial: Buffer → its value before the first step; 0 for a buffer that is not listed.

    >>> theta, g, lr = symbols("theta g lr")
    >>> descent = Recurrence(lines=(("theta", theta - lr * g),))
    >>> [float(x) for x in descent.in_mpmath([1.0], {"lr": 0.5}, start=2.0, digits=30)]
    [1.5]
    """

    lines: tuple[tuple[str, sympy.Expr], ...]
    initial: Mapping[str, sympy.Expr] = field(default_factory=dict)

    @functools.cached_property
    def buffers(self) -> tuple[str, ...]:
        """What is carried from step to step besides θ: assigned names that are read before they are assigned."""
        early: dict[str, None] = {}
        written: set[str] = set()
        names = {name for name, _ in self.lines}
        for name, expression in self.lines:
            for one in names_in(expression):
                if one in names and one not in written and one != "theta":
                    early[one] = None
            written.add(name)
        return tuple(early)

    def equations(self) -> tuple[sympy.Basic, ...]:
        """The lines as equations in the step index, for display and for proofs."""
        import sympy

        shown, now = [], {}
        carried = {*self.buffers, "theta"}
        for name, expression in self.lines:
            reads = expression.free_symbols
            old: Any = {s: sympy.Symbol(f"{s}_{{t-1}}", real=True) for s in reads if str(s) in carried}
            old.update({s: now[str(s)] for s in expression.free_symbols if str(s) in now})
            now[name] = sympy.Symbol(f"{name}_t", real=True)
            shown.append(sympy.Eq(now[name], expression.xreplace(old), evaluate=False))
        return tuple(shown)

    def replace(self, **changes: sympy.Expr) -> Recurrence:
        """The recurrence with expressions in place of symbols, all at once."""
        swap: Any = {symbol(name): value for name, value in changes.items()}
        lines: Any = tuple((name, expression.xreplace(swap)) for name, expression in self.lines)
        return Recurrence(lines=lines, initial={name: one.xreplace(swap) for name, one in self.initial.items()})  # type: ignore[misc]

    def theta_first(self) -> Recurrence:
        """The recurrence with θ moved by the old buffers, which are updated only afterwards."""
        theta = [line for line in self.lines if line[0] == "theta"]
        others = [line for line in self.lines if line[0] != "theta"]
        inputs = [line for line in others if line[0] not in self.buffers]
        return Recurrence(lines=(*inputs, *theta, *(x for x in others if x not in inputs)), initial=self.initial)

    def follow(
        self,
        observed: Tensor,
        gradients: Tensor,
        present: Tensor,
        hyper: Mapping[str, float | Tensor],
        rates: Tensor,
        dtype: torch.dtype,
        *,
        layout: Layout | None = None,
        shared_clock: bool = False,
        known: dict[str, Any] | None = None,
    ) -> tuple[Tensor, Tensor]:
        """After each step the expected θ and its allowed error, computed from the θ that was observed before the step.

        The buffers depend on the gradients (and, under coupled decay, on the observed θ) alone, so no error of the
        subject's θ is ever carried on: each increment is judged by itself. Only the buffers' own lines are run step by
        step; all others are evaluated for the whole trajectory at once.

        Shapes: `observed` [T + 1, n], `gradients` and `present` [T, n], `rates` [T] (factors of lr); both results
        [T, n]; `layout` has n entries, one parameter when it is not given. Elements whose gradient is absent stay as
        they are, and their step count with them, unless the clock is shared. A hyperparameter is a number, or [n].

        Other recurrences with the same arguments may share `known`: what is the same in them is computed once.
        """
        whole = bool(present.all())
        steps = torch.arange(1.0, len(gradients) + 1, dtype=torch.float64)[:, None]
        zeros = torch.zeros_like(observed[0])
        own = steps.expand_as(gradients) if whole or shared_clock else present.to(torch.float64).cumsum(0)
        values: dict[str, Any] = {name: Ball.rounded(value, dtype) for name, value in hyper.items()}
        values["t"], values["g"] = Ball.count(own.clamp_min(1.0), dtype), Ball.exact(gradients, dtype)
        values["theta"] = Ball.exact(observed[:-1], dtype)
        values["layout"] = layout or Layout((tuple(zeros.shape),))
        if not bool((rates == 1).all()):
            values["lr"] = Ball.rounded(hyper["lr"] * rates[:, None], dtype)
        starts = {name: Ball.exact(zeros + self._initial(name, hyper), dtype) for name in self.buffers}
        found = Unrolling(
            lines=self.lines,
            starts=starts,
            initial=self.initial,
            inputs=values,
            length=len(steps),
            present=None if whole else present,
            known={} if known is None else known,
        ).after()
        expected, allowed = found.value.expand_as(gradients), found.radius.expand_as(gradients)
        expected, allowed = torch.where(present, expected, observed[:-1]), torch.where(present, allowed, 0.0)
        return expected, torch.where(torch.isnan(allowed) | torch.isnan(expected), torch.inf, allowed)

    def _initial(self, name: str, hyper: Mapping[str, float | Tensor]) -> float:
        expression = self.initial.get(name)
        numbers: Any = {symbol(k): v for k, v in hyper.items() if not isinstance(v, Tensor)}
        return 0.0 if expression is None else float(expression.subs(numbers))

    def in_mpmath(
        self,
        gradients: Sequence[Any],
        hyper: Mapping[str, Any],
        *,
        start: Any = 0.0,  # noqa: ANN401
        layout: Layout | None = None,
        digits: int = 50,
    ) -> list[Any]:
        """θ after each step, closed loop, with that many digits.

        One element, where the gradients and `start` are numbers; NumPy arrays [n] of numbers where `layout` is given,
        the gradients and `start` being sequences of n numbers.
        """
        import mpmath
        import numpy as np

        exact = np.frompyfunc(mpmath.mpf, 1, 1)
        program = [(name, *compiled(expression, "mpmath")) for name, expression in self.lines]
        with mpmath.workdps(digits):
            values: dict[str, Any] = {name: mpmath.mpf(value) for name, value in hyper.items()}
            known: Any = {symbol(name): value for name, value in values.items()}
            for name in self.buffers:
                initial = self.initial.get(name)
                values[name] = mpmath.mpf(0) if initial is None else mpmath.mpf(str(initial.subs(known).evalf(digits)))
            values["theta"], values["layout"], found = exact(start), layout, []
            for t, g in enumerate(gradients, start=1):
                values["t"], values["g"] = mpmath.mpf(t), exact(g)
                for name, function, arguments in program:
                    values[name] = function(*[values[argument] for argument in arguments])
                found.append(values["theta"])
            return found
