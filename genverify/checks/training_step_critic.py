"""Whether a penalty on the slope of a critic is one for each sample: one number a row, which no other row changes."""

from __future__ import annotations

import math

import torch
from torch import nn

from genverify.checks.training_step_replay import Played
from genverify.subjects.training_observation import Observed, in_dtype

__all__ = ["not_by_sample", "results_each"]


def results_each(played: Played) -> int:
    """How many numbers the discriminator returns for each sample."""
    where = _where(played)
    if not where:
        return 1
    x, *beside = played.points[where]
    with torch.random.fork_rng(devices=[]), in_dtype(x.dtype), torch.no_grad():
        return played.critics[where](x, *beside).numel() // max(1, len(x))


def not_by_sample(seen: Observed, played: Played) -> str:
    """Why the slope of the summed results is not that of each sample's own; empty where it is."""
    each = results_each(played)
    if each != 1:
        return (
            f"D returns {each} numbers for each sample, and a penalty on the slope is of one: what is penalised is the "
            "slope of their sum; judge it with a critic of one number a sample"
        )
    where = _where(played)
    if not where or len(played.points[where][0]) < 2:
        return ""
    others, largest = _moved(played, where)
    if not others > math.sqrt(torch.finfo(played.points[where][0].dtype).eps) * largest:
        return ""
    layers = _of_batches(seen.world.networks.get("D"))
    return (
        f"D's result on a sample depends on the other samples of its batch{f' ({layers})' if layers else ''}, so that "
        "its penalty is not per sample: the slope of Σ D(x_i) in x_i is not that of D(x_i). Gulrajani et al. 2017, "
        "section 4, leave batch norm out of the critic for that: layer norm, instance norm or none, or evaluation mode"
    )


def _where(played: Played) -> str:
    return next((name for name in ("between", "real", "generated") if name in played.points), "")


def _moved(played: Played, where: str) -> tuple[float, float]:
    """(how far the results on the other rows move when the first row does, the largest result)."""
    x, *rest = played.points[where]
    beside = x.clone()
    beside[0] += 1.0
    found = []
    for at in (x, beside):
        with torch.random.fork_rng(devices=[]), in_dtype(x.dtype), torch.no_grad():
            torch.default_generator.manual_seed(0)
            found.append(played.critics[where](at, *rest).reshape(len(x), -1))
    return float((found[0] - found[1])[1:].abs().max()), float(found[0].abs().max())


def _of_batches(net: nn.Module | None) -> str:
    """The layers of batch norm in training mode, by name."""
    if net is None:
        return ""
    norms = [
        (name, module) for name, module in net.named_modules()
        if isinstance(module, nn.modules.batchnorm._BatchNorm) and (module.training or module.running_mean is None)
    ]  # fmt: skip
    said = ", ".join(f"{type(module).__name__} {name!r}" for name, module in norms[:3])
    return f"{said} in training mode" if said else ""
