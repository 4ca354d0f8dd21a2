"""How a stranger's residual block is read: which of its layers are the branch, the norms, the projection."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor, nn

from genverify.errors import UsageError

__all__ = ["residual_layers"]

_PROJECTS = ("short", "skip", "down", "proj", "ident", "match", "bypass", "res_conv", "residual_conv", "conv_res",
             "res_layer", "adjust", "1x1", "nin")  # fmt: skip
_BATCH = ("BatchNorm1d", "BatchNorm2d", "SyncBatchNorm")
_INSTANCE = ("InstanceNorm1d", "InstanceNorm2d")
_NORMS = (*_BATCH, *_INSTANCE, "GroupNorm")
_PADS = {
    "ReflectionPad2d": "reflect",
    "ReplicationPad2d": "replicate",
    "ZeroPad2d": "zeros",
    "CircularPad2d": "circular",
}
# What torch has and the formula knows nothing of; of a stranger's own layer without weights its values tell.
_OTHERS = ("PReLU", "LayerNorm", "RMSNorm", "LocalResponseNorm", "Conv1d", "Conv3d", "ConvTranspose2d", "AvgPool2d",
           "MaxPool2d", "Upsample", "PixelShuffle", "Embedding")  # fmt: skip
_ONE = (1, 1)

Layer = tuple[str, Any]


def residual_layers(count: int, layer: str = "Conv2d") -> Callable[[nn.Module, bool], Mapping[str, Any]]:
    """The reading of a block whose branch has so many convolutions (or other layers).

    It gives the argument of the residual block → the path of the tensor, or the value.

    The layers are taken in the order in which the module registers them. A projection is told by its name, or by its
    1×1 kernel beside larger ones; it belongs to the branch otherwise.
    """

    def read(module: nn.Module, training: bool) -> Mapping[str, Any]:
        return _read(module, training, count, layer)

    return read


def _kind(module: Any) -> str:  # noqa: ANN401 - a module, or one that TorchScript compiled
    """The name of torch's class: that of a scripted layer, of a layer itself, or of the one that it inherits from."""
    name = getattr(module, "original_name", None)
    if isinstance(name, str):
        return name
    known = (one.__name__ for one in type(module).__mro__ if one.__module__.startswith("torch."))
    return next(known, "").removeprefix("Parametrized")


def _refused(given: str, expected: str) -> UsageError:
    return UsageError(
        given=given,
        expected=expected,
        do="declare another formula of `genverify list formulas`, say which parameter is weight1 (arguments={…: "
        "'weight1'}), or declare the identity path: Map(block, residual_of=branch)",
    )


