"""The reference optimizers, declared as a stranger would declare their own."""

from __future__ import annotations

from genverify.formulas.references import declares_reference
from genverify.reference.optimizers.adadelta import Adadelta
from genverify.reference.optimizers.adafactor import Adafactor
from genverify.reference.optimizers.adagrad import Adagrad
from genverify.reference.optimizers.adam import Adam
from genverify.reference.optimizers.adamax import Adamax
from genverify.reference.optimizers.adamw import AdamW
from genverify.reference.optimizers.amsgrad import AMSGrad
from genverify.reference.optimizers.asgd import ASGD
from genverify.reference.optimizers.gradient_descent import GradientDescent
from genverify.reference.optimizers.heavy_ball import HeavyBall
from genverify.reference.optimizers.lamb import LAMB
from genverify.reference.optimizers.lars import LARS
from genverify.reference.optimizers.lbfgs import LBFGS
from genverify.reference.optimizers.lion import Lion
from genverify.reference.optimizers.momentum_ema import MomentumEMA
from genverify.reference.optimizers.muon import Muon
from genverify.reference.optimizers.nadam import NAdam
from genverify.reference.optimizers.nesterov import Nesterov
from genverify.reference.optimizers.radam import RAdam
from genverify.reference.optimizers.rmsprop import RMSprop
from genverify.reference.optimizers.rprop import Rprop
from genverify.reference.optimizers.sgdw import SGDW
from genverify.reference.optimizers.sparse_adam import SparseAdam
from genverify.subjects.optimizer import Optimizer

__all__ = [
    "adadelta",
    "adafactor",
    "adagrad",
    "adam",
    "adamax",
    "adamw",
    "amsgrad",
    "asgd",
    "gradient_descent",
    "heavy_ball",
    "lamb",
    "lars",
    "lbfgs",
    "lion",
    "momentum_ema",
    "muon",
    "nadam",
    "nesterov",
    "radam",
    "rmsprop",
    "rprop",
    "sgdw",
    "sparse_adam",
]


@declares_reference
def gradient_descent() -> Optimizer:
    """Gradient descent."""
    return Optimizer(GradientDescent, rule="gradient_descent")


@declares_reference
def heavy_ball() -> Optimizer:
    """Momentum as torch writes it."""
    return Optimizer(HeavyBall, rule="heavy_ball")


@declares_reference
def momentum_ema() -> Optimizer:
    """Momentum as an average of the gradients."""
    return Optimizer(MomentumEMA, rule="momentum_ema")


@declares_reference
def nesterov() -> Optimizer:
    """Nesterov's momentum."""
    return Optimizer(Nesterov, rule="nesterov")


@declares_reference
def adam() -> Optimizer:
    """Adam."""
    return Optimizer(Adam, rule="adam")


@declares_reference
def adagrad() -> Optimizer:
    """Adagrad."""
    return Optimizer(Adagrad, rule="adagrad")


@declares_reference
def rmsprop() -> Optimizer:
    """RMSProp."""
    return Optimizer(RMSprop, rule="rmsprop")


@declares_reference
def adamw() -> Optimizer:
    """AdamW."""
    return Optimizer(AdamW, rule="adamw")


@declares_reference
def amsgrad() -> Optimizer:
    """AMSGrad."""
    return Optimizer(AMSGrad, rule="amsgrad")


@declares_reference
def adadelta() -> Optimizer:
    """Adadelta."""
    return Optimizer(Adadelta, rule="adadelta")


@declares_reference
def adamax() -> Optimizer:
    """Adamax."""
    return Optimizer(Adamax, rule="adamax")


@declares_reference
def nadam() -> Optimizer:
    """NAdam."""
    return Optimizer(NAdam, rule="nadam")


@declares_reference
def radam() -> Optimizer:
    """RAdam."""
    return Optimizer(RAdam, rule="radam")


@declares_reference
def rprop() -> Optimizer:
    """Rprop."""
    return Optimizer(Rprop, rule="rprop")


@declares_reference
def asgd() -> Optimizer:
    """Averaged gradient descent."""
    return Optimizer(ASGD, rule="asgd")


@declares_reference
def lion() -> Optimizer:
    """Lion."""
    return Optimizer(Lion, rule="lion")


@declares_reference
def sgdw() -> Optimizer:
    """SGDW."""
    return Optimizer(SGDW, rule="sgdw")


@declares_reference
def lars() -> Optimizer:
    """LARS."""
    return Optimizer(LARS, rule="lars")


@declares_reference
def lamb() -> Optimizer:
    """LAMB."""
    return Optimizer(LAMB, rule="lamb")


@declares_reference
def adafactor() -> Optimizer:
    """Adafactor."""
    return Optimizer(Adafactor, rule="adafactor", dialect={"form": "paper"})


@declares_reference
def muon() -> Optimizer:
    """Muon."""
    return Optimizer(Muon, rule="muon")


@declares_reference
def sparse_adam() -> Optimizer:
    """SparseAdam."""
    return Optimizer(SparseAdam, rule="sparse_adam")


@declares_reference
def lbfgs() -> Optimizer:
    """L-BFGS."""
    return Optimizer(LBFGS, rule="lbfgs")
