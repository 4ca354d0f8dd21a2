"""Gaussian diffusion: schedules, the forward process, what a network predicts, samplers, losses."""