def _read(module: nn.Module, training: bool, count: int, layer: str) -> dict[str, Any]:
    listed = [(path, one) for path, one in module.named_modules() if path]
    layers = [(path, one) for path, one in listed if _kind(one) == layer]
    side = _side(layers, count)
    main = [(path, one) for path, one in layers if path not in side]
    if len(main) != count or len(side) > 1:
        words = f"a module with {len(main)} layers {layer} in its branch and {len(side)} beside it"
        raise _refused(words, f"{count} in the branch, and at most one beside it, which projects")
    _refuse_others(listed, layers, training)
    tensors = {path for path, _ in module.named_parameters()}
    found: dict[str, Any] = {"training": training, "kernels": tuple(_size(one) for _, one in main)}
    roots = {path.split(".")[0] for path in side} - {path.split(".")[0] for path, _ in main}
    for name, suffix, path, one in (
        *((f"weight{k}", str(k), *pair) for k, pair in enumerate(main, 1)),
        *(("shortcut", "", *pair) for pair in layers if pair[0] in side),
    ):
        if f"{path}.weight" not in tensors:
            raise _refused(f"a layer {path!r} whose weight is computed from others", "weights that are parameters")
        found[name] = f"{path}.weight"
        if one.bias is not None:
            found[f"bias{suffix}" if suffix else "shortcut_bias"] = f"{path}.bias"
    inner, aside = _norms(listed, roots)
    if len(inner) not in (0, count) or len(aside) > 1:
        raise _refused(
            f"a module with {len(inner)} normalisations in its branch and {len(aside)} beside it",
            f"none in the branch or {count}, one for each layer, and at most one beside it",
        )
    named = [*((f"norm{k}", pair) for k, pair in enumerate(inner, 1)), *(("shortcut_norm", pair) for pair in aside)]
    found |= _of_norms(named, training)
    slopes = [one.negative_slope for _, one in listed if _kind(one) == "LeakyReLU"]
    found |= {"slope": slopes[0]} if slopes else {}
    if layer == "Conv2d":
        found |= _of_images(listed, main, [one for path, one in layers if path in side])
    elif found["training"] and found.get("norm") == "batch":
        raise UsageError(
            given="a block of vectors that normalises by the statistics of its batch",
            expected="statistics that are kept: those of a few vectors may have no spread", do='declare mode="eval"',
        )  # fmt: skip
    # A projection that is there although the identity would do; elsewhere it is used where shapes differ.
    ends = _channels(main[0][1])[0], _channels(main[-1][1])[1]
    inside = _channels(main[0][1])[1]
    found |= {"expansion": ends[1] // inside} if count == 3 and ends[1] % inside == 0 else {}
    if ends[0] == ends[1] and set(found.get("stride", _ONE)) == {1}:
        found["projects"] = bool(side)
    parts = {**module.__dict__, **module.__dict__.get("_modules", {})}
    if not side and any(value is None and _projects(name) for name, value in parts.items()):
        found["carries"] = "no"  # a projection is passed in from outside, or there is none
    return found


def _side(layers: list[Layer], count: int) -> list[str]:
    side = [path for path, _ in layers if _projects(path)]
    if len(layers) == count + 1 and not side:
        small = [path for path, one in layers if set(_size(one)) == {1}]
        side = small if len(small) == 1 else []
    return side


def _size(one: Any) -> tuple[int, ...]:  # noqa: ANN401 - a layer
    return tuple(getattr(one, "kernel_size", _ONE))


def _channels(one: Any) -> tuple[int, int]:  # noqa: ANN401 - a layer
    if hasattr(one, "in_channels"):
        return one.in_channels, one.out_channels
    return one.in_features, one.out_features


def _refuse_others(listed: list[Layer], layers: list[Layer], training: bool) -> None:
    """Layers that the formula knows nothing of, and whose values would be held against the wrong formula."""
    inside = tuple(f"{path}." for path, _ in layers)
    for path, one in listed:
        kind = _kind(one)
        if kind in _OTHERS:
            raise _refused(f"a block with a layer {kind} ({path!r})", "convolutions, normalisations and activations")
        if kind.startswith(("Dropout", "AlphaDropout")) and training and one.p > 0:
            raise UsageError(
                given=f"a block that trains, with {kind} ({path!r})", expected="a block without draws",
                do='declare it with mode="eval"',
            )  # fmt: skip
        if not path.startswith(inside) and _own_weights(one):
            raise _refused(
                f"a block with a layer of its own, {type(one).__name__} ({path!r}), that has weights",
                "convolutions, normalisations and activations of torch.nn",
            )


def _own_weights(one: Any) -> bool:  # noqa: ANN401 - a module
    """Whether a stranger's layer has parameters or buffers itself, and not only by its children."""
    if hasattr(one, "original_name"):
        return False
    held = [*one.parameters(recurse=False), *one.buffers(recurse=False)]
    inherits = _kind(one) in ("Conv2d", "Linear", *_NORMS)
    return bool(held) and not inherits and not type(one).__module__.startswith("torch.")


def _projects(path: str) -> bool:
    return any(word in path.lower() for word in _PROJECTS)


def _norms(listed: list[Layer], roots: set[str]) -> tuple[list[Layer], list[Layer]]:
    norms = [(path, one) for path, one in listed if _kind(one) in _NORMS]
    aside = [(path, one) for path, one in norms if _projects(path) or path.split(".")[0] in roots]
    return [pair for pair in norms if pair not in aside], aside


def _of_norms(named: list[tuple[str, Layer]], training: bool) -> dict[str, Any]:
    """Which normalisation, what of it each has for good, and which of them there are."""
    kinds = {_family(one, training) for _, (_, one) in named}
    if len(kinds) > 1:
        raise _refused("a block with several kinds of normalisation", "one kind, with one ε and one number of groups")
    found: dict[str, Any] = {"norms": tuple(name for name, _ in named)}
    if not named:
        return found
    ((found["norm"], found["norm_groups"], found["eps"], found["training"]),) = kinds
    for name, (path, one) in named:
        if getattr(one, "weight", None) is not None:
            found |= {f"{name}_weight": f"{path}.weight", f"{name}_bias": f"{path}.bias"}
        if isinstance(getattr(one, "running_mean", None), Tensor):
            # Statistics are kept and not drawn: in training the module writes into them.
            found |= {f"{name}_mean": one.running_mean.clone(), f"{name}_var": one.running_var.clone()}
    return found


def _family(one: Any, training: bool) -> tuple[str, int, float, bool]:  # noqa: ANN401 - a layer
    """(name, groups, ε, whether the statistics are those of what it is given)."""
    kind = _kind(one)
    if kind == "GroupNorm":
        return "group", one.num_groups, one.eps, True
    own = training or getattr(one, "running_mean", None) is None
    # With running statistics an instance normalisation does what one of the batch does.
    return ("instance" if kind in _INSTANCE and own else "batch"), 1, one.eps, own


def _of_images(listed: list[Layer], main: list[Layer], side: list[Any]) -> dict[str, Any]:
    """Stride, padding and its mode; layers that pad belong to the convolution after them."""
    around: dict[str, tuple[str, Any]] = {}
    waiting: tuple[str, Any] | None = None
    pads = [one for _, one in listed if _kind(one) in _PADS]
    for path, one in listed:
        if _kind(one) in _PADS:
            waiting = _PADS[_kind(one)], _evenly(one.padding)
        elif any(path == name for name, _ in main):
            if waiting is not None:
                around[path] = waiting
            waiting = waiting if len(pads) == 1 else None  # one layer may serve both
    found: dict[str, Any] = {"stride": tuple(math.prod(s) for s in zip(*(one.stride for _, one in main), strict=True))}
    modes = set()
    for k, (path, one) in enumerate(main, 1):
        if set(one.dilation) != {1} or one.groups != 1:
            raise _refused(f"a convolution {path!r} with dilation or groups", "dense kernels, without gaps")
        mode, padding = around.get(path, (one.padding_mode, (0, 0) if one.padding == "valid" else one.padding))
        if path in around and not isinstance(one.padding, str) and any(one.padding):
            raise _refused(f"a convolution {path!r} padded twice", "padding by a layer, or by the convolution")
        if padding != "same" and [2 * p for p in padding] != [size - 1 for size in one.kernel_size]:
            raise _refused(
                f"a convolution {path!r} whose kernel is {tuple(one.kernel_size)} and padding {padding}",
                "images that keep their size but for the stride (a padding inside `forward` is not seen)",
            )
        found["padding" if k == 1 else f"padding{k}"] = padding
        modes |= {mode} if padding == "same" or any(padding) else set()
    if len(modes) > 1:
        raise _refused(f"padding of several kinds ({', '.join(sorted(modes))})", "one kind")
    found["padding_mode"] = modes.pop() if modes else "zeros"
    if side:
        found["shortcut_padding"], found["shortcut_kernel"] = side[0].padding, _size(side[0])
    return found


def _evenly(padding: Any) -> tuple[int, int]:  # noqa: ANN401 - (left, right, top, bottom), or one number
    if isinstance(padding, int):
        return padding, padding
    left, right, top, bottom = padding
    if left != right or top != bottom:
        raise _refused(f"uneven padding {tuple(padding)}", "as much before as after")
    return top, left
