"""Kullback–Leibler divergences between any two of fifteen scalar laws, where there is a closed form.

One mechanism serves all pairs. Each law writes its log-density as a sum Σ c_T T(x) of a few functions T of the outcome
(x, log x, log(1 − x), (x − c)², |x − c|, e^(−t(x − c)), …), and knows the expectation of those that it can. Then

    KL(p ‖ q) = E_p log p − E_p log q = Σ_T (c_T of p − c_T of q) E_p T,

a SymPy expression, which runs in torch and in mpmath, at any precision, and is differentiated by SymPy. Laws and
parameters are called as in torch.distributions, which has no other part in it.

Source: Kullback & Leibler 1951, eq. 2.4 (the definition); Johnson, Kotz & Balakrishnan 1994 and 1995 (the moments).
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from genverify.errors import UsageError, nearest

from .closed_form import ClosedForm, Derivation, symbols_of

if TYPE_CHECKING:
    import sympy

__all__ = ["Law", "closed", "contained", "laws", "pairs"]

Key = tuple[Any, ...]
"""A function of the outcome: its name, and the numbers it depends on, such as ("square", c) for (x − c)²."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Law:
    """A scalar law: its parameters, support, log-density in terms of functions of the outcome, and expectations.

    Attributes:
        name: As torch.distributions has it.
        parameters: Name → what is assumed of it, in torch's order.
        support: The parameters → lower and upper end.
        log_density: The parameters → function of the outcome → coefficient.
        mean: E x.
        variance: E (x − E x)².
        moments: Name of a function of the outcome → the parameters, then the function's numbers → its expectation.
        finite: Name of a function of the outcome → where its expectation is finite; everywhere where it is not named.
        discrete: Whether it is a law on the integers.
    """

    name: str
    parameters: Mapping[str, str]
    support: Callable[..., tuple[Any, Any]]
    log_density: Callable[..., Mapping[Key, Any]]
    mean: Callable[..., Any] | None = None
    variance: Callable[..., Any] | None = None
    moments: Mapping[str, Callable[..., Any]] = field(default_factory=dict)
    finite: Mapping[str, Callable[..., Any]] = field(default_factory=dict)
    discrete: bool = False

    def expectation(self, key: Key, *parameters: Any) -> Any:  # noqa: ANN401 - SymPy's own types are loose
        """E T(x) for one function T of the outcome; None where no closed form is known here."""
        name, *numbers = key
        if name == "one":
            return 1
        if name in self.moments:
            return self.moments[name](*parameters, *numbers)
        if name == "x" and self.mean is not None:
            return self.mean(*parameters)
        if name == "square" and self.mean is not None and self.variance is not None:
            return self.variance(*parameters) + (self.mean(*parameters) - numbers[0]) ** 2
        return None

    def symbols(self, suffix: str) -> tuple[sympy.Symbol, ...]:
        """A symbol for each parameter."""
        return symbols_of(self.arguments(suffix))

    def arguments(self, suffix: str) -> dict[str, str]:
        """The parameters under names of their own, with what is assumed of each."""
        return {f"{name}_{suffix}": words for name, words in self.parameters.items()}


@functools.cache
def laws() -> dict[str, Law]:
    """Every law by its name."""
    from .kl_laws import ALL

    return {law.name: law for law in ALL}


def _law(name: str) -> Law:
    known = laws()
    if name not in known:
        raise UsageError(given=f"law {name!r}", expected="one with a closed form here", do=nearest(name, known))
    return known[name]


def _difference(p: Law, q: Law) -> dict[Key, Any]:
    """Function of the outcome → its coefficient in log p − log q, where that is not zero."""
    import sympy

    first, second = p.log_density(*p.symbols("p")), q.log_density(*q.symbols("q"))
    return {
        key: gap
        for key in dict.fromkeys((*first, *second))
        if (gap := sympy.sympify(first.get(key, 0)) - second.get(key, 0)) != 0
    }


@functools.cache
def _divergence(p: Law, q: Law) -> Any:  # noqa: ANN401
    total: Any = 0
    for key, coefficient in _difference(p, q).items():
        expected = p.expectation(key, *p.symbols("p"))
        if expected is None:
            return None
        total = total + coefficient * expected
    return total


@functools.cache
def closed(p: str, q: str) -> ClosedForm:
    """The divergence of two laws as a closed form of the parameters of both, ``…_p`` then ``…_q``.

    Valid where p's support lies within q's and the expectations are finite; see `contained`.

    Raises:
        UsageError: There is no such law, or no closed form of this pair here.

    >>> closed("Exponential", "Exponential")(2.0, 2.0)
    0.0
    >>> [*closed("Exponential", "Gamma").arguments]
    ['rate_p', 'concentration_q', 'rate_q']
    """
    first, second = _law(p), _law(q)
    if _divergence(first, second) is None:
        raise UsageError(given=f"KL({p} ‖ {q})", expected="a pair with a closed form", do="see kl_pairs.pairs()")

    def derive(*_: sympy.Symbol) -> Derivation:
        return Derivation(value=_divergence(first, second))

    return ClosedForm(
        name=f"kl_pairs.{p}_{q}",
        arguments={**first.arguments("p"), **second.arguments("q")},
        source="Kullback & Leibler 1951, eq. 2.4",
        derive=derive,
    )


@functools.cache
def pairs() -> tuple[tuple[str, str], ...]:
    """Every ordered pair of laws that has a closed form here.

    >>> ("Gamma", "Gumbel") in pairs(), ("Gamma", "Laplace") in pairs()
    (True, False)
    """
    known = laws()
    return tuple(
        (p, q) for p, one in known.items() for q, other in known.items()
        if one.discrete == other.discrete and _divergence(one, other) is not None
    )  # fmt: skip


def contained(p: str, q: str, first: Mapping[str, float], second: Mapping[str, float]) -> bool:
    """Whether KL(p ‖ q) is finite: q is positive where p is, and log q has an expectation.

    >>> contained("Uniform", "Beta", {"low": 0.0, "high": 1.0}, {"concentration1": 2.0, "concentration0": 2.0})
    True
    >>> contained("Normal", "Gamma", {"loc": 0.0, "scale": 1.0}, {"concentration": 2.0, "rate": 2.0})
    False
    """
    import sympy

    one, other = _law(p), _law(q)
    if one.discrete != other.discrete:
        return False
    low, high = one.support(*first.values())
    least, most = other.support(*second.values())
    if low < least or high > most:
        return False
    values = dict(zip(other.symbols("q"), second.values(), strict=True))
    return all(
        one.finite[key[0]](*first.values())
        for key, coefficient in other.log_density(*other.symbols("q")).items()
        if key[0] in one.finite and sympy.sympify(coefficient).subs(values) != 0
    )
