"""`target.trace` and `target.logabsdet`: what Hutchinson's probes and truncated or randomised series estimate."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from genverify.formulas.references import declares_reference
from genverify.formulas.target import COUNT, target
from genverify.oracles import stochastic_targets as oracle
from genverify.reference.estimators import hutchinson
from genverify.subjects.domains import Domain, integer, real
from genverify.subjects.estimator import GradientEstimator, Target
from genverify.subjects.functions import LinearMap
from genverify.subjects.parametrisation import plain
from genverify.subjects.specification import Argument, Form, Layout, Role, Specification

__all__ = ["LOGABSDET", "TRACE"]

_SIZES = {"dim": (2, 3, 1), "samples": (1, 2)}
_LAYOUT = (Layout(name="one matrix"),)
_PROBES = (
    "v", "z", "probes", "eps", "noise", "probe", "vs", "e", "epsilon", "rademacher", "xi", "w", "omega", "vectors", "u",
)  # fmt: skip
_PRODUCTS = (
    "matvec", "mv", "mvp", "matvec_fn", "matmul", "matvec_func", "hvp", "jvp", "vjp", "av", "op", "linear_operator",
    "f", "func", "apply", "mat_vec", "g", "operator", "jvp_fn", "vjp_fn",
)  # fmt: skip
_DIMENSION = ("d", "dim", "n_dim", "dimension", "size", "D", "ndim", "n_features", "input_dim")
_TERMS = (
    "n_terms", "n_power_series", "num_terms", "K", "order", "terms", "k", "n_iterations", "num_iter", "degree",
    "n_series", "series_terms", "max_terms", "n_power_terms",
)  # fmt: skip


def _matrix(raw: Tensor, shape: tuple[int, ...]) -> Tensor:
    return raw.reshape(shape)


def _contraction(raw: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Of operator norm below 0.6, so that a series of a few terms is close to its limit and not at it."""
    square = raw.reshape(shape)
    return 0.6 * square / square.norm().clamp_min(1.0)


def _square(name: str, contract: bool) -> Domain:
    build = _contraction if contract else _matrix
    return Domain(name=name, make=lambda raw, shape, dtype: build(raw, shape).to(dtype), low=-1.5, high=1.5)


def _product(name: str, contract: bool) -> Domain:
    build = _contraction if contract else _matrix
    return Domain(name=name, make=lambda raw, shape, dtype: LinearMap(build(raw, shape).to(dtype)), low=-1.5, high=1.5)


def _positive_definite() -> Domain:
    """I + J with J symmetric and of norm below 0.6."""

    def make(raw: Tensor, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
        square = _contraction(raw, shape)
        return (torch.eye(shape[-1], dtype=torch.float64) + (square + square.mT) / 2).to(dtype)

    return Domain(name="symmetric positive definite", make=make, low=-1.5, high=1.5)


def _less_identity(matrix: Tensor) -> Tensor:
    return matrix - torch.eye(matrix.shape[-1], dtype=matrix.dtype)


def _entries(given: Tensor | LinearMap) -> Tensor:
    return (given.matrix if isinstance(given, LinearMap) else given).to(torch.float64)


def _trace(*, matrix: Tensor | LinearMap, **rest: object) -> Tensor:
    return oracle.trace(_entries(matrix))


def _logabsdet(*, jacobian: Tensor | LinearMap, terms: int | None = None, **rest: object) -> Tensor:
    entries = _entries(jacobian)
    return oracle.log_one_plus(entries) if terms is None else oracle.power_series(entries, int(terms))


def _sample(given: Mapping[str, Any], n: int) -> dict[str, Tensor]:
    size = len(_entries(given["matrix"] if "matrix" in given else given["jacobian"]))
    return {"probes": 2.0 * torch.bernoulli(torch.full((n, size), 0.5, dtype=torch.float64)) - 1.0}


def _largest(given: Mapping[str, Any]) -> float:
    entries = _entries(given["matrix"] if "matrix" in given else given["jacobian"])
    return float(entries.abs().sum()) + 1.0


def _dimension() -> Argument:
    return plain("dimension", "dim", integer(1, 3), _DIMENSION, role=Role.SIZE, differentiable=False, default=None)


def _probes() -> Argument:
    form = Form(name="probes", aliases=_PROBES, domain=real())
    return Argument(
        name="probes", forms=(form,), axes="samples dim", role=Role.DRAW, law="rademacher", differentiable=False
    )


TRACE = target(
    Target(
        specification=Specification(
            name="target.trace",
            statement="tr A = E vᵀ A v, E v vᵀ = I",
            source="Hutchinson 1990, section 2",
            oracle=_trace,
            sizes=_SIZES,
            layouts=_LAYOUT,
            arguments=(
                Argument(
                    name="matrix", axes="dim dim", differentiable=False,
                    forms=(
                        Form(
                            name="matrix", domain=_square("square matrix", contract=False),
                            aliases=("A", "M", "mat", "matrix", "H", "hessian", "W", "jacobian", "J", "B"),
                        ),
                        Form(name="matvec", domain=_product("linear map", contract=False), aliases=_PRODUCTS),
                    ),
                ),
                _probes(), _dimension(), COUNT,
            ),
        ),
        gradient=False,
        sample=_sample,
        magnitude=_largest,
    )
)  # fmt: skip

LOGABSDET = target(
    Target(
        specification=Specification(
            name="target.logabsdet",
            statement="log|det(I + J)| = Σ_k (-1)^{k+1} tr(J^k)/k, ‖J‖ < 1; the first K terms where K is taken",
            source="Behrmann et al. 2019, section 3.2; Chen et al. 2019, theorem 1",
            oracle=_logabsdet,
            sizes=_SIZES,
            layouts=_LAYOUT,
            arguments=(
                Argument(
                    name="jacobian", axes="dim dim", differentiable=False,
                    forms=(
                        Form(
                            name="jacobian", domain=_square("contraction", contract=True),
                            aliases=("J", "jac", "jacobian", "W", "B"),
                        ),
                        Form(name="product", domain=_product("contracting map", contract=True), aliases=_PRODUCTS),
                        Form(
                            name="matrix", domain=_positive_definite(), canonical=_less_identity,
                            aliases=("A", "M", "mat", "matrix", "cov", "K_matrix", "spd", "sigma"),
                        ),
                    ),
                ),
                _probes(), _dimension(), COUNT,
                plain("terms", "", integer(1, 5), _TERMS, differentiable=False, default=None),
            ),
        ),
        gradient=False,
        sample=_sample,
        magnitude=_largest,
    )
)  # fmt: skip


@declares_reference
def hutchinson_trace() -> GradientEstimator:
    """The reference trace estimator."""
    return GradientEstimator(hutchinson.trace, like="target.trace", name="Hutchinson's trace")


@declares_reference
def power_series_logabsdet() -> GradientEstimator:
    """The reference log-determinant by a cut series."""
    return GradientEstimator(hutchinson.logabsdet, like="target.logabsdet", name="power series")


@declares_reference
def roulette_logabsdet() -> GradientEstimator:
    """The reference log-determinant by a series that stops at random."""
    return GradientEstimator(
        hutchinson.logabsdet_by_roulette, like="target.logabsdet", name="power series by roulette", fixed={"stop": 0.5}
    )
