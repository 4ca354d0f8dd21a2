"""Every transform that torch, nflows, normflows and zuko export, as subjects, and what they export besides."""

from __future__ import annotations

from tests.third_party import flows_nflows, flows_normflows, flows_torch, flows_zuko

__all__ = ["FLOWS", "LIBRARIES"]

LIBRARIES = {"torch": flows_torch, "nflows": flows_nflows, "normflows": flows_normflows, "zuko": flows_zuko}
FLOWS = [flow for library in LIBRARIES.values() for flow in library.FLOWS]
