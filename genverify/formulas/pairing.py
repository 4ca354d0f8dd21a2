"""Names of parameters read as arguments: aliases, and the suffixes that tell the two distributions of a pair apart."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import combinations

from genverify.subjects.specification import Argument, Form, Role, Specification

__all__ = ["by_names"]

Meaning = tuple[Argument, Form]
Candidate = tuple[Argument, Form, str | None]

# Suffixes that tell the first argument of a pair from the second, whatever the order of the parameters.
_ORDER = {
    "": 0, "0": 1, "1": 2, "2": 3, "a": 1, "b": 2, "post": 1, "posterior": 1, "prior": 9, "x": 1, "y": 2,
    "approx": 1, "true": 2, "source": 1, "target": 2, "first": 1, "second": 2, "from": 1, "to": 2,
}  # fmt: skip
# Words beside a name that say whose it is, not what: `pred_std` is a std, `logits_batch` are logits.
_WHOSE = {
    "pred", "predicted", "y", "out", "output", "est", "estimated", "model", "net", "hat", "batch", "tensor", "vec",
    "vector", "values",
}  # fmt: skip
# KL(q‖p) and KL(p‖q) are both written; of these two the one that is named first is meant to be the first.
_BY_APPEARANCE = {"p", "q"}


def by_names(
    names: Sequence[str], specification: Specification, *, numbers: Collection[str] = ()
) -> dict[str, Meaning]:
    """The argument and parametrisation that each name stands for; names that mean nothing are left out.

    What is among `numbers` has a number for its default: it is no table, and one number rather than one for each entry.

    Of the ways to read the suffixes as a pair (``sigma2`` is a variance, or the second ``sigma``) the one that gives
    the most arguments a name is taken, then the one that reads both distributions in the same parametrisation.
    """
    options = {name: _candidates(name, specification) for name in names}
    options |= {name: _of_a_number(options[name], specification) for name in numbers if name in options}
    suffixes = list(
        dict.fromkeys(
            suffix.lower() for name in names for _, _, suffix in options[name] if suffix is not None
        )
    )  # fmt: skip
    schemes: list[tuple[str | None, str | None]] = [(one, None) for one in suffixes] or [(None, None)]
    schemes += [_oriented(*pair) for pair in combinations(suffixes, 2)]
    readings = [_read(options, scheme) for scheme in schemes]
    # max keeps the earliest of equals: suffixes in the order in which they appear.
    return max(readings, key=_quality)


def _of_a_number(found: list[Candidate], specification: Specification) -> list[Candidate]:
    """What a parameter that is a number may stand for.

    No argument that alone has some axis: a codebook has codes, and a weight of its loss has none. And of two arguments
    with the same parametrisations, a scale for each pixel and one for all, the latter.
    """
    values = [one for one in specification.arguments if one.role is Role.VALUE]
    made: list[Candidate] = []
    for argument, form, suffix in found:
        others = {axis for one in values if one is not argument for axis in one.axes.split()}
        if set(argument.axes.split()) - others - set(specification.output.replace("|", " ").split()):
            continue
        names = [one.name for one in argument.forms]
        alike = [one for one in values if not one.axes and [f.name for f in one.forms] == names]
        if argument.axes and alike:
            argument = alike[0]
            form = next(one for one in argument.forms if one.name == form.name)
        made.append((argument, form, suffix))
    return made


def _quality(reading: dict[str, Meaning]) -> tuple[int, int, int]:
    arguments = [argument.name for argument, _ in reading.values()]
    forms = {side: {form.name for a, form in reading.values() if a.group == side} for side in ("first", "second")}
    return len(set(arguments)), -(len(arguments) - len(set(arguments))), len(forms["first"] & forms["second"])


def _read(options: dict[str, list[Candidate]], scheme: tuple[str | None, str | None]) -> dict[str, Meaning]:
    """The names under one pair of suffixes; an argument that is taken gives way to the name's next meaning."""
    first, second = scheme
    reading: dict[str, Meaning] = {}
    taken: set[str] = set()
    for name, candidates in options.items():
        fits = [
            (argument, form)
            for argument, form, suffix in candidates
            if suffix is None or suffix.lower() == (second if argument.group == "second" else first)
        ]
        if fits:
            reading[name] = next((one for one in fits if one[0].name not in taken), fits[0])
            taken.add(reading[name][0].name)
    return reading


def _oriented(one: str, other: str) -> tuple[str, str]:
    """Two suffixes in the order of the pair: by convention, and for p and q as they appear."""
    if {one, other} == _BY_APPEARANCE:
        return one, other
    return (one, other) if _ORDER.get(one, 5) <= _ORDER.get(other, 5) else (other, one)


def _candidates(parameter: str, specification: Specification) -> list[Candidate]:
    """(argument, form, suffix) for everything that the name may mean; the suffix is None outside pairs."""
    exact: list[Candidate] = []
    loose: list[Candidate] = []
    for argument in specification.arguments:
        for form in argument.forms:
            for alias in (*((form.name,) if form.by_name else ()), *form.aliases):
                for suffix in _suffixes(parameter, alias, argument):
                    exact.append((argument, form, suffix))
                for suffix in _suffixes(parameter.lower(), alias.lower(), argument):
                    loose.append((argument, form, suffix))
    found = list(dict.fromkeys(exact)) or list(dict.fromkeys(loose))
    # log_p_xz and log_p_x_z differ in their underscores alone: the one that is listed is meant before the other.
    found.sort(key=lambda one: parameter not in (one[1].name, *one[1].aliases))
    plain = "" if found else _without_owner(parameter)
    return [one for one in _candidates(plain, specification) if not one[0].group] if plain else found


def _without_owner(parameter: str) -> str:
    """The name without the word that says whose it is; nothing where there is none, or only a letter left."""
    first, _, rest = parameter.partition("_")
    if first.lower() in _WHOSE and len(rest) > 1:
        return rest
    rest, _, last = parameter.rpartition("_")
    return rest if last.lower() in _WHOSE and len(rest) > 1 else ""


def _suffixes(parameter: str, alias: str, argument: Argument) -> list[str | None]:
    """What is left of the name beside the alias: [None] when nothing may be left, [] when it is another name."""
    plain, target = parameter.replace("_", ""), alias.replace("_", "").removeprefix("=")
    if not argument.group or alias.startswith("="):
        return [None] if plain == target else []
    if plain.startswith(target) and _is_suffix(plain[len(target) :]):
        return [plain[len(target) :]]
    if plain.endswith(target) and _is_suffix(plain[: -len(target)]):
        return [plain[: -len(target)]]
    return []


def _is_suffix(text: str) -> bool:
    return text.lower() in _ORDER or text.lower() in _BY_APPEARANCE
