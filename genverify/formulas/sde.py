"""The variance-preserving and variance-exploding equations: coefficients, moments; and the probability flow."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from genverify.formulas import sde_flow
from genverify.formulas.catalogue import formula
from genverify.formulas.field_arguments import SIZES, column, layouts
from genverify.formulas.references import declares_reference
from genverify.formulas.sde_arguments import NUMBERS, STATE, TIME, VE, VP, bound
from genverify.oracles import sde as oracle
from genverify.reference.diffusion import stochastic_equations as reference
from genverify.subjects.formula import Formula
from genverify.subjects.specification import Axis, Option, Specification

__all__ = ["FLOW", "SUB_VP", "VE_SDE", "VP_SDE"]

FLOW = sde_flow
_SONG = "Song et al. 2021"
# Roundings in one number: exponents are of the size of ten, and 1 − e^(−B) is charged apart.
_OPERATIONS = 128


def _wide(*values: Any) -> tuple[Tensor, ...]:  # noqa: ANN401
    return tuple(torch.as_tensor(one, dtype=torch.float64) for one in values)


def _root(std: Tensor) -> tuple[Tensor, ...]:
    """A deviation √(1 − e) as people compute it: a rounding of the one is worth 1/(2 √(1 − e)) at the end."""
    return std, 0.5 / std, -0.5 / std


def _derivation(name: str) -> str:
    """The claim on the equation's moments."""
    return f"sde.{'sub_vp' if 'sub' in name else name[4:6]}.moments"


def _number(name: str, statement: str, source: str, oracle_of: Any, arguments: Any, *dialects: Axis) -> None:  # noqa: ANN401
    """A function of the time alone."""
    formula(
        Specification(
            name=name, statement=statement, source=source, arguments=(TIME, *arguments), oracle=oracle_of,
            output="batch", dialects=dialects, layouts=NUMBERS, gradient=False, operations=_OPERATIONS,
            derivation=_derivation(name),
        )
    )  # fmt: skip


def _pair(
    name: str, statement: str, source: str, compute: Any, arguments: Any, outputs: tuple[str, str],  # noqa: ANN401
    *dialects: Axis, namesakes: tuple[str, ...] = (),
) -> Specification:  # fmt: skip
    """A number for each entry of a sample, and one for each row."""
    return formula(
        Specification(
            name=name, statement=statement, source=source, arguments=(STATE, TIME, *arguments), oracle=compute,
            output="batch event|batch", outputs=outputs, dialects=dialects,
            layouts=layouts(("x",), ("t",), returned=False), sizes=SIZES, operations=_OPERATIONS, gradient=False,
            namesakes=namesakes,
            derivation=_derivation(name),
        )
    )  # fmt: skip


_COEFFICIENTS, _MOMENTS = ("drift", "diffusion"), ("mean", "std")
_DRIFT_SLIPS = (
    Option(name="without ½", keywords={"half": 1.0}, accepted=False, note="−β x: the variance is not preserved"),
    Option(name="of the wrong sign", keywords={"half": -0.5}, accepted=False, note="+½ β x: the sample grows"),
)
_DRIFT = Axis(name="drift", options=(Option(name=""), *_DRIFT_SLIPS))
_SQUARE = Option(name="the square", keywords={"square": True}, accepted=False, note="g² for g: a variance")
_DIFFUSION = Axis(name="diffusion", options=(Option(name=""), _SQUARE))
_STD_SLIPS = Axis(
    name="deviation",
    options=(
        Option(name=""),
        Option(name="a variance", keywords={"kind": "variance"}, accepted=False, note="1 − e^(−B), without its root"),
        Option(name="one less the mean", keywords={"kind": "less"}, accepted=False, note="1 − e^(−B/2)"),
    ),
)  # fmt: skip


def _vp_drift(x: Tensor, t: Any, low: Any, high: Any, *, half: float = 0.5) -> Tensor:  # noqa: ANN401
    return -half * column(oracle.vp_rate(*_wide(t, low, high))) * x


def _vp_diffusion(t: Any, low: Any, high: Any, *, square: bool = False) -> Tensor:  # noqa: ANN401
    return oracle.vp_diffusion.torch(*_wide(t, low, high)) ** (2 if square else 1)


def _vp_std(t: Any, low: Any, high: Any, *, kind: str = "") -> tuple[Tensor, ...]:  # noqa: ANN401
    known = _root(oracle.vp_std.torch(*_wide(t, low, high)))
    if kind == "less":
        return torch.ones_like(known[0]), -oracle.vp_mean.torch(*_wide(t, low, high))
    return (known[0] ** 2,) if kind else known


