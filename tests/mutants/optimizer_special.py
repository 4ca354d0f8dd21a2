"""Wrong optimizers that need more than dense gradients: SparseAdam, Muon and L-BFGS."""

from __future__ import annotations

import torch

from genverify.subjects.optimizer import Optimizer
from tests.mutants.mutant import Mutant, Twin
from tests.mutants.optimizer import _Held, _kept


class LazyAdam(_Held):
    """Adam on the rows that are looked up, in pieces, each of which a mutant breaks."""

    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8):
        super().__init__(params, lr, betas=betas, eps=eps)

    def rows(self, g):
        g = g.coalesce()
        return g.indices()[0], g.values()

    def moved(self, rows, p):
        return rows

    def update(self, p, g, state, group):
        (b1, b2), t = group["betas"], state["t"]
        rows, values = self.rows(g)
        m, v = _kept(state, "m", p), _kept(state, "v", p)
        m[rows] = b1 * m[rows] + (1 - b1) * values
        v[rows] = b2 * v[rows] + (1 - b2) * values**2
        at = self.moved(rows, p)
        p[at] -= group["lr"] * (m[at] / (1 - b1**t)) / ((v[at] / (1 - b2**t)).sqrt() + group["eps"])


class LazyAdamMovesAll(LazyAdam):
    """Every row is moved by its old momentum, looked up or not. Met where sparse and dense code share a step."""

    def moved(self, rows, p):
        return torch.arange(len(p))


class LazyAdamLastWins(LazyAdam):
    """A row that is looked up twice gets the last of its gradients, not their sum: coalesce() is forgotten."""

    def rows(self, g):
        return g._indices()[0], g._values()


class LazyAdamDecaysAll(LazyAdam):
    """The moments of all rows decay, and only those looked up move: TensorFlow 1's Adam on sparse gradients."""

    def update(self, p, g, state, group):
        b1, b2 = group["betas"]
        rows, _ = self.rows(g)
        others = torch.ones(len(p), dtype=torch.bool)
        others[rows] = False
        _kept(state, "m", p)[others] *= b1
        _kept(state, "v", p)[others] *= b2
        super().update(p, g, state, group)


class Orthogonal(_Held):
    """Muon in pieces, each of which a mutant breaks; the iteration runs in the dtype of the parameters."""

    def __init__(self, params, lr=0.02, momentum=0.95, nesterov=True, ns_steps=5, weight_decay=0.0):
        super().__init__(params, lr, momentum=momentum, nesterov=nesterov, ns_steps=ns_steps, weight_decay=weight_decay)

    coefficients = (3.4445, -4.7750, 2.0315)

    def iterated(self, u, steps):
        a, b, c = self.coefficients
        x = u.T if len(u) > u.shape[1] else u
        x = x / (x.norm() + 1e-7)
        for _ in range(steps):
            gram = x @ x.T
            x = a * x + (b * gram + c * gram @ gram) @ x
        return x.T if len(u) > u.shape[1] else x

    def look(self, g, buf, momentum):
        return g.lerp(buf, momentum)

    def factor(self, p):
        return max(1, len(p) / p.shape[1]) ** 0.5

    def update(self, p, g, state, group):
        buf = _kept(state, "b", p).lerp_(g, 1 - group["momentum"])
        u = self.look(g, buf, group["momentum"]) if group["nesterov"] else buf
        p.mul_(1 - group["lr"] * group["weight_decay"])
        p.sub_(group["lr"] * self.factor(p) * self.iterated(u, group["ns_steps"]))


class MuonNotOrthogonal(Orthogonal):
    """Divides by the norm, and forgets the iteration: a normalised step. Classical."""

    def iterated(self, u, steps):
        return u / (u.norm() + 1e-7)


class MuonCubic(Orthogonal):
    """The cubic Newton–Schulz iteration, ³⁄₂ X - ½ X Xᵀ X, with as many steps: it has not converged."""

    coefficients = (1.5, -0.5, 0.0)


