"""How a stranger's residual block is read: which of its layers are the two convolutions, the norms, the projection."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from torch import nn

__all__ = ["residual_layers"]

_PROJECTS = ("short", "skip", "down", "proj", "ident", "match", "bypass", "res_conv", "residual_conv", "conv_res",
             "res_layer", "adjust", "1x1", "nin")  # fmt: skip
_NORMS = (nn.modules.batchnorm._BatchNorm, nn.GroupNorm)


def residual_layers(module: nn.Module, training: bool) -> Mapping[str, Any]:
    """Argument of the residual block → path of the tensor, or value; empty where the layers are not two convolutions.

    The layers are taken in the order in which the module registers them. A projection is told by its name, or by its
    1×1 kernel beside larger ones; it belongs to the branch otherwise.
    """
    leaves = [(path, one) for path, one in module.named_modules() if not list(one.children())]
    convs = [(path, one) for path, one in leaves if isinstance(one, nn.Conv2d)]
    side = [path for path, _ in convs if _projects(path)]
    if len(convs) == 3 and not side:
        small = [path for path, one in convs if set(one.kernel_size) == {1}]
        side = small if len(small) == 1 else []
    main = [(path, one) for path, one in convs if path not in side]
    if len(main) != 2 or len(side) > 1:
        return {}
    roots = {path.split(".")[0] for path in side} - {path.split(".")[0] for path, _ in main}
    norms = [(path, one) for path, one in leaves if isinstance(one, _NORMS)]
    aside = [(p, one) for p, one in norms if _projects(p) or p.split(".")[0] in roots]
    inner = [pair for pair in norms if pair not in aside]
    found: dict[str, Any] = {}
    for name, path, one in (("1", *main[0]), ("2", *main[1])):
        found[f"weight{name}"] = f"{path}.weight"
        if one.bias is not None:
            found[f"bias{name}"] = f"{path}.bias"
    for path, one in convs:
        if path in side:
            found["shortcut"] = f"{path}.weight"
            if one.bias is not None:
                found["shortcut_bias"] = f"{path}.bias"
    if len(inner) in (1, 3) or len(inner) > 3:
        return {}
    for name, (path, one) in (*zip(("norm1", "norm2"), inner, strict=False), *(("shortcut_norm", p) for p in aside)):
        found |= _norm(name, path, one)
    first, second = main[0][1], main[1][1]
    found["stride"] = tuple(math.prod(s) for s in zip(first.stride, second.stride, strict=True))
    found["padding"], found["padding2"] = first.padding, second.padding
    found["training"] = training
    # A projection that is there although the identity would do; elsewhere it is used where shapes differ.
    found["projects"] = bool(side) and first.in_channels == second.out_channels and set(found["stride"]) == {1}
    return found


def _projects(path: str) -> bool:
    return any(word in path.lower() for word in _PROJECTS)


def _norm(name: str, path: str, one: nn.Module) -> dict[str, Any]:
    found: dict[str, Any] = {"norm": "group" if isinstance(one, nn.GroupNorm) else "batch", "eps": one.eps}
    if isinstance(one, nn.GroupNorm):
        found["norm_groups"] = one.num_groups
    if one.weight is not None:
        found |= {f"{name}_weight": f"{path}.weight", f"{name}_bias": f"{path}.bias"}
    if getattr(one, "running_mean", None) is not None:
        # Statistics are kept and not drawn: in training the module writes into them.
        found |= {f"{name}_mean": one.running_mean.clone(), f"{name}_var": one.running_var.clone()}  # type: ignore[union-attr,operator]
    return found
