"""Quantities that a verdict rests on: Jacobians, log-determinants, rounding allowances, ULPs, finite differences."""

from __future__ import annotations

from .finite_difference import FiniteDifference, autodiff_gap, directional_derivative, finite_difference_jacobian
from .jacobian import (
    CrossBatchDependence,
    batch_jacobian,
    batch_jacobian_with_method,
    cross_batch_dependence,
    dense_logabsdet,
    logabsdet,
)
from .rounding import (
    Allowance,
    allowance,
    conditioned_allowance,
    gamma,
    gradient_allowance,
    subnormal_spacing,
    unit_roundoff,
)
from .ulp import ulp, ulp_error, ulps_between

__all__ = [
    "Allowance",
    "CrossBatchDependence",
    "FiniteDifference",
    "allowance",
    "autodiff_gap",
    "batch_jacobian",
    "batch_jacobian_with_method",
    "conditioned_allowance",
    "cross_batch_dependence",
    "dense_logabsdet",
    "directional_derivative",
    "finite_difference_jacobian",
    "gamma",
    "gradient_allowance",
    "logabsdet",
    "subnormal_spacing",
    "ulp",
    "ulp_error",
    "ulps_between",
    "unit_roundoff",
]