class MuonSlightlyOff(Orthogonal):
    """Coefficients of another tuning of the iteration: 3.44 became 3.0."""

    coefficients = (3.0, -3.2, 1.2)


class MuonInverseFactor(Orthogonal):
    """The rate grows with columns/rows, not rows/columns. Met where weights are stored transposed."""

    def factor(self, p):
        return max(1, p.shape[1] / len(p)) ** 0.5


class MuonLooksBack(Orthogonal):
    """Nesterov's look-ahead weighs the gradient with μ and the momentum with 1 - μ: lerp's arguments swapped."""

    def look(self, g, buf, momentum):
        return buf.lerp(g, momentum)


class _LBFGS(torch.optim.LBFGS):
    def __init__(self, params, lr=1.0, max_iter=20, history_size=100, line_search_fn=None):
        super().__init__(params, lr=lr, max_iter=max_iter, history_size=history_size, line_search_fn=line_search_fn)


class LbfgsCreeps(_LBFGS):
    """A hundredth of the step that the line search found is made. Classical where the rate is applied once more."""

    def _add_grad(self, step_size, direction):
        super()._add_grad(0.01 * step_size, direction)

    def _directional_evaluate(self, closure, x, t, d):
        super()._add_grad(t, d)
        loss, gradient = float(closure()), self._gather_flat_grad()
        self._set_param(x)
        return loss, gradient


class LbfgsForgets(_LBFGS):
    """The pairs are forgotten between steps: the steepest descent. Classical where state is kept in the call."""

    def step(self, closure):
        self.state[self._params[0]].update({"old_dirs": [], "old_stps": [], "ro": [], "H_diag": 1})
        return super().step(closure)


class LbfgsGradientOfAbsolute(_LBFGS):
    """The gradient is gathered without its sign in the first parameter. Made up."""

    def _gather_flat_grad(self):
        gathered = super()._gather_flat_grad()
        gathered[0] = gathered[0].abs()
        return gathered


def _kill(kind, rule, check="optimizer.trajectory", **hyper):
    return Mutant(
        name=kind.__name__, make=lambda: Optimizer(kind, rule=rule, name=kind.__name__, **hyper), killed_by=check
    )


_SEARCH = {"line_search_fn": "strong_wolfe"}
MUTANTS = [
    _kill(LazyAdamMovesAll, "sparse_adam"),
    _kill(LazyAdamLastWins, "sparse_adam"),
    _kill(LazyAdamDecaysAll, "sparse_adam"),
    _kill(MuonNotOrthogonal, "muon"),
    _kill(MuonCubic, "muon"),
    _kill(MuonSlightlyOff, "muon"),
    _kill(MuonInverseFactor, "muon"),
    _kill(MuonLooksBack, "muon"),
    _kill(LbfgsCreeps, "lbfgs", "optimizer.line_search", **_SEARCH),
    _kill(LbfgsForgets, "lbfgs"),
    _kill(LbfgsGradientOfAbsolute, "lbfgs"),
]
TWINS = [
    Twin(name="lazy_adam", make=lambda: Optimizer(LazyAdam, rule="sparse_adam")),
    Twin(name="sparse_adam_of_torch", make=lambda: Optimizer(torch.optim.SparseAdam, rule="sparse_adam")),
    Twin(name="muon_in_pieces", make=lambda: Optimizer(Orthogonal, rule="muon")),
    Twin(name="muon_of_torch", make=lambda: Optimizer(torch.optim.Muon, rule="muon", lr=0.02)),
    Twin(name="lbfgs_of_torch", make=lambda: Optimizer(torch.optim.LBFGS, rule="lbfgs", lr=0.5)),
    Twin(name="lbfgs_of_torch_searches", make=lambda: Optimizer(torch.optim.LBFGS, rule="lbfgs", **_SEARCH)),
]
