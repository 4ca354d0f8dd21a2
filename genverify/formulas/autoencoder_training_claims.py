"""Claims on autoencoders that were trained: on small real pictures, held against what simpler models know of them."""

from __future__ import annotations

from genverify.claims import Status, claim

__all__ = [
    "ANNEALING_PLAIN", "ANNEALING_STRONG", "BOUND", "COLLAPSE_BETA", "COLLAPSE_STRONG", "CONDITIONAL_BOUND",
    "CONDITIONAL_CLASSES", "CONDITIONAL_SAMPLES", "DENSITY_ORDER", "FULL_COVARIANCE", "GAUSSIAN", "LATENT_SPACE",
    "LIKELIHOOD", "OUTLIERS", "RECONSTRUCTION", "VQ_BOUND", "VQ_EXACT", "VQ_USAGE",
]  # fmt: skip

_VAE = "Kingma & Welling 2014, section 5"
_SETTING = (
    "scikit-learn's digits, 1437 to learn from and 360 held out; one hidden layer of 64 tanh units on either side; "
    "'exceeds' is said of means over the held-out pictures, and by five standard errors of the difference at least"
)
_BINARY = (_SETTING, "each pixel on or off; Bernoulli decoder")

BOUND = claim(
    "vae.training.bound", Status.SUPPORTED,
    statement="the ELBO of pictures that a VAE has not seen exceeds the log-likelihood of independent pixels and, with "
    "eight latents, that of a mixture with one component for each class, which learns from the labels; with two "
    "latents it does not exceed the second",
    source=_VAE, assumptions=_BINARY,
)  # fmt: skip

FULL_COVARIANCE = claim(
    "vae.training.full_covariance", Status.SUPPORTED,
    statement="with a posterior of full covariance the ELBO exceeds the same bars; it is not above that of the "
    "diagonal one by a nat, nor below it",
    source="Kingma & Welling 2019, section 2.5.1", assumptions=_BINARY,
)  # fmt: skip

GAUSSIAN = claim(
    "vae.training.gaussian", Status.SUPPORTED,
    statement="the ELBO with a Gaussian decoder of one learned variance exceeds the exact log-likelihood of "
    "probabilistic PCA with as many latents, the best model with linear decoder, by two nats",
    source="Tipping & Bishop 1999, eqs. 4–8; " + _VAE, assumptions=(_SETTING, "grey pixels, dequantised"),
)  # fmt: skip

LIKELIHOOD = claim(
    "vae.training.likelihood", Status.SUPPORTED,
    statement="at eight latents the importance-weighted bound of 100 draws exceeds the ELBO, and the naive estimate "
    "from as many draws of the prior by more than a nat; at two latents the naive estimate from 300 draws is within "
    "a quarter of a nat of it",
    source="Burda, Grosse & Salakhutdinov 2016, section 3; Doersch 2016, section 2", assumptions=_BINARY,
)  # fmt: skip

RECONSTRUCTION = claim(
    "vae.training.reconstruction", Status.SUPPORTED,
    statement="the reconstruction of a picture that was not seen is nearer to it than the mean picture of its own "
    "class is: fewer than two thirds as many pixels are wrong",
    source=_VAE, assumptions=_BINARY,
)  # fmt: skip

LATENT_SPACE = claim(
    "vae.training.latent_space", Status.SUPPORTED,
    statement="the pictures of a 12 × 12 grid over a latent space of two dimensions are recognised as eight classes at "
    "least by a judge who knows no VAE; a walk from the latents of a picture along an axis passes through its "
    "reconstruction, and changes it",
    source="Kingma & Welling 2014, figure 4; Higgins et al. 2017, section 4", assumptions=_BINARY,
)  # fmt: skip

COLLAPSE_BETA = claim(
    "vae.collapse.beta", Status.SUPPORTED,
    statement="trained with β = 8 the posterior of every held-out picture is the prior to a hundredth of a nat, and "
    "both the ELBO and the importance-weighted bound are the log-likelihood of independent pixels to a tenth; with "
    "β = 1 every posterior is more than a nat from the prior",
    source="Higgins et al. 2017, eq. 4", assumptions=_BINARY,
)  # fmt: skip

COLLAPSE_STRONG = claim(
    "vae.collapse.strong_decoder", Status.SUPPORTED,
    statement="a decoder whose pixels also see the pixels before them uses its latents less, by more than 1.5 nats of "
    "KL, and its ELBO is none the lower",
    source="Bowman et al. 2016, section 3.1", assumptions=_BINARY,
)  # fmt: skip

