"""Maximum mean discrepancy of two samples, and Fréchet's distance of two normal laws."""

from __future__ import annotations

from dataclasses import replace

from genverify.claims import Status, claim
from genverify.formulas.catalogue import formula
from genverify.formulas.kernel import RBF
from genverify.formulas.naming import MEAN
from genverify.formulas.references import declares_reference
from genverify.oracles import two_samples as oracle
from genverify.reference.likelihood import two_samples as reference
from genverify.subjects.domains import real
from genverify.subjects.formula import Formula
from genverify.subjects.parametrisation import any_real, plain, scale_matrix
from genverify.subjects.specification import Argument, Axis, Layout, Option, Specification

__all__ = ["BURES", "FRECHET", "MMD", "ORDER_OF_ROOTS", "UNBIASED"]

_NEAR = real(low=-0.75, high=0.75)  # so near each other that float32 keeps all digits of the kernel
_ROOT = Option(name="root", keywords={"root": True}, note="the distance itself")
# Widths at which the kernel of neighbours is neither 0 nor 1; its aliases are those of the kernel.
_WIDTH = replace(RBF.argument("sigma"), default=1.0)

MMD = formula(
    Specification(
        name="divergence.mmd",
        statement="MMD² = mean k(x, x′) + mean k(y, y′) − 2 mean k(x, y), k = exp(−‖·‖²/(2σ²))",
        source="Gretton et al. 2012, eqs. 3 and 5",
        arguments=(
            plain("x", "sample event", _NEAR, ("x", "X", "source", "real", "a", "p", "samples_p", "x1", "data", "xs")),
            plain("y", "other event", _NEAR, ("y", "Y", "target", "fake", "b", "q", "samples_q", "x2", "prior", "ys",
                                              "generated", "z")),
            _WIDTH,
        ),
        oracle=oracle.mmd,
        output="",
        dialects=(
            Axis(
                name="statistic",
                options=(
                    Option(name=""),
                    Option(name="unbiased", keywords={"statistic": "unbiased"}, note="pairs i ≠ j over n(n − 1)"),
                    Option(name="diagonal kept", keywords={"statistic": "diagonal kept"}, accepted=False,
                           note="the pairs i = j count, and the divisor n(n − 1) does not count them"),
                    Option(name="diagonal lost", keywords={"statistic": "diagonal lost"}, accepted=False,
                           note="the pairs i = j do not count, and the divisor n² counts them"),
                ),
            ),
            Axis(name="power", options=(Option(name=""), _ROOT)),
            Axis(
                name="exponent",
                options=(
                    Option(name=""),
                    Option(name="without ½", keywords={"half": 1.0}, accepted=False,
                           note="exp(−d²/σ²): the kernel of width σ/√2"),
                ),
            ),
        ),
        layouts=(Layout(name="two samples"),),
        sizes={"sample": (3, 4, 2), "other": (4, 3, 2), "event": (2, 1, 3)},
        operations=96,
        derivation="divergence.mmd.unbiased",
    )
)  # fmt: skip

_SIDES = {"real": ("r", "real", "data", "ref"), "fake": ("g", "fake", "gen", "generated")}


def _of(side: str, *stems: str) -> tuple[str, ...]:
    """Names for the real and for the generated images, as in ``mu_r`` and ``mu_g``; they stand for that law alone."""
    return tuple(f"={stem}_{one}" for stem in stems for one in _SIDES[side])


def _covariance(suffix: str, group: str, side: str) -> Argument:
    made = scale_matrix(f"covariance_{suffix}", "event event", group)
    first, *rest = made.forms
    named = replace(first, aliases=(*first.aliases, *_of(side, "sigma", "cov", "C", "S")))
    return replace(made, forms=(named, *rest))


FRECHET = formula(
    Specification(
        name="divergence.frechet",
        statement="d² = ‖μ_p − μ_q‖² + tr(Σ_p + Σ_q − 2 (Σ_p Σ_q)^½)",
        source="Dowson & Landau 1982; Heusel et al. 2017, eq. 6",
        arguments=(
            any_real("mean_p", "event", *MEAN, *_of("real", *MEAN[:3]), group="first"),
            _covariance("p", "first", "real"),
            any_real("mean_q", "event", *MEAN, *_of("fake", *MEAN[:3]), group="second"),
            _covariance("q", "second", "fake"),
        ),
        oracle=oracle.frechet,
        output="",
        dialects=(
            Axis(name="power", options=(Option(name=""), _ROOT)),
            Axis(
                name="product",
                options=(
                    Option(name=""),
                    Option(name="product of roots", keywords={"order": "roots"}, accepted=False,
                           note="tr Σ_p^½ Σ_q^½: right for matrices that commute, and too small otherwise"),
                ),
            ),
        ),
        layouts=(Layout(name="two laws"),),
        # A number to report: code by eigenvectors has no derivative where eigenvalues are equal, and needs none.
        gradient=False,
        sizes={"event": (2, 3, 1)},
        operations=256,
        derivation="divergence.frechet.closed_form",
    )
)  # fmt: skip

UNBIASED = claim(
    "divergence.mmd.unbiased", Status.DERIVED,
    statement="without the pairs i = j, over n(n − 1), the estimate has expectation MMD²; with them it is too large by "
    "(1/n) E [k(x, x) − k(x, x′)] for each sample",
    source="Gretton et al. 2012, lemma 6",
    assumptions=("executed for laws on two points, of symbolic chances and kernel, and samples of two and three",),
)  # fmt: skip

BURES = claim(
    "divergence.frechet.closed_form", Status.DERIVED,
    statement="on the line d² = (μ − ν)² + (σ − τ)² is the expected squared difference of equal quantiles; for two "
    "coordinates tr A^½ = √(tr A + 2 √det A)",
    source="Dowson & Landau 1982; Olkin & Pukelsheim 1982",
    assumptions=("executed at k = 1, by integration, and at k = 2 for eigenvalues that are symbols",),
    theorems=("the coupling of equal quantiles is optimal on the line",),
)  # fmt: skip

ORDER_OF_ROOTS = claim(
    "divergence.frechet.order_of_roots", Status.REFUTED,
    statement="tr (Σ_p Σ_q)^½ = tr Σ_p^½ Σ_q^½",
    source="implementations of the Fréchet inception distance",
    counterexample="Σ_p = diag(4, 1), Σ_q = [[5, 3], [3, 5]]/2: √(41/2) = 4.53 against 4.5",
    corrected="the two agree where the matrices commute, and the left is never smaller",
    assumptions=("executed for the counterexample, and for diagonal matrices",),
    theorems=("tr |AB| ≥ tr AB for symmetric A, B",),
)  # fmt: skip


@declares_reference
def mmd() -> Formula:
    """The reference, biased and never negative."""
    return Formula(reference.mmd, like="divergence.mmd")


@declares_reference
def mmd_unbiased() -> Formula:
    """The unbiased reference."""
    return Formula(reference.mmd_unbiased, like="divergence.mmd")


@declares_reference
def frechet() -> Formula:
    """The reference distance of normal laws."""
    return Formula(reference.frechet, like="divergence.frechet")
