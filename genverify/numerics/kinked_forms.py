"""Piecewise linear operations, place by place: the exact slope of maxima, sorted pairs, gates and reflections.

The bounds of two operations multiply as if both were steepest at once. Where a few entries of a value are combined
linearly, with kinks on hyperplanes, their joint matrix on each side of the kinks tells more: (max(a, b), min(a, b)) has
slope one, and not two.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, fx

from .lipschitz_rules import Unknown, own_layer
from .lipschitz_walk import Walk, operation
from .operator_norm import outward
from .piecewise_form import Form, Gate, Terms, constant_of, is_multiple, same, size_of

__all__ = ["KinkedForms"]

_MOST_KINKS = 4
_MOVES = {
    "view", "reshape", "flatten", "permute", "transpose", "squeeze", "unsqueeze", "chunk", "split", "unbind",
    "select", "narrow", "flip", "roll", "movedim", "swapaxes", "contiguous", "clone", "pixel_shuffle",
    "pixel_unshuffle", "tensor_split", "getitem", "unflatten", "view_as", "identity",
}  # fmt: skip
_JOINS = {"cat", "concat", "concatenate", "stack"}
_SUMS = {"add", "iadd", "radd", "sub", "isub", "rsub", "subtract"}
_COMPARISONS = {"le": (False, False), "lt": (False, True), "gt": (True, True), "ge": (True, False)}


@dataclass(eq=False)
class KinkedForms:
    """Follows linear combinations of entries of earlier values, with kinks, and bounds their slopes together.

    An atom is a choice of entries of an earlier value, each once; no entry is in two atoms of one value. At a place,
    the results y = K_m z of the atoms there have a matrix K_m for each side m of the kinks. Continuous, they are steep
    by at most max_m |K_m|, as a segment crosses finitely many sides; over places the largest counts, as entries are
    disjoint: the slope is at most Σ_values (slope of the value) · max |K_m|.

    A gate u·[s ≤ 0] + v·[s > 0] is continuous where v − u = c ∘ s, up to the rounding of the coefficients, which is
    asked of it; u + c ∘ relu(s) is the same.

    >>> from torch import nn
    >>> from genverify.numerics.lipschitz_certificate import certificate
    >>> class MaxMin(nn.Module):
    ...     def forward(self, x):
    ...         a, b = x.chunk(2, 1)
    ...         return torch.cat([torch.max(a, b), torch.min(a, b)], 1)
    >>> round(certificate(MaxMin(), (4,)).upper, 9)
    1.0
    """

    atoms: list[tuple[fx.Node, Tensor | None]] = field(default_factory=list)
    known: dict[fx.Node, Any] = field(default_factory=dict)
    sealed: frozenset[fx.Node] = frozenset()
    bent: set[fx.Node] = field(default_factory=set)

    def __call__(self, walk: Walk, node: fx.Node) -> float:
        """The slope of a sum, a choice or a joining of forms; infinity of any other node."""
        name = operation(node)
        if name in _JOINS and isinstance(node.args[0], (tuple, list)):
            parts = [one for one in node.args[0] if isinstance(one, fx.Node)]
            if len(parts) < len(node.args[0]):
                return math.inf
        elif name in _SUMS or name in ("where", "max", "min", "maximum", "minimum"):
            parts = [node]
        else:
            return math.inf
        shapes = {getattr(walk.values[one], "shape", None) for one in parts}
        if len(shapes) != 1 or None in shapes:
            return math.inf
        bound = self._joint(walk, parts)
        if math.isfinite(bound) or self.sealed or not self.bent:
            return bound
        # A kink of a kink is not followed: what is bent already is taken for a value of its own.
        return KinkedForms(sealed=frozenset(self.bent))._joint(walk, parts)

    def _joint(self, walk: Walk, parts: list[fx.Node]) -> float:
        try:
            found = [self.form(walk, one) for one in parts]
            return self._slope(walk, found) if all(isinstance(one, Form) for one in found) else math.inf
        except Unknown:
            return math.inf

    def form(self, walk: Walk, node: fx.Node) -> Any:  # noqa: ANN401 - a form, a gate or, of several results, a list
        """What a node is in terms of earlier ones; itself, where nothing else is known."""
        if node not in self.known:
            try:
                self.known[node] = None if node in self.sealed else self._made(walk, node)
            except (Unknown, TypeError, AttributeError, IndexError, RuntimeError):
                self.known[node] = None
            if self.known[node] is None and isinstance(walk.values[node], Tensor):
                self.known[node] = self._atom(walk, node, None)
        return self.known[node]

    def choice(self, walk: Walk, node: fx.Node) -> tuple[fx.Node, Tensor] | None:
        """Of which entries of an earlier value a node is made, in its order; None where it is no choice of these."""
        found = self._numbered(walk, node)
        return None if found is None or found[0] is node else found

    def _numbered(self, walk: Walk, node: fx.Node) -> tuple[fx.Node, Tensor] | None:
        """The same, or a node itself with its entries in a row; None for a form of another kind."""
        found = self.form(walk, node)
        if not isinstance(found, Form) or found.kinks or len(found.terms) != 1 or size_of(found.constant) != 0:
            return None
        ((key, coefficient),) = found.terms.items()
        if not isinstance(coefficient, float) or coefficient != 1.0:
            return None
        anchor, index = self.atoms[key]
        value = walk.values[anchor]
        return anchor, torch.arange(value.numel()).reshape(value.shape) if index is None else index

    @staticmethod
    def apart(indices: list[Tensor]) -> bool:
        """Whether no entry is chosen twice."""
        flat = torch.cat([one.reshape(-1) for one in indices])
        return len(flat.unique()) == len(flat)

    def _atom(self, walk: Walk, anchor: fx.Node, index: Tensor | None) -> Form:
        for key, (other, place) in enumerate(self.atoms):
            if other is anchor and (place is index or (
                place is not None and index is not None and torch.equal(place, index)
            )):  # fmt: skip
                return Form(terms={key: 1.0})
        self.atoms.append((anchor, index))
        return Form(terms={len(self.atoms) - 1: 1.0})

    def _made(self, walk: Walk, node: fx.Node) -> Any:  # noqa: ANN401
        name, moving = operation(node), walk.moving(node)
        if node.op == "call_module":
            own = own_layer(walk.root.get_submodule(str(node.target)))
            name = "" if own is None else {"Flatten": "flatten", "ReLU": "relu", "Identity": "identity"}.get(
                own.__name__, ""
            )  # fmt: skip
        if node.op == "placeholder" or not moving:
            return None
        if name in _MOVES and len(moving) == 1:
            return self._moved(walk, node, moving[0])
        if name in _SUMS:
            return self._sum(walk, node, name)
        if name in ("mul", "rmul", "imul", "multiply", "truediv", "div"):
            return self._product(walk, node, name)
        if name == "neg":
            return self._plain(walk, moving[0]).times(-1.0)
        if name in ("relu", "abs", "leaky_relu", "prelu"):
            return self._bent(walk, node, name)
        if name in ("max", "min", "maximum", "minimum", "amax", "amin"):
            return self._extreme(walk, node, name.startswith(("max", "amax")))
        if name in _COMPARISONS and node.args[0] is moving[0]:
            _, value = walk.settings(node)[0]
            positive, strict = _COMPARISONS[name]
            selector = self._linear(walk, node, moving[0]).plus(Form(terms={}, constant=-constant_of(value)))
            return Gate(selector=selector, origin=moving[0], positive=positive, strict=strict)
        if name == "where" and len(node.args) == 3:
            return self._where(walk, node)
        return None

    def _plain(self, walk: Walk, node: fx.Node) -> Form:
        found = self.form(walk, node)
        if not isinstance(found, Form):
            raise Unknown("no form")
        return found

    def _linear(self, walk: Walk, node: fx.Node, one: fx.Node) -> Form:
        """The form of an argument that has no kinks, and is as large as the result."""
        found = self._plain(walk, one)
        if found.kinks:
            self.bent.add(one)
            raise Unknown("a kink of a kink")
        if walk.values[one].shape != walk.values[node].shape:
            raise Unknown("broadcasting")
        return found

    def _moved(self, walk: Walk, node: fx.Node, source: fx.Node) -> Any:  # noqa: ANN401
        """Entries elsewhere: what the operation does to their numbers."""
        if isinstance(walk.values[source], (tuple, list)):
            several = self.form(walk, source)
            return None if several is None else several[node.args[1]]
        found = self._numbered(walk, source)
        if found is None:
            return None
        anchor, numbers = found
        if node.op == "call_module":
            moved = walk.root.get_submodule(str(node.target))(numbers)
        elif node.op == "call_method":
            args, kwargs = walk.settings(node)
            moved = getattr(numbers, str(node.target))(*args[1:], **kwargs)
        else:
            args, kwargs = walk.settings(node)
            assert callable(node.target)
            moved = node.target(numbers, *args[1:], **kwargs)
        if isinstance(moved, Tensor):
            return self._atom(walk, anchor, moved)
        return [self._atom(walk, anchor, one) for one in moved]

    def _sum(self, walk: Walk, node: fx.Node, name: str) -> Any:  # noqa: ANN401
        if node.kwargs:
            return None
        first, second = (self._operand(walk, node, one) for one in node.args)
        if name == "rsub":
            first, second = second, first
        if isinstance(first, Gate) and isinstance(second, Gate) and "sub" not in name:
            return self._joined_gates(walk, first, second)
        if isinstance(first, Gate) or isinstance(second, Gate):
            return None
        return first.plus(second.times(-1.0 if "sub" in name else 1.0))

    def _operand(self, walk: Walk, node: fx.Node, one: Any) -> Any:  # noqa: ANN401
        if not isinstance(one, fx.Node) or walk.slope(one) == 0:
            value = walk._value(one) if isinstance(one, fx.Node) else one
            return Form(terms={}, constant=constant_of(value))
        if walk.values[one].shape != walk.values[node].shape:
            raise Unknown("broadcasting")
        return self.form(walk, one)

    def _joined_gates(self, walk: Walk, first: Gate, second: Gate) -> Form | None:
        """u·[s ≤ 0] + v·[s > 0], where one of the two holds everywhere."""
        if first.positive:
            first, second = second, first
        complementary = not first.positive and second.positive and first.strict != second.strict
        if not complementary or first.origin is not second.origin or first.form is None or second.form is None:
            return None
        if not same(first.selector, second.selector):
            return None
        return self._switched(walk, first.selector, first.form, second.form)

    def _switched(self, walk: Walk, selector: Form, low: Form, high: Form) -> Form:
        jump = high.plus(low.times(-1.0))
        if low.kinks or high.kinks or not is_multiple(jump, selector, self._unit(walk)):
            raise Unknown("a jump")
        return Form(terms=low.terms, constant=low.constant, kinks=((selector, jump),))

    def _unit(self, walk: Walk) -> float:
        return torch.finfo(walk.x.dtype).eps

    def _where(self, walk: Walk, node: fx.Node) -> Form | None:
        mask, chosen, other = (self._operand(walk, node, one) for one in node.args)
        if not isinstance(mask, Gate) or isinstance(chosen, Gate) or isinstance(other, Gate):
            return None
        low, high = (other, chosen) if mask.positive else (chosen, other)
        return self._switched(walk, mask.selector, low, high)

    def _product(self, walk: Walk, node: fx.Node, name: str) -> Any:  # noqa: ANN401
        if node.kwargs:
            return None
        first, second = (self._operand(walk, node, one) for one in node.args)
        if isinstance(second, Gate) or (isinstance(first, Form) and not first.terms and not first.kinks):
            first, second = second, first
        if isinstance(first, Gate):
            if first.form is not None or not isinstance(second, Form) or "div" in name or second.kinks:
                return None
            return Gate(
                selector=first.selector, origin=first.origin, positive=first.positive, strict=first.strict, form=second
            )
        if not isinstance(second, Form) or second.terms or second.kinks:
            return None
        if "div" in name and node.args[0] not in walk.moving(node):
            return None
        return first.times(1.0 / second.constant if "div" in name else second.constant)

    def _bent(self, walk: Walk, node: fx.Node, name: str) -> Form:
        """A s + (1 − a) relu(s), of a slope a below zero."""
        (source,) = walk.moving(node)
        args, kwargs = walk.settings(node)
        selector = self._linear(walk, node, source)
        below: Tensor | float = {"relu": 0.0, "abs": -1.0}.get(name, 0.01)
        if name == "leaky_relu":
            below = float(kwargs.get("negative_slope", args[1] if len(args) > 1 else 0.01))
        if name == "prelu":
            weight: Tensor = (args[1] if len(args) > 1 else kwargs["weight"]).detach().double()
            below = weight.reshape(-1, *[1] * (walk.values[source].dim() - 2)) if weight.numel() > 1 else float(weight)
        base = selector.times(below)
        return Form(terms=base.terms, constant=base.constant, kinks=((selector, selector.times(1.0 - below)),))

    def _extreme(self, walk: Walk, node: fx.Node, largest: bool) -> Any:  # noqa: ANN401
        """max(a, b) = b + relu(a − b), min(a, b) = a − relu(a − b); over an axis of two, of its halves."""
        args, kwargs = walk.settings(node)
        if len(walk.moving(node)) == 2:
            a, b = (self._linear(walk, node, one) for one in walk.moving(node))
            several = False
        else:
            (source,) = walk.moving(node)
            dim = kwargs.get("dim", args[1] if len(args) > 1 else None)
            keep = kwargs.get("keepdim", args[2] if len(args) > 2 else False)
            if not isinstance(dim, int) or walk.values[source].shape[dim] != 2:
                return None
            whole = self._numbered(walk, source)
            if whole is None:
                return None
            anchor, numbers = whole
            halves = [one.unsqueeze(dim) if keep else one for one in numbers.unbind(dim)]
            a, b = (self._atom(walk, anchor, one) for one in halves)
            several = not isinstance(walk.values[node], Tensor)
        gap = a.plus(b.times(-1.0))
        base, sign = (b, 1.0) if largest else (a, -1.0)
        found = Form(terms=base.terms, constant=base.constant, kinks=((gap, gap.times(sign)),))
        return [found, None] if several else found

    def _slope(self, walk: Walk, parts: list[Form]) -> float:
        selectors: list[Form] = []
        rows: list[tuple[Terms, list[tuple[int, Terms]]]] = []
        for part in parts:
            base, jumps = part, []
            for selector, jump in part.kinks:
                place = next((i for i, one in enumerate(selectors) if same(one, selector)), None)
                if place is None:
                    mirror = selector.times(-1.0)
                    place = next((i for i, one in enumerate(selectors) if same(one, mirror)), None)
                    if place is not None:  # [s < 0] j = j − [s ≥ 0] j
                        base, jump = base.plus(jump), jump.times(-1.0)
                    else:
                        selectors.append(selector)
                        place = len(selectors) - 1
                jumps.append((place, jump.terms))
            rows.append((base.terms, jumps))
        if len(selectors) > _MOST_KINKS:
            raise Unknown("many kinks")
        used = sorted({key for base, jumps in rows for one in (base, *(terms for _, terms in jumps)) for key in one})
        total = 0.0
        for group in self._groups(used):
            worst = max(
                self._steepest(rows, group, side) for side in itertools.product((0, 1), repeat=len(selectors))
            )  # fmt: skip
            slope = walk.slopes[self.atoms[group[0]][0]]
            total += 0.0 if worst == 0 else slope * worst
        return outward(total, 64)

    def _groups(self, used: list[int]) -> list[list[int]]:
        """The atoms of one value together, if no entry of it is in two of them; else each alone."""
        by_anchor: dict[fx.Node, list[int]] = {}
        for key in used:
            by_anchor.setdefault(self.atoms[key][0], []).append(key)
        groups = []
        for keys in by_anchor.values():
            indices = [self.atoms[key][1] for key in keys]
            flat = torch.cat([one.reshape(-1) for one in indices if one is not None]) if any(
                one is not None for one in indices
            ) else torch.zeros(0)  # fmt: skip
            whole = sum(one is None for one in indices)
            distinct = len(flat.unique()) == len(flat)
            if (whole and len(keys) > 1) or not distinct:
                if any(one is not None and len(one.unique()) < one.numel() for one in indices):
                    raise Unknown("an entry that is chosen twice")
                groups.extend([key] for key in keys)
            else:
                groups.append(keys)
        return groups

    def _steepest(
        self, rows: list[tuple[Terms, list[tuple[int, Terms]]]], group: list[int], side: tuple[int, ...]
    ) -> float:
        """The largest norm over places of the matrix [results, atoms] on a side of the kinks."""
        entries = []
        for base, jumps in rows:
            for key in group:
                value: Any = base.get(key, 0.0)
                for place, terms in jumps:
                    if side[place] and key in terms:
                        value = value + terms[key]
                entries.append(torch.as_tensor(value, dtype=torch.float64))
        shape = torch.broadcast_shapes(*(one.shape for one in entries))
        matrices = torch.stack([one.expand(shape) for one in entries], -1).reshape(-1, len(rows), len(group))
        return float(torch.linalg.svdvals(matrices.unique(dim=0)).max())