ANNEALING_STRONG = claim(
    "vae.annealing.strong_decoder", Status.SUPPORTED,
    statement="when the weight of the KL term rises from 0 to 1 over the first half of the training, the strong "
    "decoder ends with more KL, by two nats, and with an importance-weighted bound that exceeds the one without; "
    "its ELBO is the same to half a nat",
    source="Bowman et al. 2016, section 3.1", assumptions=_BINARY,
)  # fmt: skip

ANNEALING_PLAIN = claim(
    "vae.annealing.plain_decoder", Status.SUPPORTED,
    statement="with a decoder that sees the latents only, the same annealing ends with more KL, but neither with a "
    "higher ELBO nor with an importance-weighted bound that differs by a quarter of a nat",
    source="Bowman et al. 2016, section 3.1", assumptions=_BINARY,
)  # fmt: skip

OUTLIERS = claim(
    "vae.outliers.binary", Status.SUPPORTED,
    statement="by their log-likelihood under a VAE of digits, estimated with 100 draws of the encoder, inverted and "
    "turned digits are told from held-out ones almost without fail (the area under the ROC curve is above 0.99); "
    "mirrored ones less well (between 0.8 and 0.95), since some digits are their own mirror images",
    source="Bishop 1994; Burda, Grosse & Salakhutdinov 2016, eq. 8", assumptions=_BINARY,
)  # fmt: skip

DENSITY_ORDER = claim(
    "vae.outliers.density_order", Status.REFUTED,
    statement="pictures that are unlike those of the training have a lower density under the model than pictures "
    "like them",
    source="the premise of novelty detection by a threshold on the density: Bishop 1994, section 2; refuted for deep "
    "models by Nalisnick, Matsukawa, Teh, Gorur & Lakshminarayanan 2019",
    counterexample="grey digits, Gaussian decoder: at half their contrast nearly all held-out digits have a higher "
    "density than before, and the mean of all pictures, which is no digit, has a higher one than any of them",
    corrected="density is no measure of how typical a point is: log p at the mean of N(μ, σ² I) is d/2 nats above its "
    "expectation over draws, none of which lies there; what is unusual in either direction is found by the distance of "
    "log p(x) from its mean over the training pictures (area under the ROC curve above 0.8 at half contrast)",
    assumptions=(_SETTING, "grey pixels, dequantised"),
)  # fmt: skip

CONDITIONAL_BOUND = claim(
    "conditional_vae.training.bound", Status.SUPPORTED,
    statement="with two latents the ELBO of log p(x|c) exceeds that of log p(x) of a VAE by more than the log 10 nats "
    "that the class can say of a picture at most, and the log-likelihood of independent pixels given the class",
    source="Sohn, Lee & Yan 2015", assumptions=_BINARY,
)  # fmt: skip

CONDITIONAL_CLASSES = claim(
    "conditional_vae.training.classifier", Status.SUPPORTED,
    statement="by Bayes' rule, argmax_c log p(x|c), a conditional VAE that was never trained to classify names the "
    "class of at least nine in ten held-out pictures, more than independent pixels given the class do",
    source="Bishop 2006, eq. 1.82", assumptions=_BINARY,
)  # fmt: skip

CONDITIONAL_SAMPLES = claim(
    "conditional_vae.training.samples", Status.SUPPORTED,
    statement="at least nine in ten samples for a class are recognised as that class by a judge who knows no VAE, and "
    "the same latents with another class as that other class",
    source="Sohn, Lee & Yan 2015, section 4", assumptions=_BINARY,
)  # fmt: skip

VQ_BOUND = claim(
    "vqvae.training.bound", Status.SUPPORTED,
    statement="with two codes of sixteen the bound log p(x|e) − 2 log 16 of held-out pictures exceeds the "
    "log-likelihood of independent pixels by four nats; a prior learned from how often pairs of codes occur raises "
    "it further",
    source="van den Oord, Vinyals & Kavukcuoglu 2017, sections 3.2 and 3.3", assumptions=_BINARY,
)  # fmt: skip

VQ_EXACT = claim(
    "vqvae.training.exact", Status.SUPPORTED,
    statement="of no picture does the bound exceed log p(x), the sum over all 256 pairs of codes; on average it is "
    "within two nats of it, the price of taking one pair where several would do",
    source="van den Oord, Vinyals & Kavukcuoglu 2017, section 3.2", assumptions=_BINARY,
)  # fmt: skip

VQ_USAGE = claim(
    "vqvae.training.usage", Status.SUPPORTED,
    statement="the codebook that is a running mean does not collapse: the perplexity of the codes of held-out pictures "
    "is above twelve of sixteen",
    source="van den Oord, Vinyals & Kavukcuoglu 2017, appendix A.1", assumptions=_BINARY,
)  # fmt: skip
