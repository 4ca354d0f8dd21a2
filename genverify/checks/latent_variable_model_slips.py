"""A guess at the reason, where a term of the loss is none that is known."""

from __future__ import annotations

import torch

from genverify.checks.latent_variable_model_fit import fit
from genverify.checks.latent_variable_model_identity import Identity
from genverify.checks.latent_variable_model_look import Look
from genverify.checks.latent_variable_model_stated import reading_of_spread, stated_pairs
from genverify.checks.latent_variable_model_terms import READINGS
from genverify.subjects.latent_variable_model import LatentVariableModel

__all__ = ["kl_reading", "slip_of_kl", "slip_of_reconstruction"]


# The rest of the loss comes from a fit, and is good to some thousand roundings.
_OPERATIONS = 2**14


def _rest(found: Identity) -> tuple[list[Look], list[float]]:
    """The looks at the batch size at which it fails, and what the reconstruction term leaves of the loss in each."""
    assert found.nearest is not None
    looks = found.looks[found.rows]
    return looks, list(found.nearest[1].weights[1 : 1 + len(looks)])


def kl_reading(subject: LatentVariableModel, found: Identity) -> tuple[str, float] | None:
    """(reading, weight): as what the KL term of the loss reads the encoder's second result, where it is one."""
    if found.nearest is None or found.blame != "kl":
        return None
    looks, rest = _rest(found)
    for reading, std in READINGS.items():
        values: list[float] = []
        for seen in looks:
            pairs = stated_pairs(seen) if seen.law is not None else []
            if not pairs:
                return None
            mean, second = pairs[0].parts(pairs[0].leaves)
            spread = std(second).abs()
            if not bool((spread > 0).all()) or not bool(torch.isfinite(spread).all()):
                break
            values.append(float(subject.against.kl(mean, spread, torch.zeros_like(mean), torch.ones_like(mean)).sum()))
        if len(values) < len(looks):
            continue
        ones = [1.0] * len(looks)
        sizes = [abs(v) + 1.0 for v in values]
        made = fit(rest, [values, ones], [sizes, ones], operations=_OPERATIONS, dtype=subject.calls.dtype)
        if made.holds and abs(made.weights[0]) > made.error[0]:
            return reading, made.weights[0]
    return None


def slip_of_kl(subject: LatentVariableModel, found: Identity) -> str:
    """What the rest of the loss is instead, where that can be guessed."""
    looks, rest = _rest(found)
    read = kl_reading(subject, found)
    drawn = reading_of_spread(looks[0])
    if read is not None and drawn is not None and read[0] != drawn[0]:
        return (
            f": the KL term reads the encoder's second result as {read[0]}, the draw as {drawn[0]}, so that the two "
            "speak of different distributions"
        )
    parts = _parts(looks)
    if parts is None:
        return ""
    made = fit(rest, [*parts, [1.0] * len(looks)], [[abs(v) + 1.0 for v in p] for p in (*parts, [1.0] * len(looks))],
               operations=_OPERATIONS, dtype=subject.calls.dtype)  # fmt: skip
    if len(looks) > 4 and made.holds:
        return f": μ² has weight {made.weights[0]:.4g}, σ² {made.weights[1]:.4g}, log σ² {made.weights[2]:.4g}"
    return " (is the spread read as another power, is a part left out, or is there a threshold such as free bits?)"


def _parts(looks: list[Look]) -> list[list[float]] | None:
    if any(seen.law is None for seen in looks):
        return None
    laws = [seen.law for seen in looks if seen.law is not None]
    return [
        [float(law.mean.square().sum()) for law in laws],
        [float(law.std.square().sum()) for law in laws],
        [float(2 * law.std.log().sum()) for law in laws],
    ]


def slip_of_reconstruction(found: Identity) -> str:
    """The nearest likelihood, and how near."""
    if found.nearest is None:
        return "; the decoder's result has another size than x, or was not seen: name it by decoder=…"
    one, made = found.nearest
    part = made.residual / made.size if made.size else float("inf")
    return (
        f"; the nearest is {one.term.name}, off by {part:.1e} of its size (is it taken of x itself, of the right "
        "elements, and of the decoder's result as it comes?)"
    )
