"""Wild pairs of likelihood terms: what people wrote, wrong and right."""

from tests.wild.pair import Pair

from genverify.subjects.formula import Formula


def free_bits_kl(kl_per_dim, lam, n_spatial):
    """kl_per_dim (B, d): clamp the batch mean of each dimension at lam, THEN rescale by 1/n_spatial."""
    return kl_per_dim.mean(0).clamp_min(lam).sum() / n_spatial


def free_bits_kl_after_scaling(kl_per_dim, lam, n_spatial):
    """WRONG: rescales first, so nearly every entry falls under the threshold.

    Source: CAREamics/careamics#277.  Symptom: the loss is the constant d*lam, with zero gradient;
    hides for n_spatial = 1 or lam = 0.
    """
    return (kl_per_dim.mean(0) / n_spatial).clamp_min(lam).sum()


PAIRS = [
    Pair(
        name="free_bits_after_scaling",
        wrong=lambda: Formula(free_bits_kl_after_scaling, like="kl.free_bits"),
        right=lambda: Formula(free_bits_kl, like="kl.free_bits"),
    ),
]
