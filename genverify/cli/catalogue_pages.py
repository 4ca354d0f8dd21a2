"""What the catalogue holds, as pages for the terminal: the lists, and everything known of one name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from genverify.checks.check import Check, all_checks
from genverify.claims import Claim, Status
from genverify.errors import UsageError, nearest
from genverify.formulas.catalogue import all_claims, all_formulas

__all__ = ["explanation", "listing"]


def listing(what: str = "") -> str:
    """One list of the catalogue, or all of them.

    Raises:
        UsageError: There is no such list.
    """
    if what and what not in _LISTS:
        raise UsageError(given=f"list {what!r}", expected=", ".join(_LISTS), do=nearest(what, _LISTS))
    chosen = [what] if what else list(_LISTS)
    return "\n\n".join(f"{name.upper()}\n" + (_LISTS[name]() or "  none") for name in chosen)


def explanation(name: str) -> str:
    """Statement, source and derivation of a check, a claim, a formula or a rule.

    Raises:
        UsageError: Nothing has that name.
    """
    pages: list[tuple[Mapping[str, Any], Callable[[Any], str]]] = [
        (all_checks(), _explain_check), (all_formulas(), _explain_formula), (_rules(), _explain_rule),
        (_laws(), _explain_named), (_targets(), _explain_named), (all_claims(), _explain_claim),
    ]  # fmt: skip
    # The last part of a name is how people speak of it: adam is optimizer.adam.
    meant = {one for known, _ in pages for one in known if one == name}
    meant = meant or {one for known, _ in pages for one in known if one.endswith("." + name)}
    found = [explain(known[one]) for one in sorted(meant) for known, explain in pages if one in known]
    if not found:
        names = sorted({one for known, _ in pages for one in known})
        raise UsageError(
            given=f"name {name!r}", expected="the name of a check, formula, rule or claim (genverify list)",
            do=nearest(name, names),
        )  # fmt: skip
    return "\n\n".join(found)


def _rules() -> Mapping[str, Any]:
    from genverify.formulas.optimizer_rules import RULES

    return RULES


def _laws() -> Mapping[str, Any]:
    from genverify.formulas.law import all_laws

    return all_laws()


def _targets() -> Mapping[str, Any]:
    from genverify.formulas.target import all_targets

    return all_targets()


def _list_formulas() -> str:
    known = all_formulas().values()
    return _lines((f"{one.name}({one.signature()})", one.source) for one in known)


def _list_checks() -> str:
    lines, kind = [], ""
    for one in sorted(all_checks().values(), key=lambda c: (c.kind, c.name)):
        if one.kind != kind:
            kind = one.kind
            lines.append(f"  {kind}")
        lines.append(f"    {one.name}: {one.statement}")
    return "\n".join(lines)


def _list_claims() -> str:
    lines, topic = [], ""
    for one in sorted(all_claims().values(), key=lambda c: (c.topic, c.name)):
        if one.topic != topic:
            topic = one.topic
            lines.append(f"  {topic}")
        lines.append(f"    {one.status.value:9} {one.name}: {one.statement}")
    return "\n".join(lines)


def _list_subjects() -> str:
    from genverify.cli.declaring import fields_of, kinds

    lines = []
    for kind, made in kinds().items():
        fields = " ".join(f"--{name.replace('_', '-')}" for name in fields_of(made))
        lines.append((kind, f"{_sentence(made)} {fields}"))
    return _lines(lines)


def _list_rules() -> str:
    return _lines((name, _sentence(rule)) for name, rule in _rules().items())


def _list_laws() -> str:
    return _specified(_laws())


def _list_targets() -> str:
    return _specified(_targets())


def _specified(known: Mapping[str, Any]) -> str:
    said = {name: one.specification for name, one in known.items()}
    return _lines((name, f"{one.statement} ({one.source})") for name, one in said.items())


def _lines(pairs: Iterable[tuple[str, str]]) -> str:
    return "\n".join(f"  {name}: {' '.join(rest.split())}" for name, rest in pairs)


def _sentence(thing: Any) -> str:  # noqa: ANN401
    """What a registered thing says of itself, or the first line of its docstring."""
    said = getattr(thing, "statement", "") or getattr(thing, "source", "")
    return str(said) if said else (thing.__doc__ or "").strip().partition("\n")[0]


def _explain_check(one: Check) -> str:
    how = "statistical, with a share of alpha" if one.statistical else "searched" if one.searched else "fixed cases"
    page = _page(
        f"check {one.name}", one.statement, source=one.source, judges=f"subjects of kind {one.kind}",
        evidence=f"{one.rung.value}; {how}", explanation=(one.judge.__doc__ or "").strip(),
        claims=_claims_about(one.name, one.derivation),
    )  # fmt: skip
    derivation = all_claims().get(one.derivation)
    return page if derivation is None else f"{page}\n\n{_explain_claim(derivation)}"


def _explain_formula(one: Any) -> str:  # noqa: ANN401 - a Specification
    aliases = "; ".join(
        f"{form.name} ({', '.join(form.aliases)})" for argument in one.arguments for form in argument.forms
    )
    dialects = [str(d) + ("" if d.accepted else "  [recognised, not accepted]") for d in one.all_dialects()]
    derivation = all_claims().get(one.derivation)
    page = _page(
        f"formula {one.name}", one.statement, source=one.source, arguments=one.signature(), aliases=aliases,
        dialects="\n".join(dialects) if len(dialects) > 1 else "", claims=_claims_about(one.name, one.derivation),
    )  # fmt: skip
    return page if derivation is None else f"{page}\n\n{_explain_claim(derivation)}"


def _explain_rule(one: Any) -> str:  # noqa: ANN401 - a Rule of the optimizers
    dialects = [
        f"{axis.name}: {value.words or value.name}" + ("" if value.standing == "accepted" else f"  [{value.standing}]")
        for axis in one.axes
        for value in axis.values
    ]
    return _page(
        f"rule {one.name}", one.statement, source=one.source, also=", ".join(one.aliases),
        hyperparameters=", ".join(hyper.name for hyper in one.hypers), dialects="\n".join(dialects),
        claims=_claims_about(one.name),
    )  # fmt: skip


def _explain_named(one: Any) -> str:  # noqa: ANN401 - a law or a target
    said = one.specification
    return _page(
        said.name, said.statement, source=said.source, arguments=said.signature(), claims=_claims_about(said.name)
    )


def _explain_claim(one: Claim) -> str:
    equation = ""
    if one.equation is not None:
        import sympy

        equation = f"{sympy.pretty(one.equation(), use_unicode=True, wrap_line=False)}\n\nLaTeX: {one.latex()}"
    return _page(
        f"claim {one.name}", f"{one.status.value}: {one.statement}", source=one.source,
        assumptions="\n".join(one.assumptions), equation=equation, theorems="\n".join(one.theorems),
        counterexample=one.counterexample, corrected=one.corrected,
        known=_MEANING[one.status],
    )  # fmt: skip


_MEANING = {
    Status.DERIVED: "proved in the specs; SymPy executes the algebra",
    Status.SUPPORTED: "checked in the specs, not proved",
    Status.REFUTED: "false as its source states it; the specs show the counterexample and prove what holds instead",
}  # fmt: skip


def _claims_about(*names: str) -> str:
    found = [c for c in all_claims().values() if any(n and (c.name == n or c.name.startswith(n + ".")) for n in names)]
    return "\n".join(f"{c.status.value} {c.name}" for c in found)


def _page(title: str, statement: str, **parts: str) -> str:
    lines = [title, "  " + statement.replace("\n", "\n  ")]
    for name, body in parts.items():
        if not body:
            continue
        if "\n" in body:
            lines += [f"  {name}:", *(f"    {line}".rstrip() for line in body.splitlines())]
        else:
            lines.append(f"  {name}: {body}")
    return "\n".join(lines)


def _counts() -> str:
    from genverify.cli.catalogue_counts import counts

    return counts()


_LISTS: dict[str, Callable[[], str]] = {
    "formulas": _list_formulas, "checks": _list_checks, "claims": _list_claims, "subjects": _list_subjects,
    "rules": _list_rules, "laws": _list_laws, "targets": _list_targets, "counts": _counts,
}  # fmt: skip
