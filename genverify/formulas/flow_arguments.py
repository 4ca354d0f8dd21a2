"""What the formulas of flows share: names, layouts, and how an image comes with its logabsdet."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from genverify.formulas.catalogue import formula
from genverify.subjects.domains import real
from genverify.subjects.parametrisation import plain
from genverify.subjects.specification import Argument, Axis, Layout, Option, Specification

__all__ = ["DIRECTION", "IMAGES", "ONE_EVENT", "POINT", "ROWS", "moderate", "point", "slip", "transform"]

Terms = tuple[Tensor, ...]
POINT = (
    "x", "z", "inputs", "input", "y", "u", "zk", "z_k", "z0", "h", "data", "samples", "sample", "x0", "value", "values",
    "X", "Z", "inp", "in_", "points", "v", "noise", "latent", "z_0", "z_in", "x_in", "eps", "batch", "t", "img",
    "images", "image", "input_", "zs", "xs", "Y", "outputs",
)  # fmt: skip
ROWS = Layout(name="rows of events")
ONE_EVENT = Layout(name="one event at a time", drop=("batch", "row"))
IMAGES = Layout(name="images", shapes={"x": "batch channel height width"})
DIRECTION = Axis(
    name="direction",
    options=(Option(name=""), Option(name="inverse", keywords={"inverse": True}, note="the way back")),
)


def moderate(argument: Argument) -> Argument:
    """The argument with nothing claimed of extremes: flows are no formulas for the ends of a dtype's range."""
    kept = {"extreme_low": None, "extreme_high": None, "narrow_low": None, "narrow_high": None}
    return replace(argument, forms=tuple(replace(form, domain=replace(form.domain, **kept)) for form in argument.forms))


def slip(name: str, note: str, **keywords: Any) -> Option:  # noqa: ANN401 - keywords of an oracle
    """A way to write it that is wrong under this name."""
    return Option(name=name, keywords=keywords, accepted=False, note=note)


def point(
    axes: str = "batch event", *, low: float = -2.0, high: float = 2.0, without: Iterable[str] = (), **rest: Any  # noqa: ANN401
) -> Argument:  # fmt: skip
    """The event that is mapped; nothing is claimed of values beyond those that are drawn."""
    names = tuple(one for one in POINT if one not in set(without))
    return plain("x", axes, real(low=low, high=high), names, **rest)


_LOG = {
    "row": slip("summed over the batch", "each row has its own density; this couples them", log="total"),
    "element": slip("one number an element", "sum them over the event, or declare it with dialect=", log="each"),
    "mean": slip("averaged over the event", "log|det J| is the sum of the log slopes", log="mean"),
    "sign": slip("sign reversed", "that is the logabsdet of the inverse", log="reversed"),
    "nothing": slip("left out", "zero is returned, as of a map that preserves volume", log="none"),
    "double": slip("doubled", "each log scale is counted twice (log σ² for log σ?)", log="double"),
    "half": slip("halved", "half of each log scale is counted", log="half"),
    "plain": slip("determinant for its logarithm", "the logarithm is missing", log="plain"),
    "shared": Option(name="one number for all rows", keywords={"log": "shared"}, note="it depends on no row"),
}


def _total(terms: Terms) -> Tensor:
    return torch.stack(torch.broadcast_tensors(*terms)).sum(0)


def _reading(terms: Terms, x: Tensor, log: str, *, separable: bool) -> Terms:
    """The terms of logabsdet in one dialect: [batch], of elementwise ones [batch, event]."""
    if separable and log == "each":
        return terms
    count = terms[0].shape[-1] if separable and terms[0].dim() else 1
    rows = tuple(one for term in terms for one in term.unbind(-1)) if separable else terms
    if log == "mean":
        return tuple(one / count for one in rows)
    if log in ("double", "half", "reversed", "none"):
        factor = {"double": 2.0, "half": 0.5, "reversed": -1.0, "none": 0.0}[log]
        return tuple(factor * one for one in rows)
    if log == "plain":
        return (_total(rows).exp(),)
    if log == "shared":
        return tuple(one.reshape(-1)[0] if one.numel() else one for one in rows)
    if log == "total":
        return tuple(one for row in torch.broadcast_tensors(*rows) for one in row.reshape(-1).unbind(0))
    return rows


def transform(
    name: str, statement: str, source: str, arguments: tuple[Argument, ...], oracle: Callable[..., Any], *,
    image: str = "batch event", separable: bool = True, shared: bool = False, dialects: tuple[Axis, ...] = (),
    log: tuple[Option, ...] = (), each: bool = False, layouts: tuple[Layout, ...] = (ROWS, ONE_EVENT, IMAGES),
    sizes: Mapping[str, tuple[int, ...]] | None = None, **rest: Any,  # noqa: ANN401
) -> Specification:  # fmt: skip
    """The formulas ``flow.name`` (the image with its logabsdet), and of either alone.

    `oracle` maps the arguments to (terms of the image, terms of logabsdet); of a `separable` map the latter have the
    shape of x; of a `shared` one they are the same for all rows. `log` are further ways to write the logabsdet; with
    `each`, one number for each element is one that needs no declaration.
    """
    known = ["row", "element", "mean", "sign", "nothing", "double", "half"] if separable else [
        "row", "sign", "nothing", "double", "half", "plain"
    ]  # fmt: skip
    further = [*([_LOG["shared"]] if shared else []), *log, *(_LOG[one] for one in known)]
    if each:
        further = [replace(one, accepted=one.accepted or one is _LOG["element"]) for one in further]
    axis = Axis(name="logabsdet", options=(Option(name=""), *further))

    def both(*, x: Tensor, log: str = "", **given: Any) -> tuple[Terms, Terms]:  # noqa: ANN401
        made, slopes = oracle(x=x, **given)
        slopes = slopes if isinstance(slopes, tuple) else (slopes,)
        batch = x.shape[: x.dim() - len(_events(image))]
        like = x if separable else x.new_zeros(batch)
        slopes = tuple(one.expand(like.shape) if one.dim() < like.dim() else one for one in slopes)
        return made, _reading(slopes, x, log, separable=separable)

    settings: dict[str, Any] = {
        "statement": statement, "source": source, "arguments": tuple(map(moderate, arguments)), "layouts": layouts,
        "sizes": {"batch": (2, 1, 3), "event": (3, 1, 2), "channel": (2, 1), "height": (2, 1), "width": (3, 2),
                  **(sizes or {})},
        "operations": 64, **rest,
    }  # fmt: skip
    # A name for the result of those two keeps either from being picked out of a pair whose other half is wrong.
    whole = formula(
        Specification(
            name=f"flow.{name}", oracle=both, output=f"{image}|row", outputs=("image", "logabsdet"),
            dialects=(*dialects, axis), namesakes=(f"flow.{name}_image", f"flow.{name}_logabsdet"), **settings,
        )
    )  # fmt: skip
    formula(
        replace(
            whole, name=f"flow.{name}_image", oracle=lambda **given: both(**given)[:1], output=image,
            outputs=("image",), dialects=dialects, namesakes=(),
        )
    )  # fmt: skip
    formula(
        replace(
            whole, name=f"flow.{name}_logabsdet", oracle=lambda **given: both(**given)[1:], output="row",
            outputs=("logabsdet",), namesakes=(),
        )
    )  # fmt: skip
    return whole


def _events(image: str) -> tuple[str, ...]:
    """The axes of one event."""
    return tuple(axis for axis in image.split() if axis != "batch")
