"""Wild pairs: schedules. What people wrote, wrong and right; classes that are stepped and show their rate."""

import math

from tests.wild.pair import Pair

from genverify.subjects.formula import Formula


class CosineRecursive:
    """eta_{t+1} from eta_t by the ratio of (1+cos); at t = (2k+1) T the closed form takes over (torch)."""

    def __init__(self, base, T, eta_min=0.0):
        self.base, self.T, self.min, self.t, self.lr = base, T, eta_min, 0, base

    def step(self):
        self.t += 1
        if (self.t - 1 - self.T) % (2 * self.T) == 0:
            self.lr = self.lr + (self.base - self.min) * (1 - math.cos(math.pi / self.T)) / 2
        else:

            def c(k):
                return 1 + math.cos(math.pi * k / self.T)

            self.lr = c(self.t) / c(self.t - 1) * (self.lr - self.min) + self.min
        return self.lr


class CosineRecursiveNoCase(CosineRecursive):
    """WRONG: no special case for the division by zero at t = T.

    Source: pytorch/pytorch#17913, fixed in #19180 (#19132).  Symptom: exact up to t = T; at T + 1 a
    ZeroDivisionError or, through rounding of cos(pi), a learning rate of the order of 1e16 or 0.
    """

    def step(self):
        self.t += 1

        def c(k):
            return 1 + math.cos(math.pi * k / self.T)

        d = c(self.t - 1)
        self.lr = (c(self.t) / d * (self.lr - self.min) if d else float("inf")) + self.min
        return self.lr


class ExponentialLR:
    """lr_e = base * gamma^e."""

    def __init__(self, base, gamma):
        self.base, self.gamma, self.e, self.lr = base, gamma, 0, base

    def step(self):
        self.e += 1
        self.lr = self.base * self.gamma**self.e
        return self.lr


class ExponentialLRCompounding(ExponentialLR):
    """WRONG: lr <- lr * gamma^e (current lr, cumulative power).

    Source: classical.  Symptom: first epoch right; then gamma^{e(e+1)/2}.
    """

    def step(self):
        self.e += 1
        self.lr = self.lr * self.gamma**self.e
        return self.lr


PAIRS = [
    Pair(
        name="cosine_recursive_no_case",
        wrong=lambda: Formula(CosineRecursiveNoCase, like="schedule.cosine"),
        right=lambda: Formula(CosineRecursive, like="schedule.cosine"),
    ),
    Pair(
        name="exponential_compounding",
        wrong=lambda: Formula(ExponentialLRCompounding, like="schedule.exponential"),
        right=lambda: Formula(ExponentialLR, like="schedule.exponential"),
    ),
]
