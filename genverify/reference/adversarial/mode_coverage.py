"""How many modes of a mixture a generator finds.

Source: Metz et al. 2017, section 3.1 and appendix; Srivastava et al. 2017 (VEEGAN), section 4.1.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["ModeCoverage", "mode_coverage", "ring"]


@dataclass(frozen=True, kw_only=True)
class ModeCoverage:
    """Which modes are found, by how many samples.

    Attributes:
        counts: Samples within the radius of each mode, and nearest to it [modes].
        samples: How many there are in all.
    """

    counts: Tensor
    samples: int

    @property
    def near(self) -> float:
        """The share of the samples that are near to some mode."""
        return int(self.counts.sum()) / self.samples

    def covered(self, share: float = 0.1) -> int:
        """The modes that have at least such a part of the samples that an even spread would give them."""
        return int((self.counts >= share * self.samples / len(self.counts)).sum())


def mode_coverage(samples: Tensor, modes: Tensor, radius: float) -> ModeCoverage:
    """Counts the samples near each mode.

    Shapes: samples [n, event]; modes [k, event].

    Raises:
        ValueError: There are no modes or no samples, or the radius is not positive.

    Source: Metz et al. 2017, appendix D; Srivastava et al. 2017, section 4.1, with three standard deviations.

    >>> found = mode_coverage(torch.tensor([[0.1], [-0.1], [5.0]]), torch.tensor([[0.0], [1.0]]), radius=0.5)
    >>> found.counts, found.covered(), round(found.near, 3)
    (tensor([2, 0]), 1, 0.667)
    """
    if not (samples.dim() == modes.dim() == 2 and samples.shape[1] == modes.shape[1]):
        raise ValueError(
            f"got samples {tuple(samples.shape)} and modes {tuple(modes.shape)}; expected a row for each sample and "
            "for each mode, as long as each other; flatten what is longer"
        )
    if not len(modes) or not len(samples) or not radius > 0:
        raise ValueError(
            f"got {len(modes)} modes, {len(samples)} samples and a radius of {radius}; expected one or more of each "
            "and a positive radius; coverage of nothing says nothing"
        )
    distance, nearest = torch.cdist(samples, modes).min(dim=1)
    counts = torch.bincount(nearest[distance <= radius], minlength=len(modes))
    return ModeCoverage(counts=counts, samples=len(samples))


def ring(modes: int, radius: float) -> Tensor:
    """Points evenly on a circle: [modes, 2], the first at (radius, 0).

    Raises:
        ValueError: There are no modes.

    Source: Metz et al. 2017, section 3.1.

    >>> ring(4, 2.0)[0], ring(4, 2.0).norm(dim=1)
    (tensor([2., 0.]), tensor([2., 2., 2., 2.]))
    """
    if modes < 1:
        raise ValueError(f"got {modes} modes; expected one or more; a ring of nothing has no samples")
    angle = 2 * torch.pi * torch.arange(modes) / modes
    return radius * torch.stack([angle.cos(), angle.sin()], dim=-1)
