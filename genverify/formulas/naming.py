"""The names that people give to the commonest arguments."""

from __future__ import annotations

__all__ = ["MEAN", "VALUE"]

MEAN = (
    "mean", "mu", "loc", "m", "mus", "means", "pred", "prediction", "predictions", "y_hat", "y_pred", "recon",
    "z_mean", "z_mu", "mean_vec", "forecast", "preds",
)  # fmt: skip
VALUE = (
    "x", "y", "value", "target", "obs", "data", "z", "observation", "sample", "y_true", "targets", "values", "samples",
    "actual", "label", "xs", "inputs",
)  # fmt: skip
