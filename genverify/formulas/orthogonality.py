"""Regularisers and steps towards orthogonal rows of a weight."""

from __future__ import annotations

from typing import Any

from genverify.formulas.catalogue import formula
from genverify.formulas.hyperparameter import hyperparameter
from genverify.formulas.operator_norm import MATRIX
from genverify.formulas.references import declares_reference
from genverify.formulas.spectral_norm import STEPS
from genverify.oracles import orthogonality as oracle
from genverify.reference.layers import orthogonality as reference
from genverify.subjects.domains import real
from genverify.subjects.formula import Formula
from genverify.subjects.parametrisation import plain
from genverify.subjects.specification import Axis, Layout, Option, Specification

__all__ = ["BJORCK_STEP", "COSINE_L1", "FROBENIUS_DEFECT", "OFFDIAGONAL_FROBENIUS", "OFFDIAGONAL_STEP"]

_WEIGHT = plain("weight", "out in", real(extreme=1e3), (*MATRIX, "param", "p", "theta"))
_STRENGTH = hyperparameter(
    "strength", "beta", "lam", "lambda_", "coef", "cof", "reg", "alpha", "weight_decay", "ortho_strength", "lmbda",
    "reg_weight", "scale", default=1.0, low=0.25, high=4.0,
)  # fmt: skip
_RATE = hyperparameter(
    "rate", "lr", "learning_rate", "step_size", "eta", "strength", "step", "alpha", "beta", default=None, low=0.01,
    high=0.5,
)  # fmt: skip
_SIZES = {"out": (3, 2, 4), "in": (2, 4, 3)}
_ONE = (Layout(name="a matrix"),)


def _power(*more: Option) -> tuple[Axis, ...]:
    return (
        Axis(name="power", options=(
            Option(name=""), Option(name="root", keywords={"power": "root"}, note="the norm, and not its square"),
            Option(name="absolute", keywords={"power": "absolute"}, note="the sum of absolute entries"),
        )),
        Axis(name="factor", options=(
            Option(name=""), Option(name="halved", keywords={"factor": 0.5}),
            Option(name="averaged", keywords={"mean": True}, note="over the entries of the Gram matrix"),
        )),
        Axis(name="side", options=(
            Option(name=""), Option(name="of the columns", keywords={"columns": True}, note="WᵀW for WWᵀ"),
        )),
        Axis(name="diagonal", options=(Option(name=""), *more)),
    )  # fmt: skip


def _regulariser(
    name: str, statement: str, source: str, diagonal: bool, derivation: str, *slips: Option
) -> Specification:
    def computed(weight: Any, strength: Any, **how: Any) -> Any:  # noqa: ANN401
        return strength * oracle.defect(weight, **{"diagonal": diagonal, **how})

    return formula(
        Specification(
            name=f"orthogonality.{name}", statement=statement, source=source, arguments=(_WEIGHT, _STRENGTH),
            oracle=computed, output="", dialects=_power(*slips), layouts=_ONE, sizes=_SIZES, operations=96, kinks=True,
            trains=True, derivation=derivation,
        )
    )  # fmt: skip


FROBENIUS_DEFECT = _regulariser(
    "frobenius_defect", "‖W Wᵀ − I‖²", "Brock et al. 2017, eq. 3; Bansal, Chen & Wang 2018, section 3.1", True,
    "orthogonality.defect_of_singular_values",
    Option(name="left out", keywords={"diagonal": False}, accepted=False,
           note="that is orthogonality.offdiagonal_frobenius: rows may have any length"),
    Option(name="without I", keywords={"identity": False}, accepted=False, note="‖W Wᵀ‖² drives the rows to zero"),
)  # fmt: skip
OFFDIAGONAL_FROBENIUS = _regulariser(
    "offdiagonal_frobenius", "‖W Wᵀ ∘ (1 − I)‖²", "Brock, Donahue & Simonyan 2019, eq. 3", False,
    "orthogonality.offdiagonal_gradient",
    Option(name="kept", keywords={"diagonal": True, "identity": False}, accepted=False,
           note="the mask is missing: the lengths of the rows are penalised, too"),
    Option(name="kept, against I", keywords={"diagonal": True}, accepted=False,
           note="that is orthogonality.frobenius_defect"),
)  # fmt: skip

