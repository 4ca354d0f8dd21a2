"""The generated reading order is what the pages and the claims say, and no claim is without a page."""

from __future__ import annotations

import pytest

from genverify.claims import Claim, Status
from genverify.formulas.catalogue import all_claims
from specs import index


def test_the_readme_is_up_to_date():
    fresh = index.write(all_claims(), index.pages())
    assert index.README.read_text(encoding="utf-8") == fresh, "stale: run `python -m specs.index`"


def test_every_claim_has_a_page():
    shown = {name for page in index.pages() for name in page.claims}
    assert sorted(set(all_claims()) - shown) == [], "claims that no spec proves, supports or refutes"


def test_every_page_names_registered_claims():
    named = {name for page in index.pages() for name in page.claims}
    assert sorted(named - set(all_claims())) == []


def _page(folder, name, *claims):
    tests = "\n\n".join(f'@proves("{claim}")\ndef test_{i}():\n    pass' for i, claim in enumerate(claims))
    (folder / f"{name}.py").write_text(f'"""The page {name}.\n\nMore.\n"""\n\n{tests}\n', encoding="utf-8")


def test_pages_come_in_reading_order_and_unknown_ones_after(tmp_path):
    for name in ("zebra", "adam", "aardvark", "normal_density"):
        _page(tmp_path, name, f"{name}.b", f"{name}.a", f"{name}.b")
    (tmp_path / "conftest.py").write_text('"""No page."""\n', encoding="utf-8")
    found = index.pages(tmp_path)
    assert [page.topic for page in found] == ["normal_density", "adam", "aardvark", "zebra"]
    assert found[0].claims == ("normal_density.b", "normal_density.a")
    assert found[0].title == "The page normal_density"


def test_a_change_of_status_statement_or_equation_makes_it_stale(tmp_path):
    _page(tmp_path, "adam", "adam.one")
    pages = index.pages(tmp_path)
    plain = Claim(name="adam.one", status=Status.DERIVED, statement="s | t", source="x")
    texts = {
        index.write({"adam.one": one}, pages)
        for one in (
            plain,
            Claim(**{**vars(plain), "status": Status.SUPPORTED}),
            Claim(**{**vars(plain), "statement": "other"}),
        )
    }
    assert len(texts) == 3
    sympy = pytest.importorskip("sympy")
    equation = Claim(**{**vars(plain), "equation": lambda: sympy.Eq(sympy.Symbol("x"), 1)})
    assert "x = 1" in index.write({"adam.one": equation}, pages)
    assert r"s \| t" in index.write({"adam.one": plain}, pages)
