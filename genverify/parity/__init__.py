"""Parity: one program executed in many ways, with the same draws, held against its float64 run on the CPU."""