def _vp(x: Tensor, t: Any, low: Any, high: Any, *, half: float = 0.5, square: bool = False) -> tuple[Tensor, Tensor]:  # noqa: ANN401
    return _vp_drift(x, t, low, high, half=half), _vp_diffusion(t, low, high, square=square)


def _vp_marginal(x: Tensor, t: Any, low: Any, high: Any, *, kind: str = "") -> tuple[Tensor, tuple[Tensor, ...]]:  # noqa: ANN401
    mean = column(oracle.vp_mean.torch(*_wide(t, low, high))) * x
    return mean, _vp_std(t, low, high, kind=kind)


# Not the drift alone: of a pair it would be picked, and the other not be judged.
_VP_NAMES = ("marginal", "diffusion", "std", "mean_coefficient", "log_mean_coefficient", "beta")
VP_SDE = _pair(
    "sde.vp", "dx = −½ β(t) x dt + √β(t) dw, β(t) = β_min + t (β_max − β_min)", f"{_SONG}, eqs. 11 and 32", _vp, VP,
    _COEFFICIENTS, _DRIFT, _DIFFUSION, namesakes=tuple(f"sde.vp_{one}" for one in _VP_NAMES),
)  # fmt: skip
_pair(
    "sde.vp_marginal", "x(t) given x(0) is N(x(0) e^(−B/2), 1 − e^(−B)), B = t β_min + ½ t² (β_max − β_min)",
    f"{_SONG}, eqs. 29 and 33", _vp_marginal, VP, _MOMENTS, _STD_SLIPS,
)  # fmt: skip
formula(
    Specification(
        name="sde.vp_drift", statement="−½ β(t) x", source=f"{_SONG}, eq. 11", arguments=(STATE, TIME, *VP),
        oracle=_vp_drift, output="batch event", dialects=(_DRIFT,), layouts=layouts(("x",), ("t",)), sizes=SIZES,
        operations=_OPERATIONS, derivation="sde.vp.moments",
    )
)  # fmt: skip
_number("sde.vp_diffusion", "√β(t)", f"{_SONG}, eq. 11", _vp_diffusion, VP, _DIFFUSION)
_number("sde.vp_std", "√(1 − e^(−B)), B = ∫₀ᵗ β", f"{_SONG}, eq. 29", _vp_std, VP, _STD_SLIPS)
_number(
    "sde.vp_mean_coefficient", "e^(−B/2), B = ∫₀ᵗ β", f"{_SONG}, eq. 29",
    lambda t, low, high: oracle.vp_mean.torch(*_wide(t, low, high)), VP,
)  # fmt: skip
_number(
    "sde.vp_log_mean_coefficient", "−½ B, B = ∫₀ᵗ β", f"{_SONG}, eq. 33",
    lambda t, low, high: tuple(-0.5 * term for term in oracle.vp_integral.terms(*_wide(t, low, high))), VP,
)  # fmt: skip
_number(
    "sde.vp_beta", "β(t) = β_min + t (β_max − β_min)", f"{_SONG}, eq. 32",
    lambda t, low, high: oracle.vp_rate.terms(*_wide(t, low, high)), VP,
)  # fmt: skip


def _sub_vp(x: Tensor, t: Any, low: Any, high: Any) -> tuple[Tensor, tuple[Tensor, ...]]:  # noqa: ANN401
    beta = oracle.vp_diffusion.torch(*_wide(t, low, high)) ** 2
    known = oracle.sub_vp_diffusion.torch(*_wide(t, low, high))
    return _vp_drift(x, t, low, high), (known, beta / known, -beta / known)


SUB_VP = _pair(
    "sde.sub_vp", "dx = −½ β x dt + √(β (1 − e^(−2B))) dw, B = ∫₀ᵗ β", f"{_SONG}, eq. 12", _sub_vp, VP, _COEFFICIENTS
)


def _ve_std(t: Any, low: Any, high: Any, *, kind: str = "") -> Tensor:  # noqa: ANN401
    level = oracle.ve_std.torch(*_wide(t, low, high))
    if kind == "from zero":
        return torch.sqrt(level**2 - torch.as_tensor(low, dtype=torch.float64) ** 2)
    return level**2 if kind else level


def _ve_diffusion(t: Any, low: Any, high: Any, *, kind: str = "") -> Tensor:  # noqa: ANN401
    known = oracle.ve_diffusion.torch(*_wide(t, low, high))
    return {
        "": lambda: known,
        "level": lambda: oracle.ve_std.torch(*_wide(t, low, high)),
        "single": lambda: known / 2**0.5,
        "square": lambda: known**2,
    }[kind]()


