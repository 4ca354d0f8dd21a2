"""How the pages of the autoencoders draw: many small pictures in one, and what a picture says of itself."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from genverify.errors import UsageError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PICTURES = Path(__file__).resolve().parent / "pictures"
LARGEST = 100_000  # bytes


def tiles(rows: Tensor, columns: int, side: int = 8) -> Tensor:
    """Square pictures, one a row, beside and below each other with a line between: ink is dark."""
    height = -(-len(rows) // columns)
    sheet = torch.full((height * (side + 1) + 1, columns * (side + 1) + 1), 0.5)
    for number, row in enumerate(rows):
        top, left = (1 + (side + 1) * place for place in divmod(number, columns))
        sheet[top : top + side, left : left + side] = 1 - row.reshape(side, side)
    return sheet


def show(axes: Axes, rows: Tensor, columns: int, title: str) -> None:
    """Draws such a sheet."""
    axes.imshow(tiles(rows, columns).tolist(), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    axes.set_title(title)
    axes.axis("off")


def save(name: str, draw: Callable[[Figure], str], size: tuple[float, float], folder: Path = PICTURES) -> Path:
    """Writes a picture, PNG or SVG by its name, and into its metadata what `draw` returns.

    Raises:
        UsageError: matplotlib is not installed.
    """
    try:
        import matplotlib
        from matplotlib.figure import Figure
    except ImportError as error:
        raise UsageError(
            given="no matplotlib", expected="matplotlib, to draw the picture", do="pip install genverify[plot]"
        ) from error
    with matplotlib.rc_context({"svg.hashsalt": "genverify", "svg.fonttype": "none", "font.size": 9}):
        figure = Figure(figsize=size, layout="constrained")
        says = f"[{draw(figure)}]"
        nameless = {"Date": None, "Creator": None} if name.endswith(".svg") else {"Software": None}
        figure.savefig(folder / name, dpi=100, metadata={**nameless, "Description": says})
    return folder / name


def said(name: str) -> dict[str, float]:
    """The numbers that a committed picture shows, as its metadata names them: ``[ELBO -18.2; KL 6.0]``."""
    raw = (PICTURES / name).read_bytes()
    assert len(raw) <= LARGEST, f"{name} is {len(raw)} bytes"
    found = re.search(rb"escription[\x00>]\[([^]]*)\]", raw)
    assert found is not None, f"{name} says nothing of itself"
    return {what: float(number) for what, number in (one.rsplit(" ", 1) for one in found[1].decode().split("; "))}
