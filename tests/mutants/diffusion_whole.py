"""Wrong diffusion processes: one bug each, in a table or in a function that needs no network."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from genverify.subjects.diffusion_process import DiffusionProcess
from tests.mutants.diffusion_whole_twins import RATES, Improved, ModelMeanType, extract
from tests.mutants.mutant import Mutant

MUTANTS: list[Mutant] = []
TWINS: list[Any] = []


def marks(mutants: list[Mutant]) -> Any:
    """A decorator that declares a class of processes, each made without arguments, in this list."""

    def mutant(killed_by: str, **declared: Any) -> Any:
        def declare(cls: Any) -> Any:
            make = lambda: DiffusionProcess(cls(), **declared)  # noqa: E731
            name = f"diffusion: {cls.__name__}"
            mutants.append(Mutant(name=name, make=make, killed_by=f"diffusion_process.{killed_by}"))
            return cls

        return declare

    return mutant


mutant = marks(MUTANTS)


class Process:
    """Ho, Jain & Abbeel's process, right; every mutant changes one thing."""

    steps = 12

    def __init__(self) -> None:
        self.betas = self.rates()
        self.alphas = 1 - self.betas
        self.alphas_cumprod = torch.cumprod(self.alphas, 0)
        self.alphas_cumprod_prev = torch.cat([torch.ones(1, dtype=torch.float64), self.alphas_cumprod[:-1]])
        self.tables()

    def rates(self) -> Tensor:
        return torch.linspace(0.01, 0.4, self.steps, dtype=torch.float64)

    def tables(self) -> None:
        left = 1 - self.alphas_cumprod
        self.sqrt_alphas_cumprod = self.alphas_cumprod.sqrt()
        self.sqrt_one_minus_alphas_cumprod = left.sqrt()
        self.posterior_variance = self.betas * (1 - self.alphas_cumprod_prev) / left
        self.posterior_mean_coef1 = self.betas * self.alphas_cumprod_prev.sqrt() / left
        self.posterior_mean_coef2 = (1 - self.alphas_cumprod_prev) * self.alphas.sqrt() / left

    def at(self, table: Tensor, t: Tensor, x: Tensor) -> Tensor:
        return extract(table, t, x.shape)

    def q_sample(self, x_start: Tensor, t: Tensor, noise: Tensor) -> Tensor:
        return (
            self.at(self.sqrt_alphas_cumprod, t, x_start) * x_start
            + self.at(self.sqrt_one_minus_alphas_cumprod, t, x_start) * noise
        )

    def q_posterior(self, x_start: Tensor, x_t: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
        mean = self.at(self.posterior_mean_coef1, t, x_t) * x_start + self.at(self.posterior_mean_coef2, t, x_t) * x_t
        return mean, self.at(self.posterior_variance, t, x_t)

    def predict_start_from_noise(self, x_t: Tensor, t: Tensor, noise: Tensor) -> Tensor:
        return (x_t - self.at(self.sqrt_one_minus_alphas_cumprod, t, x_t) * noise) / self.at(
            self.sqrt_alphas_cumprod, t, x_t
        )

    def predict_noise_from_start(self, x_t: Tensor, t: Tensor, x0: Tensor) -> Tensor:
        return (x_t - self.at(self.sqrt_alphas_cumprod, t, x_t) * x0) / self.at(
            self.sqrt_one_minus_alphas_cumprod, t, x_t
        )

    def predicted(self, model: Any, x: Tensor, t: Tensor) -> Tensor:
        return self.predict_start_from_noise(x, t, model(x, t))

    def deviation(self, t: Tensor, x: Tensor) -> Tensor:
        return self.at(self.posterior_variance, t, x).sqrt()

    def p_sample(self, model: Any, x: Tensor, t: Tensor) -> Tensor:
        mean, _ = self.q_posterior(self.predicted(model, x, t), x, t)
        return mean + self.deviation(t, x) * torch.randn_like(x)

    def p_sample_loop(self, model: Any, shape: Any) -> Tensor:
        x = torch.randn(shape, dtype=torch.float64)
        for i in reversed(range(self.steps)):
            x = self.p_sample(model, x, torch.full((shape[0],), i))
        return x

    def p_losses(self, model: Any, x_start: Tensor, t: Tensor, noise: Tensor) -> Tensor:
        return (noise - model(self.q_sample(x_start, t, noise), t)).square().mean()


@mutant("schedule")
class ProductOfRates(Process):
    """∏ β in place of ∏ (1 − β). Met in course work."""

    def __init__(self) -> None:
        super().__init__()
        self.alphas_cumprod = torch.cumprod(self.betas, 0)


@mutant("schedule")
class SumOfRates(Process):
    """1 − Σ β, the first order of the product. Met in course work."""

    def __init__(self) -> None:
        super().__init__()
        self.alphas_cumprod = 1 - 0.1 * torch.cumsum(self.betas, 0)


@mutant("schedule")
class PreviousNotShifted(Process):
    """ᾱ_{t−1} is ᾱ_t. Met where the shift was lost in a rewrite."""

    def tables(self) -> None:
        self.alphas_cumprod_prev = self.alphas_cumprod.clone()
        super().tables()


@mutant("schedule")
class PreviousFromTheOtherSide(Process):
    """ᾱ_{t+1} for ᾱ_{t−1}. Met where alphas_cumprod_next and _prev were exchanged."""

    def tables(self) -> None:
        self.alphas_cumprod_prev = torch.cat([self.alphas_cumprod[1:], torch.zeros(1, dtype=torch.float64)])
        super().tables()


@mutant("schedule")
class PreviousRolled(Process):
    """`roll` brings the last entry to the front, where 1 belongs. Met in notebooks."""

    def tables(self) -> None:
        self.alphas_cumprod_prev = self.alphas_cumprod.roll(1)
        super().tables()


@mutant("schedule")
class NoRoot(Process):
    """1 − ᾱ under the name of its root. Met in several tutorials."""

    def tables(self) -> None:
        super().tables()
        self.sqrt_one_minus_alphas_cumprod = 1 - self.alphas_cumprod


@mutant("schedule")
class OneMinusRoot(Process):
    """1 − √ᾱ for √(1 − ᾱ). Met in several tutorials."""

    def tables(self) -> None:
        super().tables()
        self.sqrt_one_minus_alphas_cumprod = 1 - self.alphas_cumprod.sqrt()


@mutant("schedule")
class RateForPosterior(Process):
    """β for β̃ in the posterior's variance. Met where both are called sigma."""

    def tables(self) -> None:
        super().tables()
        self.posterior_variance = self.betas


@mutant("schedule")
class CoefficientsExchanged(Process):
    """The weights of x_0 and x_t exchanged. Met in two repositories."""

    def tables(self) -> None:
        super().tables()
        self.posterior_mean_coef1, self.posterior_mean_coef2 = self.posterior_mean_coef2, self.posterior_mean_coef1


@mutant("schedule")
class CoefficientWithoutRoot(Process):
    """ᾱ_{t−1} for its root in the weight of x_0. Met in a translation to JAX."""

    def tables(self) -> None:
        super().tables()
        self.posterior_mean_coef1 = self.betas * self.alphas_cumprod_prev / (1 - self.alphas_cumprod)


@mutant("schedule")
class RescaledTooLate(Process):
    """Tables made before the rates were rescaled to zero terminal SNR. Met in forks that added the option."""

    def __init__(self) -> None:
        super().__init__()
        root = self.alphas_cumprod.sqrt()
        root = (root - root[-1]) * root[0] / (root[0] - root[-1])
        kept = root**2
        self.betas = 1 - torch.cat([kept[:1], kept[1:] / kept[:-1]])


@mutant("schedule")
class UnclippedCosine(Process):
    """Rates clipped at 0.5, and ᾱ of the cosine itself beside them. Met in tutorials on the cosine schedule."""

    def __init__(self) -> None:
        super().__init__()
        f = torch.cos((torch.arange(13, dtype=torch.float64) / 12 + 0.008) / 1.008 * torch.pi / 2) ** 2
        self.alphas_cumprod = f[1:] / f[0]
        self.betas = (1 - f[1:] / f[:-1]).clamp(max=0.5)


@mutant("rates")
class ScaledRates(Process):
    """Rates of a thousand steps scaled by 1000/T: beyond 1 where T is small. Met in improved-diffusion at few steps."""

    def rates(self) -> Tensor:
        scale = 1000 / self.steps
        return torch.linspace(scale * 1e-4, scale * 0.02, self.steps, dtype=torch.float64)


@mutant("rates")
class Percent(Process):
    """Rates in percent. Met in a configuration file."""

    def rates(self) -> Tensor:
        return torch.linspace(1.0, 40.0, self.steps, dtype=torch.float64)


@mutant("terminal_snr", terminal_snr=1e-4)
class TooFewSteps(Process):
    """The rates of a thousand steps over twelve: the end is still data. Met where T was turned down for speed."""

    def rates(self) -> Tensor:
        return torch.linspace(1e-4, 0.02, self.steps, dtype=torch.float64)


@mutant("q_sample")
class NotCumulative(Process):
    """α_t for ᾱ_t. Met in a widely copied notebook."""

    def q_sample(self, x_start: Tensor, t: Tensor, noise: Tensor) -> Tensor:
        a = self.at(self.alphas, t, x_start)
        return a.sqrt() * x_start + (1 - a).sqrt() * noise


@mutant("q_sample", first_step=0)
class StepBefore(Process):
    """Place t − 1 is read although steps count from 0. Met where a one-based paper was typed in."""

    def q_sample(self, x_start: Tensor, t: Tensor, noise: Tensor) -> Tensor:
        return super().q_sample(x_start, (t - 1) % self.steps, noise)


@mutant("q_sample")
class WeightsExchanged(Process):
    """√ᾱ multiplies the noise. Met in course work."""

    def q_sample(self, x_start: Tensor, t: Tensor, noise: Tensor) -> Tensor:
        return super().q_sample(noise, t, x_start)


@mutant("q_sample")
class OneStepForTheBatch(Process):
    """The first row's step for all rows. Met where t was indexed with [0]."""

    def q_sample(self, x_start: Tensor, t: Tensor, noise: Tensor) -> Tensor:
        return super().q_sample(x_start, t[:1].expand(len(t)), noise)


@mutant("q_sample")
class NoiseScaledOnceMore(Process):
    """The noise is scaled once more on its way in. Met where a temperature was left in."""

    def q_sample(self, x_start: Tensor, t: Tensor, noise: Tensor) -> Tensor:
        return super().q_sample(x_start, t, 0.9 * noise)


@mutant("posterior")
class PosteriorOfTheStepAfter(Process):
    """α of the step before in the weight of x_t. Met in an index that was moved for β alone."""

    def q_posterior(self, x_start: Tensor, x_t: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
        mean, variance = super().q_posterior(x_start, x_t, t)
        right = self.at(self.posterior_mean_coef2, t, x_t)
        wrong = right / self.at(self.alphas, t, x_t).sqrt() * self.at(self.alphas.roll(1), t, x_t).sqrt()
        return mean + (wrong - right) * x_t, variance


@mutant("posterior")
class DeviationForVariance(Process):
    """√β̃ is returned as the variance. Met where the next line squares nothing."""

    def q_posterior(self, x_start: Tensor, x_t: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
        mean, variance = super().q_posterior(x_start, x_t, t)
        return mean, variance.sqrt()


@mutant("conversions")
class NotDivided(Process):
    """x̂_0 without the division by √ᾱ. Met in course work."""

    def predict_start_from_noise(self, x_t: Tensor, t: Tensor, noise: Tensor) -> Tensor:
        return x_t - self.at(self.sqrt_one_minus_alphas_cumprod, t, x_t) * noise


@mutant("round_trip")
class OtherLevel(Process):
    """x̂_0 by the level of the next step. Met where a sampler's helper was reused in training."""

    def predict_start_from_noise(self, x_t: Tensor, t: Tensor, noise: Tensor) -> Tensor:
        right = super().predict_start_from_noise(x_t, t, noise)
        return right + 0.01 * self.at(self.alphas_cumprod, t, x_t) * x_t


@mutant("conversions")
class SignOfNoise(Process):
    """ε̂ = (√ᾱ x_0 − x_t)/√(1 − ᾱ). Met in a rewrite."""

    def predict_noise_from_start(self, x_t: Tensor, t: Tensor, x0: Tensor) -> Tensor:
        return -super().predict_noise_from_start(x_t, t, x0)


class _ToTheEnd(Improved):
    """Rescaled to zero terminal SNR."""

    def __init__(self) -> None:
        root = np.sqrt(np.cumprod(1 - RATES))
        kept = ((root - root[-1]) * root[0] / (root[0] - root[-1])) ** 2
        with np.errstate(divide="ignore"):
            super().__init__(1 - np.append(kept[:1], kept[1:] / kept[:-1]), ModelMeanType.START_X)


@mutant("conversions")
class InfiniteReciprocal(_ToTheEnd):
    """ε̂ by 1/√ᾱ, which is infinite where nothing is left: NaN where x_t is ε. Met in forks with zero terminal SNR."""