OFFDIAGONAL_STEP = formula(
    Specification(
        name="orthogonality.offdiagonal_step",
        statement="W − 2 η (W Wᵀ ∘ (1 − I)) W, a step of descent on ½ ‖W Wᵀ ∘ (1 − I)‖²",
        source="Brock, Donahue & Simonyan 2019, eq. 3",
        arguments=(_WEIGHT, _RATE),
        oracle=lambda weight, rate, **how: oracle.descended(weight, 1.0 if rate is None else rate, **how),
        output="out in", gradient=False, layouts=_ONE, sizes=_SIZES, operations=96,
        dialects=(
            Axis(name="factor", options=(
                Option(name=""), Option(name="4", keywords={"factor": 4.0}, note="of the squares, and not of half"),
                Option(name="1", keywords={"factor": 1.0}, note="the factor 2 is in the rate"),
            )),
            Axis(name="result", options=(
                Option(name=""),
                Option(name="the gradient", keywords={"gradient": True}, note="to be added to that of the loss"),
            )),
            Axis(name="slip", options=(
                Option(name=""),
                Option(name="diagonal kept", keywords={"diagonal": True}, accepted=False,
                       note="the mask is missing: all rows shrink to zero"),
                Option(name="ascends", keywords={"sign": 1.0}, accepted=False, note="the sign of the step"),
            )),
        ),
        derivation="orthogonality.offdiagonal_gradient",
    )
)  # fmt: skip


def _apart(weight: Any, strength: Any, **how: Any) -> Any:  # noqa: ANN401
    """For the gradient: |cos| has none where two rows are orthogonal."""
    gram = weight.detach() @ weight.detach().mT
    least = gram.abs().min()
    return strength * oracle.cosines(weight, **how) * (least / least)


COSINE_L1 = formula(
    Specification(
        name="orthogonality.cosine_l1",
        statement="Σ_{i≠j} |cos(w_i, w_j)| over the rows of W",
        source="after Rodríguez et al. 2017, eq. 2, who square the cosines",
        arguments=(_WEIGHT, _STRENGTH),
        oracle=lambda weight, strength, **how: strength * oracle.cosines(weight, **how),
        surrogate=_apart,
        output="", layouts=_ONE, sizes=_SIZES, operations=96, kinks=True,
        measured=True,  # along a row the slopes of a cosine cancel
        dialects=(
            Axis(name="count", options=(
                Option(name=""), Option(name="each pair once", keywords={"count": "once"}),
                Option(name="averaged over pairs", keywords={"count": "mean"}),
                Option(name="averaged over n²", keywords={"count": "all"}, note="the zeros of the diagonal count"),
            )),
            Axis(name="slip", options=(
                Option(name=""),
                Option(name="diagonal kept", keywords={"diagonal": True}, accepted=False, note="n ones are added"),
                Option(name="not normalised", keywords={"raw": True}, accepted=False,
                       note="inner products: rows are driven to zero"),
            )),
        ),
        trains=True, derivation="orthogonality.cosines",
    )
)  # fmt: skip

BJORCK_STEP = formula(
    Specification(
        name="orthogonality.bjorck_step",
        statement="(1 + β) W − β W WᵀW, which moves singular values by s ↦ s + β s (1 − s²)",
        source="Björck & Bowie 1971; Anil, Lucas & Grosse 2019, eq. 4",
        arguments=(
            # Singular values beyond √3 are thrown outward, and cubed in every step: no extremes are claimed.
            plain("weight", "out in", real(low=-0.5, high=0.5, extreme=0.5), (*MATRIX, "param", "p", "theta")),
            hyperparameter("beta", "b", "bjorck_beta", "step", "lr", default=0.5, low=0.1, high=0.5),
            STEPS,
        ),
        oracle=lambda weight, beta, steps: oracle.bjorck(weight, beta, int(steps)),
        output="out in", layouts=_ONE, sizes=_SIZES, operations=192,
        derivation="orthogonality.bjorck.singular_values",
    )
)  # fmt: skip


def _declare(name: str) -> None:
    def make() -> Formula:
        return Formula(getattr(reference, name), like=f"orthogonality.{name}")

    declares_reference(make)


for _name in reference.__all__:
    _declare(_name)
