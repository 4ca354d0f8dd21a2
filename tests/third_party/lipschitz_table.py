"""lower ≤ L ≤ upper of layers with a claimed constant: ``python -m tests.third_party.lipschitz_table``.

Prints the table; with ``--write`` it goes to specs/lipschitz_table.md, whose test fails when a layer, a claim, a bound
or a verdict there is no longer what is found. The bounds are those that the check `map.lipschitz` rests on: from above
the certificate, from below two points, less what rounding may have added to the distance of their images. The norm of
an affine layer is that of its dense matrix, column by column.
"""

from __future__ import annotations

import copy
import functools
import math
import platform
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import torch

from genverify.numerics.lipschitz_certificate import certificate
from genverify.numerics.lipschitz_witness import longest_chord
from genverify.subjects.map import Map
from genverify.verify import verify
from tests.third_party.lipschitz_layers import LAYERS, Layer, settled

PAGE = Path(__file__).resolve().parents[2] / "specs" / "lipschitz_table.md"


class Row(NamedTuple):
    """What is known of a layer."""

    lower: float
    upper: float
    exact: float
    verdict: str
    message: str
    seconds: float


@functools.cache
def _settled(layer: Layer) -> torch.nn.Module:
    return settled(layer.make, layer.event)


def made_of(layer: Layer) -> torch.nn.Module:
    """The layer, settled: a copy of its own for everyone who asks."""
    return copy.deepcopy(_settled(layer))


def subject(layer: Layer) -> Map:
    """What a user declares."""
    return Map(made_of(layer), event_shape=layer.event, lipschitz=layer.claimed, accuracy=layer.accuracy)


def row(layer: Layer) -> Row:
    """Bounds, norm, verdict and time of a layer."""
    made = made_of(layer)
    (verdict,) = verify(subject(layer), checks=["map.lipschitz"], budget="quick")
    begun = time.process_time()
    dtype = torch.float64
    try:
        made.double()(torch.zeros(2, *layer.event, dtype=dtype))
    except RuntimeError:  # its normalisation runs in float32 alone
        made, dtype = made_of(layer), torch.float32
    above = certificate(made, layer.event, dtype=dtype)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        starts = torch.randn(12, *layer.event, dtype=dtype)
    found = longest_chord(made, starts * torch.logspace(-1, 1, 12, dtype=dtype).reshape(-1, *[1] * len(layer.event)))
    lower = 0.0 if found is None else found.slope - found.rounding
    seconds = time.process_time() - begun
    return Row(lower, above.upper, norm(layer), verdict.outcome.name, verdict.evidence.message, seconds)


def norm(layer: Layer) -> float:
    """The largest singular value of the dense matrix of an affine layer, column by column; NaN of any other."""
    if not layer.affine:
        return math.nan
    made = made_of(layer)
    dtype = torch.float64
    try:
        made.double()(torch.zeros(1, *layer.event, dtype=dtype))
    except RuntimeError:
        made, dtype = made_of(layer), torch.float32
    basis = torch.eye(math.prod(layer.event), dtype=dtype).reshape(-1, *layer.event)
    with torch.no_grad():
        images = made(basis) - made(torch.zeros_like(basis))
    return float(torch.linalg.svdvals(images.flatten(1).double())[0])


def claim(layer: Layer) -> list[str]:
    """The cells of a row that are known before anything is measured."""
    claimed = f"{layer.claimed:g}" + (f" ± {layer.accuracy:g}" if layer.accuracy else "")
    return [layer.library, layer.name, claimed]


def line(layer: Layer, found: Row) -> str:
    """A row of the table; numbers to as many digits as any machine finds again."""
    upper = f"{found.upper:.4f}" if math.isfinite(found.upper) else "–"
    exact = f"{found.exact:.4f}" if math.isfinite(found.exact) else "–"
    note = f"; {layer.reason}" if layer.reason else ""
    cells = (*claim(layer), f"{found.lower:.3f}", upper, exact, found.verdict + note)
    return "| " + " | ".join((*cells, f"{found.seconds:.1f} s")) + " |"


def table() -> Iterator[str]:
    """The lines of the table."""
    yield "| library | layer | claimed | lower | upper | norm | verdict | seconds |"
    yield "|---|---|---|---|---|---|---|---|"
    for layer in LAYERS:
        yield line(layer, row(layer))


_HEAD = f"""\
# lower ≤ L ≤ upper: layers that are said to be Lipschitz

<!-- Written by `python -m tests.third_party.lipschitz_table --write`; a test fails when it is stale. -->

The Lipschitz constant (ℓ2) of layers of torch {torch.__version__.split("+")[0]}, deel-torchlip 1.0.5 and
orthogonium 0.0.4, in evaluation mode after sixty batches in training mode from seed 0: from above as it is certified,
from below by two points, and the largest singular value of the dense matrix, where a layer is affine. What iterations
leave is granted where "±" stands beside the claim. Processor seconds of both bounds, on one thread of
{platform.machine()}.

FAIL is a claim that two points refute; the reason stands beside it. INCONCLUSIVE and NOT_APPLICABLE are claims that the
certificate does not reach, and no points refute.

"""


def page() -> str:
    """The text of specs/lipschitz_table.md."""
    return _HEAD + "\n".join(table()) + "\n"


if __name__ == "__main__":
    if "--write" in sys.argv:
        PAGE.write_text(page(), encoding="utf-8")
    else:
        for text in table():
            print(text, flush=True)
