"""Every formula of calculus: derivatives of a function that is given, and matrices that are made of derivatives."""

from __future__ import annotations

from genverify.formulas import calculus_critical_point, calculus_curvature, calculus_derivatives

__all__ = ["calculus_critical_point", "calculus_curvature", "calculus_derivatives"]
