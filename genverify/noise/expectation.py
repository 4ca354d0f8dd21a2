"""The expectation and the variance of a program over its own random draws."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from genverify.errors import UsageError
from genverify.noise.enumeration import NotReproducible
from genverify.noise.foreign import ForeignRandomness
from genverify.noise.generators import preserved_generators
from genverify.noise.integrand import Integrand
from genverify.noise.integration import Search
from genverify.noise.quadrature import LADDER

__all__ = ["Expectation", "expectation"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Expectation:
    """Moments of a program over its draws, with how well they are known.

    `mean`, `variance`, `error` and `variance_error` have the structure of the program's output, in float64. What
    `error` means depends on the method: rounding alone for "deterministic" and "enumeration"; for quadrature (panels
    too) and sparse grids, the change when nodes were added, which estimates it and does not bound it; for "qmc",
    the half width of an interval of level `confidence` for each element separately (infinite where nothing varied
    on the points: that proves nothing). `converged` says that the error is within
    the resolution asked for (rtol times the root mean square of the element). Where it is not, `reason` says why.
    """

    mean: Any
    variance: Any
    error: Any
    variance_error: Any
    method: str
    converged: bool
    evaluations: int
    draws: tuple[str, ...]
    reason: str
    uncontrolled: tuple[str, ...]
    confidence: float | None
    _covariance: Tensor | None

    def covariance(self) -> Tensor:
        """The covariance matrix of the flattened output.

        Raises:
            UsageError: the output is too long for its covariance to have been kept.
        """
        if self._covariance is None:
            raise UsageError(
                given="an output of more than 512 numbers",
                expected="at most 512 for a covariance matrix",
                do="use .variance, or return fewer numbers",
            )
        return self._covariance


def expectation(
    f: Callable[[], Any],
    *,
    max_evaluations: int = 10_000,
    rtol: float = 1e-6,
    nodes: Sequence[int] = LADDER,
    confidence: float = 0.999,
    seed: int = 0,
) -> Expectation:
    r"""Integrate a program over every random draw that it makes.

        $$ E[f] = \int f(\omega)\, dP(\omega), \qquad \operatorname{Var}[f] = E[(f - E f)^2] . $$

    Discrete draws are enumerated with the weights of their own parameters, path by path; continuous draws are fed Gauss
    nodes as `mean + std * node`, so pathwise derivatives are what they would be on a real draw. Convergence is
    measured by adding nodes (the levels of `nodes`); several coordinates are taken on a sparse grid, and one or two on
    panels that close in on kinks and jumps. Where that fails, scrambled Sobol points give an interval of level
    `confidence` for each element; it rests on the means of 16 replicates being about normal. Outcomes of a Poisson or a
    geometric draw are enumerated as far as their probability exceeds rounding.

    Many evaluations are made in one call where `torch.func.vmap` takes the program and agrees with single evaluations
    on a few rows; 256 rows (64 of Sobol points) then count as one evaluation. `evaluations` counts every row.

    `f` takes nothing, and returns a real tensor or a tuple, list or dict of them; it is called up to `max_evaluations`
    times, and may call `backward`. Torch's generators stay where they were, also when `f` raises.

    Raises:
        UsageError: `f` returns something else than tensors, or outputs whose shape depends on the draws.

    >>> import torch
    >>> square = expectation(lambda: torch.randn(1, dtype=torch.float64) ** 2)
    >>> square.method, round(square.mean.item(), 9), round(square.variance.item(), 9)
    ('quadrature', 1.0, 2.0)
    """
    foreign = ForeignRandomness()
    integrand = Integrand(f)
    search = Search(integrand, budget=max_evaluations, rtol=rtol, ladder=nodes, confidence=confidence, seed=seed)
    with preserved_generators(seed):
        try:
            result = search.run()
        except NotReproducible:
            search.reproducible = False
            search.note("the same draws led to different draws")
            result = search.nothing()
    uncontrolled = [*foreign.moved(), *([integrand.unseen] if integrand.unseen else [])]
    if not search.reproducible and not uncontrolled:
        uncontrolled.append(
            "something that neither torch nor a global generator drew (the results differ on equal draws)"
        )
    uncontrolled += [f"{what}" for what in integrand.blind if "unknown" in what]
    return Expectation(
        mean=integrand.unflatten(result.moments.mean()),
        variance=integrand.unflatten(result.moments.variance()),
        error=integrand.unflatten(result.error),
        variance_error=integrand.unflatten(result.variance_error),
        method=result.method,
        converged=result.converged and not uncontrolled,
        evaluations=integrand.evaluations,
        draws=tuple(str(request) for request in integrand.requests),
        reason="; ".join(search.notes) if not (result.converged and not uncontrolled) else "",
        uncontrolled=tuple(uncontrolled),
        confidence=confidence if result.method == "qmc" else None,
        _covariance=result.moments.covariance(),
    )
