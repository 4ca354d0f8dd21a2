"""Moments of a sample, and of two samples put together."""

from __future__ import annotations

from genverify.claims import Status, claim
from genverify.formulas.catalogue import formula
from genverify.formulas.hyperparameter import hyperparameter
from genverify.formulas.naming import MEAN, VALUE
from genverify.formulas.references import declares_reference
from genverify.oracles import moments as oracle
from genverify.reference.likelihood import moments as reference
from genverify.subjects.domains import positive
from genverify.subjects.formula import Formula
from genverify.subjects.parametrisation import any_real, plain
from genverify.subjects.specification import Argument, Axis, Layout, Option, Specification

__all__ = ["COVARIANCE", "MEAN_OF_SAMPLE", "RUNNING", "VARIANCE"]

_X = (any_real("x", "sample event", *VALUE, "X", "a", "v", "batch"),)
_LAYOUTS = (Layout(name="a coordinate each"), Layout(name="one coordinate", drop=("event",)))
_SIZES = {"sample": (2, 3, 5), "event": (1, 2, 3)}
_BESSEL = Option(name="divided by n − 1", keywords={"ddof": 1}, note="Bessel's correction: unbiased")
_PLAIN = Option(name="divided by n")

MEAN_OF_SAMPLE = formula(
    Specification(
        name="moments.mean", statement="x̄ = (1/n) Σ x_i", source="Bishop 2006, eq. 2.121", arguments=_X,
        oracle=oracle.mean, output="event", layouts=_LAYOUTS, sizes=_SIZES, derivation="gaussian.mle.closed_form",
    )
)  # fmt: skip

VARIANCE = formula(
    Specification(
        name="moments.variance",
        statement="(1/n) Σ (x_i − x̄)², or divided by n − 1",
        source="Bishop 2006, eqs. 1.56 and 1.59",
        arguments=_X,
        oracle=oracle.variance,
        output="event",
        dialects=(
            Axis(
                name="divisor",
                options=(
                    _PLAIN, _BESSEL,
                    Option(name="standard deviation", keywords={"root": True}, accepted=False, note="σ̂ for σ̂²"),
                ),
            ),
        ),
        layouts=_LAYOUTS,
        sizes=_SIZES,
        derivation="gaussian.mle.closed_form",
    )
)  # fmt: skip

COVARIANCE = formula(
    Specification(
        name="moments.covariance",
        statement="(1/n) Σ (x_i − x̄)(x_i − x̄)ᵀ, or divided by n − 1",
        source="Bishop 2006, eqs. 2.122 and 2.125",
        arguments=_X,
        oracle=oracle.covariance,
        output="event other",
        dialects=(Axis(name="divisor", options=(_PLAIN, _BESSEL)),),
        layouts=_LAYOUTS[:1],
        sizes=_SIZES,
        derivation="gaussian.mle.covariance",
    )
)


def _count(name: str, *aliases: str) -> Argument:
    return hyperparameter(name, *aliases, default=None, low=1.0, high=50.0)


_VARIANCES = ("var", "variance")


def _prefixed(names: tuple[str, ...], *prefixes: str) -> tuple[str, ...]:
    return tuple(f"{prefix}_{name}" for prefix in prefixes for name in names)


_A, _B = ("a", "running", "old"), ("b", "batch", "new")
RUNNING = formula(
    Specification(
        name="moments.running",
        statement="ā + δ n_b/n and (n_a s_a² + n_b s_b² + δ² n_a n_b/n)/n, δ = b̄ − ā, n = n_a + n_b",
        source="Chan, Golub & LeVeque 1983",
        arguments=(
            any_real("mean_a", "event", *_prefixed(MEAN, *_A), "mean", "mean_a"),
            plain("variance_a", "event", positive(), (*_prefixed(_VARIANCES, *_A), "var", "variance", "var_a")),
            _count("count_a", *_prefixed(("count", "n"), *_A), "count", "n", "n_a"),
            any_real("mean_b", "event", *_prefixed(MEAN, *_B), "mean_b"),
            plain("variance_b", "event", positive(), (*_prefixed(_VARIANCES, *_B), "var_b")),
            _count("count_b", *_prefixed(("count", "n"), *_B), "n_b"),
        ),
        oracle=oracle.running,
        output="event|event",
        outputs=("mean", "variance"),
        layouts=(Layout(name="a coordinate each"), Layout(name="one number", drop=("event",))),
        sizes=_SIZES,
        derivation="moments.running.pooled",
    )
)

POOLED = claim(
    "moments.running.pooled", Status.DERIVED,
    statement="n s² = n_a s_a² + n_b s_b² + (b̄ − ā)² n_a n_b/n for the squares around the common mean; without the "
    "last term the variance is that within the samples alone",
    source="Chan, Golub & LeVeque 1983", assumptions=("variances divide by the number of observations",),
)  # fmt: skip


def _declare(name: str) -> None:
    """Registers the reference of that name as a subject."""

    def make() -> Formula:
        return Formula(getattr(reference, name), like=f"moments.{name}")

    make.__name__ = name
    declares_reference(make)


for _name in reference.__all__:
    _declare(_name)