_VE_STD = Axis(
    name="deviation",
    options=(
        Option(name=""),
        Option(name="from zero on", keywords={"kind": "from zero"}, note="√(σ²(t) − σ²(0)): Song et al. 2021, eq. 29"),
        Option(name="a variance", keywords={"kind": "variance"}, accepted=False, note="σ² for σ"),
    ),
)  # fmt: skip
_VE_DIFFUSION = Axis(
    name="diffusion",
    options=(
        Option(name=""),
        Option(name="the level itself", keywords={"kind": "level"}, accepted=False,
               note="σ(t), without √(2 log σ_max/σ_min): deepinv/deepinv#775"),
        Option(name="without 2", keywords={"kind": "single"}, accepted=False, note="g² is dσ²/dt = 2σσ′"),
        Option(name="the square", keywords={"kind": "square"}, accepted=False, note="g² for g: a variance"),
    ),
)  # fmt: skip
VE_SDE = _pair(
    "sde.ve", "dx = σ(t) √(2 log(σ_max/σ_min)) dw, σ(t) = σ_min (σ_max/σ_min)^t", f"{_SONG}, eqs. 30 and 31",
    lambda x, t, low, high, **how: (torch.zeros_like(x), _ve_diffusion(t, low, high, **how)), VE, _COEFFICIENTS,
    _VE_DIFFUSION, namesakes=("sde.ve_marginal", "sde.ve_diffusion", "sde.ve_std", "sde.ve_power_diffusion",
                              "sde.ve_power_std"),
)  # fmt: skip
_pair(
    "sde.ve_marginal", "x(t) given x(0) is N(x(0), σ²(t)), σ(t) = σ_min (σ_max/σ_min)^t", f"{_SONG}, eq. 30",
    lambda x, t, low, high, **how: (x, _ve_std(t, low, high, **how)), VE, _MOMENTS, _VE_STD,
)  # fmt: skip
_number("sde.ve_diffusion", "σ(t) √(2 log(σ_max/σ_min))", f"{_SONG}, eq. 31", _ve_diffusion, VE, _VE_DIFFUSION)
_number("sde.ve_std", "σ(t) = σ_min (σ_max/σ_min)^t", f"{_SONG}, eq. 30", _ve_std, VE, _VE_STD)

_BASE = (bound("base", 1.5, 30.0, 25.0, "sigma", "s", "sig"),)


def _power_std(t: Any, base: Any, *, kind: str = "") -> Tensor:  # noqa: ANN401
    time, base = _wide(t, base)
    rate = torch.log(base)
    variance = torch.expm1(2 * time * rate) / (2 * rate)
    return {"": torch.sqrt(variance), "variance": variance, "double": torch.sqrt(2 * variance)}[kind]


_number(
    "sde.ve_power_std", "of dx = σᵗ dw the deviation is √((σ^(2t) − 1)/(2 log σ))",
    "Song 2021, the tutorial beside the paper", _power_std, _BASE,
    Axis(name="deviation", options=(
        Option(name=""),
        Option(name="a variance", keywords={"kind": "variance"}, accepted=False, note="without its root"),
        Option(name="without 2", keywords={"kind": "double"}, accepted=False, note="divided by log σ, not 2 log σ"),
    )),
)  # fmt: skip
_number(
    "sde.ve_power_diffusion", "of dx = σᵗ dw the diffusion is σᵗ", "Song 2021, the tutorial beside the paper",
    lambda t, base, square=False: _wide(base)[0] ** (_wide(t)[0] * (2 if square else 1)), _BASE, _DIFFUSION,
)  # fmt: skip


@declares_reference
def vp() -> Formula:
    """The reference equation that preserves variance."""
    return Formula(reference.vp, like="sde.vp")


@declares_reference
def vp_marginal() -> Formula:
    """The reference moments of it."""
    return Formula(reference.vp_marginal, like="sde.vp_marginal")


@declares_reference
def ve() -> Formula:
    """The reference equation in which variance explodes."""
    return Formula(reference.ve, like="sde.ve")


@declares_reference
def ve_marginal() -> Formula:
    """The reference moments of it."""
    return Formula(reference.ve_marginal, like="sde.ve_marginal")


@declares_reference
def sub_vp() -> Formula:
    """The reference sub-VP equation."""
    return Formula(reference.sub_vp, like="sde.sub_vp")
